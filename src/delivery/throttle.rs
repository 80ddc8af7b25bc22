//! The send rate: one budget for all workers together, kept in the database.

use std::time::Duration;

use sqlx::PgPool;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until},
};

use crate::domain::queue::send_budget;

/// Hands out the moments at which messages may start.
pub struct Throttle {
    pool: PgPool,
    /// MessageBuilder a second; 0 is unlimited.
    rate: u32,
    slots: Mutex<Slots>,
}

/// Permission to start one message now.
pub struct Permit(Instant);

/// After this time a moment is over: using it then would be a burst.
const FRESH: Duration = Duration::from_millis(500);

/// How long to wait before asking again, when the coming second is taken.
const TAKEN: Duration = Duration::from_millis(100);

impl Permit {
    /// Whether it can still be used.
    pub fn is_fresh(&self) -> bool {
        self.0.elapsed() < FRESH
    }
}

/// Moments taken from the common budget and not yet used.
#[derive(Default)]
struct Slots {
    next: Option<Instant>,
    left: u32,
}

impl Throttle {
    /// A throttle for `rate` messages a second over all workers; 0 is unlimited.
    pub fn new(pool: PgPool, rate: u32) -> Self {
        Self { pool, rate, slots: Mutex::default() }
    }

    /// Whether there is a limit at all.
    pub fn is_limited(&self) -> bool {
        self.rate > 0
    }

    /// Waits until a message may start. While the database is away nothing may.
    pub async fn permit(&self) -> Permit {
        if self.rate == 0 {
            return Permit(Instant::now());
        }
        let mut slots = self.slots.lock().await;
        let stale = |next: Instant| next + FRESH < Instant::now();
        if slots.next.is_some_and(stale) {
            slots.left = 0;
        }
        while slots.left == 0 {
            match self.reserve().await {
                Ok(Some((begin, count))) => *slots = Slots { next: Some(begin), left: count },
                Ok(None) => sleep(TAKEN).await,
                Err(error) => {
                    tracing::warn!(%error, "the send budget cannot be read");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
        let at = slots.next.unwrap_or_else(Instant::now);
        // Waiting with the lock held: the others take no more from the common budget before this slot has come.
        sleep_until(at).await;
        slots.left -= 1;
        slots.next = Some(at + Duration::from_secs(1) / self.rate);
        Permit(Instant::now())
    }

    /// Takes the next slots of the common budget: a twentieth of a second's worth, at least one. Little, because what a
    /// killed worker had taken is lost to the others. Answers when the first of them begins; nothing while the other
    /// workers have taken all of the coming second.
    async fn reserve(&self) -> sqlx::Result<Option<(Instant, u32)>> {
        let count = (self.rate / 20).max(1);
        let worth = Duration::from_secs(count.into()) / self.rate;
        let wait = send_budget::reserve(&mut *self.pool.acquire().await?, worth).await?;
        Ok(wait.map(|wait| (Instant::now() + wait, count)))
    }
}
