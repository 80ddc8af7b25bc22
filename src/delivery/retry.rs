//! When to try again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The waits after the first attempts, in minutes; every later one is four hours.
const MINUTES: [i64; 6] = [1, 5, 30, 60, 120, 240];

/// Attempts until four days are over (RFC 5321 §4.5.4.1 asks for 4 to 5 days): the waits above are 7.6 hours, and 22
/// more of four hours make 95.6.
pub const MOST_ATTEMPTS: i16 = 29;

/// When a delivery that was put off is due again after its `attempt`th try (counted from 1); nothing when it is time
/// to give up, after `most` tries. `random` is any number, for the jitter that keeps many from coming back at once:
/// up to a tenth is added.
pub fn due_after(attempt: i16, most: i16, random: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if attempt >= most {
        return None;
    }
    let step = usize::try_from(attempt.max(1) - 1).unwrap_or(0);
    let wait = TimeDelta::minutes(*MINUTES.get(step).unwrap_or(&MINUTES[5]));
    let jitter = wait.num_milliseconds() / 10 * i64::from(random % 1000) / 1000;
    Some(now + wait + TimeDelta::milliseconds(jitter))
}

/// How long to leave a relay alone after it could not be used `failures` times in a row: 1 second, doubling up to
/// 30. So there are at most a few attempts a minute while it is down.
pub fn relay_pause(failures: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(failures.saturating_sub(1).min(5)).min(30))
}

/// How long to leave a relay alone after it refused our mail `failures` times in a row: 5 seconds, doubling up to a
/// quarter of an hour. Then one message is tried.
pub fn refused_pause(failures: u32) -> Duration {
    Duration::from_secs(5 * 2_u64.saturating_pow(failures.saturating_sub(1).min(8)))
        .min(Duration::from_mins(15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_a_minute_to_four_hours_and_end_after_four_days() {
        let mut now = DateTime::from_timestamp(0, 0).unwrap();
        let mut waits = Vec::new();
        for attempt in 1.. {
            let Some(due) = due_after(attempt, MOST_ATTEMPTS, 0, now) else { break };
            waits.push((due - now).num_minutes());
            now = due;
        }
        assert_eq!(waits[..7], [1, 5, 30, 60, 120, 240, 240]);
        let hours = now.timestamp() / 3600;
        assert!((92..=96).contains(&hours), "{hours} hours");
    }

    #[test]
    fn jitter_only_adds_and_at_most_a_tenth() {
        let now = DateTime::from_timestamp(0, 0).unwrap();
        for random in [0, 1, 999, u32::MAX] {
            let wait = due_after(2, MOST_ATTEMPTS, random, now).unwrap() - now;
            assert!(wait >= TimeDelta::minutes(5) && wait <= TimeDelta::seconds(330));
        }
    }

    #[test]
    fn a_relay_that_is_down_is_asked_less_and_less_often() {
        let pauses: Vec<u64> = (1..9).map(|failures| relay_pause(failures).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    }
}
