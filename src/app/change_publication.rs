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
        publication::{self, Applied, Content, Publication, draft},
        staff::audit::Action,
    },
};

/// Why the publication was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Only admins change it.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
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

/// Makes `content` the current version, unless it is that already. `base` is the version that whoever asks has seen, 0 for
/// none; without it the new one counts in any case. `changed` says for the audit log which fields are others now. What a
/// staff member had typed for a preview is removed.
///
/// # Errors
/// [`ChangeError`].
pub async fn change_publication(
    pool: &PgPool,
    by: &Actor,
    content: &Content,
    (base, changed): (Option<i32>, Option<Vec<String>>),
    now: DateTime<Utc>,
) -> Result<Applied, ChangeError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    publication::lock(&mut deed).await?;
    let current = publication::current_version(&mut deed).await?.unwrap_or_default();
    if base.is_some_and(|base| base != current) {
        return Err(ChangeError::ChangedMeanwhile);
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
