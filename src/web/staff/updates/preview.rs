//! The mail as it will be, made by the code that sends it: on a desk and on a phone, light and dark, without pictures, as
//! plain text, and as an inbox lists it.

use axum::{extract::State, response::Response};
use serde::Serialize;

use crate::{
    app::draft,
    domain::{ids::MailingId, mailing::FrozenContent, update::Update},
    mail::{merge_fields, preheader},
    web::{
        AppState,
        http::mail_frame,
        staff::{
            logged_in::Member,
            staff_page::{self, StaffPage, id_in},
            staff_problem::StaffProblem,
            updates::{Id, find},
        },
    },
};

/// How the mail is looked at.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct View {
    /// `desk` or `phone`.
    width: &'static str,
    /// `light` or `dark`.
    look: &'static str,
    /// `on`, or `off` as mail programs show it that load no pictures.
    images: &'static str,
    /// `html`, or `text` for the plain text part.
    part: &'static str,
}

/// What the page around the frame shows.
#[derive(Serialize)]
pub struct Preview {
    /// Where the frame's content is.
    src: String,
    #[serde(flatten)]
    view: View,
    /// Nobody before there is a publication.
    sender: Option<String>,
    subject: String,
    preheader: String,
}

impl View {
    /// As the address of a page says.
    pub fn of(page: &StaffPage) -> Self {
        let one_of = |name: &str, first: &'static str, other: &'static str| {
            if page.query(name).is_some_and(|value| value == other) { other } else { first }
        };
        Self {
            width: one_of("width", "desk", "phone"),
            look: one_of("look", "light", "dark"),
            images: one_of("images", "on", "off"),
            part: one_of("part", "html", "text"),
        }
    }

    /// A mail in the light it is looked at in. The reader's system decides that; here the person does who looks.
    pub fn lit(&self, html: &str) -> String {
        let in_the_dark = if self.look == "dark" { "@media all" } else { "@media not all" };
        html.replace("@media (prefers-color-scheme:dark)", in_the_dark)
    }
}

impl Preview {
    /// Of the mail that an update makes, looked at like this.
    pub fn of(page: &StaffPage, update: &Update, view: View) -> Self {
        let file = if view.part == "text" { "mail.txt" } else { "mail.html" };
        let query = format!("look={}&images={}&v={}", view.look, view.images, update.version);
        let publication = page.publication.as_ref();
        Self {
            src: format!("/staff/updates/{}/{file}?{query}", update.id),
            view,
            sender: publication.map(|publication| publication.content.sender.name.clone()),
            subject: update.title.clone(),
            preheader: preheader::of_update(&update.title, &update.teaser, &update.body),
        }
    }

    /// For samples of the page: looked at one way and the other.
    pub fn samples() -> [Self; 2] {
        let of = |view, sender: Option<&str>| Self {
            src: "/staff/updates/1/mail.html?look=light&images=on&v=1".into(),
            view,
            sender: sender.map(str::to_owned),
            subject: "Neues vom Projekt".into(),
            preheader: "Im Herbst hat sich viel getan.".into(),
        };
        let (on, off) = (
            View { width: "desk", look: "light", images: "on", part: "html" },
            View { width: "phone", look: "dark", images: "off", part: "text" },
        );
        [of(on, Some("LOK Lausitz")), of(off, None)]
    }
}

/// `GET /staff/updates/{id}/mail.html`
pub async fn html(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let view = View::of(&page);
    let Some(content) = content(&page, id).await? else { return Ok(without_publication(&page)) };
    let html = merge_fields::filled(&content.body_html, &state.app.composer.nobodys_tokens());
    let html = view.lit(&html);
    Ok(if view.images == "off" { mail_frame::html_without_pictures(html) } else { mail_frame::html(html) })
}

/// `GET /staff/updates/{id}/mail.txt`
pub async fn text(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let Some(content) = content(&page, id).await? else { return Ok(without_publication(&page)) };
    let text = merge_fields::filled(&content.body_text, &state.app.composer.nobodys_tokens());
    Ok(mail_frame::text(text))
}

/// `GET /staff/mailings/{id}/mail.html`: with the words that are frozen, as it goes or went out.
pub async fn of_mailing(
    State(state): State<AppState>,
    _: Member,
    id: staff_page::Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let content = draft::frozen(&state.app.pool, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    Ok(mail_frame::html(merge_fields::filled(&content.body_html, &state.app.composer.nobodys_tokens())))
}

/// The mail that an update makes as it is saved now; nothing while there is no publication.
async fn content(page: &StaffPage, id: Id) -> Result<Option<FrozenContent>, StaffProblem> {
    let update = find(&page.state, id_in(id)?).await?;
    let Some(publication) = &page.publication else { return Ok(None) };
    Ok(Some(draft::mail_of(&page.state.app, publication, &update).await?))
}

/// What stands in the frame while there is no publication.
pub fn without_publication(page: &StaffPage) -> Response {
    mail_frame::text(page.text("editor", "no_publication").into())
}
