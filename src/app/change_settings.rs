//! What whoever holds a subscriber's settings link may do. Newsletters are forwarded, so it is what harms nobody: another
//! language, and calling off a change of address. Everything else asks for a link by mail first, see
//! [`privacy`](super::privacy).

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    app::{App, Deed},
    domain::{
        actor::Actor,
        address::EmailAddress,
        event::Event,
        ids::SubscriberId,
        locale::Locale,
        queue::delivery::{self, DeliveryKind},
        signup::address_change,
        subscriber::{self, Subscriber},
    },
};

/// Between two access links to the same subscriber: forwarding a newsletter must not make a mailbox full.
const ACCESS_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// Access links to one subscriber a day.
const ACCESS_A_DAY: usize = 5;

/// What the settings page shows.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose they are.
    pub subscriber: Subscriber,
    /// Whether they have left.
    pub has_left: bool,
    /// The address that waits for its owner.
    pub new_address: Option<EmailAddress>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Only whoever holds a link of the subscriber.
    #[error("only whoever has the subscriber's link may do this")]
    NotAllowed,
    /// Nobody has this id (any more).
    #[error("nothing is stored of this subscriber (any more)")]
    Unknown,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The settings of a subscriber; nothing when nobody has this id (any more).
pub async fn settings(app: &App, id: SubscriberId, now: DateTime<Utc>) -> sqlx::Result<Option<Settings>> {
    let mut db = app.pool.acquire().await?;
    let Some(subscriber) = subscriber::by_id(&mut db, id).await? else { return Ok(None) };
    let new_address = address_change::waiting(&mut db, id, now).await?;
    let has_left = subscriber::has_left(&mut db, &subscriber).await?;
    Ok(Some(Settings { subscriber, has_left, new_address }))
}

/// Writes to a subscriber in this language from now on.
///
/// # Errors
/// [`SettingsError`].
pub async fn change_language(
    app: &App,
    by: &Actor,
    id: SubscriberId,
    locale: Locale,
    now: DateTime<Utc>,
) -> Result<(), SettingsError> {
    if *by != Actor::Subscriber(id) {
        return Err(SettingsError::NotAllowed);
    }
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    if subscriber::set_locale(&mut deed, id, locale).await? {
        deed.tell(&Event::SubscriberLanguageChanged(id)).await?;
    }
    deed.commit().await?;
    Ok(())
}

/// Calls off the changes of address that wait. Answers whether there was one.
///
/// # Errors
/// [`SettingsError`].
pub async fn keep_address(
    app: &App,
    by: &Actor,
    id: SubscriberId,
    now: DateTime<Utc>,
) -> Result<bool, SettingsError> {
    if *by != Actor::Subscriber(id) {
        return Err(SettingsError::NotAllowed);
    }
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    let is_called_off = address_change::cancel(&mut deed, id, now).await? > 0;
    if is_called_off {
        deed.tell(&Event::AddressChangeCancelled(id)).await?;
    }
    deed.commit().await?;
    Ok(is_called_off)
}

/// Sends a subscriber the link to everything that is stored, unless one went out moments ago or enough did today: the answer
/// is the same. Answers the subscriber.
///
/// # Errors
/// [`SettingsError`].
pub async fn request_access_link(
    app: &App,
    by: &Actor,
    id: SubscriberId,
    now: DateTime<Utc>,
) -> Result<Subscriber, SettingsError> {
    if *by != Actor::Subscriber(id) {
        return Err(SettingsError::NotAllowed);
    }
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    let subscriber = subscriber::locked(&mut deed, id).await?.ok_or(SettingsError::Unknown)?;
    let asked = delivery::access_links_since(&mut deed, id, now - TimeDelta::days(1)).await?;
    let is_again = asked.first().is_some_and(|last| *last > now - ACCESS_AGAIN);
    if !is_again && asked.len() < ACCESS_A_DAY {
        delivery::enqueue_for_subscriber(&mut deed, DeliveryKind::Access, id, now).await?;
        deed.tell(&Event::AccessLinkRequested(id)).await?;
    }
    deed.commit().await?;
    Ok(subscriber)
}
