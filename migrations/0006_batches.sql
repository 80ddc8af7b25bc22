-- Batches: what a worker claims at once. To be applied while no worker runs.
--
-- Why: a mail used to change its row three times (claim, mark, outcome), and as the indexes of the queue went by the
-- state, each change wrote into four indexes too. That was most of what a mail cost. Now the claim changes one row of
-- `batches` for a hundred mails, no index of `deliveries` knows the state, and half of each page is left free, so the
-- mark and the outcome stay on their page and touch no index at all (heap-only tuples).

do $$ begin
    if exists (select from workers where lease_until > now()) then
        raise exception 'a worker is running: stop all of them and start again (after a crash: wait half a minute)';
    end if;
end $$;

create table batches (
    id         bigint generated always as identity primary key,
    -- Null for confirmations, welcomes and tests, which go before all mailings.
    mailing_id uuid references mailings,
    due_at     timestamptz not null,
    -- The worker that has it. No foreign key: a dead worker's row is taken away first, what it had is found after.
    claimed_by bigint,
    -- Deliveries in it: up to 100 copies of a mailing, or one of anything else.
    size       smallint not null check (size > 0)
);

create index batches_due on batches (mailing_id, due_at, id) where claimed_by is null;
create index batches_urgent on batches (due_at, id) where claimed_by is null and mailing_id is null;
create index batches_of_mailing on batches (mailing_id);
create index batches_claimed on batches (claimed_by) where claimed_by is not null;

-- Ten thousand rows for a mailing to a million, which come and go all the time: vacuum by number of changes, not by share.
alter table batches set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
                         autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);

alter table deliveries add column batch_id bigint;

-- Nobody works on these any more, since no worker runs.
update deliveries set state = 'unknown', claimed_by = null, finished_at = now(),
    smtp_text = 'the worker stopped while this message was on its way'
where state = 'transmitting';
update deliveries set state = 'pending', claimed_by = null where state = 'claimed';

-- What waits gets a batch: copies of a mailing that are due by a hundred, everything else by itself.
with waiting as (
    select id, mailing_id, due_at,
        case when kind = 'mailing' and due_at <= now()
            then (row_number() over (partition by mailing_id, due_at <= now() order by id) - 1) / 100
            else id
        end as part,
        kind = 'mailing' and due_at <= now() as due
    from deliveries where state = 'pending'
), parts as (
    select mailing_id, part, due, min(due_at) as due_at, count(*) as size,
        nextval(pg_get_serial_sequence('batches', 'id')) as batch
    from waiting group by mailing_id, part, due
), made as (
    insert into batches (id, mailing_id, due_at, size) overriding system value
    select batch, mailing_id, due_at, size from parts
)
update deliveries d set batch_id = p.batch
from waiting w join parts p on p.mailing_id is not distinct from w.mailing_id and p.part = w.part and p.due = w.due
where d.id = w.id;

drop index deliveries_due;
drop index deliveries_urgent;
drop index deliveries_held;
alter table deliveries drop column claimed_by;

-- A check constraint is parsed anew by every statement that writes, a foreign key is asked for every row of a fan-out:
-- that cost a third of the fan-out, to find what the few statements that insert here cannot get wrong. No mailing and
-- no update is ever deleted.
alter table deliveries drop constraint deliveries_check;
alter table deliveries drop constraint deliveries_mailing_id_fkey;
alter table deliveries drop constraint deliveries_update_id_fkey;

create index deliveries_by_batch on deliveries (batch_id) where batch_id is not null;

-- Room for the mark and the outcome on the row's own page.
alter table deliveries set (fillfactor = 50);
