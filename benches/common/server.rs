//! A private Postgres as an operator would have it: it waits for the disk at every commit.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    str::FromStr,
    thread,
};

use anyhow::Context;
use rundbrief::{commands::demo::postgres::Cluster, db};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, postgres::PgConnectOptions};

/// A running server in a fresh folder.
pub struct Server {
    cluster: Cluster,
    dir: PathBuf,
    /// Its first process, parent of all others.
    pub postmaster: u32,
}

impl Server {
    /// Starts it.
    pub async fn start() -> anyhow::Result<Self> {
        let dir = env::temp_dir().join(format!("rb-bench-{}", process::id()));
        let cluster = Cluster::start(&dir).await.inspect_err(|_| drop(fs::remove_dir_all(&dir)))?;
        let pid_file = fs::read_to_string(dir.join("data/postmaster.pid"))?;
        let postmaster = pid_file.lines().next().context("postmaster.pid is empty")?.trim().parse()?;
        Ok(Self { cluster, dir, postmaster })
    }

    /// Stops it and removes its folder.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.cluster.stop().await;
        fs::remove_dir_all(&self.dir).with_context(|| format!("{} is left behind", self.dir.display()))
    }

    /// A folder for what a measurement needs; removed with the server.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a database with the service's tables; answers its address.
    pub async fn make_database(&self, name: &str) -> anyhow::Result<String> {
        self.cluster.create_database(name).await?;
        let url = self.cluster.url(name);
        let pool = db::connect(&url).await?;
        db::migrate(&pool).await?;
        pool.close().await;
        Ok(url)
    }

    /// Drops a database, whoever uses it.
    pub async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        let statement = format!("drop database \"{name}\" with (force)");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connect().await?).await?;
        Ok(())
    }

    /// What the numbers were measured on, in one line.
    pub async fn describe(&self) -> anyhow::Result<String> {
        let version: String =
            sqlx::query_scalar("show server_version").fetch_one(&mut self.connect().await?).await?;
        let postgres = version.split_whitespace().next().unwrap_or_default();
        let processors = thread::available_parallelism()?;
        let told = fs::read_to_string("/proc/cpuinfo")?;
        let model = told.lines().find(|line| line.starts_with("model name"));
        let model =
            model.and_then(|line| Some(line.split_once(':')?.1.trim())).unwrap_or("unknown processor");
        let commit = commit().map(|commit| format!(", commit {commit}")).unwrap_or_default();
        Ok(format!("{processors} × {model}, Postgres {postgres}{commit}"))
    }

    async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnectOptions::from_str(&self.cluster.url("postgres"))?.connect().await?)
    }
}

/// The short name of the commit that is checked out, if there is one.
fn commit() -> Option<String> {
    let asked = process::Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let answer = asked.ok().filter(|answer| answer.status.success())?;
    Some(String::from_utf8(answer.stdout).ok()?.trim().to_owned())
}
