//! Importing: lists that staff have uploaded are read on, step by step, while the service runs.

use std::time::Duration;

use chrono::Utc;
use sqlx::PgPool;
use tokio::time::sleep;

use crate::{config::SecretKeys, domain::import::steps};

/// How long to wait when there is nothing to read.
const IDLE: Duration = Duration::from_secs(1);
/// How long to wait when the database is away.
const AWAY: Duration = Duration::from_secs(5);

/// Reads on in whatever import is under way, for as long as the service runs. Where several do it at once, each step is
/// one of theirs.
pub async fn run(pool: PgPool, keys: SecretKeys) {
    loop {
        match step(&pool, &keys).await {
            Ok(true) => {}
            Ok(false) => sleep(IDLE).await,
            Err(error) => {
                tracing::warn!(%error, "an import could not be read on; trying again");
                sleep(AWAY).await;
            }
        }
    }
}

async fn step(pool: &PgPool, keys: &SecretKeys) -> sqlx::Result<bool> {
    let mut transaction = pool.begin().await?;
    let Some(id) = steps::next(&mut transaction).await? else { return Ok(false) };
    match steps::step(&mut transaction, id, keys, Utc::now()).await {
        Ok(()) => transaction.commit().await?,
        Err(error) if is_passing(&error) => return Err(error),
        // It would come again and again, and keep others waiting.
        Err(error) => {
            transaction.rollback().await?;
            tracing::error!(import = %id, %error, "an import cannot go on and was ended");
            let mut transaction = pool.begin().await?;
            steps::fail(&mut transaction, id, "internal", Utc::now()).await?;
            transaction.commit().await?;
        }
    }
    Ok(true)
}

/// Whether the database may answer differently in a moment: it cannot be reached or has no room (08, 53, 57), or somebody
/// was in the way (40, 55).
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => database
            .code()
            .is_some_and(|code| ["08", "40", "53", "55", "57"].iter().any(|class| code.starts_with(class))),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
            true
        }
        _ => false,
    }
}
