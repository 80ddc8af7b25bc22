-- Limits on signups: nobody shall use the form to fill a stranger's mailbox.
--
-- Why nothing is counted when the form is sent: its answer must be the same for every address, in time too, and a
-- counter that everybody writes to would make visitors wait for each other. The worker counts when it makes the mail,
-- by these columns and indexes, so one count holds for all processes.

-- Who sent the form, as keyed HMACs of the IP address (IPv6: of its /64) and of its range (IPv4: /24, IPv6: /48). They
-- recognise a repetition and give no address away; they are removed within three hours.
alter table signups
    add column client_hmac    bytea check (octet_length(client_hmac) = 16),
    add column range_hmac     bytea check (octet_length(range_hmac) = 16),
    -- When its mail was not sent, because its address or network had had enough. Such a signup counts against nobody
    -- else: one network must not use up what is there for a whole mail domain, or for everybody.
    add column turned_away_at timestamptz,
    -- When staff let a signup's mail go that had been held as part of a wave.
    add column released_at    timestamptz;

create index signups_by_client on signups (client_hmac, requested_at) where client_hmac is not null;
create index signups_by_range on signups (range_hmac, requested_at) where range_hmac is not null;
-- Tags (name+tag@example.org) lead to the same mailbox.
create index signups_by_mailbox on signups (regexp_replace(email_normalized, '[+][^@]*@', '@'), requested_at);
create index signups_by_domain on signups (substring(email_normalized from '[^@]*$'), requested_at)
    where turned_away_at is null;
create index signups_by_time on signups (requested_at) where turned_away_at is null;
