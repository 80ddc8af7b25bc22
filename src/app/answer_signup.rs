//! Which mail answers a signup. Only here it matters what is stored of the address: the answer to the form did not tell
//! (invariant 4).

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    config::{SecretKeys, SignupLimits},
    domain::{
        ids::{DeliveryId, SignupId, SubscriberId},
        publication::{self, Publication},
        signup::{
            self, Signup,
            held::HeldFor,
            limits::{self, Decision},
        },
        subscriber::{self, SubscriberState},
        suppression::{self, SuppressionReason},
    },
};

/// The mail that answers a signup.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The signup.
    pub signup: Signup,
    /// The publication it is from.
    pub publication: Publication,
    /// What it says.
    pub kind: AnswerKind,
}

/// What the mail says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// It asks the owner of the address to confirm.
    Confirmation,
    /// It asks the owner of the address whether a subscription is to move there.
    AddressChange,
    /// The address is this subscriber's already.
    AlreadySubscribed(SubscriberId),
}

/// Why no mail answers a signup.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody needs one (any more).
    #[error("{0}")]
    NotNeeded(&'static str),
    /// More signups than a limit allows: it waits until staff decide, or until this moment, when the signup ends.
    #[error("{}", .0.text())]
    Held(HeldFor, DateTime<Utc>),
    /// There is no publication that it could be from.
    #[error("there is no publication yet")]
    NoPublication,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Decides which mail answers a signup; `delivery` is that mail. It writes down where a limit turns the signup away, so that
/// it does not count for others, and writes no event: asked again, it decides the same.
///
/// # Errors
/// [`NoAnswer`].
pub async fn answer_signup(
    pool: &PgPool,
    keys: &SecretKeys,
    limits: &SignupLimits,
    (delivery, signup): (DeliveryId, Option<SignupId>),
    now: DateTime<Utc>,
) -> Result<Answer, NoAnswer> {
    let mut db = pool.acquire().await?;
    let erased = NoAnswer::NotNeeded("the signup was erased");
    let Some(id) = signup else { return Err(erased) };
    let signup = signup::by_id(&mut db, id).await?.ok_or(erased)?;
    if now >= signup.expires_at {
        return Err(NoAnswer::NotNeeded("the signup's time is over"));
    }
    let normalized = signup.email.normalized();
    let suppressed = suppression::find(&mut db, keys, &normalized).await?;
    if suppressed.is_some_and(SuppressionReason::forbids_signup) {
        return Err(NoAnswer::NotNeeded("the address is suppressed"));
    }
    match limits::check(&mut db, limits, &signup, delivery, now).await? {
        Decision::Send => {}
        Decision::NotNeeded(why) => return Err(NoAnswer::NotNeeded(why)),
        Decision::Hold(reason) => return Err(NoAnswer::Held(reason, signup.expires_at)),
    }
    let publication = publication::current(&mut db).await?.ok_or(NoAnswer::NoPublication)?;
    let kind = if signup.replaces.is_some() {
        AnswerKind::AddressChange
    } else {
        let known = subscriber::by_address(&mut db, &normalized).await?;
        let active = known.filter(|known| known.state == SubscriberState::Active);
        active.map_or(AnswerKind::Confirmation, |known| AnswerKind::AlreadySubscribed(known.id))
    };
    Ok(Answer { signup, publication, kind })
}
