-- An unsubscribe may be taken back by whoever did it: true from then until it is taken back, or until anybody else is
-- told that the address is unsubscribed (domain/subscriber.rs). Newsletters are forwarded, and their links with them.
alter table subscribers add column may_undo boolean not null default false;

-- When a session's owner last gave password and second factor: what a stolen session must not do asks for them again
-- (web/staff/reauth.rs). Guesses at it are counted, so that a session is no place to guess from.
alter table staff_sessions
    add column authenticated_at timestamptz,
    add column reauth_tries     smallint not null default 0;
update staff_sessions set authenticated_at = created_at;
alter table staff_sessions alter column authenticated_at set not null;

-- What was done with an account, or to it, for its other sessions to read on their next page.
create table staff_notices (
    id         bigint generated always as identity primary key,
    staff_id   uuid not null references staff on delete cascade,
    at         timestamptz not null,
    -- A key of the pages' texts.
    what       text not null check (what ~ '^[a-z_]{1,40}$'),
    -- The session that did it, and its browser and system. No foreign key: a notice outlives the session.
    session_id uuid,
    client     text check (length(client) <= 60),
    -- Or the name of the colleague who did it; neither: it was done by command.
    by_name    text check (length(by_name) <= 100)
);

create index staff_notices_by_staff on staff_notices (staff_id, id);

create table staff_notices_read (
    notice_id  bigint not null references staff_notices on delete cascade,
    session_id uuid not null references staff_sessions (id) on delete cascade,
    primary key (notice_id, session_id)
);

create index staff_notices_read_by_session on staff_notices_read (session_id);

-- What was done to an account, for its owner to read.
create index audit_log_by_subject on audit_log (subject, id);

-- Addresses of colleagues who get test mails, and those in the names of uploaded files, stood whole in the audit log: it
-- cannot be changed, and so whoever was erased lived on in it. They are masked from now on, and here once for before.
create function masked_addresses(text) returns text language sql immutable as $$
    select regexp_replace($1, '([^][:space:]<>()"'',;:@…[])[^][:space:]<>()"'',;:@…[]*@', '\1…@', 'g')
$$;

alter table audit_log disable trigger audit_log_append_only;
update audit_log set subject = masked_addresses(subject)
    where action in ('colleague_added', 'colleague_removed', 'import_uploaded', 'import_checked', 'import_started',
                     'import_cancelled')
      and subject like '%@%';
update audit_log set details = jsonb_set(details, '{addresses}', to_jsonb(masked_addresses(details ->> 'addresses')))
    where action = 'test_sent' and details ->> 'addresses' like '%@%';
alter table audit_log enable trigger audit_log_append_only;
update imports set file_name = masked_addresses(file_name) where file_name like '%@%';
drop function masked_addresses(text);
