//! A server that was just started here and has no database of ours yet: for `demo`, and for tests.

use std::str::FromStr;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

/// Whether the server behind `url` answers.
pub async fn answers(url: &str) -> bool {
    match connect(url).await {
        Ok(db) => {
            drop(db.close().await);
            true
        }
        Err(_) => false,
    }
}

/// Makes a database over a connection to the one that `url` names, unless it is there. `name` is put between quotes as it is.
///
/// # Errors
/// When the server does not answer.
pub async fn create_database(url: &str, name: &str) -> sqlx::Result<()> {
    let mut db = connect(url).await?;
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(&mut db)
        .await?;
    if !exists {
        sqlx::raw_sql(AssertSqlSafe(format!("create database \"{name}\""))).execute(&mut db).await?;
    }
    db.close().await
}

async fn connect(url: &str) -> sqlx::Result<PgConnection> {
    PgConnectOptions::from_str(url)?.connect().await
}
