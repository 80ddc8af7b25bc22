//! For the operator's monitoring.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing,
};
use serde::Serialize;
use tokio::{sync::Mutex, time::timeout};

use crate::{
    app::health,
    db::Pool,
    domain::health::Health,
    web::{
        AppState,
        http::{metrics::HttpMetrics, request_log, server::Stopping},
    },
};

/// Looks how the service is. Anybody may ask, so it looks once a second at most.
#[derive(Clone)]
pub struct Monitor {
    pool: Pool,
    last: Arc<Mutex<Option<(Instant, Health)>>>,
}

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(1);
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(2);

impl Monitor {
    /// Of the service on this database.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool, last: Arc::default() }
    }

    /// 503 is for what a load balancer should act on: no database, or a process that is stopping. Everything else stands
    /// in the body, and is for people.
    async fn ready(&self, is_stopping: bool) -> Response {
        if is_stopping {
            return answer(StatusCode::SERVICE_UNAVAILABLE, NotReady { status: "stopping", database: None });
        }
        let mut last = self.last.lock().await;
        if let Some((at, health)) = &*last
            && at.elapsed() < FRESH
            && !self.pool.is_closed()
        {
            return answer(StatusCode::OK, health);
        }
        match timeout(PATIENCE, health::check(&self.pool)).await {
            Ok(Ok(health)) => {
                let answer = answer(StatusCode::OK, &health);
                *last = Some((Instant::now(), health));
                answer
            }
            failed => {
                *last = None;
                if let Ok(Err(error)) = failed {
                    tracing::warn!(%error, "not ready: the database cannot be asked");
                }
                let database = Some(Database { state: "unreachable" });
                answer(StatusCode::SERVICE_UNAVAILABLE, NotReady { status: "unavailable", database })
            }
        }
    }
}

/// In the place of [`Health`] where nobody looked, or nobody could.
#[derive(Serialize)]
struct NotReady {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<Database>,
}

#[derive(Serialize)]
struct Database {
    state: &'static str,
}

fn answer(status: StatusCode, body: impl Serialize) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// `GET /health/live`: the process answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// `GET /health/ready`: how every part is, as JSON.
pub async fn ready(State(state): State<AppState>, stopping: Option<Extension<Stopping>>) -> Response {
    state.monitor.ready(stopping.is_some_and(|Extension(stopping)| stopping.is_now())).await
}

/// The same two pages alone, for a worker.
pub fn router(pool: Pool, metrics: Arc<HttpMetrics>) -> Router {
    Router::new()
        .route("/health/live", routing::get(live))
        .route("/health/ready", routing::get(ready_alone))
        .layer(middleware::from_fn_with_state(metrics, request_log::trace))
        .with_state(Monitor::new(pool))
}

async fn ready_alone(State(monitor): State<Monitor>, stopping: Option<Extension<Stopping>>) -> Response {
    monitor.ready(stopping.is_some_and(|Extension(stopping)| stopping.is_now())).await
}
