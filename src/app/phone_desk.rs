//! The phone desk: what staff need to know and do about one address while its owner asks.
//!
//! Somebody enters a whole address, so nobody is found by trying parts. Each look is logged, and each member has so many an hour
//! that trying addresses one by one is no way to a list. What is done here says in the record of consent that it was asked for,
//! and how; nobody is subscribed by it.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    app::{
        App, Deed,
        sign_up::{self, AskError},
        unsubscribe::{self, UnsubscribeError, Way},
    },
    config::SecretKeys,
    domain::{
        actor::{Actor, NotPermitted},
        address::EmailAddress,
        event::Event,
        ids::SubscriberId,
        locale::Locale,
        on_request::OnRequest,
        personal_data::{self, PersonalData},
        publication::Publication,
        queue::delivery::ListedDelivery,
        signup::{SignupState, discard, undelivered},
        staff::audit::{self, Action},
        subscriber::{self, SubscriberState, Unsubscribed},
        suppression::SuppressionReason,
    },
};

/// Addresses that a member may look up in an hour: more than anybody has on the telephone.
pub const AN_HOUR: i64 = 60;

/// Mailings of which it is said how they went.
const MAILINGS: usize = 5;

/// Kinds of mails that answer a signup, as [`ListedDelivery`] names them.
const ANSWERS: [&str; 3] = ["confirmation", "already_subscribed", "signup_answer"];

/// What is to be known of an address.
#[derive(Debug, Clone)]
pub struct Record {
    /// The subscription, of now or before.
    pub subscriber: Option<SubscriberId>,
    /// Whether its owner gets the newsletter.
    pub standing: AddressStanding,
    /// Why it must not be written to, if so.
    pub suppressed: Option<SuppressionReason>,
    /// The newest request that waits for its owner.
    pub waiting: Option<Waiting>,
    /// The last mailings to it, newest first.
    pub mailings: Vec<ListedDelivery>,
    /// A subscription had this address before, and goes to another one now.
    pub is_former: bool,
}

/// Whether the owner of an address gets the newsletter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressStanding {
    /// Nothing is stored of it.
    Unknown,
    /// Something is, and no subscription, of now or before.
    NoSubscription,
    /// They do: since they confirmed here, or since this day by a list.
    Subscribed(DateTime<Utc>),
    /// They left.
    Left(DateTime<Utc>),
    /// Mail came back.
    Bounced(DateTime<Utc>),
    /// They reported mail as spam.
    Complained(DateTime<Utc>),
}

/// A request that waits for the owner of the address.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Since when.
    pub since: DateTime<Utc>,
    /// When its link ends.
    pub until: DateTime<Utc>,
    /// It is to move a subscription here.
    pub is_address_change: bool,
    /// The last mail about it.
    pub mail: Option<ListedDelivery>,
}

/// What came of something that was to be done.
#[derive(Debug, Clone)]
pub enum Came {
    /// It is done.
    Done,
    /// There was nothing to do; this is how it stands.
    Nothing(Box<Record>),
}

