//! Lists of people who agreed elsewhere, as staff upload them: taken in, tried out, brought in, ended. What is under way is
//! read step by step by [`import_subscribers`](super::import_subscribers).

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::ImportId,
        import::{
            plan::Plan,
            upload::{self, BadLine, Import, ImportState},
        },
        staff::audit::Action,
    },
};

/// Why nothing was done about a list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Only admins upload lists and decide about them.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The latest lists, without those that are still on their way here.
pub async fn latest(pool: &PgPool, limit: i64) -> sqlx::Result<Vec<Import>> {
    upload::list(&mut *pool.acquire().await?, limit).await
}

/// A list; nothing while it is still on its way here.
pub async fn by_id(pool: &PgPool, id: ImportId) -> sqlx::Result<Option<Import>> {
    let found = upload::by_id(&mut *pool.acquire().await?, id).await?;
    Ok(found.filter(|import| import.state != ImportState::Uploading))
}

/// The first lines of a list, as many as it takes to say what stands in which column.
pub async fn beginning(pool: &PgPool, id: ImportId) -> sqlx::Result<Vec<u8>> {
    upload::beginning(&mut *pool.acquire().await?, id).await
}

/// Lines that cannot come in, in their order.
pub async fn problems(pool: &PgPool, id: ImportId, limit: i64) -> sqlx::Result<Vec<BadLine>> {
    upload::problems(&mut *pool.acquire().await?, id, limit).await
}

/// A list on its way here. It takes a connection for each piece: a slow browser holds none meanwhile.
#[derive(Debug)]
pub struct Upload {
    /// What it will be known by.
    pub id: ImportId,
    pool: PgPool,
    pieces: i32,
}

/// Begins to take in a list. It is no deed until it is [complete](complete_upload).
///
/// # Errors
/// [`ListError`].
pub async fn begin_upload(
    pool: &PgPool,
    by: &Actor,
    masked_name: &str,
    now: DateTime<Utc>,
) -> Result<Upload, ListError> {
    by.require_admin()?;
    // A list belongs to the member who uploads it; a command brings in a file (see `import_subscribers`).
    let Actor::Member { email, .. } = by else { return Err(NotPermitted::Staff.into()) };
    let id = upload::begin(&mut *pool.acquire().await?, email, masked_name, now).await?;
    Ok(Upload { id, pool: pool.clone(), pieces: 0 })
}

impl Upload {
    /// Keeps the next piece. All have [`upload::PIECE`] bytes, but for the last.
    pub async fn keep_piece(&mut self, bytes: &[u8]) -> sqlx::Result<()> {
        upload::keep_piece(&mut *self.pool.acquire().await?, self.id, self.pieces, bytes).await?;
        self.pieces += 1;
        Ok(())
    }

    /// Removes what came of a list that is not taken.
    ///
    /// # Errors
    /// When the database fails; it then goes with the next day's forgetting.
    pub async fn forget(&self) -> sqlx::Result<()> {
        upload::forget(&mut *self.pool.acquire().await?, self.id).await
    }
}

/// A list is here as a whole, with so many bytes; `plan` is how it seems to be read.
///
/// # Errors
/// [`ListError`].
pub async fn complete_upload(
    list: &Upload,
    by: &Actor,
    size_bytes: i64,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Result<(), ListError> {
    let mut deed = Deed::by_admin(&list.pool, by, now)?.await?;
    let name = upload::complete(&mut deed, list.id, size_bytes, plan).await?;
    let details = json!({ "bytes": size_bytes });
    deed.note(Action::ImportUploaded, &name, &details, &Event::ImportUploaded(list.id)).await?;
    deed.commit().await?;
    Ok(())
}

/// Keeps how a list is read, for the form that says what stands in which column. It is no deed: nothing is read by it yet.
///
/// # Errors
/// [`ListError`].
pub async fn keep_plan(pool: &PgPool, by: &Actor, id: ImportId, plan: &Plan) -> Result<(), ListError> {
    by.require_admin()?;
    upload::keep_plan(&mut *pool.acquire().await?, id, plan).await?;
    Ok(())
}

/// Begins the dry run of a list with this plan. Answers whether that was possible.
///
/// # Errors
/// [`ListError`].
pub async fn check_list(
    pool: &PgPool,
    by: &Actor,
    id: ImportId,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Result<bool, ListError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let Some(name) = upload::check(&mut deed, id, plan, now).await? else { return Ok(false) };
    deed.note(Action::ImportChecked, &name, &json!({}), &Event::ImportCheckStarted(id)).await?;
    deed.commit().await?;
    Ok(true)
}

/// Begins to bring in those on a list, as the dry run has shown. Answers whether that was possible.
///
/// # Errors
/// [`ListError`].
pub async fn run_list(
    pool: &PgPool,
    by: &Actor,
    id: ImportId,
    now: DateTime<Utc>,
) -> Result<bool, ListError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let Some(name) = upload::run(&mut deed, id, now).await? else { return Ok(false) };
    deed.note(Action::ImportStarted, &name, &json!({}), &Event::ImportStarted(Some(id))).await?;
    deed.commit().await?;
    Ok(true)
}

/// Ends an import, and removes its file. Who was brought in stays. Answers whether there was something to end.
///
/// # Errors
/// [`ListError`].
pub async fn cancel_list(
    pool: &PgPool,
    by: &Actor,
    id: ImportId,
    now: DateTime<Utc>,
) -> Result<bool, ListError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let Some(name) = upload::cancel(&mut deed, id, now).await? else { return Ok(false) };
    deed.note(Action::ImportCancelled, &name, &json!({}), &Event::ImportCancelled(id)).await?;
    deed.commit().await?;
    Ok(true)
}
