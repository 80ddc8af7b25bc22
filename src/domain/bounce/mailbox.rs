//! How reading the mailbox for what comes back goes.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

/// How long it may fail until it is worth a person's time: servers restart.
const PATIENCE: Duration = Duration::minutes(15);

/// Held by the process that reads it: two would leave copies of messages behind them. Chosen at random.
const READER_LOCK: i64 = 0x6d61_696c_626f_7831;

/// Why the mailbox has not been read for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// When it was last read; nothing when never.
    pub read_at: Option<DateTime<Utc>>,
    /// In English, with what the server said.
    pub words: String,
}

/// Makes this connection the one that reads the mailbox, for as long as it lives; answers whether no other one is.
pub async fn claim(db: &mut PgConnection) -> sqlx::Result<bool> {
    let claimed = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "claimed!""#, READER_LOCK);
    claimed.fetch_one(db).await
}

/// Notes that it was looked through to its end.
pub async fn was_read(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into bounce_mailbox (read_at) values ($1)
         on conflict (only_row) do update set read_at = greatest(bounce_mailbox.read_at, $1)",
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes why it was not.
pub async fn was_not_read(db: &mut PgConnection, problem: &str, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into bounce_mailbox (failed_at, problem) values ($1, $2)
         on conflict (only_row) do update set failed_at = $1, problem = $2",
        now,
        problem
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Why it has not been read for a quarter of an hour; nothing while some process reads it, and where none tries.
pub async fn problem(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Option<Problem>> {
    sqlx::query_as!(
        Problem,
        r#"select read_at, problem as "words!" from bounce_mailbox
           where problem is not null and failed_at > coalesce(read_at, '-infinity')
             and failed_at > $1 and coalesce(read_at, '-infinity') < $1"#,
        now - PATIENCE
    )
    .fetch_optional(db)
    .await
}
