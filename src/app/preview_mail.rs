//! The exact mail of an update, byte for byte, for somebody who looks at it before it is sent.

use chrono::{DateTime, Utc};

use crate::{
    app::{
        App,
        off_runtime::{Busy, off_runtime},
    },
    domain::{address::EmailAddress, publication::Publication, update::Update},
    mail::compose::ComposeError,
};

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The mail cannot be made; tell the operator.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// Too much is being worked on; try again.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The message of an update as this address would get it. Its links are well formed and belong to nobody.
///
/// # Errors
/// [`PreviewError`].
pub async fn preview_mail(
    app: &App,
    publication: &Publication,
    update: &Update,
    to: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<Vec<u8>, PreviewError> {
    let hosted = app.composer.hosted(&mut *app.pool.acquire().await?, update).await?;
    let (composer, publication, update) = (app.composer.clone(), publication.clone(), update.clone());
    let made = off_runtime(move || {
        let content = composer.update(&publication, &update, &hosted)?;
        composer.mailing_frame(&publication, &content)
    });
    let frame = made.await??;
    let message_id = format!("<preview@{}>", app.composer.public_url().host());
    Ok(app.composer.for_nobody(&frame, to, &message_id, now))
}
