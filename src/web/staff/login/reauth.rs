//! Reauthentication: what a stolen session must not do asks again for password and second factor, where they were not given
//! within the last ten minutes.
//!
//! The page that asks is the answer to the POST itself. It holds all that the form had said and sends it again, to the same
//! address, with what was asked for: so nothing has to be typed or pressed twice.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request},
    http::{StatusCode, header},
    middleware::Next,
    response::Response,
};
use chrono::Utc;
use serde_json::json;

use crate::{
    domain::staff::{
        self,
        audit::{self, Action, Actor},
        password::{Asking, Checked},
        second_factor::{self, SecondFactor},
        session::{self, Session},
        throttle::{self, Admission},
    },
    web::{
        AppState,
        http::{form_body::URLENCODED, problem::Problem},
        staff::{
            login::{
                cookies, destination,
                guard::{Visit, account_of, tell_held, wait},
            },
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// Whether a route asks again who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reauth {
    /// It does not.
    Never,
    /// Its POST does, before its handler runs. With the name of what it does, under `staff.reauth` of the texts.
    Before(&'static str),
    /// Its form has a field for the password, and one for the code where that is due.
    InForm,
}

/// The fields of the page that asks. No other form of ours has such names.
const OURS: &str = "reauth_";
const PASSWORD: &str = "reauth_password";
const CODE: &str = "reauth_code";

/// Bytes that a form may have: as many as any of the staff pages.
const MOST: usize = 1024 * 1024;

/// Asks, or, when the request brings the answer, lets it go on with what it had said before.
pub async fn gate(
    state: &AppState,
    what: &str,
    session: &Session,
    request: Request,
    next: Next,
) -> Result<Response, StaffProblem> {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(session.clone());
    let page = StaffPage::from_request_parts(&mut parts, state).await?;
    let Ok(visit) = Visit::from_request_parts(&mut parts, state).await;
    let body = to_bytes(body, MOST).await.map_err(|_| StaffProblem::Common(Problem::TooLarge))?;
    let is_form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(URLENCODED.as_bytes()));
    let fields: Vec<(String, String)> =
        if is_form { url::form_urlencoded::parse(&body).into_owned().collect() } else { Vec::new() };
    let typed = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let kept: Vec<_> = fields.iter().filter(|(name, _)| !name.starts_with(OURS)).collect();
    let (status, mistakes) = match typed(PASSWORD) {
        None => (StatusCode::FORBIDDEN, Mistakes::default()),
        Some(password) => {
            let typed = Typed { password, code: typed(CODE).unwrap_or_default() };
            match check(state, &page, &visit, session, (typed, [PASSWORD, CODE])).await? {
                Confirmed::Yes => {
                    let body =
                        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
                    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
                    return Ok(next.run(Request::from_parts(parts, Body::from(body))).await);
                }
                Confirmed::No(status, mistakes) => (status, mistakes),
                Confirmed::Over => return Ok(logged_out(state)),
            }
        }
    };
    let path = parts.uri.path();
    let is_download = ["export", "report", "proof"].contains(&what);
    let back = destination::of_referer(&parts.headers).filter(|back| back != path);
    page.answer(
        status,
        "staff/reauth.html",
        &json!({
            "action": path,
            "kept": kept,
            "what": page.text("reauth", what),
            "is_download": is_download,
            "back": back.as_deref().unwrap_or("/staff"),
            "errors": mistakes,
            "error_id": mistakes.first(),
        }),
    )
}

/// What somebody has typed to show who they are.
#[derive(Clone, Copy)]
pub struct Typed<'a> {
    /// The password.
    pub password: &'a str,
    /// A code or a recovery code; only where [`needs_code`] says so.
    pub code: &'a str,
}

/// Whether a session has to show the second factor too.
pub fn needs_code(session: &Session) -> bool {
    session.has_second_factor && !session.is_fresh(Utc::now())
}

/// Whether somebody who is logged in has shown who they are.
pub enum Confirmed {
    /// They have.
    Yes,
    /// What to tell them at the field, with which status.
    No(StatusCode, Mistakes),
    /// It was one guess too many, and the session is over.
    Over,
}

/// Where somebody is whose session is over.
pub fn logged_out(state: &AppState) -> Response {
    let mut response = done("/staff/login", "reauth_tries");
    cookies::clear_session(state, response.headers_mut());
    response
}

/// Checks the password of somebody who is logged in, and their code where it is due. Guesses count as at the login; only
/// after many is the session over. `fields` are those of password and code.
///
/// # Errors
/// When the database fails, too many log in at once, or the key that sealed the second factor is gone.
pub async fn check(
    state: &AppState,
    page: &StaffPage,
    visit: &Visit,
    session: &Session,
    (typed, [password_field, code_field]): (Typed<'_>, [&'static str; 2]),
) -> Result<Confirmed, StaffProblem> {
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    let needs_code = needs_code(session);
    let mut mistakes = Mistakes::default();
    if typed.password.is_empty() {
        mistakes.add(password_field, page.text("error", "password_empty"));
    }
    if needs_code && typed.code.trim().is_empty() {
        mistakes.add(code_field, page.text("error", "code_empty"));
    }
    if !mistakes.is_empty() {
        return Ok(Confirmed::No(unprocessable, mistakes));
    }
    let now = Utc::now();
    let account = account_of(&session.email);
    let attempt = match visit.admit(state, &account, Some(session.staff_id), now).await? {
        Admission::Go(attempt) => attempt,
        Admission::WaitUntil(until) => {
            let wait = wait(page, password_field, until - now);
            return Ok(Confirmed::No(StatusCode::TOO_MANY_REQUESTS, wait));
        }
    };
    // Committed before anything is looked at: as many tries at the same moment are as many tries.
    if !session::may_reauthenticate(&mut *state.pool.acquire().await?, session.id).await? {
        return Ok(Confirmed::Over);
    }
    let known = staff::credentials(&mut *state.pool.acquire().await?, &account).await?;
    let hash = known.as_ref().map(|known| known.password_hash.as_str());
    if state.passwords.check(typed.password, hash, Asking::Known).await? == Checked::Wrong {
        tell_held(state, &account, &attempt, now);
        let wrong = page.text("error", "password_wrong");
        return Ok(Confirmed::No(unprocessable, Mistakes::one(password_field, wrong)));
    }
    let by = Actor::Member { id: session.staff_id, email: session.email.clone() };
    let mut transaction = state.pool.begin().await?;
    if needs_code {
        let code: String = typed.code.chars().take(100).collect();
        let factor =
            second_factor::check(&mut transaction, &state.keys, session.staff_id, &code, now).await?;
        let (action, details) = match factor {
            SecondFactor::Code => (None, json!({})),
            SecondFactor::Recovery => {
                let left = second_factor::recovery_codes_left(&mut transaction, session.staff_id).await?;
                (Some(Action::RecoveryCodeUsed), json!({ "left": left }))
            }
            SecondFactor::Wrong => (Some(Action::CodeRefused), json!({})),
            SecondFactor::Lost => return Err(StaffProblem::SecondFactorLost),
        };
        if let Some(action) = action {
            audit::record(&mut transaction, &by, action, &session.email, &details, now).await?;
        }
        if factor == SecondFactor::Wrong {
            transaction.commit().await?;
            let wrong = page.text("error", "code_wrong");
            return Ok(Confirmed::No(unprocessable, Mistakes::one(code_field, wrong)));
        }
    }
    if !session::authenticated(&mut transaction, session.id, now).await? {
        // Ended meanwhile, from another device.
        return Ok(Confirmed::Over);
    }
    if !session.is_fresh(now) {
        audit::record(&mut transaction, &by, Action::Reauthenticated, &session.email, &json!({}), now)
            .await?;
    }
    throttle::succeeded(&mut transaction, &attempt, now).await?;
    transaction.commit().await?;
    Ok(Confirmed::Yes)
}
