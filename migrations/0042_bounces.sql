-- What came back about mails that the relay had taken, and what it refused at once. See src/domain/bounce.rs.

create type bounce_kind as enum ('hard', 'soft', 'policy', 'complaint', 'delayed', 'auto_reply', 'unrecognised');

create table bounces (
    id            bigint generated always as identity primary key,
    received_at   timestamptz not null,
    kind          bounce_kind not null,
    -- A message that came back, or the relay's reply to the recipient.
    way           text not null check (way in ('report', 'reply')),
    -- The mail that it is about; null for what waits for a person, because nobody could tell for certain.
    delivery_id   bigint,
    mailing_id    uuid,
    -- Null after an erasure, too.
    subscriber_id uuid,
    signup_id     uuid,
    -- When that mail was taken or refused.
    sent_at       timestamptz,
    status        text,
    diagnostic    text,
    remote_mta    text,
    -- The addresses that it names, in lower case; only where it is about no delivery.
    recipients    text[] not null default '{}',
    -- The beginning of the message, for 90 days.
    report        bytea,
    -- The same message twice is one row.
    digest        bytea not null unique check (octet_length(digest) = 32)
);

create index bounces_of_delivery on bounces (delivery_id, kind) where delivery_id is not null;
create index bounces_of_subscriber on bounces (subscriber_id) where subscriber_id is not null;
create index bounces_of_signup on bounces (signup_id) where signup_id is not null;
create index bounces_of_mailing on bounces (mailing_id, kind) where mailing_id is not null;
create index bounces_unrecognised on bounces (received_at) where delivery_id is null;
create index bounces_by_age on bounces (received_at);

-- Mails that the relay refused for good, until it is known what that means for whoever they were for. Noted by the
-- database itself, so that no way of booking a refusal forgets it. Not judged at once: a run of equal refusals is about us,
-- and then these deliveries are put back.
create table refused_deliveries (
    delivery_id bigint primary key,
    since       timestamptz not null default now()
);

create index refused_deliveries_by_age on refused_deliveries (since);

create function note_refused_delivery() returns trigger language plpgsql as $$
begin
    insert into refused_deliveries (delivery_id) values (new.id)
    on conflict (delivery_id) do update set since = now();
    return null;
end;
$$;

create trigger deliveries_refused
    after update of state on deliveries
    for each row
    when (new.state = 'rejected' and old.state <> 'rejected' and new.subscriber_id is not null)
    execute function note_refused_delivery();
