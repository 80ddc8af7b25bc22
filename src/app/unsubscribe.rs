//! Leaving, and taking that back.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::{App, Deed},
    domain::{
        actor::Actor,
        consent::ConsentMethod,
        ids::SubscriberId,
        leave_reason::{self, LeaveReason},
        on_request::OnRequest,
        staff::audit::Action,
        subscriber::{self, Leaving, Resubscribed, Subscriber, Unsubscribed},
        token::{self, LeaveForm, Undo},
    },
};

/// By which way somebody leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'a> {
    /// The mail program's own button (RFC 8058).
    OneClick,
    /// A button on this page of ours.
    Button(&'a str),
    /// A POST to the link that says no more.
    Link,
    /// They asked staff, in this way.
    OnRequest(&'a OnRequest),
}

/// Why nobody was unsubscribed, or subscribed again.
#[derive(Debug, thiserror::Error)]
pub enum UnsubscribeError {
    /// Only staff and whoever holds a link of the subscriber end a subscription, and only the latter takes that back.
    #[error("only staff and whoever has the subscriber's link may do this")]
    NotAllowed,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A subscriber, and whether they have left; nothing when nobody has this id.
pub async fn look(app: &App, id: SubscriberId) -> sqlx::Result<Option<(Subscriber, bool)>> {
    let mut db = app.pool.acquire().await?;
    let Some(known) = subscriber::by_id(&mut db, id).await? else { return Ok(None) };
    let has_left = subscriber::has_left(&mut db, &known).await?;
    Ok(Some((known, has_left)))
}

/// Ends a subscription. Answers what it came to, and the subscriber as they were. Once it has answered, no update to them
/// starts transmitting (invariant 3).
///
/// # Errors
/// [`UnsubscribeError`].
pub async fn unsubscribe(
    pool: &PgPool,
    by: &Actor,
    id: SubscriberId,
    way: Way<'_>,
    now: DateTime<Utc>,
) -> Result<(Unsubscribed, Option<Subscriber>), UnsubscribeError> {
    if !by.may_act_for(id) {
        return Err(UnsubscribeError::NotAllowed);
    }
    let how = match (by, way) {
        (Actor::Member { .. }, Way::OnRequest(asked)) => {
            Leaving { note: asked.note.as_deref(), ..asked.channel.method().into() }
        }
        (Actor::Member { .. }, _) => ConsentMethod::Staff.into(),
        (Actor::Command, _) => ConsentMethod::Command.into(),
        (_, Way::OneClick) => ConsentMethod::OneClick.into(),
        (_, Way::Button(page)) => Leaving { page: Some(page), ..ConsentMethod::Button.into() },
        (_, Way::Link | Way::OnRequest(_)) => ConsentMethod::Link.into(),
    };
    let mut deed = Deed::begin(pool, by, now).await?;
    let (came_to, subscriber) = subscriber::unsubscribe(&mut deed, by, id, how, now).await?;
    if let (Unsubscribed::Now | Unsubscribed::Stopped, Some(subscriber), true) =
        (came_to, &subscriber, by.is_staff())
    {
        let details = match way {
            Way::OnRequest(asked) => json!({ "channel": asked.channel }),
            _ => json!({}),
        };
        deed.audit(Action::SubscriberUnsubscribed, &subscriber.email.masked(), &details).await?;
    }
    deed.commit().await?;
    Ok((came_to, subscriber))
}

/// Takes back the unsubscribe that was made at `left_at`, by the button on `page`, which answered it.
///
/// # Errors
/// [`UnsubscribeError`].
pub async fn resubscribe(
    app: &App,
    by: &Actor,
    (id, left_at): (SubscriberId, DateTime<Utc>),
    page: &str,
    now: DateTime<Utc>,
) -> Result<Resubscribed, UnsubscribeError> {
    if *by != Actor::Subscriber(id) {
        return Err(UnsubscribeError::NotAllowed);
    }
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    let came_to = subscriber::undo_unsubscribe(&mut deed, by, id, left_at, page, now).await?;
    deed.commit().await?;
    Ok(came_to)
}

/// Whether the unsubscribe of this undo token can still be taken back.
pub async fn may_resubscribe(app: &App, undo: &str, now: DateTime<Utc>) -> sqlx::Result<bool> {
    match token::read_undo_token(&app.keys, undo, now) {
        Some(Undo::For(id, left_at)) => {
            subscriber::may_undo(&mut *app.pool.acquire().await?, id, left_at).await
        }
        Some(Undo::Expired) | None => Ok(false),
    }
}

/// Counts why somebody left. It is no [`Deed`]: such answers have no actor, and an event, with its time beside that of the
/// unsubscribe, would tell whose answer it is.
pub async fn give_reason(
    app: &App,
    form: LeaveForm,
    reason: LeaveReason,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    leave_reason::answer(&mut *app.pool.acquire().await?, form, reason, now).await
}

/// How often each reason was given since a day, the most frequent first.
pub async fn reasons(pool: &PgPool, since: chrono::NaiveDate) -> sqlx::Result<Vec<leave_reason::Counted>> {
    leave_reason::counts(&mut *pool.acquire().await?, since).await
}
