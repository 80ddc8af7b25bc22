//! Slow clients, and more clients than can be served: neither holds up the others.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::Method;
use rundbrief::domain::staff::Role;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::harness::{App, TestApp, browser::PASSWORD, http, process};

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
async fn many_slow_clients_keep_nobody_waiting() {
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
async fn requests_beyond_the_limit_get_a_clear_answer_at_once() {
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
        // On a busy machine a password may wait for its turn longer than a request may take.
        let told = (answer.status.as_u16(), answer.header("retry-after"));
        assert!(matches!(told, (503, "5") | (408, "")), "{told:?}");
    }
    let last = busy.iter().map(|(_, took)| *took).min().unwrap();
    assert!(last < Duration::from_secs(2), "nobody was turned away before {last:?}");
    assert_eq!(app.get("/health/live").await.status, 200);
    assert_eq!(app.get("/").await.status, 200, "and afterwards all is well");
}

/// Sends this and answers what comes back until the server hangs up, or for ten seconds: a request that is waited for is
/// given up after fifteen.
async fn raw(app: &TestApp, head: &str, more: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may have answered and hung up by then.
    let _ = stream.write_all(more).await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub fn post(path: &str, length: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}\r\n{more}\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_a_stranger_is_refused_before_it_is_read() {
    let app = App::new().without_worker().start().await;
    let (million, chunked) = ("Content-Length: 1000000", "Transfer-Encoding: chunked");
    // One chunk of 20 KB, and no end.
    let chunk = [b"4e20\r\n".to_vec(), vec![b'a'; 20_000]].concat();
    for path in ["/staff/login", "/staff/login/code", "/staff/welcome/x", "/subscribe", "/data/x/address"] {
        let answer = raw(&app, &post(path, million, ""), b"").await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
        let answer = raw(&app, &post(path, chunked, ""), &chunk).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
    }
    // Whoever is not logged in is sent to log in.
    for path in ["/staff/publication", "/staff/account/name", "/staff/subscribers/import", "/staff/images"] {
        let forged = "Cookie: __Host-rundbrief=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";
        for more in ["", forged] {
            let answer = raw(&app, &post(path, million, more), b"").await;
            assert!(answer.starts_with("HTTP/1.1 303"), "{path}: {answer}");
            let answer = raw(&app, &post(path, chunked, more), &chunk).await;
            assert!(answer.starts_with("HTTP/1.1 303"), "{path}: {answer}");
        }
    }
    let path = app.unsubscribe_path(app.subscriber("maria@example.org").await);
    let answer = raw(&app, &post(&path, million, ""), b"").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "nobody is kept from leaving: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_limited_number_of_long_staff_forms_is_held() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let cookie = format!("Cookie: __Host-rundbrief={}\r\n", browser.cookie("__Host-rundbrief"));
    let head = post("/staff/account/name", "Content-Length: 1000000", &cookie);
    let mut unfinished = Vec::new();
    let mut answer = String::new();
    while answer.is_empty() && unfinished.len() < 200 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // One that is read and not refused waits for the rest of its form.
        let mut beginning = [0; 12];
        if timeout(Duration::from_millis(100), stream.read_exact(&mut beginning)).await.is_ok() {
            answer = String::from_utf8_lossy(&beginning).into_owned();
        }
        unfinished.push(stream);
    }
    assert_eq!(answer, "HTTP/1.1 503");
    assert_eq!(browser.post("/staff/account/name", &[("name", "Ada")]).await.status, 303, "short ones go on");
    drop(unfinished);
    let long = "x".repeat(100_000);
    let mut status = 0;
    for _ in 0..100 {
        status = browser.post("/staff/account/name", &[("name", &long)]).await.status.as_u16();
        if status != 503 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status, 422, "it was read, and is no name");
}

