//! Writing an update: begin it, save it, bring an earlier text of it back, delete it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::UpdateId,
        mailing::{self, Overview},
        publication,
        staff::audit::Action,
        update::{
            self, Update, UpdateFile, UpdateFileError,
            history::{self, Version},
            review::{self, Remark},
            template::{self, Check},
            text::{Author, Writing},
            writing::{self, Saved},
        },
    },
    mail::{compose, markdown},
};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Only staff write.
    #[error("only staff may write updates")]
    NotAllowed(#[from] NotPermitted),
    /// There is no such update (any more), or no such earlier text of it.
    #[error("there is no such update")]
    Unknown,
    /// It was saved meanwhile; look at it again.
    #[error("the update was changed meanwhile")]
    ChangedMeanwhile,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Why an update was not brought in from a file.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Only staff write.
    #[error("only staff may write updates")]
    NotAllowed(#[from] NotPermitted),
    /// Something in the file is wrong; tell whoever wrote it.
    #[error(transparent)]
    File(#[from] UpdateFileError),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Begins an empty draft in the language of the publication.
///
/// # Errors
/// [`WriteError`].
pub async fn begin(pool: &PgPool, author: &Author, now: DateTime<Utc>) -> Result<UpdateId, WriteError> {
    let by = &author.actor;
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let publication = publication::current(&mut deed).await?;
    let locale = compose::default_locale(publication.as_ref());
    let (id, slug) = writing::begin(&mut deed, author, locale, now).await?;
    deed.note(Action::UpdateBegun, &slug, &json!({ "update": id }), &Event::UpdateCreated(id)).await?;
    deed.commit().await?;
    Ok(id)
}

/// Brings in a draft from the text of a file.
///
/// # Errors
/// [`AddError`].
pub async fn add(pool: &PgPool, by: &Actor, file: &str, now: DateTime<Utc>) -> Result<Update, AddError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let publication = publication::current(&mut deed).await?;
    let parsed = UpdateFile::parse(file, compose::default_locale(publication.as_ref()))?;
    markdown::check(&parsed.body).map_err(|error| UpdateFileError {
        line: parsed.body_line + error.line as u64 - 1,
        problem: error.problem,
    })?;
    let added = update::add(&mut deed, &parsed, now).await?;
    let details = json!({ "update": added.id, "title": added.title });
    deed.note(Action::UpdateBegun, &added.slug, &details, &Event::UpdateCreated(added.id)).await?;
    deed.commit().await?;
    Ok(added)
}

/// Saves what somebody has written, made from version `base`. A text that was made from an older one is kept aside in the
/// history. The first save of a sitting is told and logged; the editor saves every few seconds.
///
/// # Errors
/// [`WriteError`].
pub async fn save(
    pool: &PgPool,
    author: &Author,
    (id, base): (UpdateId, i32),
    writing: &Writing,
    now: DateTime<Utc>,
) -> Result<Saved, WriteError> {
    let by = &author.actor;
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let current = update::lock(&mut deed, id).await?.ok_or(WriteError::Unknown)?;
    let saved = writing::save(&mut deed, &current, base, writing, author, now).await?;
    if let Saved::As { begins_sitting: true, .. } = saved {
        let details = json!({ "update": id, "title": writing.title });
        deed.note(Action::UpdateSaved, &current.slug, &details, &Event::UpdateChanged(id)).await?;
    }
    deed.commit().await?;
    Ok(saved)
}

/// Makes an earlier text what the update says; what it said until now, version `base`, stays in the history.
///
/// # Errors
/// [`WriteError`].
pub async fn restore(
    pool: &PgPool,
    author: &Author,
    (id, base): (UpdateId, i32),
    entry: i64,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let by = &author.actor;
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let earlier = history::version(&mut deed, id, entry).await?.ok_or(WriteError::Unknown)?;
    let current = update::lock(&mut deed, id).await?.ok_or(WriteError::Unknown)?;
    if current.version != base {
        return Err(WriteError::ChangedMeanwhile);
    }
    history::end_sitting(&mut deed, &current).await?;
    let saved = writing::save(&mut deed, &current, base, &earlier.writing, author, now).await?;
    let title = &earlier.writing.title;
    if let Saved::As { begins_sitting: true, .. } = saved {
        let details = json!({ "update": id, "title": title });
        deed.audit(Action::UpdateSaved, &current.slug, &details).await?;
    }
    let details = json!({ "update": id, "title": title, "saved_at": earlier.saved_at });
    deed.note(Action::UpdateRestored, &current.slug, &details, &Event::UpdateRestored(id)).await?;
    deed.commit().await?;
    Ok(())
}

/// Deletes a draft that was never sent, with the mailings of it that were taken back in time. Answers whether there was
/// one.
///
/// # Errors
/// [`WriteError`].
pub async fn delete(pool: &PgPool, by: &Actor, id: UpdateId, now: DateTime<Utc>) -> Result<bool, WriteError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let Some((slug, title)) = writing::delete(&mut deed, id).await? else { return Ok(false) };
    let details = json!({ "update": id, "title": title });
    deed.note(Action::UpdateDeleted, &slug, &details, &Event::UpdateDeleted(id)).await?;
    deed.commit().await?;
    Ok(true)
}

/// The update with this id or slug.
pub async fn find(pool: &PgPool, id_or_slug: &str) -> sqlx::Result<Option<Update>> {
    update::find(&mut *pool.acquire().await?, id_or_slug).await
}

/// Every update, newest first, and the mailings of each, newest first.
pub async fn list(pool: &PgPool) -> sqlx::Result<(Vec<Update>, HashMap<UpdateId, Vec<Overview>>)> {
    let mut db = pool.acquire().await?;
    let updates = update::list(&mut db).await?;
    let ids: Vec<UpdateId> = updates.iter().map(|update| update.id).collect();
    let mut mailings: HashMap<UpdateId, Vec<Overview>> = HashMap::new();
    for mailing in mailing::of_updates(&mut db, &ids).await? {
        mailings.entry(mailing.update_id).or_default().push(mailing);
    }
    Ok((updates, mailings))
}

/// An update as the editor opens it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The update.
    pub update: Update,
    /// Its mailings, newest first.
    pub mailings: Vec<Overview>,
    /// Who else has it open, by name.
    pub others: Vec<String>,
    /// What people without a login wrote about it and nobody has put aside, oldest first.
    pub remarks: Vec<Remark>,
    /// Its checklist.
    pub checks: Vec<Check>,
}

