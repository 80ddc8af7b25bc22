//! When everybody comes at once: so many requests at a time, and a clear answer at once for those beyond. And how much
//! a route takes, for how long.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;

use super::{AppState, problem::Problem, staff};

/// Bytes a form of the staff pages may have: the longest text of an update, and what a browser makes of its umlauts.
const STAFF_FORM_LIMIT: usize = 1024 * 1024;

/// Requests that are being answered at the same time, at most. Each may wait for one of the pool's connections; more of
/// them would only wait longer.
pub const REQUESTS: usize = 512;

/// Bytes of a form.
const FORM_LIMIT: usize = 16 * 1024;

/// How long a request may take in all.
const REQUEST_WITHIN: Duration = Duration::from_secs(15);

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A form: it is here as a whole, and small, before anything else looks at the request.
    Form,
    /// A file: its handler reads it as it comes, once it is known who sends it. The handler has to see to it that there
    /// are not too many: each keeps its place for as long as it takes.
    Upload {
        /// Bytes of the whole body.
        most: usize,
        /// How long the whole request may take.
        within: Duration,
    },
}

impl Takes {
    fn of(request: &Request) -> Self {
        if request.method() != Method::POST {
            return Takes::Form;
        }
        let route = request.extensions().get::<MatchedPath>();
        route.map_or(Takes::Form, |route| staff::takes(route.as_str()))
    }
}

/// Answers 503 at once when there are too many requests already. A form counts from when it is here as a whole: those who
/// send theirs byte by byte take no place from others.
pub async fn turn_away(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let request = match Takes::of(&request) {
        Takes::Upload { .. } => request,
        Takes::Form => match whole(request).await {
            Ok(request) => request,
            Err(problem) => return problem.into_response(),
        },
    };
    let Ok(_place) = state.places.try_acquire() else {
        let mut response = Problem::Busy.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    next.run(request).await
}

/// The request with its body, read to the end.
async fn whole(request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let limit = if parts.uri.path().starts_with("/staff/") { STAFF_FORM_LIMIT } else { FORM_LIMIT };
    match to_bytes(body, limit).await {
        Ok(body) => Ok(Request::from_parts(parts, Body::from(body))),
        // A body that cannot be read is no reason to keep anybody subscribed.
        Err(_) if parts.uri.path().starts_with("/unsubscribe/") => {
            Ok(Request::from_parts(parts, Body::empty()))
        }
        Err(_) => Err(Problem::TooLarge),
    }
}

/// Answers 408 when a request takes longer than its route may.
pub async fn in_time(request: Request, next: Next) -> Response {
    let within = match Takes::of(&request) {
        Takes::Form => REQUEST_WITHIN,
        Takes::Upload { within, .. } => within,
    };
    timeout(within, next.run(request)).await.unwrap_or_else(|_| Problem::Timeout.into_response())
}
