//! Erasure (Art. 17 DSGVO): everything about an address goes; a keyed HMAC stays, so that no import brings it back.
//!
//! Which columns can hold an address, and what takes it out of each, is listed in `tests/it/erasure.rs`, which knows every
//! column there is. What an erasure cannot reach is said wherever one is asked for: mails that were delivered, the relay's
//! log, and backups, for as long as the operator keeps them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{
        actor::Actor,
        address::{EmailAddress, NormalizedAddress},
        bounce,
        consent::{self, ConsentMethod},
        ids::SubscriberId,
        import::upload,
        personal_data,
        queue::withdrawal,
        signup, staff,
        subscriber::{self, SubscriberState},
        suppression::{self, SuppressionReason},
        test_recipient,
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
    /// How many entries there were on the list of those who get test mails.
    #[serde(skip_serializing_if = "is_zero")]
    pub colleagues: u64,
    /// How many uploaded lists named the address: their files are gone as a whole.
    #[serde(skip_serializing_if = "is_zero")]
    pub lists: u64,
    /// Somebody may log in with this address, or could: the account stays, and so do its lines in the audit log.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub staff_account_stays: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like this")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Removes an address and everything recorded of it, and so of the addresses its subscription had before.
///
/// Deliveries of past mailings stay as counts with nobody behind them. What is waiting to be sent is skipped.
pub async fn erase(
    db: &mut PgConnection,
    keys: &SecretKeys,
    by: &Actor,
    address: &NormalizedAddress,
    method: ConsentMethod,
    now: DateTime<Utc>,
) -> sqlx::Result<Erased> {
    let mut erased = Erased { staff_account_stays: has_account(db, address).await?, ..Erased::default() };
    // A time that ran out is nobody's wish, and such a list is gone after a week by itself. Before anything else is locked:
    // whoever is just reading the list has it first, and subscribers then.
    if method != ConsentMethod::Retention {
        let addresses = known_by(db, address).await?;
        erased.lists += upload::remove_lists_with(db, &addresses, now).await?;
    }
    let mut gone = vec![address.clone()];
    let mut open = vec![address.clone()];
    while let Some(next) = open.pop() {
        for former in erase_one(db, keys, by, (&next, method), &mut erased, now).await? {
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

/// Whether a staff member has this address.
pub async fn has_account(db: &mut PgConnection, address: &NormalizedAddress) -> sqlx::Result<bool> {
    let Ok(email) = EmailAddress::parse(address.as_str()) else { return Ok(false) };
    Ok(staff::id_of(db, &email).await?.is_some())
}

/// An address, and those that its subscription had before.
async fn known_by(
    db: &mut PgConnection,
    address: &NormalizedAddress,
) -> sqlx::Result<Vec<NormalizedAddress>> {
    let mut all = vec![address.clone()];
    if let Some(subscriber) = subscriber::by_address(db, address).await? {
        let former = personal_data::former_addresses_of(db, subscriber.id).await?;
        all.extend(former.into_iter().map(|row| row.normalized));
    }
    Ok(all)
}

/// Removes one address; answers which ones its subscription had before.
async fn erase_one(
    db: &mut PgConnection,
    keys: &SecretKeys,
    by: &Actor,
    (address, method): (&NormalizedAddress, ConsentMethod),
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
        former =
            personal_data::former_addresses_of(db, id).await?.into_iter().map(|row| row.normalized).collect();
        signup::address_change::forget(db, id).await?;
        withdrawal::skip_for_subscriber(db, id, now).await?;
        withdrawal::forget_subscriber(db, id).await?;
        bounce::forget_subscriber(db, id).await?;
        sqlx::query!("delete from subscribers where id = $1", id.0).execute(&mut *db).await?;
        erased.subscriber = true;
    }
    // Where another subscription had it before.
    sqlx::query!("delete from former_addresses where email_normalized = $1", address.as_str())
        .execute(&mut *db)
        .await?;
    // That a subscription ended years ago is no reason for staff to lose one who gets their tests.
    if method != ConsentMethod::Retention {
        erased.colleagues += test_recipient::forget(db, address).await?;
    }
    withdrawal::forget_address(db, address).await?;
    bounce::forget_address(db, address).await?;
    erased.signups += sqlx::query!("delete from signups where email_normalized = $1", address.as_str())
        .execute(&mut *db)
        .await?
        .rows_affected();
    erased.consent_events += consent::erase(db, address).await?;
    suppression::add(db, keys, address, SuppressionReason::Erased, now).await?;
    let hmac = suppression::address_hmac(keys, address);
    consent::record_erased(db, by, &hmac, subscriber, method, now).await?;
    Ok(former)
}
