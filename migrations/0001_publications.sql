-- The newsletter's identity, kept version by version.
--
-- Why rows are never changed: a consent event names the version whose text the visitor saw, and that text
-- must still be there, letter for letter, when somebody asks for proof years later (Art. 7(1) DSGVO).

create table publications (
    version        integer generated always as identity primary key,
    applied_at     timestamptz not null,
    content        jsonb not null,
    -- SHA-256 over the canonical JSON of `content`: applying the same file twice makes no new version.
    content_sha256 bytea not null check (octet_length(content_sha256) = 32)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% rows are kept as they were written', tg_table_name
        using errcode = 'integrity_constraint_violation';
end;
$$;

create trigger publications_never_change
    before update or delete on publications
    for each row execute function refuse_change();

create trigger publications_never_truncated
    before truncate on publications
    for each statement execute function refuse_change();
