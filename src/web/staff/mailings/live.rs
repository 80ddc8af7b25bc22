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
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use chrono::Utc;
use tokio::{sync::mpsc::error::TrySendError, time::sleep};

use crate::{
    domain::{
        ids::{MailingId, SessionId},
        locale::Locale,
        mailing::{self, MailingState},
        publication,
        staff::session,
    },
    web::{
        AppState,
        http::{
            server::Stopping,
            streaming::{self, Pieces},
        },
        staff::mailings::progress::{self, Rate},
    },
};

/// Time from one look to the next, at least.
const EVERY: Duration = Duration::from_secs(1);
/// Time from one look at the sessions to the next.
const SESSIONS_EVERY: Duration = Duration::from_secs(5);
/// After this long without news a page is told that we are still here, so that nobody on the way takes it for dead.
const STILL_HERE: Duration = Duration::from_secs(15);
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
    to: Pieces,
    until: Instant,
    /// What it was told last, and when.
    told: Bytes,
    told_at: Instant,
}

impl OpenPage {
    /// Sends it something; false when nobody reads any more.
    fn tell(&mut self, event: &Bytes, now: Instant) -> bool {
        match self.to.try_send(Ok(event.clone())) {
            Ok(()) => self.told_at = now,
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Closed(_)) => return false,
        }
        true
    }
}

impl Live {
    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a page: the body of its answer, which goes on until the mailing or the session is over, or the server stops.
/// Nothing when too many are open.
pub fn open(
    state: &AppState,
    stopping: Stopping,
    mailing: MailingId,
    session: SessionId,
    locale: Locale,
) -> Option<Body> {
    let now = Instant::now();
    let mut hub = state.live.hub();
    hub.pages.retain(|page| !page.to.is_closed());
    if hub.pages.len() >= PAGES {
        return None;
    }
    let (to, body) = streaming::later(WAITING);
    let mut page =
        OpenPage { mailing, session, locale, to, until: now + LASTS, told: Bytes::new(), told_at: now };
    page.tell(&Bytes::from_static(b"retry: 2000\n\n"), now);
    hub.pages.push(page);
    if !hub.is_looking {
        hub.is_looking = true;
        tokio::spawn(look(state.clone(), stopping));
    }
    drop(hub);
    Some(body)
}

/// Looks until no page is open, or the server stops.
async fn look(state: AppState, mut stopping: Stopping) {
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

async fn look_once(
    state: &AppState,
    mailings: &HashSet<MailingId>,
    sessions: Option<&HashSet<SessionId>>,
    rates: &mut HashMap<MailingId, Rate>,
) -> sqlx::Result<()> {
    let ids: Vec<MailingId> = mailings.iter().copied().collect();
    let mut db = state.app.pool.acquire().await?;
    let found = mailing::progress(&mut db, &ids).await?;
    // Asked for only where a time is told.
    let waits = |progress: &mailing::Progress| {
        matches!(progress.state, MailingState::Scheduled | MailingState::Paused)
    };
    let publication = if found.iter().any(waits) { publication::current(&mut db).await? } else { None };
    let zone = publication.map(|publication| publication.content.time_zone).unwrap_or_default();
    let good = match sessions {
        Some(sessions) => {
            let ids: Vec<SessionId> = sessions.iter().copied().collect();
            Some(session::still_good(&mut db, &ids, Utc::now()).await?)
        }
        None => None,
    };
    drop(db);
    let now = Instant::now();
    let found: HashMap<MailingId, _> = found
        .into_iter()
        .map(|progress| {
            let rate = rates.entry(progress.id).or_default().observe(now, progress.ended());
            (progress.id, (progress, rate))
        })
        .collect();
    let mut events: HashMap<(MailingId, Locale), Bytes> = HashMap::new();
    state.live.hub().pages.retain_mut(|page| {
        let was_asked = sessions.is_some_and(|sessions| sessions.contains(&page.session));
        let has_ended = good.as_ref().is_some_and(|good| !good.contains(&page.session));
        if was_asked && has_ended {
            return false;
        }
        // One that was opened while we looked gets its news with the next look.
        let Some((progress, rate)) = found.get(&page.mailing) else { return true };
        let event = events.entry((page.mailing, page.locale)).or_insert_with(|| {
            Bytes::from(format!(
                "data: {}\n\n",
                progress::view(&state.renderer, page.locale, zone, progress, *rate)
            ))
        });
        let goes_on = if page.told != *event && page.to.capacity() > 0 {
            page.told = event.clone();
            page.tell(event, now)
        } else if now - page.told_at > STILL_HERE {
            page.tell(&Bytes::from_static(b": still here\n\n"), now)
        } else {
            true
        };
        goes_on && !progress::is_over(progress)
    });
    Ok(())
}
