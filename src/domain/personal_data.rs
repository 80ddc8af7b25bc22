//! Everything that is stored of a person: what `subscribers show` shows, and what the person gets to see (Art. 15 DSGVO).

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{
        address::{EmailAddress, NormalizedAddress},
        bounce::{self, OwnBounce},
        consent::{self, ConsentEvent, ConsentKind},
        ids::SubscriberId,
        queue::delivery,
        signup,
        subscriber::{self, Subscriber},
        suppression::{self, SuppressionReason},
    },
};

#[derive(Debug, Clone, Serialize)]
pub struct PersonalData {
    /// Whose it is.
    pub address: EmailAddress,
    /// The subscription, of now or before.
    pub subscriber: Option<Subscriber>,
    /// Why the address must not be mailed, if so.
    pub suppressed: Option<SuppressionReason>,
    /// Every request made with the address.
    pub signups: Vec<signup::ListedSignup>,
    /// Every message to it.
    pub deliveries: Vec<delivery::ListedDelivery>,
    /// What came back about them.
    pub bounces: Vec<OwnBounce>,
    /// What was agreed to, how, and when.
    pub consent_events: Vec<ConsentEvent>,
    /// The addresses the subscription had before, each with its record of consent.
    pub former_addresses: Vec<FormerAddress>,
}

/// An address that a subscription had before.
#[derive(Debug, Clone, Serialize)]
pub struct FormerAddress {
    /// The address in lower case.
    pub address: String,
    /// When another took its place.
    pub left_at: DateTime<Utc>,
    /// What was agreed to with it.
    pub consent_events: Vec<ConsentEvent>,
}

impl PersonalData {
    /// Whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subscriber.is_none()
            && self.signups.is_empty()
            && self.consent_events.is_empty()
            && self.suppressed.is_none()
    }

    /// When somebody agreed whom a list brought in, where that is what counts today: they have confirmed nothing here.
    #[must_use]
    pub fn agreed_elsewhere(&self) -> Option<DateTime<Utc>> {
        let last = self.consent_events.iter().rfind(|event| event.kind == ConsentKind::Confirmed)?;
        last.consented_at
    }
}

impl PersonalData {
    /// Whether it is on record that they agreed, here or elsewhere, and have not withdrawn that since.
    #[must_use]
    pub fn has_agreed(&self) -> bool {
        let agreed =
            |event: &ConsentEvent| event.kind == ConsentKind::Confirmed || event.consented_at.is_some();
        let last =
            self.consent_events.iter().rfind(|event| agreed(event) || event.kind == ConsentKind::Withdrawn);
        last.is_some_and(|event| event.kind != ConsentKind::Withdrawn)
    }
}

/// Everything stored of an address.
pub async fn of_address(
    db: &mut PgConnection,
    keys: &SecretKeys,
    address: &EmailAddress,
) -> sqlx::Result<PersonalData> {
    let normalized = address.normalized();
    let subscriber = subscriber::by_address(db, &normalized).await?;
    let mut former_addresses = Vec::new();
    if let Some(subscriber) = &subscriber {
        for former in former_addresses_of(db, subscriber.id).await? {
            let consent_events = consent::of_address(db, &former.normalized).await?;
            let (address, left_at) = (former.normalized.as_str().to_owned(), former.left_at);
            former_addresses.push(FormerAddress { address, left_at, consent_events });
        }
    }
    Ok(PersonalData {
        address: address.clone(),
        subscriber,
        suppressed: suppression::find(db, keys, &normalized).await?,
        signups: signup::of_address(db, &normalized).await?,
        deliveries: delivery::of_address(db, &normalized).await?,
        bounces: bounce::of_address(db, &normalized).await?,
        consent_events: consent::of_address(db, &normalized).await?,
        former_addresses,
    })
}

/// An address that a subscription had before, as it stands in the table.
pub(in crate::domain) struct Former {
    pub(in crate::domain) normalized: NormalizedAddress,
    pub(in crate::domain) left_at: DateTime<Utc>,
}

/// Whether a subscription had this address before, and goes to another one now.
pub async fn is_former(db: &mut PgConnection, address: &NormalizedAddress) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from former_addresses where email_normalized = $1) as "is_former!""#,
        address.as_str()
    )
    .fetch_one(db)
    .await
}

/// The addresses that a subscription had before, oldest first.
pub(in crate::domain) async fn former_addresses_of(
    db: &mut PgConnection,
    id: SubscriberId,
) -> sqlx::Result<Vec<Former>> {
    sqlx::query_as!(
        Former,
        r#"select email_normalized as "normalized: NormalizedAddress", left_at from former_addresses
           where subscriber_id = $1 order by left_at"#,
        id.0
    )
    .fetch_all(db)
    .await
}
