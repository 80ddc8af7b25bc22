//! Suppressions: addresses that must not be mailed, known only by a keyed HMAC.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{config::SecretKeys, domain::address::NormalizedAddress};

/// Why an address must not be mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize)]
#[sqlx(type_name = "suppression_reason", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    /// Its owner had everything deleted (Art. 17 DSGVO). The owner may sign up again; an import may not.
    Erased,
    /// Mail to it came back for good. Its owner may sign up again: a confirmation that arrives proves it works.
    Bounced,
    /// Its owner reported our mail as spam.
    Complained,
    /// Its owner asked never to be written to again.
    Requested,
}

impl SuppressionReason {
    /// Whether even a fresh signup gets no confirmation mail.
    #[must_use]
    pub fn forbids_signup(self) -> bool {
        matches!(self, SuppressionReason::Complained | SuppressionReason::Requested)
    }
}

/// The HMAC that recognises an address without naming it, under the newest key.
#[must_use]
pub fn address_hmac(keys: &SecretKeys, address: &NormalizedAddress) -> [u8; 32] {
    keys.sign("suppression", address.as_str().as_bytes())
}

/// Why this address must not be mailed, if so. An entry under any of the keys counts.
pub async fn find(
    db: &mut PgConnection,
    keys: &SecretKeys,
    address: &NormalizedAddress,
) -> sqlx::Result<Option<SuppressionReason>> {
    let hmacs: Vec<Vec<u8>> =
        keys.sign_with_each("suppression", address.as_str().as_bytes()).into_iter().map(Vec::from).collect();
    sqlx::query_scalar!(
        r#"select reason as "reason: SuppressionReason" from suppressions where address_hmac = any($1) limit 1"#,
        &hmacs
    )
    .fetch_optional(db)
    .await
}

/// Which of these HMACs are suppressed, for imports that look at many at once.
pub async fn among(db: &mut PgConnection, hmacs: &[Vec<u8>]) -> sqlx::Result<Vec<Vec<u8>>> {
    sqlx::query_scalar!("select address_hmac from suppressions where address_hmac = any($1)", hmacs)
        .fetch_all(db)
        .await
}

/// Suppresses an address. A second reason does not replace the first.
pub async fn add(
    db: &mut PgConnection,
    keys: &SecretKeys,
    address: &NormalizedAddress,
    reason: SuppressionReason,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let hmac = address_hmac(keys, address);
    sqlx::query!(
        "insert into suppressions (address_hmac, reason, created_at) values ($1, $2, $3)
         on conflict (address_hmac) do nothing",
        hmac.as_slice(),
        reason as SuppressionReason,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lifts the suppression of an address whose owner has just confirmed a new signup.
pub async fn lift(db: &mut PgConnection, keys: &SecretKeys, address: &NormalizedAddress) -> sqlx::Result<()> {
    let hmacs: Vec<Vec<u8>> =
        keys.sign_with_each("suppression", address.as_str().as_bytes()).into_iter().map(Vec::from).collect();
    sqlx::query!("delete from suppressions where address_hmac = any($1)", &hmacs).execute(db).await?;
    Ok(())
}
