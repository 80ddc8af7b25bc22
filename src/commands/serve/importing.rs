//! Importing: lists that staff have uploaded are read on, step by step, while the service runs.

use std::time::Duration;

use chrono::Utc;
use sqlx::PgPool;
use tokio::time::sleep;

use crate::{app::import_subscribers, config::SecretKeys};

/// How long to wait when there is nothing to read.
const IDLE: Duration = Duration::from_secs(1);
/// How long to wait when the database is away.
const AWAY: Duration = Duration::from_secs(5);

/// Reads on in whatever import is under way, for as long as the service runs. Where several do it at once, each step is
/// one of theirs.
pub async fn run(pool: PgPool, keys: SecretKeys) {
    loop {
        match import_subscribers::read_on(&pool, &keys, Utc::now()).await {
            Ok(true) => {}
            Ok(false) => sleep(IDLE).await,
            Err(error) => {
                tracing::warn!(%error, "an import could not be read on; trying again");
                sleep(AWAY).await;
            }
        }
    }
}
