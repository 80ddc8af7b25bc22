//! Sessions: who is logged in.
//!
//! A session ends eight hours after it was last used and seven days after it began, whichever comes first; when its owner
//! logs out, changes the password or is disabled; and at each step of logging in, after which another one begins.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{
    actor::Actor,
    ids::{SessionId, StaffId},
    staff::{Role, secret::SessionToken},
};

/// How long a session lives without being used.
pub const IDLE: Duration = Duration::hours(8);
/// How long it lives at most.
pub const ABSOLUTE: Duration = Duration::days(7);
/// How long the second factor may be waited for.
pub const AWAITING_CODE: Duration = Duration::minutes(10);
/// How long a session may do what a stolen one must not, after its owner has shown who they are.
pub const FRESH: Duration = Duration::minutes(10);
/// Wrong passwords and codes that a session may send without one that is right in between.
const REAUTH_TRIES: i16 = 10;
/// How exactly it is known when a session was last used.
const SEEN_WITHIN: Duration = Duration::minutes(1);
/// Codes that may be tried in one session that waits for one.
const CODE_TRIES: i16 = 5;

/// A session that is good at the moment it was asked for, and whose it is.
#[derive(Debug, Clone)]
pub struct Session {
    /// What the list of sessions calls it.
    pub id: SessionId,
    /// Whose it is.
    pub staff_id: StaffId,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they may do, as of now.
    pub role: Role,
    /// The second factor is still to come: it opens the page for that and nothing else.
    pub is_awaiting_code: bool,
    /// Whether they have a second factor.
    pub has_second_factor: bool,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When its owner last gave password and second factor.
    pub authenticated_at: DateTime<Utc>,
    /// Whether there is something to tell it, see [`super::notice`].
    pub has_notices: bool,
}

impl Session {
    /// Its owner, as one who does something.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Member { id: self.staff_id, email: self.email.clone(), role: self.role }
    }

    /// Whether its owner has shown who they are a short time ago.
    #[must_use]
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        // A clock that went back makes nothing fresh for longer.
        (now - self.authenticated_at).abs() < FRESH
    }
}

/// Begins a session. `client` is the name of browser and system, for its owner to recognise.
pub async fn begin(
    db: &mut PgConnection,
    staff_id: StaffId,
    is_awaiting_code: bool,
    client: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<SessionToken> {
    let token = SessionToken::mint();
    let lives = if is_awaiting_code { AWAITING_CODE } else { ABSOLUTE };
    let token_sha256 = token.sha256();
    sqlx::query!(
        "insert into staff_sessions (token_sha256, id, staff_id, created_at, last_seen_at, expires_at, is_awaiting_code, client,
             authenticated_at)
         values ($1, $2, $3, $4, $4, $5, $6, $7, $4)",
        token_sha256.as_slice(),
        SessionId::new().0,
        staff_id.0,
        now,
        now + lives,
        is_awaiting_code,
        client
    )
    .execute(db)
    .await?;
    Ok(token)
}

