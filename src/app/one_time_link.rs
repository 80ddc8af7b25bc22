//! Using a one-time link: a first password, a new one, or the very first admin.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::{
        App, Deed,
        login_origin::{LoggedIn, LoginError, Origin},
    },
    domain::{
        actor::Actor,
        address::EmailAddress,
        event::Event,
        staff::{
            self,
            audit::Action,
            link::{self, OneTimeLink},
            password::NewPassword,
            secret::OneTimeToken,
        },
    },
};

/// What a link does. Changes nothing.
///
/// # Errors
/// [`LoginError::LinkOver`].
pub async fn read_link(
    pool: &PgPool,
    token: &OneTimeToken,
    now: DateTime<Utc>,
) -> Result<OneTimeLink, LoginError> {
    link::read(&mut *pool.acquire().await?, token, now).await?.ok_or(LoginError::LinkOver)
}

/// Uses a link of the kind that [`read_link`] answered: sets the password and begins a session, as far as the second factor.
/// `first` is what the first admin says of themselves.
///
/// # Errors
/// [`LoginError`]; most often [`LoginError::LinkOver`].
pub async fn use_link(
    app: &App,
    origin: &Origin,
    (token, link): (&OneTimeToken, &OneTimeLink),
    first: Option<(&EmailAddress, &str)>,
    password: &NewPassword,
    now: DateTime<Utc>,
) -> Result<LoggedIn, LoginError> {
    let hash = app.passwords.hash(password).await?;
    let mut deed = Deed::begin(&app.pool, &Actor::Visitor, now).await?;
    let used = match (link, first) {
        (OneTimeLink::Password { staff_id, .. }, _) => {
            link::use_for_password(&mut deed, token, *staff_id, &hash, now).await?.then_some(*staff_id)
        }
        (OneTimeLink::FirstAdmin, Some(first)) => {
            link::use_for_first_admin(&mut deed, token, first, &hash, now).await?
        }
        (OneTimeLink::FirstAdmin, None) => None,
    };
    let id = used.ok_or(LoginError::LinkOver)?;
    let member = staff::by_id(&mut deed, id).await?.ok_or(LoginError::LinkOver)?;
    let by = Actor::Member { id, email: member.email.clone(), role: member.role };
    let mut deed = deed.done_by(&by);
    if *link == OneTimeLink::FirstAdmin {
        deed.note(Action::FirstAdmin, &member.email, &json!({}), &Event::FirstAdmin(id)).await?;
    }
    deed.note(Action::PasswordSet, &member.email, &json!({}), &Event::MemberPasswordSet(id)).await?;
    // The link proves who sent it, not who opened it: the second factor is asked for all the same.
    let awaits_code = member.has_second_factor;
    let session = origin.begin_session(&mut deed, id, awaits_code, now).await?;
    if !awaits_code {
        deed.note(Action::LoggedIn, &member.email, &json!({}), &Event::MemberLoggedIn(id)).await?;
    }
    deed.commit().await?;
    Ok(LoggedIn { owner: id, session, awaits_code })
}
