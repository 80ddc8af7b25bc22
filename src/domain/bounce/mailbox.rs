//! How reading the mailbox for what comes back goes.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

/// How long it may fail until it is worth a person's time: servers restart.
const PATIENCE: Duration = Duration::minutes(15);

/// Held by the process that reads it: two would leave copies of messages behind them. `mailbox1` in ASCII.
const READER_LOCK: i64 = 0x6d61_696c_626f_7831;

/// Why the mailbox has not been read for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// When it was last read; nothing when never.
    pub read_at: Option<DateTime<Utc>>,
    /// In English, with what the server said; nothing where nobody noted why.
    pub words: Option<String>,
}

/// Makes this connection the one that reads the mailbox, for as long as it lives; answers whether no other one is.
pub async fn claim(db: &mut PgConnection) -> sqlx::Result<bool> {
    // The server is to notice within a minute when this machine vanishes; on its own it takes hours.
    sqlx::query!(
        "select set_config(name, value, false)
         from (values ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'))
             as keep (name, value)"
    )
    .fetch_all(&mut *db)
    .await?;
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

/// Notes that a process wants it to be read. What nobody has wanted for a while is wanted anew.
pub async fn is_wanted(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into bounce_mailbox as m (wanted_since, wanted_at) values ($1, $1)
         on conflict (only_row) do update set wanted_at = $1,
             wanted_since = case when m.wanted_at >= $2 then m.wanted_since else $1 end",
        now,
        now - PATIENCE
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Why it has not been read for a quarter of an hour, or never since somebody wants that; nothing where nobody does.
pub async fn problem(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Option<Problem>> {
    sqlx::query_as!(
        Problem,
        r#"select read_at, case when failed_at > coalesce(read_at, '-infinity') then problem end as words
           from bounce_mailbox
           where wanted_at > $1 and coalesce(read_at, '-infinity') < $1
             -- A setting that was wrong from the beginning is told at once.
             and (wanted_since < $1 or (read_at is null and failed_at > $1))"#,
        now - PATIENCE
    )
    .fetch_optional(db)
    .await
}
