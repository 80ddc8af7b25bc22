//! `subscribers`: importing, exporting, showing and erasing subscribers.

mod export;
mod import;
mod proof;
mod show;

use std::path::PathBuf;

use chrono::{Months, NaiveDate, Utc};
use clap::Subcommand;

use crate::{
    app::{
        erase_address::{Whose, erase_address},
        take_bounce, unsubscribe,
    },
    config::{self, Source},
    domain::{actor::Actor, address::EmailAddress, erasure},
};

use super::{Usage, database, database_with, output};

/// Import, export, show and erase subscribers.
#[derive(Subcommand)]
pub enum Subscribers {
    /// Import people who consented elsewhere, from a CSV file.
    Import {
        #[arg(
            help = "CSV in UTF-8 with a header: email, consented_at, consent_source and optionally locale; or the export of a known service"
        )]
        file: PathBuf,
        #[command(flatten)]
        wanted: import::Wanted,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Write every subscriber as CSV.
    Export {
        /// Where to write it; by default standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show everything recorded about an address, with the proof of consent.
    Show {
        /// The address.
        address: String,
        #[arg(
            long,
            value_name = "FILE",
            help = "Write the consent proof to this file instead: a page to print (.html), or JSON (.json)"
        )]
        proof: Option<PathBuf>,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Check whether a consent proof is unchanged: exit code 0 if it is, 1 if not.
    VerifyProof {
        #[arg(help = "A file that `subscribers show --proof` wrote, a page or JSON")]
        file: PathBuf,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Show the reasons that people gave for leaving: counts, without names.
    Reasons {
        /// Count from this day on (2026-12-31); by default the last twelve months.
        #[arg(long, value_name = "DAY")]
        since: Option<NaiveDate>,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Let mail go to an address again from which it had come back.
    Reactivate {
        /// The address.
        address: String,
        /// Why, for the log.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Erase everything about an address (Art. 17 DSGVO). Only a keyed fingerprint remains, so that no import brings it back.
    Erase {
        /// The address.
        address: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
}

impl Subscribers {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Subscribers::Import { file, wanted, json } => import::run(&file, &wanted, json).await,
            Subscribers::Export { out } => export::run(out.as_deref()).await,
            Subscribers::Show { address, proof, json } => {
                show::run(&parsed(&address)?, json, proof.as_deref()).await
            }
            Subscribers::VerifyProof { file, json } => proof::verify(&file, json),
            Subscribers::Reasons { since, json } => reasons(since, json).await,
            Subscribers::Reactivate { address, reason } => {
                reactivate(&parsed(&address)?, reason.trim()).await
            }
            Subscribers::Erase { address, yes, json } => erase(&parsed(&address)?, yes, json).await,
        }
    }
}

fn parsed(address: &str) -> Result<EmailAddress, Usage> {
    EmailAddress::parse(address).map_err(|error| Usage(error.to_string()))
}

async fn reasons(since: Option<NaiveDate>, json: bool) -> anyhow::Result<()> {
    let since = since.unwrap_or_else(|| (Utc::now() - Months::new(12)).date_naive());
    let counted = unsubscribe::reasons(&database().await?, since).await?;
    if json {
        return output::json(&counted);
    }
    if counted.is_empty() {
        output::remark(&format!("Nobody has given a reason since {since}."));
    }
    for row in counted {
        output::line(&format!("{:>6}  {}", row.count, row.reason.name().replace('_', " ")));
    }
    Ok(())
}

async fn reactivate(address: &EmailAddress, reason: &str) -> anyhow::Result<()> {
    if reason.is_empty() {
        return Err(
            Usage("say why, such as --reason \"the mailbox works again, she called\"".to_owned()).into()
        );
    }
    let keys = config::secret_keys(&Source::environment())?;
    let pool = database_with(&keys).await?;
    take_bounce::reactivate(&pool, &keys, &Actor::Command, address, reason, Utc::now()).await?;
    output::line("Mail goes to this address again.");
    Ok(())
}

async fn erase(address: &EmailAddress, yes: bool, json: bool) -> anyhow::Result<()> {
    let keys = config::secret_keys(&Source::environment())?;
    let question = format!("Erase {} and everything recorded about it, for good?", address.as_str());
    if !yes && !output::confirm(&question, "erase")? {
        output::remark("Nothing was removed.");
        return Ok(());
    }
    let (pool, whose) = (database_with(&keys).await?, Whose::Address(address));
    let erased = erase_address(&pool, &keys, &Actor::Command, whose, Utc::now()).await?;
    for stays in unreached(&erased) {
        output::remark(stays);
    }
    if json {
        return output::json(&erased);
    }
    let person = if erased.subscriber { "the subscriber" } else { "no subscriber" };
    output::line(&format!(
        "Removed {person}, {} signups and {} consent events. An import will not bring the address back; its owner may sign up again.",
        erased.signups, erased.consent_events
    ));
    if erased.colleagues > 0 {
        output::line("It was also removed from the test recipients.");
    }
    if erased.lists > 0 {
        output::line(&format!(
            "Uploaded lists that contained it were removed as a whole: {}. The staff members who uploaded them are told.",
            erased.lists
        ));
    }
    Ok(())
}

/// What an erasure cannot reach.
fn unreached(erased: &erasure::Erased) -> Vec<&'static str> {
    let mut all = vec![
        "Out of reach: mails that were delivered, the log of your relay, and backups of the database, for as long as you keep them.",
        "After restoring an older backup, erase this address again.",
    ];
    if erased.staff_account_stays {
        all.push("A staff account has this address: it stays, and so do its entries in the audit log.");
    }
    all
}
