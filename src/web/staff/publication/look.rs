//! How the publication makes every mail and every page look: as it is, and as it would be with what somebody has typed and
//! not saved.

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde_json::{Value, json};

use crate::{
    domain::{
        ids::StaffId,
        locale::Locale,
        publication::{Publication, draft},
    },
    mail::templates::MailKind,
    web::{AppState, problem::Problem, samples, visitor::Visitor},
};

use super::super::{
    access::Admin,
    page::Page,
    preview::{self, View},
    problems::StaffProblem,
};

/// Which publication.
const DRAFT: &str = "draft";
const CURRENT: &str = "current";

/// What may be done in the frame of a page: look at it, and switch its language.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin";

/// What is looked at, and how: what the address says.
#[derive(Clone)]
struct Choice {
    of: String,
    /// `mails/FOLDER` or `pages/NAME`.
    show: String,
    language: String,
    width: String,
    look: String,
}

impl Choice {
    fn of(page: &Page) -> Self {
        let query = |name: &str, first: &str, other: &str| {
            let said = page.query(name).filter(|said| said == other);
            said.unwrap_or_else(|| first.to_owned())
        };
        let show = page.query("show").filter(|show| all().any(|known| known == *show));
        Self {
            of: query("of", CURRENT, DRAFT),
            show: show.unwrap_or_else(|| format!("mails/{}", MailKind::Update.folder())),
            language: query("language", "de", "en"),
            width: query("width", "desk", "phone"),
            look: query("look", "light", "dark"),
        }
    }

    fn href(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::from("?"));
        let Self { of, show, language, width, look } = self;
        let pairs = [("of", of), ("show", show), ("language", language), ("width", width), ("look", look)];
        query.extend_pairs(pairs).finish()
    }

    /// One way to look at it: with one thing changed.
    fn way(&self, label: &str, change: impl FnOnce(&mut Self)) -> Value {
        let mut other = self.clone();
        change(&mut other);
        let href = other.href();
        json!({ "label": label, "is_chosen": href == self.href(), "href": href })
    }
}

/// Everything there is to look at.
fn all() -> impl Iterator<Item = String> {
    let mails = MailKind::ALL.iter().map(|kind| format!("mails/{}", kind.folder()));
    mails.chain(samples::PAGES.iter().map(|page| format!("pages/{page}")))
}

/// The publication somebody looks at, and whether it is a draft of theirs.
async fn publication(page: &Page, of: &str, who: StaffId) -> Result<Option<Publication>, StaffProblem> {
    match of {
        CURRENT => return Ok(page.publication.clone()),
        DRAFT => {}
        _ => return Err(StaffProblem::NOT_FOUND),
    }
    let now = Utc::now();
    let content = draft::of(&mut *page.state.pool.acquire().await?, who, now).await?;
    let version = page.publication.as_ref().map_or(0, |publication| publication.version) + 1;
    Ok(content.map(|content| Publication { version, applied_at: now, content }))
}

/// `GET /staff/publication/look`
pub async fn show(page: Page, Admin(member): Admin) -> Result<Response, StaffProblem> {
    let choice = Choice::of(&page);
    // Drafts live for a day; after that there is what counts.
    if choice.of == DRAFT && publication(&page, DRAFT, member.0.staff_id).await?.is_none() {
        return Ok(Redirect::to("/staff/publication/look").into_response());
    }
    let group = |prefix: &'static str, table: &'static str| {
        let of_group = all().filter(move |show| show.starts_with(prefix));
        let ways = of_group.map(|show| {
            let label = page.text(table, show.trim_start_matches(prefix));
            choice.way(label, |choice| choice.show.clone_from(&show))
        });
        ways.collect::<Vec<_>>()
    };
    let text = |table: &str, key: &str| page.text(table, key).to_owned();
    let mut ways = vec![
        choice.way(&text("editor", "desk"), |choice| choice.width = "desk".into()),
        choice.way(&text("editor", "phone"), |choice| choice.width = "phone".into()),
        choice.way(&text("publication", "de"), |choice| choice.language = "de".into()),
        choice.way(&text("publication", "en"), |choice| choice.language = "en".into()),
    ];
    // A page is as light or dark as the system it is looked at on.
    let is_mail = choice.show.starts_with("mails/");
    if is_mail {
        ways.push(choice.way(&text("editor", "light"), |choice| choice.look = "light".into()));
        ways.push(choice.way(&text("editor", "dark"), |choice| choice.look = "dark".into()));
    }
    let Choice { of, show, language, width, look } = &choice;
    let own = json!({
        "mails": group("mails/", "mails"), "pages": group("pages/", "sample_page"), "ways": ways,
        "is_draft": of == DRAFT, "width": width, "is_mail": is_mail,
        "src": format!("/staff/publication/{of}/{show}?lang={language}&look={look}"),
    });
    page.show("staff/look.html", &own)
}

/// `GET /staff/publication/{of}/mails/{folder}`
pub async fn mail(
    page: Page,
    Admin(member): Admin,
    Path((of, folder)): Path<(String, String)>,
) -> Result<Response, StaffProblem> {
    let kind = MailKind::from_folder(&folder).ok_or(StaffProblem::NOT_FOUND)?;
    let Some(publication) = publication(&page, &of, member.0.staff_id).await? else {
        return Ok(preview::without_publication(&page));
    };
    let rendered = page.state.composer.sample(kind, &publication, locale(&page));
    let rendered = rendered.map_err(|error| StaffProblem::Common(Problem::internal(&error)))?;
    Ok(preview::framed_mail(View::of(&page).lit(&rendered.html)))
}

/// `GET /staff/publication/{of}/pages/{name}`
pub async fn sample_page(
    State(state): State<AppState>,
    page: Page,
    Admin(member): Admin,
    Path((of, name)): Path<(String, String)>,
) -> Result<Response, StaffProblem> {
    let Some(publication) = publication(&page, &of, member.0.staff_id).await? else {
        return Ok(preview::without_publication(&page));
    };
    let visitor = Visitor { state, locale: locale(&page), publication };
    let mut answer = samples::page(&visitor, &name).map_err(StaffProblem::Common)?;
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(answer)
}

/// The language of what is looked at.
fn locale(page: &Page) -> Locale {
    page.query("lang").and_then(|tag| Locale::from_tag(&tag)).unwrap_or_default()
}
