//! A promoted standby, with every commit and without the last ones.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rundbrief::{commands::demo::postgres::Cluster, domain::mailing::MailingState};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::sleep;

use super::{EVERYBODY, a_confirmation_goes_out, held_for, is_held, nobody_has_two, slow, tool};
use crate::harness::{App, TestApp, database::scratch, process, program::Program};

/// A primary, a standby that streams from it, and an address at which clients find whichever is in charge.
struct Pair {
    primary: Cluster,
    primary_dir: PathBuf,
    standby: Cluster,
    standby_dir: PathBuf,
    /// A link to the folder of the one in charge.
    address: PathBuf,
}

impl Pair {
    async fn start() -> Self {
        let (primary_dir, standby_dir, address) = (scratch("one"), scratch("two"), scratch("way"));
        let primary = Cluster::start(&primary_dir).await.unwrap();
        primary.create_database("rundbrief").await.unwrap();
        symlink(&primary_dir, &address).unwrap();
        base_backup(&primary_dir, &standby_dir);
        let standby = Cluster::start(&standby_dir).await.unwrap();
        Self { primary, primary_dir, standby, standby_dir, address }
    }

    /// Where clients find the database.
    fn url(&self) -> String {
        format!("postgres://rundbrief@localhost/rundbrief?host={}", self.address.display())
    }

    /// The primary is gone at once, as by a power cut, and the standby takes over.
    async fn fail_over(self) -> (Cluster, [PathBuf; 3]) {
        let Self { primary, primary_dir, standby, standby_dir, address } = self;
        let pid_file = fs::read_to_string(primary_dir.join("data/postmaster.pid")).unwrap();
        let pid = pid_file.lines().next().unwrap().trim().to_owned();
        let kill = std::process::Command::new("/bin/sh").args(["-c", &format!("kill -QUIT {pid}")]).status();
        assert!(kill.unwrap().success());
        primary.stop().await;
        say(&standby.url("postgres"), "select pg_promote()").await;
        fs::remove_file(&address).unwrap();
        symlink(&standby_dir, &address).unwrap();
        (standby, [primary_dir, standby_dir, address])
    }
}

/// Copies a running server's data for a standby, as the user that the server runs as.
fn base_backup(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    let owner = fs::metadata(from).unwrap();
    let _ = std::os::unix::fs::chown(to, Some(owner.uid()), Some(owner.gid()));
    let mut command = std::process::Command::new(tool("pg_basebackup"));
    command.arg("-h").arg(from).args(["-U", "rundbrief", "-R", "-X", "stream", "-c", "fast", "-D"]);
    command.arg(to.join("data")).current_dir(to);
    if owner.uid() != fs::metadata("/proc/self").unwrap().uid() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

async fn say(url: &str, sql: &str) {
    let mut db = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut db).await.unwrap();
}

async fn on_a_pair(pair: &Pair) -> TestApp {
    let app = App::new()
        .relay(slow())
        .setting("DATABASE_URL", &pair.url())
        .setting("SMTP_CONNECTIONS", "2")
        .without_worker()
        .start()
        .await;
    app.subscribers(EVERYBODY).await;
    app
}

async fn tidy_up(server: Cluster, folders: [PathBuf; 3]) {
    server.stop().await;
    for folder in folders {
        let _ = fs::remove_dir_all(&folder);
        let _ = fs::remove_file(&folder);
    }
}

