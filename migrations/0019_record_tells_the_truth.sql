-- Each event of the record of consent has a kind and a method of its own, so that it claims no act of a person that
-- nobody did. Until now a request for another address that was replaced or called off was recorded as if its owner had
-- pressed "that was not me", and every POST to an unsubscribe link as a press of our button. The rows of then stay as
-- they are; `ambiguous` in domain/consent.rs says of which of them more is claimed than is known.

-- A newer request, or another signup of the same address, took its place.
alter type signup_state add value 'superseded';
-- Called off on the settings page.
alter type signup_state add value 'cancelled';
-- The subscription that was to move ended before.
alter type signup_state add value 'lapsed';

alter type consent_kind add value 'superseded';
alter type consent_kind add value 'cancelled';
alter type consent_kind add value 'lapsed';
-- The relay took the mail that says "you are subscribed already".
alter type consent_kind add value 'told_subscribed';

alter type consent_method add value 'settings';
alter type consent_method add value 'newer_request';
alter type consent_method add value 'other_signup';
alter type consent_method add value 'withdrawal';
alter type consent_method add value 'command';

-- Mails that answer a signup: whether the last message that was tried said "you are subscribed already" and asked for
-- nothing. Null until one was tried, and in rows of before.
alter table deliveries add column told_subscribed boolean;

-- A confirm link asks whether its address was given up for another one.
create index former_addresses_by_address on former_addresses (email_normalized);
