//! Notices: what was done with an account from one session, its other sessions read on their next page; and what somebody
//! else did to the account, all of them do. Whoever has stolen a session, or a password, is seen.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::ids::{SessionId, StaffId};

use super::{
    audit::Actor,
    session::{self, Session},
};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Notice {
    /// Added somebody.
    PersonAdded,
    /// Made a one-time link for somebody.
    LinkMade,
    /// Gave somebody another role.
    RoleChanged,
    /// Let somebody log in no more.
    PersonDisabled,
    /// Let somebody log in again.
    PersonEnabled,
    /// Turned somebody's second factor off.
    FactorReset,
    /// Turned the account's own second factor off.
    OwnFactorOff,
    /// Made new recovery codes for the account.
    RecoveryCodesMade,
    /// Took the list of all subscribers.
    SubscribersExported,
    /// Took the report of a mailing, with addresses.
    ReportDownloaded,
    /// Took the proof of somebody's consent.
    ProofDownloaded,
    /// Somebody made a one-time link for this account.
    LinkForYou,
    /// Somebody gave this account another role.
    YourRole,
    /// Somebody turned this account's second factor off.
    YourFactorReset,
}

impl Notice {
    /// Its name in the database and in the pages' texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Tells the other sessions of an account what was done from this one. In the transaction of the deed.
pub async fn tell_others(
    db: &mut PgConnection,
    session: &Session,
    what: Notice,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into staff_notices (staff_id, at, what, session_id, client)
         select staff_id, $2, $3, id, client from staff_sessions where id = $1",
        session.id.0,
        now,
        what.name()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Tells all sessions of an account what somebody else did to it; nothing when its owner did it. In the transaction of the
/// deed.
pub async fn tell(
    db: &mut PgConnection,
    whom: StaffId,
    by: &Actor,
    what: Notice,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if by.member() == Some(whom) {
        return Ok(());
    }
    let by = by.member().map(|id| id.0);
    sqlx::query!(
        "insert into staff_notices (staff_id, at, what, by_name)
         values ($1, $2, $3, (select name from staff where id = $4))",
        whom.0,
        now,
        what.name(),
        by
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A notice that a session has not read.
#[derive(Debug, Clone)]
pub struct Unread {
    pub id: i64,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// What, a [`Notice`] by name; a newer version may have written one that this does not know.
    pub what: String,
    /// From which browser and system, where it was done with the account itself.
    pub client: Option<String>,
    /// Which colleague did it, where it was one.
    pub by_name: Option<String>,
}

/// What a session has not read: what was done since it began, and not from here. The oldest first, a few at a time.
pub async fn unread(db: &mut PgConnection, session: SessionId) -> sqlx::Result<Vec<Unread>> {
    sqlx::query_as!(
        Unread,
        "select n.id, n.at, n.what, n.client, n.by_name
         from staff_sessions s join staff_notices n on n.staff_id = s.staff_id
         where s.id = $1 and n.at >= s.created_at and n.session_id is distinct from s.id
           and not exists (select from staff_notices_read r where r.notice_id = n.id and r.session_id = s.id)
         order by n.id limit 5",
        session.0
    )
    .fetch_all(db)
    .await
}

/// Notes that a session has read some.
pub async fn read(db: &mut PgConnection, session: &Session, ids: &[i64]) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into staff_notices_read (notice_id, session_id)
         select id, $1 from staff_notices where id = any($2) and staff_id = $3 on conflict do nothing",
        session.id.0,
        ids,
        session.staff_id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes those that no session can be there to read any more; answers how many.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let removed =
        sqlx::query!("delete from staff_notices where at < $1", now - session::ABSOLUTE).execute(db).await?;
    Ok(removed.rows_affected())
}
