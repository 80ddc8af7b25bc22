-- Files in the store of pictures that no row of `images` or `shared_files` names: their upload is still under way or never
-- ended, or their row is gone and they are to follow. Written before the files are, and gone with the transaction that
-- records them; so whatever dies in between, retention finds what it left.

create table orphaned_objects (
    -- Its place in the store, without the prefix of a bucket.
    key    text primary key check (key <> ''),
    since  timestamptz not null
);

create index orphaned_objects_by_age on orphaned_objects (since);
