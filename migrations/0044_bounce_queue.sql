-- What came back and is about nobody for certain waits for a person, who says whose it is, or puts it aside.
alter table bounces add column ignored_at timestamptz;

-- Beside bounces_unrecognised, which erasure and retention go by, and which has what was put aside, too.
create index bounces_waiting on bounces (received_at) where delivery_id is null and ignored_at is null;
-- Providers that refuse us lately, for the start page.
create index bounces_policy on bounces (received_at) where kind = 'policy';
-- Everybody whom a message names, for an erasure.
create index bounces_names on bounces using gin (recipients) where recipients <> '{}';
