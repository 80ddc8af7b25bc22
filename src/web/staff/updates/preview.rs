//! The mail as it will be, made by the code that sends it: on a desk and on a phone, light and dark, without pictures, as
//! plain text, and as an inbox lists it.

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    domain::{
        ids::MailingId,
        mailing::{self, FrozenContent},
        update::Update,
    },
    mail::{merge_fields, preheader},
    web::{
        AppState,
        staff::{
            logged_in::Member,
            staff_page::{self, StaffPage, id_in},
            staff_problem::StaffProblem,
            updates::{Id, composing::content_of, find},
        },
    },
};

/// How the mail is looked at.
#[derive(Debug, Default)]
pub struct View {
    /// `phone`, else a desk.
    width: String,
    /// `dark`, else light.
    look: String,
    /// `off`: as mail programs show it that load no pictures.
    images: String,
    /// `text`: the plain text part.
    part: String,
}

impl View {
    /// As the address of a page says.
    pub fn of(page: &StaffPage) -> Self {
        let query = |name| page.query(name).unwrap_or_default();
        Self { width: query("width"), look: query("look"), images: query("images"), part: query("part") }
    }

    /// What the page around the frame needs.
    pub fn shown(&self, page: &StaffPage, update: &Update) -> Value {
        let is = |value: &str, word: &str| value == word;
        let query = format!("look={}&images={}", self.look_word(), self.images_word());
        let file = if is(&self.part, "text") { "mail.txt" } else { "mail.html" };
        let sender = page.publication.as_ref().map(|publication| publication.content.sender.name.clone());
        json!({
            "src": format!("/staff/updates/{}/{file}?{query}&v={}", update.id, update.version),
            "width": if is(&self.width, "phone") { "phone" } else { "desk" },
            "look": self.look_word(), "images": self.images_word(),
            "part": if is(&self.part, "text") { "text" } else { "html" },
            "sender": sender, "subject": update.title,
            "preheader": preheader::of_update(&update.title, &update.teaser, &update.body),
        })
    }

    /// A mail in the light it is looked at in. The reader's system decides that; here the person does who looks.
    pub fn lit(&self, html: &str) -> String {
        let in_the_dark = if self.look == "dark" { "@media all" } else { "@media not all" };
        html.replace("@media (prefers-color-scheme:dark)", in_the_dark)
    }

    fn look_word(&self) -> &'static str {
        if self.look == "dark" { "dark" } else { "light" }
    }

    fn images_word(&self) -> &'static str {
        if self.images == "off" { "off" } else { "on" }
    }
}

/// What a mail may do in its frame: show its own styles and, if wanted, pictures. Nothing runs, nothing leads away.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin";
const POLICY_WITHOUT_PICTURES: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin";

/// `GET /staff/updates/{id}/mail.html`
pub async fn html(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let view = View::of(&page);
    let Some(content) = content(&state, &page, id).await? else { return Ok(without_publication(&page)) };
    let html = merge_fields::filled(&content.body_html, &state.composer.nobodys_tokens());
    let html = view.lit(&html);
    let policy = if view.images_word() == "off" { POLICY_WITHOUT_PICTURES } else { POLICY };
    Ok(framed("text/html; charset=utf-8", policy, html))
}

/// `GET /staff/updates/{id}/mail.txt`
pub async fn text(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let Some(content) = content(&state, &page, id).await? else { return Ok(without_publication(&page)) };
    let text = merge_fields::filled(&content.body_text, &state.composer.nobodys_tokens());
    Ok(framed("text/plain; charset=utf-8", POLICY_WITHOUT_PICTURES, text))
}

/// `GET /staff/mailings/{id}/mail.html`: with the words that are frozen, as it goes or went out.
pub async fn of_mailing(
    State(state): State<AppState>,
    _: Member,
    id: staff_page::Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mut db = state.pool.acquire().await?;
    mailing::by_id(&mut db, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let content = mailing::content(&mut db, id).await?;
    Ok(framed_mail(merge_fields::filled(&content.body_html, &state.composer.nobodys_tokens())))
}

/// A mail, alone in its frame.
pub fn framed_mail(html: String) -> Response {
    framed("text/html; charset=utf-8", POLICY, html)
}

fn framed(media_type: &'static str, policy: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, policy),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    (headers, body).into_response()
}

async fn content(state: &AppState, page: &StaffPage, id: Id) -> Result<Option<FrozenContent>, StaffProblem> {
    let update = find(state, id_in(id)?).await?;
    content_of(page, &mut *state.pool.acquire().await?, &update).await
}

/// What stands in the frame while there is no publication.
pub fn without_publication(page: &StaffPage) -> Response {
    framed("text/plain; charset=utf-8", POLICY_WITHOUT_PICTURES, page.text("editor", "no_publication").into())
}
