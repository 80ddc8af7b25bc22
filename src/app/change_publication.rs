//! A new version of the publication: by a file, or on the staff pages.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::StaffId,
        publication::{self, Applied, Content, Publication, Retention, draft},
        staff::audit::Action,
    },
};

/// Why the publication was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Only admins change it.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// A retention period gets shorter, and with it what is older is deleted within a day, for good; nobody confirmed that.
    #[error("a retention period gets shorter, and what is older is deleted; say that this is meant")]
    ShortensRetention {
        /// As it is.
        from: Retention,
        /// As it would be.
        to: Retention,
        /// The version that has it as it is.
        version: i32,
    },
    /// Somebody else changed it meanwhile; look at it again.
    #[error("the publication was changed meanwhile")]
    ChangedMeanwhile,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The current version, if there is any.
pub async fn current(pool: &PgPool) -> sqlx::Result<Option<Publication>> {
    publication::current(&mut *pool.acquire().await?).await
}

/// What an admin has typed within a day and not saved, to be looked at.
pub async fn draft_of(pool: &PgPool, who: StaffId, now: DateTime<Utc>) -> sqlx::Result<Option<Content>> {
    draft::of(&mut *pool.acquire().await?, who, now).await
}

/// Keeps what an admin has typed, in place of what they typed before. It is no deed: only they see it, and it counts nowhere.
pub async fn keep_draft(
    pool: &PgPool,
    who: StaffId,
    content: &Content,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    draft::keep(&mut *pool.acquire().await?, who, content, now).await
}

/// A version of the publication that somebody asks for.
#[derive(Debug, Clone)]
pub struct NewVersion<'a> {
    /// Its content.
    pub content: &'a Content,
    /// The version that whoever asks has seen, 0 for none; without it the new one counts in any case.
    pub base: Option<i32>,
    /// Which fields are others now, for the audit log.
    pub changed: Option<Vec<String>>,
    /// Whoever asks was told which retention period gets shorter since `base`, and means it.
    pub may_shorten: bool,
}

/// Makes a new version the current one, unless it says the same. What a staff member had typed for a preview is removed.
///
/// # Errors
/// [`ChangeError`].
pub async fn change_publication(
    pool: &PgPool,
    by: &Actor,
    new: NewVersion<'_>,
    now: DateTime<Utc>,
) -> Result<Applied, ChangeError> {
    let NewVersion { content, base, changed, may_shorten } = new;
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    publication::lock(&mut deed).await?;
    let current = publication::current(&mut deed).await?;
    if base.is_some_and(|base| base != current.as_ref().map_or(0, |current| current.version)) {
        return Err(ChangeError::ChangedMeanwhile);
    }
    if let Some(Publication { version, content: before, .. }) = &current
        && content.retention.is_shorter_than(before.retention)
        && !may_shorten
    {
        let (from, to) = (before.retention, content.retention);
        return Err(ChangeError::ShortensRetention { from, to, version: *version });
    }
    let applied = publication::apply(&mut deed, content, now).await?;
    if let Applied::New(version) = applied {
        let mut details = json!({ "version": version });
        if let Some(changed) = changed {
            details["fields"] = Value::from(changed);
        }
        let event = Event::PublicationChanged(version);
        deed.note(Action::PublicationChanged, &content.name, &details, &event).await?;
    }
    if let Some(member) = by.member() {
        draft::remove(&mut deed, member).await?;
    }
    deed.commit().await?;
    Ok(applied)
}
