//! Ordering a mailing from a form: once, whatever is pressed twice; and what can be done until it begins: another time,
//! other words, taking it back.
//!
//! ```text
//! (order) ─▶ scheduled ── its time has come ─▶ preparing ─▶ …
//!                └─ take back ─▶ cancelled, with `taken_back_at`; the update is as it was
//! ```
//!
//! A mailing that is sent "now" is scheduled half a minute ahead. Both arrows write the same row and go by its state,
//! so one of them comes first and the other finds that it came too late.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    ids::{MailingId, StaffId, UpdateId},
    mailing::{FrozenContent, MailingError, by_id, control::wrong_state, trigger},
};

/// How long a mailing that was sent from the staff pages can be taken back.
pub const GRACE: TimeDelta = TimeDelta::seconds(30);

/// What somebody asks for on the page that sends.
#[derive(Debug)]
pub struct Order<'a> {
    /// The number of the form. One form makes one mailing.
    pub form: Uuid,
    /// What to send.
    pub update: UpdateId,
    /// The words, made just now.
    pub content: &'a FrozenContent,
    /// The time that was chosen; nothing sends now, that is after [`GRACE`].
    pub at: Option<DateTime<Utc>>,
    /// The last mailing of this update that the page has shown. When there is another one by now, somebody else was
    /// faster, and nothing is sent.
    pub after: Option<MailingId>,
    /// Who asks.
    pub by: StaffId,
}

/// What came of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    /// A mailing, to so many people as of now.
    Now(MailingId, i64),
    /// The form was sent before; this is its mailing.
    Before(MailingId),
}

/// Has orders of the same update come one after the other, until the end of the transaction: whoever comes second waits
/// here, and then finds what the first one has made.
///
/// # Errors
/// When the database fails.
pub async fn take_turns(db: &mut PgConnection, update: UpdateId) -> sqlx::Result<()> {
    sqlx::query!("select id from updates where id = $1 for update", update.0).fetch_optional(db).await?;
    Ok(())
}

/// The mailing that a form has made.
///
/// # Errors
/// When the database fails.
pub async fn of_form(db: &mut PgConnection, form: Uuid) -> sqlx::Result<Option<MailingId>> {
    sqlx::query_scalar!(r#"select id as "id: MailingId" from mailings where sent_by_form = $1"#, form)
        .fetch_optional(db)
        .await
}

/// Holds a mailing as it stands until the end of the transaction: it does not begin, and nobody changes it.
///
/// # Errors
/// When the database fails.
pub async fn lock(db: &mut PgConnection, id: MailingId) -> sqlx::Result<()> {
    sqlx::query!("select id from mailings where id = $1 for update", id.0).fetch_optional(db).await?;
    Ok(())
}

/// The newest mailing of an update that was not taken back: what somebody has to know who sends it again.
async fn last_of(db: &mut PgConnection, update: UpdateId) -> sqlx::Result<Option<MailingId>> {
    sqlx::query_scalar!(
        r#"select id as "id: MailingId" from mailings where update_id = $1 and taken_back_at is null
           order by triggered_at desc, id desc limit 1"#,
        update.0
    )
    .fetch_optional(db)
    .await
}

/// Triggers a mailing, unless this form or somebody else has done so. To be called in a transaction.
///
/// # Errors
/// [`MailingError::AlreadyTriggered`] when there is another mailing of the update than the page has shown;
/// [`MailingError::NoAudience`].
pub async fn order(
    db: &mut PgConnection,
    order: &Order<'_>,
    now: DateTime<Utc>,
) -> Result<Ordered, MailingError> {
    take_turns(db, order.update).await?;
    if let Some(before) = of_form(db, order.form).await? {
        return Ok(Ordered::Before(before));
    }
    let last = last_of(db, order.update).await?;
    if let Some(last) = last.filter(|last| Some(*last) != order.after) {
        return Err(MailingError::AlreadyTriggered(last));
    }
    let begins_at = order.at.unwrap_or(now + GRACE);
    let (id, audience) = trigger(db, order.update, order.content, Some(begins_at), true, now).await?;
    sqlx::query!(
        "update mailings set triggered_by = $2, sent_by_form = $3, has_grace = $4 where id = $1",
        id.0,
        order.by.0,
        order.form,
        order.at.is_none()
    )
    .execute(db)
    .await?;
    Ok(Ordered::Now(id, audience))
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

/// Gives a mailing that has not begun another time. One that was overdue is planned again.
///
/// # Errors
/// [`MailingError::WrongState`] when it has begun, or is over.
pub async fn reschedule(db: &mut PgConnection, id: MailingId, at: DateTime<Utc>) -> Result<(), MailingError> {
    let changed = sqlx::query!(
        "update mailings
         set state = 'scheduled', scheduled_at = $2, has_grace = false, paused_at = null, pause_kind = null,
             pause_reason = null
         where id = $1 and begun_at is null and state in ('scheduled', 'paused')",
        id.0,
        at
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() > 0 {
        return Ok(());
    }
    Err(wrong_state(db, id, "given another time").await?)
}

/// Puts other words in the place of those of a mailing that has not begun. `shown` is when those were frozen that the
/// person has seen who asks.
///
/// # Errors
/// [`MailingError::WrongState`] when it has begun, or is over; [`MailingError::TextChanged`] when its words are others by now.
pub async fn take_text(
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
