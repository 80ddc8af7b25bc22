//! Logging in and out: the password, the code, and showing once more who one is.
//!
//! The answer to a wrong password, to an address that is nobody's, and to one that is disabled is the same, in time too:
//! a password is hashed in any case, and nothing is written that depends on whose account it is before the answer is out.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;
use tracing::Instrument;

use crate::{
    app::{
        App, Deed,
        login_origin::{LoggedIn, LoginError, Origin, account_of},
    },
    domain::{
        actor::Actor,
        event::Event,
        staff::{
            self, Credentials,
            audit::Action,
            password::{Asking, Checked},
            second_factor::{self, SecondFactor},
            session::{self, Session},
            throttle::{self, Admission, Attempt},
        },
    },
};

/// What the password of a login came to.
#[derive(Debug)]
pub enum LogIn {
    /// It was right.
    In(LoggedIn),
    /// There is no such account, it is disabled, or the password is another one.
    Wrong,
    /// Not looked at before this moment.
    WaitUntil(DateTime<Utc>),
}

/// What the code of a login came to.
#[derive(Debug)]
pub enum GivenCode {
    /// It was right.
    In(LoggedIn),
    /// It was a recovery code, which is used up.
    ByRecoveryCode(LoggedIn),
    /// It was wrong, or used before.
    Wrong,
    /// Not looked at before this moment.
    WaitUntil(DateTime<Utc>),
    /// It was one too many, and the session is over.
    Over,
}

/// What it came to that somebody was to show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reauthenticated {
    /// They have shown it.
    Yes,
    /// The password is another one.
    WrongPassword,
    /// The code was wrong, or used before.
    WrongCode,
    /// Not looked at before this moment.
    WaitUntil(DateTime<Utc>),
    /// It was one guess too many, or the session was ended meanwhile.
    Over,
}

/// The first step: address and password, as they were typed.
///
/// # Errors
/// [`LoginError`].
pub async fn log_in(
    app: &App,
    origin: &Origin,
    (email, password): (&str, &str),
    now: DateTime<Utc>,
) -> Result<LogIn, LoginError> {
    let account = account_of(email);
    let known = staff::credentials(&mut *app.pool.acquire().await?, &account).await?;
    let owner = known.as_ref().map(|known| known.id);
    let attempt = match origin.admit(app, &account, owner, now).await? {
        Admission::Go(attempt) => attempt,
        Admission::WaitUntil(until) => return Ok(LogIn::WaitUntil(until)),
    };
    let hash = known.as_ref().map(|known| known.password_hash.as_str());
    let checked = app.passwords.check(password, hash, origin.asking(owner)).await?;
    let Some(known) = known.filter(|_| checked != Checked::Wrong) else {
        tell_held(&app.pool, &account, &attempt, now);
        return Ok(LogIn::Wrong);
    };
    let new_hash = match checked {
        Checked::RightButOld => Some(app.passwords.hash_again(password).await?),
        _ => None,
    };
    let by = actor(&known);
    let mut deed = Deed::begin(&app.pool, &by, now).await?;
    if !staff::still_has_password(&mut deed, known.id, &known.password_hash).await? {
        // Changed, or disabled, while it was being checked.
        return Ok(LogIn::Wrong);
    }
    if let Some(new_hash) = new_hash {
        staff::rehash_password(&mut deed, known.id, &known.password_hash, &new_hash).await?;
    }
    let awaits_code = known.has_second_factor;
    let session = origin.begin_session(&mut deed, known.id, awaits_code, now).await?;
    if awaits_code {
        throttle::password_was_right(&mut deed, &attempt, now).await?;
    } else {
        throttle::succeeded(&mut deed, &attempt, now).await?;
        deed.note(Action::LoggedIn, &known.email, &json!({}), &Event::MemberLoggedIn(known.id)).await?;
    }
    deed.commit().await?;
    Ok(LogIn::In(LoggedIn { owner: known.id, session, awaits_code }))
}

/// The second step: a code, or a recovery code.
///
/// # Errors
/// [`LoginError`].
pub async fn give_code(
    app: &App,
    origin: &Origin,
    waiting: &Session,
    code: &str,
    now: DateTime<Utc>,
) -> Result<GivenCode, LoginError> {
    let (id, email) = (waiting.staff_id, waiting.email.as_str());
    let attempt = match origin.admit(app, &account_of(email), Some(id), now).await? {
        Admission::Go(attempt) => attempt,
        Admission::WaitUntil(until) => return Ok(GivenCode::WaitUntil(until)),
    };
    // Committed before the code is looked at: as many tries at the same moment are as many tries.
    if !session::may_try_code(&mut *app.pool.acquire().await?, waiting.id).await? {
        return Ok(GivenCode::Over);
    }
    let by = waiting.actor();
    let mut deed = Deed::begin(&app.pool, &by, now).await?;
    let factor = check_code(&mut deed, app, waiting, code).await?;
    if factor == SecondFactor::Wrong {
        deed.commit().await?;
        return Ok(GivenCode::Wrong);
    }
    let session = origin.begin_session(&mut deed, id, false, now).await?;
    throttle::succeeded(&mut deed, &attempt, now).await?;
    deed.note(Action::LoggedIn, email, &json!({}), &Event::MemberLoggedIn(id)).await?;
    deed.commit().await?;
    let entered = LoggedIn { owner: id, session, awaits_code: false };
    Ok(if factor == SecondFactor::Recovery {
        GivenCode::ByRecoveryCode(entered)
    } else {
        GivenCode::In(entered)
    })
}

