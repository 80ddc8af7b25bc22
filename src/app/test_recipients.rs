//! The saved list of those who get test mails.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::{Actor, NotPermitted},
        address::EmailAddress,
        event::Event,
        ids::TestRecipientId,
        staff::audit::Action,
        test_recipient::{self, Added, TestRecipient},
    },
};

/// Why the list was not changed.
#[derive(Debug, thiserror::Error)]
pub enum TestRecipientError {
    /// Only staff change it.
    #[error("only staff may change who gets test mails")]
    NotAllowed(#[from] NotPermitted),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Everybody on the list, by name.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<TestRecipient>> {
    test_recipient::list(&mut *pool.acquire().await?).await
}

/// Puts somebody on the list, unless the address is on it or the list is full.
///
/// # Errors
/// [`TestRecipientError`].
pub async fn add(
    pool: &PgPool,
    by: &Actor,
    email: &EmailAddress,
    name: &str,
    now: DateTime<Utc>,
) -> Result<Added, TestRecipientError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let added = test_recipient::add(&mut deed, email, name, now).await?;
    if let Added::Now(id) = added {
        let event = Event::TestRecipientAdded(id);
        // Masked: the log cannot be changed, and whoever is erased must not live on in it.
        deed.note(Action::ColleagueAdded, &email.masked(), &json!({}), &event).await?;
        deed.commit().await?;
    }
    Ok(added)
}

/// Takes somebody off the list. Whoever is not on it any more was taken off before, which is what was wanted.
///
/// # Errors
/// [`TestRecipientError`].
pub async fn remove(
    pool: &PgPool,
    by: &Actor,
    id: TestRecipientId,
    now: DateTime<Utc>,
) -> Result<(), TestRecipientError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    if let Some(email) = test_recipient::remove(&mut deed, id).await? {
        let event = Event::TestRecipientRemoved(id);
        deed.note(Action::ColleagueRemoved, &email.masked(), &json!({}), &event).await?;
    }
    deed.commit().await?;
    Ok(())
}
