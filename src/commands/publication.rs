//! `publication`: the newsletter's identity.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use chrono::Utc;
use clap::Subcommand;
use serde_json::json;

use crate::{
    app::change_publication::{self, ChangeError, NewVersion, change_publication},
    db::Pool,
    domain::{
        actor::Actor,
        publication::{self, Applied, Content, Retention},
    },
};

use super::{Usage, database, output};

/// The newsletter's identity and legal texts.
#[derive(Subcommand)]
pub enum Publication {
    /// Apply a file as the current version.
    Apply {
        /// A publication file; publication.example.toml shows every field.
        file: PathBuf,
        /// Do not ask, even if a retention period gets shorter and more is deleted.
        #[arg(long)]
        yes: bool,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Show the current version.
    Show {
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
}

impl Publication {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Publication::Apply { file, yes, json } => apply(&file, yes, json).await,
            Publication::Show { json } => show(json).await,
        }
    }
}

async fn apply(file: &std::path::Path, yes: bool, json: bool) -> anyhow::Result<()> {
    let name = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| Usage(format!("{name} cannot be read: {error}")))?;
    let content = Content::parse(&text).with_context(|| format!("{name} was not applied"))?;
    let pool = database().await?;
    let new = NewVersion { content: &content, base: None, changed: None, may_shorten: yes };
    let applied = match change_publication(&pool, &Actor::Command, new.clone(), Utc::now()).await {
        Err(ChangeError::ShortensRetention { from, to, version }) => {
            if !is_meant(from, to)? {
                output::remark("Nothing was changed.");
                return Ok(());
            }
            // Whatever was changed meanwhile is asked about again.
            let new = NewVersion { base: Some(version), may_shorten: true, ..new };
            change_publication(&pool, &Actor::Command, new, Utc::now()).await?
        }
        applied => applied?,
    };
    let (version, changed) = match applied {
        Applied::New(version) => (version, true),
        Applied::Unchanged(version) => (version, false),
    };
    let missing = content.missing();
    if json {
        return output::json(&json!({ "version": version, "changed": changed, "missing": missing }));
    }
    output::line(&match applied {
        Applied::New(version) => format!("{} is now version {version}.", content.name),
        Applied::Unchanged(version) => {
            format!("Nothing has changed; {} is still version {version}.", content.name)
        }
    });
    if !missing.is_empty() {
        output::remark(&format!(
            "Nobody can sign up and nothing can be sent until these are set: {}",
            missing.join(", ")
        ));
    }
    Ok(())
}

/// Asks before a retention period gets shorter: what it no longer covers is deleted within a day, for good. A file without
/// periods means the defaults, whatever was chosen on the staff pages.
fn is_meant(from: Retention, to: Retention) -> anyhow::Result<bool> {
    let period = |retention: Retention| {
        format!("mailing_days = {}, proof_years = {}", retention.mailing_days, retention.proof_years)
    };
    output::remark(&format!("Retention now:    {}", period(from)));
    output::remark(&format!("Retention then:   {}", period(to)));
    Ok(output::confirm("Shorten retention, and delete what is older?", "change")?)
}

/// The current publication.
///
/// # Errors
/// Without one, a message with the command that creates it.
pub async fn current_publication(pool: &Pool) -> anyhow::Result<publication::Publication> {
    change_publication::current(pool)
        .await?
        .ok_or_else(|| anyhow!("there is no publication yet; run: rundbrief publication apply FILE.toml"))
}

async fn show(json: bool) -> anyhow::Result<()> {
    let publication = current_publication(&database().await?).await?;
    if json {
        return output::json(&publication);
    }
    let applied_at = publication.applied_at.to_rfc3339();
    output::line(&format!("# version {}, applied {applied_at}\n", publication.version));
    output::line(&toml::to_string_pretty(&publication.content)?);
    Ok(())
}
