-- What came back and is about nobody for certain waits for a person, who says whose it is, or puts it aside.
alter table bounces add column ignored_at timestamptz;

drop index bounces_unrecognised;
create index bounces_unassigned on bounces (received_at) where delivery_id is null and ignored_at is null;
