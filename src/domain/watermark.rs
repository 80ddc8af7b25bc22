//! Watermarks: counters of the commits of one writer. Whoever has seen a value answered finds it in the same database, or
//! it is an older one; see [`super::restore`].

use sqlx::PgConnection;
use uuid::Uuid;

/// A writer's watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    pub id: Uuid,
    /// Its value.
    pub value: i64,
}

/// Makes one for a new writer, with nothing counted.
pub async fn make(db: &mut PgConnection) -> sqlx::Result<Watermark> {
    let id = Uuid::now_v7();
    sqlx::query!("insert into watermarks (id, value) values ($1, 0)", id).execute(db).await?;
    Ok(Watermark { id, value: 0 })
}

/// Forgets those of writers that ended more than a year ago.
pub async fn forget_old(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("delete from watermarks where written_at < now() - interval '1 year'").execute(db).await?;
    Ok(())
}
