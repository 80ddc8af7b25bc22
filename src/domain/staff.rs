//! Staff: the people who may log in, and what each of them may do.
//!
//! | file | holds |
//! |---|---|
//! | this | members, their roles, adding, disabling |
//! | `credentials` | what logging in needs to know, setting a password |
//! | [`password`] | what a password must be like, how it is hashed |
//! | [`second_factor`] | asking for more than the password, recovery codes |
//! | [`totp`] | the codes by time |
//! | [`session`] | who is logged in, and for how long |
//! | [`link`] | one-time links for a first or a new password |
//! | [`notice`] | what other sessions of an account are told |
//! | [`throttle`] | how guessing is slowed down |
//! | [`audit`] | what they did, for good |
//! | [`secret`] | the tokens in cookies and links |
//!
//! What changes something answers the row as it was: the deed of `app` that calls it writes the line of the audit log in the
//! same transaction.

pub mod audit;
mod credentials;
pub mod link;
pub mod notice;
pub mod password;
pub mod second_factor;
pub mod secret;
pub mod session;
pub mod throttle;
pub mod totp;

pub use credentials::{Credentials, credentials, rehash_password, set_password, still_has_password};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{actor::NotPermitted, address::EmailAddress, ids::StaffId};

pub use crate::domain::actor::Role;

/// Somebody who may log in, or could.
#[derive(Debug, Clone, Serialize)]
pub struct StaffMember {
    pub id: StaffId,
    /// Their address; they log in with it.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they have set a password; until then they cannot log in.
    pub has_password: bool,
    /// Whether a second factor is asked for.
    pub has_second_factor: bool,
    /// Since when they may not log in any more.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When they were added.
    pub created_at: DateTime<Utc>,
    /// When one of their sessions was last used, as far as sessions are kept.
    pub last_seen_at: Option<DateTime<Utc>>,
}

impl StaffMember {
    /// Whether they can log in.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.has_password && self.disabled_at.is_none()
    }
}

/// Why something about a member was not changed. Tell whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum StaffError {
    /// Only staff change who may log in.
    #[error("only staff may change who can log in")]
    NotAllowed,
    /// The address is taken.
    #[error("somebody with this address is there already")]
    Exists,
    /// Nobody makes a one-time link for themselves: whoever has their session would have their account for good.
    #[error("nobody makes a one-time link for themselves; change the password on the page of the account")]
    OwnLink,
    /// No mail goes out yet.
    #[error("the publication has no sender address, so no mail goes out; set it, or hand over the link")]
    NoSender,
    /// There is nobody of that id or address.
    #[error("there is no such staff member")]
    Unknown,
    /// Nobody would be left who could let others in.
    #[error("this is the last admin who can log in; make somebody else an admin first")]
    LastAdmin,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// By hand: somebody on the staff may not be allowed either.
impl From<NotPermitted> for StaffError {
    fn from(_: NotPermitted) -> Self {
        Self::NotAllowed
    }
}

/// Most characters of a name.
pub const NAME_LENGTH: usize = 100;

/// A name as it may be stored: without control characters, not longer than [`NAME_LENGTH`]; nothing when none is left.
#[must_use]
pub fn clean_name(typed: &str) -> Option<String> {
    let name: String = typed.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty() && name.chars().count() <= NAME_LENGTH).then_some(name)
}

/// Adds somebody, who cannot log in until a [`link`] was used.
///
/// # Errors
/// [`StaffError::Exists`].
pub async fn add(
    db: &mut PgConnection,
    email: &EmailAddress,
    name: &str,
    role: Role,
    now: DateTime<Utc>,
) -> Result<StaffId, StaffError> {
    let normalized = email.normalized();
    let added = sqlx::query_scalar!(
        r#"insert into staff (id, email, email_normalized, name, role, created_at) values ($1, $2, $3, $4, $5, $6)
           on conflict (email_normalized) do nothing returning id as "id: StaffId""#,
        StaffId::new().0,
        email.as_str(),
        normalized.as_str(),
        name,
        role as Role,
        now
    )
    .fetch_optional(db)
    .await?;
    added.ok_or(StaffError::Exists)
}

/// Everybody, in the order of their names.
pub async fn list(db: &mut PgConnection) -> sqlx::Result<Vec<StaffMember>> {
    sqlx::query_as!(
        StaffMember,
        r#"select id as "id: StaffId", email, name, role as "role: Role", password_hash is not null as "has_password!",
             totp_sealed is not null as "has_second_factor!", disabled_at, created_at,
             (select max(last_seen_at) from staff_sessions s where s.staff_id = staff.id and not is_awaiting_code) as last_seen_at
           from staff order by disabled_at is not null, lower(name), email_normalized"#
    )
    .fetch_all(db)
    .await
}

/// One of them.
pub async fn by_id(db: &mut PgConnection, id: StaffId) -> sqlx::Result<Option<StaffMember>> {
    sqlx::query_as!(
        StaffMember,
        r#"select id as "id: StaffId", email, name, role as "role: Role", password_hash is not null as "has_password!",
             totp_sealed is not null as "has_second_factor!", disabled_at, created_at,
             (select max(last_seen_at) from staff_sessions s where s.staff_id = staff.id and not is_awaiting_code) as last_seen_at
           from staff where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// Whose address this is.
pub async fn id_of(db: &mut PgConnection, email: &EmailAddress) -> sqlx::Result<Option<StaffId>> {
    let normalized = email.normalized();
    sqlx::query_scalar!(
        r#"select id as "id: StaffId" from staff where email_normalized = $1"#,
        normalized.as_str()
    )
    .fetch_optional(db)
    .await
}

/// Whether an admin can log in: not disabled, and with a password.
pub async fn has_admin(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from staff where role = 'admin' and disabled_at is null and password_hash is not null) as "there!""#
    )
    .fetch_one(db)
    .await
}

