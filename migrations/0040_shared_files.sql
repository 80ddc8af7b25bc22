-- Files that readers download: PDF and office formats. The bytes lie in the store of the pictures (`IMAGE_STORE`), in a folder
-- of their own; here stands what they are. What a mail points at stays, as pictures do (0014).

create table shared_files (
    id             uuid primary key,
    -- Stands in public addresses: 130 random bits, so that nobody finds a file before it is sent.
    name           text not null unique check (name ~ '^[a-z2-7]{26}$'),
    -- What was found in it, whatever it was called.
    extension      text not null check (extension in ('pdf', 'docx', 'xlsx', 'pptx', 'odt', 'ods', 'odp')),
    -- What it is called where it is saved, without the ending.
    title          text not null check (title <> '' and length(title) <= 200),
    bytes          bigint not null check (bytes > 0),
    -- To know the same file again.
    upload_sha256  bytea not null check (octet_length(upload_sha256) = 32),
    uploaded_by    uuid references staff on delete set null,
    created_at     timestamptz not null,
    -- When it was last seen in an update.
    last_used_at   timestamptz,
    -- When it first went out; from then on nothing removes it.
    kept_since     timestamptz
);

create index shared_files_by_upload on shared_files (upload_sha256);

-- As keep_images() does: whatever column of a text that goes out names a file. One that is gone by then stops nothing: the
-- check before sending has named it.
create function keep_shared_files() returns trigger language plpgsql as $$
begin
    update shared_files set kept_since = now()
    where kept_since is null
      and name in (select named[1] from regexp_matches(to_jsonb(new)::text, '/files/([a-z2-7]{26})', 'g') named);
    return new;
end;
$$;

create trigger mailings_keep_shared_files after insert or update of body_text, body_html on mailings
    for each row execute function keep_shared_files();

create trigger publications_keep_shared_files after insert on publications
    for each row execute function keep_shared_files();

-- The link of an update may lead to a file, too.
create or replace view texts_with_images as
    select id, title, concat_ws(' ', image, link, body) as text, false as is_template from updates
    union all
    select u.id, u.title, concat_ws(' ', v.image, v.link, v.body), false from update_versions v join updates u on u.id = v.update_id
    union all
    select id, name, concat_ws(' ', image, body), true from update_templates;
