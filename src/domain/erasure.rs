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
        suppression::{self, SuppressionReason},
    },
};

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Whether there was a subscriber.
    pub subscriber: bool,
    /// How many signups there were.
    pub signups: u64,
    /// How many consent events there were.
    pub consent_events: i64,
}

/// Removes an address and everything recorded of it.
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
    let subscriber = sqlx::query_scalar!(
        r#"select id as "id: SubscriberId" from subscribers where email_normalized = $1 for update"#,
        address.as_str()
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(id) = subscriber {
        delivery::skip_for_subscriber(db, id, now).await?;
        delivery::forget_subscriber(db, id).await?;
        sqlx::query!("delete from subscribers where id = $1", id.0).execute(&mut *db).await?;
    }
    delivery::forget_address(db, address).await?;
    let signups = sqlx::query!("delete from signups where email_normalized = $1", address.as_str())
        .execute(&mut *db)
        .await?
        .rows_affected();
    let consent_events = consent::erase(db, address).await?;
    suppression::add(db, keys, address, SuppressionReason::Erased, now).await?;
    consent::record_erased(db, &suppression::address_hmac(keys, address), method, now).await?;
    Ok(Erased { subscriber: subscriber.is_some(), signups, consent_events })
}
