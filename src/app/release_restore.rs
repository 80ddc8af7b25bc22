//! Letting mailings go on that are held because the database may be an older one.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        restore::{self, Hold, How, Memory, Open},
        staff::audit::Action,
    },
};

/// Why nothing was released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Only admins release mailings.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The hold, if there is one, and what of mailings is open.
pub async fn situation(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<(Option<Hold>, Open)> {
    let mut db = pool.acquire().await?;
    Ok((restore::hold(&mut db).await?, restore::open(&mut db, now).await?))
}

/// Lets held mailings go on; answers false when none are held. With [`How::AsUnknown`] they go on once workers, or
/// [`finish`], have done the rest.
///
/// # Errors
/// [`ReleaseError`].
pub async fn release_restore(
    pool: &PgPool,
    by: &Actor,
    how: How,
    now: DateTime<Utc>,
) -> Result<bool, ReleaseError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let hold = restore::hold(&mut deed).await?;
    let is_released = restore::release(&mut deed, how).await?;
    if let (Some(hold), true) = (hold, is_released) {
        let open = if how == How::AsUnknown { "unknown" } else { "sent" };
        let details = json!({ "hold": hold.reason.name(), "open": open });
        deed.note(Action::RestoreReleased, "", &details, &Event::RestoreReleased).await?;
    }
    deed.commit().await?;
    Ok(is_released)
}

/// How far a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Mailings go on.
    Released,
    /// There is more to do at once.
    More,
    /// A worker still holds some of what is to become `unknown`.
    Waiting,
}

/// Compares the database with what this process remembers of it, when another server answers than before. Holds mailings
/// where it may be an older one.
pub async fn verify(pool: &PgPool, memory: &Memory) -> sqlx::Result<()> {
    memory.verify(&mut *pool.acquire().await?).await
}

/// Does the next piece of a release [`How::AsUnknown`], as every worker does; answers whether to go on at once. It is no
/// [`Deed`]: that was the release, which wrote event and audit line. A piece is several transactions, because writing the
/// rest of an audience waits for those who leave, and they may wait for what was just recovered; [`restore::step`] writes
/// the event of each mailing that pauses.
pub async fn step(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<bool> {
    restore::step(&mut *pool.acquire().await?, now).await
}

/// Does what [`step`] does, and tells whether mailings go on by now.
pub async fn finish(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<Progress> {
    let mut db = pool.acquire().await?;
    if restore::hold(&mut db).await?.is_none() {
        return Ok(Progress::Released);
    }
    Ok(if restore::step(&mut db, now).await? { Progress::More } else { Progress::Waiting })
}
