-- What an admin has typed about the publication and not saved, to be looked at as mails and pages. One each, for a day.
create table publication_drafts (
    staff_id uuid primary key references staff on delete cascade,
    content  jsonb not null,
    made_at  timestamptz not null
);
