-- What the database knows of itself: where it ran, how far it got, and whether mailings are held.
--
-- Why: a backup that is brought back in the middle of a mailing knows nothing of the mails that went out after it was
-- made, nor of who has left since. It would send again. So would a standby that was promoted and lacks the last commits.
-- See docs/operations/restore.md and src/domain/restore.rs.

create table database_memory (
    only_row          boolean primary key default true check (only_row),
    -- The same in every copy. Null until the service has run on it.
    database_id       uuid,
    -- Where it was when this row was last written: the server, the database's number there, the server's timeline.
    system_identifier text,
    database_oid      oid,
    timeline          text,
    -- The transaction that wrote this row. In a copy that was made of a dump another one did, and `xmin` says so.
    written_by        xid8 not null default pg_current_xact_id(),
    written_at        timestamptz not null default now(),
    -- How often somebody has let held mailings go on. What was remembered before that counts no more.
    releases          bigint not null default 0,
    -- Mailings are held while this is set.
    held_at           timestamptz,
    held_for          text check (held_for in ('another', 'copied', 'older', 'promoted', 'slept')),
    -- When the service was last seen on this database before.
    held_since_seen   timestamptz,
    -- The database that the state folder remembered in the place of this one; stays after the release.
    held_against      uuid,
    -- Somebody has asked to let mailings go on with what is open as `unknown`; workers are at it.
    becomes_unknown   boolean not null default false,
    check ((held_at is null) = (held_for is null)),
    check (held_at is not null or not becomes_unknown)
);

insert into database_memory default values;

-- Whether mailings are held. Everything that begins, fans out, claims or marks a copy of a mailing asks this.
create function mailings_are_held() returns boolean language sql stable as
    'select exists (select from database_memory where only_row and held_at is not null)';

-- High-water marks: one row for each writer of each process, which counts its commits. Whoever has seen a value answered
-- finds it here, or this is an older database.
create table watermarks (
    id         uuid primary key,
    value      bigint not null,
    -- By the server's clock. The newest one is the service's last sign of life.
    written_at timestamptz not null default now(),
    -- When the server was started on which this process has last looked, in microseconds. Null where that is not kept:
    -- of writers besides a process's first, and of processes that have ended.
    server     bigint
);

create index watermarks_by_time on watermarks (written_at);

-- The number of the server's start, as `watermarks.server` has it.
create function this_server() returns bigint language sql stable as
    'select (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint';

-- Which keys of SECRET_KEY have been used with this database: a fingerprint of each, from which nobody gets the key.
--
-- Why: with another key nothing fails at once. The links in mails that are out do, one by one, and suppressed addresses
-- are written to again. So a start without one of these keys asks first.
create table secret_keys (
    fingerprint bytea primary key check (octet_length(fingerprint) = 32),
    noted_at    timestamptz not null default now()
);

-- What a worker says of itself with each sign of life, for /health/ready: how the relay is, and whether it can read the
-- queue.
alter table workers
    add column relay text not null default 'untried'
        check (relay in ('untried', 'ok', 'unreachable', 'login', 'sender', 'policy')),
    add column relay_since timestamptz,
    add column queue_stuck_since timestamptz;
