//! Handing out what is recorded of an address, and the proof of its consent.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    config::SecretKeys,
    domain::{
        actor::{Actor, NotStaff},
        address::EmailAddress,
        event::Event,
        personal_data::{self, PersonalData},
        publication::{self, Publication},
        staff::{
            audit::Action,
            notice::{self, Notice},
            session::Session,
        },
    },
};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Only staff take a proof.
    #[error("only staff may take the proof of a consent")]
    NotAllowed(#[from] NotStaff),
    /// No consent is recorded of the address.
    #[error("no consent is recorded of this address")]
    Nothing,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Everything that is recorded of an address; it may be nothing. Looking is not logged.
///
/// # Errors
/// When the database fails.
pub async fn read(pool: &PgPool, keys: &SecretKeys, address: &EmailAddress) -> sqlx::Result<PersonalData> {
    personal_data::of_address(&mut *pool.acquire().await?, keys, address).await
}

/// Takes what a proof is made of, and writes down that it was taken: everything recorded of an address, and the publication
/// of now. On the staff pages it is done from a session, and the other sessions of that account are told.
///
/// # Errors
/// [`ProofError`].
pub async fn take_proof(
    pool: &PgPool,
    keys: &SecretKeys,
    by: &Actor,
    session: Option<&Session>,
    address: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<(PersonalData, Option<Publication>), ProofError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let data = personal_data::of_address(&mut deed, keys, address).await?;
    if data.consent_events.is_empty() {
        return Err(ProofError::Nothing);
    }
    let publication = publication::current(&mut deed).await?;
    deed.note(Action::ProofDownloaded, &address.masked(), &json!({}), &Event::ProofTaken).await?;
    if let Some(session) = session {
        notice::tell_others(&mut deed, session, Notice::ProofDownloaded, now).await?;
    }
    deed.commit().await?;
    Ok((data, publication))
}
