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

/// The address of a fresh, migrated database.
pub async fn fresh() -> String {
    let server = server().await;
    made(server, &format!(" template \"{}\"", server.template)).await
}

/// The address of a database with nothing in it.
pub async fn empty() -> String {
    made(server().await, "").await
}

/// The first test starts the server and makes the template; the others wait for that. It runs on a thread and a
/// runtime of its own, because each test has its own runtime and takes its tasks along when it ends.
async fn server() -> &'static Server {
    tokio::task::spawn_blocking(|| SERVER.get_or_init(Server::start)).await.unwrap()
}

async fn made(server: &Server, from: &str) -> String {
    let name = format!("{}_{}", server.template, NEXT.fetch_add(1, Ordering::Relaxed));
    let mut db = connect(&server.url("postgres")).await;
    let create = format!("create database \"{name}\"{from}");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut db).await.expect("a database for the test");
    let _ = db.close().await;
    server.url(&name)
}

static SERVER: OnceLock<Server> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(1);

struct Server {
    /// Where it is, without a database's name; the cluster is ours unless `DATABASE_URL` named one.
    own: Option<(Cluster, Runtime)>,
    given: Option<String>,
    template: String,
}

impl Server {
    fn start() -> Server {
        let runtime = Runtime::new().unwrap();
        let given = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
        let template = format!("rundbrief_test_{}", std::process::id());
        let own = given.is_none().then(|| {
            let dir = scratch("pg");
            runtime.block_on(Cluster::throwaway(&dir)).expect("a private Postgres cluster")
        });
        let mut server = Server { own: None, given, template };
        let url = match (&own, &server.given) {
            (Some(cluster), _) => cluster.url("postgres"),
            (None, Some(given)) => with_database(given, "postgres"),
            (None, None) => unreachable!("one of the two is there"),
        };
        let template_url = with_database(&url, &server.template);
        runtime.block_on(async {
            let mut db = connect(&url).await;
            drop_old(&mut db).await;
            let create = format!("create database \"{}\"", server.template);
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut db).await.expect("the template database");
            let pool = db::connect(&template_url).await.expect("the template database answers");
            db::migrate(&pool).await.expect("the migrations run");
            pool.close().await;
        });
        server.own = own.map(|cluster| (cluster, runtime));
        server
    }

    fn url(&self, database: &str) -> String {
        match (&self.own, &self.given) {
            (Some((cluster, _)), _) => cluster.url(database),
            (None, Some(given)) => with_database(given, database),
            (None, None) => unreachable!("one of the two is there"),
        }
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