/// The session of a token; nothing when it is over, never was, or its owner is disabled.
pub async fn find(
    db: &mut PgConnection,
    token: &SessionToken,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Session>> {
    let token_sha256 = token.sha256();
    sqlx::query_as!(
        Session,
        r#"select s.id as "id: SessionId", s.staff_id as "staff_id: StaffId", m.email, m.name, m.role as "role: Role",
             s.is_awaiting_code, m.totp_sealed is not null as "has_second_factor!", s.last_seen_at,
             s.authenticated_at,
             -- Hardly ever is there one: so its reading is another query, on those pages alone.
             exists (select from staff_notices n
                     where n.staff_id = s.staff_id and n.at >= s.created_at and n.session_id is distinct from s.id
                       and not exists (select from staff_notices_read r
                                       where r.notice_id = n.id and r.session_id = s.id)) as "has_notices!"
           from staff_sessions s join staff m on m.id = s.staff_id
           where s.token_sha256 = $1 and s.expires_at > $2 and s.last_seen_at > $3 and m.disabled_at is null"#,
        token_sha256.as_slice(),
        now,
        now - IDLE
    )
    .fetch_optional(db)
    .await
}

/// Notes that a session was used; at most once a minute.
pub async fn seen(db: &mut PgConnection, session: &Session, now: DateTime<Utc>) -> sqlx::Result<()> {
    if now - session.last_seen_at < SEEN_WITHIN {
        return Ok(());
    }
    sqlx::query!("update staff_sessions set last_seen_at = $2 where id = $1", session.id.0, now)
        .execute(db)
        .await?;
    Ok(())
}

/// Counts a code that is about to be tried. False: it was one too many, and the session is over.
pub async fn may_try_code(db: &mut PgConnection, id: SessionId) -> sqlx::Result<bool> {
    let tries = sqlx::query_scalar!(
        "update staff_sessions set code_tries = code_tries + 1 where id = $1 and is_awaiting_code returning code_tries",
        id.0
    )
    .fetch_optional(&mut *db)
    .await?;
    if tries.is_some_and(|tries| tries <= CODE_TRIES) {
        return Ok(true);
    }
    end(db, id).await?;
    Ok(false)
}

/// Counts a try to show again whose session it is, before it is looked at. False: it was one too many, and the session is
/// over.
pub async fn may_reauthenticate(db: &mut PgConnection, id: SessionId) -> sqlx::Result<bool> {
    let tries = sqlx::query_scalar!(
        "update staff_sessions set reauth_tries = reauth_tries + 1 where id = $1 returning reauth_tries",
        id.0
    )
    .fetch_optional(&mut *db)
    .await?;
    if tries.is_some_and(|tries| tries <= REAUTH_TRIES) {
        return Ok(true);
    }
    end(db, id).await?;
    Ok(false)
}

/// Notes that a session's owner has shown who they are. False: the session is over.
pub async fn authenticated(db: &mut PgConnection, id: SessionId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let noted = sqlx::query!(
        "update staff_sessions set authenticated_at = $2, reauth_tries = 0 where id = $1",
        id.0,
        now
    )
    .execute(db)
    .await?;
    Ok(noted.rows_affected() > 0)
}

/// Ends a session.
pub async fn end(db: &mut PgConnection, id: SessionId) -> sqlx::Result<()> {
    sqlx::query!("delete from staff_sessions where id = $1", id.0).execute(db).await?;
    Ok(())
}

/// Ends all sessions of a member but `kept`; answers how many.
pub async fn end_all(db: &mut PgConnection, staff_id: StaffId, kept: Option<SessionId>) -> sqlx::Result<u64> {
    let ended = sqlx::query!(
        "delete from staff_sessions where staff_id = $1 and ($2::uuid is null or id <> $2)",
        staff_id.0,
        kept.map(|id| id.0)
    )
    .execute(db)
    .await?;
    Ok(ended.rows_affected())
}

/// Ends one session of a member's own; false when it is not theirs.
pub async fn end_own(db: &mut PgConnection, staff_id: StaffId, id: SessionId) -> sqlx::Result<bool> {
    let ended = sqlx::query!("delete from staff_sessions where staff_id = $1 and id = $2", staff_id.0, id.0)
        .execute(db)
        .await?;
    Ok(ended.rows_affected() > 0)
}

/// A session as its owner sees it.
#[derive(Debug, Clone, Serialize)]
pub struct ListedSession {
    /// Its name in the list.
    pub id: SessionId,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// Browser and system.
    pub client: String,
}

/// The sessions of a member that are good, the one used last first.
pub async fn of_member(
    db: &mut PgConnection,
    staff_id: StaffId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<ListedSession>> {
    sqlx::query_as!(
        ListedSession,
        r#"select id as "id: SessionId", created_at, last_seen_at, client from staff_sessions
           where staff_id = $1 and expires_at > $2 and last_seen_at > $3 and not is_awaiting_code
           order by last_seen_at desc, created_at desc"#,
        staff_id.0,
        now,
        now - IDLE
    )
    .fetch_all(db)
    .await
}

/// Which of these sessions are good; for pages that stay open, and so are not asked for again.
pub async fn still_good(
    db: &mut PgConnection,
    ids: &[SessionId],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<SessionId>> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_scalar!(
        r#"select s.id as "id: SessionId" from staff_sessions s join staff m on m.id = s.staff_id
           where s.id = any($1) and s.expires_at > $2 and s.last_seen_at > $3 and m.disabled_at is null"#,
        &ids,
        now,
        now - IDLE
    )
    .fetch_all(db)
    .await
}

/// Removes sessions that are over; answers how many.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let removed = sqlx::query!(
        "delete from staff_sessions where expires_at <= $1 or last_seen_at <= $2",
        now,
        now - IDLE
    )
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}
