//! Mailings: their list; and of each a page, which shows how it goes and afterwards what became of it.

pub mod actions;
mod came_back;
pub mod detail;
pub mod live;
pub mod planned;
pub mod progress;
pub mod refusals;
pub mod report;
pub mod retry;

use axum::{extract::State, response::Response};
use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    app::follow_mailings,
    domain::{
        ids::MailingId,
        mailing::{GRACE, Overview},
    },
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member, mailings::progress::MailingStanding, staff_page::StaffPage,
            staff_problem::StaffProblem,
        },
    },
};

/// Mailings on a page of the list.
const PAGE: usize = 25;

/// `GET /staff/mailings`
pub async fn list(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
) -> Result<Response, StaffProblem> {
    let before = page.query("before").and_then(|id| id.parse::<MailingId>().ok());
    let part = follow_mailings::list(&state.app.pool, before, PAGE, Utc::now()).await?;
    let older = part.mailings.last().filter(|_| part.has_older);
    let older = older.map(|last| format!("/staff/mailings?before={}", last.id));
    let mailings = part.mailings.iter().map(|mailing| Row::of(&page, mailing, part.people_now)).collect();
    page.show(&MailingsPage { mailings, older, is_first: before.is_none() })
}

/// The list of mailings.
#[derive(Serialize)]
pub struct MailingsPage {
    mailings: Vec<Row>,
    /// The address of the next page.
    older: Option<String>,
    is_first: bool,
}

#[derive(Serialize)]
struct Row {
    id: MailingId,
    subject: String,
    state: &'static str,
    state_text: String,
    triggered: String,
    people: String,
}

impl Row {
    fn of(page: &StaffPage, mailing: &Overview, now: i64) -> Self {
        Self {
            id: mailing.id,
            subject: mailing.subject.clone(),
            state: state_key(mailing),
            state_text: planned::state(page, mailing),
            triggered: triggered(page, mailing),
            people: people(page, mailing, now),
        }
    }
}

impl PageContext for MailingsPage {
    const TEMPLATE: &'static str = "staff/mailings.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let row = |state, state_text: &str| Row {
            id: MailingId(Uuid::nil()),
            subject: "Neues vom Projekt".into(),
            state,
            state_text: state_text.into(),
            triggered: "25.11.2026, 14:05, Ada".into(),
            people: "1.234 Personen".into(),
        };
        let mailings = vec![row("done", "fertig"), row("paused", "angehalten"), row("taken_back", "")];
        let older = Some("/staff/mailings?before=00000000-0000-0000-0000-000000000000".into());
        vec![
            Self { mailings, older, is_first: true },
            Self { mailings: Vec::new(), older: None, is_first: true },
            Self { mailings: Vec::new(), older: None, is_first: false },
        ]
    }
}

/// The key of the word for where it stands.
pub fn state_key(mailing: &Overview) -> &'static str {
    MailingStanding::from(mailing).key()
}

/// How many people it is for; `now` are subscribed.
fn people(page: &StaffPage, mailing: &Overview, now: i64) -> String {
    if mailing.is_waiting_to_begin() {
        return planned::people_now(page, now);
    }
    page.plural("mailings", "people", mailing.audience)
}

/// Who triggered or planned a mailing, and when.
pub fn triggered(page: &StaffPage, mailing: &Overview) -> String {
    let by = mailing.triggered_by.as_deref().unwrap_or_else(|| page.text("audit", "command"));
    let at = page.short_time(mailing.triggered_at);
    // One that was planned and sent at once later was still planned then, and by them.
    let was_planned = mailing.scheduled_at.is_some_and(|at| at - mailing.triggered_at > GRACE);
    let key = if was_planned { "planned_by" } else { "triggered" };
    page.text("mailing", key).replace("{at}", &at).replace("{by}", by)
}
