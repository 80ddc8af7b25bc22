//! The signup box on the project's own site: a page with everything to copy, and the words that the script shows.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use serde::Serialize;

use crate::{
    domain::{publication::Publication, token},
    source_file,
    web::{
        asset_files,
        http::{headers::CSP_WITH_OWN_SCRIPT, problem::Problem},
        page_context::{PageContext, Sample},
        public::{cors::RequestOrigin, visitor::Visitor},
        renderer::{Frame, PageError, PublicationView, Renderer},
    },
};

/// `GET /embed`: three ways in, each explained, to copy, and at work.
pub async fn page(visitor: Visitor) -> Result<Response, Problem> {
    visitor.can_sign_up()?;
    let Visitor { state, publication, .. } = &visitor;
    let page =
        EmbedPage::make(&state.renderer, &visitor.frame(None), publication, state.public_url.as_str())?;
    let mut answer = visitor.page(&page)?;
    let csp = HeaderValue::from_static(CSP_WITH_OWN_SCRIPT);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, csp);
    Ok(answer)
}

/// The page to copy the signup box from.
#[derive(Serialize)]
pub struct EmbedPage {
    /// Our own address.
    service: String,
    /// Of the publication; the form names it.
    version: String,
    accent: String,
    /// From where a form may be sent.
    origins: Vec<String>,
    /// The plain form and the script, to be copied.
    form: String,
    script: String,
    /// The same, at work on this page.
    live_form: String,
    live_script: String,
}

impl EmbedPage {
    fn make(
        renderer: &Renderer,
        frame: &Frame,
        publication: &Publication,
        service: &str,
    ) -> Result<Self, PageError> {
        let Publication { version, content, .. } = publication;
        let form = |service: &str| {
            let form = FormPiece { service: service.to_owned(), version: *version };
            renderer.render(frame, &form).map(|html| html.trim_end().to_owned())
        };
        let script = |service: &str| {
            let script = ScriptPiece { service: service.to_owned(), form: form(service)? };
            renderer.render(frame, &script).map(|html| html.trim_end().to_owned())
        };
        Ok(Self {
            service: service.to_owned(),
            version: version.to_string(),
            accent: content.accent.as_str().to_owned(),
            origins: content.origins().iter().map(|origin| origin.as_str().to_owned()).collect(),
            form: form(service)?,
            script: script(service)?,
            // At work here they send to wherever the page was opened, which is the same unless somebody tries things out.
            live_form: form("")?,
            live_script: script("")?,
        })
    }
}

impl PageContext for EmbedPage {
    const TEMPLATE: &'static str = "embed.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let made = Self::make(of.renderer, &of.frame(), of.publication, of.public_url.as_str());
        made.into_iter().collect()
    }
}

/// The plain form. Its address begins with `service`.
#[derive(Serialize)]
pub struct FormPiece {
    service: String,
    version: i32,
}

impl PageContext for FormPiece {
    const TEMPLATE: &'static str = "box_form.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        vec![Self { service: of.public_url.as_str().to_owned(), version: of.publication.version }]
    }
}

/// The script, with the plain form inside for browsers without scripts.
#[derive(Serialize)]
pub struct ScriptPiece {
    service: String,
    form: String,
}

impl PageContext for ScriptPiece {
    const TEMPLATE: &'static str = "box_script.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        vec![Self { service: of.public_url.as_str().to_owned(), form: "<form></form>".into() }]
    }
}

