//! A rush: so many signups within an hour that each further one has to bring a solved [challenge](super::challenge).
//!
//! It begins at half of what the [limits](super::limits) allow, so that people who come meanwhile still get their mail.
//! What is decided depends on what came before, from where, and never on an address (invariant 4).

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::config::SignupLimits;

use super::limits::{Place, PlaceOf, SHARED};

/// The time in which signups are counted, as for the limits.
const WINDOW: Duration = Duration::hours(1);

/// What the signups of the hour mean for the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// There is a rush: it has to bring a proof of work.
    pub asks: bool,
    /// A limit is reached: its mail will be [held](super::held) for staff.
    pub waits: bool,
}

impl Standing {
    /// What two counts mean together.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { asks: self.asks || other.asks, waits: self.waits || other.waits }
    }
}

/// From how many signups within the hour on what is the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    /// A proof of work is asked for.
    rush: u32,
    /// Mails are held; 0 is never.
    limit: u32,
}

impl Line {
    /// A rush begins at half of a limit; where there is none, at a number of its own.
    fn of(limit: u32, rush_without: u32) -> Self {
        Self { rush: if limit == 0 { rush_without } else { limit.div_ceil(2) }, limit }
    }

    /// The same for a place that may stand for many.
    fn for_place(self, of: PlaceOf) -> Self {
        let limit = if of.is_shared() { self.limit * SHARED } else { self.limit };
        Self { rush: self.rush * of.patience(), limit }
    }

    /// As far as is counted.
    fn most(self) -> i64 {
        self.rush.max(self.limit).into()
    }

    fn at(self, count: i64) -> Standing {
        Standing { asks: count >= self.rush.into(), waits: self.limit > 0 && count >= self.limit.into() }
    }
}

/// The lines of what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// From one IPv4 address or IPv6 /64.
    from_client: Line,
    /// From one IPv4 /24 or IPv6 /48.
    from_range: Line,
    /// In all. What was turned away does not count: no single network brings a rush upon everybody.
    in_all: Line,
}

impl Thresholds {
    /// Half of the limits; where there is none, half of its default.
    #[must_use]
    pub fn of(limits: &SignupLimits) -> Self {
        Self {
            from_client: Line::of(limits.per_client, 30),
            from_range: Line::of(limits.per_range, 30),
            in_all: Line::of(limits.in_all, 500),
        }
    }
}

/// How it stands with the network of this place. Each count stops where it can change nothing more.
///
/// # Errors
/// When the database fails.
pub async fn from_network(
    db: &mut PgConnection,
    thresholds: Thresholds,
    place: &Place,
    now: DateTime<Utc>,
) -> sqlx::Result<Standing> {
    let (client, range) =
        (thresholds.from_client.for_place(place.of), thresholds.from_range.for_place(place.of));
    // In the order of the indexes, so that they are read whatever the planner thinks of the table.
    let counts = sqlx::query!(
        r#"select
             (select count(*) from (
                 select from signups where client_hmac = $1 and requested_at > $3
                 order by requested_at desc limit $4) c) as "client!",
             (select count(*) from (
                 select from signups where range_hmac = $2 and requested_at > $3
                 order by requested_at desc limit $5) c) as "range!""#,
        place.client.as_slice(),
        place.range.as_slice(),
        now - WINDOW,
        client.most(),
        range.most()
    )
    .fetch_one(db)
    .await?;
    Ok(client.at(counts.client).or(range.at(counts.range)))
}

/// How it stands with all signups. The count stops where it can change nothing more.
///
/// # Errors
/// When the database fails.
pub async fn in_all(
    db: &mut PgConnection,
    thresholds: Thresholds,
    now: DateTime<Utc>,
) -> sqlx::Result<Standing> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from (
             select from signups where turned_away_at is null and requested_at > $1
             order by requested_at desc limit $2) c"#,
        now - WINDOW,
        thresholds.in_all.most()
    )
    .fetch_one(db)
    .await?;
    Ok(thresholds.in_all.at(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thresholds(per_client: u32, per_range: u32, in_all: u32) -> Thresholds {
        Thresholds::of(&SignupLimits {
            per_client,
            per_range,
            in_all,
            repeat_minutes: 0,
            mails_a_day: 0,
            mails_a_week: 0,
            per_domain: 0,
        })
    }

    #[test]
    fn a_rush_begins_at_half_of_the_limits_and_somewhere_without_them() {
        let rush = |t: Thresholds| [t.from_client.rush, t.from_range.rush, t.in_all.rush];
        assert_eq!(rush(thresholds(20, 60, 1_000)), [10, 30, 500]);
        assert_eq!(rush(thresholds(1, 5, 1)), [1, 3, 1]);
        assert_eq!(rush(thresholds(0, 0, 0)), [30, 30, 500]);
    }

    #[test]
    fn who_may_be_many_is_asked_and_held_later() {
        let line = thresholds(20, 60, 1_000).from_client;
        let at = |of, count| line.for_place(of).at(count);
        let standing = |asks, waits| Standing { asks, waits };
        assert_eq!(at(PlaceOf::Visitor, 20), standing(true, true));
        assert_eq!(at(PlaceOf::LikelyVisitor, 10), standing(true, false));
        assert_eq!(at(PlaceOf::LikelyVisitor, 200), standing(true, true));
        assert_eq!(at(PlaceOf::Everybody, 99), standing(false, false));
        assert_eq!(at(PlaceOf::Everybody, 199), standing(true, false));
        assert_eq!(at(PlaceOf::Everybody, 200), standing(true, true));
    }

    #[test]
    fn a_mail_waits_from_the_limit_on_and_never_without_one() {
        let line = thresholds(20, 60, 1_000).from_client;
        let standing = |asks, waits| Standing { asks, waits };
        assert_eq!(line.at(9), standing(false, false));
        assert_eq!(line.at(10), standing(true, false));
        assert_eq!(line.at(20), standing(true, true));
        assert_eq!(thresholds(0, 0, 0).in_all.at(10_000), standing(true, false));
        assert_eq!(standing(true, false).or(standing(false, true)), standing(true, true));
    }
}
