//! The hand: what a worker has claimed and not yet given to a sender.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::domain::delivery::{Claimed, DeliveryKind};

/// Claimed deliveries, urgent ones in front.
pub struct Hand {
    /// Copies of mailings below which the dispatcher is told to claim more.
    low: usize,
    cards: Mutex<Cards>,
    filled: Notify,
    drained: Notify,
}

#[derive(Default)]
struct Cards {
    urgent: VecDeque<Claimed>,
    mailing: VecDeque<Claimed>,
}

impl Hand {
    /// An empty hand that asks for more of a mailing when it holds fewer than `low` copies.
    pub fn new(low: usize) -> Self {
        Self { low, cards: Mutex::default(), filled: Notify::new(), drained: Notify::new() }
    }

    /// Takes in what was claimed.
    pub fn put(&self, claimed: Vec<Claimed>) {
        let count = claimed.len();
        {
            let mut cards = self.cards();
            for delivery in claimed {
                match delivery.kind {
                    DeliveryKind::Mailing => cards.mailing.push_back(delivery),
                    _ => cards.urgent.push_back(delivery),
                }
            }
        }
        for _ in 0..count.min(512) {
            self.filled.notify_one();
        }
    }

    /// Puts one back in front: its sender could not use it.
    pub fn put_back(&self, delivery: Claimed) {
        {
            let mut cards = self.cards();
            match delivery.kind {
                DeliveryKind::Mailing => cards.mailing.push_front(delivery),
                _ => cards.urgent.push_front(delivery),
            }
        }
        self.filled.notify_one();
    }

    /// The next one, if there is one; confirmations and tests before mailings.
    pub fn take(&self) -> Option<Claimed> {
        let mut cards = self.cards();
        let next = cards.urgent.pop_front().or_else(|| cards.mailing.pop_front());
        if cards.mailing.len() < self.low {
            self.drained.notify_one();
        }
        // One wake-up may stand for several cards; it is passed on.
        if !(cards.urgent.is_empty() && cards.mailing.is_empty()) {
            self.filled.notify_one();
        }
        next
    }

    /// Waits for the next one.
    pub async fn next(&self) -> Claimed {
        loop {
            let filled = self.filled.notified();
            if let Some(delivery) = self.take() {
                return delivery;
            }
            filled.await;
        }
    }

    /// Waits until there is room for more of a mailing.
    pub async fn low(&self) {
        self.drained.notified().await;
    }

    /// Whether more of a mailing should be claimed.
    pub fn is_low(&self) -> bool {
        self.cards().mailing.len() < self.low
    }

    /// How many urgent ones there are.
    pub fn urgent(&self) -> usize {
        self.cards().urgent.len()
    }

    /// Everything, for handing it back.
    pub fn take_all(&self) -> Vec<Claimed> {
        let mut cards = self.cards();
        let Cards { urgent, mailing } = std::mem::take(&mut *cards);
        urgent.into_iter().chain(mailing).collect()
    }

    fn cards(&self) -> MutexGuard<'_, Cards> {
        // Nothing in here can panic while the lock is held.
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
