//! What staff do about a mailing that there is: pause it, let it go on, cancel it, take it back, give it another time.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::Actor,
        event::Event,
        ids::MailingId,
        mailing::{self, Begin, Cancelled, MailingError, PauseKind, Resumed, start_time},
        staff::audit::Action,
    },
};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// End it before it begins.
    TakeBack,
    /// Stop it for now.
    Pause,
    /// Let it go on; one that is overdue begins.
    Resume,
    /// Let it go on, and let the equal refusals stand for which it had paused.
    AcceptRefusals,
    /// End it. One that has not begun is taken back.
    Cancel,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controlled {
    /// It was taken back before it began.
    TakenBack,
    /// It is paused.
    Paused,
    /// It goes on.
    GoesOn,
    /// It begins, long after its time.
    Begins,
    /// It goes on, and so many refusals stand.
    RefusalsAccepted(i64),
    /// It was stopped for good after it had begun.
    Cancelled,
}

/// Chunks of a cancelled mailing that a page skips at once, so that whoever looks next sees it; workers do the rest.
const SKIPPED_AT_ONCE: usize = 20;

/// Does something about a mailing.
///
/// # Errors
/// [`MailingError`]; most often it went on meanwhile, or somebody else was faster.
pub async fn control_mailing(
    pool: &PgPool,
    by: &Actor,
    id: MailingId,
    control: Control,
    now: DateTime<Utc>,
) -> Result<Controlled, MailingError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let done = match control {
        Control::TakeBack => {
            mailing::take_back(&mut deed, id, now).await?;
            Controlled::TakenBack
        }
        Control::Pause => {
            mailing::pause(&mut deed, id, PauseKind::Staff, "paused by staff", now).await?;
            Controlled::Paused
        }
        Control::Resume => match mailing::resume(&mut deed, id, now).await? {
            Resumed::GoesOn => Controlled::GoesOn,
            Resumed::Begins => Controlled::Begins,
        },
        Control::AcceptRefusals => {
            Controlled::RefusalsAccepted(mailing::accept_refusals(&mut deed, id, now).await?)
        }
        Control::Cancel => match mailing::cancel(&mut deed, id, now).await? {
            Cancelled::Stopped => Controlled::Cancelled,
            Cancelled::TakenBack => Controlled::TakenBack,
        },
    };
    let (action, event) = match done {
        Controlled::TakenBack => (Action::MailingTakenBack, Event::MailingTakenBack(id)),
        Controlled::Paused => (Action::MailingPaused, Event::MailingPaused(id)),
        Controlled::GoesOn => (Action::MailingResumed, Event::MailingResumed(id)),
        Controlled::Begins => (Action::MailingBegun, Event::MailingBegun(id)),
        Controlled::RefusalsAccepted(_) => (Action::RefusalsAccepted, Event::MailingResumed(id)),
        Controlled::Cancelled => (Action::MailingCancelled, Event::MailingCancelled(id)),
    };
    let details = match done {
        Controlled::RefusalsAccepted(count) => json!({ "people": count }),
        _ => json!({}),
    };
    let subject = mailing::subject(&mut deed, id).await?;
    deed.note(action, &subject, &details, &event).await?;
    deed.commit().await?;
    if control == Control::Cancel {
        let mut db = pool.acquire().await?;
        let mut chunks = 0;
        // A command may be used while no worker runs, and waits until it is done.
        while mailing::skip_leftovers(&mut db, now).await? {
            chunks += 1;
            if chunks == SKIPPED_AT_ONCE && *by != Actor::Command {
                break;
            }
        }
    }
    Ok(done)
}

/// Gives a mailing that has not begun another time, or has it begin now. One that was overdue is planned again.
///
/// # Errors
/// [`MailingError`]; [`MailingError::StartTime`] for a time that has passed or is too far ahead.
pub async fn reschedule_mailing(
    pool: &PgPool,
    by: &Actor,
    id: MailingId,
    begin: Begin,
    now: DateTime<Utc>,
) -> Result<(), MailingError> {
    let deed = Deed::by_staff(pool, by, now)?;
    if let Begin::At(at) = begin {
        start_time::check(at, now)?;
    }
    let mut deed = deed.await?;
    let before = mailing::overview(&mut deed, id).await?.ok_or(MailingError::Unknown)?;
    let at = mailing::reschedule(&mut deed, id, begin, now).await?;
    let details = json!({ "from": before.scheduled_at, "at": at });
    deed.note(Action::MailingRescheduled, &before.subject, &details, &Event::MailingRescheduled(id)).await?;
    deed.commit().await?;
    Ok(())
}
