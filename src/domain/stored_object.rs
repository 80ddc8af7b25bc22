//! Files in the store as the database knows them, and those that no row names: orphans.
//!
//! A store and a database have no transaction together. So a file is an orphan before it is written, and ceases to be one in
//! the transaction that records its row; where a row is deleted, its files become orphans in that transaction. What is an
//! orphan for long goes.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::domain::{
    image::{self, Image},
    shared_file::{self, SharedFile},
};

/// How long an upload may take before its files count as left behind. Requests end after minutes.
pub const UPLOADS_TAKE: TimeDelta = TimeDelta::hours(1);

/// Where a file lies in the store, without the prefix of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// As the store and the database write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&image::FileName> for ObjectKey {
    fn from(file: &image::FileName) -> Self {
        Self(file.to_string())
    }
}

impl From<&shared_file::FileName> for ObjectKey {
    /// Beside the pictures, in a folder of their own.
    fn from(file: &shared_file::FileName) -> Self {
        Self(format!("files/{file}"))
    }
}

/// The keys of a picture's files.
#[must_use]
pub fn of_image(image: &Image) -> Vec<ObjectKey> {
    image.files().iter().map(ObjectKey::from).collect()
}

/// The key of a shared file.
#[must_use]
pub fn of_shared_file(file: &SharedFile) -> Option<ObjectKey> {
    file.file_name().as_ref().map(ObjectKey::from)
}

fn texts(keys: &[ObjectKey]) -> Vec<String> {
    keys.iter().map(|key| key.0.clone()).collect()
}

/// Says that no row names these files.
pub async fn orphan(db: &mut PgConnection, keys: &[ObjectKey], now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into orphaned_objects (key, since) select key, $2 from unnest($1::text[]) key
         on conflict (key) do update set since = excluded.since",
        &texts(keys),
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Says that a row names these files from now on. Answers whether all of them still lie there: retention may have taken one
/// whose upload took longer than [`UPLOADS_TAKE`] since `orphaned_at`.
pub async fn adopt(
    db: &mut PgConnection,
    keys: &[ObjectKey],
    orphaned_at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let adopted = sqlx::query!(
        "delete from orphaned_objects where key = any($1) and since = $2",
        &texts(keys),
        orphaned_at
    )
    .execute(db)
    .await?
    .rows_affected();
    Ok(adopted == keys.len() as u64)
}

/// Up to `limit` files that have been orphans for longer than an upload takes. Nobody else is given them for that long.
pub async fn left_behind(
    db: &mut PgConnection,
    limit: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<ObjectKey>> {
    let keys = sqlx::query_scalar!(
        "update orphaned_objects set since = $2
         where key in (select key from orphaned_objects where since < $1 order by since limit $3 for update skip locked)
         returning key",
        now - UPLOADS_TAKE,
        now,
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(keys.into_iter().map(ObjectKey).collect())
}

/// Forgets orphans that lie in the store no longer.
pub async fn forget(db: &mut PgConnection, keys: &[ObjectKey]) -> sqlx::Result<()> {
    sqlx::query!("delete from orphaned_objects where key = any($1)", &texts(keys)).execute(db).await?;
    Ok(())
}