/// Why nothing was looked up or done.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Only staff sit at the desk.
    #[error("only staff may look up addresses")]
    NotAllowed(#[from] NotPermitted),
    /// [`AN_HOUR`] were looked up in the last hour.
    #[error("too many addresses were looked up in the last hour; wait a while")]
    TooMany,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Looks an address up.
///
/// # Errors
/// [`DeskError`].
pub async fn look_up(
    app: &App,
    by: &Actor,
    email: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<Record, DeskError> {
    let mut deed = Deed::by_staff(&app.pool, by, now)?.await?;
    if let Actor::Member { email: own, .. } = by {
        let looks = [Action::AddressLookedUp];
        let count = audit::count(&mut deed, own, &looks, now - Duration::hours(1), AN_HOUR).await?;
        if count >= AN_HOUR {
            return Err(DeskError::TooMany);
        }
    }
    let record = read(&mut deed, &app.keys, email, now).await?;
    deed.note(Action::AddressLookedUp, &email.masked(), &json!({}), &Event::AddressLookedUp).await?;
    deed.commit().await?;
    Ok(record)
}

/// Ends the subscription of an address, because its owner asked for that.
///
/// # Errors
/// [`DeskError`].
pub async fn unsubscribe(
    app: &App,
    by: &Actor,
    (email, asked): (&EmailAddress, &OnRequest),
    now: DateTime<Utc>,
) -> Result<Came, DeskError> {
    by.require_staff()?;
    let known = subscriber::by_address(&mut *app.pool.acquire().await?, &email.normalized()).await?;
    if let Some(known) = known {
        let way = Way::OnRequest(asked);
        match unsubscribe::unsubscribe(&app.pool, by, known.id, way, now).await {
            Ok((Unsubscribed::Now | Unsubscribed::Stopped, _)) => return Ok(Came::Done),
            Ok((Unsubscribed::Before | Unsubscribed::Nobody, _)) => {}
            Err(UnsubscribeError::NotAllowed) => return Err(NotPermitted::Staff.into()),
            Err(UnsubscribeError::Database(error)) => return Err(error.into()),
        }
    }
    nothing(app, by, email, now).await
}

/// Has the confirmation mail of the newest signup that waits sent once more.
///
/// # Errors
/// [`DeskError`].
pub async fn send_again(
    app: &App,
    by: &Actor,
    email: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<Came, DeskError> {
    let mut deed = Deed::by_staff(&app.pool, by, now)?.await?;
    if !undelivered::send_again_to(&mut deed, &email.normalized(), now).await? {
        drop(deed);
        return nothing(app, by, email, now).await;
    }
    let (subject, event) = (email.masked(), Event::ConfirmationsSentAgain);
    deed.note(Action::ConfirmationSentAgain, &subject, &json!({}), &event).await?;
    deed.commit().await?;
    Ok(Came::Done)
}

/// Calls off every request that waits for the owner of an address, because they asked for that.
///
/// # Errors
/// [`DeskError`].
pub async fn discard_signup(
    app: &App,
    by: &Actor,
    (email, asked): (&EmailAddress, &OnRequest),
    now: DateTime<Utc>,
) -> Result<Came, DeskError> {
    let mut deed = Deed::by_staff(&app.pool, by, now)?.await?;
    if discard::discard(&mut deed, by, &email.normalized(), asked, now).await? == 0 {
        drop(deed);
        return nothing(app, by, email, now).await;
    }
    let details = json!({ "channel": asked.channel });
    deed.audit(Action::SignupDiscarded, &email.masked(), &details).await?;
    deed.commit().await?;
    Ok(Came::Done)
}

/// Why nobody was entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The publication lacks something; until it is filled in nobody can sign up.
    #[error("the publication is not complete")]
    NotReady,
    /// What the desk refuses.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

/// Enters an address because its owner asked for that: a signup, which they confirm by mail. Nothing is done for one that is
/// subscribed, or must not be written to.
///
/// # Errors
/// [`EnterError`].
pub async fn enter(
    app: &App,
    by: &Actor,
    publication: Option<&Publication>,
    (email, locale, asked): (&EmailAddress, Locale, &OnRequest),
    page: &str,
    now: DateTime<Utc>,
) -> Result<Came, EnterError> {
    match sign_up::ask_to_subscribe(app, by, publication, (email, locale, asked), page, now).await {
        Ok(()) => Ok(Came::Done),
        // Whether somebody is subscribed is a look like any other.
        Err(AskError::Subscribed | AskError::Suppressed) => Ok(nothing(app, by, email, now).await?),
        Err(AskError::NotReady(_)) => Err(EnterError::NotReady),
        Err(AskError::NotAllowed(error)) => Err(DeskError::from(error).into()),
        Err(AskError::Database(error)) => Err(DeskError::from(error).into()),
    }
}

/// How it stands where there was nothing to do. It is a look, and counts as one.
async fn nothing(app: &App, by: &Actor, email: &EmailAddress, now: DateTime<Utc>) -> Result<Came, DeskError> {
    Ok(Came::Nothing(Box::new(look_up(app, by, email, now).await?)))
}

async fn read(
    db: &mut PgConnection,
    keys: &SecretKeys,
    email: &EmailAddress,
    now: DateTime<Utc>,
) -> sqlx::Result<Record> {
    let stored = personal_data::of_address(&mut *db, keys, email).await?;
    let is_former = personal_data::is_former(db, &email.normalized()).await?;
    let newest = |kinds: &'static [&'static str]| {
        stored.deliveries.iter().rev().filter(move |mail| kinds.contains(&mail.kind.as_str())).cloned()
    };
    let waiting = stored.signups.iter().rev();
    let mut waiting =
        waiting.filter(|signup| signup.state == SignupState::Waiting && now < signup.expires_at);
    let waiting = waiting.next().map(|signup| Waiting {
        since: signup.requested_at,
        until: signup.expires_at,
        is_address_change: signup.is_address_change,
        mail: newest(&ANSWERS).next(),
    });
    Ok(Record {
        subscriber: stored.subscriber.as_ref().map(|subscriber| subscriber.id),
        standing: standing(&stored),
        suppressed: stored.suppressed,
        waiting,
        mailings: newest(&["mailing"]).take(MAILINGS).collect(),
        is_former,
    })
}

fn standing(stored: &PersonalData) -> AddressStanding {
    let Some(subscriber) = &stored.subscriber else {
        return if stored.is_empty() { AddressStanding::Unknown } else { AddressStanding::NoSubscription };
    };
    let since = subscriber.state_changed_at;
    match subscriber.state {
        SubscriberState::Active => {
            AddressStanding::Subscribed(stored.agreed_elsewhere().unwrap_or(subscriber.confirmed_at))
        }
        SubscriberState::Unsubscribed => AddressStanding::Left(since),
        SubscriberState::Bounced => AddressStanding::Bounced(since),
        SubscriberState::Complained => AddressStanding::Complained(since),
    }
}
