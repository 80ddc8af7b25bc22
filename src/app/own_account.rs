//! What somebody does with their own account, and only with that: name, password, sessions, second factor.

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
        event::Event,
        first_steps,
        ids::SessionId,
        staff::{
            self, StaffError,
            audit::{self, Action, Entry},
            notice::{self, Notice},
            password::NewPassword,
            second_factor,
            session::{self, ListedSession, Session},
            totp::TotpSecret,
        },
    },
};

/// Whose account it is. A session that waits for the second factor changes nothing.
fn owner(session: &Session) -> Result<Actor, StaffError> {
    if session.is_awaiting_code {
        return Err(StaffError::NotAllowed);
    }
    Ok(session.actor())
}

/// The account's sessions, and the newest so many lines of the audit log about it.
pub async fn overview(
    pool: &PgPool,
    session: &Session,
    lines: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<(Vec<ListedSession>, Vec<Entry>)> {
    let mut db = pool.acquire().await?;
    let sessions = session::of_member(&mut db, session.staff_id, now).await?;
    Ok((sessions, audit::of_account(&mut db, &session.email, lines).await?))
}

/// Another name.
///
/// # Errors
/// [`StaffError`].
pub async fn set_name(
    pool: &PgPool,
    session: &Session,
    name: &str,
    now: DateTime<Utc>,
) -> Result<(), StaffError> {
    let (by, id) = (owner(session)?, session.staff_id);
    let mut deed = Deed::begin(pool, &by, now).await?;
    let Some(before) = staff::set_name(&mut deed, id, name).await? else { return Ok(()) };
    let details = json!({ "from": before.name, "to": name });
    deed.note(Action::NameChanged, &before.email, &details, &Event::MemberRenamed(id)).await?;
    deed.commit().await?;
    Ok(())
}

/// Another password. All sessions end; the browser it is done from gets a new one.
///
/// # Errors
/// [`LoginError`].
pub async fn set_password(
    app: &App,
    session: &Session,
    origin: &Origin,
    password: &NewPassword,
    now: DateTime<Utc>,
) -> Result<LoggedIn, LoginError> {
    let (by, id) = (owner(session)?, session.staff_id);
    let hash = app.passwords.hash(password).await?;
    let mut deed = Deed::begin(&app.pool, &by, now).await?;
    let before = staff::set_password(&mut deed, id, &hash, now).await?;
    deed.note(Action::PasswordChanged, &before.email, &json!({}), &Event::MemberPasswordSet(id)).await?;
    let token = origin.begin_session(&mut deed, id, false, now).await?;
    deed.commit().await?;
    Ok(LoggedIn { owner: id, session: token, awaits_code: false })
}

/// Ends all sessions, this one too.
///
/// # Errors
/// [`StaffError`].
pub async fn end_all_sessions(
    pool: &PgPool,
    session: &Session,
    now: DateTime<Utc>,
) -> Result<(), StaffError> {
    let (by, id) = (owner(session)?, session.staff_id);
    let mut deed = Deed::begin(pool, &by, now).await?;
    let ended = session::end_all(&mut deed, id, None).await?;
    let details = json!({ "sessions": ended });
    deed.note(Action::SessionsEnded, &session.email, &details, &Event::MemberSessionsEnded(id)).await?;
    deed.commit().await?;
    Ok(())
}

/// Ends one session of the account; one that is over already, or somebody else's, changes nothing.
///
/// # Errors
/// [`StaffError`].
pub async fn end_session(
    pool: &PgPool,
    session: &Session,
    ended: SessionId,
    now: DateTime<Utc>,
) -> Result<(), StaffError> {
    let (by, id) = (owner(session)?, session.staff_id);
    let mut deed = Deed::begin(pool, &by, now).await?;
    if session::end_own(&mut deed, id, ended).await? {
        let details = json!({ "sessions": 1 });
        deed.note(Action::SessionsEnded, &session.email, &details, &Event::MemberSessionsEnded(id)).await?;
    }
    deed.commit().await?;
    Ok(())
}

/// Leads somebody to the first mailing no more.
pub async fn dismiss_first_steps(pool: &PgPool, session: &Session, now: DateTime<Utc>) -> sqlx::Result<()> {
    first_steps::dismiss(&mut *pool.acquire().await?, session.staff_id, now).await
}

/// Notes that a session has read what it was told.
pub async fn read_notices(pool: &PgPool, session: &Session, ids: &[i64]) -> sqlx::Result<()> {
    notice::read(&mut *pool.acquire().await?, session, ids).await
}

/// Turns the second factor on, once its owner has shown a code of `step`. The account's other sessions, which began without
/// it, end. Answers the recovery codes, which are shown once.
///
/// # Errors
/// [`StaffError`].
pub async fn turn_on_second_factor(
    app: &App,
    session: &Session,
    secret: &TotpSecret,
    step: i64,
    now: DateTime<Utc>,
) -> Result<Vec<String>, StaffError> {
    let (by, id) = (owner(session)?, session.staff_id);
    let mut deed = Deed::begin(&app.pool, &by, now).await?;
    let codes = second_factor::turn_on(&mut deed, &app.keys, id, secret, step).await?;
    let event = Event::MemberSecondFactorOn(id);
    deed.note(Action::SecondFactorOn, &session.email, &json!({}), &event).await?;
    session::end_all(&mut deed, id, Some(session.id)).await?;
    deed.commit().await?;
    Ok(codes)
}

/// Makes new recovery codes, which are shown once; the old ones work no more.
///
/// # Errors
/// [`StaffError`].
pub async fn new_recovery_codes(
    app: &App,
    session: &Session,
    now: DateTime<Utc>,
) -> Result<Vec<String>, StaffError> {
    let (by, id) = (owner(session)?, session.staff_id);
    let mut deed = Deed::begin(&app.pool, &by, now).await?;
    let codes = second_factor::new_recovery_codes(&mut deed, &app.keys, id).await?;
    let event = Event::MemberRecoveryCodesMade(id);
    deed.note(Action::RecoveryCodesMade, &session.email, &json!({}), &event).await?;
    notice::tell_others(&mut deed, session, Notice::RecoveryCodesMade, now).await?;
    deed.commit().await?;
    Ok(codes)
}

/// Turns the second factor off. When there is none, nothing changes.
///
/// # Errors
/// [`StaffError`].
pub async fn turn_off_second_factor(
    pool: &PgPool,
    session: &Session,
    now: DateTime<Utc>,
) -> Result<(), StaffError> {
    let (by, id) = (owner(session)?, session.staff_id);
    let mut deed = Deed::begin(pool, &by, now).await?;
    let Some(before) = second_factor::turn_off(&mut deed, id).await? else { return Ok(()) };
    let event = Event::MemberSecondFactorOff(id);
    deed.note(Action::SecondFactorOff, &before.email, &json!({}), &event).await?;
    notice::tell_others(&mut deed, session, Notice::OwnFactorOff, now).await?;
    deed.commit().await?;
    Ok(())
}

/// How many recovery codes are left.
pub async fn recovery_codes_left(pool: &PgPool, session: &Session) -> sqlx::Result<i64> {
    second_factor::recovery_codes_left(&mut *pool.acquire().await?, session.staff_id).await
}
