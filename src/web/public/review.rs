//! An update as the mail it would be, for somebody without a login, and their remarks on it.

use axum::{
    Form,
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    app::{
        draft,
        preflight::PreflightError,
        review_update::{self, Look, LookError},
    },
    domain::{actor::Actor, mailing::FrozenContent, staff::NAME_LENGTH, update::review},
    mail::{merge_fields, preheader},
    web::{
        AppState,
        http::{form_values, headers::CSP_WITH_FRAME, mail_frame, problem::Problem},
        page_context::{PageContext, Sample},
        public::{link_token::LinkToken, visitor::Visitor},
    },
};

/// What the address of the page holds behind a remark that was just left.
const LEFT: &str = "left=1";

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RemarkForm {
    name: String,
    remark: String,
}

/// `GET /review/{token}`
pub async fn page(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let look = review_update::look(&state.app, &token, Utc::now()).await?;
    let query = query.unwrap_or_default();
    let view = View::of(&query);
    let mut page = ReviewPage::of(&visitor, &token, look, view, &RemarkForm::default(), None);
    page.has_left = query.split('&').any(|part| part == LEFT);
    Ok(framing(visitor.page_with(&format!("&view={}", view.name()), &page)?))
}

/// `POST /review/{token}`: leaves a remark.
pub async fn leave_remark(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    RawQuery(query): RawQuery,
    Form(sent): Form<RemarkForm>,
) -> Result<Response, Problem> {
    let (app, now) = (&state.app, Utc::now());
    let view = View::of(&query.unwrap_or_default());
    let written = (sent.name.as_str(), sent.remark.as_str());
    let mistake = match review_update::leave_remark(app, &Actor::Visitor, &token, written, now).await {
        Ok(()) => {
            // Asking for the page once more leaves no second one.
            let query = format!("lang={}&view={}&{LEFT}", visitor.locale, view.name());
            return Ok(Redirect::to(&format!("/review/{token}?{query}#remarks")).into_response());
        }
        Err(LookError::Name) => Mistake::of("name", visitor.text("review", "name_missing")),
        Err(LookError::Remark) => Mistake::of("remark", visitor.text("review", "remark_missing")),
        Err(LookError::Full) => Mistake::of("", visitor.text("review", "remarks_full")),
        Err(error) => return Err(error.into()),
    };
    let look = review_update::look(app, &token, now).await?;
    let page = ReviewPage::of(&visitor, &token, look, view, &sent, Some(mistake));
    Ok(framing(visitor.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)?))
}

/// `GET /review/{token}/mail.html`
pub async fn html(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let content = content(&state, &visitor, &token).await?;
    Ok(mail_frame::html(merge_fields::filled(&content.body_html, &state.app.composer.nobodys_tokens())))
}

/// `GET /review/{token}/mail.txt`
pub async fn text(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let content = content(&state, &visitor, &token).await?;
    Ok(mail_frame::text(merge_fields::filled(&content.body_text, &state.app.composer.nobodys_tokens())))
}

async fn content(state: &AppState, visitor: &Visitor, token: &str) -> Result<FrozenContent, Problem> {
    let look = review_update::look(&state.app, token, Utc::now()).await?;
    let made = draft::mail_of(&state.app, &visitor.publication, &look.update).await;
    made.map_err(|error| match error {
        PreflightError::Compose(error) => Problem::internal(&error),
        PreflightError::Database(error) => error.into(),
        PreflightError::Busy(busy) => busy.into(),
    })
}

impl From<LookError> for Problem {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Unknown => Problem::LinkUnknown,
            LookError::Ended => Problem::ReviewEnded,
            LookError::Database(error) => error.into(),
            LookError::Name | LookError::Remark | LookError::Full => Problem::internal(&error),
        }
    }
}

/// The page may show the mail in a frame.
fn framing(mut response: Response) -> Response {
    let policy = HeaderValue::from_static(CSP_WITH_FRAME);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// How the mail is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum View {
    Desk,
    Phone,
    Text,
}

impl View {
    const ALL: [Self; 3] = [Self::Desk, Self::Phone, Self::Text];

    fn of(query: &str) -> Self {
        let asked = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "view");
        let of_name = |name: &str| Self::ALL.into_iter().find(|view| view.name() == name);
        asked.and_then(|(_, value)| of_name(&value)).unwrap_or(Self::Desk)
    }

    fn name(self) -> &'static str {
        match self {
            View::Desk => "desk",
            View::Phone => "phone",
            View::Text => "text",
        }
    }
}

/// A way to look at the mail.
#[derive(Clone, Serialize)]
struct ViewLink {
    name: &'static str,
    label: String,
}

