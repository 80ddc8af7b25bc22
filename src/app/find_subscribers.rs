//! Looking up subscribers, and who is to become one, for admins. Looking is not logged.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::domain::{
    ids::SubscriberId,
    signup::{self, WaitingFound},
    subscriber::{
        self, Subscriber,
        search::{self, After, Needle, Results, Search},
    },
};

/// How much of a search is answered.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Subscribers on a page.
    pub page: usize,
    /// They are counted no further than this.
    pub count: usize,
}

/// How many a search finds, up to a limit, and a page of them.
pub async fn find_subscribers(
    pool: &PgPool,
    search: &Search,
    after: Option<After>,
    limits: Limits,
) -> sqlx::Result<(usize, Results)> {
    let mut db = pool.acquire().await?;
    let count = search::count(&mut db, search, limits.count).await?;
    // Finding out that there is nobody takes longest.
    let found = match count {
        0 => Results::default(),
        _ => search::page(&mut db, search, after, limits.page).await?,
    };
    Ok((count, found))
}

/// Signups that wait for their confirmation and answer to a text, the newest first, up to a limit; and whether there are more.
pub async fn find_waiting(
    pool: &PgPool,
    text: &Needle,
    limit: usize,
    now: DateTime<Utc>,
) -> sqlx::Result<(Vec<WaitingFound>, bool)> {
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut found = signup::find_waiting(&mut *pool.acquire().await?, text.as_str(), one_more, now).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    Ok((found, has_more))
}

/// When the first of all subscribers confirmed.
pub async fn first_confirmed(pool: &PgPool) -> sqlx::Result<Option<DateTime<Utc>>> {
    search::first_confirmed(&mut *pool.acquire().await?).await
}

/// The subscriber with this id.
pub async fn by_id(pool: &PgPool, id: SubscriberId) -> sqlx::Result<Option<Subscriber>> {
    subscriber::by_id(&mut *pool.acquire().await?, id).await
}