/// Whether a session has to show the second factor too, to show who it is.
#[must_use]
pub fn needs_code(session: &Session, now: DateTime<Utc>) -> bool {
    session.has_second_factor && !session.is_fresh(now)
}

/// Checks the password of somebody who is logged in, and their code where [`needs_code`] says so. Guesses count as at the
/// login; only after many is the session over.
///
/// # Errors
/// [`LoginError`].
pub async fn reauthenticate(
    app: &App,
    origin: &Origin,
    session: &Session,
    (password, code): (&str, &str),
    now: DateTime<Utc>,
) -> Result<Reauthenticated, LoginError> {
    let account = account_of(&session.email);
    let attempt = match origin.admit(app, &account, Some(session.staff_id), now).await? {
        Admission::Go(attempt) => attempt,
        Admission::WaitUntil(until) => return Ok(Reauthenticated::WaitUntil(until)),
    };
    // Committed before anything is looked at: as many tries at the same moment are as many tries.
    if !session::may_reauthenticate(&mut *app.pool.acquire().await?, session.id).await? {
        return Ok(Reauthenticated::Over);
    }
    let known = staff::credentials(&mut *app.pool.acquire().await?, &account).await?;
    let hash = known.as_ref().map(|known| known.password_hash.as_str());
    if app.passwords.check(password, hash, Asking::Known).await? == Checked::Wrong {
        tell_held(&app.pool, &account, &attempt, now);
        return Ok(Reauthenticated::WrongPassword);
    }
    let by = session.actor();
    let mut deed = Deed::begin(&app.pool, &by, now).await?;
    if needs_code(session, now) && check_code(&mut deed, app, session, code).await? == SecondFactor::Wrong {
        deed.commit().await?;
        return Ok(Reauthenticated::WrongCode);
    }
    if !session::authenticated(&mut deed, session.id, now).await? {
        // Ended meanwhile, from another device.
        return Ok(Reauthenticated::Over);
    }
    if !session.is_fresh(now) {
        let event = Event::MemberReauthenticated(session.staff_id);
        deed.note(Action::Reauthenticated, &session.email, &json!({}), &event).await?;
    }
    throttle::succeeded(&mut deed, &attempt, now).await?;
    deed.commit().await?;
    Ok(Reauthenticated::Yes)
}

/// Ends a session. One that waits for the second factor was no login, and nothing is noted of it.
pub async fn log_out(pool: &PgPool, session: &Session, now: DateTime<Utc>) -> sqlx::Result<()> {
    let by = session.actor();
    let mut deed = Deed::begin(pool, &by, now).await?;
    session::end(&mut deed, session.id).await?;
    if !session.is_awaiting_code {
        let event = Event::MemberLoggedOut(session.staff_id);
        deed.note(Action::LoggedOut, &session.email, &json!({}), &event).await?;
    }
    deed.commit().await
}

/// Checks a code, or a recovery code, uses it up, and notes what is to be known of it. After a wrong one the deed is still
/// to be committed.
async fn check_code(
    deed: &mut Deed<'_>,
    app: &App,
    session: &Session,
    typed: &str,
) -> Result<SecondFactor, LoginError> {
    let (id, email, now) = (session.staff_id, session.email.as_str(), deed.now);
    let typed: String = typed.chars().take(100).collect();
    let factor = second_factor::check(deed, &app.keys, id, &typed, now).await?;
    match factor {
        SecondFactor::Code => {}
        SecondFactor::Recovery => {
            let left = second_factor::recovery_codes_left(deed, id).await?;
            let details = json!({ "left": left });
            deed.note(Action::RecoveryCodeUsed, email, &details, &Event::MemberRecoveryCodeUsed(id)).await?;
        }
        SecondFactor::Wrong => {
            deed.note(Action::CodeRefused, email, &json!({}), &Event::MemberCodeRefused(id)).await?;
        }
        SecondFactor::Lost => return Err(LoginError::SecondFactorLost),
    }
    Ok(factor)
}

fn actor(known: &Credentials) -> Actor {
    Actor::Member { id: known.id, email: known.email.clone(), role: known.role }
}

/// Notes that an account's attempts have to wait from now on. Beside the answer, so that it does not take longer for
/// accounts that there are.
fn tell_held(pool: &PgPool, account: &str, attempt: &Attempt, now: DateTime<Utc>) {
    if !attempt.begins_to_hold {
        return;
    }
    let (pool, account) = (pool.clone(), account.to_owned());
    tokio::spawn(
        async move {
            if let Err(error) = note_held(&pool, &account, now).await {
                tracing::warn!(%error, "a hold on logins could not be logged");
            }
        }
        .in_current_span(),
    );
}

async fn note_held(pool: &PgPool, account: &str, now: DateTime<Utc>) -> sqlx::Result<()> {
    let known = staff::credentials(&mut *pool.acquire().await?, account).await?;
    let Some(known) = known else { return Ok(()) };
    let by = actor(&known);
    let mut deed = Deed::begin(pool, &by, now).await?;
    deed.note(Action::LoginHeld, &known.email, &json!({}), &Event::MemberLoginHeld(known.id)).await?;
    deed.commit().await
}
