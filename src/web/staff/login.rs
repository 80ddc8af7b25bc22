//! Getting in: address and password, then the second factor where there is one; and getting out.
//!
//! The answer to a wrong password, to an address that is nobody's, and to one that is disabled is the same, in time too:
//! a password is hashed in any case, and nothing is written that depends on whose account it is before the answer is out.

use axum::{
    Form,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    domain::{
        address::EmailAddress,
        ids::StaffId,
        staff::{
            self, Credentials,
            audit::{self, Action, Actor},
            password::Checked,
            secret::{Device, SessionToken},
            session::{self, Session},
            throttle::{self, Admission, Attempt, Trying},
            totp::{self, SecondFactor},
        },
    },
    web::{AppState, client::Client},
};

use super::{
    access::AwaitingCode,
    client_name, cookies, destination,
    page::{Mistakes, Page, done},
    problems::StaffProblem,
};

/// `GET /staff/login`
pub async fn form(page: Page, request: Request) -> Result<Response, StaffProblem> {
    let next = page.query("next").unwrap_or_default();
    // Whoever is still to show the second factor may have come back for another account.
    if request.extensions().get::<Session>().is_some_and(|session| !session.is_awaiting_code) {
        return Ok(Redirect::to(destination::checked(&next).as_deref().unwrap_or("/staff")).into_response());
    }
    page.show("staff/login.html", &json!({ "email": "", "next": next, "errors": Mistakes::default() }))
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    email: String,
    password: String,
    next: String,
}

