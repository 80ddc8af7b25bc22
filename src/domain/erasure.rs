//! Erasure (Art. 17 DSGVO): everything about an address goes; a keyed HMAC stays, so that no import brings it back.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{
        address::NormalizedAddress,
        consent::{self, ConsentMethod},
        delivery,
        ids::SubscriberId,
        record, signup,
        subscriber::{self, SubscriberState},
        suppression::{self, SuppressionReason},
    },
};

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Whether there was a subscriber.
    pub subscriber: bool,
    /// How many signups there were.
    pub signups: u64,
    /// How many consent events there were.
    pub consent_events: i64,
    /// How many addresses the subscription had before; their records are gone too, and counted above.
    pub former_addresses: usize,
}

/// Removes an address and everything recorded of it, and so of the addresses its subscription had before.
///
/// Deliveries of past mailings stay as counts with nobody behind them. What is waiting to be sent is skipped.
///
/// # Errors
/// When the database fails.
pub async fn erase(
    db: &mut PgConnection,
    keys: &SecretKeys,
    address: &NormalizedAddress,
    method: ConsentMethod,
    now: DateTime<Utc>,
) -> sqlx::Result<Erased> {
    let mut erased = Erased::default();
    let mut gone = vec![address.clone()];
    let mut open = vec![address.clone()];
    while let Some(next) = open.pop() {
        for former in erase_one(db, keys, &next, method, &mut erased, now).await? {
            // With an active subscription of its own, an address goes on in its own right.
            let is_active = subscriber::by_address(db, &former)
                .await?
                .is_some_and(|known| known.state == SubscriberState::Active);
            if !is_active && !gone.contains(&former) {
                gone.push(former.clone());
                open.push(former);
            }
        }
    }
    erased.former_addresses = gone.len() - 1;
    Ok(erased)
}

/// Removes one address; answers which ones its subscription had before.
async fn erase_one(
    db: &mut PgConnection,
    keys: &SecretKeys,
    address: &NormalizedAddress,
    method: ConsentMethod,
    erased: &mut Erased,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<NormalizedAddress>> {
    let subscriber = sqlx::query_scalar!(
        r#"select id as "id: SubscriberId" from subscribers where email_normalized = $1 for update"#,
        address.as_str()
    )
    .fetch_optional(&mut *db)
    .await?;
    let mut former = Vec::new();
    if let Some(id) = subscriber {
        former = record::former_addresses_of(db, id).await?.into_iter().map(|row| row.normalized).collect();
        signup::address_change::forget(db, id).await?;
        delivery::skip_for_subscriber(db, id, now).await?;
        delivery::forget_subscriber(db, id).await?;
        sqlx::query!("delete from subscribers where id = $1", id.0).execute(&mut *db).await?;
        erased.subscriber = true;
    }
    delivery::forget_address(db, address).await?;
    erased.signups += sqlx::query!("delete from signups where email_normalized = $1", address.as_str())
        .execute(&mut *db)
        .await?
        .rows_affected();
    erased.consent_events += consent::erase(db, address).await?;
    suppression::add(db, keys, address, SuppressionReason::Erased, now).await?;
    consent::record_erased(db, &suppression::address_hmac(keys, address), method, now).await?;
    Ok(former)
}
