//! The start page: where things stand, what needs attention, and the way to write.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{Datelike, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    app::{
        dashboard::{Dashboard, MONTHS, ReturnedMail, dashboard},
        own_account,
    },
    domain::{
        first_steps::FirstSteps,
        ids::MailingId,
        leave_reason::Counted,
        mailing::{Counts, MailingState, Overview, PauseKind},
        staff::Role,
        subscriber::MonthEnd,
    },
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member,
            mailings::planned::{self, Plan},
            staff_page::StaffPage,
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
) -> Result<Response, StaffProblem> {
    let is_admin = member.0.role == Role::Admin;
    let found = dashboard(&state.app, (member.0.staff_id, is_admin), Utc::now()).await?;
    // What needs a decision stands above; what waits for its time, the next one first.
    let mut plans: Vec<&Overview> =
        found.open.iter().filter(|mailing| mailing.state == MailingState::Scheduled).collect();
    plans.sort_by_key(|mailing| mailing.scheduled_at);
    page.show(&StartPage {
        name: member.0.name.clone(),
        subscribers: page.number(found.subscribers),
        waiting: page.number(found.waiting),
        plans: plans.into_iter().map(|mailing| Plan::of(&page, mailing, found.subscribers)).collect(),
        last: found.last.as_ref().map(|(mailing, counts)| Last::of(&page, mailing, counts)),
        attention: attention(&page, &found, is_admin),
        steps: found.first_steps.map(|steps| Step::all(&page, steps)).unwrap_or_default(),
        reasons: found.reasons.iter().map(|counted| Reason::of(&page, counted)).collect(),
        chart: Chart::of(&page, &found.growth),
    })
}

/// `POST /staff/first-steps`: the way to the first mailing is not wanted.
pub async fn dismiss(
    State(state): State<AppState>,
    Member(session): Member,
) -> Result<Response, StaffProblem> {
    own_account::dismiss_first_steps(&state.app.pool, &session, Utc::now()).await?;
    Ok(Redirect::to("/staff").into_response())
}

/// `GET /staff/`
pub async fn without_slash() -> Redirect {
    Redirect::permanent("/staff")
}

/// The start page.
#[derive(Serialize)]
pub struct StartPage {
    /// Who is greeted.
    name: String,
    subscribers: String,
    /// How many signups wait for their confirmation.
    waiting: String,
    /// Mailings that wait for their time.
    plans: Vec<Plan>,
    /// The mailing that began last.
    last: Option<Last>,
    attention: Vec<Attention>,
    /// The way to the first mailing; empty after that.
    steps: Vec<Step>,
    /// Why people left; empty where nobody said.
    reasons: Vec<Reason>,
    /// Nothing while nobody has ever been subscribed.
    chart: Option<Chart>,
}

