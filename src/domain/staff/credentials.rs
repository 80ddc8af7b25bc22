//! Credentials: what logging in needs to know of an account, and the password in its place.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{actor::Role, ids::StaffId};

use super::{MemberRow, StaffError, locked, session, withdraw_links};

/// What logging in needs to know of an account.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose they are.
    pub id: StaffId,
    /// The address as it was entered when they were added.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// The password's hash, as a PHC string.
    pub password_hash: String,
    /// Whether a second factor is asked for.
    pub has_second_factor: bool,
}

/// The credentials of who may log in with this address; nothing for everybody else, whatever the reason.
pub async fn credentials(db: &mut PgConnection, email: &str) -> sqlx::Result<Option<Credentials>> {
    sqlx::query_as!(
        Credentials,
        r#"select id as "id: StaffId", email, role as "role: Role",
             password_hash as "password_hash!", totp_sealed is not null as "has_second_factor!"
           from staff where email_normalized = $1 and disabled_at is null and password_hash is not null"#,
        email
    )
    .fetch_optional(db)
    .await
}

/// Whether this is still the password, and its owner may still log in; both stay so until the transaction ends.
pub async fn still_has_password(
    db: &mut PgConnection,
    id: StaffId,
    password_hash: &str,
) -> sqlx::Result<bool> {
    // A login that began before a change of the password must not end after it.
    let row = sqlx::query!(
        "select id from staff where id = $1 and password_hash = $2 and disabled_at is null for no key update",
        id.0,
        password_hash
    )
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}

/// Puts a password in place. All sessions and one-time links end: whoever knew the old one is out. Answers the owner's row.
///
/// # Errors
/// [`StaffError::Unknown`].
pub async fn set_password(
    db: &mut PgConnection,
    id: StaffId,
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<MemberRow, StaffError> {
    let member = locked(&mut *db, id).await?;
    sqlx::query!(
        "update staff set password_hash = $2, password_set_at = $3 where id = $1",
        id.0,
        password_hash,
        now
    )
    .execute(&mut *db)
    .await?;
    session::end_all(&mut *db, id, None).await?;
    withdraw_links(db, id).await?;
    Ok(member)
}

/// Stores the same password under today's parameters. No session ends; not an action of anybody's.
pub async fn rehash_password(
    db: &mut PgConnection,
    id: StaffId,
    old_hash: &str,
    new_hash: &str,
) -> sqlx::Result<()> {
    // Only over the hash that was checked: a password set meanwhile stays.
    sqlx::query!(
        "update staff set password_hash = $3 where id = $1 and password_hash = $2",
        id.0,
        old_hash,
        new_hash
    )
    .execute(db)
    .await?;
    Ok(())
}
