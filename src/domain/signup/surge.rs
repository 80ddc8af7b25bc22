//! A surge: so many signups within an hour that each further one has to bring a solved [challenge](super::challenge).
//!
//! It begins at half of what the [limits](super::limits) allow, so that people who come meanwhile still get their mail.
//! What is decided depends on what came before, from where, and never on an address (invariant 4).

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::config::SignupLimits;

use super::limits::{ClientNetwork, NetworkOf, SHARED};

/// The time in which signups are counted, as for the limits.
const WINDOW: Duration = Duration::hours(1);

/// What the signups of the hour mean for the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surge {
    /// It has to bring a proof of work.
    pub needs_proof: bool,
    /// A limit is reached: its mail will be [held](super::held) for staff.
    pub holds_mail: bool,
}

impl Surge {
    /// What two counts mean together.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            needs_proof: self.needs_proof || other.needs_proof,
            holds_mail: self.holds_mail || other.holds_mail,
        }
    }
}

/// Signups within the hour from which on something is asked or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Threshold {
    /// A proof of work is asked for.
    surge: u32,
    /// Mails are held; 0 is never.
    limit: u32,
}

impl Threshold {
    /// A surge begins at half of a limit; where there is none, at a number of its own.
    fn of(limit: u32, surge_without: u32) -> Self {
        Self { surge: if limit == 0 { surge_without } else { limit.div_ceil(2) }, limit }
    }

    /// The same for a network that may stand for many.
    fn for_network(self, of: NetworkOf) -> Self {
        let limit = if of.is_shared() { self.limit * SHARED } else { self.limit };
        Self { surge: self.surge * of.patience(), limit }
    }

    /// As far as is counted.
    fn most(self) -> i64 {
        self.surge.max(self.limit).into()
    }

    fn at(self, count: i64) -> Surge {
        Surge {
            needs_proof: count >= self.surge.into(),
            holds_mail: self.limit > 0 && count >= self.limit.into(),
        }
    }
}

/// A threshold for each thing that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// From one IPv4 address or IPv6 /64.
    from_client: Threshold,
    /// From one IPv4 /24 or IPv6 /48.
    from_range: Threshold,
    /// In all. What was turned away does not count: no single network can cause a surge for everybody.
    in_all: Threshold,
}

impl Thresholds {
    /// Half of the limits; where there is none, half of its default.
    #[must_use]
    pub fn of(limits: &SignupLimits) -> Self {
        Self {
            from_client: Threshold::of(limits.per_client, 30),
            from_range: Threshold::of(limits.per_range, 30),
            in_all: Threshold::of(limits.in_all, 500),
        }
    }
}

/// What the signups of the hour from this network mean. Each count stops where it can change nothing more.
pub async fn from_network(
    db: &mut PgConnection,
    thresholds: Thresholds,
    network: &ClientNetwork,
    now: DateTime<Utc>,
) -> sqlx::Result<Surge> {
    let (client, range) =
        (thresholds.from_client.for_network(network.of), thresholds.from_range.for_network(network.of));
    // In the order of the indexes, so that they are read whatever the planner thinks of the table.
    let counts = sqlx::query!(
        r#"select
             (select count(*) from (
                 select from signups where client_hmac = $1 and requested_at > $3
                 order by requested_at desc limit $4) c) as "client!",
             (select count(*) from (
                 select from signups where range_hmac = $2 and requested_at > $3
                 order by requested_at desc limit $5) c) as "range!""#,
        network.client.as_slice(),
        network.range.as_slice(),
        now - WINDOW,
        client.most(),
        range.most()
    )
    .fetch_one(db)
    .await?;
    Ok(client.at(counts.client).or(range.at(counts.range)))
}

/// What all signups of the hour mean. The count stops where it can change nothing more.
pub async fn in_all(
    db: &mut PgConnection,
    thresholds: Thresholds,
    now: DateTime<Utc>,
) -> sqlx::Result<Surge> {
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
    fn a_surge_begins_at_half_of_the_limits_and_somewhere_without_them() {
        let surge = |t: Thresholds| [t.from_client.surge, t.from_range.surge, t.in_all.surge];
        assert_eq!(surge(thresholds(20, 60, 1_000)), [10, 30, 500]);
        assert_eq!(surge(thresholds(1, 5, 1)), [1, 3, 1]);
        assert_eq!(surge(thresholds(0, 0, 0)), [30, 30, 500]);
    }

    #[test]
    fn who_may_be_many_is_asked_and_held_later() {
        let line = thresholds(20, 60, 1_000).from_client;
        let at = |of, count| line.for_network(of).at(count);
        let surge = |needs_proof, holds_mail| Surge { needs_proof, holds_mail };
        assert_eq!(at(NetworkOf::Visitor, 20), surge(true, true));
        assert_eq!(at(NetworkOf::LikelyVisitor, 10), surge(true, false));
        assert_eq!(at(NetworkOf::LikelyVisitor, 200), surge(true, true));
        assert_eq!(at(NetworkOf::Everybody, 99), surge(false, false));
        assert_eq!(at(NetworkOf::Everybody, 199), surge(true, false));
        assert_eq!(at(NetworkOf::Everybody, 200), surge(true, true));
    }

    #[test]
    fn a_mail_is_held_from_the_limit_on_and_never_without_one() {
        let line = thresholds(20, 60, 1_000).from_client;
        let surge = |needs_proof, holds_mail| Surge { needs_proof, holds_mail };
        assert_eq!(line.at(9), surge(false, false));
        assert_eq!(line.at(10), surge(true, false));
        assert_eq!(line.at(20), surge(true, true));
        assert_eq!(thresholds(0, 0, 0).in_all.at(10_000), surge(true, false));
        assert_eq!(surge(true, false).or(surge(false, true)), surge(true, true));
    }
}
