//! How many connections the relay bears: fewer at once when it says that it is getting too much, more again by and by.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::domain::ids::DeliveryId;

/// What several connections are told at the same moment is one complaint.
const ONE_COMPLAINT: Duration = Duration::from_secs(2);
/// How long it must have been quiet before another connection is tried.
const QUIET: Duration = Duration::from_secs(30);
/// How long a message waits that met a complaint.
const WAIT: Duration = Duration::from_secs(5);
/// The longest pause of the last connection.
const LONGEST: Duration = Duration::from_mins(5);
/// A message that met so many complaints, while others were accepted in between, is what they are about.
const MOST_COMPLAINTS: u8 = 3;
/// Messages remembered at most.
const REMEMBERED: usize = 10_000;

/// One worker's pace, shared by its senders. Each of them has a place, counted from 0.
pub struct Pace {
    most: usize,
    /// Connections that may be used; at least one.
    allowed: watch::Sender<usize>,
    /// Whether anything is held back: while it is not, an acceptance costs nothing here.
    held_back: AtomicBool,
    accepted: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    complained_at: Option<Instant>,
    grown_at: Option<Instant>,
    /// Complaints in a row that the last connection met.
    alone: u32,
    /// Until when it pauses.
    hold: Option<Instant>,
    /// Messages that met a complaint: how often, and what had been accepted by then.
    met: HashMap<DeliveryId, (u8, u64)>,
}

impl Pace {
    /// A pace for so many connections.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            allowed: watch::Sender::new(most),
            held_back: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Whether the sender at this place may use a connection now.
    pub fn may_go(&self, place: usize) -> bool {
        !self.held_back.load(Ordering::Relaxed)
            || (self.has_place(place) && self.state().hold.is_none_or(|until| until <= Instant::now()))
    }

    /// Whether the sender at this place may have a connection.
    pub fn has_place(&self, place: usize) -> bool {
        place < *self.allowed.borrow()
    }

    /// Waits until the sender at this place may use a connection.
    pub async fn turn(&self, place: usize) {
        let mut allowed = self.allowed.subscribe();
        loop {
            // The sender lives as long as the pace; an error cannot happen.
            let _ = allowed.wait_for(|allowed| place < *allowed).await;
            let hold = self.state().hold.filter(|until| *until > Instant::now());
            match hold {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }

    /// The relay has complained at this message. Answers how long that waits; nothing when it is this message that the
    /// relay complains about.
    pub fn too_much(&self, id: DeliveryId, now: Instant) -> Option<Duration> {
        let accepted = self.accepted.load(Ordering::Relaxed);
        let mut state = self.state();
        self.held_back.store(true, Ordering::Relaxed);
        let is_new = state.complained_at.is_none_or(|at| now.duration_since(at) >= ONE_COMPLAINT);
        state.complained_at = Some(now);
        if state.met.len() >= REMEMBERED {
            state.met.clear();
        }
        let (times, accepted_then) = state.met.get(&id).copied().unwrap_or((0, 0));
        let times = if times == 0 || accepted > accepted_then { times + 1 } else { times };
        state.met.insert(id, (times, accepted));
        if times > MOST_COMPLAINTS {
            state.met.remove(&id);
            return None;
        }
        if is_new {
            let allowed = *self.allowed.borrow();
            if allowed > 1 {
                self.allowed.send_replace(allowed / 2);
                tracing::warn!(connections = allowed / 2, "the relay is getting too much; fewer connections");
            } else {
                state.alone = state.alone.saturating_add(1);
                let pause = Duration::from_secs(1 << state.alone.min(9)).min(LONGEST);
                state.hold = Some(now + pause);
                tracing::warn!(?pause, "the relay is getting too much over one connection; pausing");
            }
        }
        let held = state.hold.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        Some(held.max(WAIT))
    }

    /// The relay has accepted a message.
    pub fn accepted(&self, now: Instant) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        if !self.held_back.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state();
        state.alone = 0;
        state.hold = None;
        let quiet_since = state.complained_at.max(state.grown_at);
        if quiet_since.is_none_or(|since| now.duration_since(since) >= QUIET) {
            let allowed = (*self.allowed.borrow() + 1).min(self.most);
            self.allowed.send_replace(allowed);
            state.grown_at = Some(now);
            tracing::info!(connections = allowed, "the relay has been content; one connection more");
            if allowed == self.most {
                state.met.clear();
                self.held_back.store(false, Ordering::Relaxed);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(pace: &Pace) -> usize {
        (0..100).filter(|place| pace.has_place(*place)).count()
    }

    #[test]
    fn complaints_halve_the_connections_and_quiet_brings_them_back_one_by_one() {
        let (pace, mut now) = (Pace::new(8), Instant::now());
        for id in 0..8 {
            assert_eq!(pace.too_much(DeliveryId(id), now), Some(WAIT));
        }
        assert_eq!(allowed(&pace), 4, "eight at once are one complaint");
        now += ONE_COMPLAINT;
        pace.too_much(DeliveryId(9), now);
        assert_eq!(allowed(&pace), 2);
        pace.accepted(now);
        assert_eq!(allowed(&pace), 2, "it has just complained");
        for more in 3..=8 {
            now += QUIET;
            pace.accepted(now);
            pace.accepted(now);
            assert_eq!(allowed(&pace), more);
        }
        assert!(pace.may_go(7));
    }

    #[test]
    fn the_last_connection_pauses_longer_and_longer_until_something_is_accepted() {
        let (pace, mut now) = (Pace::new(1), Instant::now());
        let mut waits = Vec::new();
        for id in 0..10 {
            let wait = pace.too_much(DeliveryId(id), now).unwrap();
            assert!(!pace.may_go(0));
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [5, 5, 8, 16, 32, 64, 128, 256, 300, 300]);
        pace.accepted(now);
        assert!(pace.may_go(0));
        assert_eq!(pace.too_much(DeliveryId(99), now + ONE_COMPLAINT), Some(WAIT));
    }

    #[test]
    fn a_message_that_the_relay_alone_complains_about_is_told_apart() {
        let (pace, now, odd) = (Pace::new(8), Instant::now(), DeliveryId(1));
        for _ in 0..5 {
            assert!(
                pace.too_much(odd, now).is_some(),
                "nothing was accepted in between, so it may be anything"
            );
        }
        for _ in 0..2 {
            pace.accepted(now);
            assert!(pace.too_much(odd, now).is_some());
        }
        pace.accepted(now);
        assert!(pace.too_much(odd, now).is_none());
    }
}
