-- The only queue there is: one row a message to one address.
--
-- Why it is narrow: a mailing to a million people writes a million rows and changes each of them a few times.
-- Addresses and texts stay where they are (subscribers, signups, mailings); a row here only points at them.
--
-- Why the lease stands with the worker and not with the row: keeping it alive then costs one small update for
-- everything the worker holds, and taking its row away fences it off at once.

create table workers (
    id          bigint generated always as identity primary key,
    started_at  timestamptz not null,
    lease_until timestamptz not null
);

create type delivery_kind as enum ('mailing', 'confirmation', 'welcome', 'test');

create type delivery_state as enum (
    'pending', 'claimed', 'transmitting', 'accepted', 'rejected', 'unknown', 'skipped'
);

create table deliveries (
    id            bigint generated always as identity primary key,
    mailing_id    uuid references mailings,
    -- Null for other kinds, and after an erasure: the count stays, the person is gone.
    subscriber_id uuid,
    signup_id     uuid,
    -- Test mails only: which update, and to whom.
    update_id     uuid references updates,
    address       text,
    due_at        timestamptz not null,
    finished_at   timestamptz,
    claimed_by    bigint,
    kind          delivery_kind not null,
    state         delivery_state not null default 'pending',
    attempts      smallint not null default 0,
    smtp_code     smallint,
    smtp_text     text,
    check ((kind = 'mailing') = (mailing_id is not null)),
    check ((state in ('claimed', 'transmitting')) = (claimed_by is not null))
);

-- Invariant 2: one mailing copy a subscriber.
create unique index deliveries_one_copy on deliveries (mailing_id, subscriber_id) where kind = 'mailing';

-- The queue proper: copies of each mailing, and before all mailings confirmations, welcomes and tests.
create index deliveries_due on deliveries (mailing_id, due_at, id) where state = 'pending';
create index deliveries_urgent on deliveries (due_at, id) where state = 'pending' and mailing_id is null;

-- What workers hold right now: never more than a few thousand entries.
create index deliveries_held on deliveries (claimed_by) where state in ('claimed', 'transmitting');

create index deliveries_by_signup on deliveries (signup_id) where signup_id is not null;
create index deliveries_by_subscriber on deliveries (subscriber_id) where kind = 'welcome';

-- One send rate for all workers together: the moment up to which sending has been handed out.
create table send_budget (
    only_row       boolean primary key default true check (only_row),
    handed_out_to  timestamptz not null
);

insert into send_budget (handed_out_to) values ('-infinity');
