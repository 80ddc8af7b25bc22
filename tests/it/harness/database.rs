//! A database for each test: copied from a template that has been migrated once.

use std::{
    env,
    path::PathBuf,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rundbrief::{commands::demo::postgres::Cluster, db};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::runtime::Runtime;

/// The database of one test. It goes with the test: hundreds of them, each with all tables, fill a disk.
pub struct Database {
    name: String,
    url: String,
}

/// Fresh and migrated.
pub async fn fresh() -> Database {
    let server = server().await;
    made(server, &format!(" template \"{}\"", server.template)).await
}

/// With nothing in it.
pub async fn empty() -> Database {
    made(server().await, "").await
}

impl Database {
    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(server) = SERVER.get() else { return };
        let drop = format!("drop database if exists \"{}\" with (force)", self.name);
        let at = server.url("postgres");
        // Nobody waits for it: the runtime of the test may be ending. What is left goes with the cluster, or when the next run
        // begins.
        server.runtime.spawn(async move {
            if let Ok(mut db) = PgConnectOptions::from_str(&at).unwrap().connect().await {
                let _ = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut db).await;
            }
        });
    }
}

/// The first test starts the server and makes the template; the others wait for that. It runs on a thread and a
/// runtime of its own, because each test has its own runtime and takes its tasks along when it ends.
async fn server() -> &'static Server {
    tokio::task::spawn_blocking(|| SERVER.get_or_init(Server::start)).await.unwrap()
}

async fn made(server: &Server, from: &str) -> Database {
    let name = format!("{}_{}", server.template, NEXT.fetch_add(1, Ordering::Relaxed));
    let mut db = connect(&server.url("postgres")).await;
    let create = format!("create database \"{name}\"{from}");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut db).await.expect("a database for the test");
    let _ = db.close().await;
    let url = server.url(&name);
    Database { name, url }
}

static SERVER: OnceLock<Server> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(1);

struct Server {
    place: Place,
    template: String,
    runtime: Runtime,
}

/// Where databases are made.
enum Place {
    /// In a cluster of this run.
    Own(Cluster),
    /// On the server of `DATABASE_URL`.
    Given(String),
}

impl Place {
    fn url(&self, database: &str) -> String {
        match self {
            Place::Own(cluster) => cluster.url(database),
            Place::Given(url) => with_database(url, database),
        }
    }
}

impl Server {
    fn start() -> Server {
        let runtime = Runtime::new().unwrap();
        let template = format!("rundbrief_test_{}", std::process::id());
        let place = match env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()) {
            Some(given) => Place::Given(given),
            None => Place::Own(
                runtime.block_on(Cluster::throwaway(&scratch("pg"))).expect("a private Postgres cluster"),
            ),
        };
        runtime.block_on(async {
            let mut db = connect(&place.url("postgres")).await;
            drop_old(&mut db).await;
            let create = format!("create database \"{template}\"");
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut db).await.expect("the template database");
            let pool = db::connect(&place.url(&template)).await.expect("the template database answers");
            db::migrate(&pool).await.expect("the migrations run");
            pool.close().await;
        });
        Server { place, template, runtime }
    }

    fn url(&self, database: &str) -> String {
        self.place.url(database)
    }
}

/// Drops what earlier runs left on a server that is not ours. Databases in use stay: another run may be under way.
async fn drop_old(db: &mut PgConnection) {
    let old: Vec<String> =
        sqlx::query_scalar("select datname::text from pg_database where datname like 'rundbrief_test_%'")
            .fetch_all(&mut *db)
            .await
            .unwrap();
    for name in old {
        let running =
            name.split('_').nth(2).is_some_and(|pid| std::path::Path::new("/proc").join(pid).exists());
        if !running {
            let drop = format!("drop database if exists \"{name}\"");
            let _ = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *db).await;
        }
    }
}

fn with_database(url: &str, database: &str) -> String {
    let mut url = url::Url::parse(url).expect("DATABASE_URL is an address");
    url.set_path(database);
    url.to_string()
}

async fn connect(url: &str) -> PgConnection {
    PgConnectOptions::from_str(url).unwrap().connect().await.expect("the database server answers")
}

/// A folder name of this process's own, short enough for a socket.
pub fn scratch(what: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("rb-{what}-{}-{number}", std::process::id()))
}
