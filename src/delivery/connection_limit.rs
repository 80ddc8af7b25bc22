//! The connection limit: how many connections the relay bears. Halved when it says that it is getting too much, raised
//! one by one while it does not.

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

/// What several connections are told within this time is one overload.
const ONE_OVERLOAD: Duration = Duration::from_secs(2);
/// How long it must have been quiet before another connection is tried.
const QUIET: Duration = Duration::from_secs(30);
/// How long a message waits that met an overload.
const WAIT: Duration = Duration::from_secs(5);
/// The longest pause of the last connection.
const LONGEST: Duration = Duration::from_mins(5);
/// A message that met so many overloads, while others were accepted in between, is what they are about.
const MOST_OVERLOADS: u8 = 3;
/// MessageBuilder remembered at most.
const REMEMBERED: usize = 10_000;

/// One worker's limit, shared by its senders. Each of them has a slot, counted from 0.
pub struct ConnectionLimit {
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
    overloaded_at: Option<Instant>,
    grown_at: Option<Instant>,
    /// Overloads in a row that the last connection met.
    alone: u32,
    /// Until when it pauses.
    hold: Option<Instant>,
    /// MessageBuilder that met an overload: how often, and what had been accepted by then.
    met: HashMap<DeliveryId, (u8, u64)>,
}

impl ConnectionLimit {
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

    /// Whether the sender at this slot may use a connection now.
    pub fn may_send(&self, slot: usize) -> bool {
        !self.held_back.load(Ordering::Relaxed)
            || (self.has_slot(slot) && self.state().hold.is_none_or(|until| until <= Instant::now()))
    }

    /// Whether the sender at this slot may have a connection.
    pub fn has_slot(&self, slot: usize) -> bool {
        slot < *self.allowed.borrow()
    }

    /// Waits until the sender at this slot may use a connection.
    pub async fn wait_for_slot(&self, slot: usize) {
        let mut allowed = self.allowed.subscribe();
        loop {
            // The watch's sender lives as long as the limit; an error cannot happen.
            let _ = allowed.wait_for(|allowed| slot < *allowed).await;
            let hold = self.state().hold.filter(|until| *until > Instant::now());
            match hold {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }

    /// The relay has said at this message that it is getting too much. Answers how long the message waits; `None` when it
    /// is this message that the relay does not like.
    pub fn overloaded(&self, id: DeliveryId, now: Instant) -> Option<Duration> {
        let accepted = self.accepted.load(Ordering::Relaxed);
        let mut state = self.state();
        self.held_back.store(true, Ordering::Relaxed);
        let is_new = state.overloaded_at.is_none_or(|at| now.duration_since(at) >= ONE_OVERLOAD);
        state.overloaded_at = Some(now);
        if state.met.len() >= REMEMBERED {
            state.met.clear();
        }
        let (times, accepted_then) = state.met.get(&id).copied().unwrap_or((0, 0));
        let times = if times == 0 || accepted > accepted_then { times + 1 } else { times };
        state.met.insert(id, (times, accepted));
        if times > MOST_OVERLOADS {
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
        let quiet_since = state.overloaded_at.max(state.grown_at);
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

    fn allowed(limit: &ConnectionLimit) -> usize {
        (0..100).filter(|slot| limit.has_slot(*slot)).count()
    }

    #[test]
    fn overloads_halve_the_connections_and_quiet_brings_them_back_one_by_one() {
        let (limit, mut now) = (ConnectionLimit::new(8), Instant::now());
        for id in 0..8 {
            assert_eq!(limit.overloaded(DeliveryId(id), now), Some(WAIT));
        }
        assert_eq!(allowed(&limit), 4, "eight at once are one overload");
        now += ONE_OVERLOAD;
        limit.overloaded(DeliveryId(9), now);
        assert_eq!(allowed(&limit), 2);
        limit.accepted(now);
        assert_eq!(allowed(&limit), 2, "the overload is recent");
        for more in 3..=8 {
            now += QUIET;
            limit.accepted(now);
            limit.accepted(now);
            assert_eq!(allowed(&limit), more);
        }
        assert!(limit.may_send(7));
    }

    #[test]
    fn the_last_connection_pauses_longer_and_longer_until_something_is_accepted() {
        let (limit, mut now) = (ConnectionLimit::new(1), Instant::now());
        let mut waits = Vec::new();
        for id in 0..10 {
            let wait = limit.overloaded(DeliveryId(id), now).unwrap();
            assert!(!limit.may_send(0));
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [5, 5, 8, 16, 32, 64, 128, 256, 300, 300]);
        limit.accepted(now);
        assert!(limit.may_send(0));
        assert_eq!(limit.overloaded(DeliveryId(99), now + ONE_OVERLOAD), Some(WAIT));
    }

    #[test]
    fn a_message_that_alone_meets_overloads_is_told_apart() {
        let (limit, now, odd) = (ConnectionLimit::new(8), Instant::now(), DeliveryId(1));
        for _ in 0..5 {
            assert!(
                limit.overloaded(odd, now).is_some(),
                "nothing was accepted in between, so it may be anything"
            );
        }
        for _ in 0..2 {
            limit.accepted(now);
            assert!(limit.overloaded(odd, now).is_some());
        }
        limit.accepted(now);
        assert!(limit.overloaded(odd, now).is_none());
    }
}
