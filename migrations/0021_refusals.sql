-- Refusals that are about us: a pause of their own, and the run of equal refusals that gives them away.
--
-- Why: a relay that has had enough of us refuses everybody with a code that looks as if it were about the recipient.
-- So while it accepts nothing, what it refused is remembered here, written in the commit of the outcome: whoever finds
-- ten equal ones over several domains puts all of them back, also when the worker that met them is dead.

alter type pause_kind add value 'policy';

create table refusals (
    delivery_id bigint primary key,
    -- The attempt that was refused: an outcome of another one is not put back.
    attempt     smallint not null,
    -- The worker that met it. No foreign key: its run outlives it.
    worker_id   bigint not null,
    -- Code and words without what differs from recipient to recipient.
    reply       text not null
);
