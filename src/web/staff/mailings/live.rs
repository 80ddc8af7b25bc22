//! Live pages: server-sent events (HTML Living Standard, §9.2) of how mailings go.
//!
//! One task looks for all pages that are open in this process: one statement a second, however many there are, and one
//! every five seconds that asks whether their sessions are still good. When a look takes long, as it does for a million
//! (0.4 s), the next one waits four times as long as that, so that looking never is more than a fifth of a connection's
//! work. With no page open there is no task.
//!
//! An open page holds a connection, and none of the places for requests: its answer has begun.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Extension,
    extract::State,
    http::{HeaderName, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use chrono::Utc;
use futures_core::Stream;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::sleep,
};

use crate::{
    app::follow_mailings,
    db::statement::StatementError,
    domain::{
        ids::{MailingId, SessionId},
        locale::Locale,
    },
    web::{
        AppState,
        http::{problem::Problem, server::Stopping},
        staff::{
            logged_in::Member,
            mailings::progress::{ProgressView, Rate},
            staff_page::{Id, StaffPage, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// Time from one look to the next, at least.
const EVERY: Duration = Duration::from_secs(1);
/// Time from one look at the sessions to the next.
const SESSIONS_EVERY: Duration = Duration::from_secs(5);
/// After this long without news a page is told that we are still here, so that nobody on the way takes it for dead.
const STILL_HERE: Duration = Duration::from_secs(15);
/// The browser asks again after this long when an answer has ended.
const RETRY: Duration = Duration::from_secs(2);
/// How long one answer lasts; the browser asks again by itself. Less than a connection lives.
const LASTS: Duration = Duration::from_mins(4);
/// Pages open at once, at most. Beyond that they are made anew every few seconds, as without JavaScript.
const PAGES: usize = 256;
/// Events that a page may have waiting. One that does not read gets no more until it does.
const WAITING: usize = 4;

/// The pages that are open.
#[derive(Default)]
pub struct Live {
    hub: Mutex<Hub>,
}

#[derive(Default)]
struct Hub {
    pages: Vec<OpenPage>,
    is_looking: bool,
}

struct OpenPage {
    mailing: MailingId,
    session: SessionId,
    locale: Locale,
    to: mpsc::Sender<Event>,
    until: Instant,
    /// What it was told last.
    told: Option<ProgressView>,
}

impl OpenPage {
    /// Sends it something; false when nobody reads any more.
    fn tell(&self, event: Event) -> bool {
        !matches!(self.to.try_send(event), Err(TrySendError::Closed(_)))
    }
}

/// The events of one page, as they come.
struct Events(mpsc::Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

impl Live {
    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    follow_mailings::find(&state.app.pool, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let events = open(&state, stopping.0, id, session.id, page.locale);
    let events = Sse::new(events.ok_or(StaffProblem::Common(Problem::Busy))?);
    let events = events.keep_alive(KeepAlive::new().interval(STILL_HERE).text("still here"));
    let headers = [
        // As on every page of staff; `Sse` alone would let a browser keep it.
        (header::CACHE_CONTROL, "no-store"),
        // nginx would keep events until it has enough of them.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, events).into_response())
}

/// Opens a page: its events, which go on until the mailing or the session is over, or the server stops. Nothing when too
/// many are open.
fn open(
    state: &AppState,
    stopping: Stopping,
    mailing: MailingId,
    session: SessionId,
    locale: Locale,
) -> Option<Events> {
    let mut hub = state.live.hub();
    hub.pages.retain(|page| !page.to.is_closed());
    if hub.pages.len() >= PAGES {
        return None;
    }
    let (to, events) = mpsc::channel(WAITING);
    let page = OpenPage { mailing, session, locale, to, until: Instant::now() + LASTS, told: None };
    page.tell(Event::default().retry(RETRY));
    hub.pages.push(page);
    if !hub.is_looking {
        hub.is_looking = true;
        tokio::spawn(watch(state.clone(), stopping));
    }
    drop(hub);
    Some(Events(events))
}

/// Looks until no page is open, or the server stops.
async fn watch(state: AppState, mut stopping: Stopping) {
    let mut rates: HashMap<MailingId, Rate> = HashMap::new();
    let mut sessions_at = Instant::now() + SESSIONS_EVERY;
    let mut is_away = false;
    loop {
        let begun = Instant::now();
        let ask_sessions = begun >= sessions_at;
        if ask_sessions {
            sessions_at = begun + SESSIONS_EVERY;
        }
        let Some((mailings, sessions)) = still_open(&state, begun) else { return };
        rates.retain(|id, _| mailings.contains(id));
        match look_once(&state, &mailings, ask_sessions.then_some(&sessions), &mut rates).await {
            Ok(()) => is_away = false,
            // Once, and not every second while the database is away. The pages stay open.
            Err(error) if !is_away => {
                tracing::warn!(%error, "how mailings go cannot be looked at; trying again");
                is_away = true;
            }
            Err(_) => {}
        }
        let took = begun.elapsed();
        tokio::select! {
            () = sleep((took * 4).max(EVERY.saturating_sub(took))) => {}
            () = stopping.wait() => {
                let mut hub = state.live.hub();
                hub.pages.clear();
                hub.is_looking = false;
                return;
            }
        }
    }
}

/// The mailings and the sessions of the pages that are open. Nothing, and nobody looks any more, when there are none.
fn still_open(state: &AppState, now: Instant) -> Option<(HashSet<MailingId>, HashSet<SessionId>)> {
    let mut hub = state.live.hub();
    hub.pages.retain(|page| now < page.until && !page.to.is_closed());
    if hub.pages.is_empty() {
        hub.is_looking = false;
        return None;
    }
    let mailings = hub.pages.iter().map(|page| page.mailing).collect();
    let sessions = hub.pages.iter().map(|page| page.session).collect();
    Some((mailings, sessions))
}

/// Why a look told nobody anything.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Database(#[from] StatementError),
    #[error("an event cannot be written: {0}")]
    Event(#[from] axum::Error),
}

/// Looks at these mailings, and tells every page of its own what is new. Sessions are asked about where they are given.
async fn look_once(
    state: &AppState,
    mailings: &HashSet<MailingId>,
    sessions: Option<&HashSet<SessionId>>,
    rates: &mut HashMap<MailingId, Rate>,
) -> Result<(), LookError> {
    let mailings: Vec<MailingId> = mailings.iter().copied().collect();
    let asked: Vec<SessionId> = sessions.into_iter().flatten().copied().collect();
    let seen = follow_mailings::progress(&state.app.pool, &mailings, &asked, Utc::now()).await?;
    let now = Instant::now();
    let mut news: HashMap<(MailingId, Locale), (ProgressView, Event)> = HashMap::new();
    let mut over: HashSet<MailingId> = HashSet::new();
    for progress in &seen.progress {
        let rate = rates.entry(progress.id).or_default().observe(now, progress.ended());
        for locale in Locale::ALL {
            let view = ProgressView::of(&state.renderer, locale, seen.time_zone, progress, rate);
            let event = Event::default().json_data(&view)?;
            news.insert((progress.id, locale), (view, event));
        }
        if progress.is_over() {
            over.insert(progress.id);
        }
    }
    state.live.hub().pages.retain_mut(|page| {
        let was_asked = sessions.is_some_and(|sessions| sessions.contains(&page.session));
        if was_asked && !seen.good.contains(&page.session) {
            return false;
        }
        // One that was opened while we looked gets its news with the next look.
        let Some((view, event)) = news.get(&(page.mailing, page.locale)) else { return true };
        let is_new = page.told.as_ref() != Some(view);
        if is_new && page.to.capacity() > 0 {
            page.told = Some(view.clone());
            if !page.tell(event.clone()) {
                return false;
            }
        }
        !over.contains(&page.mailing)
    });
    Ok(())
}
