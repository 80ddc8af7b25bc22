//! Erasing everything about an address because staff were asked to (Art. 17 DSGVO). Its owner does it by
//! [`privacy`](super::privacy).

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    config::SecretKeys,
    domain::{
        actor::{Actor, NotPermitted},
        address::EmailAddress,
        consent::ConsentMethod,
        erasure::{self, Erased},
        ids::SubscriberId,
        staff::audit::Action,
        subscriber,
    },
};

/// Whose data is erased.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// Whatever there is of this address, also of one that never subscribed.
    Address(&'a EmailAddress),
    /// This subscriber's.
    Subscriber(SubscriberId),
}

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Only admins erase somebody else's data.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// Nobody has this id (any more).
    #[error("there is no such subscriber (any more)")]
    Unknown,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Whether somebody on the staff logs in with this address.
pub async fn has_account(pool: &PgPool, email: &EmailAddress) -> sqlx::Result<bool> {
    erasure::has_account(&mut *pool.acquire().await?, &email.normalized()).await
}

/// Erases everything about an address. Only a keyed HMAC stays, so that no import brings it back.
///
/// # Errors
/// [`EraseError`].
pub async fn erase_address(
    pool: &PgPool,
    keys: &SecretKeys,
    by: &Actor,
    whose: Whose<'_>,
    now: DateTime<Utc>,
) -> Result<Erased, EraseError> {
    let method = if *by == Actor::Command { ConsentMethod::Command } else { ConsentMethod::Staff };
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let email = match whose {
        Whose::Address(email) => email.clone(),
        Whose::Subscriber(id) => subscriber::by_id(&mut deed, id).await?.ok_or(EraseError::Unknown)?.email,
    };
    let erased = erasure::erase(&mut deed, keys, by, &email.normalized(), method, now).await?;
    deed.audit(Action::SubscriberErased, &email.masked(), &json!({})).await?;
    deed.commit().await?;
    Ok(erased)
}
