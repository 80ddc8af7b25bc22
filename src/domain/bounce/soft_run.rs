//! When an address is given up of which mail comes back, each time for a reason that may pass.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::domain::publication::{self, SoftBounces};

/// One copy of a mailing to a subscriber, and whether it came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    pub sent_at: DateTime<Utc>,
    pub has_bounced: bool,
}

/// How many copies in a row have to come back, and over how long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoftLimit {
    pub mailings: usize,
    pub over: Duration,
}

impl From<SoftBounces> for SoftLimit {
    fn from(chosen: SoftBounces) -> Self {
        Self { mailings: chosen.soft_mailings.into(), over: Duration::days(chosen.soft_days.into()) }
    }
}

impl SoftLimit {
    /// What the publication says.
    pub async fn current(db: &mut PgConnection) -> sqlx::Result<Self> {
        let publication = publication::current(db).await?;
        Ok(publication.map(|publication| publication.content.bounces).unwrap_or_default().into())
    }

    /// Whether the newest copies have come back in a row, so many and over so long a time. One that was taken and did not
    /// come back ends the run.
    #[must_use]
    pub fn is_reached(self, mut copies: Vec<Copy>) -> bool {
        copies.sort_by_key(|copy| std::cmp::Reverse(copy.sent_at));
        let run: Vec<_> = copies.iter().take_while(|copy| copy.has_bounced).collect();
        let (Some(newest), Some(oldest)) = (run.first(), run.last()) else { return false };
        run.len() >= self.mailings && newest.sent_at - oldest.sent_at >= self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(on: &[(i64, bool)]) -> Vec<Copy> {
        let at = |day| DateTime::UNIX_EPOCH + Duration::days(day);
        on.iter().map(|(day, has_bounced)| Copy { sent_at: at(*day), has_bounced: *has_bounced }).collect()
    }

    #[test]
    fn three_in_a_row_over_fourteen_days_are_the_end_and_a_good_one_begins_anew() {
        for (on, is_reached) in [
            (&[][..], false),
            (&[(0, true), (7, true)], false),
            (&[(0, true), (7, true), (13, true)], false),
            (&[(0, true), (7, true), (14, true)], true),
            (&[(0, true), (14, true)], false),
            (&[(0, true), (1, true), (2, true), (30, true)], true),
            (&[(0, true), (7, false), (14, true), (21, true)], false),
            (&[(0, true), (7, true), (14, true), (21, false)], false),
            (&[(0, false), (7, true), (14, true), (21, true)], true),
        ] {
            assert_eq!(SoftLimit::from(SoftBounces::default()).is_reached(copies(on)), is_reached, "{on:?}");
            let backwards: Vec<_> = on.iter().copied().rev().collect();
            assert_eq!(
                SoftLimit::from(SoftBounces::default()).is_reached(copies(&backwards)),
                is_reached,
                "in any order"
            );
        }
    }
}
