//! For the operator's monitoring.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};
use sqlx::Connection;
use tokio::time::timeout;

use super::AppState;

/// `GET /health/live`: the process answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// `GET /health/ready`: the database answers too. A relay that is down does not count: signups go on, mail waits.
pub async fn ready(State(state): State<AppState>) -> (StatusCode, &'static str) {
    let asked = async { state.pool.acquire().await?.ping().await };
    match timeout(Duration::from_secs(2), asked).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be reached\n"),
    }
}
