-- The mailbox that a signup's address leads to, for counting the mails it gets: "one in ten minutes, three a day" is a
-- promise to a mailbox, and big providers take many spellings for one (m.aria+tag@googlemail.com is maria@gmail.com).
--
-- Why a column that the service fills in and no expression as before: which spellings are one is a rule of the providers
-- that grows (src/domain/address/mailbox.rs), and an index needs it written down. It is empty where an older process,
-- still running beside this one, has made the signup; that one counts by its address.
alter table signups add column mailbox text check (octet_length(mailbox) <= 254);

-- What is counted goes back seven days. The same rules as the service's, which a test compares.
update signups s
set mailbox = case
        when domain in ('gmail.com', 'googlemail.com') then replace(account, '.', '') || '@gmail.com'
        when domain in ('icloud.com', 'me.com', 'mac.com') then account || '@icloud.com'
        when domain in ('proton.me', 'protonmail.com', 'protonmail.ch', 'pm.me')
            then translate(account, '.-_', '') || '@proton.me'
        when domain in ('yandex.ru', 'yandex.com', 'yandex.by', 'yandex.kz', 'yandex.ua', 'ya.ru')
            then replace(account, '.', '-') || '@yandex.ru'
        when domain = 'secure.mailbox.org' then account || '@mailbox.org'
        when domain in ('ymail.com', 'rocketmail.com') or domain like 'yahoo.%'
            then regexp_replace(account, '^([^-]+)-.*$', '\1') || '@' || domain
        when domain ~ '^[^.]+[.]fastmail[.](com|fm)$'
            then split_part(domain, '.', 1) || '@' || substring(domain from '[.](.*)$')
        else account || '@' || domain
    end
from (
    select id, regexp_replace(split_part(email_normalized, '@', 1), '^([^+]+)[+].*$', '\1') as account,
        split_part(email_normalized, '@', 2) as domain
    from signups
    where requested_at > now() - interval '8 days'
) parts
where s.id = parts.id;

create index signups_by_counted_mailbox on signups (coalesce(mailbox, email_normalized), requested_at);
drop index signups_by_mailbox;
