-- Sending from the staff pages: who triggered, once whatever is pressed twice, and half a minute to take it back.

alter table mailings
    -- Who: a member of staff by id, without a foreign key, as in the audit log. Null: a command on the server.
    add column triggered_by uuid,
    -- The number that the form was shown with. Unique, so that a double click, the back button and a reload are one.
    add column sent_by_form uuid unique,
    -- It begins as soon as the time to take it back is over, which is what `scheduled_at` says then. Otherwise
    -- `scheduled_at` is a time that somebody has chosen.
    add column has_grace boolean not null default false,
    -- Cancelled before it began: nothing of it was ever written or sent, and the update is as it was.
    add column taken_back_at timestamptz,
    -- When a person last had something of it sent again. From then on its end says nothing of how fast it was.
    add column retried_at timestamptz,
    -- How many unsubscribed because of it, kept when its deliveries go (as `kept_counts`).
    add column kept_left bigint,
    add check (taken_back_at is null or state = 'cancelled');

-- Pages of the list go by this.
create index mailings_by_time on mailings (triggered_at, id);

-- What became of an update's test mails. Copies of mailings have no update of their own and are not in it.
create index deliveries_of_tests on deliveries (update_id, id) where update_id is not null;

-- The colleagues who get test mails: a list that staff keep.
create table colleagues (
    id               uuid primary key,
    email            text not null check (octet_length(email) <= 254),
    email_normalized text not null unique check (octet_length(email_normalized) <= 254),
    name             text not null check (name <> '' and length(name) <= 100),
    added_at         timestamptz not null
);
