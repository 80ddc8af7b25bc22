//! Events: what happened and others may be told of, each written in the transaction that made it happen.
//!
//! An event holds ids and no address: whoever may know more looks it up by them. See `migrations/0030_events.sql` for how to
//! read them without missing one.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::domain::{
    actor::Actor,
    ids::{MailingId, UpdateId},
};

/// How long they are kept. What reads them may be away for weeks; their ids outlive what they name by so much.
pub const KEPT: Duration = Duration::days(90);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A test mail of an update was queued.
    TestQueued(UpdateId),
    /// It was read from a mail that arrived what the relay's signature covers.
    SignatureSeen,
    /// A mailing was ordered: to begin at once, or at a time to come.
    MailingOrdered(MailingId, UpdateId),
    /// A mailing that had not begun was given another time.
    MailingRescheduled(MailingId),
    /// A mailing that had not begun was given a newer text.
    MailingTextReplaced(MailingId),
    /// A mailing was taken back before it began.
    MailingTakenBack(MailingId),
    /// A mailing was paused.
    MailingPaused(MailingId),
    /// A paused mailing goes on.
    MailingResumed(MailingId),
    /// A mailing began.
    MailingBegun(MailingId),
    /// Every copy of a mailing has ended.
    MailingDone(MailingId),
    /// A mailing was cancelled after it had begun.
    MailingCancelled(MailingId),
    /// Copies of a mailing that were rejected or unknown are sent again.
    MailingRetried(MailingId),
}

impl Event {
    /// Its name in the database.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Event::TestQueued(_) => "test_queued",
            Event::SignatureSeen => "signature_seen",
            Event::MailingOrdered(..) => "mailing_ordered",
            Event::MailingRescheduled(_) => "mailing_rescheduled",
            Event::MailingTextReplaced(_) => "mailing_text_replaced",
            Event::MailingTakenBack(_) => "mailing_taken_back",
            Event::MailingPaused(_) => "mailing_paused",
            Event::MailingResumed(_) => "mailing_resumed",
            Event::MailingBegun(_) => "mailing_begun",
            Event::MailingDone(_) => "mailing_done",
            Event::MailingCancelled(_) => "mailing_cancelled",
            Event::MailingRetried(_) => "mailing_retried",
        }
    }

    fn ids(&self) -> Value {
        match self {
            Event::TestQueued(update) => json!({ "update": update }),
            Event::SignatureSeen => json!({}),
            Event::MailingOrdered(mailing, update) => json!({ "mailing": mailing, "update": update }),
            Event::MailingRescheduled(mailing)
            | Event::MailingTextReplaced(mailing)
            | Event::MailingTakenBack(mailing)
            | Event::MailingPaused(mailing)
            | Event::MailingResumed(mailing)
            | Event::MailingBegun(mailing)
            | Event::MailingDone(mailing)
            | Event::MailingCancelled(mailing)
            | Event::MailingRetried(mailing) => json!({ "mailing": mailing }),
        }
    }
}

/// Writes an event down. To be called in the transaction that makes it happen.
///
/// # Errors
/// When the database fails.
pub async fn record(
    db: &mut PgConnection,
    by: &Actor,
    event: &Event,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into events (at, kind, actor, ids) values ($1, $2, $3, $4)",
        now,
        event.kind(),
        by.kind(),
        event.ids()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes events whose time is over, a thousand at most; answers how many.
///
/// # Errors
/// When the database fails.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    let removed = sqlx::query_scalar!("select forget_events($1)", now - KEPT).fetch_one(db).await?;
    Ok(removed.unwrap_or(0))
}
