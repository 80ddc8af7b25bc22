-- An unsubscribe may be taken back by whoever did it: true from then until it is taken back, or until anybody else is
-- told that the address is unsubscribed (domain/subscriber.rs). Newsletters are forwarded, and their links with them.
alter table subscribers add column may_undo boolean not null default false;
