-- The subscriber's own page: settings, another address, everything stored, and why people leave.

-- Mails to a subscriber that answer what was pressed on that page.
alter type delivery_kind add value 'access';
alter type delivery_kind add value 'address_notice';
drop index deliveries_by_subscriber;
create index deliveries_by_subscriber on deliveries (subscriber_id) where mailing_id is null and subscriber_id is not null;
-- Tests and notices name their address themselves.
create index deliveries_by_own_address on deliveries (lower(address)) where address is not null;

-- A change of address is a signup of the new address, with all that belongs to one: the text shown, the mail, the
-- button. This column makes it move a subscription instead of beginning one. No foreign key: an erased subscriber takes
-- the request along, see domain/erasure.rs.
alter table signups add column replaces uuid;
create index signups_that_replace on signups (replaces) where replaces is not null;

alter type consent_method add value 'address_change';

-- The addresses a subscription had before, and so whose record of consent they are. Kept as long as that record: access
-- (Art. 15 DSGVO) and erasure (Art. 17) must find all of a person.
create table former_addresses (
    email_normalized text not null check (octet_length(email_normalized) <= 254),
    subscriber_id    uuid not null references subscribers on delete cascade,
    left_at          timestamptz not null,
    primary key (subscriber_id, email_normalized)
);

create index former_addresses_by_time on former_addresses (left_at);

create type leave_reason as enum ('too_often', 'not_interesting', 'elsewhere', 'not_asked_for', 'other');

-- Why people left, as far as they said. Not who said it: `form` is random, it recognises a form that is sent twice and
-- leads to nobody.
create table leave_answers (
    form        bytea primary key check (octet_length(form) = 16),
    reason      leave_reason not null,
    answered_on date not null
);
