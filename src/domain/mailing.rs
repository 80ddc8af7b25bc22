//! Mailings: one send of one update to everybody who is subscribed when it begins.
//!
//! ```text
//! (trigger) ─▶ scheduled ─▶ preparing ─▶ sending ─▶ done   (retry: done ─▶ sending)
//!                  │           └──── paused ◀──┘             (cancelled from anywhere before done)
//!                  └─ hours late ─▶ paused, until somebody decides
//! ```
//!
//! It begins with the arrow to `preparing` (`begun_at`). Its words are frozen at the trigger, its audience then.
//!
//! From the staff pages every mailing begins as scheduled: see `order.rs`.

mod control;
mod fan_out;
mod order;
mod overview;
mod report;
mod results;

pub use control::{
    Cancelled, Held, Resumed, accept_refusals, any_unreachable, cancel, hold_refused, pause, resume,
    resume_unreachable, skip_leftovers,
};
pub use fan_out::{FanOut, fan_out, fan_out_held};
pub use order::{GRACE, Order, Ordered, lock, of_form, order, reschedule, take_back, take_text, take_turns};
pub use overview::{Overview, Progress, last_begun, of_updates, open, overview, page, progress};
pub use report::{Failed, LEFT_WITHIN, Line, failed, left_because, lines};
pub use results::{Counts, Failure, PutBack, Retry, counts, failures, keep_counts, retry};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{Connection, PgConnection};

use crate::domain::{
    ids::{MailingId, UpdateId},
    locale::Locale,
    update,
};

/// Where a mailing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize)]
#[sqlx(type_name = "mailing_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum MailingState {
    /// Waits for its time.
    Scheduled,
    /// Its audience is being written into the queue.
    Preparing,
    /// Under way.
    Sending,
    /// Stopped for a reason; nothing is lost.
    Paused,
    /// Every delivery has ended.
    Done,
    /// Called off; what had not started was skipped.
    Cancelled,
}

impl MailingState {
    /// Those from which a mailing may still go on.
    pub const OPEN: [Self; 4] = [Self::Scheduled, Self::Preparing, Self::Sending, Self::Paused];

    /// The name the database knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Preparing => "preparing",
            Self::Sending => "sending",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Who stopped a mailing, and so who may start it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize)]
#[sqlx(type_name = "pause_kind", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum PauseKind {
    /// A person; a person resumes.
    Staff,
    /// The relay refused our login; a person resumes, once that is mended.
    Login,
    /// The relay refused our sender address; a person resumes.
    Sender,
    /// The relay refused our mail whoever it was for: quota, relaying, reputation; a person resumes.
    Policy,
    /// The relay could not be reached; resumes by itself when it answers.
    Unreachable,
    /// It should have begun hours ago ([`OVERDUE_AFTER`]) and has not; a person lets it begin, moves it or takes it back.
    Overdue,
}

impl PauseKind {
    /// Every one there is.
    pub const ALL: [Self; 6] =
        [Self::Staff, Self::Login, Self::Sender, Self::Policy, Self::Unreachable, Self::Overdue];

    /// The name the database knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Login => "login",
            Self::Sender => "sender",
            Self::Policy => "policy",
            Self::Unreachable => "unreachable",
            Self::Overdue => "overdue",
        }
    }
}

/// What is sent, the same words for every recipient. Made at the trigger; until the mailing begins, [`take_text`] may put
/// others in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenContent {
    /// The publication's version it was made with.
    pub publication_version: i32,
    /// Its language.
    pub locale: Locale,
    /// Subject line.
    pub subject: String,
    /// Text part, with marks where each recipient's own links go.
    pub body_text: String,
    /// HTML part, likewise.
    pub body_html: String,
}

/// A mailing as lists and status show it.
#[derive(Debug, Clone, Serialize)]
pub struct Mailing {
    /// Its id.
    pub id: MailingId,
    /// What it sends.
    pub update_id: UpdateId,
    /// The update's short name.
    pub update: String,
    /// Where it stands.
    pub state: MailingState,
    /// Its subject line.
    pub subject: String,
    /// How many people it is for. Before it has begun: how many it would have been for when it was triggered.
    pub audience: i64,
    /// When it was triggered.
    pub triggered_at: DateTime<Utc>,
    /// When it is due, if that was set.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// When it began; who had confirmed by then is the audience.
    #[serde(skip)]
    pub begun_at: Option<DateTime<Utc>>,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Who paused it.
    pub pause_kind: Option<PauseKind>,
    /// Why, in words.
    pub pause_reason: Option<String>,
    /// When it was done or cancelled.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Mailing {
    /// Whether it may still begin.
    #[must_use]
    pub fn is_waiting_to_begin(&self) -> bool {
        is_waiting_to_begin(self.state, self.begun_at)
    }
}

fn is_waiting_to_begin(state: MailingState, begun_at: Option<DateTime<Utc>>) -> bool {
    begun_at.is_none() && matches!(state, MailingState::Scheduled | MailingState::Paused)
}

