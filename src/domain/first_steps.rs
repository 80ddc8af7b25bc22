//! How far a new newsletter is on its way to the first mailing, as the database knows it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::ids::StaffId;

/// What of the way is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstSteps {
    /// Somebody is subscribed.
    pub has_subscriber: bool,
    /// Some update has a title and a text.
    pub has_update: bool,
    /// The relay has accepted a test mail.
    pub has_test: bool,
}

/// How far it is; nothing once a mailing has begun, and for somebody who has dismissed it.
pub async fn of_member(db: &mut PgConnection, whose: StaffId) -> sqlx::Result<Option<FirstSteps>> {
    let is_wanted = sqlx::query_scalar!(
        r#"select first_steps_dismissed_at is null and not exists (select from mailings where begun_at is not null) as "is_wanted!"
           from staff where id = $1"#,
        whose.0
    )
    .fetch_optional(&mut *db)
    .await?;
    if is_wanted != Some(true) {
        return Ok(None);
    }
    // Asked only now: before the first mailing there are few deliveries to look through.
    let steps = sqlx::query_as!(
        FirstSteps,
        r#"select exists (select from subscribers where state = 'active') as "has_subscriber!",
             exists (select from updates where title <> '' and body <> '') as "has_update!",
             exists (select from deliveries where kind = 'test' and state = 'accepted') as "has_test!""#
    )
    .fetch_one(db)
    .await?;
    Ok(Some(steps))
}

/// Somebody does not want to be led.
pub async fn dismiss(db: &mut PgConnection, whose: StaffId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "update staff set first_steps_dismissed_at = $2 where id = $1 and first_steps_dismissed_at is null",
        whose.0,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}
