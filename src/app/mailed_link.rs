//! One-time links by mail: asking for one at the login, and what becomes of such a mail.
//!
//! What is answered at the login depends on nothing that is stored of the address: the same rows are written for every one.
//! Whether anybody logs in with it is looked up when the mail is made; the token exists from then on, and works from the moment
//! at which the mail may go.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use crate::{
    app::{
        App, Deed,
        login_origin::{Origin, account_of},
    },
    domain::{
        actor::Actor,
        address::EmailAddress,
        event::{self, Event},
        ids::DeliveryId,
        publication::{self, Publication},
        queue::delivery::{self, DeliveryKind},
        staff::{
            self, StaffMember,
            audit::{self, Action},
            link::{self, Mailed},
            throttle::{self, Admission},
        },
    },
};

/// Who has a link that is no older gets no second one: it works for at least as long again.
const ENOUGH: Duration = Duration::minutes(10);
/// Mails with links to one address in a day.
const A_DAY: i64 = 12;

/// What it came to that somebody asked for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkAsked {
    /// If anybody logs in with this address, a mail is on its way there.
    Taken,
    /// Nothing is taken from here before this moment, whatever the address.
    WaitUntil(DateTime<Utc>),
}

/// Why nobody could ask.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Staff have a link sent to somebody else: see [`members`](super::members).
    #[error("who is logged in has no link sent to somebody this way")]
    NotAllowed,
    /// The publication has no sender: no mail goes out. Its owner fills it in.
    #[error("the publication has no sender address, so no mail goes out")]
    NoSender,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Whether mails can go out at all: a link needs no more of the publication than a sender.
#[must_use]
pub fn can_be_mailed(publication: Option<&Publication>) -> bool {
    publication.is_some_and(|publication| publication.content.sender.address.is_some())
}

/// Takes it that somebody at the login has forgotten their password, and queues the mail. Attempts are counted as at the
/// login, for addresses that are nobody's too, and in all.
///
/// # Errors
/// [`AskError`].
pub async fn ask_for_link(
    app: &App,
    by: &Actor,
    publication: Option<&Publication>,
    (origin, email): (&Origin, &EmailAddress),
    now: DateTime<Utc>,
) -> Result<LinkAsked, AskError> {
    if by.is_staff() {
        return Err(AskError::NotAllowed);
    }
    if !can_be_mailed(publication) {
        return Err(AskError::NoSender);
    }
    // Beside the logins of the same account: who guesses at a password must not keep its owner from a new one.
    let account = format!("new password {}", account_of(email.as_str()));
    if let Admission::WaitUntil(until) = origin.admit(app, &account, None, now).await? {
        return Ok(LinkAsked::WaitUntil(until));
    }
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    if let Some(until) = throttle::admit_link_in_all(&mut deed, &app.keys, now).await? {
        return Ok(LinkAsked::WaitUntil(until));
    }
    delivery::enqueue_staff_link(&mut deed, DeliveryKind::NewPassword, email, now).await?;
    deed.tell(&Event::PasswordLinkAsked).await?;
    deed.commit().await?;
    Ok(LinkAsked::Taken)
}

/// Why there is no mail.
#[derive(Debug, thiserror::Error)]
pub enum NoLink {
    /// Nobody needs one.
    #[error("{0}")]
    NotNeeded(&'static str),
    /// There is no publication that it could be from.
    #[error("there is no publication yet")]
    NoPublication,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Whom a mail with a link is for, and the publication it is from. Changes nothing: asked again, it decides the same.
///
/// # Errors
/// [`NoLink`].
pub async fn recipient(
    pool: &PgPool,
    (delivery, to): (DeliveryId, &EmailAddress),
    now: DateTime<Utc>,
) -> Result<(StaffMember, Publication), NoLink> {
    let mut db = pool.acquire().await?;
    let Some(id) = staff::id_of(&mut db, to).await? else {
        return Err(NoLink::NotNeeded("nobody on the staff has this address"));
    };
    let member = staff::by_id(&mut db, id).await?.filter(|member| member.disabled_at.is_none());
    let member = member.ok_or(NoLink::NotNeeded("this member of the staff is disabled"))?;
    let before = delivery::staff_links_before(&mut db, delivery, to, now - ENOUGH, now).await?;
    if before.is_there {
        return Err(NoLink::NotNeeded("a link went there moments ago, or is about to"));
    }
    if before.of_the_day >= A_DAY {
        return Err(NoLink::NotNeeded("enough links went there for a day"));
    }
    let publication = publication::current(&mut db).await?.ok_or(NoLink::NoPublication)?;
    Ok((member, publication))
}

/// Lets a link work whose mail may go now. In the transaction of its mark; doing it again does no harm.
pub async fn keep(db: &mut PgConnection, link: &Mailed, now: DateTime<Utc>) -> sqlx::Result<()> {
    let Some(email) = link::keep_mailed(&mut *db, link, now).await? else { return Ok(()) };
    let details = json!({ "expires_at": link.expires_at });
    audit::record(&mut *db, &Actor::Service, Action::LinkMailed, &email, &details, now).await?;
    event::record(db, &Actor::Service, &Event::MemberLinkMailed(link.staff_id), now).await
}
