//! A mailing that has not begun, on the pages around it: when it begins, how many would get it now, with which words.

use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    app::follow_mailings,
    db::statement::StatementResult,
    domain::{
        ids::MailingId,
        mailing::{Overview, PauseKind},
    },
    web::staff::{mailings::progress::MailingStanding, staff_page::StaffPage},
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
            is_starting: MailingStanding::from(mailing).key() == "starting",
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
pub async fn among(page: &StaffPage, mailings: &[Overview]) -> StatementResult<Vec<Plan>> {
    let plans: Vec<&Overview> = mailings
        .iter()
        .filter(|mailing| matches!(MailingStanding::from(*mailing).key(), "scheduled" | "overdue"))
        .collect();
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let people = follow_mailings::people_now(&page.state.app.pool, Utc::now()).await?;
    Ok(plans.into_iter().map(|plan| Plan::of(page, plan, people)).collect())
}

/// Where a mailing stands, in words: `Geplant Mo, 30.11., 8:00`.
pub fn state(page: &StaffPage, mailing: &Overview) -> String {
    MailingStanding::from(mailing).words(&page.state.renderer, page.locale, page.time_zone())
}

/// So many people as of now; who it will be is decided when it begins.
pub fn people_now(page: &StaffPage, count: i64) -> String {
    page.plural("mailings", "people_now", count)
}

/// From when the words are.
pub fn frozen(page: &StaffPage, mailing: &Overview) -> String {
    page.text("mailing", "frozen").replace("{at}", &page.short_time(mailing.frozen_at))
}
