-- Marks move into the batch: what is on its way stands in its batch's row. To be applied while no worker runs.
--
-- Why: a mail still changed its own row twice, at its mark and at its outcome, and the mark had to find the delivery,
-- its batch and its subscriber by index, mail by mail. That was two thirds of what a mail cost Postgres. Now one commit
-- writes one small row for all messages of a batch that are about to go, and a delivery's row changes once, when it ends.

do $$ begin
    if exists (select from workers where lease_until > now()) then
        raise exception 'a worker is running: stop all of them and start again (after a crash: wait half a minute)';
    end if;
end $$;

-- Nobody works on these any more, since no worker runs. From here on no row has the states `claimed` and `transmitting`.
update deliveries set state = 'unknown', finished_at = now(),
    smtp_text = 'the worker stopped while this message was on its way'
where state = 'transmitting';

-- The deliveries of this batch whose messages may be with the relay: at most one a connection.
alter table batches add column transmitting bigint[] not null default '{}';

-- The deliveries that were taken out of a worker's hand, because somebody has left since it claimed the batch. Whoever
-- writes here has locked the row, and so has whoever marks: so it is either on its way before, or never.
alter table batches add column withdrawn bigint[] not null default '{}';

-- As for `deliveries` before: a check is parsed anew by every statement that writes, which is now every commit.
alter table batches drop constraint batches_size_check;

-- Some dozens of versions of a batch come and go within a tenth of a second: they are to find room on their own page.
alter table batches set (fillfactor = 20);
