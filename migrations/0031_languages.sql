-- Which languages there are was written down in six tables as well as in the code, so that a third one would have needed a
-- migration too. The code has the one list now (src/domain/locale.rs): it writes only tags of that list, and refuses to read any
-- other. What the tables still hold to is the shape of a tag, so that nothing else than a language gets in.

alter table signups
    drop constraint signups_locale_check,
    add constraint signups_locale_check check (locale ~ '^[a-z]{2,3}$');

alter table subscribers
    drop constraint subscribers_locale_check,
    add constraint subscribers_locale_check check (locale ~ '^[a-z]{2,3}$');

alter table consent_events
    drop constraint consent_events_consent_locale_check,
    add constraint consent_events_consent_locale_check check (consent_locale ~ '^[a-z]{2,3}$');

alter table updates
    drop constraint updates_locale_check,
    add constraint updates_locale_check check (locale ~ '^[a-z]{2,3}$');

alter table mailings
    drop constraint mailings_locale_check,
    add constraint mailings_locale_check check (locale ~ '^[a-z]{2,3}$');

alter table update_versions
    drop constraint update_versions_locale_check,
    add constraint update_versions_locale_check check (locale ~ '^[a-z]{2,3}$');
