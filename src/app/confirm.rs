//! The owner of an address answers a signup, or a change of address: behind the link in the mail that asked.

use chrono::{DateTime, Utc};

use crate::{
    app::{App, Deed},
    domain::{
        actor::Actor,
        publication,
        signup::{
            self, Signup,
            standing::{self, LinkStanding},
        },
        token::{self, ConfirmTokenHash},
    },
};

/// A signup, and what its link is worth.
#[derive(Debug, Clone)]
pub struct Link {
    /// The signup.
    pub signup: Signup,
    /// What its link is worth.
    pub standing: LinkStanding,
    /// The consent text that the page has to show, because the form did not, or staff entered the address.
    pub consent: Option<String>,
}

/// What was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// "Ja, anmelden".
    Confirm,
    /// "Das war ich nicht".
    Decline,
}

/// Why an answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// Staff do not answer for somebody.
    #[error("only the owner of the address may answer")]
    NotAllowed,
    /// No signup has this token: it never had, or is forgotten.
    #[error("there is no signup with this link (any more)")]
    Unknown,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What the page behind a link shows; nothing when no signup has this token. Looking changes nothing (invariant 1).
pub async fn look(app: &App, token: ConfirmTokenHash, now: DateTime<Utc>) -> sqlx::Result<Option<Link>> {
    let mut db = app.pool.acquire().await?;
    let Some(signup) = signup::by_token(&mut db, token).await? else { return Ok(None) };
    let standing = standing::of(&mut db, &signup, now).await?;
    let consent = if signup.names_text || standing != LinkStanding::Open {
        None
    } else {
        publication::version(&mut db, signup.publication_version).await?
    };
    let consent = consent.map(|publication| publication.content.texts(signup.locale).consent);
    Ok(Some(Link { signup, standing, consent }))
}

/// Takes the answer. Answering twice does what answering once does. `opened` is what the page's form brought of when it was
/// opened; only with that it is known that a button was pressed.
///
/// # Errors
/// [`ConfirmError`].
pub async fn answer(
    app: &App,
    by: &Actor,
    token: ConfirmTokenHash,
    (answer, opened): (Answer, &str),
    now: DateTime<Utc>,
) -> Result<(Signup, LinkStanding), ConfirmError> {
    if by.is_staff() {
        return Err(ConfirmError::NotAllowed);
    }
    let opened_at = token::read_opened_token(&app.keys, token, opened);
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    let answered = match answer {
        Answer::Confirm => signup::confirm(&mut deed, &app.keys, by, token, opened_at, now).await?,
        Answer::Decline => signup::decline(&mut deed, by, token, opened_at, now).await?,
    };
    deed.commit().await?;
    answered.ok_or(ConfirmError::Unknown)
}
