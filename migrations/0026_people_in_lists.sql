-- What an uploaded list says of each person as a whole, known before anybody is brought in.
--
-- Why: a long list is read in pieces, and may call somebody active in one line and unsubscribed thousands of lines below.
-- Whoever is not to be mailed must not become active until that line is read; and the dry run must count what the import
-- will do. So the dry run reads the file twice: once to learn what it says of everybody, once to count.

create table import_people (
    import_id uuid not null references imports on delete cascade,
    -- The first half of the SHA-256 of the address: to know it again, not to read it.
    address   bytea not null,
    -- The worst that any line says (domain/import/people.rs).
    listed    smallint not null,
    -- The first line that says it.
    line      bigint not null,
    primary key (import_id, address)
);

-- The dry run has read the file once.
alter table imports add column is_surveyed boolean not null default false;

-- What was tried out before this knows nothing of it: it is tried out again. So is what was being brought in: of people
-- whom a later line says to have left, the dry run tells.
update imports set state = 'uploaded', finished_at = null, brings_in = false
where state in ('checking', 'checked', 'importing');
