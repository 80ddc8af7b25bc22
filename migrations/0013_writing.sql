-- Writing updates on the staff pages: saved as it is typed, by several people, with a way back.

-- A draft is saved before it is finished: what is missing is said at its field, and nothing unfinished goes out.
alter table updates drop constraint updates_title_check;
alter table updates drop constraint updates_check;
alter table updates
    -- Counts up with every save. Who saves says which version the text was made from, so nobody writes over what they
    -- have not seen.
    add column version    integer not null default 1,
    -- The name of who saved last; nobody's where it came by command.
    add column changed_by text;

-- What was written, one row for each sitting of one author, so that saving every few seconds does not bury the past.
create table update_versions (
    id           bigint generated always as identity primary key,
    update_id    uuid not null references updates on delete cascade,
    began_at     timestamptz not null,
    saved_at     timestamptz not null,
    saved_by     uuid,
    saved_by_name text,
    -- Written at the same time as somebody else's text, and not taken: kept so that nothing is lost.
    is_aside     boolean not null default false,
    -- The next save begins another entry.
    is_over      boolean not null default false,
    locale       text not null check (locale in ('de', 'en')),
    title        text not null,
    teaser       text not null,
    body         text not null,
    dated        date,
    link         text,
    image        text,
    image_alt    text,
    image_credit text
);

create index update_versions_by_update on update_versions (update_id, id);

-- Who has an update open just now. A row is renewed while the page is open and means nothing soon after.
create table update_editors (
    update_id uuid not null references updates on delete cascade,
    staff_id  uuid not null,
    name      text not null,
    seen_at   timestamptz not null,
    primary key (update_id, staff_id)
);
