//! `restore`: what is to become of mailings that are held because the database may be an older one.

use std::time::Duration;

use anyhow::bail;
use chrono::{SecondsFormat, Utc};
use clap::Subcommand;
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::{
    app::release_restore::{self, Progress},
    domain::{
        actor::Actor,
        restore::{Hold, How, WAY_OUT},
    },
};

use super::{database, output};

/// After a backup was brought back, or a standby promoted.
#[derive(Subcommand)]
pub enum Restore {
    /// Tell whether mailings are held, and why.
    Status {
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Let held mailings go on.
    Release {
        /// What is open may have been sent already: it becomes `unknown` and is not sent again by itself.
        #[arg(long)]
        as_unknown: bool,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
}

impl Restore {
    /// Runs the subcommand.
    pub async fn run(self) -> anyhow::Result<()> {
        let pool = database().await?;
        match self {
            Restore::Status { json } => status(&pool, json).await,
            Restore::Release { as_unknown, json } => {
                release(&pool, if as_unknown { How::AsUnknown } else { How::SendOn }, json).await
            }
        }
    }
}

async fn status(pool: &PgPool, json: bool) -> anyhow::Result<()> {
    let (hold, open) = release_restore::situation(pool, Utc::now()).await?;
    if json {
        return output::json(&json!({ "held": hold, "open": open }));
    }
    match hold {
        None => output::line("No mailings are held."),
        Some(hold) => {
            say(&hold);
            output::line(&format!(
                "Open: {} mailings with {} mails that wait; {} planned mailings whose time has passed.",
                open.mailings, open.deliveries, open.overdue
            ));
            output::remark(&format!("What to do: {WAY_OUT}."));
        }
    }
    Ok(())
}

fn say(hold: &Hold) {
    output::line(&format!(
        "All mailings are held since {}: {}.",
        hold.since.to_rfc3339_opts(SecondsFormat::Secs, true),
        hold.reason.found()
    ));
    if let Some(last_seen) = hold.last_seen {
        output::line(&format!(
            "The service was last seen on this database at {}.",
            last_seen.to_rfc3339_opts(SecondsFormat::Secs, true)
        ));
    }
}

/// How long the command waits for what workers still hold.
const PATIENCE: Duration = Duration::from_mins(2);

/// Does the rest of a release that makes what was open `unknown`.
async fn finish(pool: &PgPool) -> anyhow::Result<()> {
    let waiting_since = Instant::now();
    loop {
        match release_restore::finish(pool, Utc::now()).await? {
            Progress::Released => return Ok(()),
            Progress::More => {}
            Progress::Waiting => {
                sleep(Duration::from_millis(200)).await;
                if waiting_since.elapsed() > PATIENCE {
                    bail!(
                        "a worker still holds some of what is to become unknown; it goes on by itself, see: rundbrief restore status"
                    );
                }
            }
        }
    }
}

async fn release(pool: &PgPool, how: How, json: bool) -> anyhow::Result<()> {
    let is_released = release_restore::release_restore(pool, &Actor::Command, how, Utc::now()).await?;
    if how == How::AsUnknown {
        finish(pool).await?;
    }
    if json {
        return output::json(&json!({ "released": is_released }));
    }
    output::line(match (is_released, how) {
        (false, _) => "No mailings were held.",
        (true, How::SendOn) => "Mailings go on.",
        (true, How::AsUnknown) => {
            "Mailings go on; what was open is unknown now. Planned ones whose time has passed wait for you: rundbrief mailings list."
        }
    });
    Ok(())
}
