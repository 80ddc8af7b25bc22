//! A visit to the login: the browser and the network it comes from, and how its attempts are counted.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
    response::Response,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::{
    domain::{
        address::EmailAddress,
        ids::StaffId,
        staff::{
            self, Credentials,
            audit::{self, Action, Actor},
            password::Asking,
            secret::{Device, SessionToken},
            session,
            throttle::{self, Admission, Attempt, Trying},
        },
    },
    web::{
        AppState,
        http::client::{Client, Counted},
        staff::{
            login::{client_name, cookies},
            staff_page::{Mistakes, StaffPage},
        },
    },
};

/// Whose login it is, and from where: what is needed at each of its steps.
pub struct Visit {
    device: Option<Device>,
    client: Option<Client>,
    client_name: String,
    headers: HeaderMap,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self {
            device: cookies::device(state, &parts.headers),
            client: Client::of(&parts.extensions, &parts.headers, &state.proxies),
            client_name: client_name::of(&parts.headers),
            headers: parts.headers.clone(),
        })
    }
}

/// Attempts that are looked up in the database at the same time: the others of its connections are for everybody else, who
/// may want to leave.
static ADMITTING: Semaphore = Semaphore::const_new(4);

impl Visit {
    /// The device, when it is this member's own.
    fn device_of(&self, owner: StaffId) -> Option<&Device> {
        self.device.as_ref().filter(|device| device.owner() == owner)
    }

    /// Whether its owner logged in from here before.
    pub fn asking(&self, owner: Option<StaffId>) -> Asking {
        if owner.and_then(|owner| self.device_of(owner)).is_some() { Asking::Known } else { Asking::Stranger }
    }

    /// Counts an attempt for an account; nobody's when there is no owner.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn admit(
        &self,
        state: &AppState,
        account: &str,
        owner: Option<StaffId>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Admission> {
        let device = owner.and_then(|owner| self.device_of(owner));
        // Everybody behind a proxy that names nobody is not counted together: one guesser would keep all of them out.
        // Their accounts are.
        let place = self.client.and_then(|client| match client.counted {
            Counted::One(client) | Counted::Likely { client, .. } => Some(client),
            Counted::Everybody(_) | Counted::ThisMachine(_) => None,
        });
        // Those from one network wait for each other, with a connection in hand.
        let _turn = ADMITTING.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let mut transaction = state.pool.begin().await?;
        let trying = Trying { account, device, place };
        let admission = throttle::admit(&mut transaction, &state.keys, trying, now).await?;
        match &admission {
            Admission::Go(_) => transaction.commit().await?,
            // What is refused is not counted, so that made-up accounts without end leave nothing behind.
            Admission::WaitUntil(_) => transaction.rollback().await?,
        }
        Ok(admission)
    }

    /// Begins a session in the place of the one that there was: whoever had planted or seen the old cookie has nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(
        &self,
        state: &AppState,
        db: &mut PgConnection,
        owner: StaffId,
        is_awaiting_code: bool,
        now: DateTime<Utc>,
    ) -> sqlx::Result<SessionToken> {
        if let Some(old) = cookies::session(state, &self.headers)
            && let Some(old) = session::find(&mut *db, &old, now).await?
        {
            session::end(&mut *db, old.id).await?;
        }
        session::begin(db, owner, is_awaiting_code, &self.client_name, now).await
    }

    /// Gives the browser its session, and remembers it as one of its owner's.
    pub fn enter(
        &self,
        state: &AppState,
        mut response: Response,
        token: &SessionToken,
        owner: StaffId,
    ) -> Response {
        let device = self.device_of(owner).copied().unwrap_or_else(|| Device::new(owner));
        cookies::set_session(state, response.headers_mut(), token);
        cookies::set_device(state, response.headers_mut(), &device);
        response
    }
}

/// The account that was typed, as it is looked up and counted; any text will do.
pub fn account_of(typed: &str) -> String {
    match EmailAddress::parse(typed) {
        Ok(email) => email.normalized().as_str().to_owned(),
        Err(_) => typed.trim().chars().take(254).collect::<String>().to_lowercase(),
    }
}

/// Them, for the audit log.
pub fn actor(known: &Credentials) -> Actor {
    Actor::Member { id: known.id, email: known.email.clone() }
}

/// Logs that an account's attempts have to wait from now on. Beside the answer, so that it does not take longer for
/// accounts that there are.
pub fn tell_held(state: &AppState, account: &str, attempt: &Attempt, now: DateTime<Utc>) {
    if !attempt.begins_to_hold {
        return;
    }
    let (state, account) = (state.clone(), account.to_owned());
    tokio::spawn(
        async move {
            let told = async {
                let mut db = state.pool.acquire().await?;
                let Some(known) = staff::credentials(&mut db, &account).await? else { return Ok(()) };
                audit::record(&mut db, &actor(&known), Action::LoginHeld, &known.email, &json!({}), now).await
            };
            if let Err(error) = told.await {
                tracing::warn!(%error, "a hold on logins could not be logged");
            }
        }
        .in_current_span(),
    );
}

/// That an attempt has to wait, and how long, in whole minutes.
pub fn wait(page: &StaffPage, field: &'static str, how_long: TimeDelta) -> Mistakes {
    let minutes = how_long.num_seconds().max(1).unsigned_abs().div_ceil(60);
    let key = if minutes == 1 { "wait_one" } else { "wait_many" };
    Mistakes::one(field, page.text("error", key).replace("{minutes}", &minutes.to_string()))
}

/// Tells programs too how long to wait.
pub fn with_retry_after(mut answer: Response, how_long: TimeDelta) -> Response {
    answer.headers_mut().insert(header::RETRY_AFTER, how_long.num_seconds().max(1).unsigned_abs().into());
    answer
}
