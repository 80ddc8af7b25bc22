//! Operation: keys that do not fit, monitoring, signals, database URLs, poolers.

mod pooler;

use std::{io::Write, net::SocketAddr, time::Duration};

use axum::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use rundbrief::domain::{mailing::MailingState, staff::Role};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    time::sleep,
};

use crate::harness::{
    App, TestApp, http, process,
    program::Program,
    smtp::{Action, Phase, behave},
};

fn key(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_fit_the_database_stops_every_start_and_says_what_would_be_lost() {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let other = Program::beside(&app).setting("SECRET_KEY", &key(9));
    other.file("list.csv", "email,consented_at,consent_source\na@example.org,2025-01-01,Liste\n");
    for command in [
        &["worker"][..],
        &["serve"],
        &["subscribers", "import", "list.csv"],
        &["subscribers", "erase", "s1@example.org", "--yes"],
        &["subscribers", "show", "s1@example.org"],
        &["mailings", "trigger", "x", "--yes"],
    ] {
        let ran = other.run(command).await;
        let said = ran.refused(2);
        for part in
            ["SECRET_KEY does not fit", "3 people", "suppressed", "second factors", "--accept-new-key"]
        {
            assert!(said.contains(part), "{command:?}: {part} in {said}");
        }
        assert!(!said.contains(&key(9)));
    }
    assert_eq!(app.count("select count(*) from subscribers").await, 3, "nothing was done");
    // Rotated as it should be, it fits.
    let rotated = Program::beside(&app).setting("SECRET_KEY", &format!("{},{}", key(9), key(7)));
    rotated.run(&["subscribers", "show", "s1@example.org"]).await.done();
    let dropped = other.run(&["subscribers", "show", "s1@example.org"]).await;
    assert!(dropped.refused(2).contains("its list lacks keys"), "{dropped:?}");
    // The key is lost, and somebody says so.
    other.run(&["migrate", "--accept-new-key"]).await.done();
    other.run(&["subscribers", "show", "s1@example.org"]).await.done();
    let old = Program::beside(&app).run(&["subscribers", "show", "s1@example.org"]).await;
    assert!(old.refused(2).contains("it is not the key"), "{old:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_before_notes_its_key_without_a_word() {
    let mut app = App::new().without_worker().start().await;
    app.stop().await;
    sqlx::query("delete from secret_keys").execute(&app.pool).await.unwrap();
    let worker = process::worker(&app, &[]);
    app.wait_for_count("select count(*) from secret_keys", 1).await;
    assert!(!worker.end().await.contains("SECRET_KEY"));
}

/// What `/health/ready` says, as soon as this part is in this state.
async fn ready_with(address: SocketAddr, part: &str, state: &str) -> Value {
    let mut body = Value::Null;
    for _ in 0..600 {
        let answer = http::send(address, Method::GET, "/health/ready", &[], String::new()).await;
        body = serde_json::from_str(&answer.body).unwrap();
        // On a busy machine the database may once answer too late.
        if answer.status == 200 && body[part]["state"] == state {
            return body;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{part} did not become {state}: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tells_of_a_dead_relay_and_of_paused_and_held_mailings_and_names_nobody() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let well = ready_with(app.address, "workers", "ok").await;
    assert_eq!((&well["relay"]["state"], &well["mailings"]["state"]), (&"untried".into(), &"ok".into()));
    assert_eq!((&well["migrations"]["state"], &well["clock"]["state"]), (&"ok".into(), &"ok".into()));
    // The tests' server forgets everything in a crash.
    assert_eq!((&well["database"]["state"], &well["database"]["fsync"]), (&"unsafe".into(), &false.into()));
    app.relay.stop().await;
    let id = app.trigger().await;
    let dead = ready_with(app.address, "relay", "unreachable").await;
    assert_eq!(dead["status"], "degraded");
    assert!(dead["relay"]["since"].is_string());
    Program::beside(&app).run(&["mailings", "pause", &id.to_string()]).await.done();
    let paused = ready_with(app.address, "mailings", "paused").await;
    assert_eq!(paused["mailings"]["paused"][0]["id"], id.to_string());
    assert_eq!(paused["mailings"]["paused"][0]["why"], "staff");
    sqlx::query("update database_memory set held_at = now(), held_for = 'older'")
        .execute(&app.pool)
        .await
        .unwrap();
    let held = ready_with(app.address, "mailings", "held").await;
    assert_eq!(held["mailings"]["hold"]["reason"], "older");
    let text = held.to_string();
    for secret in ["@", "127.0.0.1", "rundbrief", "/tmp"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    app.relay.resume().await;
    app.sign_up("maria@example.org").await;
    ready_with(app.address, "relay", "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tells_of_a_worker_that_cannot_read_the_queue() {
    let app = App::new().start().await;
    ready_with(app.address, "queue", "ok").await;
    let name: String =
        sqlx::query_scalar("select current_database()::text").fetch_one(&app.pool).await.unwrap();
    let admin = app
        .settings
        .iter()
        .find(|(setting, _)| *setting == "DATABASE_URL")
        .unwrap()
        .1
        .replace(&name, "postgres");
    let admin = sqlx::PgPool::connect(&admin).await.unwrap();
    // What is open stays open; the worker's own connection is ended, and it gets no other one.
    let close = format!("alter database \"{name}\" allow_connections false");
    sqlx::raw_sql(AssertSqlSafe(close)).execute(&admin).await.unwrap();
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and (query like '%with me as%' or query like '%mailings_are_held() order by%')")
        .bind(&name)
        .execute(&admin)
        .await
        .unwrap();
    let stuck = ready_with(app.address, "queue", "stuck").await;
    assert_eq!((&stuck["queue"]["stuck_workers"], &stuck["status"]), (&1.into(), &"degraded".into()));
    let open = format!("alter database \"{name}\" allow_connections true");
    sqlx::raw_sql(AssertSqlSafe(open)).execute(&admin).await.unwrap();
    ready_with(app.address, "queue", "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_can_be_asked_how_it_is_where_it_is_told_to_listen() {
    let app = App::new().without_worker().start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let worker = process::worker(&app, &[("LISTEN_ADDR", &free.to_string())]);
    app.wait_for_count("select count(*) from workers", 1).await;
    let body = ready_with(free, "workers", "ok").await;
    assert_eq!(body["workers"]["alive"], 1);
    assert_eq!(http::send(free, Method::GET, "/", &[], String::new()).await.status, 404, "and nothing else");
    // Where the address is taken, by a web service with the same settings, it works all the same.
    let second = process::worker(&app, &[("LISTEN_ADDR", &free.to_string())]);
    app.wait_for_count("select count(*) from workers", 2).await;
    assert!(second.end().await.contains("LISTEN_ADDR chooses another address"));
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_closed_ends_a_worker_as_gently_as_an_order_to_stop() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0").trim();
    if u64::from_str_radix(ignored, 16).unwrap() & 1 == 1 {
        let _ = writeln!(
            std::io::stderr(),
            "\n!!! NOT TESTED: SIGHUP, which these tests were started to live through\n"
        );
        return;
    }
    let pause = Action::Delay(Duration::from_millis(30));
    let relay = behave(move |phase, _| if phase == Phase::Dot { pause } else { Action::Go });
    let app = App::new().relay(relay).setting("SMTP_CONNECTIONS", "4").without_worker().start().await;
    app.subscribers(200).await;
    let id = app.trigger().await;
    let program = Program::beside(&app);
    let worker = program.start(&["worker"]);
    app.relay.wait_for(40).await;
    worker.signal("HUP");
    assert_eq!(worker.ended().await.code, Some(0));
    assert_eq!(app.on_their_way().await, 0);
    let again = process::worker(&app, &[]);
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!((counts.accepted, counts.unknown), (200, 0));
    again.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_starts_it_to_live_through_a_closed_terminal_has_it_live() {
    if !std::path::Path::new("/proc/self/status").exists() {
        let _ = writeln!(std::io::stderr(), "\n!!! NOT TESTED: nohup, which only Linux tells of\n");
        return;
    }
    let app = App::new().without_worker().start().await;
    let worker = Program::beside(&app).living_through_hangups().setting("RUST_LOG", "info");
    let running = worker.start(&["worker"]);
    app.wait_for_count("select count(*) from workers", 1).await;
    running.signal("HUP");
    // It still takes what comes after.
    app.sign_up("nach.dem.auflegen@example.org").await;
    app.relay.wait_for(1).await;
    running.signal("TERM");
    assert_eq!(running.ended().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_lose_what_was_answered_is_told_at_the_start_and_to_admins() {
    let app = App::new().without_worker().start().await;
    let worker = process::worker(&app, &[]);
    app.wait_for_count("select count(*) from workers", 1).await;
    let log = worker.end().await;
    assert!(log.contains("a crash of the database server may lose committed changes"), "{log}");
    assert!(log.contains("fsync=false") && log.contains("synchronous_commit=false"), "{log}");
    let admin = app.member("ada@example.org", Role::Admin).await;
    let page = app.browser_of(&admin).await.get("/staff").await;
    assert!(page.body.contains("fsync oder synchronous_commit ist aus"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_is_refused_in_one_sentence() {
    let app = App::new().without_worker().start().await;
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9876, 'of tomorrow', true, '', 0)",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    for command in [&["worker"][..], &["migrate"], &["updates", "list"], &["mailings", "list"]] {
        let ran = Program::beside(&app).run(command).await;
        let said = ran.refused(2);
        assert!(said.contains("newer version of Rundbrief") && said.contains("9876"), "{command:?}: {said}");
        assert_eq!(said.trim().lines().filter(|line| line.starts_with("rundbrief:")).count(), 1, "{said}");
    }
}

/// The folder of the tests' server's socket, the role and the name of the database.
fn socket_of(app: &TestApp) -> (String, String) {
    let url = url::Url::parse(&app.config.database_url).unwrap();
    let host =
        url.query_pairs().find(|(key, _)| key == "host").expect("a server of the tests' own").1.into_owned();
    (host, url.path().trim_start_matches('/').to_owned())
}

/// Leads from an address of this machine to the server's socket.
async fn way_in(at: &str, app: &TestApp) -> SocketAddr {
    let listener = TcpListener::bind(at).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (folder, _) = socket_of(app);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let socket = format!("{folder}/.s.PGSQL.5432");
            tokio::spawn(async move {
                let mut server = UnixStream::connect(socket).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

/// Whether a command reaches the database at this address.
async fn list(app: &TestApp, url: &str, more: &[(&'static str, &str)]) -> crate::harness::program::Ran {
    let mut program = Program::beside(app).setting("DATABASE_URL", url);
    for (name, value) in more {
        program = program.setting(name, value);
    }
    program.run(&["updates", "list"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_found_by_every_way_of_writing_its_address() {
    let app = App::new().without_worker().start().await;
    let (folder, name) = socket_of(&app);
    list(&app, &format!("postgres:///{name}?host={folder}"), &[("PGUSER", "rundbrief")]).await.done();
    list(&app, &format!("postgres:///{name}?host={folder}&user=rundbrief"), &[]).await.done();
    let own = list(&app, &format!("postgres:///{name}?host={folder}"), &[]).await;
    assert!(!own.stderr.contains("anonymous"), "the role is named as who runs it: {own:?}");
    let six = way_in("[::1]:0", &app).await;
    list(&app, &format!("postgres://rundbrief@[::1]:{}/{name}", six.port()), &[]).await.done();
    // The first of several is not there.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let two = format!("postgres://rundbrief@127.0.0.1:{},[::1]:{}/{name}", dead.port(), six.port());
    list(&app, &format!("{two}?target_session_attrs=read-write"), &[]).await.done();
    let cut = list(&app, &format!("postgres://rundbrief:geh#eim@[::1]:{}/{name}", six.port()), &[]).await;
    let said = cut.refused(2);
    assert!(said.contains("DATABASE_URL") && said.contains("%23") && !said.contains("geh"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn off_this_machine_nothing_is_sent_in_clear_unless_that_is_said() {
    let app = App::new().without_worker().start().await;
    let (_, name) = socket_of(&app);
    let at = way_in("127.0.0.1:0", &app).await;
    // An address that leads here, and that is none of this machine's own.
    let elsewhere = format!("postgres://rundbrief:geheim@0.0.0.0:{}/{name}", at.port());
    let refused = list(&app, &elsewhere, &[]).await;
    let said = refused.refused(1);
    for part in ["over TLS", "sslrootcert=", "sslmode=disable"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("geheim"), "{said}");
    list(&app, &format!("{elsewhere}?sslmode=disable"), &[]).await.done();
    list(&app, &elsewhere, &[("PGSSLMODE", "disable")]).await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_the_pool_is_a_setting() {
    let app = App::new().setting("DATABASE_CONNECTIONS", "7").without_worker().start().await;
    assert_eq!(app.pool.options().get_max_connections(), 7);
    let wrong = Program::beside(&app).setting("DATABASE_CONNECTIONS", "0").run(&["worker"]).await;
    assert!(wrong.refused(2).contains("DATABASE_CONNECTIONS must be a whole number from 5 to 1000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_carries_no_more_messages_than_the_relay_is_said_to_bear() {
    let app = App::new()
        .setting("SMTP_MESSAGES_PER_CONNECTION", "10")
        .setting("SMTP_CONNECTIONS", "1")
        .without_worker()
        .start()
        .await;
    app.subscribers(35).await;
    let id = app.trigger().await;
    let worker = process::worker(&app, &[]);
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(counts.accepted, 35, "{counts:?}");
    let opened = app.relay.connections().opened;
    assert!((4..=6).contains(&opened), "{opened} connections for 35 messages");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_that_readers_filters_go_by_survives_a_move() {
    let app = App::new().setting("LIST_ID", "rundbrief.alt.example.org").start().await;
    app.subscribers(1).await;
    app.trigger().await;
    let mail = app.mail(1).await;
    assert!(
        mail.header("List-Id").unwrap().contains("<rundbrief.alt.example.org>"),
        "{:?}",
        mail.header("List-Id")
    );
    let wrong = Program::beside(&app).setting("LIST_ID", "<brief>").run(&["worker"]).await;
    assert!(wrong.refused(2).contains("LIST_ID must be a name"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_numbers_in_logs_of_json() {
    let mut app = App::new().without_worker().start().await;
    app.settings.push(("LOG_FORMAT", "json".to_owned()));
    let serve = process::serve(&app).await;
    serve.post("/subscribe", "email=maria%40example.org&locale=de").await;
    let log = serve.end().await;
    let requests: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == "request")
        .collect();
    assert!(!requests.is_empty(), "{log}");
    assert!(
        requests.iter().all(|line| line["milliseconds"].is_u64() && line["status"].is_u64()),
        "{requests:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_name_the_zone_of_their_times() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    app.trigger().await;
    let listed = Program::beside(&app).run(&["mailings", "list"]).await;
    // The example's publication is in Berlin: CET or CEST.
    assert!(listed.done().contains(" CE"), "{listed:?}");
}

#[test]
fn the_unit_locks_the_service_in() {
    let unit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/rundbrief.service");
    let rated =
        std::process::Command::new("systemd-analyze").args(["security", "--offline=true"]).arg(unit).output();
    let Ok(rated) = rated else {
        let _ = writeln!(std::io::stderr(), "\n!!! NOT TESTED: the unit, for want of systemd-analyze\n");
        return;
    };
    let said = String::from_utf8_lossy(&rated.stdout).into_owned();
    let level = said.lines().find_map(|line| line.split_once("exposure level for rundbrief.service: "));
    let level: f32 =
        level.unwrap_or_else(|| panic!("{rated:?}")).1.split(' ').next().unwrap().parse().unwrap();
    assert!(level <= 2.0, "{level}");
}
