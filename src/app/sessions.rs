//! Whose session a request has.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::domain::staff::{
    secret::SessionToken,
    session::{self, Session},
};

/// The session that a token belongs to; nothing when it is none, has ended, or its owner may not log in any more.
pub async fn find(pool: &PgPool, token: &SessionToken, now: DateTime<Utc>) -> sqlx::Result<Option<Session>> {
    session::find(&mut *pool.acquire().await?, token, now).await
}

/// Notes that somebody is at work in a session.
pub async fn seen(pool: &PgPool, session: &Session, now: DateTime<Utc>) -> sqlx::Result<()> {
    session::seen(&mut *pool.acquire().await?, session, now).await
}
