//! What came back and is about nobody for certain: staff look at it, say whose it is, or put it aside.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    config::SecretKeys,
    domain::{
        actor::{Actor, NotPermitted},
        address::EmailAddress,
        bounce::{
            self, BounceKind, Consequence, ListedBounce,
            unassigned::{self, Ignored, Message, Unassigned},
        },
        event::Event,
        staff::audit::Action,
    },
};

/// What waits, and what came back lately.
#[derive(Debug)]
pub struct Queue {
    /// How many wait.
    pub count: i64,
    /// The newest of them.
    pub waiting: Vec<Unassigned>,
    /// The newest of what is known whose it is.
    pub newest: Vec<ListedBounce>,
}

/// Why a message was not assigned.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// Only admins do this.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// There is no such message, or it is known already whose it is.
    #[error("there is no such message, or it is known already whose it is")]
    Unknown,
    /// A program cannot be asked; only a message that says so is a complaint.
    #[error("the message does not say that, so nobody can be treated as if it did")]
    NotSaid,
    /// Nothing was sent to this address that could have come back.
    #[error("no mail has gone to this address in the 90 days before")]
    NothingSent,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What waits, and what came back lately, up to `most` of each.
///
/// # Errors
/// When the database fails.
pub async fn queue(pool: &PgPool, most: i64) -> sqlx::Result<Queue> {
    let mut db = pool.acquire().await?;
    let mut newest = bounce::list(&mut db, None, most).await?;
    newest.retain(|one| one.is_recognised);
    Ok(Queue {
        count: unassigned::count(&mut db).await?,
        waiting: unassigned::list(&mut db, most).await?,
        newest,
    })
}

/// One message, with all that is known of it.
///
/// # Errors
/// When the database fails.
pub async fn message(pool: &PgPool, id: i64) -> sqlx::Result<Option<Message>> {
    unassigned::message(&mut *pool.acquire().await?, id).await
}

/// What a person may take a message for, that waits to be assigned. Only one that says so is a complaint: nobody else says in
/// a reader's name that they complained.
#[must_use]
pub fn meanings(message: &Message) -> Vec<BounceKind> {
    let mut meanings = vec![BounceKind::Hard, BounceKind::Soft];
    if message.kind == BounceKind::Complaint {
        meanings.insert(0, BounceKind::Complaint);
    }
    meanings.push(BounceKind::Unrecognised);
    meanings
}

/// Says that a message is about the newest mail to this address that had gone out when it came, and what it says. What follows
/// is what would have followed by itself.
///
/// # Errors
/// [`AssignError`]; then nothing is changed.
pub async fn assign(
    pool: &PgPool,
    keys: &SecretKeys,
    by: &Actor,
    id: i64,
    (address, kind): (&EmailAddress, BounceKind),
    now: DateTime<Utc>,
) -> Result<Consequence, AssignError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let message = unassigned::message(&mut deed, id).await?.filter(|message| !message.is_assigned);
    let message = message.ok_or(AssignError::Unknown)?;
    if !meanings(&message).contains(&kind) {
        return Err(AssignError::NotSaid);
    }
    let sent = unassigned::newest_sent(&mut deed, address, message.received_at, now).await?;
    let sent = sent.ok_or(AssignError::NothingSent)?;
    let (returned, _) = bounce::returned_and_locked(&mut deed, sent.delivery).await?;
    let returned = returned.ok_or(AssignError::NothingSent)?;
    if !unassigned::assign(&mut deed, id, &returned, kind).await? {
        return Err(AssignError::Unknown);
    }
    let details = json!({ "kind": kind.name() });
    let event = Event::BounceAssigned(returned.delivery);
    deed.note(Action::BounceAssigned, &address.masked(), &details, &event).await?;
    let consequence = bounce::apply(&mut deed, keys, by, (&returned, kind), now).await?;
    deed.commit().await?;
    Ok(consequence)
}

/// Puts messages aside that are about nobody for certain; answers how many. They stay for their 90 days.
///
/// # Errors
/// [`AssignError::NotAllowed`], or when the database fails.
pub async fn ignore(
    pool: &PgPool,
    by: &Actor,
    which: Ignored,
    now: DateTime<Utc>,
) -> Result<u64, AssignError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let count = unassigned::ignore(&mut deed, which, now).await?;
    if count > 0 {
        deed.note(Action::BouncesIgnored, "", &json!({ "count": count }), &Event::BouncesIgnored).await?;
    }
    deed.commit().await?;
    Ok(count)
}
