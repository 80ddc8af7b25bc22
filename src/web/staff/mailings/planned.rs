//! A mailing that has not begun, on the pages around it: when it begins, how many would get it now, with which words.

use chrono::Utc;
use serde_json::{Value, json};

use crate::{
    domain::mailing::{self, Overview, PauseKind},
    web::staff::{mailings::progress::Standing, staff_page::StaffPage},
};

/// A mailing that has not begun, as `plan` in `staff/parts.html` shows it. `people` are subscribed now.
pub fn view(page: &StaffPage, mailing: &Overview, people: i64) -> Value {
    json!({
        "id": mailing.id, "subject": mailing.subject, "state": state(page, mailing),
        "is_overdue": mailing.pause_kind == Some(PauseKind::Overdue), "is_starting": Standing::from(mailing).key() == "starting",
        "people": page.text("mailing", "planned_text").replace("{people}", &people_now(page, people)),
        "frozen": frozen(page, mailing),
    })
}

/// The plans among these mailings: those that wait for a time that somebody has chosen, or for a decision.
pub async fn among(page: &StaffPage, mailings: &[Overview]) -> sqlx::Result<Vec<Value>> {
    let plans: Vec<&Overview> = mailings
        .iter()
        .filter(|mailing| matches!(Standing::from(*mailing).key(), "scheduled" | "overdue"))
        .collect();
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let people = mailing::audience(&mut *page.state.pool.acquire().await?, Utc::now()).await?;
    Ok(plans.into_iter().map(|plan| view(page, plan, people)).collect())
}

/// Where a mailing stands, in words: `Geplant Mo, 30.11., 8:00`.
pub fn state(page: &StaffPage, mailing: &Overview) -> String {
    Standing::from(mailing).words(&page.state.renderer, page.locale, page.time_zone())
}

/// So many people as of now; who it will be is decided when it begins.
pub fn people_now(page: &StaffPage, count: i64) -> String {
    let key = if count == 1 { "people_now_one" } else { "people_now_many" };
    page.text("mailings", key).replace("{count}", &page.number(count))
}

/// From when the words are.
pub fn frozen(page: &StaffPage, mailing: &Overview) -> String {
    page.text("mailing", "frozen").replace("{at}", &page.short_time(mailing.frozen_at))
}
