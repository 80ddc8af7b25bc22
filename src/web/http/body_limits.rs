//! How long the body of a request may be, and how long a request may take.

use std::time::Duration;

use axum::{
    Extension,
    body::{self, HttpBody, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use tokio::{sync::SemaphorePermit, time::timeout};

use crate::{
    app::sessions,
    db::statement::StatementResult,
    web::{
        AppState,
        http::{
            cookies,
            problem::Problem,
            route::{Allowed, Body, Matched, Route},
        },
    },
};

/// Bytes a form may have.
pub const FORM: usize = 16 * 1024;

/// Bytes a form of the staff pages may have that somebody sends who is logged in: the longest text of an update, and what
/// a browser makes of its umlauts.
const STAFF_FORM: usize = 1024 * 1024;

/// How long a request may take in all.
const WITHIN: Duration = Duration::from_secs(15);

/// Reads a form as a whole before anything else looks at the request: those who send theirs byte by byte take no slot from
/// others. An upload is left to its handler.
pub async fn read_form(
    State(state): State<AppState>,
    Extension(Matched { route, .. }): Extension<Matched>,
    request: Request,
    next: Next,
) -> Response {
    if is_upload(route, request.method()) {
        return next.run(request).await;
    }
    match whole(&state, route, request).await {
        Ok((request, _long)) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn is_upload(route: &Route, method: &Method) -> bool {
    method == Method::POST && matches!(route.body, Body::Upload { .. })
}

/// The request with its body, read to the end, and the room that a long one takes until it is answered. What is larger
/// than it may be is not read when it says so, and no further than that when it does not.
async fn whole<'a>(
    state: &'a AppState,
    route: &Route,
    request: Request,
) -> Result<(Request, Option<SemaphorePermit<'a>>), Problem> {
    let (parts, body) = request.into_parts();
    let declared = body.size_hint().exact();
    let (mut limit, mut long) = (FORM, None);
    if route.allowed != Allowed::Everybody && declared.is_none_or(|bytes| bytes > FORM as u64) {
        // Only for as long as it takes to look: a form that comes slowly keeps no slot.
        let looking = state.slots.general().ok_or(Problem::Busy)?;
        let is_member = is_member(state, &parts.headers).await?;
        drop(looking);
        if !is_member {
            // Sent to log in, whatever the form says.
            return Ok((Request::from_parts(parts, body::Body::empty()), None));
        }
        limit = STAFF_FORM;
        long = Some(state.slots.long_form().ok_or(Problem::Busy)?);
    }
    if declared.is_some_and(|bytes| bytes > limit as u64) {
        return unread(route, parts).map(|request| (request, long));
    }
    match to_bytes(body, limit).await {
        Ok(body) => Ok((Request::from_parts(parts, body::Body::from(body)), long)),
        Err(_) => unread(route, parts).map(|request| (request, long)),
    }
}

/// Whether a request comes from somebody who is logged in, second factor and all.
async fn is_member(state: &AppState, headers: &HeaderMap) -> StatementResult<bool> {
    let Some(token) = cookies::session(state, headers) else { return Ok(false) };
    let session = sessions::find(&state.app.pool, &token, Utc::now()).await?;
    Ok(session.is_some_and(|session| !session.is_awaiting_code))
}

fn unread(route: &Route, parts: Parts) -> Result<Request, Problem> {
    if route.body == Body::AnyForm {
        Ok(Request::from_parts(parts, body::Body::empty()))
    } else {
        Err(Problem::TooLarge)
    }
}

/// Answers 408 when a request takes longer than its route may.
pub async fn in_time(
    Extension(Matched { route, .. }): Extension<Matched>,
    request: Request,
    next: Next,
) -> Response {
    let within = match route.body {
        Body::Upload { within, .. } if is_upload(route, request.method()) => within,
        _ => WITHIN,
    };
    timeout(within, next.run(request)).await.unwrap_or_else(|_| Problem::Timeout.into_response())
}
