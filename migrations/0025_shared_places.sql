-- Signups whose place may be that of many people.
--
-- Why: behind a proxy that does not say who visitors are, all of them come from one place. They were not counted at all,
-- so whoever kept the proxy's word from being read had no limits. Now they count together, up to ten times the limits of
-- one network, and the verdict about a signup has to know which of the two its place is.

alter table signups add column place_is_shared boolean not null default false;
