//! `signups`: recent signups, and those whose mails are held by a limit.

use chrono::Utc;
use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::{
    app::held_signups::{self, HeldSituation},
    db::Pool,
    domain::{
        actor::Actor,
        signup::held::{Choice, Held, HeldFor, LastHour},
    },
};

use super::{database, output};

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
    Release(Chosen),
    /// Drop the mails that are held: the signups are abuse. Real people can sign up again.
    Drop(Chosen),
}

/// Which held signups, and how to ask.
#[derive(clap::Args)]
pub struct Chosen {
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
            Signups::Release(chosen) => decide(&pool, &chosen, held_signups::Decision::Release).await,
            Signups::Drop(chosen) => decide(&pool, &chosen, held_signups::Decision::Drop).await,
        }
    }
}

async fn status(pool: &Pool, json: bool) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Status {
        last_hour: LastHour,
        #[serde(flatten)]
        held: Held,
    }
    let HeldSituation { held, last_hour } = held_signups::situation(pool, Utc::now()).await?;
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

async fn decide(pool: &Pool, chosen: &Chosen, decision: held_signups::Decision) -> anyhow::Result<()> {
    use held_signups::Decision::{Drop, Release};
    let now = Utc::now();
    let choice = Choice { only: chosen.reason, until: now };
    let held: i64 = held_signups::situation(pool, now)
        .await?
        .held
        .reasons
        .iter()
        .filter(|by| choice.only.is_none_or(|only| only == by.reason))
        .map(|by| by.held)
        .sum();
    let (question, unasked) = match decision {
        Release => (format!("Send the confirmation mails of {held} held signups?"), "send"),
        Drop => (format!("Send nothing to {held} held signups?"), "drop them"),
    };
    if held > 0 && !chosen.yes && !output::confirm(&question, unasked)? {
        output::remark("Nothing was changed.");
        return Ok(());
    }
    let count = held_signups::decide_held(pool, &Actor::Command, choice, decision, now).await?;
    match (chosen.json, decision) {
        (true, Release) => output::json(&json!({ "released": count })),
        (true, Drop) => output::json(&json!({ "dropped": count })),
        (false, Release) => {
            output::line(&format!("{count} signups released; their mails are sent now."));
            Ok(())
        }
        (false, Drop) => {
            output::line(&format!("{count} signups dropped; nothing is sent to them."));
            Ok(())
        }
    }
}
