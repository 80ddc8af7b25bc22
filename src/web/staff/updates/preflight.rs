//! What the preflight finds, on a page of its own and for the pages that send: [`view`] is what `staff/findings.html` shows.

use axum::{extract::State, response::Response};
use chrono::Utc;
use serde_json::{Value, json};

use crate::{
    app::preflight::{self, PreflightError},
    domain::{ids::UpdateId, locale::Locale},
    mail::preflight::{Finding, Level, Place},
    web::{
        AppState, Renderer,
        http::problem::Problem,
        staff::{
            logged_in::Member,
            staff_page::{StaffPage, id_in},
            staff_problem::StaffProblem,
            updates::{Id, find},
        },
    },
};

impl From<PreflightError> for StaffProblem {
    fn from(error: PreflightError) -> Self {
        match error {
            PreflightError::Compose(error) => StaffProblem::Common(Problem::internal(&error)),
            PreflightError::Database(error) => error.into(),
            PreflightError::Busy(busy) => StaffProblem::Common(busy.into()),
        }
    }
}

/// A finding in words: what is wrong, and how to mend it.
#[must_use]
pub fn words(pages: &Renderer, locale: Locale, finding: &Finding) -> (String, String) {
    let table = format!("staff.finding.{}", finding.code.as_str());
    let filled = |key: &str| {
        let mut text = pages.text(locale, &table, key).to_owned();
        for (name, value) in &finding.values {
            let word = match *name {
                "part" | "reason" => pages.text(locale, "staff.preflight_value", value),
                _ => value,
            };
            text = text.replace(&format!("{{{name}}}"), word);
        }
        text
    };
    (filled("text"), filled("fix"))
}

/// Findings as `staff/findings.html` shows them: `errors`, `warnings`, `notes` and whether there are any. Where each is
/// mended: a field of the update's page by its id, or another page.
#[must_use]
pub fn view(page: &StaffPage, update: UpdateId, findings: &[Finding]) -> Value {
    let shown = |level: Level| {
        let of_level = findings.iter().filter(|finding| finding.level == level);
        let shown = of_level.map(|finding| {
            let (text, fix) = words(&page.state.renderer, page.locale, finding);
            json!({
                "code": finding.code.as_str(), "text": text, "fix": fix, "line": finding.line,
                "place": finding.place, "href": href(finding.place, update),
            })
        });
        shown.collect::<Vec<_>>()
    };
    let (errors, warnings, notes) = (shown(Level::Error), shown(Level::Warning), shown(Level::Note));
    json!({
        "is_clear": errors.is_empty() && warnings.is_empty(), "has_errors": !errors.is_empty(),
        "errors": errors, "warnings": warnings, "notes": notes,
    })
}

/// The page and the field where something is mended.
fn href(place: Place, update: UpdateId) -> Option<String> {
    let field = match place {
        Place::Title => "title",
        Place::Teaser => "teaser",
        Place::Body => "body",
        Place::Link => "link",
        Place::Image => "image_alt",
        Place::Publication => return Some("/staff/publication".into()),
        Place::Signature => return Some("/staff/signature".into()),
        Place::Templates | Place::Dns | Place::Recipients => return None,
    };
    Some(format!("/staff/updates/{update}#{field}"))
}

/// `GET /staff/updates/{id}/preflight`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let update = find(&state, id_in(id)?).await?;
    let found = preflight::check(&state.app, &update, Utc::now()).await?;
    let preflight = found.map(|found| view(&page, update.id, &found));
    let own = json!({ "update": { "id": update.id, "title": update.title }, "preflight": preflight });
    page.show_value("staff/preflight.html", &own)
}
