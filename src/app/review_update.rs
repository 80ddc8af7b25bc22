//! A link with which somebody without a login looks at an update before it is sent, and leaves remarks.
//!
//! Whoever has the link sees what the update says now. It works for seven days, until staff end it, or until the update is
//! deleted.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use crate::{
    app::{App, Deed},
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::{RemarkId, ReviewLinkId, UpdateId},
        mailing,
        staff::{audit::Action, clean_name},
        token::read_review_token,
        update::{
            self, Update,
            review::{self, LinkState, Remark, ReviewLink},
            text::Author,
        },
    },
};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Only staff make and end links.
    #[error("only staff may show updates to others")]
    NotAllowed(#[from] NotPermitted),
    /// There is no such update, link or remark (any more).
    #[error("there is no such update, link or remark")]
    Unknown,
    /// The update has as many links as may work at the same time; end one first.
    #[error("the update has {} links that work; end one first", review::LINKS)]
    TooMany,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Why somebody behind a link sees nothing, or left no remark.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// No link of ours, or its update is deleted.
    #[error("no such link")]
    Unknown,
    /// Its seven days are over, or staff ended it; ask them for another one.
    #[error("the link has ended")]
    Ended,
    /// The name is missing or too long.
    #[error("the name is missing or longer than 100 characters")]
    Name,
    /// The remark is missing or too long.
    #[error("the remark is missing or longer than {} characters", review::REMARK_LENGTH)]
    Remark,
    /// There are as many remarks as one link takes.
    #[error("there are {} remarks behind this link", review::REMARKS)]
    Full,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What staff see: an update with its links, newest first, and remarks, oldest first.
#[derive(Debug, Clone)]
pub struct Reviews {
    /// The update.
    pub update: Update,
    /// Its links, those that have ended too while they are kept.
    pub links: Vec<ReviewLink>,
    /// What was written behind them.
    pub remarks: Vec<Remark>,
}

/// What somebody behind a link sees.
#[derive(Debug, Clone)]
pub struct Look {
    /// The link.
    pub link: ReviewLink,
    /// The update as it is now.
    pub update: Update,
    /// What was written behind this link, oldest first.
    pub remarks: Vec<Remark>,
    /// When a mailing of the update last began.
    pub sent_at: Option<DateTime<Utc>>,
}

/// An update with its links and remarks; nothing when there is none such.
pub async fn reviews(pool: &PgPool, id: UpdateId) -> sqlx::Result<Option<Reviews>> {
    let mut db = pool.acquire().await?;
    let Some(update) = update::find(&mut db, &id.to_string()).await? else { return Ok(None) };
    let links = review::links(&mut db, id).await?;
    let remarks = review::remarks(&mut db, id, None).await?;
    Ok(Some(Reviews { update, links, remarks }))
}

/// Makes a link.
///
/// # Errors
/// [`ReviewError`].
pub async fn make_link(
    pool: &PgPool,
    author: &Author,
    id: UpdateId,
    now: DateTime<Utc>,
) -> Result<ReviewLink, ReviewError> {
    let mut deed = Deed::by_staff(pool, &author.actor, now)?.await?;
    let update = update::lock(&mut deed, id).await?.ok_or(ReviewError::Unknown)?;
    let link = review::make(&mut deed, id, &author.name, now).await?.ok_or(ReviewError::TooMany)?;
    let details = json!({ "update": id, "title": update.title });
    deed.note(Action::ReviewLinkMade, &update.slug, &details, &Event::ReviewLinkMade(id)).await?;
    deed.commit().await?;
    Ok(link)
}

/// Ends a link. Answers whose update it is of; one that had ended before stays as it is.
///
/// # Errors
/// [`ReviewError`].
pub async fn revoke_link(
    pool: &PgPool,
    by: &Actor,
    id: ReviewLinkId,
    now: DateTime<Utc>,
) -> Result<UpdateId, ReviewError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let link = review::find(&mut deed, id).await?.ok_or(ReviewError::Unknown)?;
    if let Some(update) = review::revoke(&mut deed, id, now).await? {
        let (slug, details) = named(&mut deed, update).await?;
        let event = Event::ReviewLinkRevoked(update);
        deed.note(Action::ReviewLinkRevoked, &slug, &details, &event).await?;
        deed.commit().await?;
    }
    Ok(link.update_id)
}

/// Puts a remark aside. Answers on which update it is; one that was put aside before stays as it is.
///
/// # Errors
/// [`ReviewError`].
pub async fn finish_remark(
    pool: &PgPool,
    by: &Actor,
    id: RemarkId,
    now: DateTime<Utc>,
) -> Result<UpdateId, ReviewError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let (update, is_new) = review::finish_remark(&mut deed, id, now).await?.ok_or(ReviewError::Unknown)?;
    if is_new {
        let (slug, details) = named(&mut deed, update).await?;
        deed.note(Action::RemarkDone, &slug, &details, &Event::RemarkDone(update)).await?;
        deed.commit().await?;
    }
    Ok(update)
}

/// What the audit log says of an update.
async fn named(db: &mut PgConnection, id: UpdateId) -> sqlx::Result<(String, Value)> {
    let update = update::find(db, &id.to_string()).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok((update.slug, json!({ "update": id, "title": update.title })))
}

/// What is behind a link.
///
/// # Errors
/// [`LookError::Unknown`], [`LookError::Ended`], [`LookError::Database`].
pub async fn look(app: &App, token: &str, now: DateTime<Utc>) -> Result<Look, LookError> {
    let mut db = app.pool.acquire().await?;
    let link = open_link(app, &mut db, token, now).await?;
    let update = update::find(&mut db, &link.update_id.to_string()).await?.ok_or(LookError::Unknown)?;
    let remarks = review::remarks(&mut db, link.update_id, Some(link.id)).await?;
    let mailings = mailing::of_updates(&mut db, &[link.update_id]).await?;
    let sent_at = mailings.iter().filter_map(|mailing| mailing.begun_at).max();
    Ok(Look { link, update, remarks, sent_at })
}

/// Leaves a remark, by somebody who calls themselves `name`.
///
/// # Errors
/// [`LookError`].
pub async fn leave_remark(
    app: &App,
    by: &Actor,
    token: &str,
    (name, remark): (&str, &str),
    now: DateTime<Utc>,
) -> Result<(), LookError> {
    let name = clean_name(name).ok_or(LookError::Name)?;
    let remark = review::clean_remark(remark).ok_or(LookError::Remark)?;
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    let link = open_link(app, &mut deed, token, now).await?;
    if !review::leave_remark(&mut deed, link.id, (&name, &remark), now).await? {
        return Err(LookError::Full);
    }
    deed.tell(&Event::RemarkLeft(link.update_id)).await?;
    deed.commit().await?;
    Ok(())
}

async fn open_link(
    app: &App,
    db: &mut PgConnection,
    token: &str,
    now: DateTime<Utc>,
) -> Result<ReviewLink, LookError> {
    let id = read_review_token(&app.keys, token).ok_or(LookError::Unknown)?;
    let link = review::find(db, id).await?.ok_or(LookError::Unknown)?;
    if link.state(now) == LinkState::Open { Ok(link) } else { Err(LookError::Ended) }
}
