//! What metrics tell of the database, read over a connection of its own: that must work while the pool is exhausted.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{db, domain::snapshot::Snapshot};

/// Reads snapshots, over one connection as long as that works.
#[derive(Debug)]
pub struct SnapshotReader {
    /// Whose database it connects to.
    pool: PgPool,
    connection: Option<PgConnection>,
}

impl SnapshotReader {
    /// One that connects when it first reads.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, connection: None }
    }

    /// Reads one. May be dropped in the middle: a connection on which something failed, or is still under way, is not
    /// used again.
    ///
    /// # Errors
    /// When the database fails, or nobody answers within three seconds.
    pub async fn read(&mut self, now: DateTime<Utc>) -> sqlx::Result<Snapshot> {
        let mut db = match self.connection.take() {
            Some(db) => db,
            None => db::connect_to_watch(&self.pool).await?,
        };
        let snapshot = Snapshot::read(&mut db, now).await?;
        self.connection = Some(db);
        Ok(snapshot)
    }
}