/// Why a mailing was not triggered or not changed. Each is for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum MailingError {
    /// The update has been sent, or is being sent.
    #[error("this update was triggered before (mailing {0}); say --again to send it a second time")]
    AlreadyTriggered(MailingId),
    /// A mailing of the update waits for its time.
    #[error("this update is planned already, {begins}{0}; take that back first, or say --again to send it besides", begins = begins(*.1))]
    AlreadyPlanned(MailingId, Option<DateTime<Utc>>),
    /// Something of the update is missing or cannot be mailed.
    #[error("the update is not finished: {0}")]
    Unfinished(String),
    /// Nobody would get it.
    #[error("there are no active subscribers; nothing was triggered")]
    NoAudience,
    /// The state does not allow it.
    #[error("the mailing is {} and cannot be {wanted}", state_word(*.state))]
    WrongState {
        /// What it is.
        state: MailingState,
        /// What was asked for.
        wanted: &'static str,
    },
    /// What the mailing says was changed by somebody else meanwhile.
    #[error("what this mailing says was changed meanwhile; look at it again")]
    TextChanged,
    /// It does not wait for refusals that could be let stand.
    #[error(
        "this mailing does not wait because the relay refuses everybody with the same words; see: rundbrief mailings status"
    )]
    NoRefusals,
    /// Nothing of the mailing is in that state.
    #[error("nothing of this mailing that is {0} can be sent again; there is nothing to try again")]
    NothingToRetry(&'static str),
    /// No such mailing.
    #[error("there is no mailing with this id; see: rundbrief mailings list")]
    Unknown,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn begins(at: Option<DateTime<Utc>>) -> String {
    let at = at.map(|at| format!("to begin at {}, ", at.to_rfc3339_opts(SecondsFormat::Secs, true)));
    format!("{}as mailing ", at.unwrap_or_default())
}

fn state_word(state: MailingState) -> &'static str {
    match state {
        MailingState::Scheduled => "scheduled",
        MailingState::Preparing => "being prepared",
        MailingState::Sending => "being sent",
        MailingState::Paused => "paused",
        MailingState::Done => "done",
        MailingState::Cancelled => "cancelled",
    }
}

/// How many people a mailing that begins now would reach.
///
/// # Errors
/// When the database fails.
pub async fn audience(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    let count = sqlx::query_scalar!(
        "select count(*) from subscribers where state = 'active' and confirmed_at <= $1",
        now
    )
    .fetch_one(db)
    .await?;
    Ok(count.unwrap_or(0))
}

/// Whether a mailing of this update may be triggered; answers how many people it would reach.
///
/// # Errors
/// [`MailingError::AlreadyTriggered`] or [`MailingError::AlreadyPlanned`] unless `again`; [`MailingError::Unfinished`];
/// [`MailingError::NoAudience`].
pub async fn can_trigger(
    db: &mut PgConnection,
    update: UpdateId,
    again: bool,
    now: DateTime<Utc>,
) -> Result<i64, MailingError> {
    let before = sqlx::query!(
        r#"select id as "id: MailingId", begun_at, scheduled_at from mailings
           where update_id = $1 and state <> 'cancelled' order by triggered_at desc limit 1"#,
        update.0
    )
    .fetch_optional(&mut *db)
    .await?;
    if let (Some(before), false) = (before, again) {
        return Err(match before.begun_at {
            Some(_) => MailingError::AlreadyTriggered(before.id),
            None => MailingError::AlreadyPlanned(before.id, before.scheduled_at),
        });
    }
    if let Some(written) = update::find(&mut *db, &update.to_string()).await? {
        let unfinished = written.writing().unfinished();
        if !unfinished.is_empty() {
            let all =
                unfinished.iter().map(|what| format!("{} ({})", what.field, what.problem.replace('_', " ")));
            return Err(MailingError::Unfinished(all.collect::<Vec<_>>().join(", ")));
        }
    }
    let audience = audience(db, now).await?;
    if audience == 0 {
        return Err(MailingError::NoAudience);
    }
    Ok(audience)
}

/// Triggers a mailing: its words are frozen here, workers do the rest. Without `scheduled_at` it begins here too. Answers
/// how many people it would reach now. Once the caller has committed, the mailing survives kill -9 (invariant 9).
///
/// # Errors
/// As [`can_trigger`].
pub async fn trigger(
    db: &mut PgConnection,
    update: UpdateId,
    content: &FrozenContent,
    scheduled_at: Option<DateTime<Utc>>,
    again: bool,
    now: DateTime<Utc>,
) -> Result<(MailingId, i64), MailingError> {
    // The lock on the update makes two triggers at once come one after the other, so one of them is refused.
    sqlx::query!("select id from updates where id = $1 for update", update.0).fetch_one(&mut *db).await?;
    let audience = can_trigger(&mut *db, update, again, now).await?;
    let id = MailingId::new();
    let (state, begun_at) = match scheduled_at {
        Some(_) => (MailingState::Scheduled, None),
        None => (MailingState::Preparing, Some(now)),
    };
    sqlx::query!(
        "insert into mailings (id, update_id, publication_version, state, locale, subject, body_text, body_html,
             triggered_at, frozen_at, audience, scheduled_at, begun_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12)",
        id.0,
        update.0,
        content.publication_version,
        state as MailingState,
        content.locale.tag(),
        content.subject,
        content.body_text,
        content.body_html,
        now,
        audience,
        scheduled_at,
        begun_at
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("update updates set state = 'published', changed_at = $2 where id = $1", update.0, now)
        .execute(db)
        .await?;
    Ok((id, audience))
}

