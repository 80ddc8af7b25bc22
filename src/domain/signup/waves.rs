//! Waves: too many signups at once, whose mails wait until staff let them go or drop them.
//!
//! What is a wave is decided in [`limits`](super::limits).

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// Signups whose mail waits for staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Held {
    /// How many.
    pub held: i64,
    /// When the first of them was made.
    pub since: Option<DateTime<Utc>>,
}

/// What is written beside a delivery that waits for staff; it is found by that.
pub const HELD: &str = "held: part of a wave of signups";

/// How many signups are held.
///
/// # Errors
/// When the database fails.
pub async fn held(db: &mut PgConnection) -> sqlx::Result<Held> {
    sqlx::query_as!(
        Held,
        r#"select count(*) as "held!", min(g.requested_at) as since
           from batches b join deliveries d on d.batch_id = b.id join signups g on g.id = d.signup_id
           where b.mailing_id is null and d.state = 'pending' and d.smtp_text = $1"#,
        HELD
    )
    .fetch_one(db)
    .await
}

/// Lets the mails of all held signups go. Answers how many there were.
///
/// # Errors
/// When the database fails.
pub async fn release(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let released = sqlx::query!(
        "with held as (
             select b.id as batch, d.id, d.signup_id from batches b join deliveries d on d.batch_id = b.id
             where b.mailing_id is null and b.claimed_by is null and d.state = 'pending' and d.smtp_text = $2
             for update of b, d
         ), noted as (
             update signups g set released_at = $1 from held where g.id = held.signup_id
         ), due as (
             update deliveries d set due_at = $1, smtp_text = null from held where d.id = held.id
         )
         update batches b set due_at = $1 from held where b.id = held.batch",
        now,
        HELD
    )
    .execute(db)
    .await?;
    Ok(released.rows_affected())
}

/// Skips the mails of all held signups: nobody who asked in the wave hears from us. Answers how many there were.
///
/// # Errors
/// When the database fails.
pub async fn drop_held(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let dropped = sqlx::query!(
        "with held as (
             select b.id as batch, d.id from batches b join deliveries d on d.batch_id = b.id
             where b.mailing_id is null and b.claimed_by is null and d.state = 'pending' and d.smtp_text = $2
             for update of b, d
         ), skipped as (
             update deliveries d set state = 'skipped', finished_at = $1, smtp_text = 'dropped: part of a wave of signups'
             from held where d.id = held.id
         )
         delete from batches b using held where b.id = held.batch",
        now,
        HELD
    )
    .execute(db)
    .await?;
    Ok(dropped.rows_affected())
}

/// What became of the signups of the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LastHour {
    /// Signups.
    pub signups: i64,
    /// Their mails that were taken by the relay.
    pub accepted: i64,
    /// Their mails that were not sent, because a limit was reached.
    pub skipped: i64,
}

/// What the last hour was like.
///
/// # Errors
/// When the database fails.
pub async fn last_hour(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<LastHour> {
    sqlx::query_as!(
        LastHour,
        r#"select count(*) as "signups!",
             count(*) filter (where d.state = 'accepted') as "accepted!",
             count(*) filter (where d.state = 'skipped') as "skipped!"
           from signups g left join deliveries d on d.signup_id = g.id
           where g.requested_at > $1"#,
        now - Duration::hours(1)
    )
    .fetch_one(db)
    .await
}
