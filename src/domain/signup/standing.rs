//! What the link of a confirmation mail is worth now: what its page may say, by what is stored of the signup and of the
//! address, and by nothing else.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    ids::SubscriberId,
    subscriber::{self, Subscriber, SubscriberState},
};

use super::state::{Signup, SignupState};

/// What the link is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStanding {
    /// Nobody has answered yet.
    Open,
    /// "Yes" was said behind this link, and this subscription goes to its address.
    Confirmed(SubscriberId),
    /// The address is subscribed, but not by an answer behind this link. A signup only.
    Elsewhere(SubscriberId),
    /// "Yes" was said, behind this link or to another signup of the address, and the subscription has ended since.
    Left,
    /// The same, and the subscription goes to another address since.
    Moved,
    /// "That was not me" was said.
    Declined,
    /// Its time is over.
    Expired,
    /// A change of address: a newer request took its place.
    Superseded,
    /// A change of address: called off on the settings page.
    Cancelled,
    /// Staff called it off, because the owner of the address asked them to.
    Discarded,
    /// A change of address: the subscription has ended.
    Lapsed,
    /// A change of address that has ended; an earlier version did not record how.
    Ended,
}

/// What the link of a signup is worth at `now`. Changes nothing.
pub async fn of(db: &mut PgConnection, signup: &Signup, now: DateTime<Utc>) -> sqlx::Result<LinkStanding> {
    match signup.replaces {
        Some(id) => of_change(db, signup, id, now).await,
        None => of_signup(db, signup, now).await,
    }
}

async fn of_signup(db: &mut PgConnection, signup: &Signup, now: DateTime<Utc>) -> sqlx::Result<LinkStanding> {
    let known = known(db, signup).await?;
    if let Some(active) = known.as_ref().filter(|known| known.state == SubscriberState::Active) {
        let by_this = signup.state == SignupState::Confirmed;
        return Ok(if by_this {
            LinkStanding::Confirmed(active.id)
        } else {
            LinkStanding::Elsewhere(active.id)
        });
    }
    match signup.state {
        SignupState::Waiting if now >= signup.expires_at => Ok(LinkStanding::Expired),
        SignupState::Waiting => Ok(LinkStanding::Open),
        SignupState::Declined => Ok(LinkStanding::Declined),
        SignupState::Cancelled => Ok(LinkStanding::Discarded),
        _ => ended(db, signup, known.as_ref()).await,
    }
}

async fn of_change(
    db: &mut PgConnection,
    signup: &Signup,
    id: SubscriberId,
    now: DateTime<Utc>,
) -> sqlx::Result<LinkStanding> {
    match signup.state {
        SignupState::Waiting if !is_active(db, id).await? => Ok(LinkStanding::Lapsed),
        SignupState::Waiting if now >= signup.expires_at => Ok(LinkStanding::Expired),
        SignupState::Waiting => Ok(LinkStanding::Open),
        SignupState::Confirmed => {
            let known = known(db, signup).await?;
            match known.as_ref().filter(|known| known.state == SubscriberState::Active) {
                Some(active) => Ok(LinkStanding::Confirmed(active.id)),
                None => ended(db, signup, known.as_ref()).await,
            }
        }
        SignupState::Declined if was_declined(db, signup).await? => Ok(LinkStanding::Declined),
        SignupState::Declined => Ok(LinkStanding::Ended),
        SignupState::Superseded => Ok(LinkStanding::Superseded),
        SignupState::Cancelled if was_cancelled_by_owner(db, signup).await? => Ok(LinkStanding::Cancelled),
        SignupState::Cancelled => Ok(LinkStanding::Discarded),
        SignupState::Lapsed => Ok(LinkStanding::Lapsed),
    }
}

async fn known(db: &mut PgConnection, signup: &Signup) -> sqlx::Result<Option<Subscriber>> {
    subscriber::by_address(db, &signup.email.normalized()).await
}

async fn is_active(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<bool> {
    let known = subscriber::by_id(db, id).await?;
    Ok(known.is_some_and(|known| known.state == SubscriberState::Active))
}

/// A confirmed address without an active subscription: it ended, or went to another address.
async fn ended(
    db: &mut PgConnection,
    signup: &Signup,
    known: Option<&Subscriber>,
) -> sqlx::Result<LinkStanding> {
    let normalized = signup.email.normalized();
    let has_moved = sqlx::query_scalar!(
        r#"select exists (select from former_addresses where email_normalized = $1) as "has_moved!""#,
        normalized.as_str()
    )
    .fetch_one(db)
    .await?;
    Ok(if known.is_none() && has_moved { LinkStanding::Moved } else { LinkStanding::Left })
}

/// Whether a change of address was called off on the settings page, and not by staff.
async fn was_cancelled_by_owner(db: &mut PgConnection, signup: &Signup) -> sqlx::Result<bool> {
    let normalized = signup.email.normalized();
    sqlx::query_scalar!(
        r#"select exists (
               select from consent_events where email_normalized = $1 and signup_id = $2
                 and kind = 'cancelled' and method = 'settings') as "was_cancelled!""#,
        normalized.as_str(),
        signup.id.0
    )
    .fetch_one(db)
    .await
}

/// Whether "that was not me" was said of a change of address. An earlier version recorded the same of one that was
/// replaced or called off; only a press brought with it that the page had been opened.
async fn was_declined(db: &mut PgConnection, signup: &Signup) -> sqlx::Result<bool> {
    let normalized = signup.email.normalized();
    sqlx::query_scalar!(
        r#"select exists (
               select from consent_events where email_normalized = $1 and signup_id = $2
                 and (kind = 'link_opened' or (kind = 'declined' and method = 'link'))) as "was_declined!""#,
        normalized.as_str(),
        signup.id.0
    )
    .fetch_one(db)
    .await
}
