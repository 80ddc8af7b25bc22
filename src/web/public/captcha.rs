//! What a signup is asked for before it is taken: a proof of work, or one more press.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
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
        page_context::{PageContext, Sample},
        public::visitor::Visitor,
    },
};

/// What the form said, for the page that asks to say it again. The trap for programs is not among it.
#[derive(Serialize)]
pub struct Kept {
    /// The address as it was typed, or masked.
    pub email: String,
    /// What the form sends in its place, where it is masked.
    pub again: Option<String>,
    /// The page the form stood on.
    pub page: String,
    /// The version of the consent text it showed.
    pub consent_version: Option<i32>,
    /// When it was shown, if it said so.
    pub shown: Option<String>,
}

impl Kept {
    /// A form of our own, and what is left of one that stood elsewhere and named nobody.
    fn samples(of: &Sample<'_>) -> [Self; 2] {
        let page = of.public_url.join("/");
        let typed = Self {
            email: Sample::ADDRESS.into(),
            again: None,
            page: page.clone(),
            consent_version: Some(of.publication.version),
            shown: Some("shown".into()),
        };
        let masked = Self {
            email: Sample::MASKED.into(),
            again: Some("again".into()),
            page,
            consent_version: None,
            shown: None,
        };
        [typed, masked]
    }
}

/// The page that asks for a proof of work.
#[derive(Serialize)]
pub struct CaptchaPage {
    form: Kept,
    /// As its script reads it.
    challenge: String,
    /// Whether the operator has every signup bring one, surge or not.
    always: bool,
    /// Where to write to instead.
    contact: String,
}

impl PageContext for CaptchaPage {
    const TEMPLATE: &'static str = "captcha.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let contact = of.publication.content.sender.written_contact();
        let [typed, masked] = Kept::samples(of);
        let page = |form, always| Self { form, challenge: "{}".into(), always, contact: contact.clone() };
        vec![page(typed, false), page(masked, true)]
    }
}

/// The page that asks for one more press, by somebody whose form looked like a program's.
#[derive(Serialize)]
pub struct PressAgainPage {
    form: Kept,
}

impl PageContext for PressAgainPage {
    const TEMPLATE: &'static str = "press_again.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        Kept::samples(of).map(|form| Self { form }).into()
    }
}

/// What a script gets to solve, beside the problem.
#[derive(Serialize)]
struct ToSolve {
    code: &'static str,
    challenge: Challenge,
}

/// The answer to a signup that lacks its proof of work, or to a script's that looks like a program's: 403 with a challenge.
/// Nothing was kept; all is in the page.
///
/// # Errors
/// [`Problem::Internal`] when the page cannot be made.
pub fn ask(
    visitor: &Visitor,
    headers: &HeaderMap,
    kept: Kept,
    now: DateTime<Utc>,
) -> Result<Response, Problem> {
    let challenge = Challenge::mint(&visitor.state.app.keys, now);
    if problem::wants_json(headers) {
        let text = |key| visitor.text("captcha", key);
        let (title, detail) = (text("title"), text("detail"));
        let more = ToSolve { code: "captcha", challenge };
        return Ok(problem::extended_problem_json(StatusCode::FORBIDDEN, title, detail, more));
    }
    let page = CaptchaPage {
        form: kept,
        challenge: written(&challenge)?,
        always: visitor.state.app.signups.watch.always_asks(),
        contact: visitor.publication.content.sender.written_contact(),
    };
    Ok(with_script(visitor.answer(StatusCode::FORBIDDEN, &page)?))
}

/// The answer to a signup that looks like a program's: 403 with a button. Nothing was kept; all is in the page.
///
/// # Errors
/// [`Problem::Internal`] when the page cannot be made.
pub fn ask_for_press(visitor: &Visitor, kept: Kept) -> Result<Response, Problem> {
    visitor.answer(StatusCode::FORBIDDEN, &PressAgainPage { form: kept })
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
