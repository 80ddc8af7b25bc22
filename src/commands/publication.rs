//! `publication`: the newsletter's identity.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use chrono::Utc;
use clap::Subcommand;
use serde_json::json;

use crate::domain::publication::{self, Applied, Content};

use super::{Usage, database, output};

/// The newsletter's identity and legal texts.
#[derive(Subcommand)]
pub enum Publication {
    /// Make this file the current version.
    Apply {
        /// A publication file; publication.example.toml shows every field.
        file: PathBuf,
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
    /// Runs the subcommand.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Publication::Apply { file, json } => apply(&file, json).await,
            Publication::Show { json } => show(json).await,
        }
    }
}

async fn apply(file: &std::path::Path, json: bool) -> anyhow::Result<()> {
    let name = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| Usage(format!("{name} cannot be read: {error}")))?;
    let content = Content::parse(&text).with_context(|| format!("{name} was not applied"))?;
    let mut transaction = database().await?.begin().await?;
    let applied = publication::apply(&mut transaction, &content, Utc::now()).await?;
    transaction.commit().await?;
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

async fn show(json: bool) -> anyhow::Result<()> {
    let publication = publication::current(&mut *database().await?.acquire().await?)
        .await?
        .ok_or_else(|| anyhow!("there is no publication yet; run: rundbrief publication apply FILE.toml"))?;
    if json {
        return output::json(&publication);
    }
    let applied_at = publication.applied_at.to_rfc3339();
    output::line(&format!("# version {}, applied {applied_at}\n", publication.version));
    output::line(&toml::to_string_pretty(&publication.content)?);
    Ok(())
}