/// What `embed.js` shows. The messages about what was typed come with the answer to the form.
#[derive(Serialize)]
struct SignupBox<'a> {
    lang: &'static str,
    heading: &'a str,
    teaser: &'a str,
    email_label: &'a str,
    email_hint: &'a str,
    honeypot_label: &'a str,
    consent_heading: &'a str,
    consent: &'a str,
    consent_version: i32,
    /// When it was shown; up to a minute earlier, where a cache has kept it.
    shown: String,
    sender: Fact<'a>,
    frequency: Option<Fact<'a>>,
    withdraw: Fact<'a>,
    privacy: Option<Link<'a>>,
    imprint: Link<'a>,
    button: &'a str,
    sending: &'a str,
    success: Success<'a>,
    trouble: &'a str,
    hosted: Link<'a>,
    accent: &'a str,
    css: Cow<'static, str>,
    /// Where the script is that solves a proof of work.
    solver: String,
}

/// One fact about the newsletter.
#[derive(Serialize)]
struct Fact<'a> {
    label: &'a str,
    text: String,
}

/// A page to go to.
#[derive(Serialize)]
struct Link<'a> {
    label: &'a str,
    url: String,
}

/// What stands there once the form was taken.
#[derive(Serialize)]
struct Success<'a> {
    heading: &'a str,
    text: Vec<String>,
    /// Before the address that was typed.
    sent_to: &'a str,
    /// Before the address that may have been meant, and a question mark.
    meant: &'a str,
    /// The button that brings the form back.
    correct: &'a str,
}

/// `GET /embed/box`: what the script shows, for every site of the publication.
pub async fn signup_box(visitor: Visitor, headers: HeaderMap) -> Response {
    let origin = RequestOrigin::of(&visitor, &headers);
    let mut answer = origin.may_read(words(&visitor));
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Language"));
    answer
}

fn words(visitor: &Visitor) -> Result<Response, Problem> {
    visitor.can_sign_up()?;
    let view = PublicationView::new(&visitor.publication.content, visitor.locale, &visitor.state.renderer);
    let hosted = visitor.state.public_url.join(&format!("/?lang={}", visitor.locale));
    let check = |key| visitor.text("check_mailbox", key);
    let open = check("step_open").replace("{sender}", &view.sender_name);
    let fact = |key, text: &str| Fact { label: visitor.text("signup", key), text: text.to_owned() };
    let link = |key, url: &str| Link { label: visitor.text("signup", key), url: url.to_owned() };
    let shown = SignupBox {
        lang: visitor.locale.tag(),
        heading: &view.heading,
        teaser: &view.teaser,
        email_label: visitor.text("signup", "email_label"),
        email_hint: visitor.text("signup", "email_hint"),
        honeypot_label: visitor.text("signup", "honeypot_label"),
        consent_heading: visitor.text("signup", "consent_heading"),
        consent: &view.consent,
        consent_version: visitor.publication.version,
        shown: token::shown_token(&visitor.state.app.keys, Utc::now()),
        sender: fact("sender", &format!("{}\n{}", view.sender_name, view.sender_address)),
        frequency: (!view.frequency.is_empty()).then(|| fact("frequency", &view.frequency)),
        withdraw: fact("withdraw", visitor.text("signup", "withdraw_text")),
        privacy: view.privacy_url.as_ref().map(|url| link("privacy", url)),
        imprint: link("imprint", &format!("{hosted}#imprint")),
        button: visitor.text("signup", "button"),
        sending: visitor.text("box", "sending"),
        success: Success {
            heading: check("title"),
            text: vec![
                check("lead").to_owned(),
                format!("{open} {}", check("step_press")),
                check("missing_spam").replace("{address}", &view.sender_address),
            ],
            sent_to: visitor.text("box", "sent_to"),
            meant: visitor.text("box", "meant"),
            correct: check("correct"),
        },
        trouble: visitor.text("box", "trouble"),
        hosted: Link { label: visitor.text("box", "hosted"), url: hosted },
        accent: visitor.publication.content.accent.as_str(),
        css: source_file!("src/web/assets/embed.css").read(),
        solver: visitor.state.public_url.join(&asset_files::address("captcha-solver.js").unwrap_or_default()),
    };
    Ok(([(header::CACHE_CONTROL, "public, max-age=60")], Json(shown)).into_response())
}
