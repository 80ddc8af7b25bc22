//! Pausing, resuming and cancelling.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    domain::{
        ids::{MailingId, WorkerId},
        mailing::{MailingError, PauseKind, take_back, wrong_state},
        queue::{refusals, withdrawal},
    },
    telemetry::mask_addresses,
};

/// Pauses a mailing. What is in transmission ends; everything else waits.
///
/// # Errors
/// [`MailingError::WrongState`] when it has not begun, is done or cancelled.
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
           -- Staff may hold what paused itself: then it does not go on by itself either. What has not begun waits anyway.
           and begun_at is not null
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

/// What resuming did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// It goes on where it stood.
    GoesOn,
    /// It was overdue, and begins now.
    Begins,
}

/// Lets a paused mailing go on. One that is overdue begins.
///
/// # Errors
/// [`MailingError::WrongState`] when it is not paused.
pub async fn resume(
    db: &mut PgConnection,
    id: MailingId,
    now: DateTime<Utc>,
) -> Result<Resumed, MailingError> {
    let begins = sqlx::query_scalar!(
        r#"with before as (
             select id, begun_at is null as begins from mailings where id = $1 and state = 'paused' for update)
           update mailings m
           set state = case when fan_out_done_at is null then 'preparing' else 'sending' end::mailing_state,
               begun_at = coalesce(begun_at, $2), paused_at = null, pause_kind = null, pause_reason = null
           from before where m.id = before.id
           returning begins as "begins!""#,
        id.0,
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    match begins {
        Some(true) => Ok(Resumed::Begins),
        Some(false) => Ok(Resumed::GoesOn),
        None => Err(wrong_state(db, id, "resumed").await?),
    }
}

/// Lets a mailing go on that paused for a run of equal refusals, and books these as being about the addresses: a person
/// has read the relay's words and says so. Answers how many were booked.
///
/// # Errors
/// [`MailingError::WrongState`] when it is not paused, [`MailingError::NoRefusals`] when it does not wait for such a run.
pub async fn accept_refusals(
    db: &mut PgConnection,
    id: MailingId,
    now: DateTime<Utc>,
) -> Result<i64, MailingError> {
    // Before any row is locked, as in `hold_refused`: the two come one after the other.
    withdrawal::lock_out_unsubscribes(&mut *db).await?;
    resume(&mut *db, id, now).await?;
    match refusals::accept_run(db, id, now).await? {
        0 => Err(MailingError::NoRefusals),
        booked => Ok(booked),
    }
}

/// Lets every mailing go on that paused itself because the relay could not be reached. Answers them.
pub async fn resume_unreachable(db: &mut PgConnection) -> sqlx::Result<Vec<MailingId>> {
    sqlx::query_scalar!(
        r#"update mailings
           set state = case when fan_out_done_at is null then 'preparing' else 'sending' end::mailing_state,
               paused_at = null, pause_kind = null, pause_reason = null
           where state = 'paused' and pause_kind = 'unreachable'
           returning id as "id: MailingId""#
    )
    .fetch_all(db)
    .await
}

/// Whether a mailing waits for a relay that could not be reached.
pub async fn any_unreachable(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from mailings where state = 'paused' and pause_kind = 'unreachable') as "any!""#
    )
    .fetch_one(db)
    .await
}

/// What [`hold_refused`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The mailings that are paused now.
    pub paused: Vec<MailingId>,
    /// Deliveries that wait again.
    pub put_back: usize,
    /// The relay's code and words.
    pub said: String,
    /// The same without what differs from recipient to recipient.
    pub reply: String,
}

/// Ends a run of equal refusals that is about us: puts back what was refused, and pauses every mailing that is under
/// way, or that was done only because everybody was refused. Nothing, when there is no such run. To be called in a
/// transaction of its own, by every worker now and then: a worker that died in the middle of a run has left it to
/// `worker`, which asks.
pub async fn hold_refused(
    db: &mut PgConnection,
    worker: WorkerId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Held>> {
    let Some(run) = refusals::put_back_run(&mut *db, worker, now).await? else { return Ok(None) };
    let mailings: Vec<uuid::Uuid> = run.mailings.iter().map(|id| id.0).collect();
    let paused = sqlx::query_scalar!(
        r#"update mailings set state = 'paused', finished_at = null, paused_at = $2, pause_kind = 'policy',
             pause_reason = $3
         where state in ('preparing', 'sending') or (state = 'paused' and pause_kind = 'unreachable')
           or (state = 'done' and id = any($1))
         returning id as "id: MailingId""#,
        &mailings,
        now,
        PauseKind::Policy.reason(&mask_addresses(&run.said))
    )
    .fetch_all(db)
    .await?;
    Ok(Some(Held { paused, put_back: run.count, said: run.said, reply: run.reply }))
}

/// Skips what waits of cancelled mailings, up to fifty batches of it; answers whether there may be more. Besides what
/// waits at the moment of cancelling, that is what comes back later: from a worker that died, or for another try.
pub async fn skip_leftovers(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let gone = sqlx::query_scalar!(
        r#"with gone as (
               delete from batches where id in (
                   select b.id from mailings m join batches b on b.mailing_id = m.id and b.claimed_by is null
                   where m.state = 'cancelled' order by b.id limit 50 for update of b skip locked)
               returning id
           ), skipped as (
               update deliveries d set state = 'skipped', finished_at = $1
               from gone where d.batch_id = gone.id and d.state = 'pending'
           )
           select count(*) as "count!" from gone"#,
        now
    )
    .fetch_one(db)
    .await?;
    Ok(gone > 0)
}

/// Calls a mailing off: nothing of it starts any more. What is in transmission ends; what waits is skipped by
/// [`skip_leftovers`], by whoever calls that, and by every worker. One that has not begun is taken back.
///
/// # Errors
/// [`MailingError::WrongState`] when it is done or cancelled already.
pub async fn cancel(
    db: &mut PgConnection,
    id: MailingId,
    now: DateTime<Utc>,
) -> Result<Cancelled, MailingError> {
    match take_back(db, id, now).await {
        Err(MailingError::WrongState { .. }) => {}
        taken => return taken.map(|()| Cancelled::TakenBack),
    }
    let changed = sqlx::query!(
        "update mailings set state = 'cancelled', finished_at = $2, paused_at = null, pause_kind = null, pause_reason = null
         where id = $1 and state not in ('done', 'cancelled')",
        id.0,
        now
    )
    .execute(&mut *db)
    .await?;
    explain(db, id, changed.rows_affected(), "cancelled").await?;
    // Cancelled in the middle of its fan-out, a mailing's audience is whom it got to.
    sqlx::query!(
        "update mailings set audience = (select count(*) from deliveries where mailing_id = $1)
         where id = $1 and fan_out_done_at is null",
        id.0
    )
    .execute(db)
    .await?;
    Ok(Cancelled::Stopped)
}

/// What cancelling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It had begun: who had the mail by then has it.
    Stopped,
    /// It had not begun: nothing was sent.
    TakenBack,
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
    Err(wrong_state(db, id, wanted).await?)
}
