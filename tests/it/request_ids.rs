//! The request id: in the answer, in the log, on the error page.

use axum::http::Method;
use rundbrief::domain::staff::Role;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{App, TestApp, http, process};

const ID: &str = "0b1f6f4e-3a52-4a0e-9f0e-2f5d0e7b6a51";

/// A service whose processes log in JSON.
async fn logging_json() -> TestApp {
    let mut app = App::new().without_worker().start().await;
    app.settings.push(("LOG_FORMAT", "json".to_owned()));
    app
}

/// The log's lines about the request with this id.
fn lines_of(log: &str, id: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["span"]["request_id"] == id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sane_id_comes_back_and_stands_in_the_log_and_on_the_error_page() {
    let app = logging_json().await;
    let serve = process::serve(&app).await;
    let headers = [("accept-language", "de"), ("x-request-id", ID)];
    let page = http::send(serve.address(), Method::GET, "/confirm/x", &headers, String::new()).await;
    assert_eq!((page.status.as_u16(), page.header("x-request-id")), (404, ID));
    assert!(page.body.contains(&format!("<code class=\"address\">{ID}</code>")), "{}", page.body);
    let log = serve.end().await;
    let line = lines_of(&log, ID).pop().expect("the request is logged under its id");
    assert_eq!((&line["message"], &line["span"]["name"]), (&"request".into(), &"request".into()), "{line}");
    assert_eq!(
        (&line["span"]["route"], &line["status"]),
        (&"/confirm/{token}".into(), &404.into()),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_about_a_failed_request_has_the_id_that_its_page_shows() {
    let app = logging_json().await;
    sqlx::raw_sql("alter table confirm_tokens rename to gone").execute(&app.pool).await.unwrap();
    let serve = process::serve(&app).await;
    let token = "A".repeat(43);
    let address = serve.address();
    let page = http::send(address, Method::GET, &format!("/confirm/{token}"), &[], String::new()).await;
    assert_eq!(page.status, 500);
    let id = page.header("x-request-id").to_owned();
    assert_eq!(id.len(), 16, "{id}");
    assert!(page.body.contains(&id), "{}", page.body);
    let json = [("accept", "application/json")];
    let told = http::send(address, Method::GET, &format!("/confirm/{token}"), &json, String::new()).await;
    let told_id = told.header("x-request-id").to_owned();
    assert_eq!(serde_json::from_str::<Value>(&told.body).unwrap()["instance"], *told_id);
    assert_ne!(told_id, id, "each request has its own");
    let log = serve.end().await;
    let messages: Vec<String> =
        lines_of(&log, &id).iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(messages, ["a request failed", "request"], "{log}");
    assert!(!log.contains(&token), "no token stands in a log");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_page_shows_the_id_of_its_request() {
    let app = App::new().without_worker().start().await;
    let member = app.member("ada@example.org", Role::Editor).await;
    let (form, text) =
        (("content-type", "application/x-www-form-urlencoded"), ("content-type", "text/plain"));
    for (method, path, media_type, status) in [
        (Method::GET, "/nothing/here", form, 404),
        (Method::GET, "/unsubscribe/x", form, 404),
        (Method::DELETE, "/subscribe", form, 405),
        (Method::POST, "/subscribe", text, 415),
        (Method::POST, "/left/x", form, 410),
        (Method::GET, "/staff/welcome/x", form, 410),
    ] {
        for accept in ["text/html", "application/json"] {
            let headers =
                [("x-request-id", ID), ("accept", accept), media_type, ("sec-fetch-site", "same-origin")];
            let answer = app.request(method.clone(), path, &headers, "").await;
            assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (status, ID), "{path}");
            assert!(answer.body.contains(ID), "{path} as {accept}: {}", answer.body);
        }
    }
    let browser = app.browser_of(&member).await;
    let page = browser.get("/staff/people").await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains(page.header("x-request-id")), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_id_is_replaced_and_does_not_reach_the_log() {
    let app = logging_json().await;
    let serve = process::serve(&app).await;
    let long = "evil".repeat(2_500);
    let hostile: [&[u8]; 6] = [
        long.as_bytes(),
        b"\xff\xfeevil",
        b"evil\tlevel=ERROR",
        b"evil@example.org",
        b"{\"evil\":1}",
        b"evil evil",
    ];
    for sent in hostile {
        let headers = [("x-request-id", sent), ("accept-language", b"de".as_slice())];
        let page =
            http::send_bytes(serve.address(), Method::GET, "/confirm/x", &headers, String::new()).await;
        let id = page.header("x-request-id");
        assert!(page.status == 404 && id.len() == 16 && !id.contains("evil"), "{id}");
        assert!(page.body.contains(id) && !page.body.contains("evil"), "{}", page.body);
    }
    // No client of ours would send a line's end within a header.
    for end in ["\n", "\r"] {
        let mut line = tokio::net::TcpStream::connect(serve.address()).await.unwrap();
        let request =
            format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: a{end}evil: b\r\n\r\n");
        line.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = line.read_to_string(&mut answer).await;
        assert!(!answer.is_empty() && !answer.contains("evil"), "{answer}");
    }
    let log = serve.end().await;
    assert!(log.contains("\"request\"") && !log.contains("evil"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ids_in_one_request_are_both_ignored() {
    let app = App::new().without_worker().start().await;
    let headers = [("x-request-id", "one"), ("x-request-id", "two")];
    let answer = app.request(Method::GET, "/", &headers, "").await;
    assert_eq!(answer.header("x-request-id").len(), 16);
}
