//! `mailings retry`: sending rejected or unknown copies again, by a person's decision.

use chrono::Utc;
use clap::ValueEnum;
use serde_json::json;

use crate::{
    app::retry_mailing::retry_mailing,
    commands::{database, output},
    domain::{actor::Actor, ids::MailingId, mailing},
};

use super::{progress, with_way_out};

/// What may be sent again.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RetryState {
    /// The relay rejected it.
    Rejected,
    /// The connection broke before the relay's reply arrived. Whoever has the mail gets it twice.
    Unknown,
}

/// Shows what will happen, asks, and puts the deliveries back into the queue.
pub async fn retry(id: MailingId, state: RetryState, yes: bool, json: bool) -> anyhow::Result<()> {
    let pool = database().await?;
    let (_, counts) = progress(&pool, id).await?;
    let (what, count) = match state {
        RetryState::Rejected => (mailing::Retry::Rejected, counts.rejected),
        RetryState::Unknown => (mailing::Retry::Unknown, counts.unknown),
    };
    if !yes && count > 0 {
        output::remark(match state {
            RetryState::Rejected => "The relay rejected these; it may do so again.",
            RetryState::Unknown => {
                "Nobody knows whether these arrived. Who has the mail already gets it a second time."
            }
        });
        if !output::confirm(&format!("Send it again to {count} people?"), "send again")? {
            output::remark("Nothing was changed.");
            return Ok(());
        }
    }
    let again = retry_mailing(&pool, &Actor::Command, id, what, Utc::now()).await.map_err(with_way_out)?;
    if json {
        return output::json(&json!({ "id": id, "retried": again }));
    }
    output::line(&format!("{again} deliveries wait again; the running service sends them."));
    Ok(())
}
