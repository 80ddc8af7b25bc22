-- What is kept only for a time (Art. 5(1)(e) DSGVO), and what is needed to let go of it without searching everything.

-- The third reason to remove from the record of consent: a signup that nobody confirmed is no consent, and its time is
-- over. Events of other signups of the same address stay.
create function forget_signup_events(signups uuid[]) returns bigint language plpgsql as $$
declare
    removed bigint;
begin
    perform set_config('rundbrief.consent_change', 'allowed', true);
    delete from consent_events e using signups s
    where s.id = any(forget_signup_events.signups)
      and e.email_normalized = s.email_normalized and e.signup_id = s.id;
    get diagnostics removed = row_count;
    perform set_config('rundbrief.consent_change', '', true);
    return removed;
end;
$$;

alter type consent_method add value 'retention';

-- Only what may go by itself is in these two.
drop index signups_by_expiry;
create index signups_unconfirmed on signups (expires_at) where state <> 'confirmed';
create index subscribers_gone on subscribers (state_changed_at) where state <> 'active';

-- How a mailing ended, kept when who got it is not kept any more.
alter table mailings add column kept_counts jsonb;
