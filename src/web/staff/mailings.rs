//! Mailings: the list, and the page of each, which shows how it goes and afterwards what became of it.

use axum::{
    Extension,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{
    domain::{
        ids::MailingId,
        mailing::{self, MailingState, Overview, Progress},
    },
    web::{AppState, problem::Problem, server::Stopping},
};

use super::{
    access::Member,
    live,
    page::{Id, Mistakes, Page, id_in},
    problems::StaffProblem,
    progress, report,
    sending::triggered,
};

/// Mailings on a page of the list.
const PAGE: usize = 25;

/// `GET /staff/mailings`
pub async fn list(State(state): State<AppState>, page: Page, _: Member) -> Result<Response, StaffProblem> {
    let before = page.query("before").and_then(|id| id.parse::<MailingId>().ok());
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut found = mailing::page(&mut *state.pool.acquire().await?, before, limit).await?;
    let has_older = found.len() > PAGE;
    found.truncate(PAGE);
    let older = found.last().filter(|_| has_older);
    let older = older.map(|last| format!("/staff/mailings?before={}", last.id));
    let mailings: Vec<Value> = found.iter().map(|mailing| row(&page, mailing)).collect();
    page.show(
        "staff/mailings.html",
        &json!({ "mailings": mailings, "older": older, "is_first": before.is_none() }),
    )
}

fn row(page: &Page, mailing: &Overview) -> Value {
    let begins = mailing.scheduled_at.filter(|_| mailing.state == MailingState::Scheduled);
    json!({
        "id": mailing.id, "subject": mailing.subject, "state": state_key(mailing),
        "triggered": triggered(page, mailing),
        "begins": begins.map(|at| page.text("mailing", "begins_at").replace("{at}", &page.short_time(at))),
        "people": people(page, mailing.audience),
    })
}

/// The key of the word for where it stands.
pub fn state_key(mailing: &Overview) -> &'static str {
    progress::state_key(mailing.state, mailing.has_grace, mailing.taken_back_at.is_some())
}

/// So many people.
fn people(page: &Page, count: i64) -> String {
    let key = if count == 1 { "people_one" } else { "people_many" };
    page.text("mailings", key).replace("{count}", &page.number(count))
}

/// `GET /staff/mailings/{id}`
pub async fn show(
    State(state): State<AppState>,
    page: Page,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let found = mailing::overview(&mut *state.pool.acquire().await?, id).await?;
    let mailing = found.ok_or(StaffProblem::NOT_FOUND)?;
    let own = view(&page, &mailing, None, &Mistakes::default()).await?;
    page.show("staff/mailing.html", &own)
}

/// What the page shows; with the date and time that were typed for another time, if they come back.
pub async fn view(
    page: &Page,
    mailing: &Overview,
    typed: Option<(&str, &str)>,
    errors: &Mistakes,
) -> Result<Value, StaffProblem> {
    let (state, now) = (&page.state, Utc::now());
    let mut db = state.pool.acquire().await?;
    let progress = mailing::progress(&mut db, &[mailing.id]).await?.pop().ok_or(StaffProblem::NOT_FOUND)?;
    let has_begun = mailing.began_at.is_some();
    let failures = if has_begun && !mailing.is_forgotten {
        report::failures(page, &mut db, mailing).await?
    } else {
        Vec::new()
    };
    let is_over = progress::is_over(&progress);
    let left =
        if is_over && has_begun { Some(mailing::left_because(&mut db, mailing.id).await?) } else { None };
    drop(db);
    let planned = mailing.scheduled_at.filter(|_| !mailing.has_grace);
    let local = mailing.scheduled_at.map(|at| at.with_timezone(&page.time_zone().0));
    let typed = typed.map(|(date, time)| (date.chars().take(40).collect(), time.chars().take(40).collect()));
    let typed: Option<(String, String)> =
        typed.or_else(|| local.map(|at| (at.format("%Y-%m-%d").to_string(), at.format("%H:%M").to_string())));
    Ok(json!({
        "mailing": {
            "id": mailing.id, "subject": mailing.subject, "state": state_key(mailing),
            "triggered": triggered(page, mailing), "update_id": mailing.update_id,
            "people": people(page, mailing.audience),
            "planned": planned.map(|at| page.long_time(at)),
            "grace": seconds_left(mailing, now),
            "pause_kind": mailing.pause_kind,
            "paused_at": mailing.paused_at.map(|at| page.short_time(at)),
            "pause_reason": mailing.pause_reason,
            "finished_at": mailing.finished_at.map(|at| page.short_time(at)),
            "is_forgotten": mailing.is_forgotten, "has_begun": has_begun,
        },
        "progress": progress::view(&state.pages, page.locale, &progress, None),
        "is_live": !is_over, "failures": failures,
        "report": if is_over { Some(summary(page, mailing, &progress, left)) } else { None },
        "typed": typed.map(|(date, time)| json!({ "date": date, "time": time })),
        "zone": page.time_zone().0.name(), "errors": errors,
    }))
}

