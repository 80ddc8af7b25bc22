//! When everybody comes at once: so many requests at a time, and a clear answer at once for those beyond; and how long
//! each may take.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use tokio::time::timeout;

use super::{AppState, FORM_LIMIT, problem::Problem};

/// Requests that are being answered at the same time, at most. Each may wait for one of the pool's connections; more of
/// them would only wait longer.
pub const REQUESTS: usize = 512;

/// How long a request may take in all, until its answer begins.
const REQUEST_WITHIN: Duration = Duration::from_secs(15);

/// The same for a request that brings a file: a hundred megabytes over a line of four megabits a second.
const FILE_WITHIN: Duration = Duration::from_mins(4);

/// Whether a request brings a file. Its handler takes the body as it comes, counts it itself, and needs a login first.
fn takes_a_file(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path() == "/staff/subscribers/import"
}

/// Answers 408 to a request that takes too long.
pub async fn in_time(request: Request, next: Next) -> Response {
    let within = if takes_a_file(&request) { FILE_WITHIN } else { REQUEST_WITHIN };
    timeout(within, next.run(request)).await.unwrap_or_else(|_| Problem::Timeout.into_response())
}

/// Answers 503 at once when there are too many requests already. A request counts from when it is here as a whole:
/// those who send theirs byte by byte take no place from others.
pub async fn turn_away(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if takes_a_file(&request) {
        // It takes no place either: it may be minutes under way.
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let request = match to_bytes(body, FORM_LIMIT).await {
        Ok(body) => Request::from_parts(parts, Body::from(body)),
        // A body that cannot be read is no reason to keep anybody subscribed.
        Err(_) if parts.uri.path().starts_with("/unsubscribe/") => Request::from_parts(parts, Body::empty()),
        Err(_) => return Problem::TooLarge.into_response(),
    };
    let Ok(_place) = state.places.try_acquire() else {
        let mut response = Problem::Busy.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    next.run(request).await
}
