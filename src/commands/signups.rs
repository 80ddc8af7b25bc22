//! `signups`: who asks to be subscribed, and waves of them.

use chrono::Utc;
use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;

use crate::domain::{
    signup::waves::{self, Held, LastHour},
    staff::audit::Action,
};

use super::{database, note, output};

/// Who asks to be subscribed, and waves of them.
#[derive(Subcommand)]
pub enum Signups {
    /// How many signups there were in the last hour, and how many are held because there were too many.
    Status {
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Send the confirmation mails that are held, because the wave was real interest.
    Release(Decision),
    /// Send none of the mails that are held, because the wave was abuse. Whoever was real signs up once more.
    Drop(Decision),
}

/// What is to be done with held signups.
#[derive(clap::Args)]
pub struct Decision {
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print one JSON value.
    #[arg(long)]
    json: bool,
}

impl Signups {
    /// Runs the subcommand.
    pub async fn run(self) -> anyhow::Result<()> {
        let pool = database().await?;
        match self {
            Signups::Status { json } => status(&pool, json).await,
            Signups::Release(decision) => decide(&pool, &decision, What::Release).await,
            Signups::Drop(decision) => decide(&pool, &decision, What::Drop).await,
        }
    }
}

async fn status(pool: &PgPool, json: bool) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Status {
        last_hour: LastHour,
        #[serde(flatten)]
        held: Held,
    }
    let mut db = pool.acquire().await?;
    let last_hour = waves::last_hour(&mut db, Utc::now()).await?;
    let held = waves::held(&mut db).await?;
    if json {
        return output::json(&Status { last_hour, held });
    }
    output::line(&format!(
        "Last hour: {} signups; {} of their mails accepted by the relay, {} not sent.",
        last_hour.signups, last_hour.accepted, last_hour.skipped
    ));
    match held.since {
        Some(since) => {
            output::line(&format!("Held since {}: {} signups.", since.to_rfc3339(), held.held));
            output::remark(
                "Send their mails: rundbrief signups release. Send none of them: rundbrief signups drop.",
            );
        }
        None => output::line("No signup is held."),
    }
    Ok(())
}

/// What becomes of held signups.
#[derive(Clone, Copy)]
enum What {
    Release,
    Drop,
}

async fn decide(pool: &PgPool, decision: &Decision, what: What) -> anyhow::Result<()> {
    let held = waves::held(&mut *pool.acquire().await?).await?.held;
    let (question, unasked) = match what {
        What::Release => (format!("Send the confirmation mails of {held} held signups?"), "send"),
        What::Drop => (format!("Send nothing to {held} held signups?"), "drop them"),
    };
    if held > 0 && !decision.yes && !output::confirm(&question, unasked)? {
        output::remark("Nothing was changed.");
        return Ok(());
    }
    let mut transaction = pool.begin().await?;
    let count = match what {
        What::Release => waves::release(&mut transaction, Utc::now()).await?,
        What::Drop => waves::drop_held(&mut transaction, Utc::now()).await?,
    };
    if count > 0 {
        let action = match what {
            What::Release => Action::WaveReleased,
            What::Drop => Action::WaveDropped,
        };
        note(&mut transaction, action, "", &json!({ "signups": count })).await?;
    }
    transaction.commit().await?;
    match (decision.json, what) {
        (true, What::Release) => output::json(&json!({ "released": count })),
        (true, What::Drop) => output::json(&json!({ "dropped": count })),
        (false, What::Release) => {
            output::line(&format!("{count} signups released; their mails go out now."));
            Ok(())
        }
        (false, What::Drop) => {
            output::line(&format!("{count} signups dropped; nothing is sent to them."));
            Ok(())
        }
    }
}
