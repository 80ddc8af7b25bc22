//! Ordering a mailing from a form: once, whatever is pressed twice; and taking it back before it begins.
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
    mailing::{FrozenContent, MailingError, by_id, trigger},
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
    /// A mailing to so many people.
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

/// The newest mailing of an update that was not taken back: what somebody has to know who sends it again.
///
/// # Errors
/// When the database fails.
pub async fn last_of(db: &mut PgConnection, update: UpdateId) -> sqlx::Result<Option<MailingId>> {
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

/// Ends a mailing that has not begun. Its update can be sent as if nothing had happened.
///
/// # Errors
/// [`MailingError::WrongState`] when it has begun, or is over.
pub async fn take_back(db: &mut PgConnection, id: MailingId, now: DateTime<Utc>) -> Result<(), MailingError> {
    let update = sqlx::query_scalar!(
        r#"update mailings set state = 'cancelled', finished_at = $2, taken_back_at = $2, audience = 0
           where id = $1 and state = 'scheduled' returning update_id as "update: UpdateId""#,
        id.0,
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(update) = update else {
        return match by_id(db, id).await? {
            None => Err(MailingError::Unknown),
            Some(mailing) => Err(MailingError::WrongState { state: mailing.state, wanted: "taken back" }),
        };
    };
    sqlx::query!(
        "update updates u set state = 'draft'
         where id = $1 and not exists (select from mailings m where m.update_id = u.id and m.taken_back_at is null)",
        update.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives a mailing that has not begun another time. Its words and its audience stay those of the trigger.
///
/// # Errors
/// [`MailingError::WrongState`] when it has begun, or is over.
pub async fn reschedule(db: &mut PgConnection, id: MailingId, at: DateTime<Utc>) -> Result<(), MailingError> {
    let changed = sqlx::query!(
        "update mailings set scheduled_at = $2, has_grace = false where id = $1 and state = 'scheduled'",
        id.0,
        at
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() > 0 {
        return Ok(());
    }
    match by_id(db, id).await? {
        None => Err(MailingError::Unknown),
        Some(mailing) => Err(MailingError::WrongState { state: mailing.state, wanted: "given another time" }),
    }
}
