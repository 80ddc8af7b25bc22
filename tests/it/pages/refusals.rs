//! Requests that cannot be answered as intended: a clear page with a way on, and nothing stored.

use std::time::{Duration, Instant};

use axum::http::Method;
use rundbrief::commands::demo::postgres::Cluster;

use super::{FORM, JSON, seen};
use crate::harness::{App, TestApp, database::scratch};

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_too_large_or_cannot_be_read_is_refused_and_nothing_is_kept() {
    let app = App::new().without_worker().start().await;
    let large = format!("email=maria%40example.org&page={}", "x".repeat(20_000));
    let unread = (400, "Die Anfrage kam unvollständig an");
    let not_taken = (415, "In dieser Form kommt nichts an");
    for (media_type, form, expected) in [
        (FORM.1, large.as_str(), (413, "Das war zu viel auf einmal")),
        (FORM.1, "email=maria%40example.org&email=anna%40example.org", unread),
        ("text/plain", "email=maria%40example.org", not_taken),
        ("application/xml", "<email>maria@example.org</email>", not_taken),
        ("", "email=maria%40example.org", not_taken),
        ("application/json", r#"{"email":"maria@example.org""#, unread),
        ("application/json", r#"["maria@example.org"]"#, unread),
        ("application/json", r#"{"email":["maria@example.org"]}"#, unread),
        ("application/json", r#"{"email":"maria@example.org","email":"anna@example.org"}"#, unread),
        ("multipart/form-data", "email=maria%40example.org", unread),
        ("multipart/form-data; boundary=b", "--b\r\nnothing", unread),
    ] {
        let headers = [("content-type", media_type), ("accept-language", "de"), ("accept", "text/html")];
        let answer = app.request(Method::POST, "/subscribe", &headers, form).await;
        assert_eq!(seen(&answer), expected, "{media_type}");
        assert!(answer.body.contains("href=\"/?lang=de\">Zum Formular</a>"), "{}", answer.body);
        let taken = "application/x-www-form-urlencoded, multipart/form-data, application/json";
        if expected == not_taken {
            assert!(answer.body.contains(&format!("Gelesen wird: {taken}.")), "{}", answer.body);
            assert_eq!(answer.header("accept"), taken);
        }
    }
    assert_eq!(app.count("select count(*) from signups").await, 0);
    assert_eq!(app.count("select count(*) from consent_events").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_says_which_media_type_it_takes_when_it_comes_as_another() {
    let app = App::new().without_worker().start().await;
    let token = app.sign_up_unsent("maria@example.org").await.reveal();
    let confirm = format!("/confirm/{token}");
    let before = app.whole_database().await;
    for path in [confirm.as_str(), "/manage/x", "/left/x", "/staff/login", "/data/x/address"] {
        let headers =
            [("content-type", "text/plain"), ("accept-language", "de"), ("sec-fetch-site", "same-origin")];
        let answer = app.request(Method::POST, path, &headers, "action=confirm&email=a%40example.org").await;
        assert_eq!(seen(&answer), (415, "In dieser Form kommt nichts an"), "{path}");
        assert!(answer.body.contains("application/x-www-form-urlencoded"), "{path}: {}", answer.body);
        assert!(answer.header("accept").contains("application/x-www-form-urlencoded"), "{path}");
        assert!(!answer.body.contains("{types}"), "{path}");
    }
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_told_which_ones_there_are() {
    let app = App::new().without_worker().start().await;
    for (method, path, allowed) in [
        (Method::DELETE, "/subscribe", "GET,HEAD,OPTIONS,POST"),
        (Method::PUT, "/confirm/x", "GET,HEAD,POST"),
        (Method::PATCH, "/unsubscribe/x", "GET,HEAD,POST"),
        (Method::GET, "/resubscribe/x", "POST"),
        (Method::POST, "/check-mailbox", "GET,HEAD"),
        (Method::POST, "/", "GET,HEAD"),
    ] {
        let answer = app.request(method, path, &[("accept-language", "de")], "").await;
        assert_eq!(seen(&answer), (405, "So geht es hier nicht weiter"), "{path}");
        let mut told: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        told.sort_unstable();
        assert_eq!(told.join(","), allowed, "{path}");
    }
    let reloaded = app.get("/subscribe").await;
    assert_eq!((reloaded.status.as_u16(), reloaded.header("location")), (303, "/"));
}

/// Every page says that it cannot be had just now, and so do the answers to programs.
async fn everything_is_unavailable(app: &TestApp) {
    for (method, path, way_on) in [
        (Method::GET, "/", "/"),
        (Method::GET, "/check-mailbox", "/check-mailbox"),
        (Method::POST, "/subscribe", "/?lang=de"),
        // Who was leaving gets back to the page with the button.
        (Method::POST, "/unsubscribe/x", "/unsubscribe/x"),
    ] {
        let german = ("accept-language", "de");
        let answer = app.request(method.clone(), path, &[FORM, german], "email=maria%40example.org").await;
        assert_eq!(seen(&answer), (503, "Einen Moment bitte"), "{path}");
        assert!(answer.body.contains("<title>Einen Moment bitte</title>"), "{}", answer.body);
        assert!(
            answer.body.contains(&format!("href=\"{way_on}\">Noch einmal versuchen</a>")),
            "{}",
            answer.body
        );
        let answer = app.request(method, path, &[FORM, JSON], "email=maria%40example.org").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (503, "application/problem+json")
        );
    }
    assert_eq!(app.get("/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_publication_every_page_says_come_back_later() {
    let app = App::new().without_publication().without_worker().start().await;
    everything_is_unavailable(&app).await;
    assert_eq!(app.get("/health/ready").await.status, 200);
    assert_eq!(app.count("select count(*) from signups").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_10_a_dead_database_gives_a_clear_page_and_fails_the_readiness() {
    let app = App::new().without_worker().start().await;
    assert_eq!(app.get("/health/ready").await.status, 200);
    // The service's own pool is a clone of this one.
    app.pool.close().await;
    everything_is_unavailable(&app).await;
    assert_eq!(app.get("/health/ready").await.status, 503);
    assert_eq!(seen(&app.get("/nowhere").await), (404, "Diese Seite gibt es nicht"));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_10_a_database_that_is_killed_gives_a_clear_page_and_comes_back() {
    let dir = scratch("dead");
    let cluster = Cluster::start(&dir).await.unwrap();
    cluster.create_database("rundbrief").await.unwrap();
    let app = App::new().setting("DATABASE_URL", &cluster.url("rundbrief")).start().await;
    app.sign_up("maria@example.org").await;
    app.relay.wait_for(1).await;
    cluster.stop().await;

    let asked = Instant::now();
    assert_eq!(seen(&app.get("/").await), (503, "Einen Moment bitte"));
    assert_eq!(app.sign_up("anna@example.org").await.status, 503);
    assert_eq!(app.get("/health/ready").await.status, 503);
    assert_eq!(app.get("/health/live").await.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(12), "{:?}", asked.elapsed());

    let cluster = Cluster::start(&dir).await.unwrap();
    assert_eq!(app.sign_up("anna@example.org").await.status, 303);
    app.relay.wait_for(2).await;
    drop(app);
    cluster.stop().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_can_leave_while_the_publication_is_incomplete() {
    let app = App::new().start().await;
    let id = app.subscriber("maria@example.org").await;
    let content = rundbrief::domain::publication::Content::parse("name = \"N\"").unwrap();
    let mut db = app.pool.acquire().await.unwrap();
    rundbrief::domain::publication::apply(&mut db, &content, chrono::Utc::now()).await.unwrap();
    assert_eq!(app.get("/").await.status, 503);
    assert_eq!(app.sign_up("anna@example.org").await.status, 503);
    assert_eq!(app.post(&app.unsubscribe_path(id), "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(app.count("select count(*) from subscribers where state = 'unsubscribed'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_click_post_with_far_too_large_a_body_still_unsubscribes() {
    let app = App::new().start().await;
    let id = app.subscriber("maria@example.org").await;
    let body = format!("List-Unsubscribe=One-Click&x={}", "y".repeat(100_000));
    assert_eq!(app.post(&app.unsubscribe_path(id), &body).await.status, 200);
    assert_eq!(app.count("select count(*) from subscribers where state = 'unsubscribed'").await, 1);
}
