//! Imports lists that staff have uploaded, step by step, while the service runs.

use std::time::Duration;

use chrono::Utc;
use tokio::time::sleep;

use crate::{app::import_subscribers, config::SecretKeys, db::Pool};

/// How long to wait when there is nothing to read.
const IDLE: Duration = Duration::from_secs(1);
/// How long to wait when the database is away.
const AWAY: Duration = Duration::from_secs(5);

/// Does the steps of all imports under way, for as long as the service runs. Several processes share the steps.
pub async fn run(pool: Pool, keys: SecretKeys) {
    loop {
        match import_subscribers::read_on(&pool, &keys, Utc::now()).await {
            Ok(true) => {}
            Ok(false) => sleep(IDLE).await,
            Err(error) => {
                tracing::warn!(%error, "a step of an import failed; trying again");
                sleep(AWAY).await;
            }
        }
    }
}
