-- Last month's mail is used again: as the beginning of a new draft, or, under a name, as a template that everybody finds.
create table update_templates (
    id           uuid primary key,
    name         text not null unique check (name <> '' and length(name) <= 100),
    locale       text not null check (locale ~ '^[a-z]{2,3}$'),
    title        text not null,
    teaser       text not null,
    body         text not null,
    image        text,
    image_alt    text,
    image_credit text,
    -- What has to be looked at before an update made of it is sent, each a line.
    checklist    text[] not null default '{}',
    changed_at   timestamptz not null,
    changed_by   text not null
);

-- The checklist of an update, as its template had it when the draft was begun.
create table update_checks (
    update_id uuid not null references updates on delete cascade,
    position  int not null,
    item      text not null check (item <> '' and length(item) <= 200),
    done_at   timestamptz,
    done_by   text,
    primary key (update_id, position),
    check ((done_at is null) = (done_by is null))
);

-- A picture of a template is in use. Its title is its name there.
create or replace view texts_with_images as
    select id, title, concat_ws(' ', image, body) as text, false as is_template from updates
    union all
    select u.id, u.title, concat_ws(' ', v.image, v.body), false from update_versions v join updates u on u.id = v.update_id
    union all
    select id, name, concat_ws(' ', image, body), true from update_templates;
