//! Retention: what is kept only for a time, and goes by itself (Art. 5(1)(e) DSGVO).
//!
//! | what | how long |
//! |---|---|
//! | signups nobody confirmed, with their events and mails | until they expire, seven days after the request |
//! | the proof of a consent, also of an address that another took the place of | until the end of the third year after it was withdrawn (§§ 195, 199 BGB), then erased; [`Retention::proof_years`] |
//! | who got a mailing and how that ended; other mails | 90 days after its end; the counts stay; [`Retention::mailing_days`] |
//! | what came back about mails | 90 days; its kind, date and mailing 400 |
//! | mails with one-time links for staff | a day after their end |
//! | where a signup came from | two hours, see [`limits`](super::signup::limits) |
//! | which challenges were used | an hour after they have ended, see [`challenge`](super::signup::challenge) |
//! | lists that staff uploaded; what came of them | a week; three months |
//! | links to look at an update, with the remarks behind them | 30 days after the link has ended, see [`review`] |
//! | what an admin typed about the publication, looked at and did not save | a day |
//! | staff sessions, one-time links, counts of failed logins, notices | until they are over |
//! | the audit log, and members who were disabled | three years, see [`audit`] |
//! | events | 90 days, see [`event`] |
//! | IP addresses | as the operator set it, see [`crate::domain::consent`] |
//!
//! Each function does a bounded piece of work in its caller's transaction and answers how much it did; it is called
//! again until there is nothing left. So nothing else has to wait for it, and a death in between costs nothing.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{
        actor::Actor,
        address::{EmailAddress, NormalizedAddress},
        consent::ConsentMethod,
        erasure, event,
        ids::MailingId,
        import::upload,
        mailing,
        publication::{Retention, draft},
        signup,
        staff::{self, audit, link, notice, session, throttle},
        update::review,
    },
};

/// Signups removed at once.
const SIGNUPS: i64 = 500;
/// Proofs erased at once.
const PROOFS: i64 = 50;
/// Deliveries removed at once.
const DELIVERIES: i64 = 10_000;

/// Removes signups that nobody confirmed and whose time is over, with their events, tokens and mails.
pub async fn expired_signups(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let over = sqlx::query_scalar!(
        "select id from signups s
         where state <> 'confirmed' and expires_at <= $1
           -- What is still in the queue is skipped there first.
           and not exists (select from deliveries d where d.signup_id = s.id and d.state = 'pending')
         order by expires_at limit $2 for update skip locked",
        now,
        SIGNUPS
    )
    .fetch_all(&mut *db)
    .await?;
    signup::remove(db, &over).await
}

/// Erases the addresses of those who left so long ago that nobody can ask for the proof any more.
pub async fn withdrawn_proofs(
    db: &mut PgConnection,
    keys: &SecretKeys,
    retention: Retention,
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let over: Vec<EmailAddress> = sqlx::query_scalar!(
        r#"select email as "email: EmailAddress" from subscribers
           where state <> 'active'
             and state_changed_at < date_trunc('year', $1::timestamptz, 'UTC') - make_interval(years => $3)
             -- Whoever is just coming back is not sent away.
             and not exists (select from signups g where g.email_normalized = subscribers.email_normalized
                             and g.state = 'waiting' and g.expires_at > $1)
           order by state_changed_at limit $2 for update skip locked"#,
        now,
        PROOFS,
        i32::from(retention.proof_years)
    )
    .fetch_all(&mut *db)
    .await?;
    let mut erased = 0;
    for address in over {
        let address = address.normalized();
        erasure::erase(db, keys, &Actor::Service, &address, ConsentMethod::Retention, now).await?;
        erased += 1;
    }
    Ok(erased)
}

/// Erases addresses that subscriptions had so long ago that nobody can ask for their proof any more. One that has a
/// subscription of its own again is only forgotten as a former one.
pub async fn former_addresses(
    db: &mut PgConnection,
    keys: &SecretKeys,
    retention: Retention,
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let over = sqlx::query!(
        r#"delete from former_addresses f
           where (f.subscriber_id, f.email_normalized) in (
               select subscriber_id, email_normalized from former_addresses
               where left_at < date_trunc('year', $1::timestamptz, 'UTC') - make_interval(years => $3)
               order by left_at limit $2 for update skip locked)
           returning email_normalized as "address: NormalizedAddress",
               exists (select from subscribers s where s.email_normalized = f.email_normalized)
               or exists (select from signups g where g.email_normalized = f.email_normalized
                          and g.state = 'waiting' and g.expires_at > $1) as "goes_on!""#,
        now,
        PROOFS,
        i32::from(retention.proof_years)
    )
    .fetch_all(&mut *db)
    .await?;
    let count = over.len() as u64;
    for row in over.into_iter().filter(|row| !row.goes_on) {
        erasure::erase(db, keys, &Actor::Service, &row.address, ConsentMethod::Retention, now).await?;
    }
    Ok(count)
}

/// Removes who got mailings that ended long ago; how many that were, and how it ended, stays with the mailing.
pub async fn old_mailings(
    db: &mut PgConnection,
    retention: Retention,
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let old: Option<MailingId> = sqlx::query_scalar!(
        r#"select id as "id: MailingId" from mailings m
           where state in ('done', 'cancelled') and finished_at < $1
             and exists (select from deliveries d
                         where d.mailing_id = m.id and d.kind = 'mailing' and d.state <> 'pending')
           order by finished_at limit 1 for update skip locked"#,
        now - Duration::days(retention.mailing_days.into())
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(id) = old else { return Ok(0) };
    mailing::keep_counts(&mut *db, id).await?;
    let removed = sqlx::query!(
        "delete from deliveries where id in (
             select id from deliveries where mailing_id = $1 and kind = 'mailing' and state <> 'pending' limit $2)",
        id.0,
        DELIVERIES
    )
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}

/// Removes confirmations, welcomes and tests that ended long ago. That the relay took a confirmation stays in the
/// record of consent. Mails with one-time links go after a day: whoever asks for one may have typed anybody's address.
///
/// This reads all deliveries: an index on when they ended would cost every mail more than this costs once a day.
pub async fn old_mails(db: &mut PgConnection, retention: Retention, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let removed = sqlx::query!(
        "delete from deliveries
         where mailing_id is null
           and finished_at < case when kind in ('invitation', 'new_password') then $2::timestamptz else $1::timestamptz end",
        now - Duration::days(retention.mailing_days.into()),
        now - Duration::days(1)
    )
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}

/// Removes what is over of staff: uploaded lists, unsaved publications, sessions, one-time links, counts of failed logins,
/// who was disabled long ago, and a thousand entries of the audit log.
pub async fn staff_leftovers(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let mut removed = session::forget(&mut *db, now).await?;
    // Which sessions were told something: it goes with them, and is no work of its own.
    notice::forget(&mut *db, now).await?;
    removed += link::forget(&mut *db, now).await?;
    removed += throttle::forget(&mut *db, now).await?;
    removed += staff::forget(&mut *db, now).await?;
    removed += upload::forget_old(&mut *db, now).await?;
    removed += draft::forget(&mut *db, now).await?;
    removed += review::forget(&mut *db, now).await?;
    removed += event::forget(&mut *db, now).await?.unsigned_abs();
    Ok(removed + audit::forget(db, now).await?.unsigned_abs())
}