impl ViewLink {
    fn all(label: impl Fn(View) -> String) -> Vec<Self> {
        View::ALL.map(|view| Self { name: view.name(), label: label(view) }).into()
    }
}

/// What was wrong with the form.
#[derive(Clone, Serialize)]
struct Mistake {
    /// The field that it stands in; empty where it is none of them.
    field: &'static str,
    text: String,
}

impl Mistake {
    fn of(field: &'static str, text: &str) -> Self {
        Self { field, text: text.to_owned() }
    }
}

/// The page.
#[derive(Clone, Serialize)]
pub struct ReviewPage {
    title: String,
    preheader: String,
    sender: String,
    /// Who made the link.
    shown_by: String,
    changed_at: String,
    until: String,
    view: View,
    views: Vec<ViewLink>,
    /// Where the frame's content is.
    src: String,
    action: String,
    remarks: Vec<RemarkView>,
    /// A remark was just left.
    has_left: bool,
    /// When a mailing of it last began.
    sent_at: Option<String>,
    typed_name: String,
    typed_remark: String,
    mistake: Option<Mistake>,
    longest_name: usize,
    longest_remark: usize,
}

#[derive(Clone, Serialize)]
struct RemarkView {
    name: String,
    at: String,
    remark: String,
    /// Staff have put it aside.
    is_done: bool,
}

impl ReviewPage {
    fn of(
        visitor: &Visitor,
        token: &str,
        look: Look,
        view: View,
        sent: &RemarkForm,
        mistake: Option<Mistake>,
    ) -> Self {
        let Look { link, update, remarks, sent_at } = look;
        let label = |view| match view {
            View::Desk => visitor.text("review", "desk").to_owned(),
            View::Phone => visitor.text("review", "phone").to_owned(),
            View::Text => visitor.text("review", "text").to_owned(),
        };
        let time = |at: DateTime<Utc>| visitor.publication.content.written_time(at, visitor.locale);
        let file = if view == View::Text { "mail.txt" } else { "mail.html" };
        let remarks = remarks.into_iter();
        Self {
            preheader: preheader::of_update(&update.title, &update.teaser, &update.body),
            title: update.title,
            sender: visitor.publication.content.sender.name.clone(),
            shown_by: link.made_by,
            changed_at: time(update.changed_at),
            until: time(link.expires_at),
            view,
            views: ViewLink::all(label),
            src: format!("/review/{token}/{file}?v={}", update.version),
            action: format!("/review/{token}?lang={}&view={}", visitor.locale, view.name()),
            remarks: remarks
                .map(|one| RemarkView {
                    at: time(one.made_at),
                    name: one.name,
                    remark: one.remark,
                    is_done: one.done_at.is_some(),
                })
                .collect(),
            has_left: false,
            sent_at: sent_at.map(time),
            typed_name: form_values::again(&sent.name),
            typed_remark: sent.remark.chars().take(review::REMARK_LENGTH).collect(),
            mistake,
            longest_name: NAME_LENGTH,
            longest_remark: review::REMARK_LENGTH,
        }
    }
}

impl PageContext for ReviewPage {
    const TEMPLATE: &'static str = "review.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let usual = Self {
            title: "Neues vom Projekt".into(),
            preheader: "Im Herbst hat sich viel getan.".into(),
            sender: of.publication.content.sender.name.clone(),
            shown_by: "Ada Muster".into(),
            changed_at: of.time(),
            until: of.time(),
            view: View::Desk,
            views: ViewLink::all(|view| view.name().to_owned()),
            src: String::new(),
            action: String::new(),
            remarks: [false, true]
                .map(|is_done| RemarkView {
                    name: "Bela Beispiel".into(),
                    at: of.time(),
                    remark: "Das Jahr stimmt nicht:\n2026.".into(),
                    is_done,
                })
                .into(),
            has_left: true,
            sent_at: Some(of.time()),
            typed_name: String::new(),
            typed_remark: String::new(),
            mistake: None,
            longest_name: NAME_LENGTH,
            longest_remark: review::REMARK_LENGTH,
        };
        let bare = Self { title: String::new(), remarks: Vec::new(), view: View::Phone, ..usual.clone() };
        let bare = Self { has_left: false, sent_at: None, ..bare };
        let mistakes = ["name", "remark", ""].map(|field| {
            let mistake = Some(Mistake::of(field, "Das fehlt noch."));
            Self { mistake, typed_name: "Bela".into(), view: View::Text, ..usual.clone() }
        });
        [usual, bare].into_iter().chain(mistakes).collect()
    }
}
