//! What the service does about mailings by itself: it begins those that are due, fans them out, ends those with nothing left
//! to send, pauses and resumes them for the relay, and recovers what dead workers held.
//!
//! An event tells that a mailing begins, ends, pauses or goes on. The steps between, of which a mailing takes hundreds, tell
//! nothing: they are read from the mailing.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::Actor,
        event::Event,
        ids::{MailingId, WorkerId},
        mailing::{self, FanOut, Held, MailingError, PauseKind},
        queue::{
            refusals,
            worker::{self, Recovered},
        },
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

/// Writes the next chunk of copies of the oldest mailing that is being prepared, in a transaction of its own.
///
/// # Errors
/// When the database fails.
pub async fn fan_out(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<FanOut> {
    let mut transaction = pool.begin().await?;
    let step = mailing::fan_out(&mut transaction, now).await?;
    transaction.commit().await?;
    Ok(step)
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

/// The mailings that copies may be claimed of, oldest first; none while mailings are held.
///
/// # Errors
/// When the database fails.
pub async fn sending(pool: &PgPool) -> sqlx::Result<Vec<MailingId>> {
    mailing::sending(&mut *pool.acquire().await?).await
}

/// Skips what waits of cancelled mailings, until nothing is left of it.
///
/// # Errors
/// When the database fails; what was skipped stays skipped.
pub async fn skip_leftovers(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<()> {
    let mut db = pool.acquire().await?;
    while mailing::skip_leftovers(&mut db, now).await? {}
    Ok(())
}

/// Puts back into the queue what dead workers held, in a transaction of its own; see [`worker::recover`].
///
/// # Errors
/// When the database fails.
pub async fn recover(pool: &PgPool) -> sqlx::Result<Recovered> {
    let mut transaction = pool.begin().await?;
    let recovered = worker::recover(&mut transaction).await?;
    transaction.commit().await?;
    Ok(recovered)
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

/// Whether a mailing waits for a relay that could not be reached.
///
/// # Errors
/// When the database fails.
pub async fn any_unreachable(pool: &PgPool) -> sqlx::Result<bool> {
    mailing::any_unreachable(&mut *pool.acquire().await?).await
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

/// Whether the relay has refused anybody since it last accepted something.
///
/// # Errors
/// When the database fails.
pub async fn any_refusal(pool: &PgPool) -> sqlx::Result<bool> {
    refusals::any_refusal(&mut *pool.acquire().await?).await
}

/// How often people have let this reply of the relay stand, over all mailings.
///
/// # Errors
/// When the database fails.
pub async fn times_let_stand(pool: &PgPool, reply: &str) -> sqlx::Result<i64> {
    refusals::times_let_stand(&mut *pool.acquire().await?, reply).await
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
