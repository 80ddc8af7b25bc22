//! The database: pool and migrations, and what its errors mean.

#[cfg(feature = "demo")]
pub mod own_server;
pub mod statement;

use std::{str::FromStr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Row,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::config::DatabaseUrl;

/// Connections to the database.
pub type Pool = PgPool;

/// The migrations of `migrations/`, built into the binary; forward only.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// The newest of them.
#[must_use]
pub fn newest_migration() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// `DATABASE_URL` cannot be read. Tell the operator; trying again will not help.
    #[error("DATABASE_URL {0}")]
    Address(String),
    /// Nobody answers there. Tell the operator; trying again may help.
    #[error("the database that DATABASE_URL names cannot be reached: {0}")]
    Unreachable(sqlx::Error),
    /// The server has no TLS, or not with a certificate that fits, and nothing was said about that. Tell the operator.
    #[error(
        "the database that DATABASE_URL names cannot be reached over TLS: {0}. Off this machine its certificate has to fit, unless DATABASE_URL says otherwise behind its question mark: \
         sslrootcert=FILE names an authority of your own, sslmode=require looks at no certificate, sslmode=disable sends everything in clear, for a network that is yours alone"
    )]
    Tls(sqlx::Error),
    /// None of several servers takes writes. Tell the operator; trying again may help.
    #[error("none of the servers that DATABASE_URL names takes writes{}", .0.as_ref().map(|error| format!("; of the last one: {error}")).unwrap_or_default())]
    NoPrimary(Option<sqlx::Error>),
    /// A pooler gives each transaction another connection. Tell the operator; trying again will not help.
    #[error(
        "DATABASE_URL leads to a pooler that gives every transaction another connection to the server (PgBouncer: pool_mode = transaction). Rundbrief needs sessions of its own, for prepared statements and locks: \
         set pool_mode = session for this database, or name the server itself"
    )]
    Pooler,
    /// A newer version of the program has migrated it. Tell the operator; trying again will not help.
    #[error(
        "the database belongs to a newer version of Rundbrief (its migration {0:04} is not known here); install that version, or bring back a backup from before"
    )]
    Newer(i64),
    /// A migration failed. Tell the operator; trying again will not help.
    #[error("the database could not be migrated: {0}")]
    Migration(MigrateError),
}

impl DbError {
    /// Whether only another configuration helps.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(self, DbError::Address(_) | DbError::Pooler | DbError::Newer(_))
    }
}

/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long each of several servers may take to answer.
const EACH_WITHIN: Duration = Duration::from_secs(5);

/// A pool for the database at `url`; connects at once, so a wrong address shows now and not with the first visitor.
///
/// # Errors
/// [`DbError::Address`], [`DbError::Unreachable`], [`DbError::Tls`] or [`DbError::NoPrimary`].
pub async fn connect(url: &str) -> Result<PgPool, DbError> {
    connect_telling(url, DatabaseUrl::CONNECTIONS, Arc::default()).await
}

/// The same with up to `size` connections; `released` is told whenever one comes back to the pool, and so something may
/// have been committed.
///
/// Of several servers the first that takes writes is used. When it is gone, or takes none any more, another one is looked
/// for, every second. A visitor waits three seconds for a connection at most, then gets a page that says so.
///
/// # Errors
/// As [`connect`].
pub async fn connect_telling(url: &str, size: u32, released: Arc<Notify>) -> Result<PgPool, DbError> {
    let url = DatabaseUrl::parse(url).map_err(DbError::Address)?;
    let servers: Vec<PgConnectOptions> = url
        .hosts
        .iter()
        .map(|host| {
            let options =
                PgConnectOptions::from_str(host).map_err(|error| DbError::Address(error.to_string()))?;
            // Not every pooler takes more than the name at the beginning of a session; the rest is said in SQL.
            Ok(options.application_name("rundbrief").extra_float_digits(None))
        })
        .collect::<Result<_, DbError>>()?;
    let has_several = servers.len() > 1;
    // A connection outside the pool says why it failed; the pool would only say that it waited.
    let (server, first) = writable(&servers).await.map_err(|error| match error {
        DbError::Unreachable(error) if url.is_tls_by_default && is_about_tls(&error) => DbError::Tls(error),
        error => error,
    })?;
    drop(first.close().await);
    let pool = PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(PATIENCE)
        .after_connect(move |db, _| {
            Box::pin(async move {
                if has_several && !takes_writes(&mut *db).await? {
                    return Err(sqlx::Error::PoolTimedOut);
                }
                // A statement that hangs must not hang a visitor or a worker with it.
                sqlx::raw_sql(
                    "set statement_timeout = 60000; set idle_in_transaction_session_timeout = 60000",
                )
                .execute(&mut *db)
                .await?;
                Ok(())
            })
        })
        .after_release(move |_, _| {
            released.notify_one();
            Box::pin(async { Ok(true) })
        })
        .connect_lazy_with(server);
    if has_several {
        tokio::spawn(follow(pool.clone(), servers));
    }
    Ok(pool)
}

/// The first of these that can be used, and a connection to it. One alone is taken as it is.
async fn writable(servers: &[PgConnectOptions]) -> Result<(PgConnectOptions, PgConnection), DbError> {
    if let [server] = servers {
        return Ok((server.clone(), server.connect().await.map_err(DbError::Unreachable)?));
    }
    let mut last = None;
    for server in servers {
        let connected = async {
            let mut db = server.connect().await?;
            Ok(takes_writes(&mut db).await?.then_some(db))
        };
        match timeout(EACH_WITHIN, connected).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(Some(db)) => return Ok((server.clone(), db)),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) if is_about_tls(&error) => Err(DbError::Unreachable(error)),
        last => Err(DbError::NoPrimary(last)),
    }
}

