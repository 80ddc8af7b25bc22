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
            unassigned::{self, Message, Unassigned},
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
    /// The newest of what was put aside.
    pub put_aside: Vec<Unassigned>,
    /// The newest of what is known whose it is.
    pub newest: Vec<ListedBounce>,
}

/// What a person says of a message.
#[derive(Debug, Clone, Copy)]
pub struct Assignment<'a> {
    /// Whose it is.
    pub address: &'a EmailAddress,
    /// What it says.
    pub kind: BounceKind,
    /// They mean it, also where the message does not name the address, or ends mail for good.
    pub is_sure: bool,
}

/// Why a message was not assigned.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// Only admins do this.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// There is no such message.
    #[error("there is no such message")]
    Unknown,
    /// Somebody was faster.
    #[error("it is known already whose the message is")]
    Known,
    /// Nobody says in a reader's name that they complained; only a message that says so is a complaint.
    #[error("the message does not say that, so nobody can be treated as if it did")]
    NotSaid,
    /// It does not name the address, or what follows cannot be undone.
    #[error("the message does not name this address, or what follows is for good; say that it is meant")]
    NotSure,
    /// Nothing was sent to this address that could have come back.
    #[error("no mail has gone to this address in the 90 days before the message came")]
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
    Ok(Queue {
        count: unassigned::count(&mut db).await?,
        waiting: unassigned::list(&mut db, false, most).await?,
        put_aside: unassigned::list(&mut db, true, most).await?,
        newest: bounce::list(&mut db, None, true, most).await?,
    })
}

/// One message, with all that is known of it.
///
/// # Errors
/// When the database fails.
pub async fn message(pool: &PgPool, id: i64) -> sqlx::Result<Option<Message>> {
    unassigned::message(&mut *pool.acquire().await?, id).await
}

/// What a person may take a message for, that waits to be assigned. Only one that says so is a complaint. The last one is none
/// of the others: an automatic answer stays one.
#[must_use]
pub fn meanings(message: &Message) -> Vec<BounceKind> {
    let mut meanings = vec![BounceKind::Hard, BounceKind::Soft, BounceKind::Policy];
    if message.kind == BounceKind::Complaint {
        meanings.insert(0, BounceKind::Complaint);
    }
    meanings.push(match message.kind {
        nothing @ (BounceKind::Delayed | BounceKind::AutoReply) => nothing,
        _ => BounceKind::Unrecognised,
    });
    meanings
}

/// Whether a message names this address.
fn names(message: &Message, address: &EmailAddress) -> bool {
    let (address, written) = (address.normalized(), address.as_str().to_lowercase());
    let is_same =
        |named: &String| EmailAddress::parse(named).is_ok_and(|named| named.normalized() == address);
    let text = message.report.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    message.recipients.iter().any(is_same) || text.to_lowercase().contains(&written)
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
    assignment: Assignment<'_>,
    now: DateTime<Utc>,
) -> Result<Consequence, AssignError> {
    let Assignment { address, kind, is_sure } = assignment;
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let message = unassigned::message(&mut deed, id).await?.ok_or(AssignError::Unknown)?;
    if message.is_assigned {
        return Err(AssignError::Known);
    }
    if !meanings(&message).contains(&kind) {
        return Err(AssignError::NotSaid);
    }
    let sent = unassigned::newest_sent(&mut deed, address, message.received_at).await?;
    let sent = sent.ok_or(AssignError::NothingSent)?;
    if !is_sure && (kind == BounceKind::Complaint || !names(&message, address)) {
        return Err(AssignError::NotSure);
    }
    // Whoever was erased meanwhile is not written down again.
    let (returned, reader) = bounce::returned_and_locked(&mut deed, sent.delivery).await?;
    let returned = returned.filter(|mail| mail.subscriber.is_some() || mail.signup.is_some());
    let returned = returned.ok_or(AssignError::NothingSent)?;
    if !unassigned::assign(&mut deed, id, (&returned, &address.normalized()), kind).await? {
        return Err(AssignError::Known);
    }
    let details = json!({ "kind": kind.name() });
    let event = Event::BounceAssigned(returned.delivery);
    // As it is stored, by which the log is searched.
    let whose = reader.map_or_else(|| address.masked(), |reader| reader.email.masked());
    deed.note(Action::BounceAssigned, &whose, &details, &event).await?;
    let consequence = bounce::apply(&mut deed, keys, by, (&returned, kind), now).await?;
    deed.commit().await?;
    Ok(consequence)
}

/// Puts messages aside that are about nobody for certain; answers how many. They stay until 90 days after they came.
///
/// # Errors
/// [`AssignError::NotAllowed`], or when the database fails.
pub async fn ignore(pool: &PgPool, by: &Actor, ids: &[i64], now: DateTime<Utc>) -> Result<u64, AssignError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let count = unassigned::ignore(&mut deed, ids, now).await?;
    if count > 0 {
        deed.note(Action::BouncesIgnored, "", &json!({ "count": count }), &Event::BouncesIgnored).await?;
    }
    deed.commit().await?;
    Ok(count)
}
