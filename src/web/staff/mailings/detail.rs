//! The page of a mailing: until it begins what it will be, while it is under way how it goes, and then what became of it.

mod samples;

use axum::{extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::{
    app::follow_mailings::{self, Followed},
    domain::{
        ids::{MailingId, UpdateId},
        mailing::{MailingState, Overview, PauseKind, Progress},
    },
    web::{
        AppState,
        staff::{
            logged_in::Member,
            mailings::{
                came_back::CameBackView,
                people,
                planned::{self, Plan},
                progress::ProgressView,
                report::{self, FailureView},
                state_key, triggered,
            },
            staff_page::{Id, Mistakes, StaffPage, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/mailings/{id}`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let followed = follow(&state, id_in(id)?).await?;
    page.show(&MailingPage::of(&page, followed, None, Mistakes::default()))
}

/// The answer to a form for another time that was filled in wrong.
pub async fn answer_time(
    page: &StaffPage,
    id: MailingId,
    typed: When,
    errors: Mistakes,
) -> Result<Response, StaffProblem> {
    let followed = follow(&page.state, id).await?;
    let own = MailingPage::of(page, followed, Some(typed), errors);
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
}

async fn follow(state: &AppState, id: MailingId) -> Result<Followed, StaffProblem> {
    let followed = follow_mailings::follow(&state.app, id, report::SHOWN, Utc::now()).await?;
    followed.ok_or(StaffProblem::NOT_FOUND)
}

/// The page of a mailing.
#[derive(Serialize)]
pub struct MailingPage {
    mailing: MailingView,
    /// Of one that has not begun.
    waiting: Option<WaitingView>,
    progress: ProgressView,
    /// Something still changes by itself.
    is_live: bool,
    failures: Vec<FailureView>,
    /// What came back later; nothing where nothing did.
    came_back: Option<CameBackView>,
    has_refusals: bool,
    /// Of one that is over.
    report: Option<Summary>,
    /// What stands in the form for another time.
    typed: When,
    /// The time zone of that form.
    zone: &'static str,
    errors: Mistakes,
}

#[derive(Serialize)]
struct MailingView {
    id: MailingId,
    update_id: UpdateId,
    subject: String,
    state: &'static str,
    state_text: String,
    triggered: String,
    people: String,
    /// The time that somebody has chosen for it.
    planned: Option<String>,
    begun_at: Option<String>,
    /// Seconds in which it can still be taken back, of one that was to go at once.
    grace: Option<i64>,
    pause_kind: Option<PauseKind>,
    paused_at: Option<String>,
    pause_reason: Option<String>,
    finished_at: Option<String>,
    /// Who got it is not kept any more.
    is_forgotten: bool,
    /// Its audience is complete.
    has_begun: bool,
}

/// What the page shows of a mailing that has not begun.
#[derive(Serialize)]
struct WaitingView {
    plan: Plan,
    /// When the words were frozen that it has, for the form, in microseconds.
    frozen: String,
    /// The saved text of the update would make another mail.
    has_other_text: bool,
    /// That it should have begun, and when.
    overdue: String,
    /// What stands on the button that lets it begin now.
    button: String,
    sender: Option<String>,
}

/// What the report says besides the numbers.
#[derive(Serialize)]
struct Summary {
    /// That there was nobody to send to.
    nobody: Option<String>,
    accepted: String,
    took: Option<String>,
    rate: Option<String>,
    /// How many left because of it.
    left: Option<String>,
}

/// A date and a time of day, as they stand in a form.
#[derive(Debug, Default, Serialize)]
pub struct When {
    date: String,
    time: String,
}

impl When {
    /// What was typed, as far as it is shown again.
    pub fn typed(date: &str, time: &str) -> Self {
        let short = |text: &str| text.chars().take(40).collect();
        Self { date: short(date), time: short(time) }
    }

    /// A moment on the publication's clocks.
    fn at(page: &StaffPage, at: DateTime<Utc>) -> Self {
        let local = at.with_timezone(&page.time_zone().0);
        Self { date: local.format("%Y-%m-%d").to_string(), time: local.format("%H:%M").to_string() }
    }
}

impl MailingPage {
    /// `typed`: what was typed for another time, if it comes back.
    fn of(page: &StaffPage, followed: Followed, typed: Option<When>, errors: Mistakes) -> Self {
        let Followed { mailing, progress, waiting, failures, failed, has_refusals, left, came_back } =
            followed;
        let people_now = waiting.map_or(0, |waiting| waiting.people);
        let typed = typed.or_else(|| mailing.scheduled_at.map(|at| When::at(page, at)));
        Self {
            mailing: MailingView::of(page, &mailing, people_now),
            waiting: waiting.map(|waiting| WaitingView::of(page, &mailing, waiting)),
            progress: ProgressView::of(&page.state.renderer, page.locale, page.time_zone(), &progress, None),
            is_live: !progress.is_over(),
            failures: report::failures(page, failures, failed),
            came_back: CameBackView::of(page, &came_back),
            has_refusals,
            report: progress.is_over().then(|| Summary::of(page, &mailing, &progress, left)),
            typed: typed.unwrap_or_default(),
            zone: page.time_zone().0.name(),
            errors,
        }
    }
}

impl MailingView {
    fn of(page: &StaffPage, mailing: &Overview, people_now: i64) -> Self {
        let planned = mailing.scheduled_at.filter(|_| !mailing.has_grace);
        Self {
            id: mailing.id,
            update_id: mailing.update_id,
            subject: mailing.subject.clone(),
            state: state_key(mailing),
            state_text: planned::state(page, mailing),
            triggered: triggered(page, mailing),
            people: people(page, mailing, people_now),
            planned: planned.map(|at| page.long_time(at)),
            begun_at: mailing.begun_at.map(|at| page.short_time(at)),
            grace: seconds_left(mailing, Utc::now()),
            pause_kind: mailing.pause_kind,
            paused_at: mailing.paused_at.map(|at| page.short_time(at)),
            pause_reason: mailing.pause_reason.clone(),
            finished_at: mailing.finished_at.map(|at| page.short_time(at)),
            is_forgotten: mailing.is_forgotten,
            has_begun: mailing.complete_at.is_some(),
        }
    }
}

/// Seconds in which it can still be taken back, of a mailing that was sent now.
fn seconds_left(mailing: &Overview, now: DateTime<Utc>) -> Option<i64> {
    let ends =
        mailing.scheduled_at.filter(|_| mailing.has_grace && mailing.state == MailingState::Scheduled)?;
    Some((ends - now).num_milliseconds().max(0).div_euclid(1000) + 1).map(|seconds| seconds.clamp(0, 30))
}

impl WaitingView {
    fn of(page: &StaffPage, mailing: &Overview, waiting: follow_mailings::Waiting) -> Self {
        let text = |key: &str| page.text("mailing", key);
        let at = mailing.scheduled_at.map(|at| page.planned_time(at)).unwrap_or_default();
        let button = planned::people_now(page, waiting.people);
        let publication = page.publication.as_ref();
        Self {
            plan: Plan::of(page, mailing, waiting.people),
            frozen: mailing.frozen_at.timestamp_micros().to_string(),
            has_other_text: waiting.has_other_text,
            overdue: text("overdue_text").replace("{at}", &at),
            button: text("overdue_button").replace("{people}", &button),
            sender: publication.map(|publication| publication.content.sender.name.clone()),
        }
    }
}

impl Summary {
    fn of(page: &StaffPage, mailing: &Overview, progress: &Progress, left: Option<i64>) -> Self {
        let text = |key: &str| page.text("mailing", key);
        let took = mailing
            .complete_at
            .zip(mailing.finished_at)
            .map(|(began, ended)| (ended - began).max(TimeDelta::zero()));
        // After a retry the end is that of the retry, which may be days later.
        let took = took.filter(|_| mailing.retried_at.is_none() && mailing.state == MailingState::Done);
        let rate = took.filter(|took| took.num_seconds() > 0).map(|took| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "a rate for people"
            )]
            let rate = (progress.counts.accepted as f64 / took.as_seconds_f64()).round() as i64;
            text("average").replace("{count}", &page.number(rate.max(1)))
        });
        let left = left.map(|left| match left {
            0 => text("left_none").to_owned(),
            _ => page.plural("mailing", "left_people", left),
        });
        // Nobody was there when it began, or it was stopped before anybody's turn came.
        let nobody = if mailing.state == MailingState::Done { "nobody" } else { "nobody_yet" };
        let accepted = text("accepted_of").replace("{count}", &page.number(progress.counts.accepted));
        Self {
            nobody: (progress.audience == 0).then(|| text(nobody).to_owned()),
            accepted: accepted.replace("{audience}", &page.number(progress.audience)),
            took: took.map(|took| duration(page, took)),
            rate,
            left,
        }
    }
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
