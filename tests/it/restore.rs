//! An older database (restored backup, promoted standby, long sleep): no mailing is sent until somebody releases it;
//! confirmations are. The relay's own log decides.

mod failover;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rundbrief::{commands::demo::postgres, domain::ids::MailingId, domain::staff::Role};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::{process::Command, time::sleep};

use crate::harness::{
    App, TestApp,
    database::{self, Database, scratch},
    process::{self, Process},
    program::Program,
    smtp::{Action, Behaviour, Phase, behave},
};

/// A relay that takes its time, so that a mailing lasts.
fn slow() -> Behaviour {
    let pause = Action::Delay(Duration::from_millis(40));
    behave(move |phase, _| if phase == Phase::Dot { pause } else { Action::Go })
}

const EVERYBODY: usize = 300;

/// A service in the middle of a mailing; its worker is stopped again, and so is the web.
async fn in_mid_mailing() -> (TestApp, MailingId) {
    let mut app = App::new().relay(slow()).setting("SMTP_CONNECTIONS", "2").without_worker().start().await;
    app.subscribers(EVERYBODY).await;
    let id = app.trigger().await;
    let worker = process::worker(&app, &[]);
    app.relay.wait_for(30).await;
    worker.end().await;
    app.stop().await;
    (app, id)
}

/// A program of the database's: beside the server's own, where a link may lead to them, or on the PATH.
fn tool(name: &str) -> PathBuf {
    let server = postgres::binaries().unwrap().join("initdb");
    let beside = |server: &Path| server.with_file_name(name);
    let found =
        [beside(&server), beside(&server.canonicalize().unwrap())].into_iter().find(|tool| tool.exists());
    found.unwrap_or_else(|| name.into())
}