/// What the editor shows to this author; nothing when there is no such update.
pub async fn open(
    pool: &PgPool,
    author: &Author,
    id: UpdateId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Opened>> {
    let mut db = pool.acquire().await?;
    let Some(update) = update::find(&mut db, &id.to_string()).await? else { return Ok(None) };
    let others = writing::others(&mut db, id, author.id, now).await?;
    let mut remarks = review::remarks(&mut db, id, None).await?;
    remarks.retain(|remark| remark.done_at.is_none());
    let checks = template::checks(&mut db, id).await?;
    Ok(Some(Opened { update, others, mailings: mailing::of_updates(&mut db, &[id]).await?, remarks, checks }))
}

/// Notes that somebody has an update open, for some seconds. Answers the update and who else has it open; nothing when
/// there is no such update. No deed: who is at work is shown and forgotten.
pub async fn is_here(
    pool: &PgPool,
    author: &Author,
    id: UpdateId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<(Update, Vec<String>)>> {
    let mut db = pool.acquire().await?;
    let others = writing::here(&mut db, id, author, now).await?;
    Ok(update::find(&mut db, &id.to_string()).await?.map(|update| (update, others)))
}

/// An update and what it said before, newest first; nothing when there is no such update.
pub async fn versions(pool: &PgPool, id: UpdateId) -> sqlx::Result<Option<(Update, Vec<Version>)>> {
    let mut db = pool.acquire().await?;
    let Some(update) = update::find(&mut db, &id.to_string()).await? else { return Ok(None) };
    Ok(Some((update, history::of_update(&mut db, id).await?)))
}

/// An update and one of its earlier texts; nothing when there is none such.
pub async fn version(pool: &PgPool, id: UpdateId, entry: i64) -> sqlx::Result<Option<(Update, Version)>> {
    let mut db = pool.acquire().await?;
    let Some(update) = update::find(&mut db, &id.to_string()).await? else { return Ok(None) };
    Ok(history::version(&mut db, id, entry).await?.map(|version| (update, version)))
}
