//! Subscribers as lines of CSV, for the command and for the staff pages.

use crate::domain::csv::harmless;

use super::{Subscriber, SubscriberState};

/// Subscribers read at once.
pub const PAGE: i64 = 5_000;

/// The first line.
pub const COLUMNS: [&str; 6] = ["email", "locale", "state", "confirmed_at", "state_changed_at", "id"];

/// A subscriber's line.
#[must_use]
pub fn line(subscriber: &Subscriber) -> [String; 6] {
    [
        harmless(subscriber.email.as_str()).into_owned(),
        subscriber.locale.tag().to_owned(),
        subscriber.state.name().to_owned(),
        subscriber.confirmed_at.to_rfc3339(),
        subscriber.state_changed_at.to_rfc3339(),
        subscriber.id.to_string(),
    ]
}

impl SubscriberState {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Active, Self::Unsubscribed, Self::Bounced, Self::Complained];

    /// The name that tables and forms know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unsubscribed => "unsubscribed",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}
