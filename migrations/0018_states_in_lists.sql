-- Lists also say who left, bounced or complained there. That is kept as what it is: the word of a list, not an act that
-- somebody has seen. So it has kinds of its own and never reads as "withdrawn".
alter type consent_kind add value 'listed_unsubscribed';
alter type consent_kind add value 'listed_bounced';
alter type consent_kind add value 'listed_complained';

-- What a list said of people who are not to be mailed (domain/import.rs, `Imported`).
alter table imports add column listed_unsubscribed bigint not null default 0;
alter table imports add column listed_bounced      bigint not null default 0;
alter table imports add column listed_complained   bigint not null default 0;
-- Left out, because whoever brought the list chose so, or because they never confirmed.
alter table imports add column left_out            bigint not null default 0;
alter table imports add column never_confirmed     bigint not null default 0;
-- Active here, although the list says that they left: they stay as they are.
alter table imports add column active_here         bigint not null default 0;
-- Whether people were brought in, or the file was only tried out: a dry run that fails has brought in nobody.
alter table imports add column brings_in boolean not null default false;
update imports set brings_in = true where state in ('importing', 'done');
