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
//! From the staff pages every mailing begins as scheduled: see `waiting.rs`.

mod control;
mod fan_out;
mod overview;
mod report;
mod results;
pub mod start_time;
mod waiting;

pub use control::{
    Cancelled, Held, Resumed, accept_refusals, any_unreachable, cancel, hold_refused, pause, resume,
    resume_unreachable, skip_leftovers,
};
pub use fan_out::{FanOut, fan_out, fan_out_held};
pub use overview::{Overview, Progress, last_begun, of_updates, open, overview, page, progress};
pub use report::{Failed, LEFT_WITHIN, Line, failed, left_because, lines};
pub use results::{Counts, Failure, PutBack, Retry, counts, failures, keep_counts, retry};
pub use waiting::{Begin, GRACE, lock, of_form, replace_text, reschedule, take_back};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    actor::NotPermitted,
    ids::{MailingId, StaffId, UpdateId},
    locale::Locale,
};

use self::start_time::StartTimeError;

/// Where a mailing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, strum::IntoStaticStr)]
#[sqlx(type_name = "mailing_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
        self.into()
    }
}

/// Who stopped a mailing, and so who may start it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, strum::IntoStaticStr)]
#[sqlx(type_name = "pause_kind", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
        self.into()
    }

    /// Why a mailing pauses, for `pause_reason` and the log. `said` is the relay's reply, or what happened to the
    /// connection, with addresses masked.
    #[must_use]
    pub fn reason(self, said: &str) -> String {
        match self {
            Self::Unreachable => format!("the mail relay cannot be reached: {said}"),
            Self::Login => format!("the mail relay refuses our login: {said}"),
            Self::Sender => format!("the mail relay refuses our sender address: {said}"),
            Self::Policy => format!("the mail relay refuses our mail: {said}"),
            Self::Staff | Self::Overdue => said.to_owned(),
        }
    }
}

/// What is sent, the same words for every recipient. Made at the trigger; until the mailing begins, [`replace_text`] may put
/// others in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenContent {
    /// The publication's version it was made with.
    pub publication_version: i32,
    /// Its language.
    pub locale: Locale,
    /// Subject line.
    pub subject: String,
    /// Text part, with merge fields where each recipient's own links go.
    pub body_text: String,
    /// HTML part, likewise.
    pub body_html: String,
}

