//! What the preflight finds, on a page of its own and for the pages that send.

use axum::{extract::State, response::Response};
use chrono::{NaiveDate, NaiveTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    app::preflight::{self, PreflightError},
    domain::{ids::UpdateId, locale::Locale},
    mail::preflight::{Finding, Level, Place},
    web::{
        AppState, Renderer,
        http::problem::Problem,
        page_context::{PageContext, Sample},
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
                "part" | "reason" => pages.text(locale, "staff.preflight_value", value).to_owned(),
                "block" => pages.text(locale, "staff.block", value).to_owned(),
                "field" | "block_fields" => {
                    let fields = value.split(' ').map(|field| pages.text(locale, "staff.block_field", field));
                    fields.collect::<Vec<_>>().join(", ")
                }
                "day" => value.parse::<NaiveDate>().map_or_else(
                    |_| value.clone(),
                    |day| {
                        let language = locale.language();
                        language.time(language.long_date, day.and_time(NaiveTime::MIN))
                    },
                ),
                _ => value.clone(),
            };
            text = text.replace(&format!("{{{name}}}"), &word);
        }
        text
    };
    (filled("text"), filled("fix"))
}

/// What was found, as `staff/findings.html` shows it.
#[derive(Serialize)]
pub struct Findings {
    /// Neither errors nor warnings.
    is_clear: bool,
    has_errors: bool,
    errors: Vec<FindingView>,
    warnings: Vec<FindingView>,
    notes: Vec<FindingView>,
}

#[derive(Serialize)]
struct FindingView {
    code: &'static str,
    text: String,
    fix: String,
    line: Option<usize>,
    place: Place,
    /// Where it is mended: a field of the update's page by its id, or another page.
    href: Option<String>,
}

/// Findings in words, by how bad they are.
#[must_use]
pub fn view(page: &StaffPage, update: UpdateId, findings: &[Finding]) -> Findings {
    let shown = |level: Level| -> Vec<FindingView> {
        let of_level = findings.iter().filter(|finding| finding.level == level);
        let shown = of_level.map(|finding| {
            let (text, fix) = words(&page.state.renderer, page.locale, finding);
            FindingView {
                code: finding.code.as_str(),
                text,
                fix,
                line: finding.line,
                place: finding.place,
                href: href(finding, update),
            }
        });
        shown.collect()
    };
    let (errors, warnings, notes) = (shown(Level::Error), shown(Level::Warning), shown(Level::Note));
    Findings {
        is_clear: errors.is_empty() && warnings.is_empty(),
        has_errors: !errors.is_empty(),
        errors,
        warnings,
        notes,
    }
}

impl Findings {
    /// For samples of the pages around it: of each kind, with and without line and place; and nothing at all.
    #[must_use]
    pub fn samples() -> [Self; 2] {
        let finding = |line, href: Option<&str>| FindingView {
            code: "link_http",
            text: "Ein Link ist unverschlüsselt.".into(),
            fix: "Schreiben Sie https.".into(),
            line,
            place: Place::Body,
            href: href.map(str::to_owned),
        };
        let found = || vec![finding(Some(3), Some("/staff/updates/1#body")), finding(None, None)];
        let (errors, warnings, notes) = (found(), found(), found());
        let none = || Self {
            is_clear: true,
            has_errors: false,
            errors: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
        };
        [Self { is_clear: false, has_errors: true, errors, warnings, notes }, none()]
    }
}

/// The page and the field where something is mended, with the words to select there (staff-find.js).
fn href(finding: &Finding, update: UpdateId) -> Option<String> {
    let field = match finding.place {
        Place::Title => "title",
        Place::Teaser => "teaser",
        Place::Body => "body",
        Place::Link => "link",
        Place::Image => "image_alt",
        Place::Checklist => "checklist",
        Place::Publication => return Some("/staff/publication".into()),
        Place::Signature => return Some("/staff/signature".into()),
        Place::Templates | Place::Dns | Place::Recipients => return None,
    };
    let mut asked = url::form_urlencoded::Serializer::new(String::new());
    if finding.place != Place::Checklist {
        asked.extend_pairs(finding.line.map(|line| ("line", line.to_string())));
        asked.extend_pairs(finding.words().map(|words| ("words", words)));
    }
    let asked = asked.finish();
    let sign = if asked.is_empty() { "" } else { "?" };
    Some(format!("/staff/updates/{update}{sign}{asked}#{field}"))
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
    let update = Checked { id: update.id, title: update.title };
    page.show(&PreflightPage { update, preflight })
}

/// What the preflight says of an update.
#[derive(Serialize)]
pub struct PreflightPage {
    update: Checked,
    /// Nothing before there is a publication.
    preflight: Option<Findings>,
}

#[derive(Serialize)]
struct Checked {
    id: UpdateId,
    title: String,
}

impl PageContext for PreflightPage {
    const TEMPLATE: &'static str = "staff/preflight.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |preflight| {
            let update = Checked { id: UpdateId(Uuid::nil()), title: "Neues vom Projekt".into() };
            Self { update, preflight }
        };
        Findings::samples().map(Some).into_iter().chain([None]).map(of).collect()
    }
}
