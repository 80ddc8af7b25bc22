//! Sending again what did not go through, by a person's decision.

use chrono::Utc;
use clap::ValueEnum;
use serde_json::json;

use crate::{
    commands::{database, note, output},
    domain::{
        ids::MailingId,
        mailing::{self, MailingError},
        staff::audit::Action,
    },
};

use super::look;

/// What may be sent again.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RetryState {
    /// The relay refused it for good.
    Rejected,
    /// The line broke before the relay's answer came. Who got it all the same gets it twice.
    Unknown,
}

/// Shows what will happen, asks, and puts the deliveries back into the queue.
pub async fn retry(id: MailingId, state: RetryState, yes: bool, json: bool) -> anyhow::Result<()> {
    let pool = database().await?;
    let (about, counts) = look(&mut *pool.acquire().await?, id).await?;
    let (what, count) = match state {
        RetryState::Rejected => (mailing::Retry::Rejected, counts.rejected),
        RetryState::Unknown => (mailing::Retry::Unknown, counts.unknown),
    };
    if !yes && count > 0 {
        output::remark(match state {
            RetryState::Rejected => "The relay refused these for good; it may do so again.",
            RetryState::Unknown => {
                "Nobody knows whether these arrived. Who has the mail already gets it a second time."
            }
        });
        if !output::confirm(&format!("Send it again to {count} people?"), "send again")? {
            output::remark("Nothing was changed.");
            return Ok(());
        }
    }
    let (mut again, mut after) = (0, None);
    loop {
        let mut transaction = pool.begin().await?;
        let chunk = mailing::retry(&mut transaction, id, what, after, Utc::now()).await?;
        if again == 0 && chunk.count > 0 {
            let details = json!({ "what": what.state().name(), "people": count });
            note(&mut transaction, Action::MailingRetried, &about.subject, &details).await?;
        }
        transaction.commit().await?;
        again += chunk.count;
        after = chunk.last;
        if after.is_none() {
            break;
        }
    }
    if again == 0 {
        return Err(MailingError::NothingToRetry(what.state().name()).into());
    }
    if json {
        return output::json(&json!({ "id": id, "retried": again }));
    }
    output::line(&format!("{again} deliveries wait again; the running service sends them."));
    Ok(())
}
