//! Who may use a route: looked at once, before its handler runs.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;

use crate::{
    app::sessions,
    db::statement::StatementResult,
    domain::staff::{Role, session::Session},
    web::{
        AppState,
        http::{
            cookies,
            route::{Allowed, Reauth, Route},
        },
        staff::{
            login::{destination, reauth},
            staff_problem::StaffProblem,
        },
    },
};

/// What stands before a route.
#[derive(Clone)]
pub struct Gate {
    /// The service.
    pub state: AppState,
    /// The route.
    pub route: &'static Route,
}

/// Lets through who may use the route, with their session among the request's extensions; sends all others to log in, or
/// away.
pub async fn gate(
    State(gate): State<Gate>,
    mut request: Request,
    next: Next,
) -> Result<Response, StaffProblem> {
    let session = current(&gate.state, request.headers()).await?;
    let session = match (gate.route.allowed, session) {
        (Allowed::Everybody, session) => session,
        (_, None) => return Ok(to_login(&request, "/staff/login")),
        (_, Some(session)) if session.is_awaiting_code => {
            return Ok(to_login(&request, "/staff/login/code"));
        }
        // A page that is left open asks by itself: nobody is at work there, and the session has to end some time.
        (_, Some(session)) if gate.route.is_polled => Some(session),
        (_, Some(session)) => {
            sessions::seen(&gate.state.app.pool, &session, Utc::now()).await?;
            Some(session)
        }
    };
    let Some(session) = session else { return Ok(next.run(request).await) };
    let is_stale = request.method() == Method::POST && !session.is_fresh(Utc::now());
    let mut response = if gate.route.allowed == Allowed::Admin && session.role != Role::Admin {
        StaffProblem::AdminsOnly.into_bare_response()
    } else if let (Reauth::Before(what), true) = (gate.route.reauth, is_stale) {
        reauth::gate(&gate.state, what, &session, request, next)
            .await
            .unwrap_or_else(IntoResponse::into_response)
    } else {
        request.extensions_mut().insert(session.clone());
        next.run(request).await
    };
    // For the error pages, which stand around this.
    response.extensions_mut().insert(session);
    Ok(response)
}

/// The session that a request's cookie belongs to.
async fn current(state: &AppState, headers: &HeaderMap) -> StatementResult<Option<Session>> {
    let Some(token) = cookies::session(state, headers) else { return Ok(None) };
    sessions::find(&state.app.pool, &token, Utc::now()).await
}

fn to_login(request: &Request, login: &str) -> Response {
    let wanted = if request.method() == Method::GET {
        destination::of_request(request.uri())
    } else {
        // The page with the form: the answer to a POST cannot be asked for again.
        destination::of_referer(request.headers())
    };
    Redirect::to(&destination::with_next(login, wanted.as_deref())).into_response()
}
