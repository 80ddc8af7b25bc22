//! What an admin has typed about the publication and not saved, to be looked at. Nothing else reads it.

use chrono::{DateTime, Duration, Utc};
use sqlx::{PgConnection, types::Json};

use super::Content;
use crate::domain::ids::StaffId;

/// How long one can be looked at.
const LIVES: Duration = Duration::days(1);

/// Keeps what somebody has typed, in place of what they typed before.
pub async fn keep(
    db: &mut PgConnection,
    by: StaffId,
    content: &Content,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into publication_drafts (staff_id, content, made_at) values ($1, $2, $3)
         on conflict (staff_id) do update set content = excluded.content, made_at = excluded.made_at",
        by.0,
        Json(content) as _,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What somebody has typed and looked at within a day.
pub async fn of(db: &mut PgConnection, by: StaffId, now: DateTime<Utc>) -> sqlx::Result<Option<Content>> {
    let content = sqlx::query_scalar!(
        r#"select content as "content: Json<Content>" from publication_drafts where staff_id = $1 and made_at > $2"#,
        by.0,
        now - LIVES
    )
    .fetch_optional(db)
    .await?;
    Ok(content.map(|Json(content)| content))
}

/// Removes somebody's: it is saved now.
pub async fn remove(db: &mut PgConnection, by: StaffId) -> sqlx::Result<()> {
    sqlx::query!("delete from publication_drafts where staff_id = $1", by.0).execute(db).await?;
    Ok(())
}

/// Removes those whose day is over; answers how many.
pub async fn forget(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let gone =
        sqlx::query!("delete from publication_drafts where made_at <= $1", now - LIVES).execute(db).await?;
    Ok(gone.rows_affected())
}
