-- One-time links for passwords go out by mail too: to somebody who was invited, and to whoever says at the login page that
-- they have forgotten theirs. Each is a delivery that names its address itself; whether anybody logs in with that address
-- is looked up when the mail is made, and the token exists from then on.

alter type delivery_kind add value 'invitation';
alter type delivery_kind add value 'new_password';

-- A mailed link replaces the mailed one before it, and not one that an admin has handed over: otherwise whoever knows an
-- address could make that one useless.
alter table staff_links add column is_mailed boolean not null default false;
drop index staff_links_one_each;
create unique index staff_links_one_each on staff_links (staff_id, is_mailed) where staff_id is not null;
