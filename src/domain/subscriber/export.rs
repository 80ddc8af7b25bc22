//! Subscribers as lines of CSV, for the command and for the staff pages. An import reads them back as they were: state,
//! language, and when and where the owner consented.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::EmailAddress,
    consent::{self, ConsentKind, ConsentMethod},
    csv::harmless,
    ids::SubscriberId,
    locale::Locale,
};

use super::{Subscriber, SubscriberState};

/// Subscribers read at once.
pub const PAGE: i64 = 5_000;

/// The first line.
pub const COLUMNS: [&str; 8] =
    ["email", "locale", "state", "confirmed_at", "state_changed_at", "id", "consented_at", "consent_source"];

/// A subscriber, with the consent that counts.
#[derive(Debug)]
pub struct Exported {
    /// Who it is.
    pub subscriber: Subscriber,
    /// When they consented, here or, by a list, elsewhere.
    consented_at: Option<DateTime<Utc>>,
    /// Where, in the importer's words; or the page on which the form stood.
    source: String,
}

/// Up to `limit` subscribers behind `after`, in the order of their ids.
pub async fn page(
    db: &mut PgConnection,
    after: Option<SubscriberId>,
    limit: i64,
) -> sqlx::Result<Vec<Exported>> {
    let found = sqlx::query!(
        r#"select s.id as "id: SubscriberId", s.email as "email: EmailAddress", s.locale as "locale: Locale",
             s.state as "state: SubscriberState", s.confirmed_at, s.state_changed_at,
             c.kind as "kind?: ConsentKind", c.method as "method?: ConsentMethod", c.at as "at?", c.source,
             c.consented_at, f.form_page
           from subscribers s
           -- An undone unsubscribe goes on with the consent that there was.
           left join lateral (
               select kind, method, at, source, consented_at from consent_events e
               where e.email_normalized = s.email_normalized and e.method <> 'undo'
                 and e.kind in ('confirmed', 'listed_unsubscribed', 'listed_bounced', 'listed_complained')
               order by e.id desc limit 1) c on true
           left join lateral (
               select form_page from consent_events e
               where e.email_normalized = s.email_normalized and e.kind = 'requested' and e.form_page is not null
               order by e.id desc limit 1) f on true
           where $1::uuid is null or s.id > $1 order by s.id limit $2"#,
        after.map(|id| id.0),
        limit
    )
    .fetch_all(db)
    .await?;
    let exported = found.into_iter().map(|row| {
        let is_listed = row.method == Some(ConsentMethod::Import);
        let consented_at = if is_listed { row.consented_at } else { row.at.or(Some(row.confirmed_at)) };
        let source = match row.form_page {
            _ if is_listed => row.source.unwrap_or_default(),
            Some(page) => format!("{CONFIRMED_HERE}, {page}"),
            None => CONFIRMED_HERE.to_owned(),
        };
        let subscriber = Subscriber {
            id: row.id,
            email: row.email,
            locale: row.locale,
            state: row.state,
            confirmed_at: row.confirmed_at,
            state_changed_at: row.state_changed_at,
        };
        Exported { subscriber, consented_at, source: source.chars().take(500).collect() }
    });
    Ok(exported.collect())
}

/// The source of a consent that was given to this service itself.
const CONFIRMED_HERE: &str = "double opt-in";

/// A subscriber's line.
#[must_use]
pub fn line(exported: &Exported) -> [String; 8] {
    let subscriber = &exported.subscriber;
    let day_or_exact = |at| consent::day_alone(at).map_or_else(|| at.to_rfc3339(), |day| day.to_string());
    [
        harmless(subscriber.email.as_str()).into_owned(),
        subscriber.locale.tag().to_owned(),
        subscriber.state.name().to_owned(),
        subscriber.confirmed_at.to_rfc3339(),
        subscriber.state_changed_at.to_rfc3339(),
        subscriber.id.to_string(),
        exported.consented_at.map(day_or_exact).unwrap_or_default(),
        harmless(&exported.source).into_owned(),
    ]
}

impl SubscriberState {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Active, Self::Unsubscribed, Self::Bounced, Self::Complained];

    /// The name that tables and forms know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}
