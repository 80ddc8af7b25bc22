-- Staff: who may log in, how they prove who they are, and what they did.
--
-- Why nothing here can be used by whoever reads it: of every token (session, one-time link) only the SHA-256 is stored,
-- of a recovery code an HMAC under SECRET_KEY, of a password its Argon2id hash. The secret of the second factor has to
-- be usable, so it is encrypted under SECRET_KEY. A stolen backup logs nobody in.

create type staff_role as enum ('editor', 'admin');

create table staff (
    id                uuid primary key,
    email             text not null,
    email_normalized  text not null unique,
    name              text not null check (name <> '' and length(name) <= 100),
    role              staff_role not null,
    created_at        timestamptz not null,
    -- Empty until the first one-time link was used.
    password_hash     text,
    password_set_at   timestamptz,
    -- Nonce, sealed secret and tag; bound to this row's id.
    totp_sealed       bytea,
    -- The last time step whose code was taken (RFC 6238 §5.2): a code works once, also for who looks over a shoulder.
    totp_last_step    bigint,
    disabled_at       timestamptz,
    check ((password_hash is null) = (password_set_at is null))
);

-- Ten at a time; a row goes when its code is used.
create table staff_recovery_codes (
    staff_id   uuid not null references staff on delete cascade,
    code_hmac  bytea not null check (octet_length(code_hmac) = 32),
    primary key (staff_id, code_hmac)
);

create table staff_links (
    token_sha256 bytea primary key check (octet_length(token_sha256) = 32),
    -- Empty: it makes the first admin, and works only while there is none.
    staff_id     uuid references staff on delete cascade,
    created_at   timestamptz not null,
    expires_at   timestamptz not null
);

-- A new link for somebody takes the place of the old one.
create unique index staff_links_one_each on staff_links (staff_id) where staff_id is not null;

create table staff_sessions (
    token_sha256       bytea primary key check (octet_length(token_sha256) = 32),
    -- What the list of one's own sessions calls it; it opens nothing.
    id                 uuid not null unique,
    staff_id           uuid not null references staff on delete cascade,
    created_at         timestamptz not null,
    -- Written at most once a minute: a page view shall not cost a write each.
    last_seen_at       timestamptz not null,
    expires_at         timestamptz not null,
    -- The password was right and the second factor is still to come: such a session opens the page for it and no other.
    is_awaiting_code   boolean not null,
    code_tries         smallint not null default 0,
    -- Browser and system by name, such as "Firefox, Linux". Not the whole header, and no IP address: it is for its
    -- owner to recognise, and for nothing else.
    client             text not null check (length(client) <= 60)
);

create index staff_sessions_by_staff on staff_sessions (staff_id);

-- Failed logins, by account, by network and by known device. Keys are HMACs: an address typed by mistake, or one that is
-- nobody's, is not kept as text.
create table staff_login_throttle (
    bucket        bytea primary key check (octet_length(bucket) = 32),
    failures      integer not null,
    last_at       timestamptz not null,
    blocked_until timestamptz not null
);

-- What staff did. Names and addresses are kept as they were then.
create table audit_log (
    id          bigint generated always as identity primary key,
    at          timestamptz not null,
    -- No foreign key: the log outlives whom it speaks of.
    staff_id    uuid,
    staff_email text not null,
    action      text not null check (action ~ '^[a-z_]{1,40}$'),
    subject     text not null default '',
    details     jsonb not null default '{}'
);

create index audit_log_by_staff on audit_log (staff_email, id);
create index audit_log_by_action on audit_log (action, id);
create index audit_log_by_time on audit_log (at);

-- Why a trigger: a log that the one who reads it could have changed proves nothing. As with consent events, the database
-- itself refuses, but for the end of retention.
create function guard_audit_log() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('rundbrief.audit_change', true) = 'forget' then
        return old;
    end if;
    raise exception 'the audit log is append-only' using errcode = 'integrity_constraint_violation';
end;
$$;

create trigger audit_log_append_only
    before update or delete on audit_log
    for each row execute function guard_audit_log();

create trigger audit_log_never_truncated
    before truncate on audit_log
    for each statement execute function refuse_change();

-- Entries before a moment, a thousand at a time, the oldest first. Answers how many.
create function forget_audit_log(logged_before timestamptz) returns bigint language plpgsql as $$
declare
    removed bigint;
begin
    perform set_config('rundbrief.audit_change', 'forget', true);
    delete from audit_log where id in (
        select id from audit_log where at < logged_before order by at limit 1000);
    get diagnostics removed = row_count;
    perform set_config('rundbrief.audit_change', '', true);
    return removed;
end;
$$;