/// A step on the way to the first mailing.
#[derive(Serialize)]
struct Step {
    title: String,
    text: String,
    /// Where it is done, for those who may.
    url: Option<&'static str>,
    state: StepState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum StepState {
    Done,
    /// The first that is not done.
    Next,
    Later,
}

impl Step {
    fn all(page: &StaffPage, steps: FirstSteps) -> Vec<Self> {
        let publication = page.publication.as_ref();
        let is_complete = publication.is_some_and(|publication| publication.content.missing().is_empty());
        let text = |key: &str| page.text("first_steps", key).to_owned();
        let (who, publication_url) = if page.is_admin() {
            ("publication_text", Some("/staff/publication"))
        } else {
            ("publication_text_editor", None)
        };
        let mut is_next = true;
        let mut step = |is_done: bool, title: &str, about: &str, url| {
            let state = match (is_done, is_next) {
                (true, _) => StepState::Done,
                (false, true) => StepState::Next,
                (false, false) => StepState::Later,
            };
            is_next &= is_done;
            Self { title: text(title), text: text(about), url, state }
        };
        vec![
            step(is_complete, "publication", who, publication_url),
            step(steps.has_subscriber, "subscriber", "subscriber_text", Some("/")),
            step(steps.has_update, "update", "update_text", Some("/staff/updates")),
            step(steps.has_test, "test", "test_text", Some("/staff/updates")),
            // It is done when a mailing has begun, and then none of this is shown.
            step(false, "mailing", "mailing_text", Some("/staff/updates")),
        ]
    }
}

/// A reason for leaving, and how often it was given.
#[derive(Serialize)]
struct Reason {
    reason: String,
    count: String,
}

impl Reason {
    fn of(page: &StaffPage, counted: &Counted) -> Self {
        let words = page.state.renderer.text(page.locale, "unsubscribed.reason", counted.reason.name());
        Self { reason: words.to_owned(), count: page.number(counted.count) }
    }
}

#[derive(Serialize)]
struct Last {
    id: MailingId,
    subject: String,
    state: String,
    at: Option<String>,
    is_for_nobody: bool,
    counts: LastCounts,
}

#[derive(Serialize)]
struct LastCounts {
    accepted: String,
    rejected: String,
    open: String,
    unknown: String,
    skipped: String,
}

impl Last {
    fn of(page: &StaffPage, mailing: &Overview, counts: &Counts) -> Self {
        Self {
            id: mailing.id,
            subject: mailing.subject.clone(),
            state: planned::state(page, mailing),
            at: mailing.begun_at.map(|at| page.short_time(at)),
            is_for_nobody: mailing.audience == 0 && mailing.state == MailingState::Done,
            counts: LastCounts {
                accepted: page.number(counts.accepted),
                rejected: page.number(counts.rejected),
                open: page.number(counts.pending + counts.claimed + counts.transmitting),
                unknown: page.number(counts.unknown),
                skipped: page.number(counts.skipped),
            },
        }
    }
}

/// Something that somebody should look at.
#[derive(Serialize)]
struct Attention {
    text: String,
    /// More about it, in the relay's words.
    more: Option<String>,
    /// The way there.
    url: Option<String>,
}

impl Attention {
    fn new(text: impl Into<String>, url: Option<&str>) -> Self {
        Self { text: text.into(), more: None, url: url.map(str::to_owned) }
    }

