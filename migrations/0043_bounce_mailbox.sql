-- How reading the mailbox for what comes back goes, for whoever asks. One row, written by every process that reads it or waits
-- for its turn. See src/domain/bounce/mailbox.rs.
create table bounce_mailbox (
    only_row     boolean primary key default true check (only_row),
    -- Since when without a gap, and when last, a process has wanted it to be read.
    wanted_since timestamptz,
    wanted_at    timestamptz,
    -- When it was last looked through to its end, or a part of it.
    read_at      timestamptz,
    failed_at    timestamptz,
    -- Why it could not be read then.
    problem      text
);
