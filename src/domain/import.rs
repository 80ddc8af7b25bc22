//! Imports: subscribers who consented elsewhere, brought in with the proof of it.
//!
//! An import never brings back an address that left or is suppressed: a list on somebody's disk knows nothing of
//! what its people have decided since.
//!
//! A file is read line by line ([`lines`]), in the way that its [`plan`] says. The command reads it from the disk; what
//! comes through the staff pages lies in the database ([`upload`]) and is brought in piece by piece ([`steps`]).

pub mod lines;
pub mod plan;
pub mod steps;
pub mod upload;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{
        address::EmailAddress, ids::SubscriberId, locale::Locale, subscriber::SubscriberState, suppression,
    },
};

/// One line of a subscriber file, checked.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its line in the file, counted from 1.
    pub line: u64,
    /// The address.
    pub email: EmailAddress,
    /// The language to write in.
    pub locale: Locale,
    /// When its owner agreed.
    pub consented_at: DateTime<Utc>,
    /// Where and how, in the importer's words.
    pub source: String,
}

/// What became of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// A new subscriber.
    Added,
    /// The address was subscribed already; nothing changed.
    Known,
    /// The address had left; it was not brought back.
    Left,
    /// The address must not be mailed; it was not brought in.
    Suppressed,
}

/// Brings in a batch of rows in the caller's transaction; answers for each line what became of it.
///
/// # Errors
/// When the database fails.
pub async fn batch(
    db: &mut PgConnection,
    keys: &SecretKeys,
    rows: &[Row],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<(u64, Imported)>> {
    let suppressed = suppressed(db, keys, rows).await?;
    let mut candidates: Vec<(SubscriberId, &Row)> = Vec::with_capacity(rows.len());
    let mut seen = HashSet::new();
    for row in rows {
        let normalized = row.email.normalized();
        if !suppressed.contains(&normalized) && seen.insert(normalized) {
            candidates.push((SubscriberId::new(), row));
        }
    }
    let added: HashSet<String> = insert(db, &candidates, now).await?.into_iter().collect();
    candidates.retain(|(_, row)| added.contains(row.email.normalized().as_str()));
    record_consent(db, &candidates, now).await?;
    let states = states(db, rows).await?;
    let mut fresh: HashSet<u64> = candidates.iter().map(|(_, row)| row.line).collect();
    Ok(rows
        .iter()
        .map(|row| {
            let normalized = row.email.normalized();
            let outcome = if suppressed.contains(&normalized) {
                Imported::Suppressed
            } else if fresh.remove(&row.line) {
                Imported::Added
            } else if states.get(normalized.as_str()) == Some(&SubscriberState::Active) {
                Imported::Known
            } else {
                Imported::Left
            };
            (row.line, outcome)
        })
        .collect())
}

/// What [`batch`] would do, without doing it.
///
/// # Errors
/// When the database fails.
pub async fn try_out(
    db: &mut PgConnection,
    keys: &SecretKeys,
    rows: &[Row],
) -> sqlx::Result<Vec<(u64, Imported)>> {
    let suppressed = suppressed(db, keys, rows).await?;
    let states = states(db, rows).await?;
    let mut seen = HashSet::new();
    Ok(rows
        .iter()
        .map(|row| {
            let normalized = row.email.normalized();
            let outcome = if suppressed.contains(&normalized) {
                Imported::Suppressed
            } else {
                match states.get(normalized.as_str()) {
                    Some(SubscriberState::Active) => Imported::Known,
                    Some(_) => Imported::Left,
                    None if seen.insert(normalized) => Imported::Added,
                    None => Imported::Known,
                }
            };
            (row.line, outcome)
        })
        .collect())
}

async fn suppressed(
    db: &mut PgConnection,
    keys: &SecretKeys,
    rows: &[Row],
) -> sqlx::Result<HashSet<crate::domain::address::NormalizedAddress>> {
    let mut by_hmac = HashMap::new();
    for row in rows {
        let normalized = row.email.normalized();
        for hmac in keys.sign_with_each("suppression", normalized.as_str().as_bytes()) {
            by_hmac.insert(hmac.to_vec(), normalized.clone());
        }
    }
    let hmacs: Vec<Vec<u8>> = by_hmac.keys().cloned().collect();
    let found = suppression::among(db, &hmacs).await?;
    Ok(found.iter().filter_map(|hmac| by_hmac.get(hmac).cloned()).collect())
}

/// Inserts those whose address is new; answers their normalised addresses.
async fn insert(
    db: &mut PgConnection,
    candidates: &[(SubscriberId, &Row)],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<String>> {
    let ids: Vec<uuid::Uuid> = candidates.iter().map(|(id, _)| id.0).collect();
    let emails: Vec<String> = candidates.iter().map(|(_, row)| row.email.as_str().to_owned()).collect();
    let normalized: Vec<String> =
        candidates.iter().map(|(_, row)| row.email.normalized().as_str().to_owned()).collect();
    let locales: Vec<String> = candidates.iter().map(|(_, row)| row.locale.tag().to_owned()).collect();
    sqlx::query_scalar!(
        "insert into subscribers (id, email, email_normalized, locale, state, created_at, confirmed_at, state_changed_at)
         select id, email, email_normalized, locale, 'active', $5, $5, $5
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as new (id, email, email_normalized, locale)
         on conflict (email_normalized) do nothing
         returning email_normalized",
        &ids,
        &emails,
        &normalized,
        &locales,
        now
    )
    .fetch_all(db)
    .await
}

async fn record_consent(
    db: &mut PgConnection,
    added: &[(SubscriberId, &Row)],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let ids: Vec<uuid::Uuid> = added.iter().map(|(id, _)| id.0).collect();
    let emails: Vec<String> = added.iter().map(|(_, row)| row.email.as_str().to_owned()).collect();
    let normalized: Vec<String> =
        added.iter().map(|(_, row)| row.email.normalized().as_str().to_owned()).collect();
    let sources: Vec<String> = added.iter().map(|(_, row)| row.source.clone()).collect();
    let consented: Vec<DateTime<Utc>> = added.iter().map(|(_, row)| row.consented_at).collect();
    sqlx::query!(
        "insert into consent_events (at, kind, method, email, email_normalized, subscriber_id, source, consented_at)
         select $6, 'confirmed', 'import', email, email_normalized, id, source, consented_at
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
             as new (id, email, email_normalized, source, consented_at)",
        &ids,
        &emails,
        &normalized,
        &sources,
        &consented,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn states(db: &mut PgConnection, rows: &[Row]) -> sqlx::Result<HashMap<String, SubscriberState>> {
    let normalized: Vec<String> = rows.iter().map(|row| row.email.normalized().as_str().to_owned()).collect();
    let found = sqlx::query!(
        r#"select email_normalized, state as "state: SubscriberState" from subscribers
           where email_normalized = any($1)"#,
        &normalized
    )
    .fetch_all(db)
    .await?;
    Ok(found.into_iter().map(|row| (row.email_normalized, row.state)).collect())
}
