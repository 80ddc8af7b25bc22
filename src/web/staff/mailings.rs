//! Mailings: the list, and the page of each, which shows how it goes and afterwards what became of it.

pub mod actions;
pub mod live;
mod mail_view;
pub mod planned;
pub mod progress;
pub mod refusals;
pub mod report;
pub mod send_page;

use axum::{
    Extension,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::draft::compose,
    domain::{
        ids::MailingId,
        mailing::{self, MailingState, Overview, PauseKind, Progress},
        queue::refusals::run_of,
        update,
    },
    web::{
        AppState,
        http::{problem::Problem, server::Stopping},
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member,
            mailings::{progress::Standing, send_page::triggered},
            staff_page::{Id, Mistakes, StaffPage, id_in},
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
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut db = state.app.pool.acquire().await?;
    let mut found = mailing::page(&mut db, before, limit).await?;
    let has_older = found.len() > PAGE;
    found.truncate(PAGE);
    let older = found.last().filter(|_| has_older);
    let older = older.map(|last| format!("/staff/mailings?before={}", last.id));
    // Who one gets that has not begun is not decided.
    let any_waits = found.iter().any(Overview::is_waiting_to_begin);
    let now = if any_waits { mailing::audience(&mut db, Utc::now()).await? } else { 0 };
    drop(db);
    let mailings = found.iter().map(|mailing| Row::of(&page, mailing, now)).collect();
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
    Standing::from(mailing).key()
}

/// How many people it is for; `now` are subscribed.
fn people(page: &StaffPage, mailing: &Overview, now: i64) -> String {
    if mailing.is_waiting_to_begin() {
        return planned::people_now(page, now);
    }
    page.plural("mailings", "people", mailing.audience)
}

/// `GET /staff/mailings/{id}`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let found = mailing::overview(&mut *state.app.pool.acquire().await?, id).await?;
    let mailing = found.ok_or(StaffProblem::NOT_FOUND)?;
    let own = view(&page, &mailing, None, &Mistakes::default()).await?;
    page.show_value("staff/mailing.html", &own)
}

/// What the page shows; with the date and time that were typed for another time, if they come back.
pub async fn view(
    page: &StaffPage,
    mailing: &Overview,
    typed: Option<(&str, &str)>,
    errors: &Mistakes,
) -> Result<Value, StaffProblem> {
    let (state, now) = (&page.state, Utc::now());
    let has_begun = mailing.complete_at.is_some();
    let failures = if has_begun && !mailing.is_forgotten {
        report::failures(page, mailing.id).await?
    } else {
        Vec::new()
    };
    let mut db = state.app.pool.acquire().await?;
    let progress = mailing::progress(&mut db, &[mailing.id]).await?.pop().ok_or(StaffProblem::NOT_FOUND)?;
    let is_over = progress::is_over(&progress);
    let has_refusals =
        mailing.pause_kind == Some(PauseKind::Policy) && run_of(&mut db, mailing.id).await?.is_some();
    let left =
        if is_over && has_begun { Some(mailing::left_because(&mut db, mailing.id).await?) } else { None };
    let waiting =
        if mailing.is_waiting_to_begin() { Some(Waiting::of(page, &mut db, mailing).await?) } else { None };
    drop(db);
    let people = people(page, mailing, waiting.as_ref().map_or(0, |waiting| waiting.people));
    let planned = mailing.scheduled_at.filter(|_| !mailing.has_grace);
    let local = mailing.scheduled_at.map(|at| at.with_timezone(&page.time_zone().0));
    let typed = typed.map(|(date, time)| (date.chars().take(40).collect(), time.chars().take(40).collect()));
    let typed: Option<(String, String)> =
        typed.or_else(|| local.map(|at| (at.format("%Y-%m-%d").to_string(), at.format("%H:%M").to_string())));
    Ok(json!({
        "mailing": {
            "id": mailing.id, "subject": mailing.subject, "state": state_key(mailing),
            "state_text": planned::state(page, mailing),
            "triggered": triggered(page, mailing), "update_id": mailing.update_id,
            "people": people,
            "planned": planned.map(|at| page.long_time(at)),
            "begun_at": mailing.begun_at.map(|at| page.short_time(at)),
            "grace": seconds_left(mailing, now),
            "pause_kind": mailing.pause_kind,
            "paused_at": mailing.paused_at.map(|at| page.short_time(at)),
            "pause_reason": mailing.pause_reason,
            "finished_at": mailing.finished_at.map(|at| page.short_time(at)),
            "is_forgotten": mailing.is_forgotten, "has_begun": has_begun,
        },
        "waiting": waiting.map(|waiting| waiting.view(page, mailing)),
        "progress": progress::view(&state.renderer, page.locale, page.time_zone(), &progress, None),
        "is_live": !is_over, "failures": failures, "has_refusals": has_refusals,
        "report": if is_over { Some(summary(page, mailing, &progress, left)) } else { None },
        "typed": typed.map(|(date, time)| json!({ "date": date, "time": time })),
        "zone": page.time_zone().0.name(), "errors": errors,
    }))
}

