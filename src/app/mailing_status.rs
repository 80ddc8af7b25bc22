//! How mailings are, as commands show it.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::domain::{
    ids::MailingId,
    mailing::{self, Counts, Failure, Mailing},
    publication::{self, Publication},
    restore,
};

/// Mailings in a list, at most.
const LISTED: i64 = 100;

/// The newest mailings.
#[derive(Debug, Clone)]
pub struct MailingList {
    /// Up to a hundred, newest first.
    pub mailings: Vec<Mailing>,
    /// In whose time zone their times are told.
    pub publication: Option<Publication>,
    /// All mailings are held, because the database may be an older one.
    pub are_held: bool,
}

/// A mailing and how its deliveries are.
#[derive(Debug, Clone)]
pub struct MailingStatus {
    /// The mailing.
    pub mailing: Mailing,
    /// How many of its deliveries are in which state.
    pub counts: Counts,
    /// What the relay said of those that went wrong.
    pub failures: Vec<Failure>,
    /// How many people a mailing that begins now would reach.
    pub audience_now: i64,
    /// In whose time zone its times are told.
    pub publication: Option<Publication>,
    /// All mailings are held, because the database may be an older one.
    pub are_held: bool,
}

/// The newest mailings.
///
/// # Errors
/// When the database fails.
pub async fn list(pool: &PgPool) -> sqlx::Result<MailingList> {
    let mut db = pool.acquire().await?;
    Ok(MailingList {
        mailings: mailing::list(&mut db, LISTED).await?,
        publication: publication::current(&mut db).await?,
        are_held: restore::hold(&mut db).await?.is_some(),
    })
}

/// One mailing; nothing when there is none with this id.
///
/// # Errors
/// When the database fails.
pub async fn status(pool: &PgPool, id: MailingId, now: DateTime<Utc>) -> sqlx::Result<Option<MailingStatus>> {
    let mut db = pool.acquire().await?;
    let Some((mailing, counts)) = with_counts(&mut db, id).await? else { return Ok(None) };
    Ok(Some(MailingStatus {
        mailing,
        counts,
        failures: mailing::failures(&mut db, id).await?,
        audience_now: mailing::audience(&mut db, now).await?,
        publication: publication::current(&mut db).await?,
        are_held: restore::hold(&mut db).await?.is_some(),
    }))
}

/// A mailing and its counts alone, for whoever asks every second; nothing when there is none with this id.
///
/// # Errors
/// When the database fails.
pub async fn progress(pool: &PgPool, id: MailingId) -> sqlx::Result<Option<(Mailing, Counts)>> {
    with_counts(&mut *pool.acquire().await?, id).await
}

/// Whether all mailings are held, because the database may be an older one.
///
/// # Errors
/// When the database fails.
pub async fn are_held(pool: &PgPool) -> sqlx::Result<bool> {
    Ok(restore::hold(&mut *pool.acquire().await?).await?.is_some())
}

async fn with_counts(db: &mut PgConnection, id: MailingId) -> sqlx::Result<Option<(Mailing, Counts)>> {
    let Some(mailing) = mailing::by_id(db, id).await? else { return Ok(None) };
    let counts = mailing::counts(db, id).await?;
    Ok(Some((mailing, counts)))
}
