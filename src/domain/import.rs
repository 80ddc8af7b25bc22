//! Imports: subscribers who consented elsewhere, brought in with the proof of it.
//!
//! An import never brings back an address that left or is suppressed: a list on somebody's disk knows nothing of
//! what its people have decided since. Who is here stays as they are, whatever a list says of them; where it says that
//! somebody left who is active here, that is told. Who left, bounced or complained elsewhere is never made active: they
//! come in as that, so that no other list brings them in, or stay out.
//!
//! A file is read line by line ([`lines`] out of [`records`]), in the way that its [`plan`] says: once to learn what the
//! whole of it says of each person ([`people`]), and then to bring them in, so that nobody is active for a moment of whom a
//! later line says that they left. The command reads it from the disk; what comes through the staff pages lies in the
//! database ([`upload`]) and is brought in piece by piece ([`steps`]).

mod address_field;
pub mod columns;
pub mod dates;
pub mod encoding;
pub mod lines;
pub mod people;
pub mod plan;
pub mod presets;
pub mod records;
mod row;
pub mod states;
pub mod steps;
pub mod tally;
pub mod upload;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{
        address::NormalizedAddress, consent::ConsentKind, ids::SubscriberId, subscriber::SubscriberState,
        suppression,
    },
};

pub use self::row::Row;
use self::{
    people::{People, PersonSummary},
    states::Listed,
};

/// What became of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// A new subscriber.
    Added,
    /// Somebody new who is not mailed, because the list says so: kept as having left, bounced or complained.
    AddedAs(SubscriberState),
    /// The list says that somebody is not to be mailed, and was read so that they stay out.
    LeftOut,
    /// The address was subscribed already; nothing changed.
    Known,
    /// The address is active here, and the list says that its owner left, bounced or complained: nothing changed.
    ActiveHere,
    /// The address had left; it was not brought back.
    Left,
    /// The address must not be mailed; it was not brought in.
    Suppressed,
}

/// Brings in a batch of rows in the caller's transaction; answers for each line what became of it. `known` is what the
/// whole list says of people who are not to be mailed, or of all; those who are not to be mailed may stay out.
pub async fn batch(
    db: &mut PgConnection,
    keys: &SecretKeys,
    rows: &[Row],
    known: &People,
    leaves_out: bool,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<(u64, Imported)>> {
    let suppressed = suppressed(db, keys, rows).await?;
    let people = people::of_rows(rows, known);
    let mut candidates = Vec::with_capacity(rows.len());
    for row in rows {
        let stays_out = leaves_out && away(row.listed).is_some();
        if speaks(row, &people) && !stays_out && !suppressed.contains(&row.email.normalized()) {
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
                away(row.listed).map_or(Imported::Added, Imported::AddedAs)
            } else {
                of_somebody(
                    row,
                    people.get(&normalized),
                    states.get(normalized.as_str()).copied(),
                    leaves_out,
                )
            };
            (row.line, outcome)
        })
        .collect())
}

/// What [`batch`] would do, without doing it, where `known` is what the whole list says of all people.
pub async fn try_out(
    db: &mut PgConnection,
    keys: &SecretKeys,
    rows: &[Row],
    known: &People,
    leaves_out: bool,
) -> sqlx::Result<Vec<(u64, Imported)>> {
    let suppressed = suppressed(db, keys, rows).await?;
    let states = states(db, rows).await?;
    let people = people::of_rows(rows, known);
    Ok(rows
        .iter()
        .map(|row| {
            let normalized = row.email.normalized();
            let (state, summary) = (states.get(normalized.as_str()).copied(), people.get(&normalized));
            let gone = summary.and_then(|summary| away(summary.listed));
            let outcome = if suppressed.contains(&normalized) {
                Imported::Suppressed
            } else if state.is_some() || leaves_out && gone.is_some() {
                of_somebody(row, summary, state, leaves_out)
            } else if speaks(row, &people) {
                away(row.listed).map_or(Imported::Added, Imported::AddedAs)
            } else {
                of_somebody(row, summary, gone.or(Some(SubscriberState::Active)), leaves_out)
            };
            (row.line, outcome)
        })
        .collect())
}

/// Whether a line is the one that speaks for its owner.
fn speaks(row: &Row, people: &People) -> bool {
    people.get(&row.email.normalized()).is_some_and(|summary| summary.line == row.line)
}

/// What becomes of a line about somebody who is here, in this state, or who stays out.
fn of_somebody(
    row: &Row,
    summary: Option<&PersonSummary>,
    state: Option<SubscriberState>,
    leaves_out: bool,
) -> Imported {
    match state {
        Some(SubscriberState::Active) if away(row.listed).is_some() => Imported::ActiveHere,
        Some(SubscriberState::Active) => Imported::Known,
        None if leaves_out && summary.is_some_and(|summary| away(summary.listed).is_some()) => {
            Imported::LeftOut
        }
        Some(_) | None => Imported::Left,
    }
}

/// The state of those who are not to be mailed.
fn away(listed: Listed) -> Option<SubscriberState> {
    match listed {
        Listed::Active => None,
        // Never a row: nobody is kept who did not consent. If it were, then as somebody who gets nothing.
        Listed::NeverConfirmed | Listed::Left => Some(SubscriberState::Unsubscribed),
        Listed::Bounced => Some(SubscriberState::Bounced),
        Listed::Complained => Some(SubscriberState::Complained),
    }
}

/// What is recorded of a line: what the list says, and nothing that nobody saw.
fn kind(listed: Listed) -> ConsentKind {
    match listed {
        Listed::Active => ConsentKind::Confirmed,
        Listed::NeverConfirmed | Listed::Left => ConsentKind::ListedUnsubscribed,
        Listed::Bounced => ConsentKind::ListedBounced,
        Listed::Complained => ConsentKind::ListedComplained,
    }
}

async fn suppressed(
    db: &mut PgConnection,
    keys: &SecretKeys,
    rows: &[Row],
) -> sqlx::Result<HashSet<NormalizedAddress>> {
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
    let states: Vec<String> = candidates
        .iter()
        .map(|(_, row)| away(row.listed).unwrap_or(SubscriberState::Active).name().to_owned())
        .collect();
    sqlx::query_scalar!(
        "insert into subscribers (id, email, email_normalized, locale, state, created_at, confirmed_at, state_changed_at)
         select id, email, email_normalized, locale, state::subscriber_state, $5, $5, $5
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $6::text[])
             as new (id, email, email_normalized, locale, state)
         -- In one order everywhere, so that two imports of the same people do not wait for each other in a circle.
         order by email_normalized
         on conflict (email_normalized) do nothing
         returning email_normalized",
        &ids,
        &emails,
        &normalized,
        &locales,
        now,
        &states
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
    let sources: Vec<Option<String>> =
        added.iter().map(|(_, row)| Some(row.source.clone()).filter(|source| !source.is_empty())).collect();
    let kinds: Vec<&str> = added.iter().map(|(_, row)| kind(row.listed).name()).collect();
    let consented: Vec<Option<DateTime<Utc>>> = added.iter().map(|(_, row)| row.consented_at).collect();
    sqlx::query!(
        "insert into consent_events (at, kind, method, email, email_normalized, subscriber_id, source, consented_at)
         select $6, kind::consent_kind, 'import', email, email_normalized, id, source, consented_at
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $7::text[])
             as new (id, email, email_normalized, source, consented_at, kind)",
        &ids,
        &emails,
        &normalized,
        &sources as &[Option<String>],
        &consented as &[Option<DateTime<Utc>>],
        now,
        &kinds as &[&str]
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
