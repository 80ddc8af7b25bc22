//! The rate limit: a clear answer with the time to wait, for one client only, and never for unsubscribing.

use std::time::Duration;

use axum::http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{Answer, App, TestApp};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("accept", "application/json");

/// A service that answers so many requests a minute to each client, behind a proxy on this machine.
fn limited_to(requests: &str) -> App {
    App::new()
        .without_worker()
        .setting("TRUSTED_PROXIES", "127.0.0.1")
        .setting("REQUESTS_PER_CLIENT", requests)
}

async fn ask_from(app: &TestApp, from: &str, method: Method, path: &str, more: &[(&str, &str)]) -> Answer {
    let headers = [&[("x-forwarded-for", from), ("accept-language", "de"), FORM][..], more].concat();
    app.request(method, path, &headers, "email=maria%40example.org").await
}

async fn get_from(app: &TestApp, from: &str) -> u16 {
    ask_from(app, from, Method::GET, "/", &[]).await.status.as_u16()
}

/// Asks until there is nothing left.
async fn use_up(app: &TestApp, from: &str) {
    for _ in 0..5 {
        assert_eq!(get_from(app, from).await, 200);
    }
    assert_eq!(get_from(app, from).await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_how_long_to_wait_and_nothing_is_kept() {
    let app = limited_to("5").start().await;
    use_up(&app, "192.0.2.7").await;
    for (lang, heading) in [("de", "Das waren sehr viele Anfragen"), ("en", "That was a great many requests")]
    {
        let path = format!("/check-mailbox?lang={lang}");
        let page = ask_from(&app, "192.0.2.7", Method::GET, &path, &[]).await;
        assert_eq!((page.status.as_u16(), page.heading()), (429, heading));
        let wait: u64 = page.header("retry-after").parse().unwrap();
        assert!((1..=12).contains(&wait), "{wait}");
        assert!(page.body.contains("href=\"/check-mailbox\""), "the way back there: {}", page.body);
    }
    let site = ("origin", "https://www.lok-lausitz.example");
    let answer = ask_from(&app, "192.0.2.7", Method::POST, "/subscribe", &[JSON, site]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (429, "application/problem+json"));
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(ask_from(&app, "192.0.2.7", Method::GET, "/nowhere", &[]).await.status, 429);
    assert_eq!(app.count("select count(*) from signups").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_an_ipv4_address_or_an_ipv6_64() {
    let app = limited_to("5").start().await;
    use_up(&app, "192.0.2.7").await;
    assert_eq!(get_from(&app, "192.0.2.8").await, 200);
    use_up(&app, "2001:db8:1:2::1").await;
    assert_eq!(get_from(&app, "2001:db8:1:2:ffff::9").await, 429);
    assert_eq!(get_from(&app, "2001:db8:1:3::1").await, 200);
    // What the visitor wrote in front of it makes nobody else of them.
    assert_eq!(get_from(&app, "203.0.113.5, 192.0.2.7").await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_kept_from_leaving() {
    let app = limited_to("5").start().await;
    use_up(&app, "192.0.2.7").await;
    for n in 0..12 {
        let path = app.unsubscribe_path(app.subscriber(&format!("a{n}@example.org")).await);
        assert_eq!(ask_from(&app, "192.0.2.7", Method::GET, &path, &[]).await.status, 200);
        assert_eq!(ask_from(&app, "192.0.2.7", Method::POST, &path, &[]).await.status, 200);
    }
    let left = app.count("select count(*) from subscribers where state = 'unsubscribed'").await;
    assert_eq!(left, 12);
    for path in ["/assets/rundbrief.css", "/health/live", "/health/ready"] {
        assert_eq!(ask_from(&app, "192.0.2.7", Method::GET, path, &[]).await.status, 200, "{path}");
    }
    let undo = ask_from(&app, "192.0.2.7", Method::POST, "/resubscribe/x", &[]).await;
    assert_ne!(undo.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_cannot_be_told_apart_are_not_counted_and_zero_is_no_limit() {
    let unnamed = App::new().without_worker().setting("REQUESTS_PER_CLIENT", "1").start().await;
    let unlimited = limited_to("0").start().await;
    for app in [unnamed, unlimited] {
        for _ in 0..10 {
            assert_eq!(get_from(&app, "192.0.2.7").await, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_decided_before_the_body_is_read_and_without_the_database() {
    let app = limited_to("5").start().await;
    use_up(&app, "192.0.2.7").await;
    app.pool.close().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = "POST /subscribe HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\nContent-Length: 5000\r\n\
                Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nemail=";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The service does not wait for the rest, which never comes: it would for fifteen seconds.
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the answer comes at once");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
}
