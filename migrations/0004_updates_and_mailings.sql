-- What is written (updates) and what is sent of it (mailings).
--
-- Why a mailing carries its own subject and bodies: "frozen at the trigger" must also hold when somebody edits
-- the update, a template or the publication while a large mailing is under way. Every recipient of one mailing
-- gets the same words.

create type update_state as enum ('draft', 'published');

create table updates (
    id           uuid primary key,
    slug         text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    state        update_state not null default 'draft',
    locale       text not null check (locale in ('de', 'en')),
    title        text not null check (title <> ''),
    teaser       text not null,
    body         text not null,
    dated        date,
    link         text,
    image        text,
    image_alt    text,
    image_credit text,
    created_at   timestamptz not null,
    changed_at   timestamptz not null,
    -- An image that a blind reader cannot have does not go out.
    check (image is null or coalesce(image_alt, '') <> '')
);

create type mailing_state as enum ('scheduled', 'preparing', 'sending', 'paused', 'done', 'cancelled');

-- Who paused decides who resumes: `unreachable` ends by itself when the relay answers again.
create type pause_kind as enum ('staff', 'login', 'sender', 'unreachable');

create table mailings (
    id                  uuid primary key,
    update_id           uuid not null references updates,
    publication_version integer not null references publications,
    state               mailing_state not null,
    locale              text not null check (locale in ('de', 'en')),
    subject             text not null,
    body_text           text not null,
    body_html           text not null,
    -- People who had confirmed by `triggered_at` are the audience. Until the fan-out has finished this is the
    -- number counted at the trigger, afterwards the number of deliveries.
    triggered_at        timestamptz not null,
    audience            bigint not null check (audience >= 0),
    scheduled_at        timestamptz,
    -- The fan-out walks subscribers in the order of their ids; this is where it stands.
    fan_out_cursor      uuid,
    fan_out_done_at     timestamptz,
    paused_at           timestamptz,
    pause_kind          pause_kind,
    pause_reason        text,
    finished_at         timestamptz,
    check ((state = 'paused') = (pause_kind is not null)),
    check ((state = 'paused') = (paused_at is not null)),
    check ((state in ('done', 'cancelled')) = (finished_at is not null))
);

create index mailings_by_update on mailings (update_id);
create index mailings_at_work on mailings (state) where state not in ('done', 'cancelled');
