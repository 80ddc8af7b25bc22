//! Whether there is a surge of signups just now, so that one more has to bring a proof of work.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    config::{Captcha, Config},
    domain::signup::{
        limits::ClientNetwork,
        surge::{self, Surge, Thresholds},
    },
};

/// How long a count of all signups is believed. Meanwhile nobody counts them.
const COUNTED_FOR: Duration = Duration::from_secs(1);

/// Knows how many signups there are just now, and what that means for one more.
pub struct Watch {
    mode: Captcha,
    thresholds: Thresholds,
    counted: Mutex<Counted>,
}

/// What this process counted of all signups.
#[derive(Default)]
struct Counted {
    at: Option<Instant>,
    surge: Surge,
}

impl Counted {
    /// What was counted, if that was not long ago.
    fn lately(&self) -> Option<Surge> {
        self.at.is_some_and(|at| at.elapsed() < COUNTED_FOR).then_some(self.surge)
    }
}

impl Watch {
    /// As it is configured.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let thresholds = Thresholds::of(&config.signup_limits);
        Self { mode: config.guard.captcha, thresholds, counted: Mutex::default() }
    }

    /// Whether a proof of work is asked for every time, and waiting does not help.
    #[must_use]
    pub fn always_asks(&self) -> bool {
        self.mode == Captcha::Always
    }

    /// Whether a signup from this network has to bring a proof of work, and whether its mail will be held for staff. One whose
    /// network cannot be told is judged by all signups alone.
    pub async fn surge(
        &self,
        db: &mut PgConnection,
        network: Option<&ClientNetwork>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Surge> {
        let all = self.in_all(db, now).await?;
        let found = match network {
            Some(network) => all.or(surge::from_network(db, self.thresholds, network, now).await?),
            None => all,
        };
        let needs_proof = match self.mode {
            Captcha::Off => false,
            Captcha::Adaptive => found.needs_proof,
            Captcha::Always => true,
        };
        Ok(Surge { needs_proof, ..found })
    }

    /// Whether a proof of work is asked for, where that is known without the database.
    #[must_use]
    pub fn known(&self, network: Option<&ClientNetwork>) -> Option<bool> {
        match self.mode {
            Captcha::Off => Some(false),
            Captcha::Always => Some(true),
            Captcha::Adaptive => {
                let needs_proof = self.counted().lately()?.needs_proof;
                (needs_proof || network.is_none()).then_some(needs_proof)
            }
        }
    }

    /// Counts once a second. Whoever comes while somebody counts goes by what was counted before, and waits for nobody.
    async fn in_all(&self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Surge> {
        {
            let mut counted = self.counted();
            if let Some(surge) = counted.lately() {
                return Ok(surge);
            }
            counted.at = Some(Instant::now());
        }
        let surge = surge::in_all(db, self.thresholds, now).await?;
        self.counted().surge = surge;
        Ok(surge)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
