//! Using a text again: a new draft of an update or of a template, the templates themselves, and the checklists of updates that
//! were begun with one.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::{TemplateId, UpdateId},
        staff::{audit::Action, clean_name},
        update::{
            self,
            template::{self, NotStored, Template, TemplateHead},
            text::{Author, Writing},
            writing,
        },
    },
};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Only staff write.
    #[error("only staff may write updates and templates")]
    NotAllowed(#[from] NotPermitted),
    /// There is no such update or template (any more).
    #[error("there is no such update or template")]
    Unknown,
    /// The name is missing or too long.
    #[error("the name is missing or longer than 100 characters")]
    Name,
    /// Another template has this name; give it another one.
    #[error("another template has this name")]
    NameTaken,
    /// There are as many templates as there may be; remove one first.
    #[error("there are {} templates; remove one first", template::TEMPLATES)]
    TooMany,
    /// A line of the checklist is too long, or there are too many.
    #[error("line {0} of the checklist is too long, or one too many")]
    Checklist(usize),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<NotStored> for TemplateError {
    fn from(error: NotStored) -> Self {
        match error {
            NotStored::NameTaken => Self::NameTaken,
            NotStored::TooMany => Self::TooMany,
        }
    }
}

/// What a draft begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The text of another update.
    Update(UpdateId),
    /// A template, with its checklist.
    Template(TemplateId),
}

/// What staff typed about a template.
#[derive(Debug, Clone)]
pub struct NewTemplate {
    /// Its name.
    pub name: String,
    /// What an update begins with.
    pub writing: Writing,
    /// The checklist, an item a line.
    pub checklist: String,
}

/// Every template, by name.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<TemplateHead>> {
    template::list(&mut *pool.acquire().await?).await
}

/// A template; nothing when there is none such.
pub async fn find(pool: &PgPool, id: TemplateId) -> sqlx::Result<Option<Template>> {
    template::find(&mut *pool.acquire().await?, id).await
}

/// Begins a draft with a text that is there. Date and page stay empty: they are those of the other one.
///
/// # Errors
/// [`TemplateError`].
pub async fn begin(
    pool: &PgPool,
    author: &Author,
    source: Source,
    now: DateTime<Utc>,
) -> Result<UpdateId, TemplateError> {
    let mut deed = Deed::by_staff(pool, &author.actor, now)?.await?;
    let (text, checklist) = match source {
        Source::Update(id) => {
            let of = update::find(&mut deed, &id.to_string()).await?.ok_or(TemplateError::Unknown)?;
            let checklist = template::checks(&mut deed, id).await?;
            (of.writing(), checklist.into_iter().map(|check| check.item).collect())
        }
        Source::Template(id) => {
            let of = template::find(&mut deed, id).await?.ok_or(TemplateError::Unknown)?;
            (of.writing, of.checklist)
        }
    };
    let text = Writing { dated: None, link: None, ..text };
    let (id, _) = writing::begin(&mut deed, author, text.locale, now).await?;
    let begun = update::lock(&mut deed, id).await?.ok_or(TemplateError::Unknown)?;
    writing::save(&mut deed, &begun, begun.version, &text, author, now).await?;
    template::begin_checks(&mut deed, id, &checklist).await?;
    let named = update::find(&mut deed, &id.to_string()).await?.ok_or(TemplateError::Unknown)?;
    let details = json!({ "update": id, "title": text.title });
    deed.note(Action::UpdateBegun, &named.slug, &details, &Event::UpdateCreated(id)).await?;
    deed.commit().await?;
    Ok(id)
}

/// Makes the text of an update a template, with its checklist.
///
/// # Errors
/// [`TemplateError`].
pub async fn make(
    pool: &PgPool,
    author: &Author,
    of: UpdateId,
    name: &str,
    now: DateTime<Utc>,
) -> Result<TemplateId, TemplateError> {
    let name = clean_name(name).ok_or(TemplateError::Name)?;
    let mut deed = Deed::by_staff(pool, &author.actor, now)?.await?;
    let update = update::find(&mut deed, &of.to_string()).await?.ok_or(TemplateError::Unknown)?;
    let checklist = template::checks(&mut deed, of).await?;
    let id = TemplateId::new();
    let made = Template {
        id,
        name,
        writing: update.writing(),
        checklist: checklist.into_iter().map(|check| check.item).collect(),
    };
    template::store(&mut deed, &made, author, now).await??;
    let event = Event::TemplateStored(id);
    deed.note(Action::TemplateStored, &made.name, &json!({}), &event).await?;
    deed.commit().await?;
    Ok(id)
}

/// Changes a template. What was made of it stays as it is.
///
/// # Errors
/// [`TemplateError`].
pub async fn change(
    pool: &PgPool,
    author: &Author,
    id: TemplateId,
    new: NewTemplate,
    now: DateTime<Utc>,
) -> Result<(), TemplateError> {
    let name = clean_name(&new.name).ok_or(TemplateError::Name)?;
    let checklist = template::read_checklist(&new.checklist).map_err(TemplateError::Checklist)?;
    let mut deed = Deed::by_staff(pool, &author.actor, now)?.await?;
    template::find(&mut deed, id).await?.ok_or(TemplateError::Unknown)?;
    let changed = Template { id, name, writing: new.writing.tidied(), checklist };
    template::store(&mut deed, &changed, author, now).await??;
    let event = Event::TemplateStored(id);
    deed.note(Action::TemplateStored, &changed.name, &json!({}), &event).await?;
    deed.commit().await?;
    Ok(())
}

/// Removes a template. One that is not there any more was removed before, which is what was wanted.
///
/// # Errors
/// [`TemplateError`].
pub async fn remove(
    pool: &PgPool,
    by: &Actor,
    id: TemplateId,
    now: DateTime<Utc>,
) -> Result<(), TemplateError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    if let Some(name) = template::remove(&mut deed, id).await? {
        let event = Event::TemplateRemoved(id);
        deed.note(Action::TemplateRemoved, &name, &json!({}), &event).await?;
    }
    deed.commit().await?;
    Ok(())
}

/// Ticks exactly these items of the checklist of an update.
///
/// # Errors
/// [`TemplateError`].
pub async fn tick(
    pool: &PgPool,
    author: &Author,
    id: UpdateId,
    done: &[i32],
    now: DateTime<Utc>,
) -> Result<(), TemplateError> {
    let mut deed = Deed::by_staff(pool, &author.actor, now)?.await?;
    let update = update::lock(&mut deed, id).await?.ok_or(TemplateError::Unknown)?;
    if template::tick(&mut deed, id, done, author, now).await? {
        let checks = template::checks(&mut deed, id).await?;
        let open = checks.iter().filter(|check| check.done_by.is_none()).count();
        let details = json!({ "update": id, "title": update.title, "items": open });
        let event = Event::ChecklistTicked(id);
        deed.note(Action::ChecklistTicked, &update.slug, &details, &event).await?;
        deed.commit().await?;
    }
    Ok(())
}
