//! Sending again what the relay refused, or what nobody knows of.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::Actor,
        event::Event,
        ids::MailingId,
        mailing::{self, MailingError, Retry},
        staff::audit::Action,
    },
};

/// How many deliveries of a mailing could be sent again.
///
/// # Errors
/// When the database fails.
pub async fn retryable(pool: &PgPool, id: MailingId, what: Retry) -> sqlx::Result<i64> {
    let found = mailing::progress(&mut *pool.acquire().await?, &[id]).await?;
    Ok(found.first().map_or(0, |progress| match what {
        Retry::Rejected => progress.counts.rejected,
        Retry::Unknown => progress.counts.unknown,
    }))
}

/// Puts deliveries back into the queue, chunk by chunk, each in a transaction of its own; answers how many. Dropped in
/// the middle, the rest stays as it is and can be sent again later.
///
/// # Errors
/// [`MailingError::NothingToRetry`], [`MailingError::WrongState`].
pub async fn retry_mailing(
    pool: &PgPool,
    by: &Actor,
    id: MailingId,
    what: Retry,
    now: DateTime<Utc>,
) -> Result<i64, MailingError> {
    by.require_staff()?;
    let people = retryable(pool, id, what).await?;
    let (mut again, mut after) = (0, None);
    loop {
        let mut deed = Deed::begin(pool, by, now).await?;
        let chunk = mailing::retry(&mut deed, id, what, after, now).await?;
        if again == 0 && chunk.count > 0 {
            // In the transaction that begins it. Erased people are among the number and are sent nothing.
            let details = json!({ "what": what.state().name(), "people": people });
            let subject = mailing::subject(&mut deed, id).await?;
            deed.note(Action::MailingRetried, &subject, &details, &Event::MailingRetried(id)).await?;
        }
        deed.commit().await?;
        again += chunk.count;
        after = chunk.last;
        if after.is_none() {
            break;
        }
    }
    if again == 0 { Err(MailingError::NothingToRetry(what.state().name())) } else { Ok(again) }
}
