//! The audit log as admins read it.

use sqlx::PgPool;

use crate::domain::staff::audit::{self, Entry, Filter, Person};

/// What a filter lets through.
#[derive(Debug)]
pub struct Excerpt {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Whether the filter lets older ones through.
    pub has_older: bool,
    /// Everybody who is named in the log, by address.
    pub people: Vec<Person>,
}

/// The newest `limit` entries that a filter lets through.
pub async fn page(pool: &PgPool, filter: &Filter, limit: usize) -> sqlx::Result<Excerpt> {
    let mut db = pool.acquire().await?;
    // One more than is shown tells whether there are older ones.
    let asked = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut entries = audit::page(&mut db, filter, asked).await?;
    let has_older = entries.len() > limit;
    entries.truncate(limit);
    Ok(Excerpt { entries, has_older, people: audit::people(&mut db).await? })
}
