//! The send rate: one budget for all workers together, kept in the database.

use std::time::Duration;

use sqlx::PgPool;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until},
};

/// Hands out the moments at which messages may start.
pub struct Throttle {
    pool: PgPool,
    /// Messages a second; 0 is unlimited.
    rate: u32,
    slots: Mutex<Slots>,
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
    pub async fn permit(&self) {
        if self.rate == 0 {
            return;
        }
        let mut slots = self.slots.lock().await;
        while slots.left == 0 {
            match self.reserve().await {
                Ok((begin, count)) => *slots = Slots { next: Some(begin), left: count },
                Err(error) => {
                    tracing::warn!(%error, "the send budget cannot be read");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
        let at = slots.next.unwrap_or_else(Instant::now);
        slots.left -= 1;
        slots.next = Some(at + Duration::from_secs(1) / self.rate);
        drop(slots);
        sleep_until(at).await;
    }

    /// Takes the next slots of the common budget: a quarter of a second's worth, at least one. Answers when the
    /// first of them begins.
    async fn reserve(&self) -> sqlx::Result<(Instant, u32)> {
        let count = (self.rate / 4).max(1);
        let seconds = f64::from(count) / f64::from(self.rate);
        // The row's lock makes workers take turns; `clock_timestamp` is the time after waiting for it.
        let wait = sqlx::query_scalar!(
            r#"with taken as (
                   update send_budget
                   set handed_out_to = greatest(handed_out_to, clock_timestamp()) + make_interval(secs => $1)
                   returning handed_out_to
               )
               select greatest(extract(epoch from handed_out_to - clock_timestamp()) - $1, 0)::float8 as "wait!"
               from taken"#,
            seconds
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((Instant::now() + Duration::from_secs_f64(wait.clamp(0.0, 3600.0)), count))
    }
}