/// Seconds in which it can still be taken back, of a mailing that was sent now.
fn seconds_left(mailing: &Overview, now: DateTime<Utc>) -> Option<i64> {
    let ends =
        mailing.scheduled_at.filter(|_| mailing.has_grace && mailing.state == MailingState::Scheduled)?;
    Some((ends - now).num_milliseconds().max(0).div_euclid(1000) + 1).map(|seconds| seconds.clamp(0, 30))
}

/// What the report says besides the numbers.
fn summary(page: &Page, mailing: &Overview, progress: &Progress, left: Option<i64>) -> Value {
    let text = |key: &str| page.text("mailing", key);
    let took = mailing
        .began_at
        .zip(mailing.finished_at)
        .map(|(began, ended)| (ended - began).max(TimeDelta::zero()));
    // After a retry the end is that of the retry, which may be days later.
    let took = took.filter(|_| mailing.retried_at.is_none() && mailing.state == MailingState::Done);
    let rate = took.filter(|took| took.num_seconds() > 0).map(|took| {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a rate for people")]
        let rate = (progress.counts.accepted as f64 / took.as_seconds_f64()).round() as i64;
        text("average").replace("{count}", &page.number(rate.max(1)))
    });
    let left = left.map(|left| {
        let key = match left {
            0 => "left_none",
            1 => "left_one",
            _ => "left_many",
        };
        text(key).replace("{count}", &page.number(left))
    });
    json!({
        "accepted": text("accepted_of").replace("{count}", &page.number(progress.counts.accepted))
            .replace("{audience}", &page.number(progress.audience)),
        "took": took.map(|took| duration(page, took)), "rate": rate, "left": left,
    })
}

/// How long something took: `2 Std. 5 Min.`, `3 Min. 20 Sek.`
fn duration(page: &Page, took: TimeDelta) -> String {
    let unit = |key: &str, count: i64| {
        let text = page.text("mailing", key).replace("{count}", &page.number(count));
        (count > 0).then_some(text)
    };
    let seconds = took.num_seconds().max(1);
    let parts = if seconds >= 3600 {
        [unit("hours", seconds / 3600), unit("minutes", seconds % 3600 / 60)]
    } else {
        [unit("minutes", seconds / 60), unit("seconds", seconds % 60)]
    };
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `GET /staff/mailings/{id}/events`: server-sent events of how it goes, until it or the session is over.
pub async fn events(
    State(state): State<AppState>,
    page: Page,
    Member(session): Member,
    id: Id<MailingId>,
    stopping: Extension<Stopping>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mut db = state.pool.acquire().await?;
    mailing::by_id(&mut db, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    drop(db);
    let body = live::open(&state, stopping.0, id, session.id, page.locale);
    let body = body.ok_or(StaffProblem::Common(Problem::Busy))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // nginx would keep events until it has enough of them.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}