/// Sends what a form begins with and then bytes without end; answers how many were taken, in megabytes, and the answer.
pub async fn without_end(address: SocketAddr, cookie: &str, begin: &str) -> (usize, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /staff/subscribers/import HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n{cookie}\
         Content-Type: multipart/form-data; boundary=b\r\n\r\n{begin}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let mut answer = [0; 12];
    let megabyte = vec![b'a'; 1024 * 1024];
    let mut taken = 0;
    let answered = timeout(Duration::from_mins(1), reading.read_exact(&mut answer));
    let sent = async {
        while taken < 300 && writing.write_all(&megabyte).await.is_ok() {
            taken += 1;
        }
        // The line is broken, or the server waits for more.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        read = answered => drop(read.expect("an answer")),
        () = sent => {}
    }
    (taken, String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_file_the_fields_of_a_form_have_a_limit() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("admin@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let cookie = format!("Cookie: __Host-rundbrief={}\r\n", browser.cookie("__Host-rundbrief"));
    for begin in [
        "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"",
        "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n",
        "what stands before the first part",
    ] {
        let (taken, answer) = without_end(app.address, &cookie, begin).await;
        // The rest was on its way in the buffers of the two sockets.
        assert!(taken < 30, "{taken} MB were read: {begin}");
        assert_eq!(answer, "HTTP/1.1 422", "{begin}");
    }
}

/// A login with a password that is nobody's.
async fn log_in(address: SocketAddr, email: &str) -> http::Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept-language", "de")];
    let form = format!("email={email}&password=something+else");
    http::send(address, Method::POST, "/staff/login", &headers, form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_keeps_nobody_from_leaving_and_no_known_browser_out() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Editor).await;
    let owner = app.browser();
    assert_eq!(owner.log_in("ada@example.org", PASSWORD).await.status, 303);
    owner.post("/staff/logout", &[]).await;
    let mut paths = Vec::new();
    for n in 0..50 {
        paths.push(app.unsubscribe_path(app.subscriber(&format!("a{n}@example.org")).await));
    }

    // Twice as many as have room, each of whom comes again at once: whatever the machine can do, the room is taken.
    let (over, turned_away) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut flood = JoinSet::new();
    for n in 0..64 {
        let (address, over, turned_away) = (app.address, Arc::clone(&over), Arc::clone(&turned_away));
        flood.spawn(async move {
            let mut looked_at = 0_usize;
            for again in 0.. {
                let answer = log_in(address, &format!("a{n}.{again}%40example.org")).await;
                if answer.status == 422 {
                    looked_at += 1;
                } else {
                    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
                    assert!(answer.body.contains("href=\"/staff\""), "{}", answer.body);
                    // On a busy machine some wait too long for the database, and are told that.
                    if answer.body.contains("Gerade ist viel los") {
                        turned_away.fetch_add(1, Ordering::SeqCst);
                    }
                    sleep(Duration::from_millis(200)).await;
                }
                if over.load(Ordering::SeqCst) {
                    break;
                }
            }
            looked_at
        });
    }
    let height = async |more: usize| {
        let goal = turned_away.load(Ordering::SeqCst) + more;
        while turned_away.load(Ordering::SeqCst) < goal {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_mins(1), height(100)).await.expect("the flood is at its height");
    for path in &paths {
        assert_eq!(app.get(path).await.status, 200);
        assert_eq!(app.post(path, "List-Unsubscribe=One-Click").await.status, 200);
    }
    assert_eq!(owner.log_in("ada@example.org", PASSWORD).await.status, 303, "from a browser that is known");
    assert_eq!(app.get("/").await.status, 200);
    timeout(Duration::from_mins(1), height(1)).await.expect("the flood has not ended");
    over.store(true, Ordering::SeqCst);
    let looked_at: usize = flood.join_all().await.into_iter().sum();
    assert!(looked_at > 0, "some of them were looked at");
    let left = app.count("select count(*) from subscribers where state = 'unsubscribed'").await;
    assert_eq!(left, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_few_files_fewer_connections_are_taken_and_the_service_goes_on() {
    let app = App::new().without_worker().start().await;
    let service = process::serve_with_files(&app, 400).await;
    let mut idle = Vec::new();
    for _ in 0..500 {
        idle.push(TcpStream::connect(service.address()).await.unwrap());
    }
    // Those that say nothing are closed after ten seconds, and then it is everybody else's turn.
    let answer = timeout(Duration::from_mins(2), service.post("/staff/login", "email=a&password=b"));
    assert_eq!(answer.await.expect("an answer").status, 422);
    drop(idle);
    let logged = service.end().await;
    assert_eq!(logged.matches("may open few files").count(), 1, "{logged}");
    assert!(!logged.contains("Too many open files"), "{logged}");
}
