-- Pictures that staff upload. The bytes lie in the store (`IMAGE_STORE`); here stands what they are.
--
-- Why a picture that went out is kept for ever: mails cannot be called back, and each of them fetches the picture again
-- when it is opened, years later too. So a trigger marks every picture that a mailing or the publication names, whoever
-- writes the row. What is not used any more and never went out may go.

create table images (
    id             uuid primary key,
    -- Stands in public addresses: 130 random bits, so that nobody finds a picture before it is sent.
    name           text not null unique check (name ~ '^[a-z2-7]{26}$'),
    extension      text not null check (extension in ('jpg', 'png')),
    -- Pixels of the larger of the two files, and of the one for the width of a mail.
    width          integer not null check (width > 0),
    height         integer not null check (height > 0),
    small_width    integer not null check (small_width > 0 and small_width <= width),
    small_height   integer not null check (small_height > 0),
    -- Of both files together.
    bytes          bigint not null check (bytes > 0),
    -- May be empty until the picture is used; updates insist on a text of their own.
    alt            text not null check (length(alt) <= 500),
    credit         text not null check (length(credit) <= 200),
    -- Of what was uploaded, to know a picture again.
    upload_sha256  bytea not null check (octet_length(upload_sha256) = 32),
    uploaded_by    uuid references staff on delete set null,
    created_at     timestamptz not null,
    -- When it was last seen in an update.
    last_used_at   timestamptz,
    -- When it first went out; from then on nothing removes it.
    kept_since     timestamptz
);

create index images_by_upload on images (upload_sha256);

-- Keeps the pictures that a row names, whatever column they stand in. For every table whose texts go out.
create function keep_images() returns trigger language plpgsql as $$
begin
    update images set kept_since = now()
    where kept_since is null
      and name in (select named[1] from regexp_matches(to_jsonb(new)::text, '/images/([a-z2-7]{26})', 'g') named);
    return new;
end;
$$;

create trigger mailings_keep_images after insert on mailings
    for each row execute function keep_images();

create trigger publications_keep_images after insert on publications
    for each row execute function keep_images();

-- Every text that staff still work on, or may bring back, and that may show a picture. Pictures named here are in use.
create view texts_with_images as
    select id, title, concat_ws(' ', image, body) as text from updates
    union all
    select u.id, u.title, concat_ws(' ', v.image, v.body) from update_versions v join updates u on u.id = v.update_id;