/// Whose login it is, and from where: what is needed at each of its steps.
pub struct Visit {
    device: Option<Device>,
    client: Option<Client>,
    client_name: String,
    headers: HeaderMap,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Visit
where
    AppState: axum::extract::FromRef<S>,
{
    type Rejection = StaffProblem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, Self::Rejection> {
        let state = <AppState as axum::extract::FromRef<S>>::from_ref(state);
        Ok(Self {
            device: cookies::device(&state, &parts.headers),
            client: Client::of(&parts.extensions, &parts.headers, &state.trusted_proxies),
            client_name: client_name::of(&parts.headers),
            headers: parts.headers.clone(),
        })
    }
}

impl Visit {
    /// The device, when it is this member's own.
    fn device_of(&self, owner: StaffId) -> Option<&Device> {
        self.device.as_ref().filter(|device| device.owner() == owner)
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
        let place = self.client.and_then(Client::to_count);
        let mut transaction = state.pool.begin().await?;
        let trying = Trying { account, device, place };
        let admission = throttle::admit(&mut transaction, &state.keys, trying, now).await?;
        transaction.commit().await?;
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

/// `POST /staff/login`
pub async fn submit(
    State(state): State<AppState>,
    page: Page,
    visit: Visit,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let again = |status, errors: Mistakes| {
        let email: String = sent.email.chars().take(320).collect();
        page.answer(
            status,
            "staff/login.html",
            &json!({ "email": email, "next": sent.next, "errors": errors }),
        )
    };
    let mut mistakes = Mistakes::default();
    if sent.email.trim().is_empty() {
        mistakes.add("email", page.text("error", "email_empty"));
    }
    if sent.password.is_empty() {
        mistakes.add("password", page.text("error", "password_empty"));
    }
    if !mistakes.is_empty() {
        return again(StatusCode::UNPROCESSABLE_ENTITY, mistakes);
    }
    let now = Utc::now();
    let account = account_of(&sent.email);
    let known = staff::credentials(&mut *state.pool.acquire().await?, &account).await?;
    let admission = visit.admit(&state, &account, known.as_ref().map(|known| known.id), now).await?;
    let attempt = match admission {
        Admission::Go(attempt) => attempt,
        Admission::WaitUntil(until) => {
            let answer = again(StatusCode::TOO_MANY_REQUESTS, wait(&page, "form", until - now))?;
            return Ok(with_retry_after(answer, until - now));
        }
    };
    let hash = known.as_ref().map(|known| known.password_hash.as_str());
    let checked = state.passwords.check(&sent.password, hash).await?;
    let Some(known) = known.filter(|_| checked != Checked::Wrong) else {
        tell_held(&state, &account, &attempt, now);
        let wrong = Mistakes::one("form", page.text("error", "login_wrong"));
        return again(StatusCode::UNPROCESSABLE_ENTITY, wrong);
    };
    let new_hash = match checked {
        Checked::RightButOld => Some(state.passwords.hash_again(&sent.password).await?),
        _ => None,
    };
    let mut transaction = state.pool.begin().await?;
    if !staff::still_has_password(&mut transaction, known.id, &known.password_hash).await? {
        // Changed, or disabled, while it was being checked.
        let wrong = Mistakes::one("form", page.text("error", "login_wrong"));
        return again(StatusCode::UNPROCESSABLE_ENTITY, wrong);
    }
    if let Some(new_hash) = new_hash {
        staff::rehash_password(&mut transaction, known.id, &known.password_hash, &new_hash).await?;
    }
    let awaits_code = known.has_second_factor;
    let token = visit.begin(&state, &mut transaction, known.id, awaits_code, now).await?;
    if !awaits_code {
        throttle::succeeded(&mut transaction, &attempt, now).await?;
        let by = actor(&known);
        audit::record(&mut transaction, &by, Action::LoggedIn, &known.email, &json!({}), now).await?;
    }
    transaction.commit().await?;
    let next = destination::checked(&sent.next);
    if awaits_code {
        let to = destination::with_next("/staff/login/code", next.as_deref());
        let mut response = Redirect::to(&to).into_response();
        cookies::set_session(&state, response.headers_mut(), &token);
        return Ok(response);
    }
    let response = Redirect::to(next.as_deref().unwrap_or("/staff")).into_response();
    Ok(visit.enter(&state, response, &token, known.id))
}

/// The account that was typed, as it is looked up and counted; any text will do.
fn account_of(typed: &str) -> String {
    match EmailAddress::parse(typed) {
        Ok(email) => email.normalized().as_str().to_owned(),
        Err(_) => typed.trim().chars().take(254).collect::<String>().to_lowercase(),
    }
}

fn actor(known: &Credentials) -> Actor {
    Actor::Member { id: known.id, email: known.email.clone() }
}

/// Logs that an account's attempts have to wait from now on. Beside the answer, so that it does not take longer for
/// accounts that there are.
fn tell_held(state: &AppState, account: &str, attempt: &Attempt, now: DateTime<Utc>) {
    if !attempt.begins_to_hold {
        return;
    }
    let (state, account) = (state.clone(), account.to_owned());
    tokio::spawn(async move {
        let told = async {
            let mut db = state.pool.acquire().await?;
            let Some(known) = staff::credentials(&mut db, &account).await? else { return Ok(()) };
            audit::record(&mut db, &actor(&known), Action::LoginHeld, &known.email, &json!({}), now).await
        };
        if let Err(error) = told.await {
            tracing::warn!(%error, "a hold on logins could not be logged");
        }
    });
}

/// That an attempt has to wait, and how long, in whole minutes.
pub fn wait(page: &Page, field: &'static str, how_long: TimeDelta) -> Mistakes {
    let minutes = how_long.num_seconds().max(1).unsigned_abs().div_ceil(60);
    let key = if minutes == 1 { "wait_one" } else { "wait_many" };
    Mistakes::one(field, page.text("error", key).replace("{minutes}", &minutes.to_string()))
}

/// Tells programs too how long to wait.
pub fn with_retry_after(mut answer: Response, how_long: TimeDelta) -> Response {
    answer.headers_mut().insert(header::RETRY_AFTER, how_long.num_seconds().max(1).unsigned_abs().into());
    answer
}

/// Whether somebody who is logged in has typed their own password.
pub enum Confirmed {
    /// They have.
    Yes,
    /// What to tell them at the field, with which status.
    No(StatusCode, Mistakes),
}

/// Checks the password of somebody who is logged in, before what a stolen session must not do. Guesses count as at the
/// login.
///
/// # Errors
/// When the database fails, or too many log in at once.
pub async fn confirm_password(
    state: &AppState,
    page: &Page,
    visit: &Visit,
    session: &Session,
    typed: &str,
) -> Result<Confirmed, StaffProblem> {
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    if typed.is_empty() {
        let empty = page.text("error", "password_empty");
        return Ok(Confirmed::No(unprocessable, Mistakes::one("password", empty)));
    }
    let now = Utc::now();
    let account = account_of(&session.email);
    let attempt = match visit.admit(state, &account, Some(session.staff_id), now).await? {
        Admission::Go(attempt) => attempt,
        Admission::WaitUntil(until) => {
            return Ok(Confirmed::No(StatusCode::TOO_MANY_REQUESTS, wait(page, "password", until - now)));
        }
    };
    let known = staff::credentials(&mut *state.pool.acquire().await?, &account).await?;
    let hash = known.as_ref().map(|known| known.password_hash.as_str());
    if state.passwords.check(typed, hash).await? == Checked::Wrong {
        tell_held(state, &account, &attempt, now);
        let wrong = page.text("error", "password_wrong");
        return Ok(Confirmed::No(unprocessable, Mistakes::one("password", wrong)));
    }
    throttle::succeeded(&mut *state.pool.acquire().await?, &attempt, now).await?;
    Ok(Confirmed::Yes)
}

/// `GET /staff/login/code`
pub async fn code_form(page: Page, _: AwaitingCode) -> Result<Response, StaffProblem> {
    let next = page.query("next").unwrap_or_default();
    page.show("staff/code.html", &json!({ "next": next, "errors": Mistakes::default() }))
}

/// What the form for the second factor sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentCode {
    code: String,
    next: String,
}

/// `POST /staff/login/code`
pub async fn submit_code(
    State(state): State<AppState>,
    page: Page,
    visit: Visit,
    AwaitingCode(waiting): AwaitingCode,
    Form(sent): Form<SentCode>,
) -> Result<Response, StaffProblem> {
    let again = |status, errors: Mistakes| {
        page.answer(status, "staff/code.html", &json!({ "next": sent.next, "errors": errors }))
    };
    if sent.code.trim().is_empty() {
        let empty = Mistakes::one("code", page.text("error", "code_empty"));
        return again(StatusCode::UNPROCESSABLE_ENTITY, empty);
    }
    let now = Utc::now();
    let attempt = match visit.admit(&state, &account_of(&waiting.email), Some(waiting.staff_id), now).await? {
        Admission::Go(attempt) => attempt,
        Admission::WaitUntil(until) => {
            let answer = again(StatusCode::TOO_MANY_REQUESTS, wait(&page, "code", until - now))?;
            return Ok(with_retry_after(answer, until - now));
        }
    };
    // Committed before the code is looked at: as many tries at the same moment are as many tries.
    if !session::may_try_code(&mut *state.pool.acquire().await?, waiting.id).await? {
        return Ok(done("/staff/login", "code_tries"));
    }
    let by = Actor::Member { id: waiting.staff_id, email: waiting.email.clone() };
    let mut transaction = state.pool.begin().await?;
    let typed: String = sent.code.chars().take(100).collect();
    let factor = totp::check(&mut transaction, &state.keys, waiting.staff_id, &typed, now).await?;
    match factor {
        SecondFactor::Code => {}
        SecondFactor::Recovery => {
            let left = totp::recovery_codes_left(&mut transaction, waiting.staff_id).await?;
            let details = json!({ "left": left });
            audit::record(&mut transaction, &by, Action::RecoveryCodeUsed, &waiting.email, &details, now)
                .await?;
        }
        SecondFactor::Wrong => {
            audit::record(&mut transaction, &by, Action::CodeRefused, &waiting.email, &json!({}), now)
                .await?;
            transaction.commit().await?;
            let wrong = Mistakes::one("code", page.text("error", "code_wrong"));
            return again(StatusCode::UNPROCESSABLE_ENTITY, wrong);
        }
        SecondFactor::Lost => return Err(StaffProblem::SecondFactorLost),
    }
    let token = visit.begin(&state, &mut transaction, waiting.staff_id, false, now).await?;
    throttle::succeeded(&mut transaction, &attempt, now).await?;
    audit::record(&mut transaction, &by, Action::LoggedIn, &waiting.email, &json!({}), now).await?;
    transaction.commit().await?;
    let response = if factor == SecondFactor::Recovery {
        done("/staff/account/second-factor", "recovery_code_used")
    } else {
        Redirect::to(destination::checked(&sent.next).as_deref().unwrap_or("/staff")).into_response()
    };
    Ok(visit.enter(&state, response, &token, waiting.staff_id))
}

/// `POST /staff/logout`
pub async fn logout(State(state): State<AppState>, request: Request) -> Result<Response, StaffProblem> {
    if let Some(session) = request.extensions().get::<Session>() {
        let mut transaction = state.pool.begin().await?;
        session::end(&mut transaction, session.id).await?;
        if !session.is_awaiting_code {
            let by = Actor::Member { id: session.staff_id, email: session.email.clone() };
            audit::record(&mut transaction, &by, Action::LoggedOut, &session.email, &json!({}), Utc::now())
                .await?;
        }
        transaction.commit().await?;
    }
    let mut response = done("/staff/login", "logged_out");
    cookies::clear_session(&state, response.headers_mut());
    Ok(response)
}
