//! Another address for a subscription: a signup of the new address that, once confirmed there, moves the subscription
//! instead of beginning one. Until then everything goes to the old address, and its owner is told.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use crate::domain::{
    actor::Actor,
    address::EmailAddress,
    consent::{self, ConsentKind, ConsentMethod, NewEvent},
    ids::{SignupId, SubscriberId},
    queue::delivery,
    subscriber::{self, Subscriber, SubscriberState},
};

use super::{
    Request,
    state::{Signup, SignupState},
};

/// What a request for another address came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeAsked {
    /// A mail to the new address is on its way, and one that tells the old one.
    Now,
    /// It is the subscription's address already.
    SameAddress,
    /// There is no active subscription (any more).
    NotActive,
}

/// Asks for another address for a subscription; `request.replaces` says which. Only the newest request counts.
///
/// Whether somebody is subscribed with the new address makes no difference to the answer (invariant 4).
pub async fn ask(
    db: &mut PgConnection,
    by: &Actor,
    request: &Request<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<ChangeAsked> {
    let Some(id) = request.replaces else { return Ok(ChangeAsked::NotActive) };
    let Some(subscriber) = active(db, id).await? else { return Ok(ChangeAsked::NotActive) };
    if subscriber.email.normalized() == request.email.normalized() {
        return Ok(ChangeAsked::SameAddress);
    }
    end_waiting(db, id, (SignupState::Superseded, ConsentKind::Superseded, ConsentMethod::NewerRequest), now)
        .await?;
    super::request(db, by, request, now).await?;
    delivery::enqueue_address_notice(db, id, &subscriber.email, now).await?;
    Ok(ChangeAsked::Now)
}

/// The new address that waits for its owner, if there is one.
pub async fn waiting(
    db: &mut PgConnection,
    id: SubscriberId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<EmailAddress>> {
    sqlx::query_scalar!(
        r#"select email as "email: EmailAddress" from signups
           where replaces = $1 and state = 'waiting' and expires_at > $2 order by requested_at desc limit 1"#,
        id.0,
        now
    )
    .fetch_optional(db)
    .await
}

/// Calls off every request that waits, from the settings page: the subscription keeps its address. Answers how many
/// there were.
pub async fn cancel(db: &mut PgConnection, id: SubscriberId, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let how = (SignupState::Cancelled, ConsentKind::Cancelled, ConsentMethod::Settings);
    end_waiting(db, id, how, now).await
}

/// Ends every request that waits, which nobody has answered; answers how many there were.
async fn end_waiting(
    db: &mut PgConnection,
    id: SubscriberId,
    (state, kind, method): (SignupState, ConsentKind, ConsentMethod),
    now: DateTime<Utc>,
) -> sqlx::Result<usize> {
    // The subscription first, then its requests: everybody locks them in this order.
    subscriber::locked(&mut *db, id).await?;
    let ended = sqlx::query!(
        r#"update signups set state = $2, ended_at = $3 where replaces = $1 and state = 'waiting' and expires_at > $3
           returning id as "id: SignupId", email as "email: EmailAddress""#,
        id.0,
        state as SignupState,
        now
    )
    .fetch_all(&mut *db)
    .await?;
    for signup in &ended {
        let event = NewEvent {
            signup: Some(signup.id),
            subscriber: Some(id),
            ..NewEvent::new(kind, method, &signup.email, now)
        };
        consent::record(&mut *db, &event).await?;
    }
    Ok(ended.len())
}

/// Moves an active subscription, which the caller has locked, to the address of a signup whose owner has just confirmed
/// it; answers which subscription goes there from now on.
///
/// The subscription keeps its id, so the links in old mails go on working, and what waits in a mailing under way goes
/// to the new address. Only where the new address has a subscription of its own, of now or before, that one goes on
/// and the other one ends.
pub(super) async fn complete(
    db: &mut PgConnection,
    by: &Actor,
    signup: &Signup,
    subscriber: &Subscriber,
    now: DateTime<Utc>,
) -> sqlx::Result<SubscriberId> {
    let id = subscriber.id;
    if !take_address(db, id, &signup.email).await? {
        let goes_on = subscriber::activate(db, &signup.email, subscriber.locale, now).await?.id;
        subscriber::unsubscribe(db, by, id, ConsentMethod::AddressChange, now).await?;
        remember(db, subscriber, goes_on, now).await?;
        return Ok(goes_on);
    }
    let withdrawn = NewEvent {
        subscriber: Some(id),
        ..NewEvent::new(ConsentKind::Withdrawn, ConsentMethod::AddressChange, &subscriber.email, now)
    };
    consent::record(db, &withdrawn).await?;
    remember(db, subscriber, id, now).await?;
    Ok(id)
}

/// Gives a subscription its new address; answers false where that has a subscription of its own, even one that began at
/// this very moment.
async fn take_address(db: &mut PgConnection, id: SubscriberId, email: &EmailAddress) -> sqlx::Result<bool> {
    let normalized = email.normalized();
    if subscriber::by_address(db, &normalized).await?.is_some_and(|known| known.id != id) {
        return Ok(false);
    }
    // Somebody may confirm the same address in another window at this moment: that ends the savepoint, not the answer.
    let mut savepoint = db.begin().await?;
    let taken = sqlx::query!(
        "update subscribers set email = $2, email_normalized = $3 where id = $1",
        id.0,
        email.as_str(),
        normalized.as_str()
    )
    .execute(&mut *savepoint)
    .await;
    match taken {
        Ok(_) => savepoint.commit().await.map(|()| true),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            savepoint.rollback().await.map(|()| false)
        }
        Err(error) => Err(error),
    }
}

/// Removes every request of a subscription that was not confirmed, with its mails and its record: what was typed there
/// may be anybody's address.
pub(in crate::domain) async fn forget(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<()> {
    let open: Vec<uuid::Uuid> = sqlx::query_scalar!(
        "select id from signups where replaces = $1 and state <> 'confirmed' order by id for update",
        id.0
    )
    .fetch_all(&mut *db)
    .await?;
    super::remove(db, &open).await?;
    Ok(())
}

/// Keeps in mind that the record of the old address is part of this subscription's.
async fn remember(
    db: &mut PgConnection,
    old: &Subscriber,
    goes_on: SubscriberId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let normalized = old.email.normalized();
    sqlx::query!(
        "insert into former_addresses (email_normalized, subscriber_id, left_at) values ($1, $2, $3)
         on conflict (subscriber_id, email_normalized) do update set left_at = excluded.left_at",
        normalized.as_str(),
        goes_on.0,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The subscriber, locked, if it is active.
pub(super) async fn active(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<Option<Subscriber>> {
    let subscriber = subscriber::locked(db, id).await?;
    Ok(subscriber.filter(|subscriber| subscriber.state == SubscriberState::Active))
}