/// Waits until the standby has everything that the primary had a moment ago.
async fn caught_up(pair: &Pair) {
    let mut primary = PgConnection::connect(&pair.primary.url("postgres")).await.unwrap();
    for _ in 0..600 {
        let is_there: Option<bool> = sqlx::query_scalar(
            "select bool_and(replay_lsn >= pg_current_wal_flush_lsn()) from pg_stat_replication",
        )
        .fetch_one(&mut primary)
        .await
        .unwrap();
        if is_there == Some(true) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the standby does not catch up");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_a_promoted_standby_with_every_commit_goes_on_by_itself() {
    let pair = Pair::start().await;
    let app = on_a_pair(&pair).await;
    // Nothing is answered before the standby has it.
    say(&pair.primary.url("postgres"), "alter system set synchronous_standby_names = '*'").await;
    say(&pair.primary.url("postgres"), "select pg_reload_conf()").await;
    caught_up(&pair).await;
    let id = app.trigger().await;
    let worker = process::worker(&app, &[]);
    app.relay.wait_for(60).await;
    let (server, folders) = pair.fail_over().await;
    assert!(app.relay.accepted_count() < EVERYBODY, "it happened in the middle");
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert!(!is_held(&app.pool).await);
    assert!(counts.unknown <= 2, "{counts:?}");
    assert_eq!(counts.accepted + counts.unknown, i64::try_from(EVERYBODY).unwrap(), "{counts:?}");
    nobody_has_two(&app);
    worker.end().await;
    drop(app);
    tidy_up(server, folders).await;
}

/// Cuts the line to the primary; what comes from now on the standby lacks.
async fn cut_off(pair: &Pair) {
    caught_up(pair).await;
    say(&pair.standby.url("postgres"), "alter system set primary_conninfo = ''").await;
    say(&pair.standby.url("postgres"), "select pg_reload_conf()").await;
    let mut primary = PgConnection::connect(&pair.primary.url("postgres")).await.unwrap();
    for _ in 0..600 {
        let streams: i64 = sqlx::query_scalar("select count(*) from pg_stat_replication")
            .fetch_one(&mut primary)
            .await
            .unwrap();
        if streams == 0 {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the standby still streams");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_a_promoted_standby_that_lacks_commits_holds_mailings_under_a_running_worker() {
    let pair = Pair::start().await;
    let mut app = on_a_pair(&pair).await;
    app.stop().await;
    let id = app.trigger().await;
    let serve = process::serve(&app).await;
    app.relay.wait_for(40).await;
    cut_off(&pair).await;
    let before = app.relay.accepted_count();
    app.relay.wait_for(before + 20).await;
    let (server, folders) = pair.fail_over().await;
    assert!(app.relay.accepted_count() < EVERYBODY, "it happened in the middle");
    assert_eq!(held_for(&app.pool).await, "older");
    // What was on its way has an answer by then.
    app.wait_for_count(crate::harness::ON_THEIR_WAY, 0).await;
    let sent = a_confirmation_goes_out(&app, &serve, "neu@example.org").await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(app.relay.accepted_count(), sent, "nothing of the mailing goes out");
    nobody_has_two(&app);
    Program::beside(&app).run(&["restore", "release", "--as-unknown"]).await.done();
    app.wait_for_state(id, MailingState::Done).await;
    nobody_has_two(&app);
    serve.end().await;
    drop(app);
    tidy_up(server, folders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_signup_is_noticed_by_a_service_that_was_restarted_meanwhile() {
    let pair = Pair::start().await;
    let mut app = on_a_pair(&pair).await;
    app.stop().await;
    let serve = process::serve(&app).await;
    app.wait_for_count("select count(*) from watermarks where server is not null", 1).await;
    cut_off(&pair).await;
    assert_eq!(serve.post("/subscribe", "email=weg@example.org&locale=de").await.status, 303);
    app.relay.wait_for(1).await;
    serve.end().await;
    let (server, folders) = pair.fail_over().await;
    let id = app.trigger().await;
    let worker = process::worker(&app, &[]);
    assert_eq!(held_for(&app.pool).await, "older");
    assert_eq!(app.relay.accepted_count(), 1);
    Program::beside(&app).run(&["restore", "release"]).await.done();
    app.wait_for_state(id, MailingState::Done).await;
    worker.end().await;
    drop(app);
    tidy_up(server, folders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_knows_both_servers_follows_the_one_that_takes_writes() {
    let pair = Pair::start().await;
    let both = format!(
        "postgres:///rundbrief?user=rundbrief&host={},{}&target_session_attrs=read-write",
        // The standby first: it answers, and takes no writes.
        pair.standby_dir.display(),
        pair.primary_dir.display()
    );
    let app = App::new().setting("DATABASE_URL", &both).start().await;
    app.sign_up("eins@example.org").await;
    app.relay.wait_for(1).await;
    caught_up(&pair).await;
    let (server, folders) = pair.fail_over().await;
    let mut taken = 503;
    for _ in 0..300 {
        taken = app.sign_up("zwei@example.org").await.status.as_u16();
        if taken == 303 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(taken, 303);
    app.relay.wait_for(2).await;
    drop(app);
    tidy_up(server, folders).await;
}
