//! Test mails: the real mail with `[Test]` before its subject, to somebody whom staff choose.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::{
        App, Deed,
        off_runtime::{Busy, off_runtime},
    },
    domain::{
        actor::{Actor, NotPermitted},
        address::EmailAddress,
        event::Event,
        ids::UpdateId,
        publication,
        queue::delivery::{self, TestMail},
        staff::audit::Action,
        update,
    },
    mail::compose::ComposeError,
};

/// Test mails in an hour, at most, of all staff together: whoever got hold of an account shall not be able to write to
/// strangers with it.
pub const AN_HOUR: i64 = 200;

/// Why no test was sent.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// Only staff send tests.
    #[error("only staff may send tests")]
    NotAllowed(#[from] NotPermitted),
    /// There is no such update.
    #[error("there is no such update")]
    Unknown,
    /// Nobody was chosen.
    #[error("nobody was chosen to get it")]
    Nobody,
    /// There is no publication, or it lacks these fields.
    #[error("the publication is not complete: {}", .0.join(", "))]
    NotReady(Vec<String>),
    /// There were too many within an hour; wait.
    #[error("more than {AN_HOUR} test mails within an hour; wait a while")]
    TooMany,
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

/// The newest test mails of an update, up to `limit`, and what became of each.
pub async fn tests_of(pool: &PgPool, id: UpdateId, limit: i64) -> sqlx::Result<Vec<TestMail>> {
    delivery::tests_of(&mut *pool.acquire().await?, id, limit).await
}

/// Queues a test of an update to each of these addresses.
///
/// # Errors
/// [`TestError`].
pub async fn send_test(
    app: &App,
    by: &Actor,
    id: UpdateId,
    to: &[EmailAddress],
    now: DateTime<Utc>,
) -> Result<(), TestError> {
    let mut deed = Deed::by_staff(&app.pool, by, now)?.await?;
    if to.is_empty() {
        return Err(TestError::Nobody);
    }
    let update = update::find(&mut deed, &id.to_string()).await?.ok_or(TestError::Unknown)?;
    let lately = delivery::count_tests(&mut deed, now - TimeDelta::hours(1)).await?;
    // Whoever runs commands on the server could send anything anyway.
    let is_limited = *by != Actor::Command;
    if is_limited && lately + i64::try_from(to.len()).unwrap_or(i64::MAX) > AN_HOUR {
        return Err(TestError::TooMany);
    }
    let publication =
        publication::current(&mut deed).await?.ok_or_else(|| TestError::NotReady(Vec::new()))?;
    let missing = publication.content.missing();
    if !missing.is_empty() {
        return Err(TestError::NotReady(missing));
    }
    // Made here too, so that a mistake shows now and not in the worker's log.
    let hosted = app.composer.hosted(&mut deed, &update).await?;
    let work = (app.composer.clone(), publication, update.clone());
    off_runtime(move || work.0.test_frame(&work.1, &work.2, &hosted).map(drop)).await??;
    for address in to {
        delivery::enqueue_test(&mut deed, id, address, now).await?;
    }
    // Masked: what is erased later must not go on standing in the log.
    let to: Vec<String> = to.iter().map(EmailAddress::masked).collect();
    let details = json!({ "addresses": to.join(", ") });
    deed.note(Action::TestSent, &update.title, &details, &Event::TestQueued(id)).await?;
    deed.commit().await?;
    Ok(())
}
