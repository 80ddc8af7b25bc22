//! A mailing that waits to begin, and what can be done until then: another time, other words, taking it back.
//!
//! ```text
//! scheduled ── its time has come ─▶ preparing ─▶ …
//!     └─ take back ─▶ cancelled, with `taken_back_at`; the update is as it was
//! ```
//!
//! A mailing that is sent "now" is scheduled half a minute ahead. Both arrows write the same row and go by its state,
//! so one of them comes first and the other finds that it came too late.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    ids::{MailingId, UpdateId},
    mailing::{FrozenContent, MailingError, by_id, wrong_state},
};

/// How long a mailing that was sent from the staff pages can be taken back.
pub const GRACE: TimeDelta = TimeDelta::seconds(30);

/// The mailing that a form has made.
pub async fn of_form(db: &mut PgConnection, form: Uuid) -> sqlx::Result<Option<MailingId>> {
    sqlx::query_scalar!(r#"select id as "id: MailingId" from mailings where sent_by_form = $1"#, form)
        .fetch_optional(db)
        .await
}

/// Holds a mailing as it stands until the end of the transaction: it does not begin, and nobody changes it.
pub async fn lock(db: &mut PgConnection, id: MailingId) -> sqlx::Result<()> {
    sqlx::query!("select id from mailings where id = $1 for update", id.0).fetch_optional(db).await?;
    Ok(())
}

/// Ends a mailing that has not begun, overdue or not. Its update can be sent as if nothing had happened.
///
/// # Errors
/// [`MailingError::WrongState`] when it has begun, or is over.
pub async fn take_back(db: &mut PgConnection, id: MailingId, now: DateTime<Utc>) -> Result<(), MailingError> {
    let update = sqlx::query_scalar!(
        r#"update mailings
           set state = 'cancelled', finished_at = $2, taken_back_at = $2, audience = 0, paused_at = null,
               pause_kind = null, pause_reason = null
           where id = $1 and begun_at is null and state in ('scheduled', 'paused')
           returning update_id as "update: UpdateId""#,
        id.0,
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(update) = update else { return Err(wrong_state(db, id, "taken back").await?) };
    sqlx::query!(
        "update updates u set state = 'draft'
         where id = $1 and not exists (select from mailings m where m.update_id = u.id and m.taken_back_at is null)",
        update.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// When a mailing that waits is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At a time that somebody has chosen.
    At(DateTime<Utc>),
    /// After [`GRACE`], in which it can be taken back, if its words are still those that were frozen then: what the person
    /// has seen who asks. Not while mailings are held.
    Now { frozen_at: DateTime<Utc> },
}

/// Gives a mailing that has not begun another time. One that was overdue is planned again. Answers the time.
///
/// # Errors
/// [`MailingError::WrongState`] when it has begun, or is over; [`MailingError::TextChanged`] and [`MailingError::Held`] for one
/// that is to begin now.
pub async fn reschedule(
    db: &mut PgConnection,
    id: MailingId,
    begin: Begin,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, MailingError> {
    let (at, seen) = match begin {
        Begin::At(at) => (at, None),
        Begin::Now { frozen_at } => (now + GRACE, Some(frozen_at)),
    };
    let changed = sqlx::query!(
        "update mailings
         set state = 'scheduled', scheduled_at = $2, has_grace = $3, paused_at = null, pause_kind = null,
             pause_reason = null
         where id = $1 and begun_at is null and state in ('scheduled', 'paused')
           and ($4::timestamptz is null or (frozen_at = $4 and not mailings_are_held()))",
        id.0,
        at,
        seen.is_some(),
        seen
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() > 0 {
        return Ok(at);
    }
    let is_held =
        sqlx::query_scalar!(r#"select mailings_are_held() as "is_held!""#).fetch_one(&mut *db).await?;
    match by_id(&mut *db, id).await? {
        Some(mailing) if seen.is_some() && mailing.is_waiting_to_begin() => {
            Err(if is_held { MailingError::Held } else { MailingError::TextChanged })
        }
        _ => Err(wrong_state(db, id, "given another time").await?),
    }
}

/// Puts other words in the place of those of a mailing that has not begun. `shown` is when those were frozen that the
/// person has seen who asks.
///
/// # Errors
/// [`MailingError::WrongState`] when it has begun, or is over; [`MailingError::TextChanged`] when its words are others by now.
pub async fn replace_text(
    db: &mut PgConnection,
    id: MailingId,
    shown: DateTime<Utc>,
    content: &FrozenContent,
    now: DateTime<Utc>,
) -> Result<(), MailingError> {
    let changed = sqlx::query!(
        "update mailings
         set publication_version = $3, locale = $4, subject = $5, body_text = $6, body_html = $7, frozen_at = $8
         where id = $1 and begun_at is null and state in ('scheduled', 'paused') and frozen_at = $2",
        id.0,
        shown,
        content.publication_version,
        content.locale.tag(),
        content.subject,
        content.body_text,
        content.body_html,
        now
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() > 0 {
        return Ok(());
    }
    match by_id(db, id).await? {
        Some(mailing) if mailing.is_waiting_to_begin() => Err(MailingError::TextChanged),
        _ => Err(wrong_state(db, id, "given another text").await?),
    }
}
