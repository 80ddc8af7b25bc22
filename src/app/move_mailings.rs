//! What the service does about mailings by itself: it begins those that are due, ends those with nothing left to send, and
//! pauses and resumes them for the relay.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::Actor,
        event::Event,
        ids::{MailingId, WorkerId},
        mailing::{self, Held, MailingError, PauseKind},
    },
};

const SERVICE: &Actor = &Actor::Service;

/// Begins the mailings that are due, and holds those that should have begun hours ago, until a person decides. Answers the
/// ones that are held now.
///
/// # Errors
/// When the database fails.
pub async fn begin_due(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<Vec<MailingId>> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let held = mailing::hold_overdue(&mut deed, now).await?;
    deed.tell_each(&held, Event::MailingPaused).await?;
    let begun = mailing::begin_due(&mut deed, now).await?;
    deed.tell_each(&begun, Event::MailingBegun).await?;
    deed.commit().await?;
    Ok(held)
}

/// Ends the mailings with nothing left to send. Answers them.
///
/// # Errors
/// When the database fails.
pub async fn end_finished(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<Vec<MailingId>> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let done = mailing::end_finished(&mut deed, now).await?;
    deed.tell_each(&done, Event::MailingDone).await?;
    deed.commit().await?;
    Ok(done)
}

/// Pauses a mailing because the relay refuses us or is away.
///
/// # Errors
/// [`MailingError::WrongState`] when it is not under way.
pub async fn pause_for_relay(
    pool: &PgPool,
    id: MailingId,
    kind: PauseKind,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), MailingError> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    mailing::pause(&mut deed, id, kind, reason, now).await?;
    deed.tell_each(&[id], Event::MailingPaused).await?;
    deed.commit().await?;
    Ok(())
}

/// Lets every mailing go on that had paused because the relay could not be reached. Answers how many.
///
/// # Errors
/// When the database fails.
pub async fn resume_unreachable(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let resumed = mailing::resume_unreachable(&mut deed).await?;
    deed.tell_each(&resumed, Event::MailingResumed).await?;
    deed.commit().await?;
    Ok(resumed.len())
}

/// Ends a run of equal refusals that is about us: see [`mailing::hold_refused`].
///
/// # Errors
/// When the database fails.
pub async fn hold_refused(pool: &PgPool, worker: WorkerId, now: DateTime<Utc>) -> sqlx::Result<Option<Held>> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let held = mailing::hold_refused(&mut deed, worker, now).await?;
    if let Some(held) = &held {
        deed.tell_each(&held.paused, Event::MailingPaused).await?;
    }
    deed.commit().await?;
    Ok(held)
}
