//! The proof of work that a signup has to bring: the page that asks for it.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    app::sign_up,
    domain::signup::{challenge::Challenge, limits::ClientNetwork},
    web::{
        http::{
            headers::CSP_WITH_CAPTCHA,
            problem::{self, Problem},
        },
        public::visitor::Visitor,
    },
};

/// What the form said, for the page that asks to say it again. The trap for programs is not among it.
#[derive(Serialize)]
pub struct Kept<'a> {
    /// The address as it was typed, or masked.
    pub email: &'a str,
    /// What the form sends in its place, where it is masked.
    pub again: Option<&'a str>,
    /// The page the form stood on.
    pub page: &'a str,
    /// The version of the consent text it showed.
    pub consent_version: Option<i32>,
    /// When it was shown, if it said so.
    pub shown: Option<&'a str>,
}

/// The answer to a signup that lacks its proof of work, or to a script's that looks like a program's: 403 with a challenge. Nothing was kept; all is in the page.
///
/// # Errors
/// [`Problem::Internal`] when the page cannot be made.
pub fn ask(
    visitor: &Visitor,
    headers: &HeaderMap,
    kept: &Kept<'_>,
    now: DateTime<Utc>,
) -> Result<Response, Problem> {
    let challenge = Challenge::mint(&visitor.state.app.keys, now);
    if problem::wants_json(headers) {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": visitor.text("captcha", "title"),
            "status": 403,
            "detail": visitor.text("captcha", "detail"),
            "code": "captcha",
            "challenge": challenge,
        });
        let media_type = [(header::CONTENT_TYPE, "application/problem+json")];
        return Ok((StatusCode::FORBIDDEN, media_type, body.to_string()).into_response());
    }
    let sender = &visitor.publication.content.sender;
    let own = serde_json::json!({
        "form": kept,
        "challenge": written(&challenge)?,
        "always": visitor.state.app.signups.watch.always_asks(),
        "contact": sender.written_contact(),
    });
    Ok(with_script(visitor.answer_value(StatusCode::FORBIDDEN, "captcha.html", &own)?))
}

/// A challenge for a page that is about to be shown, as its script reads it; nothing when none is needed.
pub async fn beforehand(
    visitor: &Visitor,
    network: Option<&ClientNetwork>,
) -> Result<Option<String>, Problem> {
    let (app, now) = (&visitor.state.app, Utc::now());
    let needs_proof = sign_up::needs_proof(app, network, now).await?;
    if needs_proof { written(&Challenge::mint(&app.keys, now)).map(Some) } else { Ok(None) }
}

/// Lets the page run our script.
pub fn with_script(mut answer: Response) -> Response {
    let csp = HeaderValue::from_static(CSP_WITH_CAPTCHA);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, csp);
    answer
}

fn written(challenge: &Challenge) -> Result<String, Problem> {
    serde_json::to_string(challenge).map_err(|error| Problem::internal(&error))
}
