-- The staff pages of subscribers: finding somebody among a million, and lists brought in through the browser.

-- Lists of subscribers, newest first: all of them, or those of a state, of all times or of a month. `id` makes the order
-- total, so that pages go by key.
create index subscribers_by_time on subscribers (confirmed_at, id);
create index subscribers_by_state on subscribers (state, confirmed_at, id);

-- Search by the beginning of an address, of the last part of its name, or of its domain (domain/subscriber/search.rs).
--
-- Why not trigrams: a trigram index finds any part of an address, but what it costs depends on what was typed. Addresses
-- share a few domains, so the pieces of "@gmail.com" are in half of them, and half of the list would be read and sorted
-- to show fifty. These indexes are in the order that is shown, so the first fifty are read and no more, whatever was
-- typed; and they need no extension. What a filter asks of a row stands in them too: where a filter lets nobody through,
-- only the index is read.
create index subscribers_by_address on subscribers (email_normalized collate "C") include (id, state, confirmed_at);
create index subscribers_by_last_name on subscribers (
        (substring(email_normalized from '[^@._+-]*@.*$')) collate "C", email_normalized collate "C")
    include (id, state, confirmed_at)
    -- Where the name has one part alone, that is the address itself.
    where email_normalized ~ '^[^@]*[._+-]';
create index subscribers_by_domain on subscribers (
        (substring(email_normalized from '[^@]*$')) collate "C", email_normalized collate "C")
    include (id, state, confirmed_at);

-- Lists that staff bring in. The file lies in the database, piece by piece: any process can go on where another one
-- died, each reads no more than a piece at a time, and the file is gone with its import.
create type import_state as enum (
    -- The file is on its way here.
    'uploading',
    -- The file is here; staff say what stands in which column.
    'uploaded',
    -- The dry run: everything is read and counted, nobody is brought in.
    'checking', 'checked',
    'importing', 'done',
    -- The file cannot be read to its end; `failure` says why.
    'failed',
    'cancelled'
);

create table imports (
    id            uuid primary key,
    state         import_state not null default 'uploading',
    created_at    timestamptz not null,
    -- Who uploaded it. No foreign key: the report outlives the account.
    staff_email   text not null,
    file_name     text not null,
    size_bytes    bigint not null default 0,
    -- How to read it: separator, encoding, columns, and what holds for every line (domain/import/plan.rs).
    plan          jsonb not null default '{}',
    -- How far it has been read, by the dry run or the import: moves in the transaction of what was read.
    next_byte     bigint not null default 0,
    next_line     bigint not null default 1,
    added         bigint not null default 0,
    known         bigint not null default 0,
    had_left      bigint not null default 0,
    suppressed    bigint not null default 0,
    bad           bigint not null default 0,
    failure       text,
    -- When a step began and ended.
    begun_at      timestamptz,
    finished_at   timestamptz
);

create index imports_to_do on imports (created_at) where state in ('checking', 'importing');

create table import_pieces (
    import_id uuid not null references imports on delete cascade,
    number    integer not null,
    bytes     bytea not null,
    primary key (import_id, number)
);
-- It is text that was never compressed, and read in order: kept as it is, a part of it can be read without the rest.
alter table import_pieces alter column bytes set storage external;

-- Lines that cannot come in, and why; the first ten thousand of an import. No text of the line: it may hold anything.
create table import_problems (
    import_id uuid not null references imports on delete cascade,
    line      bigint not null,
    problem   text not null,
    primary key (import_id, line)
);

-- Somebody whom staff have asked in: nobody has shown them the consent text yet, so the page that asks them does.
alter table signups add column by_staff boolean not null default false;
