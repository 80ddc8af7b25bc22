-- The proof of consent: an append-only record of what was asked, shown, sent, opened, pressed and withdrawn.
--
-- Why a trigger and not a promise: "the application never updates this table" convinces nobody. The database
-- itself refuses UPDATE, DELETE and TRUNCATE, except inside the two functions below, which exist because the
-- law asks for them: erasure (Art. 17 DSGVO) and the end of an IP address's retention.

create type consent_kind as enum (
    'requested', 'mail_accepted', 'link_opened', 'confirmed', 'declined', 'withdrawn', 'erased'
);

create type consent_method as enum ('form', 'relay', 'link', 'button', 'one_click', 'undo', 'import', 'staff');

create table consent_events (
    id                  bigint generated always as identity primary key,
    at                  timestamptz not null,
    kind                consent_kind not null,
    method              consent_method not null,
    email               text,
    email_normalized    text,
    -- Set on `erased` alone, where the address itself is gone.
    address_hmac        bytea check (octet_length(address_hmac) = 32),
    -- No foreign keys: the record outlives signup and subscriber.
    signup_id           uuid,
    subscriber_id       uuid,
    publication_version integer references publications,
    consent_locale      text check (consent_locale in ('de', 'en')),
    consent_text_sha256 bytea check (octet_length(consent_text_sha256) = 32),
    form_page           text,
    client_ip           inet,
    message_id          text,
    smtp_code           smallint,
    smtp_text           text,
    -- Imports: where the consent was given, in the importer's words, and when.
    source              text,
    consented_at        timestamptz,
    check ((kind = 'erased') = (email is null)),
    check ((kind = 'erased') = (address_hmac is not null))
);

create index consent_events_by_address on consent_events (email_normalized, id);
create index consent_events_with_ip on consent_events (at) where client_ip is not null;

create function guard_consent_events() returns trigger language plpgsql as $$
begin
    -- The setting is local to the transaction and set by the two functions below only.
    if current_setting('rundbrief.consent_change', true) is distinct from 'allowed' then
        raise exception 'consent events are append-only'
            using errcode = 'integrity_constraint_violation';
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    return new;
end;
$$;

create trigger consent_events_append_only
    before update or delete on consent_events
    for each row execute function guard_consent_events();

create trigger consent_events_never_truncated
    before truncate on consent_events
    for each statement execute function refuse_change();

-- Art. 17 DSGVO: removes every event of an address. Answers how many there were.
create function erase_consent_events(address text) returns bigint language plpgsql as $$
declare
    removed bigint;
begin
    perform set_config('rundbrief.consent_change', 'allowed', true);
    delete from consent_events where email_normalized = address;
    get diagnostics removed = row_count;
    perform set_config('rundbrief.consent_change', '', true);
    return removed;
end;
$$;

-- KEEP_IP_DAYS: forgets IP addresses recorded before a moment and leaves the rest of the event as it was.
create function forget_client_ips(recorded_before timestamptz) returns bigint language plpgsql as $$
declare
    forgotten bigint;
begin
    perform set_config('rundbrief.consent_change', 'allowed', true);
    update consent_events set client_ip = null where client_ip is not null and at < recorded_before;
    get diagnostics forgotten = row_count;
    perform set_config('rundbrief.consent_change', '', true);
    return forgotten;
end;
$$;