    fn paused(page: &StaffPage, mailing: &Overview) -> Self {
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
        let more = mailing.pause_reason.clone().filter(|_| is_relays);
        Self { text, more, url: Some(format!("/staff/mailings/{}", mailing.id)) }
    }
}

/// What somebody should look at, each with the way there.
fn attention(page: &StaffPage, dashboard: &Dashboard, is_admin: bool) -> Vec<Attention> {
    let paused = dashboard.open.iter().filter(|mailing| mailing.state == MailingState::Paused);
    let mut found: Vec<Attention> = paused.map(|mailing| Attention::paused(page, mailing)).collect();
    if dashboard.late > 0 {
        found.push(Attention::new(page.plural("attention", "late", dashboard.late), None));
    }
    if dashboard.held > 0 {
        found.push(Attention::new(page.plural("attention", "held", dashboard.held), Some("/staff/signups")));
    }
    if dashboard.undelivered > 0 {
        found.push(Attention::new(
            page.plural("attention", "undelivered", dashboard.undelivered),
            Some("/staff/signups"),
        ));
    }
    if let Some(returned) = &dashboard.returned {
        came_back(page, returned, &mut found);
    }
    for update in &dashboard.remarks {
        let title =
            if update.title.is_empty() { page.text("updates", "untitled") } else { update.title.as_str() };
        let text = page.plural("attention", "remarks", update.remarks).replace("{title}", title);
        found.push(Attention::new(text, Some(&format!("/staff/updates/{}#remarks", update.update_id))));
    }
    if dashboard.is_unsafe {
        found.push(Attention::new(page.text("attention", "unsafe_server"), None));
    }
    let missing = page.publication.as_ref().map(|publication| publication.content.missing());
    if missing.is_none_or(|missing| !missing.is_empty()) {
        let url = is_admin.then_some("/staff/publication");
        found.push(Attention::new(page.text("attention", "publication"), url));
    }
    found
}

/// What came back and needs a person.
fn came_back(page: &StaffPage, returned: &ReturnedMail, found: &mut Vec<Attention>) {
    if returned.unassigned > 0 {
        let text = page.plural("attention", "unassigned", returned.unassigned);
        found.push(Attention::new(text, Some("/staff/bounces")));
    }
    for refusing in &returned.refusing {
        let provider = if refusing.provider.is_empty() {
            page.text("came_back", "some_provider")
        } else {
            refusing.provider.as_str()
        };
        let text = page.plural("attention", "refusing", refusing.count).replace("{provider}", provider);
        let url = refusing.mailing.map(|mailing| format!("/staff/mailings/{mailing}"));
        found.push(Attention::new(text, url.as_deref()));
    }
    if let Some(problem) = &returned.mailbox {
        let text = match problem.read_at {
            Some(at) => page.text("attention", "mailbox").replace("{at}", &page.short_time(at)),
            None => page.text("attention", "mailbox_never").to_owned(),
        };
        found.push(Attention { more: problem.words.clone(), ..Attention::new(text, None) });
    }
}

/// Height in units of the drawing.
const HIGH: i64 = 100;
/// Months that are shown at least.
const LEAST_MONTHS: usize = 3;
/// Width of a month in the drawing.
const WIDE: i64 = 50;

/// How the number of subscribers has grown, as a drawing.
#[derive(Serialize)]
struct Chart {
    bars: Vec<Bar>,
    width: i64,
}

#[derive(Serialize)]
struct Bar {
    x: i64,
    y: i64,
    height: i64,
    middle: i64,
    month: String,
    year: i32,
    active: i64,
}

impl Chart {
    /// From the first month that somebody was subscribed in; of a new newsletter the last three at least.
    fn of(page: &StaffPage, growth: &[MonthEnd]) -> Option<Self> {
        let first = growth.iter().position(|month| month.active > 0)?;
        let growth = growth.get(first.min(growth.len().saturating_sub(LEAST_MONTHS))..)?;
        let most = growth.iter().map(|month| month.active).max().unwrap_or(0).max(1);
        let bars = growth.iter().zip(0_i64..).map(|(month, number)| {
            // The smallest number that is there is seen.
            let high = (month.active * HIGH / most).max(i64::from(month.active > 0) * 2);
            Bar {
                x: number * WIDE + 8,
                y: HIGH - high,
                height: high,
                middle: number * WIDE + WIDE / 2,
                month: page.text("month", &month.month.month().to_string()).to_owned(),
                year: month.month.year(),
                active: month.active,
            }
        });
        // As wide as a year: a few bars are not blown up.
        Some(Self { bars: bars.collect(), width: i64::from(MONTHS) * WIDE })
    }
}

impl PageContext for StartPage {
    const TEMPLATE: &'static str = "staff/start.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let last = |is_for_nobody| Last {
            id: MailingId(Uuid::nil()),
            subject: "Neues vom Projekt".into(),
            state: "fertig".into(),
            at: Some("25.11.2026, 14:05".into()),
            is_for_nobody,
            counts: LastCounts {
                accepted: "1.230".into(),
                rejected: "3".into(),
                open: "0".into(),
                unknown: "1".into(),
                skipped: "0".into(),
            },
        };
        let bar = |number: i64| Bar {
            x: number * WIDE + 8,
            y: 20,
            height: 80,
            middle: number * WIDE + WIDE / 2,
            month: "Nov".into(),
            year: 2026,
            active: 1_234,
        };
        let of = |plans, last, attention| Self {
            name: "Ada Muster".into(),
            subscribers: "1.234".into(),
            waiting: "5".into(),
            plans,
            last,
            attention,
            steps: Vec::new(),
            reasons: vec![Reason { reason: "Zu oft".into(), count: "3".into() }],
            chart: Some(Chart { bars: (0..12).map(bar).collect(), width: i64::from(MONTHS) * WIDE }),
        };
        let mut paused = Attention::new("Der Mailserver ist nicht erreichbar.", Some("/staff/mailings/1"));
        paused.more = Some("connection refused".into());
        let late = Attention::new("Eine Mail wartet, die sofort hinausgehen sollte.", None);
        vec![
            of(Plan::samples(), Some(last(false)), Vec::new()),
            of(Vec::new(), Some(last(true)), vec![paused, late]),
            Self {
                steps: [StepState::Done, StepState::Next, StepState::Later]
                    .map(|state| Step {
                        title: "Ein Update schreiben".into(),
                        text: "Titel und Text genügen.".into(),
                        url: (state != StepState::Done).then_some("/staff/updates"),
                        state,
                    })
                    .into(),
                reasons: Vec::new(),
                chart: None,
                ..of(Vec::new(), None, Vec::new())
            },
        ]
    }
}
