-- How reading the mailbox for what comes back goes, for whoever asks. One row, written by every process that reads it. See
-- src/domain/bounce/mailbox.rs.
create table bounce_mailbox (
    only_row  boolean primary key default true check (only_row),
    -- When it was last looked through to its end.
    read_at   timestamptz,
    failed_at timestamptz,
    -- Why it could not be read then.
    problem   text
);