/// A mailing as lists and status show it.
#[derive(Debug, Clone, Serialize)]
pub struct Mailing {
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
    /// Only staff may do this.
    #[error("only staff may do something about a mailing")]
    NotAllowed(#[from] NotPermitted),
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
    /// All mailings are held since the database may be an old one.
    #[error("all mailings are held: the database may be an old backup; somebody has to release them first")]
    Held,
    /// It does not wait for refusals that could be let stand.
    #[error("this mailing does not wait because the relay refuses everybody with the same words")]
    NoRefusals,
    /// Nothing of the mailing is in that state.
    #[error("nothing of this mailing that is {0} can be sent again; there is nothing to try again")]
    NothingToRetry(&'static str),
    /// It cannot begin at the time that was named.
    #[error(transparent)]
    StartTime(#[from] StartTimeError),
    /// No such mailing.
    #[error("there is no mailing with this id")]
    Unknown,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
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
pub async fn audience(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    let count = sqlx::query_scalar!(
        "select count(*) from subscribers where state = 'active' and confirmed_at <= $1",
        now
    )
    .fetch_one(db)
    .await?;
    Ok(count.unwrap_or(0))
}

/// A mailing to be made.
#[derive(Debug)]
pub struct NewMailing<'a> {
    /// What it sends.
    pub update: UpdateId,
    /// Its words.
    pub content: &'a FrozenContent,
    /// How many people it would reach now.
    pub audience: i64,
    /// When it begins; nothing for at once.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// That time is the end of the time to take it back, and none that somebody has chosen.
    pub has_grace: bool,
    /// The staff member who ordered it.
    pub triggered_by: Option<StaffId>,
    /// The number of the form that ordered it. One form makes one mailing.
    pub form: Option<Uuid>,
}

/// Makes a mailing: its words are frozen here, workers do the rest. Once the caller has committed, it survives kill -9
/// (invariant 9). Whether there may be one is for the caller to know, who has locked the update.
pub async fn create(
    db: &mut PgConnection,
    new: &NewMailing<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<MailingId> {
    let id = MailingId::new();
    let (state, begun_at) = match new.scheduled_at {
        Some(_) => (MailingState::Scheduled, None),
        None => (MailingState::Preparing, Some(now)),
    };
    sqlx::query!(
        "insert into mailings (id, update_id, publication_version, state, locale, subject, body_text, body_html,
             triggered_at, frozen_at, audience, scheduled_at, begun_at, has_grace, triggered_by, sent_by_form)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12, $13, $14, $15)",
        id.0,
        new.update.0,
        new.content.publication_version,
        state as MailingState,
        new.content.locale.tag(),
        new.content.subject,
        new.content.body_text,
        new.content.body_html,
        now,
        new.audience,
        new.scheduled_at,
        begun_at,
        new.has_grace,
        new.triggered_by.map(|id| id.0),
        new.form
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("update updates set state = 'published', changed_at = $2 where id = $1", new.update.0, now)
        .execute(db)
        .await?;
    Ok(id)
}

/// The frozen content of a mailing.
///
/// # Errors
/// When the database fails, or no such mailing exists.
pub async fn content(db: &mut PgConnection, id: MailingId) -> sqlx::Result<FrozenContent> {
    sqlx::query_as!(
        FrozenContent,
        r#"select publication_version, locale as "locale: Locale", subject, body_text, body_html
           from mailings where id = $1"#,
        id.0
    )
    .fetch_one(db)
    .await
}

/// The subject line of a mailing.
///
/// # Errors
/// [`MailingError::Unknown`].
pub async fn subject(db: &mut PgConnection, id: MailingId) -> Result<String, MailingError> {
    let subject = sqlx::query_scalar!("select subject from mailings where id = $1", id.0);
    subject.fetch_optional(db).await?.ok_or(MailingError::Unknown)
}

/// A mailing by id.
pub async fn by_id(db: &mut PgConnection, id: MailingId) -> sqlx::Result<Option<Mailing>> {
    Ok(select(db, Some(id), 1).await?.pop())
}

/// The newest mailings, up to `limit`.
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

/// Begins the scheduled mailings that are due, unless they are overdue or held. Answers them.
pub async fn begin_due(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<MailingId>> {
    sqlx::query_scalar!(
        r#"update mailings set state = 'preparing', begun_at = $1
           where state = 'scheduled' and scheduled_at <= $1 and scheduled_at >= $2 and not mailings_are_held()
           returning id as "id: MailingId""#,
        now,
        now - OVERDUE_AFTER
    )
    .fetch_all(db)
    .await
}

/// Ends the mailings with nothing left to send. Answers them. To be called in a transaction of its own.
pub async fn end_finished(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<MailingId>> {
    // Locked first and looked at again in a second statement: whoever was just putting deliveries back held the row,
    // and what it put there is not in the first one's sight.
    let over: Vec<uuid::Uuid> = sqlx::query_scalar!(
        "select id from mailings m
         where state = 'sending' and not exists (select from batches b where b.mailing_id = m.id)
         for update skip locked"
    )
    .fetch_all(&mut *db)
    .await?;
    sqlx::query_scalar!(
        r#"update mailings m set state = 'done', finished_at = $1
           where id = any($2) and not exists (select from batches b where b.mailing_id = m.id)
           returning id as "id: MailingId""#,
        now,
        &over
    )
    .fetch_all(db)
    .await
}

/// Why this mailing could not be changed.
async fn wrong_state(
    db: &mut PgConnection,
    id: MailingId,
    wanted: &'static str,
) -> sqlx::Result<MailingError> {
    Ok(match by_id(db, id).await? {
        None => MailingError::Unknown,
        Some(mailing) => MailingError::WrongState { state: mailing.state, wanted },
    })
}