/// Runs such a program.
async fn postgres_program(name: &str, arguments: &[&str]) {
    let ran = Command::new(tool(name)).args(arguments).output().await.unwrap();
    assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// A backup of this database, made now.
struct Backup(PathBuf);

impl Backup {
    async fn of(app: &TestApp) -> Self {
        let file = scratch("dump");
        postgres_program("pg_dump", &["-Fc", "-f", file.to_str().unwrap(), url(app)]).await;
        Self(file)
    }

    /// Brings it back into a database of its own.
    async fn bring_back(&self) -> Database {
        let fresh = database::empty().await;
        postgres_program("pg_restore", &["--exit-on-error", "-d", fresh.url(), self.0.to_str().unwrap()])
            .await;
        fresh
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn url(app: &TestApp) -> &str {
    &app.settings.iter().find(|(name, _)| *name == "DATABASE_URL").unwrap().1
}

/// The same service on another database. Its relay goes on in the old one.
async fn on(app: &mut TestApp, database: &str) {
    app.settings.retain(|(name, _)| *name != "DATABASE_URL");
    app.settings.push(("DATABASE_URL", database.to_owned()));
    app.pool = PgPool::connect(database).await.unwrap();
}

/// The same service on a machine that remembers nothing.
fn on_a_fresh_machine(app: &mut TestApp) {
    app.settings.retain(|(name, _)| *name != "STATE_DIR");
    app.settings.push(("STATE_DIR", scratch("fresh").display().to_string()));
}

/// Why mailings are held, as soon as they are.
async fn held_for(pool: &PgPool) -> String {
    for _ in 0..600 {
        let held: Option<String> =
            sqlx::query_scalar("select held_for from database_memory").fetch_one(pool).await.unwrap_or(None);
        if let Some(reason) = held {
            return reason;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing is held");
}

async fn is_held(pool: &PgPool) -> bool {
    sqlx::query_scalar("select mailings_are_held()").fetch_one(pool).await.unwrap()
}

/// The service takes a signup and its mail goes out: it is at work. Answers how many mails the relay has then.
async fn a_confirmation_goes_out(app: &TestApp, serve: &Process, who: &str) -> usize {
    let before = app.relay.accepted_count();
    assert_eq!(serve.post("/subscribe", &format!("email={who}&locale=de")).await.status, 303);
    let accepted = app.relay.wait_for(before + 1).await;
    assert_eq!(accepted[before].to, [who], "nothing but the confirmation went out");
    before + 1
}

/// Nobody has two copies of the mailing.
fn nobody_has_two(app: &TestApp) {
    let twice: Vec<String> = app
        .relay
        .sink_count_per_recipient()
        .into_iter()
        .filter(|(_, copies)| *copies > 1)
        .map(|(to, _)| to)
        .collect();
    assert!(twice.is_empty(), "{twice:?} got it twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_a_backup_brought_back_in_mid_mailing_sends_nothing_of_it_and_confirmations_go_on() {
    let (mut app, id) = in_mid_mailing().await;
    let backup = Backup::of(&app).await;
    // More go out, and somebody leaves.
    let worker = process::worker(&app, &[]);
    app.relay.wait_for(app.relay.accepted_count() + 40).await;
    worker.end().await;

    let restored = backup.bring_back().await;
    on(&mut app, restored.url()).await;
    let serve = process::serve(&app).await;
    assert_eq!(held_for(&app.pool).await, "copied");
    let before = a_confirmation_goes_out(&app, &serve, "neu@example.org").await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(app.relay.accepted_count(), before, "and nothing else");
    let log = serve.end().await;
    assert!(log.contains("all mailings are held") && log.contains("restore release --as-unknown"), "{log}");

    // The hold stands in the database: a machine that remembers nothing keeps to it.
    on_a_fresh_machine(&mut app);
    let serve = process::serve(&app).await;
    a_confirmation_goes_out(&app, &serve, "zwei@example.org").await;
    let program = Program::beside(&app);
    let said = program.run(&["restore", "status"]).await;
    assert!(said.done().contains("All mailings are held"), "{said:?}");
    let released = program.run(&["restore", "release", "--as-unknown", "--json"]).await.json();
    assert_eq!(released["released"], true);
    app.wait_for_count("select count(*) from mailings where state = 'done'", 1).await;
    let (_, counts) = app.status(id).await;
    assert_eq!(counts.accepted + counts.unknown, i64::try_from(EVERYBODY).unwrap(), "{counts:?}");
    assert!(counts.unknown > 200, "{counts:?}");
    nobody_has_two(&app);
    // From here on it is a database like any other.
    assert!(!is_held(&app.pool).await);
    serve.end().await;
    let serve = process::serve(&app).await;
    a_confirmation_goes_out(&app, &serve, "drei@example.org").await;
    assert!(!is_held(&app.pool).await);
    assert_eq!(program.run(&["restore", "release"]).await.done(), "No mailings were held.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_recognised_on_a_machine_that_remembers_nothing_and_goes_on_when_somebody_says_so() {
    let (mut app, id) = in_mid_mailing().await;
    let sent = app.relay.accepted_count();
    let restored = Backup::of(&app).await.bring_back().await;
    on(&mut app, restored.url()).await;
    on_a_fresh_machine(&mut app);
    let worker = process::worker(&app, &[]);
    assert_eq!(held_for(&app.pool).await, "copied");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(app.relay.accepted_count(), sent);
    let released = Program::beside(&app).run(&["restore", "release"]).await;
    assert_eq!(released.done(), "Mailings continue.\n");
    let counts = app.wait_for_state(id, rundbrief::domain::mailing::MailingState::Done).await;
    assert_eq!(counts.accepted, i64::try_from(EVERYBODY).unwrap(), "{counts:?}");
    nobody_has_two(&app);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_to_a_machine_that_remembers_nothing_holds_nothing() {
    let (mut app, id) = in_mid_mailing().await;
    on_a_fresh_machine(&mut app);
    let _worker = process::worker(&app, &[]);
    app.wait_for_state(id, rundbrief::domain::mailing::MailingState::Done).await;
    nobody_has_two(&app);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_brought_back_into_the_same_database_is_held_also_under_a_running_service() {
    let (app, _) = in_mid_mailing().await;
    let backup = Backup::of(&app).await;
    let worker = process::worker(&app, &[]);
    app.relay.wait_for(app.relay.accepted_count() + 20).await;
    // As somebody in a hurry does it: over the tables, while the service runs.
    let arguments =
        ["--clean", "--if-exists", "--single-transaction", "-d", url(&app), backup.0.to_str().unwrap()];
    postgres_program("pg_restore", &arguments).await;
    let sent = app.relay.accepted_count();
    let reason = held_for(&app.pool).await;
    assert!(["copied", "older"].contains(&reason.as_str()), "{reason}");
    sleep(Duration::from_secs(2)).await;
    // What was on its way when the tables went may still arrive.
    assert!(app.relay.accepted_count() <= sent + 2, "{sent}, then {}", app.relay.accepted_count());
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_than_the_one_of_before_is_held_and_an_empty_one_is_not() {
    let (mut app, _) = in_mid_mailing().await;
    let (other, other_mailing) = in_mid_mailing().await;
    on(&mut app, url(&other)).await;
    let worker = process::worker(&app, &[]);
    assert_eq!(held_for(&app.pool).await, "another");
    worker.end().await;
    // Somebody meant it so; that holds over a restart.
    Program::beside(&app).run(&["restore", "release"]).await.done();
    let worker = process::worker(&app, &[]);
    app.wait_for_state(other_mailing, rundbrief::domain::mailing::MailingState::Done).await;
    worker.end().await;
    let empty = database::fresh().await;
    on(&mut app, empty.url()).await;
    let worker = process::worker(&app, &[]);
    app.wait_for_count("select count(*) from watermarks where server is not null", 1).await;
    assert!(!is_held(&app.pool).await);
    worker.end().await;
}

/// Lets everything look as if nothing had run on the database for so long.
async fn let_sleep(app: &TestApp, how_long: &str) {
    for table in ["watermarks", "database_memory"] {
        let mut sql = format!("update {table} set written_at = now() - interval '{how_long}'");
        if table == "database_memory" {
            sql += ", written_by = pg_current_xact_id()";
        }
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&app.pool).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_without_a_sign_of_life_holds_open_mailings_and_nothing_where_none_are_open() {
    let (app, id) = in_mid_mailing().await;
    let_sleep(&app, "59 minutes").await;
    let worker = process::worker(&app, &[]);
    app.relay.wait_for(app.relay.accepted_count() + 5).await;
    worker.end().await;
    let_sleep(&app, "61 minutes").await;
    let sent = app.relay.accepted_count();
    let worker = process::worker(&app, &[]);
    assert_eq!(held_for(&app.pool).await, "slept");
    assert_eq!(app.relay.accepted_count(), sent);
    Program::beside(&app).run(&["restore", "release"]).await.done();
    app.wait_for_state(id, rundbrief::domain::mailing::MailingState::Done).await;
    worker.end().await;
    let_sleep(&app, "3 days").await;
    let worker = process::worker(&app, &[]);
    app.wait_for_count("select count(*) from watermarks where server is not null", 1).await;
    assert!(!is_held(&app.pool).await, "nothing was open");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_mailing_whose_time_passed_waits_while_held_and_asks_when_it_may_have_gone_out() {
    let mut app = App::new().without_worker().start().await;
    app.subscribers(5).await;
    let id = app.trigger().await;
    sqlx::query(
        "update mailings set state = 'scheduled', begun_at = null, scheduled_at = now() + interval '1 hour'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.stop().await;
    let restored = Backup::of(&app).await.bring_back().await;
    on(&mut app, restored.url()).await;
    sqlx::query("update mailings set scheduled_at = now() - interval '1 minute'")
        .execute(&app.pool)
        .await
        .unwrap();
    let worker = process::worker(&app, &[]);
    assert_eq!(held_for(&app.pool).await, "copied");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(app.count("select count(*) from mailings where state = 'scheduled'").await, 1);
    Program::beside(&app).run(&["restore", "release", "--as-unknown"]).await.done();
    let (mailing, _) = app.status(id).await;
    assert_eq!(mailing.pause_kind, Some(rundbrief::domain::mailing::PauseKind::Overdue));
    assert_eq!(app.relay.accepted_count(), 0);
    worker.end().await;
}

/// Holds mailings as the check of a start does.
async fn hold(app: &TestApp) {
    sqlx::query(
        "update database_memory set held_at = now(), held_for = 'older', held_since_seen = now() - interval '1 day'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_staff_page_says_that_mailings_are_held_and_an_admin_lets_them_go_on() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let (admin, editor) =
        (app.member("ada@example.org", Role::Admin).await, app.member("edi@example.org", Role::Editor).await);
    hold(&app).await;
    let id = app.trigger().await;
    let (admin, editor) = (app.browser_of(&admin).await, app.browser_of(&editor).await);
    for path in ["/staff", "/staff/updates", "/staff/mailings", "/staff/account"] {
        let page = editor.get(path).await;
        assert!(page.body.contains("Alle Aussendungen sind angehalten"), "{path}: {}", page.body);
        assert!(!page.body.contains("href=\"/staff/restore\""), "an editor cannot decide");
        assert!(admin.get(path).await.body.contains("href=\"/staff/restore\""));
    }
    assert!(
        !app.browser().get("/staff/login").await.body.contains("angehalten"),
        "strangers are told nothing"
    );
    let page = admin.get("/staff/restore").await;
    assert!(page.body.contains("Offenes nicht noch einmal verschicken"), "{}", page.body);
    assert_eq!(admin.post("/staff/restore", &[("open", "sent")]).await.status, 422, "it wants a tick");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(app.relay.accepted_count(), 0, "looking changes nothing");
    let released = admin.post("/staff/restore", &[("open", "sent"), ("sure", "1")]).await;
    assert_eq!(released.header("location"), "/staff?done=restore_sent");
    app.wait_for_state(id, rundbrief::domain::mailing::MailingState::Done).await;
    assert!(!admin.get("/staff").await.body.contains("Alle Aussendungen sind angehalten"));
    assert!(app.actions().await.contains(&"restore_released".to_owned()));
    let log = admin.get("/staff/audit").await;
    assert!(log.body.contains("Angehaltene Aussendungen freigegeben"), "{}", log.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_what_an_admin_has_said_about_open_mails() {
    let app = App::new().start().await;
    app.subscribers(250).await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    hold(&app).await;
    // Its audience is not even written yet.
    let id = app.trigger().await;
    let admin = app.browser_of(&admin).await;
    let answer = admin.post("/staff/restore", &[("open", "unknown")]).await;
    assert_eq!(answer.header("location"), "/staff?done=restore_unknown");
    let counts = app.wait_for_state(id, rundbrief::domain::mailing::MailingState::Done).await;
    assert_eq!((counts.unknown, counts.accepted), (250, 0));
    assert_eq!(app.relay.accepted_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_that_cannot_be_used_is_told_and_the_service_runs() {
    let app = App::new().without_worker().start().await;
    let worker = process::worker(&app, &[("STATE_DIR", "/dev/null/state")]);
    app.wait_for_count("select count(*) from workers", 1).await;
    let log = worker.end().await;
    assert!(log.contains("the state folder cannot be used") && log.contains("STATE_DIR"), "{log}");
    let wrong = Program::beside(&app).setting("STATE_DIR", "state").run(&["worker"]).await;
    assert!(wrong.refused(2).contains("STATE_DIR must be an absolute path"), "{wrong:?}");
}

/// Whether a file is there.
fn exists(path: &Path) -> bool {
    path.exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_outside_holds_no_address_and_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (app, _) = in_mid_mailing().await;
    let dir = &app.settings.iter().find(|(name, _)| *name == "STATE_DIR").unwrap().1;
    let file = Path::new(dir).join("database.json");
    assert!(exists(&file), "it is written when the service ends");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains('@') && text.contains("watermarks"), "{text}");
}
