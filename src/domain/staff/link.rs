//! One-time links: for the first password, for a new one, and for the very first admin. An admin hands them over, or they go
//! out by mail.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::EmailAddress,
    ids::StaffId,
    staff::{Role, StaffError, has_admin, locked, secret::OneTimeToken, set_password, withdraw_links},
};

/// How long a link for a first password works: somebody may be on holiday.
pub const FIRST_PASSWORD: Duration = Duration::days(7);
/// How long a link for a new password works: somebody is waiting for it.
pub const NEW_PASSWORD: Duration = Duration::hours(24);
/// How long a link works that goes out by mail: whoever asked for it waits for it, and mailboxes are read by others.
pub const MAILED: Duration = Duration::minutes(30);
/// How long the link works that `serve` prints while there is no admin.
pub const FIRST_ADMIN: Duration = Duration::hours(24);

/// A link that was just made. It is shown once.
#[derive(Debug, Clone)]
pub struct Made {
    /// What it holds.
    pub token: OneTimeToken,
    /// Until when it works.
    pub expires_at: DateTime<Utc>,
}

/// What a link does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneTimeLink {
    /// Sets the password of this member.
    Password {
        /// Whose.
        staff_id: StaffId,
        /// Their address.
        email: String,
        /// Their name.
        name: String,
        /// Whether they are asked for a second factor afterwards.
        has_second_factor: bool,
    },
    /// Makes the first admin.
    FirstAdmin,
}

/// Makes a link with which a member sets a password; one made before works no more.
///
/// # Errors
/// [`StaffError::Unknown`]; also for who is disabled.
pub async fn make(db: &mut PgConnection, staff_id: StaffId, now: DateTime<Utc>) -> Result<Made, StaffError> {
    let member = sqlx::query!(
        r#"select password_hash is null as "is_new!" from staff where id = $1 and disabled_at is null for update"#,
        staff_id.0
    )
    .fetch_optional(&mut *db)
    .await?
    .ok_or(StaffError::Unknown)?;
    let token = OneTimeToken::mint();
    let expires_at = now + if member.is_new { FIRST_PASSWORD } else { NEW_PASSWORD };
    withdraw_links(&mut *db, staff_id).await?;
    insert(db, &token, Some(staff_id), now, expires_at).await?;
    Ok(Made { token, expires_at })
}

