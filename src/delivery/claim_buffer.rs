//! The claim buffer: the batches a worker has claimed, and what of them no sender has yet.

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
pub struct ClaimBuffer {
    /// Copies of mailings below which the claimer is told to claim more.
    refill_below: usize,
    contents: Mutex<Contents>,
    filled: Notify,
    drained: Notify,
}

#[derive(Default)]
struct Contents {
    urgent: VecDeque<Claimed>,
    mailing: VecDeque<Claimed>,
    /// How many deliveries of each batch are not settled: here, or with a sender.
    open: HashMap<BatchId, usize>,
    /// Batches with nothing left to settle, to be closed.
    finished: Vec<BatchId>,
}

impl Contents {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.mailing.is_empty()
    }

    fn settled(&mut self, batch: BatchId) {
        let Some(open) = self.open.get_mut(&batch) else { return };
        *open -= 1;
        if *open == 0 {
            self.open.remove(&batch);
            self.finished.push(batch);
        }
    }
}

impl ClaimBuffer {
    /// An empty buffer that asks for more of a mailing when it holds fewer copies than this.
    pub fn new(refill_below: usize) -> Self {
        Self { refill_below, contents: Mutex::default(), filled: Notify::new(), drained: Notify::new() }
    }

    /// Adds what was claimed.
    pub fn add(&self, claims: Claims) {
        let count = claims.deliveries.len();
        {
            let mut contents = self.contents();
            for delivery in claims.deliveries {
                *contents.open.entry(delivery.batch).or_default() += 1;
                match delivery.kind {
                    DeliveryKind::Mailing => contents.mailing.push_back(delivery),
                    _ => contents.urgent.push_back(delivery),
                }
            }
            let empty: Vec<BatchId> =
                claims.batches.into_iter().filter(|batch| !contents.open.contains_key(batch)).collect();
            contents.finished.extend(empty);
        }
        for _ in 0..count.min(512) {
            self.filled.notify_one();
        }
    }

    /// Puts one back in front: its sender could not use it.
    pub fn put_back(&self, delivery: Claimed) {
        {
            let mut contents = self.contents();
            match delivery.kind {
                DeliveryKind::Mailing => contents.mailing.push_front(delivery),
                _ => contents.urgent.push_front(delivery),
            }
        }
        self.filled.notify_one();
    }

    /// An urgent one in exchange for this copy of a mailing, if there is one by now.
    pub fn swap_for_urgent(&self, delivery: Claimed) -> Claimed {
        if delivery.kind != DeliveryKind::Mailing {
            return delivery;
        }
        let mut contents = self.contents();
        match contents.urgent.pop_front() {
            Some(urgent) => {
                contents.mailing.push_front(delivery);
                urgent
            }
            None => delivery,
        }
    }

    /// The next one, if there is one; confirmations and tests before mailings.
    pub fn pop(&self) -> Option<Claimed> {
        let mut contents = self.contents();
        let next = contents.urgent.pop_front().or_else(|| contents.mailing.pop_front());
        if contents.mailing.len() < self.refill_below {
            self.drained.notify_one();
        }
        // One wake-up may stand for several deliveries; it is passed on.
        if !contents.is_empty() {
            self.filled.notify_one();
        }
        next
    }

    /// Waits for the next one.
    pub async fn next(&self) -> Claimed {
        loop {
            let filled = self.filled.notified();
            if let Some(delivery) = self.pop() {
                return delivery;
            }
            filled.await;
        }
    }

    /// Tells the claimer that there is something to fetch.
    pub fn request_more(&self) {
        self.drained.notify_one();
    }

    /// Waits until there is room for more of a mailing, or batches to close, or something new to fetch.
    pub async fn wait_until_low(&self) {
        self.drained.notified().await;
    }

    /// Whether more of a mailing should be claimed.
    pub fn is_low(&self) -> bool {
        self.contents().mailing.len() < self.refill_below
    }

    /// How many urgent ones there are.
    pub fn urgent_count(&self) -> usize {
        self.contents().urgent.len()
    }

    /// A delivery of this batch needs nothing more of this worker: its outcome is written, or it was not to be sent.
    pub fn settled(&self, batch: BatchId) {
        let mut contents = self.contents();
        contents.settled(batch);
        if contents.is_empty() && !contents.finished.is_empty() {
            self.drained.notify_one();
        }
    }

    /// The batches that are to be closed now.
    pub fn take_finished(&self) -> Vec<BatchId> {
        std::mem::take(&mut self.contents().finished)
    }

    /// Drops everything that no sender has: its batches are to be closed as soon as the senders are done with them.
    pub fn clear(&self) {
        let mut contents = self.contents();
        while let Some(delivery) = contents.urgent.pop_front().or_else(|| contents.mailing.pop_front()) {
            contents.settled(delivery.batch);
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Nothing in here can panic while the lock is held.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
