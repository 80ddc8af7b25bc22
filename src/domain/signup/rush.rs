//! A rush: so many signups within an hour that each further one has to bring a solved [challenge](super::challenge).
//!
//! It begins at half of what the [limits](super::limits) allow, so that people who come meanwhile still get their mail.
//! What is decided depends on what came before, from where, and never on an address (invariant 4).

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::config::SignupLimits;

use super::limits::Place;

/// The time in which signups are counted, as for the limits.
const WINDOW: Duration = Duration::hours(1);

/// From how many signups within the hour on there is a rush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// From one IPv4 /24 or IPv6 /48.
    from_range: u32,
    /// In all. What was turned away does not count: no single network brings a rush upon everybody.
    in_all: u32,
}

impl Thresholds {
    /// Half of the limits; where there is none, half of its default.
    #[must_use]
    pub fn of(limits: &SignupLimits) -> Self {
        let half = |limit: u32, without: u32| if limit == 0 { without } else { limit.div_ceil(2) };
        Self { from_range: half(limits.per_range, 30), in_all: half(limits.in_all, 500) }
    }
}

/// Whether there is a rush from the range of this place. The count stops at the threshold.
///
/// # Errors
/// When the database fails.
pub async fn from_range(
    db: &mut PgConnection,
    thresholds: Thresholds,
    place: &Place,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    // In the order of the index, so that it is read whatever the planner thinks of the table.
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from (
             select from signups where range_hmac = $1 and requested_at > $2
             order by requested_at desc limit $3) c"#,
        place.range.as_slice(),
        now - WINDOW,
        i64::from(thresholds.from_range)
    )
    .fetch_one(db)
    .await?;
    Ok(count >= i64::from(thresholds.from_range))
}

/// Whether there is a rush in all. The count stops at the threshold.
///
/// # Errors
/// When the database fails.
pub async fn in_all(db: &mut PgConnection, thresholds: Thresholds, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from (
             select from signups where turned_away_at is null and requested_at > $1
             order by requested_at desc limit $2) c"#,
        now - WINDOW,
        i64::from(thresholds.in_all)
    )
    .fetch_one(db)
    .await?;
    Ok(count >= i64::from(thresholds.in_all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thresholds(per_range: u32, in_all: u32) -> Thresholds {
        Thresholds::of(&SignupLimits {
            per_range,
            in_all,
            repeat_minutes: 0,
            mails_a_day: 0,
            mails_a_week: 0,
            per_client: 0,
            per_domain: 0,
        })
    }

    #[test]
    fn a_rush_begins_at_half_of_the_limits_and_somewhere_without_them() {
        assert_eq!(thresholds(60, 1_000), Thresholds { from_range: 30, in_all: 500 });
        assert_eq!(thresholds(5, 1), Thresholds { from_range: 3, in_all: 1 });
        assert_eq!(thresholds(0, 0), Thresholds { from_range: 30, in_all: 500 });
    }
}
