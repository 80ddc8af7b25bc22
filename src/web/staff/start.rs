//! The start page: where things stand, what needs attention, and the way to write.

use std::time::{Duration, Instant};

use axum::{
    extract::State,
    response::{Redirect, Response},
};
use chrono::{Datelike, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::sync::Mutex;

use crate::{
    domain::{
        health::Durability,
        mailing::{self, MailingState, Overview, PauseKind},
        queue::batch,
        signup::{self, held, undelivered},
        staff::Role,
        subscriber::{self, MonthEnd},
    },
    web::{
        AppState,
        staff::{logged_in::Member, mailings::planned, staff_page::StaffPage, staff_problem::StaffProblem},
    },
};

/// `GET /staff`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
) -> Result<Response, StaffProblem> {
    let mut db = state.app.pool.acquire().await?;
    let now = Utc::now();
    let subscribers = subscriber::count_active(&mut db).await?;
    let waiting = signup::count_waiting(&mut db, now).await?;
    let open = mailing::open(&mut db).await?;
    // What needs a decision stands above; what waits for its time, the next one first.
    let mut plans: Vec<&Overview> =
        open.iter().filter(|mailing| mailing.state == MailingState::Scheduled).collect();
    plans.sort_by_key(|mailing| mailing.scheduled_at);
    let plans: Vec<planned::Plan> =
        plans.into_iter().map(|mailing| planned::Plan::of(&page, mailing, subscribers)).collect();
    let last = match mailing::last_begun(&mut db).await? {
        Some(mailing) => {
            let counts = mailing::counts(&mut db, mailing.id).await?;
            Some(json!({
                "id": mailing.id,
                "subject": mailing.subject,
                "state": planned::state(&page, &mailing),
                "at": mailing.begun_at.map(|at| page.short_time(at)),
                "is_for_nobody": mailing.audience == 0 && mailing.state == MailingState::Done,
                "counts": {
                    "accepted": page.number(counts.accepted), "rejected": page.number(counts.rejected),
                    "open": page.number(counts.pending + counts.claimed + counts.transmitting),
                    "unknown": page.number(counts.unknown), "skipped": page.number(counts.skipped),
                },
            }))
        }
        None => None,
    };
    let is_admin = member.0.role == Role::Admin;
    let attention = attention(&mut db, &page, &open, is_admin).await?;
    let growth = state.growth.of(&mut db).await?;
    drop(db);
    page.show_value(
        "staff/start.html",
        &json!({
            "subscribers": page.number(subscribers), "waiting": page.number(waiting), "plans": plans,
            "last": last,
            "attention": attention,
            "chart": chart(&page, &growth),
        }),
    )
}

/// `GET /staff/`
pub async fn without_slash() -> Redirect {
    Redirect::permanent("/staff")
}

/// A confirmation that waits for so long beyond its time is late: it takes a second where all is well.
const LATE: TimeDelta = TimeDelta::minutes(5);

/// What somebody should look at, each with the way there.
async fn attention(
    db: &mut PgConnection,
    page: &StaffPage,
    mailings: &[Overview],
    is_admin: bool,
) -> sqlx::Result<Vec<Value>> {
    let mut found = Vec::new();
    for mailing in mailings.iter().filter(|mailing| mailing.state == MailingState::Paused) {
        let why = match mailing.pause_kind {
            Some(PauseKind::Unreachable) => "relay_away",
            Some(PauseKind::Login) => "relay_login",
            Some(PauseKind::Sender) => "relay_sender",
            Some(PauseKind::Policy) => "relay_policy",
            Some(PauseKind::Overdue) => "overdue",
            Some(PauseKind::Staff) | None => "paused",
        };
        let at = mailing.scheduled_at.map(|at| page.planned_time(at)).unwrap_or_default();
        let text = page.text("attention", why).replace("{at}", &at).replace("{subject}", &mailing.subject);
        // In the relay's words, which say nothing where staff have paused it.
        let is_relays = !matches!(mailing.pause_kind, Some(PauseKind::Staff | PauseKind::Overdue));
        let more = mailing.pause_reason.as_ref().filter(|_| is_relays);
        found.push(json!({ "text": text, "more": more, "url": format!("/staff/mailings/{}", mailing.id) }));
    }
    let late = batch::late_urgent(db, Utc::now() - LATE).await?;
    if late > 0 {
        let text = page.plural("attention", "late", late);
        found.push(json!({ "text": text, "more": null, "url": null }));
    }
    let held = held::held(db).await?.held;
    if held > 0 {
        let text = page.plural("attention", "held", held);
        found.push(json!({ "text": text, "more": null, "url": "/staff/signups" }));
    }
    let undelivered = undelivered::count(db, Utc::now()).await?;
    if undelivered > 0 {
        let text = page.plural("attention", "undelivered", undelivered);
        found.push(json!({ "text": text, "more": null, "url": "/staff/signups" }));
    }
    // Only who runs the server can mend it; editors would learn to overlook what stands here.
    if is_admin && !Durability::of(&mut *db).await?.is_safe() {
        found.push(json!({ "text": page.text("attention", "unsafe_server"), "more": null, "url": null }));
    }
    let missing = page.publication.as_ref().map(|publication| publication.content.missing());
    if missing.is_none_or(|missing| !missing.is_empty()) {
        let url = is_admin.then_some("/staff/publication");
        found.push(json!({ "text": page.text("attention", "publication"), "more": null, "url": url }));
    }
    Ok(found)
}

/// How the number of subscribers has grown. Counting them all takes a moment, so it is done every few minutes at most.
#[derive(Default)]
pub struct Growth(Mutex<Option<(Instant, Vec<MonthEnd>)>>);

const KNOWN_FOR: Duration = Duration::from_mins(5);
const MONTHS: u32 = 12;

impl Growth {
    async fn of(&self, db: &mut PgConnection) -> sqlx::Result<Vec<MonthEnd>> {
        let mut known = self.0.lock().await;
        if let Some((at, growth)) = &*known
            && at.elapsed() < KNOWN_FOR
        {
            return Ok(growth.clone());
        }
        let growth = subscriber::growth(db, MONTHS, Utc::now()).await?;
        *known = Some((Instant::now(), growth.clone()));
        Ok(growth)
    }
}

/// Height in units of the drawing.
const HIGH: i64 = 100;
/// Width of a month in the drawing.
const WIDE: i64 = 50;

/// The bars of the chart.
fn chart(page: &StaffPage, growth: &[MonthEnd]) -> Value {
    let most = growth.iter().map(|month| month.active).max().unwrap_or(0).max(1);
    let bars: Vec<Value> = growth
        .iter()
        .zip(0_i64..)
        .map(|(month, number)| {
            // The smallest number that is there is seen.
            let high = (month.active * HIGH / most).max(i64::from(month.active > 0) * 2);
            let name = page.text("month", &month.month.month().to_string()).to_owned();
            json!({
                "x": number * WIDE + 8, "y": HIGH - high, "height": high, "middle": number * WIDE + WIDE / 2,
                "month": name, "year": month.month.year(), "active": month.active,
            })
        })
        .collect();
    json!({ "bars": bars, "width": i64::from(MONTHS) * WIDE })
}
