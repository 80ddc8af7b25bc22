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
use serde::Serialize;

use crate::{
    app::log_in::{self, Reauthenticated},
    domain::staff::session::Session,
    web::{
        AppState,
        http::{URLENCODED, cookies, problem::Problem},
        page_context::{PageContext, Sample},
        staff::{
            login::{
                destination,
                guard::{LoginOrigin, wait},
            },
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

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
    let Ok(origin) = LoginOrigin::from_request_parts(&mut parts, state).await;
    let body = to_bytes(body, MOST).await.map_err(|_| StaffProblem::Common(Problem::TooLarge))?;
    let is_form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(URLENCODED.as_bytes()));
    let fields: Vec<(String, String)> =
        if is_form { url::form_urlencoded::parse(&body).into_owned().collect() } else { Vec::new() };
    let (own, kept): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name.starts_with(OURS));
    let typed = |name: &str| own.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let (status, mistakes) = match typed(PASSWORD) {
        None => (StatusCode::FORBIDDEN, Mistakes::default()),
        Some(password) => {
            let typed = ReauthForm { password, code: typed(CODE).unwrap_or_default() };
            match check(state, &page, &origin, session, (typed, [PASSWORD, CODE])).await? {
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
    let own = ReauthPage {
        action: path.to_owned(),
        kept,
        what: page.text("reauth", what).to_owned(),
        is_download,
        back: back.unwrap_or_else(|| "/staff".to_owned()),
        error_id: mistakes.first(),
        errors: mistakes,
    };
    page.answer(status, &own)
}

/// The page that asks, with all that the form before had said.
#[derive(Serialize)]
pub struct ReauthPage {
    action: String,
    /// Names and values.
    kept: Vec<(String, String)>,
    /// What they were about to do, in words.
    what: String,
    is_download: bool,
    back: String,
    /// The field that gets the focus.
    error_id: Option<&'static str>,
    errors: Mistakes,
}

impl PageContext for ReauthPage {
    const TEMPLATE: &'static str = "staff/reauth.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page = |kept, is_download, errors: Mistakes| Self {
            action: "/staff/people".into(),
            kept,
            what: "Eine Person hinzufügen".into(),
            is_download,
            back: "/staff/people".into(),
            error_id: errors.first(),
            errors,
        };
        let kept = vec![("email".into(), "bo@example.org".into()), ("name".into(), "Bo".into())];
        vec![
            page(kept.clone(), false, Mistakes::default()),
            page(Vec::new(), true, Mistakes::one(PASSWORD, "Das Passwort stimmt nicht.")),
            page(kept, false, Mistakes::one(CODE, "Dieser Code stimmt nicht.")),
        ]
    }
}

/// What somebody has typed to show who they are.
#[derive(Clone, Copy)]
pub struct ReauthForm<'a> {
    /// The password.
    pub password: &'a str,
    /// A code or a recovery code; only where [`needs_code`] says so.
    pub code: &'a str,
}

/// Whether a session has to show the second factor too.
pub fn needs_code(session: &Session) -> bool {
    log_in::needs_code(session, Utc::now())
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

/// Checks the password of somebody who is logged in, and their code where it is due: see [`log_in::reauthenticate`]. The
/// fields are those of password and code.
///
/// # Errors
/// When the database fails, too many log in at once, or the key that sealed the second factor is gone.
pub async fn check(
    state: &AppState,
    page: &StaffPage,
    origin: &LoginOrigin,
    session: &Session,
    (typed, [password_field, code_field]): (ReauthForm<'_>, [&'static str; 2]),
) -> Result<Confirmed, StaffProblem> {
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    let now = Utc::now();
    let needs_code = log_in::needs_code(session, now);
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
    let shown = log_in::reauthenticate(&state.app, &origin.0, session, (typed.password, typed.code), now);
    Ok(match shown.await? {
        Reauthenticated::Yes => Confirmed::Yes,
        Reauthenticated::Over => Confirmed::Over,
        Reauthenticated::WrongPassword => {
            let wrong = page.text("error", "password_wrong");
            Confirmed::No(unprocessable, Mistakes::one(password_field, wrong))
        }
        Reauthenticated::WrongCode => {
            let wrong = page.text("error", "code_wrong");
            Confirmed::No(unprocessable, Mistakes::one(code_field, wrong))
        }
        Reauthenticated::WaitUntil(until) => {
            Confirmed::No(StatusCode::TOO_MANY_REQUESTS, wait(page, password_field, until - now))
        }
    })
}
