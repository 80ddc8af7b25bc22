-- People: those who asked (signups), those who confirmed (subscribers), those who must not be written to
-- (suppressions).
--
-- Why a signup is a row of its own and not a subscriber in a "pending" state: a request proves nothing about
-- who made it. Keeping the two apart makes "only confirmed addresses get an update" a matter of which table a
-- mailing reads.

create type signup_state as enum ('waiting', 'confirmed', 'declined');

create table signups (
    id                  uuid primary key,
    email               text not null check (octet_length(email) <= 254),
    email_normalized    text not null check (octet_length(email_normalized) <= 254),
    locale              text not null check (locale in ('de', 'en')),
    state               signup_state not null default 'waiting',
    publication_version integer not null references publications,
    form_page           text not null,
    requested_at        timestamptz not null,
    expires_at          timestamptz not null,
    ended_at            timestamptz,
    check ((state = 'waiting') = (ended_at is null))
);

create index signups_by_address on signups (email_normalized);
create index signups_by_expiry on signups (expires_at);

-- Only the hash of a confirm token is kept: whoever reads this table cannot confirm for anybody.
-- A signup may have several, because every attempt to send its mail mints a fresh one.
create table confirm_tokens (
    token_sha256 bytea primary key check (octet_length(token_sha256) = 32),
    signup_id    uuid not null references signups on delete cascade,
    created_at   timestamptz not null
);

create index confirm_tokens_by_signup on confirm_tokens (signup_id);

create type subscriber_state as enum ('active', 'unsubscribed', 'bounced', 'complained');

create table subscribers (
    id               uuid primary key,
    email            text not null check (octet_length(email) <= 254),
    -- Lower-case local part and A-label domain: the identity of an address. One subscriber each.
    email_normalized text not null unique check (octet_length(email_normalized) <= 254),
    locale           text not null check (locale in ('de', 'en')),
    state            subscriber_state not null,
    created_at       timestamptz not null,
    confirmed_at     timestamptz not null,
    state_changed_at timestamptz not null
);

-- The audience of a mailing is counted from this index alone.
create index subscribers_active on subscribers (confirmed_at) where state = 'active';

create type suppression_reason as enum ('erased', 'bounced', 'complained', 'requested');

-- The address itself is not here: a keyed HMAC recognises it and gives nothing away.
create table suppressions (
    address_hmac bytea primary key check (octet_length(address_hmac) = 32),
    reason       suppression_reason not null,
    created_at   timestamptz not null
);
