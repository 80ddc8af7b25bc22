//! When a mailing may be planned to begin.

use chrono::{DateTime, TimeDelta, Utc};

/// How far ahead a mailing may be planned: who reads that far is not known, and nobody remembers it.
const FARTHEST: TimeDelta = TimeDelta::days(366);

/// Why no mailing can begin at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartTimeError {
    /// It has passed.
    #[error("this time has passed; name one that is to come")]
    Passed,
    /// It is more than a year ahead.
    #[error("this time is more than a year ahead; name an earlier one")]
    TooFar,
}

/// Looks at a time at which a mailing is to begin.
///
/// # Errors
/// [`StartTimeError`].
pub fn check(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), StartTimeError> {
    if at <= now {
        return Err(StartTimeError::Passed);
    }
    if at > now + FARTHEST {
        return Err(StartTimeError::TooFar);
    }
    Ok(())
}
