//! The metrics that Prometheus reads.

use std::time::Duration;

use axum::http::Method;
use rundbrief::domain::{mailing::MailingState, signup::held::HeldFor};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tokio::time::sleep;

use crate::harness::{
    App, TestApp, http,
    metrics::{Metrics, scrape},
    process,
    smtp::{Action, Phase, behave},
};

const ATTEMPTS: &str = "rundbrief_delivery_attempts_total";

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_with_refusals_shows_exactly_these_outcomes() {
    let relay = behave(|phase, to| match (phase, to) {
        (Phase::Rcpt, "s1@example.org" | "s2@example.org") => Action::Reply("550 5.1.1 no such user"),
        (Phase::Rcpt, "s3@example.org") => Action::Reply("450 4.2.1 greylisted, try again later"),
        (Phase::Dot, "s4@example.org") => Action::Cut,
        _ => Action::Go,
    });
    let app = App::new().relay(relay).start().await;
    app.subscribers(20).await;
    app.trigger().await;
    app.wait_for_count("select count(*) from deliveries where state <> 'pending'", 19).await;
    let of_mailing = |outcome: &str, class: &str| {
        format!("{ATTEMPTS}{{kind=\"mailing\",outcome=\"{outcome}\",smtp_class=\"{class}\"}}")
    };
    app.wait_for_metric(&of_mailing("accepted", "2xx"), 16.0).await;
    app.wait_for_metric(&of_mailing("later", "4xx"), 1.0).await;
    app.wait_for_metric(&of_mailing("rejected", "5xx"), 2.0).await;
    let metrics = app.wait_for_metric(&of_mailing("unknown", "none"), 1.0).await;
    let others: Vec<(String, f64)> = metrics
        .nonzero(ATTEMPTS)
        .into_iter()
        // A connection may end before it has begun with a message, which then is not tried.
        .filter(|(labels, _)| !labels.contains("untried"))
        .collect();
    assert_eq!(others.len(), 4, "these and no others: {others:?}");
    assert_eq!(
        metrics.get(&of_mailing("rejected", "4xx")),
        Some(0.0),
        "a series is there before its first event"
    );
    let replies = metrics.get("rundbrief_smtp_phase_duration_seconds_count{phase=\"dot\"}").unwrap();
    assert!(replies >= 17.0, "{replies}");
    assert!(metrics.get("rundbrief_commit_duration_seconds_count").unwrap() > 0.0);
    // The one that waits for its second try.
    app.wait_for_metric("rundbrief_queue_deliveries{kind=\"mailing\",state=\"later\"}", 1.0).await;
    app.wait_for_metric("rundbrief_mailings{state=\"sending\"}", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signups_are_counted_by_how_the_form_was_answered() {
    let app = App::new().start().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    for n in 0..3 {
        app.sign_up(&format!("maria{n}@example.org")).await;
    }
    app.sign_up("maria@").await;
    app.post("/subscribe", "email=maria%40example.org&rb_extra=Maria").await;
    let json = [form, ("accept", "application/json")];
    app.request(Method::POST, "/subscribe", &json, "email=maria%40example.org&rb_extra=Maria").await;
    let elsewhere = [form, ("origin", "https://elsewhere.example")];
    app.request(Method::POST, "/subscribe", &elsewhere, "email=maria%40example.org").await;
    app.request(Method::POST, "/subscribe", &[("content-type", "text/plain")], "x").await;
    let mut expected = vec![
        ("{answer=\"mistake\"}".to_owned(), 1.0),
        ("{answer=\"other_site\"}".to_owned(), 1.0),
        ("{answer=\"press_again\"}".to_owned(), 1.0),
        ("{answer=\"proof_of_work\"}".to_owned(), 1.0),
        ("{answer=\"taken\"}".to_owned(), 3.0),
        ("{answer=\"unreadable\"}".to_owned(), 1.0),
    ];
    assert_eq!(app.scrape().await.nonzero("rundbrief_signups_total"), expected);

    let links: Vec<String> = {
        app.relay.wait_for(3).await;
        let mut links = Vec::new();
        for n in 1..=3 {
            links.push(app.mail(n).await.link("/confirm/"));
        }
        links
    };
    app.confirm(&links[0]).await;
    for action in ["decline", "confirm"] {
        app.post(&links[1], &format!("action={action}")).await;
    }
    let metrics = app.scrape().await;
    expected = vec![
        ("{answer=\"confirmed\"}".to_owned(), 1.0),
        ("{answer=\"declined\"}".to_owned(), 1.0),
        ("{answer=\"too_late\"}".to_owned(), 1.0),
    ];
    assert_eq!(metrics.nonzero("rundbrief_signup_presses_total"), expected);
    let of_route = |method: &str, route: &str, status: u16| {
        metrics.get(&format!(
            "rundbrief_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!(of_route("POST", "/subscribe", 303), Some(3.0));
    assert_eq!(of_route("POST", "/subscribe", 422), Some(1.0));
    assert_eq!(of_route("GET", "/confirm/{token}", 200), Some(1.0));
    assert_eq!(metrics.get("rundbrief_http_requests_in_flight"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_by_kind_and_reason() {
    let app = App::new().without_worker().start().await;
    for n in 0..5 {
        app.sign_up(&format!("maria{n}@example.org")).await;
    }
    // One was put off, one is held for staff.
    let ids: Vec<i64> =
        sqlx::query_scalar("select id from deliveries order by id").fetch_all(&app.pool).await.unwrap();
    for (id, text) in [(ids[0], "450 later"), (ids[1], HeldFor::Domain.text())] {
        let mut transaction = app.pool.begin().await.unwrap();
        sqlx::query("update deliveries set smtp_text = $2, due_at = now() + interval '1 hour' where id = $1")
            .bind(id)
            .bind(text)
            .execute(&mut *transaction)
            .await
            .unwrap();
        sqlx::query("update batches set due_at = now() + interval '1 hour' where id = (select batch_id from deliveries where id = $1)")
            .bind(id)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }
    sqlx::query("update batches set due_at = now() - interval '7 minutes' where id = (select batch_id from deliveries where id = $1)")
        .bind(ids[2])
        .execute(&app.pool)
        .await
        .unwrap();
    let metrics =
        app.wait_for_metric("rundbrief_queue_deliveries{kind=\"confirmation\",state=\"due\"}", 3.0).await;
    let expected = [("due", 3.0), ("held", 1.0), ("later", 1.0)]
        .map(|(state, count)| (format!("{{kind=\"confirmation\",state=\"{state}\"}}"), count));
    assert_eq!(metrics.nonzero("rundbrief_queue_deliveries"), expected);
    assert_eq!(metrics.nonzero("rundbrief_signups_held"), [("{limit=\"domain\"}".to_owned(), 1.0)]);
    let age = metrics.get("rundbrief_queue_oldest_urgent_seconds").unwrap();
    assert!((420.0..480.0).contains(&age), "{age}");
    assert_eq!(metrics.get("rundbrief_queue_oldest_mailing_seconds"), Some(0.0));
    assert_eq!(metrics.nonzero("rundbrief_workers"), []);
    assert_eq!(metrics.get("rundbrief_retention_runs_total{result=\"failed\"}"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_away_opens_the_circuit_breaker_and_pauses_mailings_by_reason() {
    let app = App::new().setting("SMTP_CONNECTIONS", "2").setting("SEND_RATE", "50").start().await;
    app.sign_up("maria@example.org").await;
    let metrics = app.wait_for_metric("rundbrief_smtp_connections", 1.0).await;
    assert_eq!(metrics.get("rundbrief_send_rate_limit"), Some(50.0));
    assert_eq!(metrics.nonzero("rundbrief_smtp_circuit_breaker_open"), []);
    assert_eq!(metrics.nonzero("rundbrief_workers").len(), 1, "one worker");
    app.relay.stop().await;
    app.subscribers(3).await;
    let id = app.trigger().await;
    app.sign_up("anna@example.org").await;
    app.wait_for_metric("rundbrief_smtp_circuit_breaker_open{problem=\"unreachable\"}", 1.0).await;
    app.wait_for_state(id, MailingState::Sending).await;
    let metrics = app.wait_for_metric("rundbrief_smtp_connections", 0.0).await;
    assert!(metrics.get("rundbrief_smtp_connections_tried_total{result=\"failed\"}").unwrap() > 0.0);
    sqlx::query("update mailings set state = 'paused', pause_kind = 'unreachable', pause_reason = 'x', paused_at = now() where id = $1 and state = 'sending'")
        .bind(id.0)
        .execute(&app.pool)
        .await
        .unwrap();
    app.wait_for_metric("rundbrief_mailings_paused{reason=\"unreachable\"}", 1.0).await;
    app.relay.resume().await;
    app.wait_for_state(id, MailingState::Done).await;
    app.wait_for_metric("rundbrief_smtp_circuit_breaker_open{problem=\"unreachable\"}", 0.0).await;
    app.wait_for_metric("rundbrief_mailings_paused{reason=\"unreachable\"}", 0.0).await;
    app.wait_for_metric("rundbrief_queue_deliveries{kind=\"mailing\",state=\"due\"}", 0.0).await;
}

/// Lets nobody connect to the service's database any more, or again.
async fn allow_connections(app: &TestApp, allow: bool) {
    let url = &app.settings.iter().find(|(setting, _)| *setting == "DATABASE_URL").unwrap().1;
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let admin = sqlx::PgPool::connect(&url.replace(&name, "postgres")).await.unwrap();
    let alter = format!("alter database \"{name}\" allow_connections {allow}");
    sqlx::raw_sql(AssertSqlSafe(alter)).execute(&admin).await.unwrap();
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
        .bind(&name)
        .execute(&admin)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_database_is_told_and_what_the_process_knows_is_there() {
    let app = App::new().start().await;
    app.sign_up("maria@example.org").await;
    app.wait_for_metric("rundbrief_database_up", 1.0).await;
    allow_connections(&app, false).await;
    let metrics = app.wait_for_metric("rundbrief_database_up", 0.0).await;
    assert_eq!(metrics.get("rundbrief_signups_total{answer=\"taken\"}"), Some(1.0));
    assert!(metrics.get("rundbrief_database_pool_connections_max").unwrap() > 0.0);
    assert!(!metrics.text.contains("rundbrief_queue_"), "nothing is said of what cannot be read");
    allow_connections(&app, true).await;
    let metrics = app.wait_for_metric("rundbrief_database_up", 1.0).await;
    assert!(metrics.get("rundbrief_queue_deliveries{kind=\"test\",state=\"due\"}").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_pool_does_not_keep_the_metrics_from_being_read() {
    let app = App::new().setting("DATABASE_CONNECTIONS", "5").without_worker().start().await;
    let mut taken = Vec::new();
    for _ in 0..5 {
        taken.push(app.pool.acquire().await.unwrap());
    }
    let metrics = app.scrape().await;
    assert_eq!(metrics.get("rundbrief_database_up"), Some(1.0));
    assert_eq!(metrics.get("rundbrief_database_pool_connections{state=\"used\"}"), Some(5.0));
    assert_eq!(metrics.get("rundbrief_database_pool_connections_max"), Some(5.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_never_on_the_public_listener() {
    let app = App::new().without_worker().start().await;
    for path in ["/metrics", "/metrics/", "/staff/metrics", "/health/metrics"] {
        let answer = app.get(path).await;
        assert!(!answer.body.contains("rundbrief_"), "{path}");
        assert!(answer.status != 200, "{path}");
    }
    let other = http::send(app.metrics, Method::GET, "/", &[], String::new()).await;
    assert_eq!(other.status, 404, "and the pages are not where the metrics are");
    let posted = http::send(app.metrics, Method::POST, "/metrics", &[], String::new()).await;
    assert_eq!(posted.status, 405);
}

fn free() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_process_tells_its_own_counts_and_all_tell_the_same_of_the_database() {
    let app = App::new().without_worker().start().await;
    let of_worker = free();
    let worker = process::worker(&app, &[("METRICS_ADDR", &of_worker.to_string())]);
    app.sign_up("maria@example.org").await;
    app.wait_for_count("select count(*) from deliveries where state = 'accepted'", 1).await;
    let accepted = format!("{ATTEMPTS}{{kind=\"confirmation\",outcome=\"accepted\",smtp_class=\"2xx\"}}");
    let worker_says = wait_for(of_worker, &accepted, 1.0).await;
    let app_says = app.scrape().await;
    assert_eq!(app_says.get(&accepted), None, "a process that does not send says nothing of sending");
    assert_eq!(app_says.get("rundbrief_signups_total{answer=\"taken\"}"), Some(1.0));
    assert_eq!(worker_says.get("rundbrief_signups_total{answer=\"taken\"}"), None);
    let build =
        format!("rundbrief_build_info{{command=\"worker\",version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(worker_says.get(&build), Some(1.0));
    // Both know the one worker; and so does the next process, which counts anew.
    let alive = "rundbrief_workers{relay=\"ok\"}";
    wait_for(of_worker, alive, 1.0).await;
    app.wait_for_metric(alive, 1.0).await;
    worker.end().await;
    app.wait_for_metric(alive, 0.0).await;
    app.sign_up("anna@example.org").await;
    let of_next = free();
    let next = process::worker(
        &app,
        &[("METRICS_ADDR", &of_next.to_string()), ("SMTP_URL", &format!("smtp://{}?tls=none", free()))],
    );
    let waits = "rundbrief_queue_deliveries{kind=\"confirmation\",state=\"due\"}";
    let next_says = wait_for(of_next, waits, 1.0).await;
    assert_eq!(next_says.get(&accepted), Some(0.0));
    app.wait_for_metric(waits, 1.0).await;
    next.end().await;
}

/// Waits until a process says this.
async fn wait_for(address: std::net::SocketAddr, series: &str, value: f64) -> Metrics {
    for _ in 0..600 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            let metrics = scrape(address).await;
            if metrics.get(series) == Some(value) {
                return metrics;
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{series} did not become {value}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_told_and_the_service_works_without_metrics() {
    let app = App::new().without_worker().start().await;
    let taken = app.metrics.to_string();
    let worker = process::worker(&app, &[("METRICS_ADDR", &taken)]);
    app.wait_for_count("select count(*) from workers", 1).await;
    assert!(worker.end().await.contains("METRICS_ADDR chooses another address"));
    let public = ("METRICS_ADDR", "127.0.0.1:8080");
    let wrong =
        crate::harness::program::Program::beside(&app).setting(public.0, public.1).run(&["worker"]).await;
    assert!(wrong.refused(2).contains("METRICS_ADDR must have another port than LISTEN_ADDR"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_of_an_attempt_carry_worker_mailing_and_delivery() {
    let relay = behave(|phase, to| match (phase, to) {
        (Phase::Rcpt, "s1@example.org") => Action::Reply("550 5.1.1 no such user"),
        _ => Action::Go,
    });
    let app = App::new().relay(relay).without_worker().start().await;
    app.subscribers(3).await;
    let id = app.trigger().await;
    let worker = process::worker(&app, &[("LOG_FORMAT", "json")]);
    app.wait_for_state(id, MailingState::Done).await;
    let log = worker.end().await;
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let line = |message: &str| {
        lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{log}"))
    };
    let rejected = &line("rejected by the relay")["span"];
    assert_eq!((&rejected["name"], &rejected["mailing"]), (&"delivery".into(), &id.to_string().into()));
    assert_eq!((&rejected["kind"], &rejected["attempt"]), (&"mailing".into(), &1.into()), "{rejected}");
    assert!(rejected["delivery"].is_i64() || rejected["delivery"].is_u64(), "{rejected}");
    assert_eq!(line("rejected by the relay")["spans"][0]["name"], "worker");
    assert_eq!(line("accepted by the relay")["span"]["name"], "delivery");
    let done = &line("the mailing is done")["spans"];
    assert_eq!((&done[0]["name"], &done[1]["mailing"]), (&"worker".into(), &id.to_string().into()), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_token_or_path_stands_in_metrics_or_logs() {
    let mut app = App::new().without_worker().start().await;
    let of_serve = free();
    app.settings.push(("LOG_FORMAT", "json".to_owned()));
    app.settings.push(("METRICS_ADDR", of_serve.to_string()));
    let serve = process::serve(&app).await;
    serve.post("/subscribe", "email=maria.muster%40example.org&locale=de&consent_version=1").await;
    app.relay.wait_for(1).await;
    let link = app.mail(1).await.link("/confirm/");
    let token = link.rsplit('/').next().unwrap().to_owned();
    let get = async |path: String| {
        http::send(serve.address(), Method::GET, &path, &[("accept-language", "de")], String::new()).await
    };
    let page = get(link.clone()).await;
    serve.post(&page.form_action(), &format!("action=confirm&opened={}", page.field("opened"))).await;
    app.relay.wait_for(2).await;
    let welcome = app.mail(2).await;
    let leave = welcome.link("/unsubscribe/");
    get(leave.clone()).await;
    get("/images/secretname.png".to_owned()).await;
    get("/secret/path?email=maria.muster@example.org".to_owned()).await;
    http::send(serve.address(), Method::from_bytes(b"MADEUP").unwrap(), "/", &[], String::new()).await;
    let metrics = scrape(of_serve).await;
    let log = serve.end().await;
    let leave = leave.rsplit('/').next().unwrap().to_owned();
    for secret in ["muster", "@", token.as_str(), leave.as_str(), "secret", "MADEUP"] {
        assert!(!metrics.text.contains(secret), "{secret}");
    }
    for secret in ["maria.muster", token.as_str(), leave.as_str(), "secretname", "secret/path"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_{}=\",./*-()+".contains(c);
    for series in metrics.all() {
        assert!(series.chars().all(allowed) && series.len() < 200, "{series}");
        let longest = series.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max();
        assert!(longest < Some(20), "a token? {series}");
    }
}
