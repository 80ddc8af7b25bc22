//! When everybody comes at once: so many requests at a time, and a clear answer at once for those beyond.

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{AppState, FORM_LIMIT, problem::Problem};

/// Bytes a form of the staff pages may have: the longest text of an update, and what a browser makes of its umlauts.
const STAFF_FORM_LIMIT: usize = 1024 * 1024;

/// Requests that are being answered at the same time, at most. Each may wait for one of the pool's connections; more of
/// them would only wait longer.
pub const REQUESTS: usize = 512;

/// Answers 503 at once when there are too many requests already. A request counts from when it is here as a whole:
/// those who send theirs byte by byte take no place from others.
pub async fn turn_away(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let limit = if parts.uri.path().starts_with("/staff/") { STAFF_FORM_LIMIT } else { FORM_LIMIT };
    let request = match to_bytes(body, limit).await {
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
