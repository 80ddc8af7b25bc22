//! Files in the store together with their rows in the database: both or, in the end, neither.

use chrono::{DateTime, Utc};
use hyper::body::Bytes;
use sqlx::PgPool;

use super::store::{Store, StoreError};
use crate::{
    app::Deed,
    domain::stored_object::{self, ObjectKey},
};

/// Why files were not stored and recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The store does not take them. Tell the operator; uploading again may help.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It took longer than an upload may; try again.
    #[error("the upload took too long")]
    TooSlow,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Files that lie in the store, and that no row names yet.
pub(in crate::app) struct Stored {
    keys: Vec<ObjectKey>,
    at: DateTime<Utc>,
}

/// Puts files into the store, to be recorded with [`Stored::adopt`]. Whatever fails or dies before that is committed, also
/// when nobody knows whether it was, files without a row are removed by [`remove_left_behind`].
///
/// # Errors
/// [`RecordError`].
pub(in crate::app) async fn put(
    pool: &PgPool,
    store: &Store,
    files: Vec<(ObjectKey, Bytes)>,
    now: DateTime<Utc>,
) -> Result<Stored, RecordError> {
    let keys: Vec<_> = files.iter().map(|(key, _)| key.clone()).collect();
    stored_object::orphan(&mut *pool.acquire().await?, &keys, now).await?;
    for (key, bytes) in files {
        store.put(&key, bytes).await?;
    }
    Ok(Stored { keys, at: now })
}

impl Stored {
    /// Says that a row names them, in the transaction that writes it.
    ///
    /// # Errors
    /// [`RecordError`].
    pub(in crate::app) async fn adopt(&self, deed: &mut Deed<'_>) -> Result<(), RecordError> {
        if stored_object::adopt(deed, &self.keys, self.at).await? {
            Ok(())
        } else {
            Err(RecordError::TooSlow)
        }
    }
}

/// Removes files whose row went in a transaction that made them orphans. Those that cannot be removed now go later.
pub(in crate::app) async fn remove_orphans(
    pool: &PgPool,
    store: &Store,
    keys: &[ObjectKey],
) -> sqlx::Result<()> {
    let gone = store.remove(keys).await;
    stored_object::forget(&mut *pool.acquire().await?, &gone).await
}

/// Removes files that nobody will record any more. Answers how many it found.
pub async fn remove_left_behind(pool: &PgPool, store: &Store, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let keys = stored_object::left_behind(&mut *pool.acquire().await?, 100, now).await?;
    if !keys.is_empty() {
        remove_orphans(pool, store, &keys).await?;
    }
    Ok(keys.len())
}
