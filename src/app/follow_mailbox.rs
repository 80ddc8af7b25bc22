//! How reading the mailbox for what comes back goes, as far as others are told.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, PgPool};

use crate::domain::bounce::mailbox::{self, Problem};

/// The right to read the mailbox, which one process has at a time. It ends with its connection to the database: when its
/// process is killed at once, when its machine vanishes after a minute.
#[derive(Debug)]
pub struct Claim(PgConnection);

impl Claim {
    /// Fails when the claim is lost, and with it the connection.
    pub async fn holds(&mut self) -> sqlx::Result<()> {
        self.0.ping().await
    }
}

/// Claims the mailbox; nothing while another process reads it.
pub async fn claim(pool: &PgPool) -> sqlx::Result<Option<Claim>> {
    let mut connection = pool.acquire().await?;
    if !mailbox::claim(&mut connection).await? {
        return Ok(None);
    }
    // A connection of its own: it is held for long, and none of the pool's may be missing to others.
    Ok(Some(Claim(connection.detach())))
}

/// Notes that the mailbox was looked through to its end.
pub async fn was_read(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<()> {
    mailbox::was_read(&mut *pool.acquire().await?, now).await
}

/// Notes why it could not be read.
pub async fn was_not_read(pool: &PgPool, problem: &str, now: DateTime<Utc>) -> sqlx::Result<()> {
    mailbox::was_not_read(&mut *pool.acquire().await?, problem, now).await
}

/// Notes that a process wants the mailbox to be read.
pub async fn is_wanted(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<()> {
    mailbox::is_wanted(&mut *pool.acquire().await?, now).await
}

/// Why the mailbox has not been read for a quarter of an hour; nothing while some process reads it, and where none wants to.
pub async fn problem(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<Option<Problem>> {
    mailbox::problem(&mut *pool.acquire().await?, now).await
}
