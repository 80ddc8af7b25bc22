-- Whether the form named the consent text that stood beside it.
--
-- Why: a form on another site that was written by hand may show any text or none. The record said that the current
-- consent text had been shown. Now it says that only where the form named it; else the text stands on the page behind the
-- link in the mail, as it does for whom staff have asked in.

alter table signups add column names_text boolean not null default true;
update signups set names_text = false where by_staff;
