//! What the relay's DKIM signature covers: staff show the head of a mail of ours that has arrived, and it is kept for the
//! preflight.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    app::{App, Deed},
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        publication::{self, Publication},
        signature_seen::{self, SeenSignature},
        staff::audit::Action,
    },
    mail::received::{self, Unusable},
};

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Only staff show mails.
    #[error("only staff may show what a mail server has signed")]
    NotAllowed(#[from] NotPermitted),
    /// There is no publication with a sender, so no mail of ours can have arrived.
    #[error("the publication has no sender address")]
    NoSender,
    /// The text says nothing about our mails.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The domain that mails are from; nothing without a sender.
#[must_use]
pub fn sender_domain(publication: Option<&Publication>) -> Option<String> {
    let sender = publication?.content.sender.address.as_ref()?;
    Some(sender.parts().1.to_ascii_lowercase())
}

/// What was last seen for mails from this domain through the relay that is set.
pub async fn last_seen(app: &App, sender_domain: &str) -> sqlx::Result<Option<SeenSignature>> {
    signature_seen::latest(&mut *app.pool.acquire().await?, sender_domain, app.preflight.relay()).await
}

/// Reads what stands in the head of a mail that has arrived, and keeps it. Answers what was read, and whether it counts: a
/// later mail that was looked at before says more.
///
/// # Errors
/// [`SignatureError`].
pub async fn read_signature(
    app: &App,
    by: &Actor,
    text: &str,
    now: DateTime<Utc>,
) -> Result<(SeenSignature, bool), SignatureError> {
    let mut deed = Deed::by_staff(&app.pool, by, now)?.await?;
    let publication = publication::current(&mut deed).await?;
    let domain = sender_domain(publication.as_ref()).ok_or(SignatureError::NoSender)?;
    let list = app.composer.public_url().list_id();
    let seen = received::examine(text, &list, &domain, now)?;
    let counts = signature_seen::keep(&mut deed, &domain, app.preflight.relay(), &seen, now).await?;
    if counts {
        let details = json!({ "verdict": seen.verdict.as_str() });
        deed.note(Action::SignatureSeen, &domain, &details, &Event::SignatureSeen).await?;
        deed.commit().await?;
    }
    Ok((seen, counts))
}
