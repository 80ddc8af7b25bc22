//! The database: pool and migrations.

use std::{str::FromStr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::Notify, time::timeout};

/// The migrations of `migrations/`, built into the binary; forward only.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The address is malformed, or nobody answers there. Tell the operator; trying again may help.
    #[error("the database that DATABASE_URL names cannot be reached: {0}")]
    Unreachable(sqlx::Error),
    /// A migration failed. Tell the operator; trying again will not help.
    #[error("the database could not be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// How many connections a pool opens at most.
const POOL_SIZE: u32 = 20;
/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(3);

/// A pool for the database at `url`; connects at once, so a wrong address shows now and not with the first visitor.
///
/// # Errors
/// [`DbError::Unreachable`].
pub async fn connect(url: &str) -> Result<PgPool, DbError> {
    connect_telling(url, Arc::default()).await
}

/// The same; `released` is told whenever a connection comes back to the pool, and so something may have been committed.
///
/// # Errors
/// [`DbError::Unreachable`].
pub async fn connect_telling(url: &str, released: Arc<Notify>) -> Result<PgPool, DbError> {
    let pool = pool(url, released)?;
    // A connection outside the pool says why it failed; the pool would only say that it waited.
    let first = pool.connect_options().connect().await.map_err(DbError::Unreachable)?;
    drop(first.close().await);
    Ok(pool)
}

/// A pool that connects when it is first used. A visitor waits three seconds for a connection at most, then gets
/// a page that says so.
fn pool(url: &str, released: Arc<Notify>) -> Result<PgPool, DbError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(DbError::Unreachable)?
        .application_name("rundbrief")
        // A statement that hangs must not hang a visitor or a worker with it.
        .options([("statement_timeout", "60000"), ("idle_in_transaction_session_timeout", "60000")]);
    let pool = PgPoolOptions::new().max_connections(POOL_SIZE).acquire_timeout(PATIENCE).after_release(
        move |_, _| {
            released.notify_one();
            Box::pin(async { Ok(true) })
        },
    );
    Ok(pool.connect_lazy_with(options))
}

/// One connection to the same database, for statements that run for every message, or every hundred of them, and find
/// their rows by key.
///
/// They are planned once and not anew each time, which would cost more than running them; and always by index, row by
/// row, because a plan made while a table was small must also be right when a million rows have come.
///
/// It is outside the pool, which would ask each connection that comes back whether it is still there: a round trip.
///
/// # Errors
/// When nobody answers within three seconds.
pub async fn connect_by_key(pool: &PgPool) -> sqlx::Result<PgConnection> {
    let options = PgConnectOptions::clone(&pool.connect_options()).options([
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_material", "off"),
        ("jit", "off"),
        // A transaction left open by a process that was put to sleep holds locks that others wait for.
        ("idle_in_transaction_session_timeout", "15000"),
    ]);
    timeout(PATIENCE, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Brings the schema up to date. Safe to run from several processes at once: they queue up behind an advisory
/// lock, and the later ones find nothing left to do.
///
/// # Errors
/// [`DbError::Migration`].
pub async fn migrate(pool: &PgPool) -> Result<(), DbError> {
    let mut db = pool.acquire().await.map_err(DbError::Unreachable)?;
    // A migration of a large table may take longer than a visitor's statement may.
    sqlx::query("set statement_timeout = 0").execute(&mut *db).await.map_err(DbError::Unreachable)?;
    MIGRATIONS.run(&mut *db).await?;
    // The connection does not go back to the pool with that setting.
    db.close().await.map_err(DbError::Unreachable)
}

/// The server's side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    pid: i32,
    /// Process numbers are used again.
    started: DateTime<Utc>,
}

impl Backend {
    /// That of this connection.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(db: &mut PgConnection) -> sqlx::Result<Option<Self>> {
        let row = sqlx::query!(
            r#"select pid as "pid!", backend_start as "started!" from pg_stat_activity where pid = pg_backend_pid()"#
        )
        .fetch_optional(db)
        .await?;
        Ok(row.map(|row| Self { pid: row.pid, started: row.started }))
    }

    /// Ends it, if it still runs, and waits until it is gone: whatever was sent to it is over then, done or not.
    ///
    /// # Errors
    /// When the database fails, or it does not end within five seconds; try again.
    pub async fn end(self, db: &mut PgConnection) -> sqlx::Result<()> {
        let ended = sqlx::query_scalar!(
            r#"select pg_terminate_backend(pid, 5000) as "ended!" from pg_stat_activity
               where pid = $1 and backend_start = $2"#,
            self.pid,
            self.started
        )
        .fetch_optional(db)
        .await?;
        if ended == Some(false) { Err(sqlx::Error::PoolTimedOut) } else { Ok(()) }
    }
}