/// The frozen content of a mailing.
///
/// # Errors
/// When the database fails, or no such mailing exists.
pub async fn content(db: &mut PgConnection, id: MailingId) -> sqlx::Result<FrozenContent> {
    sqlx::query_as!(
        FrozenContent,
        r#"select publication_version, locale as "locale: String", subject, body_text, body_html
           from mailings where id = $1"#,
        id.0
    )
    .fetch_one(db)
    .await
}

/// A mailing by id.
///
/// # Errors
/// When the database fails.
pub async fn by_id(db: &mut PgConnection, id: MailingId) -> sqlx::Result<Option<Mailing>> {
    Ok(select(db, Some(id), 1).await?.pop())
}

/// The newest mailings, up to `limit`.
///
/// # Errors
/// When the database fails.
pub async fn list(db: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Mailing>> {
    select(db, None, limit).await
}

async fn select(db: &mut PgConnection, id: Option<MailingId>, limit: i64) -> sqlx::Result<Vec<Mailing>> {
    sqlx::query_as!(
        Mailing,
        r#"select m.id as "id: MailingId", m.update_id as "update_id: UpdateId", u.slug as "update",
             m.state as "state: MailingState", m.subject, m.audience, m.triggered_at, m.scheduled_at, m.begun_at,
             m.paused_at, m.pause_kind as "pause_kind: PauseKind", m.pause_reason, m.finished_at
           from mailings m join updates u on u.id = m.update_id
           where $1::uuid is null or m.id = $1
           order by m.triggered_at desc limit $2"#,
        id.map(|id| id.0),
        limit
    )
    .fetch_all(db)
    .await
}

/// The mailings that copies may be claimed of, oldest first; none while mailings are held.
///
/// # Errors
/// When the database fails.
pub async fn sending(db: &mut PgConnection) -> sqlx::Result<Vec<MailingId>> {
    sqlx::query_scalar!(
        r#"select id as "id: MailingId" from mailings
           where state = 'sending' and not mailings_are_held() order by begun_at"#
    )
    .fetch_all(db)
    .await
}

/// A mailing that should have begun so long ago asks before it begins. What goes out in the same half of a day is still
/// what was planned: a short failure delays it, and nobody is called. Later it may arrive at night, or speak of what is
/// over.
pub const OVERDUE_AFTER: TimeDelta = TimeDelta::hours(6);

/// Holds the mailings that should have begun longer than [`OVERDUE_AFTER`] ago, until a person decides. Answers them.
///
/// # Errors
/// When the database fails.
pub async fn hold_overdue(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<MailingId>> {
    sqlx::query_scalar!(
        r#"update mailings
           set state = 'paused', paused_at = $1, pause_kind = 'overdue',
               pause_reason = 'it should have begun at '
                   || to_char(scheduled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                   || ' and did not; so late it begins only when somebody says so'
           where state = 'scheduled' and scheduled_at < $2 and not mailings_are_held()
           returning id as "id: MailingId""#,
        now,
        now - OVERDUE_AFTER
    )
    .fetch_all(db)
    .await
}

/// Moves mailings on by the clock: scheduled ones that are due begin, unless they are overdue or held, and those with nothing left
/// to send are done. Answers the ones that were finished.
///
/// # Errors
/// When the database fails.
pub async fn advance(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<MailingId>> {
    sqlx::query!(
        "update mailings set state = 'preparing', begun_at = $1
         where state = 'scheduled' and scheduled_at <= $1 and scheduled_at >= $2 and not mailings_are_held()",
        now,
        now - OVERDUE_AFTER
    )
    .execute(&mut *db)
    .await?;
    let mut transaction = db.begin().await?;
    // Locked first and looked at again in a second statement: whoever was just putting deliveries back held the row,
    // and what it put there is not in the first one's sight.
    let over: Vec<uuid::Uuid> = sqlx::query_scalar!(
        "select id from mailings m
         where state = 'sending' and not exists (select from batches b where b.mailing_id = m.id)
         for update skip locked"
    )
    .fetch_all(&mut *transaction)
    .await?;
    let done = sqlx::query_scalar!(
        r#"update mailings m set state = 'done', finished_at = $1
           where id = any($2) and not exists (select from batches b where b.mailing_id = m.id)
           returning id as "id: MailingId""#,
        now,
        &over
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(done)
}
