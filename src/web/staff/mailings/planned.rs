//! A mailing that has not begun, on the pages around it: when it begins, how many would get it now, with which words. And
//! taking a newer text of its update over into it, which is checked and shown before.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    app::{
        preflight::warnings,
        replace_text::{self, Objection, Order, ReplaceError, Situation, replace_text},
    },
    domain::{
        ids::MailingId,
        mailing::{self, MailingError, Overview, PauseKind},
    },
    web::{
        AppState,
        staff::{
            logged_in::Member,
            mailings::{mail_view, progress::Standing},
            staff_page::{Id, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::preflight,
        },
    },
};

/// A mailing that has not begun, as `plan` in `staff/parts.html` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    id: MailingId,
    subject: String,
    state: String,
    is_overdue: bool,
    /// It goes at once, and can still be taken back.
    is_starting: bool,
    /// How many would get it now.
    people: String,
    frozen: String,
}

impl Plan {
    /// `people` are subscribed now.
    pub fn of(page: &StaffPage, mailing: &Overview, people: i64) -> Self {
        Self {
            id: mailing.id,
            subject: mailing.subject.clone(),
            state: state(page, mailing),
            is_overdue: mailing.pause_kind == Some(PauseKind::Overdue),
            is_starting: Standing::from(mailing).key() == "starting",
            people: page.text("mailing", "planned_text").replace("{people}", &people_now(page, people)),
            frozen: frozen(page, mailing),
        }
    }

    /// For samples of the pages that show it: one that waits for its time, one that is overdue, one that goes at once.
    pub fn samples() -> Vec<Self> {
        let of = |is_overdue, is_starting| Self {
            id: MailingId(Uuid::nil()),
            subject: "Neues vom Projekt".into(),
            state: "Geplant Mo, 30.11., 8:00".into(),
            is_overdue,
            is_starting,
            people: "Geht an alle, die dann angemeldet sind: im Moment 1.234 Personen.".into(),
            frozen: "Stand vom 25.11.2026, 14:05.".into(),
        };
        vec![of(false, false), of(true, false), of(false, true)]
    }
}

/// The plans among these mailings: those that wait for a time that somebody has chosen, or for a decision.
pub async fn among(page: &StaffPage, mailings: &[Overview]) -> sqlx::Result<Vec<Plan>> {
    let plans: Vec<&Overview> = mailings
        .iter()
        .filter(|mailing| matches!(Standing::from(*mailing).key(), "scheduled" | "overdue"))
        .collect();
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let people = mailing::audience(&mut *page.state.app.pool.acquire().await?, Utc::now()).await?;
    Ok(plans.into_iter().map(|plan| Plan::of(page, plan, people)).collect())
}

/// Where a mailing stands, in words: `Geplant Mo, 30.11., 8:00`.
pub fn state(page: &StaffPage, mailing: &Overview) -> String {
    Standing::from(mailing).words(&page.state.renderer, page.locale, page.time_zone())
}

/// So many people as of now; who it will be is decided when it begins.
pub fn people_now(page: &StaffPage, count: i64) -> String {
    page.plural("mailings", "people_now", count)
}

/// From when the words are.
pub fn frozen(page: &StaffPage, mailing: &Overview) -> String {
    page.text("mailing", "frozen").replace("{at}", &page.short_time(mailing.frozen_at))
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TextForm {
    /// The versions of update and publication that the page has shown.
    version: String,
    /// When the words were frozen that the mailing had then, in microseconds.
    frozen: String,
    /// Ticked: the warnings are meant so; see [`warnings::marks`].
    warnings: String,
}

fn show_situation(page: &StaffPage, found: &Situation, sent: &TextForm, errors: &Mistakes) -> Value {
    let Situation { mailing, draft, .. } = found;
    let sender = draft.publication.as_ref().map(|publication| &publication.content.sender.name);
    let are_ticked = !sent.warnings.is_empty() && warnings::are_ticked(&draft.findings, &sent.warnings);
    let obstacle = found.obstacle.as_ref();
    json!({
        "mailing": {
            "id": mailing.id, "state": state(page, mailing), "frozen_text": frozen(page, mailing),
            "frozen": mailing.frozen_at.timestamp_micros().to_string(),
        },
        "update": { "id": draft.update.id, "title": draft.update.title, "version": draft.update.version },
        "saved": page.text("planned", "saved").replace("{at}", &page.short_time(draft.update.changed_at)),
        "versions": draft.versions().to_string(),
        "mail": draft.content.as_ref().map(|content| mail_view::mail(content, &draft.update)),
        "sender": sender.map(|name| json!({ "name": name })),
        "preflight": preflight::view(page, draft.update.id, &draft.findings),
        "obstacle": obstacle.map(|obstacle| mail_view::text_obstacle_view(page, obstacle, &draft.update)),
        "is_same": found.is_same, "warnings": warnings::marks(&draft.findings), "is_ticked": are_ticked,
        "errors": errors,
    })
}

fn path(id: MailingId) -> String {
    format!("/staff/mailings/{id}")
}

/// The answer when it came too late, or to another mistake than those of the form.
fn too_late(id: MailingId, error: ReplaceError) -> Result<Response, StaffProblem> {
    match error {
        ReplaceError::Mailing(MailingError::Unknown) => Err(StaffProblem::NOT_FOUND),
        ReplaceError::Mailing(MailingError::Database(error)) | ReplaceError::Database(error) => {
            Err(error.into())
        }
        ReplaceError::Preflight(error) => Err(error.into()),
        ReplaceError::Mailing(_) | ReplaceError::Refused(_) => Ok(done(&path(id), "too_late_for_text")),
    }
}

/// `GET /staff/mailings/{id}/text`: the saved text of the update as a mail, what the check says, and the button that takes
/// it over.
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    match replace_text::situation(&state.app, id).await {
        Ok(found) => {
            let own = show_situation(&page, &found, &TextForm::default(), &Mistakes::default());
            page.show_value("staff/planned_text.html", &own)
        }
        Err(error) => too_late(id, error),
    }
}

/// `POST /staff/mailings/{id}/text`: puts the saved text in the place of the one that was planned.
pub async fn take(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id<MailingId>,
    Form(sent): Form<TextForm>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let order = Order {
        mailing: id,
        frozen_at: sent.frozen.parse().ok().and_then(DateTime::from_timestamp_micros),
        versions: sent.version.parse().ok(),
        warnings: sent.warnings.clone(),
    };
    let (found, objections) = match replace_text(&state.app, &member.actor(), &order, Utc::now()).await {
        Ok(()) => return Ok(done(&path(id), "text_taken")),
        Err(ReplaceError::Refused(refused)) => *refused,
        Err(error) => return too_late(id, error),
    };
    // What was changed meanwhile is to be looked at as it is now.
    let found = if objections.contains(&Objection::Changed) {
        match replace_text::situation(&state.app, id).await {
            Ok(found) => found,
            Err(error) => return too_late(id, error),
        }
    } else {
        found
    };
    let mut mistakes = Mistakes::default();
    for objection in objections {
        let (field, key) = match objection {
            Objection::Warnings { some: true } => ("warnings", "warnings_changed"),
            Objection::Warnings { some: false } => ("warnings", "warnings"),
            Objection::Changed => ("form", "text_version"),
            Objection::TextChanged => ("form", "text_changed"),
            Objection::FormOld => ("form", "form_old"),
        };
        mistakes.add(field, page.text("error", key));
    }
    let own = show_situation(&page, &found, &sent, &mistakes);
    page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/planned_text.html", &own)
}
