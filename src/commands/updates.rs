//! `updates`: the project's news.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use chrono::Utc;
use clap::Subcommand;
use serde_json::json;

use crate::{
    domain::{
        ids::UpdateId,
        mailing::{self, MailingState, Overview},
        publication,
        staff::audit::Action,
        update::{self, UpdateFile},
    },
    mail::{compose, markdown},
};

use super::{Usage, database, note, output};

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
    let mut transaction = database().await?.begin().await?;
    let publication = publication::current(&mut transaction).await?;
    let parsed = UpdateFile::parse(&text, compose::default_locale(publication.as_ref()))
        .with_context(|| format!("{name} was not added"))?;
    markdown::check(&parsed.body).map_err(|error| {
        let line = parsed.body_line + error.line as u64 - 1;
        anyhow!("{name} was not added: line {line}: {}", error.problem)
    })?;
    let added = update::add(&mut transaction, &parsed, Utc::now()).await?;
    note(
        &mut transaction,
        Action::UpdateBegun,
        &added.slug,
        &json!({ "update": added.id, "title": added.title }),
    )
    .await?;
    transaction.commit().await?;
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
    let mut db = database().await?.acquire().await?;
    let updates = update::list(&mut db).await?;
    if json {
        return output::json(&updates);
    }
    if updates.is_empty() {
        output::remark("There are no updates yet. Add one with: rundbrief updates add FILE.md");
    }
    let ids: Vec<UpdateId> = updates.iter().map(|update| update.id).collect();
    let mailings = mailing::of_updates(&mut db, &ids).await?;
    for update in updates {
        let of_update: Vec<&Overview> =
            mailings.iter().filter(|mailing| mailing.update_id == update.id).collect();
        let state = standing(&of_update);
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
fn standing(mailings: &[&Overview]) -> &'static str {
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
pub async fn named(db: &mut sqlx::PgConnection, name: &str) -> anyhow::Result<update::Update> {
    update::find(db, name)
        .await?
        .ok_or_else(|| anyhow!("there is no update {name:?}; see: rundbrief updates list"))
}
