//! When an address is given up of which mail comes back, each time for a reason that may pass.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::Retention;

/// How often in a row, and over how long a time. See [`soft_run`](crate::domain::bounce::soft_run).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftBounces {
    /// Mailings in a row.
    pub soft_mailings: u16,
    /// Days between the first and the last of them, at least.
    pub soft_days: u16,
}

impl Default for SoftBounces {
    fn default() -> Self {
        Self { soft_mailings: 3, soft_days: 14 }
    }
}

impl SoftBounces {
    /// One full mailbox says nothing yet.
    pub const SOFT_MAILINGS: RangeInclusive<u16> = 2..=20;
    pub const SOFT_DAYS: RangeInclusive<u16> = 1..=365;

    /// Whether these are the numbers of those who have chosen none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The problem names its field.
    pub(super) fn check(self, retention: Retention) -> Result<(), &'static str> {
        if !Self::SOFT_MAILINGS.contains(&self.soft_mailings) {
            return Err("bounces.soft_mailings must be between 2 and 20");
        }
        if !Self::SOFT_DAYS.contains(&self.soft_days) {
            return Err("bounces.soft_days must be between 1 and 365");
        }
        // Those who have chosen nothing are told nothing: their numbers were not theirs.
        if !self.is_default() && self.soft_days >= retention.mailing_days {
            return Err(
                "bounces.soft_days must be less than retention.mailing_days: after those nobody knows who got what",
            );
        }
        Ok(())
    }
}