/// Whether the server has no TLS, or a certificate that does not fit.
fn is_about_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

async fn takes_writes(db: &mut PgConnection) -> sqlx::Result<bool> {
    let asked =
        sqlx::raw_sql("select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'");
    asked.fetch_one(db).await?.try_get(0)
}

/// Leads the pool to whichever of several servers takes writes, for as long as the pool is there.
async fn follow(pool: PgPool, servers: Vec<PgConnectOptions>) {
    let mut watched: Option<PgConnection> = None;
    while !pool.is_closed() {
        if let Some(db) = &mut watched {
            sleep(Duration::from_secs(1)).await;
            if matches!(timeout(EACH_WITHIN, takes_writes(db)).await, Ok(Ok(true))) {
                continue;
            }
            watched = None;
        }
        match writable(&servers).await {
            Ok((server, db)) => {
                watched = Some(db);
                let place = |options: &PgConnectOptions| {
                    (options.get_host().to_owned(), options.get_port(), options.get_socket().cloned())
                };
                if place(&server) != place(pool.connect_options().as_ref()) {
                    tracing::warn!(
                        host = server.get_host(),
                        port = server.get_port(),
                        "another database server takes writes now"
                    );
                }
                pool.set_connect_options(server);
            }
            Err(error) => {
                tracing::warn!(%error, "looking for a database server that takes writes");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Refuses a pooler that gives every transaction another connection: to be asked before anything else is done.
///
/// Two connections are open at the same time. Each has a process of its own on the server, and always the same one, unless
/// somebody in between shares them out.
///
/// # Errors
/// [`DbError::Pooler`], or [`DbError::Unreachable`].
pub async fn refuse_pooler(pool: &PgPool) -> Result<(), DbError> {
    let seen = async {
        let options = pool.connect_options();
        let (mut one, mut two) = (options.connect().await?, options.connect().await?);
        let first = (process(&mut one).await?, process(&mut two).await?);
        let second = (process(&mut two).await?, process(&mut one).await?);
        drop((one.close().await, two.close().await));
        Ok::<_, sqlx::Error>(first.0 == first.1 || first.0 != second.1 || first.1 != second.0)
    };
    match seen.await {
        Ok(false) => Ok(()),
        Ok(true) => Err(DbError::Pooler),
        Err(error) => Err(DbError::Unreachable(error)),
    }
}

/// The server's process for this connection. Without a prepared statement, which such a pooler may lose.
async fn process(db: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::raw_sql("select pg_backend_pid()").fetch_one(db).await?.try_get(0)
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
    let options = pool.connect_options();
    let connected = async {
        let mut db = options.connect().await?;
        sqlx::raw_sql(
            "set statement_timeout = 60000;
             set plan_cache_mode = force_generic_plan;
             set enable_seqscan = off;
             set enable_hashjoin = off;
             set enable_mergejoin = off;
             set enable_bitmapscan = off;
             set enable_material = off;
             set jit = off;
             -- A transaction left open by a process that was put to sleep holds locks that others wait for.
             set idle_in_transaction_session_timeout = 15000",
        )
        .execute(&mut db)
        .await?;
        Ok(db)
    };
    timeout(PATIENCE, connected).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// One connection to the same database, for whoever watches it: it reads by index, changes nothing, and has each statement
/// end after two seconds.
///
/// # Errors
/// When nobody answers within three seconds.
pub async fn connect_to_watch(pool: &PgPool) -> sqlx::Result<PgConnection> {
    let mut db = connect_by_key(pool).await?;
    sqlx::raw_sql("set statement_timeout = 2000; set default_transaction_read_only = on")
        .execute(&mut db)
        .await?;
    Ok(db)
}

/// Brings the schema up to date. Safe to run from several processes at once: they queue up behind an advisory
/// lock, and the later ones find nothing left to do.
///
/// # Errors
/// [`DbError::Newer`] or [`DbError::Migration`].
pub async fn migrate(pool: &PgPool) -> Result<(), DbError> {
    let mut db = pool.acquire().await.map_err(DbError::Unreachable)?;
    // A migration of a large table may take longer than a visitor's statement may.
    sqlx::query("set statement_timeout = 0").execute(&mut *db).await.map_err(DbError::Unreachable)?;
    MIGRATIONS.run(&mut *db).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => DbError::Newer(version),
        error => DbError::Migration(error),
    })?;
    // The connection does not go back to the pool with that setting.
    db.close().await.map_err(DbError::Unreachable)
}

/// Refuses a database that a newer version of the program has migrated.
///
/// # Errors
/// [`DbError::Newer`], or [`DbError::Unreachable`].
pub async fn refuse_newer(pool: &PgPool) -> Result<(), DbError> {
    let newest = async {
        let mut db = pool.acquire().await?;
        // Not checked at build time: the table is the migrator's own, and not there before the first migration.
        let is_there: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
            .fetch_one(&mut *db)
            .await?;
        if !is_there {
            return Ok(None);
        }
        sqlx::query_scalar::<_, Option<i64>>("select max(version) from _sqlx_migrations")
            .fetch_one(&mut *db)
            .await
    };
    match newest.await.map_err(DbError::Unreachable)? {
        Some(newest) if newest > newest_migration() => Err(DbError::Newer(newest)),
        _ => Ok(()),
    }
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
