//! The hand: the batches a worker has claimed, and what of them no sender has yet.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::domain::{
    ids::BatchId,
    queue::{batch::Claims, delivery::DeliveryKind, transmission::Claimed},
};

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
    /// How many deliveries of each batch are not settled: here, or with a sender.
    open: HashMap<BatchId, usize>,
    /// Batches with nothing left to settle, to be closed.
    over: Vec<BatchId>,
}

impl Cards {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.mailing.is_empty()
    }

    fn settled(&mut self, batch: BatchId) {
        let Some(open) = self.open.get_mut(&batch) else { return };
        *open -= 1;
        if *open == 0 {
            self.open.remove(&batch);
            self.over.push(batch);
        }
    }
}

impl Hand {
    /// An empty hand that asks for more of a mailing when it holds fewer than `low` copies.
    pub fn new(low: usize) -> Self {
        Self { low, cards: Mutex::default(), filled: Notify::new(), drained: Notify::new() }
    }

    /// Takes in what was claimed.
    pub fn put(&self, claims: Claims) {
        let count = claims.deliveries.len();
        {
            let mut cards = self.cards();
            for delivery in claims.deliveries {
                *cards.open.entry(delivery.batch).or_default() += 1;
                match delivery.kind {
                    DeliveryKind::Mailing => cards.mailing.push_back(delivery),
                    _ => cards.urgent.push_back(delivery),
                }
            }
            let empty: Vec<BatchId> =
                claims.batches.into_iter().filter(|batch| !cards.open.contains_key(batch)).collect();
            cards.over.extend(empty);
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

    /// An urgent one in exchange for this copy of a mailing, if there is one by now.
    pub fn exchange(&self, delivery: Claimed) -> Claimed {
        if delivery.kind != DeliveryKind::Mailing {
            return delivery;
        }
        let mut cards = self.cards();
        match cards.urgent.pop_front() {
            Some(urgent) => {
                cards.mailing.push_front(delivery);
                urgent
            }
            None => delivery,
        }
    }

    /// The next one, if there is one; confirmations and tests before mailings.
    pub fn take(&self) -> Option<Claimed> {
        let mut cards = self.cards();
        let next = cards.urgent.pop_front().or_else(|| cards.mailing.pop_front());
        if cards.mailing.len() < self.low {
            self.drained.notify_one();
        }
        // One wake-up may stand for several cards; it is passed on.
        if !cards.is_empty() {
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

    /// Tells the dispatcher that there is something to fetch.
    pub fn ask_for_more(&self) {
        self.drained.notify_one();
    }

    /// Waits until there is room for more of a mailing, or batches to close, or something new to fetch.
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

    /// A delivery of this batch needs nothing more of this worker: its outcome is written, or it was not to be sent.
    pub fn settled(&self, batch: BatchId) {
        let mut cards = self.cards();
        cards.settled(batch);
        if cards.is_empty() && !cards.over.is_empty() {
            self.drained.notify_one();
        }
    }

    /// The batches that are to be closed now.
    pub fn take_over(&self) -> Vec<BatchId> {
        std::mem::take(&mut self.cards().over)
    }

    /// Lays down everything that no sender has: its batches are to be closed as soon as the senders are done with them.
    pub fn lay_down(&self) {
        let mut cards = self.cards();
        while let Some(delivery) = cards.urgent.pop_front().or_else(|| cards.mailing.pop_front()) {
            cards.settled(delivery.batch);
        }
    }

    fn cards(&self) -> MutexGuard<'_, Cards> {
        // Nothing in here can panic while the lock is held.
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