/// Makes a link for the first admin; nothing when there is one who can log in.
pub async fn make_for_first_admin(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Option<Made>> {
    if has_admin(&mut *db).await? {
        return Ok(None);
    }
    let made = Made { token: OneTimeToken::mint(), expires_at: now + FIRST_ADMIN };
    insert(db, &made.token, None, now, made.expires_at).await?;
    Ok(Some(made))
}

async fn insert(
    db: &mut PgConnection,
    token: &OneTimeToken,
    staff_id: Option<StaffId>,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let token_sha256 = token.sha256();
    sqlx::query!(
        "insert into staff_links (token_sha256, staff_id, created_at, expires_at) values ($1, $2, $3, $4)",
        token_sha256.as_slice(),
        staff_id.map(|id| id.0),
        now,
        expires_at
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What a link does; nothing when it is over, was used, or is not ours. Changes nothing.
pub async fn read(
    db: &mut PgConnection,
    token: &OneTimeToken,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<OneTimeLink>> {
    let token_sha256 = token.sha256();
    let found = sqlx::query!(
        r#"select l.staff_id as "staff_id: StaffId", m.email as "email?", m.name as "name?",
             m.totp_sealed is not null as "has_second_factor!"
           from staff_links l left join staff m on m.id = l.staff_id
           where l.token_sha256 = $1 and l.expires_at > $2 and m.disabled_at is null"#,
        token_sha256.as_slice(),
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(found) = found else { return Ok(None) };
    match (found.staff_id, found.email, found.name) {
        (Some(staff_id), Some(email), Some(name)) => Ok(Some(OneTimeLink::Password {
            staff_id,
            email,
            name,
            has_second_factor: found.has_second_factor,
        })),
        // Printed before somebody became one.
        _ if has_admin(db).await? => Ok(None),
        _ => Ok(Some(OneTimeLink::FirstAdmin)),
    }
}

/// A link that a mail is about to carry. Of the token there is the hash alone: the token itself is in the mail.
#[derive(Debug, Clone, Copy)]
pub struct Mailed {
    /// Whose password is set with it.
    pub staff_id: StaffId,
    token_sha256: [u8; 32],
    /// Until when it works.
    pub expires_at: DateTime<Utc>,
}

impl Mailed {
    /// The link that holds this token, made at this moment.
    #[must_use]
    pub fn new(staff_id: StaffId, token: &OneTimeToken, now: DateTime<Utc>) -> Self {
        Self { staff_id, token_sha256: token.sha256(), expires_at: now + MAILED }
    }
}

/// Lets a link work that a mail carries, in the place of the mailed one before it; one that was handed over stays. Answers
/// the address of its owner; nothing when it works already, or its owner may not log in any more.
pub async fn keep_mailed(
    db: &mut PgConnection,
    link: &Mailed,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"with kept as (
             insert into staff_links (token_sha256, staff_id, created_at, expires_at, is_mailed)
             select $1, id, $3, $4, true from staff where id = $2 and disabled_at is null
             on conflict (staff_id, is_mailed) where staff_id is not null do update
                 set token_sha256 = excluded.token_sha256, created_at = excluded.created_at, expires_at = excluded.expires_at
                 where staff_links.token_sha256 <> excluded.token_sha256
             returning staff_id)
           select m.email from kept join staff m on m.id = kept.staff_id"#,
        link.token_sha256.as_slice(),
        link.staff_id.0,
        now,
        link.expires_at
    )
    .fetch_optional(db)
    .await
}

/// Uses a link up: of two who send it at the same moment, one is too late.
async fn use_up(db: &mut PgConnection, token: &OneTimeToken, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let token_sha256 = token.sha256();
    let taken = sqlx::query!(
        "delete from staff_links where token_sha256 = $1 and expires_at > $2",
        token_sha256.as_slice(),
        now
    )
    .execute(db)
    .await?;
    Ok(taken.rows_affected() > 0)
}

/// Uses a link to set a member's password. False: it is over.
///
/// # Errors
/// [`StaffError::Database`].
pub async fn use_for_password(
    db: &mut PgConnection,
    token: &OneTimeToken,
    staff_id: StaffId,
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<bool, StaffError> {
    // Their row first, as everywhere: who makes a new link for them at the same moment holds it too.
    locked(&mut *db, staff_id).await?;
    if !use_up(&mut *db, token, now).await? {
        return Ok(false);
    }
    set_password(db, staff_id, password_hash, now).await?;
    Ok(true)
}

/// Uses a link to make the first admin; nothing when it is over, or somebody was faster.
///
/// Who was added before and never came gets the password, and becomes an admin.
///
/// # Errors
/// [`StaffError::Database`].
pub async fn use_for_first_admin(
    db: &mut PgConnection,
    token: &OneTimeToken,
    (email, name): (&EmailAddress, &str),
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<StaffId>, StaffError> {
    // Two links, printed by two processes, may be used at the same moment: the second waits and then finds an admin.
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('rundbrief first admin', 0))")
        .fetch_one(&mut *db)
        .await?;
    if !use_up(&mut *db, token, now).await? || has_admin(&mut *db).await? {
        return Ok(None);
    }
    sqlx::query!("delete from staff_links where staff_id is null").execute(&mut *db).await?;
    let normalized = email.normalized();
    let id = sqlx::query_scalar!(
        r#"insert into staff (id, email, email_normalized, name, role, created_at) values ($1, $2, $3, $4, $5, $6)
           on conflict (email_normalized) do update set role = $5, name = $4, disabled_at = null
           returning id as "id: StaffId""#,
        StaffId::new().0,
        email.as_str(),
        normalized.as_str(),
        name,
        Role::Admin as Role,
        now
    )
    .fetch_one(&mut *db)
    .await?;
    set_password(db, id, password_hash, now).await?;
    Ok(Some(id))
}

/// Removes links whose time is over; answers how many.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let removed = sqlx::query!("delete from staff_links where expires_at <= $1", now).execute(db).await?;
    Ok(removed.rows_affected())
}
