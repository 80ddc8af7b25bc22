-- Planned mailings: who gets one is decided when it begins, its words can be exchanged until then, and one that is hours
-- late asks before it begins.
--
-- Why: between planning and beginning lie days. Who confirms in that time expects the mailing, and a mistake that is found
-- in that time should not need a second plan. A mailing that could not begin in time (the service was down, an old backup
-- was brought back) may speak of things that are over by now, so a person decides.

-- Waits for a person: it should have begun hours ago. It has not begun, so `begun_at` is null.
alter type pause_kind add value 'overdue';

alter table mailings
    -- When it began. Who is active then, and had confirmed by then, is the audience. Null before, and for what was
    -- cancelled before.
    add column begun_at timestamptz,
    -- When its words were frozen: at the trigger, or when a newer text of the update was taken over.
    add column frozen_at timestamptz;

-- Until now the audience was that of the trigger. What has begun keeps it.
update mailings
set frozen_at = triggered_at,
    begun_at = case
        when state = 'scheduled' then null
        when state = 'cancelled' and fan_out_cursor is null and fan_out_done_at is null then null
        else triggered_at
    end;

alter table mailings
    alter column frozen_at set default now(),
    alter column frozen_at set not null,
    add check (begun_at is not null or state in ('scheduled', 'paused', 'cancelled')),
    add check (begun_at is null or (state <> 'scheduled' and taken_back_at is null));

-- Words that are exchanged may name other pictures; those go out too.
drop trigger mailings_keep_images on mailings;
create trigger mailings_keep_images after insert or update of body_text, body_html on mailings
    for each row execute function keep_images();
