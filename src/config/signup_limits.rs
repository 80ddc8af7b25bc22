//! How many mails signups may cause.

use super::{Source, number, optional};

/// Limits on signups and on the mails that answer them; 0 is no limit. What is over a limit waits for staff, except for a
/// repeat within `repeat_minutes`, whose first mail still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignupLimits {
    /// Minutes within which a repeated signup of an unconfirmed mailbox sends no further mail
    /// (`CONFIRMATION_REPEAT_MINUTES`, default 10).
    pub repeat_minutes: u32,
    /// Mails that answer signups, per mailbox and day (`CONFIRMATIONS_A_DAY`, default 3).
    pub mails_a_day: u32,
    /// The same in seven days (`CONFIRMATIONS_A_WEEK`, default 5).
    pub mails_a_week: u32,
    /// Signups per hour from one IPv4 address or IPv6 /64 (`SIGNUPS_PER_CLIENT`, default 20).
    pub per_client: u32,
    /// Signups per hour from one IPv4 /24 or IPv6 /48 (`SIGNUPS_PER_RANGE`, default 60).
    pub per_range: u32,
    /// Signups per hour for addresses of one mail domain (`SIGNUPS_PER_DOMAIN`, default 300).
    pub per_domain: u32,
    /// The same in all (`SIGNUPS_IN_ALL`, default 1,000).
    pub in_all: u32,
}

impl SignupLimits {
    pub(super) fn read(source: &Source, problems: &mut Vec<String>) -> Self {
        let mut limit = |name: &str, default: u32, most: u32| {
            optional(source, problems, name, |text| number(text, 0, most)).unwrap_or(default)
        };
        Self {
            repeat_minutes: limit("CONFIRMATION_REPEAT_MINUTES", 10, 1_440),
            mails_a_day: limit("CONFIRMATIONS_A_DAY", 3, 1_000),
            mails_a_week: limit("CONFIRMATIONS_A_WEEK", 5, 1_000),
            per_client: limit("SIGNUPS_PER_CLIENT", 20, 1_000_000),
            per_range: limit("SIGNUPS_PER_RANGE", 60, 1_000_000),
            per_domain: limit("SIGNUPS_PER_DOMAIN", 300, 1_000_000),
            in_all: limit("SIGNUPS_IN_ALL", 1_000, 1_000_000),
        }
    }
}
