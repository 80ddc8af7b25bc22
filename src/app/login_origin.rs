//! Where somebody logs in from: the browser, the network, how their attempts are counted, and the session they get.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::sync::Semaphore;

use crate::{
    app::App,
    domain::{
        address::EmailAddress,
        ids::StaffId,
        staff::{
            StaffError,
            password::{Asking, HashError},
            secret::{Device, SessionToken},
            session,
            throttle::{self, Admission, Trying},
        },
    },
};

/// Why nobody logged in, or showed who they are, besides what they typed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The one-time link was used, has run out, or is not ours; ask for a new one.
    #[error("the one-time link works no more")]
    LinkOver,
    /// The `SECRET_KEY` that sealed the second factor is gone; an admin resets the second factor.
    #[error("the second factor cannot be checked; reset it")]
    SecondFactorLost,
    /// No password could be hashed; most often too many log in at this moment.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The account refused it.
    #[error(transparent)]
    Account(#[from] StaffError),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Who is in from now on.
#[derive(Debug)]
pub struct LoggedIn {
    /// Whose the session is.
    pub owner: StaffId,
    /// The session.
    pub session: SessionToken,
    /// The second factor is still to come.
    pub awaits_code: bool,
}

/// Where somebody logs in from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The device that somebody logged in with before.
    pub device: Option<Device>,
    /// The address, where it is that of one client alone.
    pub address: Option<IpAddr>,
    /// Browser and system, by name.
    pub client_name: String,
    /// The session that the browser has had until now.
    pub session: Option<SessionToken>,
}

/// Attempts that are looked up in the database at the same time: the others of its connections are for everybody else, who
/// may want to leave.
static ADMITTING: Semaphore = Semaphore::const_new(4);

impl Origin {
    /// The device, when it is this member's own.
    #[must_use]
    pub fn device_of(&self, owner: StaffId) -> Option<&Device> {
        self.device.as_ref().filter(|device| device.owner() == owner)
    }

    /// Whether its owner logged in from here before.
    pub(in crate::app) fn asking(&self, owner: Option<StaffId>) -> Asking {
        if owner.and_then(|owner| self.device_of(owner)).is_some() { Asking::Known } else { Asking::Stranger }
    }

    /// Counts an attempt for an account; nobody's when there is no owner.
    pub(in crate::app) async fn admit(
        &self,
        app: &App,
        account: &str,
        owner: Option<StaffId>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Admission> {
        let device = owner.and_then(|owner| self.device_of(owner));
        // Those from one network wait for each other, with a connection in hand.
        let _turn = ADMITTING.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let mut transaction = app.pool.begin().await?;
        let trying = Trying { account, device, place: self.address };
        let admission = throttle::admit(&mut transaction, &app.keys, trying, now).await?;
        match &admission {
            Admission::Go(_) => transaction.commit().await?,
            // What is refused is not counted, so that made-up accounts without end leave nothing behind.
            Admission::WaitUntil(_) => transaction.rollback().await?,
        }
        Ok(admission)
    }

    /// Begins a session in the place of the one that there was: whoever had planted or seen the old cookie has nothing.
    pub(in crate::app) async fn begin_session(
        &self,
        db: &mut PgConnection,
        owner: StaffId,
        is_awaiting_code: bool,
        now: DateTime<Utc>,
    ) -> sqlx::Result<SessionToken> {
        if let Some(old) = &self.session
            && let Some(old) = session::find(&mut *db, old, now).await?
        {
            session::end(&mut *db, old.id).await?;
        }
        session::begin(db, owner, is_awaiting_code, &self.client_name, now).await
    }
}

/// The account that was typed, as it is looked up and counted; any text will do.
pub(in crate::app) fn account_of(typed: &str) -> String {
    match EmailAddress::parse(typed) {
        Ok(email) => email.normalized().as_str().to_owned(),
        Err(_) => typed.trim().chars().take(254).collect::<String>().to_lowercase(),
    }
}
