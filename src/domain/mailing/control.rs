//! Pausing, resuming and cancelling.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    ids::MailingId,
    mailing::{MailingError, PauseKind, by_id},
};

/// Pauses a mailing. What is in transmission ends; everything else waits.
///
/// # Errors
/// [`MailingError::WrongState`] when it is scheduled, done or cancelled.
pub async fn pause(
    db: &mut PgConnection,
    id: MailingId,
    kind: PauseKind,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), MailingError> {
    let changed = sqlx::query!(
        "update mailings set state = 'paused', paused_at = $2, pause_kind = $3::pause_kind, pause_reason = $4
         where id = $1
           -- Staff may hold what paused itself: then it does not go on by itself either.
           and (state in ('preparing', 'sending') or (state = 'paused' and pause_kind <> 'staff' and $3::pause_kind = 'staff'))",
        id.0,
        now,
        kind as PauseKind,
        reason
    )
    .execute(&mut *db)
    .await?;
    explain(db, id, changed.rows_affected(), "paused").await
}

/// Lets a paused mailing go on.
///
/// # Errors
/// [`MailingError::WrongState`] when it is not paused.
pub async fn resume(db: &mut PgConnection, id: MailingId) -> Result<(), MailingError> {
    let changed = sqlx::query!(
        "update mailings
         set state = case when fan_out_done_at is null then 'preparing' else 'sending' end::mailing_state,
             paused_at = null, pause_kind = null, pause_reason = null
         where id = $1 and state = 'paused'",
        id.0
    )
    .execute(&mut *db)
    .await?;
    explain(db, id, changed.rows_affected(), "resumed").await
}

/// Lets every mailing go on that paused itself because the relay could not be reached; answers how many.
///
/// # Errors
/// When the database fails.
pub async fn resume_unreachable(db: &mut PgConnection) -> sqlx::Result<u64> {
    let resumed = sqlx::query!(
        "update mailings
         set state = case when fan_out_done_at is null then 'preparing' else 'sending' end::mailing_state,
             paused_at = null, pause_kind = null, pause_reason = null
         where state = 'paused' and pause_kind = 'unreachable'"
    )
    .execute(db)
    .await?;
    Ok(resumed.rows_affected())
}

/// Whether a mailing waits for a relay that could not be reached.
///
/// # Errors
/// When the database fails.
pub async fn any_unreachable(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from mailings where state = 'paused' and pause_kind = 'unreachable') as "any!""#
    )
    .fetch_one(db)
    .await
}

/// Skips what came back to the queue of a cancelled mailing: from a worker that died, or for a later try.
///
/// # Errors
/// When the database fails.
pub async fn skip_leftovers(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    // Nothing comes back after four days of tries, so older mailings need no look.
    sqlx::query!(
        "update deliveries set state = 'skipped', finished_at = $1
         where state = 'pending'
           and mailing_id in (select id from mailings where state = 'cancelled' and finished_at > $1::timestamptz - interval '5 days')",
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Calls a mailing off. What is in transmission ends, everything that waits is skipped.
///
/// # Errors
/// [`MailingError::WrongState`] when it is done or cancelled already.
pub async fn cancel(db: &mut PgConnection, id: MailingId, now: DateTime<Utc>) -> Result<(), MailingError> {
    let changed = sqlx::query!(
        "update mailings set state = 'cancelled', finished_at = $2, paused_at = null, pause_kind = null, pause_reason = null
         where id = $1 and state not in ('done', 'cancelled')",
        id.0,
        now
    )
    .execute(&mut *db)
    .await?;
    explain(db, id, changed.rows_affected(), "cancelled").await?;
    // Claimed rows are skipped by their worker, when it comes to mark them.
    sqlx::query!(
        "update deliveries set state = 'skipped', finished_at = $2 where mailing_id = $1 and state = 'pending'",
        id.0,
        now
    )
    .execute(&mut *db)
    .await?;
    // Cancelled in the middle of its fan-out, a mailing's audience is whom it got to.
    sqlx::query!(
        "update mailings set audience = (select count(*) from deliveries where mailing_id = $1)
         where id = $1 and fan_out_done_at is null",
        id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Turns "no row changed" into what the person who asked needs to know.
async fn explain(
    db: &mut PgConnection,
    id: MailingId,
    changed: u64,
    wanted: &'static str,
) -> Result<(), MailingError> {
    if changed > 0 {
        return Ok(());
    }
    match by_id(db, id).await? {
        None => Err(MailingError::Unknown),
        Some(mailing) => Err(MailingError::WrongState { state: mailing.state, wanted }),
    }
}
