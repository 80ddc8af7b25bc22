//! Handing out what is recorded of an address, and the proof of its consent.

pub mod document;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    config::SecretKeys,
    domain::{
        actor::{Actor, NotPermitted},
        address::EmailAddress,
        event::Event,
        personal_data::{self, PersonalData},
        proof::{Head, Proof},
        publication,
        staff::{
            audit::Action,
            notice::{self, Notice},
            session::Session,
        },
    },
    mail::compose::default_locale,
};

use self::document::{Format, WriteError};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Only admins take a proof.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// No consent is recorded of the address.
    #[error("no consent is recorded of this address")]
    Nothing,
    /// The proof cannot be written down; tell the operator.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Everything that is recorded of an address; it may be nothing. Looking is not logged.
pub async fn read(pool: &PgPool, keys: &SecretKeys, address: &EmailAddress) -> sqlx::Result<PersonalData> {
    personal_data::of_address(&mut *pool.acquire().await?, keys, address).await
}

/// A proof that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What its file holds.
    pub text: String,
    /// How many events it proves.
    pub events: usize,
    /// HMAC-SHA-256 in hex; the same stands in the file.
    pub seal: String,
}

/// Takes the proof of everything recorded of an address, with the publication's name of now and in its language, and writes
/// down that it was taken. On the staff pages it is done from a session, and the other sessions of that account are told.
///
/// # Errors
/// [`ProofError`].
pub async fn take_proof(
    pool: &PgPool,
    keys: &SecretKeys,
    (by, session): (&Actor, Option<&Session>),
    address: &EmailAddress,
    format: Format,
    now: DateTime<Utc>,
) -> Result<Taken, ProofError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let data = personal_data::of_address(&mut deed, keys, address).await?;
    if data.consent_events.is_empty() {
        return Err(ProofError::Nothing);
    }
    let publication = publication::current(&mut deed).await?;
    let name = publication.as_ref().map(|publication| publication.content.name.as_str()).unwrap_or_default();
    let state = data.subscriber.map(|subscriber| subscriber.state.name().to_owned());
    let head = Head::new(address.as_str(), name, state, now);
    let proof = Proof::seal(keys, head, data.consent_events).map_err(WriteError::from)?;
    let text = document::write(&proof, format, default_locale(publication.as_ref()))?;
    deed.note(Action::ProofDownloaded, &address.masked(), &json!({}), &Event::ProofTaken).await?;
    if let Some(session) = session {
        notice::tell_others(&mut deed, session, Notice::ProofDownloaded, now).await?;
    }
    deed.commit().await?;
    Ok(Taken { text, events: proof.events.len(), seal: proof.seal })
}
