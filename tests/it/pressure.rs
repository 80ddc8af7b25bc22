//! Clients that dawdle, and more of them than anybody can serve: neither may hold up the others.

use std::time::{Duration, Instant};

use axum::http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::harness::{App, TestApp, http};

/// Says these words, then goes on with a byte now and then; answers what came back until the server hung up, and after
/// how long.
async fn dawdle(app: &TestApp, begin: &str, go_on: &[u8]) -> (String, Duration) {
    let stream = TcpStream::connect(app.address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let begun = Instant::now();
    writing.write_all(begin.as_bytes()).await.unwrap();
    let go_on = go_on.to_vec();
    let dawdling = tokio::spawn(async move {
        for byte in go_on.iter().cycle() {
            sleep(Duration::from_millis(500)).await;
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(30), reading.read_to_end(&mut answer)).await;
    dawdling.abort();
    // A line that is reset has ended too.
    let _ = read.expect("the server hangs up");
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_its_headers_byte_by_byte_is_cut_off() {
    let app = App::new().without_worker().start().await;
    let (_, took) = dawdle(&app, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"a").await;
    assert!(took < Duration::from_secs(15), "it held on for {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_its_form_byte_by_byte_is_cut_off() {
    let app = App::new().without_worker().start().await;
    let head = "POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nConnection: close\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\nemail=";
    let (answer, took) = dawdle(&app, head, b"a").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(took < Duration::from_secs(20), "it held on for {took:?}");
    assert_eq!(app.count("select count(*) from signups").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed() {
    let app = App::new().without_worker().start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server hangs up");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_that_dawdle_keep_nobody_waiting() {
    let app = App::new().without_worker().start().await;
    let mut dawdling = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        dawdling.push(stream);
    }
    let begun = Instant::now();
    assert_eq!(app.get("/").await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_forms_that_come_byte_by_byte_keep_nobody_from_leaving() {
    let app = App::new().without_worker().start().await;
    let subscriber = app.subscriber("maria@example.org").await;
    let mut dawdling = Vec::new();
    for _ in 0..600 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        let head = b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\
                     Content-Type: application/x-www-form-urlencoded\r\n\r\nemail=";
        stream.write_all(head).await.unwrap();
        dawdling.push(stream);
    }
    let path = app.unsubscribe_path(subscriber);
    assert_eq!(app.post(&path, "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(app.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_so_many_requests_at_once_there_is_a_clear_answer_at_once() {
    let app = App::new().without_worker().start().await;
    // Whoever asks for the publication waits now.
    let mut holding = app.pool.begin().await.unwrap();
    sqlx::query("lock table publications").execute(&mut *holding).await.unwrap();
    let mut asking = JoinSet::new();
    for _ in 0..600 {
        let address = app.address;
        asking.spawn(async move {
            let begun = Instant::now();
            let answer = http::send(address, Method::GET, "/?lang=de", &[], String::new()).await;
            (answer, begun.elapsed())
        });
    }
    let answers = asking.join_all().await;
    holding.rollback().await.unwrap();
    let busy: Vec<_> =
        answers.iter().filter(|(answer, _)| answer.body.contains("Gerade ist viel los")).collect();
    assert!(busy.len() >= 600 - 512, "{} were turned away", busy.len());
    for (answer, _) in &busy {
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
    }
    let last = busy.iter().map(|(_, took)| *took).min().unwrap();
    assert!(last < Duration::from_secs(2), "nobody was turned away before {last:?}");
    assert_eq!(app.get("/health/live").await.status, 200);
    assert_eq!(app.get("/").await.status, 200, "and afterwards all is well");
}
