//! What only the owner of a mailbox may do, by a link that came there within the hour: see and take away everything stored
//! (Art. 15 and 20 DSGVO), have another address, have everything erased (Art. 17).
//!
//! The link itself says who acts, so these deeds take it in the place of an actor, and read it inside their transaction: an
//! address that was given up meanwhile opens nothing.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    app::{App, Deed, consent_text},
    domain::{
        actor::Actor,
        address::{AddressError, EmailAddress},
        consent::ConsentMethod,
        erasure,
        ids::SubscriberId,
        locale::Locale,
        personal_data::{self, PersonalData},
        publication::Publication,
        signup::{
            Request,
            address_change::{self, ChangeAsked},
            limits::ClientNetwork,
        },
        subscriber::{self, Subscriber},
        token::{AccessClaim, AccessState},
    },
};

/// What an access link opens.
#[derive(Debug, Clone)]
pub struct PrivacyData {
    /// Whose it is.
    pub subscriber: Subscriber,
    /// Everything that is stored of them.
    pub data: PersonalData,
    /// The address that waits for its owner.
    pub new_address: Option<EmailAddress>,
}

/// Why a link opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// It is not ours.
    #[error("this link is not known")]
    Unknown,
    /// Nothing is stored of whom it was sent to (any more).
    #[error("nothing is stored of this subscriber any more")]
    NothingStored,
    /// Its hour is over; this subscriber can have another one.
    #[error("the hour of this link is over; ask for another one")]
    Expired(SubscriberId),
    /// It came to an address that was given up since.
    #[error("this link was sent to an address that was given up since")]
    Moved,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Why another address was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum NewAddressError {
    /// The link opens nothing.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The address has to be mended.
    #[error("the address cannot be used: {0}")]
    Address(#[from] AddressError),
    /// It is the subscription's address already.
    #[error("the subscription has this address already")]
    SameAddress,
    /// The subscription has ended.
    #[error("there is no active subscription to move")]
    NotActive,
    /// The publication lacks these fields; the operator has to fill them in.
    #[error("the publication is not complete: {}", .0.join(", "))]
    NotReady(Vec<String>),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A request for another address.
#[derive(Debug, Clone, Copy)]
pub struct NewAddress<'a> {
    /// What was typed.
    pub typed: &'a str,
    /// The version of the consent text that stood beside the form, if it said so.
    pub consent_version: Option<i32>,
    /// The language of the page, and of that text.
    pub locale: Locale,
    /// The page the form stood on.
    pub page: &'a str,
    /// Where it came from, when that can be told.
    pub network: Option<ClientNetwork>,
    /// The visitor's IP address.
    pub client_ip: Option<IpAddr>,
}

/// Everything that is stored of the owner of a link.
///
/// # Errors
/// [`AccessError`].
pub async fn read(app: &App, link: &str, now: DateTime<Utc>) -> Result<PrivacyData, AccessError> {
    let mut db = app.pool.acquire().await?;
    let subscriber = owner(app, &mut db, link, now).await?;
    let data = personal_data::of_address(&mut db, &app.keys, &subscriber.email).await?;
    let new_address = address_change::waiting(&mut db, subscriber.id, now).await?;
    Ok(PrivacyData { subscriber, data, new_address })
}

/// The owner of a link.
///
/// # Errors
/// [`AccessError`].
pub async fn look(app: &App, link: &str, now: DateTime<Utc>) -> Result<Subscriber, AccessError> {
    owner(app, &mut *app.pool.acquire().await?, link, now).await
}

/// Asks for another address. The new one gets a mail with a button, the old one is told. Answers the subscriber and the
/// address. Whether somebody is subscribed with it makes no difference (invariant 4).
///
/// # Errors
/// [`NewAddressError`].
pub async fn ask_address(
    app: &App,
    link: &str,
    publication: &Publication,
    asked: &NewAddress<'_>,
    now: DateTime<Utc>,
) -> Result<(Subscriber, EmailAddress), NewAddressError> {
    let missing = publication.content.missing();
    if !missing.is_empty() {
        return Err(NewAddressError::NotReady(missing));
    }
    let by = &holder(app, link)?;
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    let subscriber = owner(app, &mut deed, link, now).await?;
    let email = EmailAddress::parse(asked.typed)?;
    let (shown, names_text) =
        consent_text::of_form(&mut deed, publication, asked.consent_version, asked.locale).await?;
    let request = Request {
        email: &email,
        locale: subscriber.locale,
        shown,
        names_text,
        form_page: asked.page,
        client_ip: app.signups.kept_ip(asked.client_ip),
        network: asked.network,
        replaces: Some(subscriber.id),
        on_request: None,
    };
    match address_change::ask(&mut deed, by, &request, now).await? {
        ChangeAsked::Now => deed.commit().await?,
        ChangeAsked::SameAddress => return Err(NewAddressError::SameAddress),
        ChangeAsked::NotActive => return Err(NewAddressError::NotActive),
    }
    Ok((subscriber, email))
}

/// Erases everything that is stored of the owner of a link, but for a keyed HMAC that keeps imports from bringing the address
/// back. `is_pressed`: our button was pressed; else a POST came to the link that said no more, and it is done all the same.
///
/// # Errors
/// [`AccessError`].
pub async fn erase(app: &App, link: &str, is_pressed: bool, now: DateTime<Utc>) -> Result<(), AccessError> {
    let by = &holder(app, link)?;
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    let subscriber = owner(app, &mut deed, link, now).await?;
    let method = if is_pressed { ConsentMethod::Button } else { ConsentMethod::Link };
    erasure::erase(&mut deed, &app.keys, by, &subscriber.email.normalized(), method, now).await?;
    deed.commit().await?;
    tracing::info!(subscriber = %subscriber.id, "a subscriber had everything erased");
    Ok(())
}

/// Who holds a link that is ours.
fn holder(app: &App, link: &str) -> Result<Actor, AccessError> {
    let claim = AccessClaim::read(&app.keys, link).ok_or(AccessError::Unknown)?;
    Ok(Actor::Subscriber(claim.subscriber()))
}

async fn owner(
    app: &App,
    db: &mut PgConnection,
    link: &str,
    now: DateTime<Utc>,
) -> Result<Subscriber, AccessError> {
    let claim = AccessClaim::read(&app.keys, link).ok_or(AccessError::Unknown)?;
    let subscriber = subscriber::by_id(db, claim.subscriber()).await?.ok_or(AccessError::NothingStored)?;
    match claim.check(&app.keys, &subscriber.email.normalized(), now) {
        Some(AccessState::Open) => Ok(subscriber),
        Some(AccessState::Expired) => Err(AccessError::Expired(subscriber.id)),
        None => Err(AccessError::Moved),
    }
}
