//! Imports lists that staff have uploaded, step by step, while the service runs.

use std::time::Duration;

use chrono::Utc;
use sqlx::PgPool;
use tokio::time::sleep;

use crate::{config::SecretKeys, domain::import::steps};

/// How long to wait when there is nothing to read.
const IDLE: Duration = Duration::from_secs(1);
/// How long to wait when the database is away.
const AWAY: Duration = Duration::from_secs(5);

/// Does the steps of all imports under way, for as long as the service runs. Several processes share the steps.
pub async fn run(pool: PgPool, keys: SecretKeys) {
    loop {
        match step(&pool, &keys).await {
            Ok(true) => {}
            Ok(false) => sleep(IDLE).await,
            Err(error) => {
                tracing::warn!(%error, "a step of an import failed; trying again");
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
        // It would fail again and again, and block the other imports.
        Err(error) => {
            transaction.rollback().await?;
            tracing::error!(import = %id, %error, "an import cannot continue and was ended");
            let mut transaction = pool.begin().await?;
            steps::fail(&mut transaction, id, "internal", Utc::now()).await?;
            transaction.commit().await?;
        }
    }
    Ok(true)
}

/// Whether a retry may succeed: the database cannot be reached or lacks resources (08, 53, 57), or there was a conflict
/// (40, 55).
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