/// Gives somebody another name. Answers their row as it was; nothing when it is the name they had.
///
/// # Errors
/// [`StaffError::Unknown`].
pub async fn set_name(
    db: &mut PgConnection,
    id: StaffId,
    name: &str,
) -> Result<Option<MemberRow>, StaffError> {
    let member = locked(&mut *db, id).await?;
    if member.name == name {
        return Ok(None);
    }
    sqlx::query!("update staff set name = $2 where id = $1", id.0, name).execute(db).await?;
    Ok(Some(member))
}

/// Gives somebody another role. Their sessions go on, and have it at once. Answers their row as it was; nothing
/// when it is the role they had.
///
/// # Errors
/// [`StaffError::LastAdmin`], [`StaffError::Unknown`].
pub async fn set_role(
    db: &mut PgConnection,
    id: StaffId,
    role: Role,
) -> Result<Option<MemberRow>, StaffError> {
    let member = locked_with_admins(&mut *db, id).await?;
    if member.role == role {
        return Ok(None);
    }
    if role != Role::Admin {
        keep_an_admin(&mut *db, id).await?;
    }
    sqlx::query!("update staff set role = $2 where id = $1", id.0, role as Role).execute(db).await?;
    Ok(Some(member))
}

/// Lets somebody log in no more: their sessions and one-time links end with it. Answers their row as it was; nothing
/// when they could not before.
///
/// # Errors
/// [`StaffError::LastAdmin`], [`StaffError::Unknown`].
pub async fn disable(
    db: &mut PgConnection,
    id: StaffId,
    now: DateTime<Utc>,
) -> Result<Option<MemberRow>, StaffError> {
    let member = locked_with_admins(&mut *db, id).await?;
    if member.is_disabled {
        return Ok(None);
    }
    keep_an_admin(&mut *db, id).await?;
    sqlx::query!("update staff set disabled_at = $2 where id = $1", id.0, now).execute(&mut *db).await?;
    session::end_all(&mut *db, id, None).await?;
    withdraw_links(db, id).await?;
    Ok(Some(member))
}

/// Lets somebody log in again. Answers their row as it was; nothing when they could before.
///
/// # Errors
/// [`StaffError::Unknown`].
pub async fn enable(db: &mut PgConnection, id: StaffId) -> Result<Option<MemberRow>, StaffError> {
    let member = locked(&mut *db, id).await?;
    if !member.is_disabled {
        return Ok(None);
    }
    sqlx::query!("update staff set disabled_at = null where id = $1", id.0).execute(db).await?;
    Ok(Some(member))
}

/// A member's row, kept from changing until the transaction ends.
#[derive(Debug, Clone)]
pub struct MemberRow {
    /// Their address, which the audit log names them by.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may log in no more.
    pub is_disabled: bool,
}

async fn locked(db: &mut PgConnection, id: StaffId) -> Result<MemberRow, StaffError> {
    sqlx::query_as!(
        MemberRow,
        r#"select email, name, role as "role: Role", disabled_at is not null as "is_disabled!"
           from staff where id = $1 for update"#,
        id.0
    )
    .fetch_optional(db)
    .await?
    .ok_or(StaffError::Unknown)
}

/// The same, with the rows of all admins: of two who send each other away at the same moment, the second waits here, and
/// then sees what the first did.
async fn locked_with_admins(db: &mut PgConnection, id: StaffId) -> Result<MemberRow, StaffError> {
    // In the order of their ids, so that nobody waits for somebody who waits for them.
    sqlx::query!("select id from staff where role = 'admin' or id = $1 order by id for update", id.0)
        .fetch_all(&mut *db)
        .await?;
    locked(db, id).await
}

/// Refuses when nobody else could let people in.
async fn keep_an_admin(db: &mut PgConnection, leaving: StaffId) -> Result<(), StaffError> {
    let is_last = sqlx::query_scalar!(
        r#"select exists (select from staff where id = $1 and role = 'admin' and disabled_at is null and password_hash is not null)
             and not exists (select from staff where id <> $1 and role = 'admin' and disabled_at is null and password_hash is not null)
             as "is_last!""#,
        leaving.0
    )
    .fetch_one(db)
    .await?;
    if is_last { Err(StaffError::LastAdmin) } else { Ok(()) }
}

/// Removes who was disabled so long ago that the [`audit`] log speaks of them no more; answers how many.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let removed =
        sqlx::query!("delete from staff where disabled_at < $1", now - audit::KEPT).execute(db).await?;
    Ok(removed.rows_affected())
}

/// Lets the one-time links of a member work no more.
async fn withdraw_links(db: &mut PgConnection, staff_id: StaffId) -> sqlx::Result<()> {
    sqlx::query!("delete from staff_links where staff_id = $1", staff_id.0).execute(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_sensible_length() {
        assert_eq!(clean_name("  Ada \n Lovelace\u{0}").as_deref(), Some("Ada Lovelace"));
        assert_eq!(clean_name(" \t"), None);
        assert_eq!(clean_name(&"x".repeat(101)), None);
    }
}
