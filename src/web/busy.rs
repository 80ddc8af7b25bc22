//! When everybody comes at once: so many requests at a time, and a clear answer at once for those beyond.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{AppState, problem::Problem};

/// Requests that are being answered at the same time, at most. Each may wait for one of the pool's connections; more of
/// them would only wait longer.
pub const REQUESTS: usize = 512;

/// Answers 503 at once when there are too many requests already.
pub async fn turn_away(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Ok(_place) = state.places.try_acquire() else {
        let mut response = Problem::Busy.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    next.run(request).await
}
