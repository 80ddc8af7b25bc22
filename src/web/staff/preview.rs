//! The mail as it will be, made by the code that sends it: on a desk and on a phone, light and dark, without pictures, as
//! plain text, and as an inbox lists it.

use axum::{
    extract::{Path, State},
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    domain::{locale::Locale, mailing::FrozenContent, update::Update},
    mail::{splice, templates::MailKind},
    web::{AppState, problem::Problem},
};

use super::{
    access::{Admin, Member},
    editor,
    page::Page,
    problems::StaffProblem,
    updates::{Id, id_in},
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
    pub fn of(page: &Page) -> Self {
        let query = |name| page.query(name).unwrap_or_default();
        Self { width: query("width"), look: query("look"), images: query("images"), part: query("part") }
    }

    /// What the page around the frame needs.
    pub fn shown(&self, page: &Page, update: &Update) -> Value {
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
            "preheader": if update.teaser.is_empty() { &update.title } else { &update.teaser },
        })
    }

    /// A mail in the light it is looked at in. The reader's system decides that; here the person does who looks.
    fn lit(&self, html: &str) -> String {
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
    page: Page,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let view = View::of(&page);
    let Some(content) = content(&state, &page, id).await? else { return Ok(without_publication(&page)) };
    let html = splice::filled(&content.body_html, &state.composer.nobodys_tokens());
    let html = view.lit(&html);
    let policy = if view.images_word() == "off" { POLICY_WITHOUT_PICTURES } else { POLICY };
    Ok(framed("text/html; charset=utf-8", policy, html))
}

/// `GET /staff/updates/{id}/mail.txt`
pub async fn text(
    State(state): State<AppState>,
    page: Page,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let Some(content) = content(&state, &page, id).await? else { return Ok(without_publication(&page)) };
    let text = splice::filled(&content.body_text, &state.composer.nobodys_tokens());
    Ok(framed("text/plain; charset=utf-8", POLICY_WITHOUT_PICTURES, text))
}

/// `GET /staff/publication/mails`: every mail there is, as the publication makes it look.
pub async fn mails(page: Page, _: Admin) -> Result<Response, StaffProblem> {
    let chosen =
        page.query("mail").and_then(|folder| MailKind::from_folder(&folder)).unwrap_or(MailKind::Update);
    let kinds: Vec<Value> = MailKind::ALL
        .iter()
        .map(|kind| json!({ "folder": kind.folder(), "name": page.text("mails", kind.folder()), "is_chosen": *kind == chosen }))
        .collect();
    let view = View::of(&page);
    let language = page.query("language").filter(|tag| tag == "en").unwrap_or_else(|| "de".into());
    let src =
        format!("/staff/publication/mails/{}?look={}&language={language}", chosen.folder(), view.look_word());
    let own = json!({
        "kinds": kinds, "chosen": chosen.folder(), "src": src, "look": view.look_word(), "language": language,
    });
    page.show("staff/mails.html", &own)
}

/// `GET /staff/publication/mails/{folder}`
pub async fn sample(
    State(state): State<AppState>,
    page: Page,
    _: Admin,
    Path(folder): Path<String>,
) -> Result<Response, StaffProblem> {
    let kind = MailKind::from_folder(&folder).ok_or(StaffProblem::NOT_FOUND)?;
    let Some(publication) = &page.publication else { return Ok(without_publication(&page)) };
    let locale = page.query("language").and_then(|tag| Locale::from_tag(&tag)).unwrap_or_default();
    let rendered = state.composer.sample(kind, publication, locale);
    let rendered = rendered.map_err(|error| StaffProblem::Common(Problem::internal(&error)))?;
    Ok(framed("text/html; charset=utf-8", POLICY, View::of(&page).lit(&rendered.html)))
}

fn framed(media_type: &'static str, policy: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, policy),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    (headers, body).into_response()
}

async fn content(state: &AppState, page: &Page, id: Id) -> Result<Option<FrozenContent>, StaffProblem> {
    let update = editor::find(state, id_in(id)?).await?;
    let Some(publication) = &page.publication else { return Ok(None) };
    let content = state.composer.update(publication, &update);
    content.map(Some).map_err(|error| StaffProblem::Common(Problem::internal(&error)))
}

fn without_publication(page: &Page) -> Response {
    framed("text/plain; charset=utf-8", POLICY_WITHOUT_PICTURES, page.text("editor", "no_publication").into())
}
