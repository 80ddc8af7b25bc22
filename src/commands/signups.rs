//! `signups`: recent signups, and those whose mails are held by a limit.

use chrono::Utc;
use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;

use crate::domain::{
    signup::held::{self, Choice, Held, HeldFor, LastHour},
    staff::audit::Action,
};

use super::{database, note, output};

/// Recent signups, and those whose mails are held by a limit.
#[derive(Subcommand)]
pub enum Signups {
    /// Show the signups of the last hour, and how many are held by which limit.
    Status {
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Send the confirmation mails that are held: the signups are real.
    Release(Decision),
    /// Drop the mails that are held: the signups are abuse. Real people can sign up again.
    Drop(Decision),
}

/// Which held signups, and how to ask.
#[derive(clap::Args)]
pub struct Decision {
    /// Only those that this limit holds: mailbox, network, domain or all.
    #[arg(long, value_parser = reason)]
    reason: Option<HeldFor>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print one JSON value.
    #[arg(long)]
    json: bool,
}

fn reason(text: &str) -> Result<HeldFor, String> {
    HeldFor::from_name(text).ok_or_else(|| "must be mailbox, network, domain or all".to_owned())
}

impl Signups {
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
    let last_hour = held::last_hour(&mut db, Utc::now()).await?;
    let held = held::held(&mut db).await?;
    if json {
        return output::json(&Status { last_hour, held });
    }
    output::line(&format!(
        "Last hour: {} signups; {} of their mails accepted by the relay, {} skipped.",
        last_hour.signups, last_hour.accepted, last_hour.skipped
    ));
    match held.since {
        Some(since) => {
            output::line(&format!("Held since {}: {} signups.", since.to_rfc3339(), held.held));
            for by in &held.reasons {
                output::line(&format!("  {}: {}", by.reason.name(), by.held));
            }
            output::remark(
                "Send their mails: rundbrief signups release. Send none of them: rundbrief signups drop.",
            );
        }
        None => output::line("No signup is held."),
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum What {
    Release,
    Drop,
}

async fn decide(pool: &PgPool, decision: &Decision, what: What) -> anyhow::Result<()> {
    let now = Utc::now();
    let choice = Choice { only: decision.reason, until: now };
    let held = held::held(&mut *pool.acquire().await?).await?;
    let held: i64 = held
        .reasons
        .iter()
        .filter(|by| choice.only.is_none_or(|only| only == by.reason))
        .map(|by| by.held)
        .sum();
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
        What::Release => held::release(&mut transaction, choice, now).await?,
        What::Drop => held::drop_held(&mut transaction, choice, now).await?,
    };
    if count > 0 {
        let action = match what {
            What::Release => Action::WaveReleased,
            What::Drop => Action::WaveDropped,
        };
        let mut details = json!({ "signups": count });
        if let Some(only) = choice.only {
            details["reason"] = only.name().into();
        }
        note(&mut transaction, action, "", &details).await?;
    }
    transaction.commit().await?;
    match (decision.json, what) {
        (true, What::Release) => output::json(&json!({ "released": count })),
        (true, What::Drop) => output::json(&json!({ "dropped": count })),
        (false, What::Release) => {
            output::line(&format!("{count} signups released; their mails are sent now."));
            Ok(())
        }
        (false, What::Drop) => {
            output::line(&format!("{count} signups dropped; nothing is sent to them."));
            Ok(())
        }
    }
}
