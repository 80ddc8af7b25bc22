//! The retention periods that the operator may choose; the others are fixed, see [`crate::domain::retention`].

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// The times of a publication (Art. 5(1)(e) DSGVO). They stand on the page that tells subscribers what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Days for which it is known who got a mailing and how that ended, and so for every other mail.
    pub mailing_days: u16,
    /// Years for which a consent can be proved, after the year in which it was withdrawn.
    pub proof_years: u16,
}

impl Default for Retention {
    /// 90 days; three years, as claims end then (§§ 195, 199 BGB).
    fn default() -> Self {
        Self { mailing_days: 90, proof_years: 3 }
    }
}

impl Retention {
    /// A week at least: a retry and the report need that time.
    pub const MAILING_DAYS: RangeInclusive<u16> = 7..=730;
    /// Longer than any claim lives nobody keeps a name.
    pub const PROOF_YEARS: RangeInclusive<u16> = 1..=10;

    /// Whether these are the times of those who have chosen none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether something is deleted sooner with these than with the others.
    #[must_use]
    pub fn is_shorter_than(&self, other: Self) -> bool {
        self.mailing_days < other.mailing_days || self.proof_years < other.proof_years
    }

    /// Looks for times that are too short or too long. The problem names its field.
    pub(super) fn check(self) -> Result<(), &'static str> {
        if !Self::MAILING_DAYS.contains(&self.mailing_days) {
            return Err("retention.mailing_days must be between 7 and 730");
        }
        if !Self::PROOF_YEARS.contains(&self.proof_years) {
            return Err("retention.proof_years must be between 1 and 10");
        }
        Ok(())
    }
}
