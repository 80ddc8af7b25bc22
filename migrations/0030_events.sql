-- What happened and others may be told of: webhooks, the journal and metrics read it. Each row is written in the
-- transaction that made it happen, so there is none of what did not happen, and none is missing.
create table events (
    seq   bigint generated always as identity primary key,
    -- A reader goes no further than pg_snapshot_xmin(pg_current_snapshot()): what is still being written may have smaller
    -- numbers than what is there already. A row from pg_snapshot_xmax(pg_current_snapshot()) on was restored from a dump of
    -- another cluster, and is there for good.
    txid  xid8 not null default pg_current_xact_id(),
    at    timestamptz not null,
    kind  text not null check (kind ~ '^[a-z_]{1,40}$'),
    -- What kind of actor: visitor, subscriber, member, command, service. Who it was stands in the audit log.
    actor text not null check (actor ~ '^[a-z_]{1,20}$'),
    -- Ids of what it is about, and nothing that names a person.
    ids   jsonb not null default '{}'
);

create index events_by_time on events (at);

create function guard_events() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('rundbrief.event_change', true) = 'forget' then
        return old;
    end if;
    raise exception 'events are append-only' using errcode = 'integrity_constraint_violation';
end;
$$;

create trigger events_append_only
    before update or delete on events
    for each row execute function guard_events();

create trigger events_never_truncated
    before truncate on events
    for each statement execute function refuse_change();

-- Events before a moment, a thousand at a time, the oldest first. Answers how many.
create function forget_events(happened_before timestamptz) returns bigint language plpgsql as $$
declare
    removed bigint;
begin
    perform set_config('rundbrief.event_change', 'forget', true);
    delete from events where seq in (
        select seq from events where at < happened_before order by at limit 1000);
    get diagnostics removed = row_count;
    perform set_config('rundbrief.event_change', '', true);
    return removed;
end;
$$;
