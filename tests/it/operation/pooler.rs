//! `PgBouncer`, if it is installed: on the PATH, or where `PGBOUNCER` says.

use std::{
    env, fs,
    io::Write,
    os::unix::fs::{MetadataExt, chown},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use rundbrief::{db, domain::mailing::MailingState};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::sleep,
};

use super::socket_of;
use crate::harness::{App, TestApp, database::scratch, process, program::Program};

/// A running pooler; it ends with the test.
struct Pooler {
    url: String,
    dir: PathBuf,
    _child: Child,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn program() -> Option<PathBuf> {
    let named = env::var_os("PGBOUNCER").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).map(|dir| dir.join("pgbouncer"));
    named.into_iter().chain(places).find(|program| program.is_file())
}

/// Starts one before the database of `app`; nothing when none is installed.
async fn start(app: &TestApp, mode: &str) -> Option<Pooler> {
    let Some(program) = program() else {
        // Past the test program, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "\n!!! NOT TESTED with a real PgBouncer: it is not installed\n");
        return None;
    };
    let (folder, name) = socket_of(app);
    let dir = scratch("pooler");
    fs::create_dir(&dir).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "[databases]\n{name} = host={folder} port=5432 dbname={name} user=rundbrief\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = {mode}\nmax_client_conn = 200\ndefault_pool_size = 60\n"
    );
    fs::write(dir.join("pgbouncer.ini"), config).unwrap();
    // It does not run as root; the server's own user may reach the socket.
    let owner = fs::metadata(&folder).unwrap();
    let _ = chown(&dir, Some(owner.uid()), Some(owner.gid()));
    let mut command = Command::new(program);
    command
        .arg("pgbouncer.ini")
        .current_dir(&dir)
        .kill_on_drop(true)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if owner.uid() != fs::metadata("/proc/self").unwrap().uid() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    let child = command.spawn().unwrap();
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            let url = format!("postgres://rundbrief@127.0.0.1:{port}/{name}");
            return Some(Pooler { url, dir, _child: child });
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the pooler does not listen");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_session_mode_everything_works_and_statements_have_their_time_limit() {
    let app = App::new().without_worker().start().await;
    let Some(pooler) = start(&app, "session").await else { return };
    app.subscribers(120).await;
    let id = app.trigger().await;
    let worker = process::worker(&app, &[("DATABASE_URL", &pooler.url)]);
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(counts.accepted, 120, "{counts:?}");
    let pool = db::connect(&pooler.url).await.unwrap();
    let limit: String = sqlx::query_scalar("show statement_timeout").fetch_one(&pool).await.unwrap();
    assert_eq!(limit, "1min");
    pool.close().await;
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_transaction_mode_it_is_refused_with_the_reason() {
    let app = App::new().without_worker().start().await;
    let Some(pooler) = start(&app, "transaction").await else { return };
    for command in [&["worker"][..], &["serve"], &["migrate"]] {
        let program = Program::beside(&app).setting("DATABASE_URL", &pooler.url);
        let ran = program.run(command).await;
        assert!(ran.refused(2).contains("pool_mode = session"), "{command:?}: {ran:?}");
    }
}