/// What the page shows of one that has not begun.
struct Waiting {
    /// So many are subscribed now.
    people: i64,
    /// The saved text of the update would make another mail.
    has_other_text: bool,
}

impl Waiting {
    async fn of(page: &StaffPage, db: &mut PgConnection, mailing: &Overview) -> Result<Self, StaffProblem> {
        let people = mailing::audience(db, Utc::now()).await?;
        let frozen = mailing::content(db, mailing.id).await?;
        let update = update::find(db, &mailing.update_id.to_string()).await?;
        let content = match update.zip(page.publication.as_ref()) {
            // Of a mail that cannot be made nothing is said here.
            Some((update, publication)) => {
                compose(&page.state.app.composer, db, publication, &update).await.ok()
            }
            None => None,
        };
        Ok(Self { people, has_other_text: content.is_some_and(|content| content != frozen) })
    }

    fn view(&self, page: &StaffPage, mailing: &Overview) -> Value {
        let text = |key: &str| page.text("mailing", key);
        let button = planned::people_now(page, self.people);
        json!({
            "plan": planned::Plan::of(page, mailing, self.people),
            "has_other_text": self.has_other_text,
            "overdue": text("overdue_text")
                .replace("{at}", &mailing.scheduled_at.map(|at| page.planned_time(at)).unwrap_or_default()),
            "button": text("overdue_button").replace("{people}", &button),
            "sender": page.publication.as_ref().map(|publication| &publication.content.sender.name),
        })
    }
}

/// Seconds in which it can still be taken back, of a mailing that was sent now.
fn seconds_left(mailing: &Overview, now: DateTime<Utc>) -> Option<i64> {
    let ends =
        mailing.scheduled_at.filter(|_| mailing.has_grace && mailing.state == MailingState::Scheduled)?;
    Some((ends - now).num_milliseconds().max(0).div_euclid(1000) + 1).map(|seconds| seconds.clamp(0, 30))
}

/// What the report says besides the numbers.
fn summary(page: &StaffPage, mailing: &Overview, progress: &Progress, left: Option<i64>) -> Value {
    let text = |key: &str| page.text("mailing", key);
    let took = mailing
        .complete_at
        .zip(mailing.finished_at)
        .map(|(began, ended)| (ended - began).max(TimeDelta::zero()));
    // After a retry the end is that of the retry, which may be days later.
    let took = took.filter(|_| mailing.retried_at.is_none() && mailing.state == MailingState::Done);
    let rate = took.filter(|took| took.num_seconds() > 0).map(|took| {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a rate for people")]
        let rate = (progress.counts.accepted as f64 / took.as_seconds_f64()).round() as i64;
        text("average").replace("{count}", &page.number(rate.max(1)))
    });
    let left = left.map(|left| match left {
        0 => text("left_none").to_owned(),
        _ => page.plural("mailing", "left_people", left),
    });
    json!({
        // Nobody was there when it began, or it was stopped before anybody's turn came.
        "nobody": (progress.audience == 0).then(|| {
            text(if mailing.state == MailingState::Done { "nobody" } else { "nobody_yet" })
        }),
        "accepted": text("accepted_of").replace("{count}", &page.number(progress.counts.accepted))
            .replace("{audience}", &page.number(progress.audience)),
        "took": took.map(|took| duration(page, took)), "rate": rate, "left": left,
    })
}

/// How long something took: `2 Std. 5 Min.`, `3 Min. 20 Sek.`
fn duration(page: &StaffPage, took: TimeDelta) -> String {
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
    page: StaffPage,
    Member(session): Member,
    id: Id<MailingId>,
    stopping: Extension<Stopping>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mut db = state.app.pool.acquire().await?;
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
