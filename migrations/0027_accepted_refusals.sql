-- Refusals that a person lets stand: a run of equal refusals may be about addresses that are gone after all.
--
-- Why: a mailing that paused for such a run could only be tried again or cancelled. With a list full of dead addresses it
-- paused again and again, and never ended.

alter table refusals
    -- Whether it is one of the refusals since the relay last accepted something. Others are kept as long as their
    -- deliveries, which were put back, wait.
    add column in_run boolean not null default true,
    -- Refused before, and then the relay took others: it is likely to be about the address.
    add column again boolean not null default false;

create table accepted_refusals (
    mailing_id uuid not null references mailings on delete cascade,
    -- Code and words, as in `refusals`.
    reply      text not null,
    -- How often they were let stand. Each time a longer run is needed before the mailing pauses for the same words
    -- again, so that a mistake costs few.
    times      smallint not null,
    primary key (mailing_id, reply)
);
