//! Following mailings: their list, one with all that is known of it, and how those go that somebody looks at. Looking is
//! not logged.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    app::{App, draft::compose},
    domain::{
        bounce::of_mailing::{CameBack, came_back},
        ids::{MailingId, SessionId},
        mailing::{self, Failed, Failure, MailingState, Overview, PauseKind, Progress},
        publication::{self, TimeZone},
        queue::refusals::{RunOfMailing, run_of},
        staff::session,
        update,
    },
};

/// A part of the list of mailings.
#[derive(Debug, Clone)]
pub struct Part {
    /// Newest first.
    pub mailings: Vec<Overview>,
    /// Whether there are older ones.
    pub has_older: bool,
    /// How many people are subscribed. Counted only where one of these has not begun, whose audience is not decided: 0
    /// otherwise.
    pub people_now: i64,
}

/// Up to `limit` mailings: the newest, or those behind `before`.
pub async fn list(
    pool: &PgPool,
    before: Option<MailingId>,
    limit: usize,
    now: DateTime<Utc>,
) -> sqlx::Result<Part> {
    let mut db = pool.acquire().await?;
    let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut mailings = mailing::page(&mut db, before, one_more).await?;
    let has_older = mailings.len() > limit;
    mailings.truncate(limit);
    let any_waits = mailings.iter().any(Overview::is_waiting_to_begin);
    let people_now = if any_waits { mailing::audience(&mut db, now).await? } else { 0 };
    Ok(Part { mailings, has_older, people_now })
}

/// The mailing with this id.
pub async fn find(pool: &PgPool, id: MailingId) -> sqlx::Result<Option<Overview>> {
    mailing::overview(&mut *pool.acquire().await?, id).await
}

/// How many people a mailing that begins now would reach.
pub async fn people_now(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<i64> {
    mailing::audience(&mut *pool.acquire().await?, now).await
}

/// A mailing and all that is known of how it goes.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The mailing.
    pub mailing: Overview,
    /// How many copies are in which state.
    pub progress: Progress,
    /// What of one that has not begun is worth knowing.
    pub waiting: Option<Waiting>,
    /// What did not go through, grouped by what the relay said. None where the copies are not kept any more.
    pub failures: Vec<Failure>,
    /// The first people behind each of these groups.
    pub failed: Vec<Failed>,
    /// It is paused because the relay refuses everybody with the same words, which somebody may let stand.
    pub has_refusals: bool,
    /// How many people left within a week of it ([`mailing::LEFT_WITHIN`]); only of one that has begun and is over.
    pub left: Option<i64>,
    /// What came back of it later.
    pub came_back: CameBack,
}

/// What is worth knowing of a mailing that has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many people it would reach now.
    pub people: i64,
    /// The saved text of its update would make another mail.
    pub has_other_text: bool,
}

/// A mailing with all that is known of it, and up to `each` people of each group of failures; nothing when there is no
/// such mailing.
pub async fn follow(
    app: &App,
    id: MailingId,
    each: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Followed>> {
    let mut db = app.pool.acquire().await?;
    let Some(mailing) = mailing::overview(&mut db, id).await? else { return Ok(None) };
    let Some(progress) = mailing::progress(&mut db, &[id]).await?.pop() else { return Ok(None) };
    let has_begun = mailing.complete_at.is_some();
    let failures =
        if has_begun && !mailing.is_forgotten { mailing::failures(&mut db, id).await? } else { Vec::new() };
    let failed = if failures.is_empty() { Vec::new() } else { mailing::failed(&mut db, id, each).await? };
    let may_have_refusals = mailing.pause_kind == Some(PauseKind::Policy);
    let has_refusals = may_have_refusals && run_of(&mut db, id).await?.is_some();
    let left =
        if progress.is_over() && has_begun { Some(mailing::left_because(&mut db, id).await?) } else { None };
    let waiting = if mailing.is_waiting_to_begin() {
        let people = mailing::audience(&mut db, now).await?;
        Some(Waiting { people, has_other_text: has_other_text(app, &mut db, &mailing).await? })
    } else {
        None
    };
    let came_back = if has_begun { came_back(&mut db, id).await? } else { CameBack::default() };
    Ok(Some(Followed { mailing, progress, waiting, failures, failed, has_refusals, left, came_back }))
}

/// Whether the saved text of its update would make another mail. Of a mail that cannot be made nothing is said here.
async fn has_other_text(app: &App, db: &mut PgConnection, mailing: &Overview) -> sqlx::Result<bool> {
    let frozen = mailing::content(&mut *db, mailing.id).await?;
    let update = update::find(&mut *db, &mailing.update_id.to_string()).await?;
    let publication = publication::current(&mut *db).await?;
    let (Some(update), Some(publication)) = (update, publication) else { return Ok(false) };
    let made = compose(&app.composer, db, &publication, &update).await;
    Ok(made.is_ok_and(|content| content != frozen))
}

/// A mailing, and the equal refusals for which it is paused, if it is paused for such; nothing when there is no such
/// mailing.
pub async fn refusals(
    pool: &PgPool,
    id: MailingId,
) -> sqlx::Result<Option<(Overview, Option<RunOfMailing>)>> {
    let mut db = pool.acquire().await?;
    let Some(mailing) = mailing::overview(&mut db, id).await? else { return Ok(None) };
    Ok(Some((mailing, run_of(&mut db, id).await?)))
}

/// How mailings go just now.
#[derive(Debug, Clone)]
pub struct FollowedMailings {
    /// Those there are.
    pub progress: Vec<Progress>,
    /// The publication's time zone, asked for only where one of them waits for a time or is paused.
    pub time_zone: TimeZone,
    /// Which of the sessions that were asked about are still good.
    pub good: HashSet<SessionId>,
}

/// How these mailings go, and which of these sessions are still good, on one connection: for pages that stay open.
pub async fn progress(
    pool: &PgPool,
    mailings: &[MailingId],
    sessions: &[SessionId],
    now: DateTime<Utc>,
) -> sqlx::Result<FollowedMailings> {
    let mut db = pool.acquire().await?;
    let progress = mailing::progress(&mut db, mailings).await?;
    let tells_time = |one: &Progress| matches!(one.state, MailingState::Scheduled | MailingState::Paused);
    let publication =
        if progress.iter().any(tells_time) { publication::current(&mut db).await? } else { None };
    let time_zone = publication.map(|publication| publication.content.time_zone).unwrap_or_default();
    let good =
        if sessions.is_empty() { Vec::new() } else { session::still_good(&mut db, sessions, now).await? };
    Ok(FollowedMailings { progress, time_zone, good: good.into_iter().collect() })
}
