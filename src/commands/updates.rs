//! `updates`: the project's news.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use chrono::Utc;
use clap::Subcommand;
use serde_json::json;

use crate::{
    app::write_update::{self, AddError},
    db::Pool,
    domain::{
        actor::Actor,
        mailing::{MailingState, Overview},
        update::Update,
    },
};

use super::{Usage, database, output};

/// The project's news.
#[derive(Subcommand)]
pub enum Updates {
    /// Add an update as a draft. Nothing is sent.
    Add {
        #[arg(
            help = "Markdown under a front matter: title, teaser, date, link, image, image_alt, image_credit, locale"
        )]
        file: PathBuf,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// List the updates, newest first.
    List {
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
}

impl Updates {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Updates::Add { file, json } => add(&file, json).await,
            Updates::List { json } => list(json).await,
        }
    }
}

async fn add(file: &Path, json: bool) -> anyhow::Result<()> {
    let name = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| Usage(format!("{name} cannot be read: {error}")))?;
    let added = write_update::add(&database().await?, &Actor::Command, &text, Utc::now()).await;
    let added = added.map_err(|error| match error {
        AddError::Database(error) => anyhow::Error::new(error),
        error => anyhow::Error::new(error).context(format!("{name} was not added")),
    })?;
    if json {
        return output::json(&json!({ "id": added.id, "slug": added.slug }));
    }
    output::line(&format!("Added “{}” as {}. Nothing has been sent yet.", added.title, added.slug));
    output::remark(&format!(
        "Look at it:  rundbrief mailings preview {0}\nSend it:     rundbrief mailings trigger {0}",
        added.slug
    ));
    Ok(())
}

async fn list(json: bool) -> anyhow::Result<()> {
    let (updates, mailings) = write_update::list(&database().await?).await?;
    if json {
        return output::json(&updates);
    }
    if updates.is_empty() {
        output::remark("There are no updates yet. Add one with: rundbrief updates add FILE.md");
    }
    for update in updates {
        let state = standing(mailings.get(&update.id).map_or(&[], Vec::as_slice));
        output::line(&format!(
            "{}  {state:9}  {}  {}",
            update.created_at.format("%Y-%m-%d"),
            update.slug,
            update.title
        ));
    }
    Ok(())
}

/// The state of an update by its mailings, newest first: one that is not over counts before those that are.
fn standing(mailings: &[Overview]) -> &'static str {
    let open = mailings.iter().find(|mailing| !mailing.is_over());
    match open.or(mailings.first()) {
        None => "draft",
        Some(mailing) if mailing.is_waiting_to_begin() => match mailing.state {
            MailingState::Paused => "overdue",
            _ => "planned",
        },
        Some(mailing) => match mailing.state {
            MailingState::Done => "sent",
            MailingState::Cancelled => "cancelled",
            MailingState::Paused => "paused",
            MailingState::Scheduled | MailingState::Preparing | MailingState::Sending => "sending",
        },
    }
}

/// The update that a person named by slug or id.
pub async fn named(pool: &Pool, name: &str) -> anyhow::Result<Update> {
    write_update::find(pool, name)
        .await?
        .ok_or_else(|| anyhow!("there is no update {name:?}; see: rundbrief updates list"))
}
