-- What was last seen of the relay's DKIM signature on a mail that arrived.
--
-- Why: mail programs offer to unsubscribe with one click only where a valid signature covers List-Unsubscribe and
-- List-Unsubscribe-Post (RFC 8058 §4), which several signers leave out unless told. The service sees no mail that arrived;
-- somebody shows it the head of one, and the check before a mailing goes by what was seen.

create type signature_verdict as enum (
    'unsigned',     -- no signature
    'incomplete',   -- none covers both headers
    'failed',       -- one covers both, and the receiver did not find it valid
    'unproven',     -- one covers both; whether it is valid the head does not say
    'right'         -- one covers both, and the receiver found it valid
);

create table signatures_seen (
    -- The part behind the @ of the mail's From.
    sender_domain  text not null,
    -- The relay that was set when it was seen, as host:port. Another one may sign otherwise.
    relay          text not null,
    verdict        signature_verdict not null,
    -- Of the signature that the verdict is about: its domain and selector, empty without one.
    signing_domain text not null,
    selector       text not null,
    -- The headers that it does not cover, separated by ", ".
    missing        text not null,
    -- When the mail was sent, by its Date.
    mail_dated     timestamptz not null,
    seen_at        timestamptz not null,
    primary key (sender_domain, relay)
);
