//! `X-Forwarded-For`: a client cannot switch a limit off with it, and a proxy that does not send it keeps nobody from
//! getting their mail.

use axum::http::Method;

use crate::harness::{App, TestApp, http};

type Lines<'a> = &'a [&'a [u8]];

async fn ask(app: &TestApp, forwarded: Lines<'_>, method: Method, path: &str, form: &str) -> u16 {
    let mut headers: Vec<(&str, &[u8])> = vec![("content-type", b"application/x-www-form-urlencoded")];
    headers.extend(forwarded.iter().map(|line| ("x-forwarded-for", *line)));
    http::send_bytes(app.address, method, path, &headers, form.to_owned()).await.status.as_u16()
}

async fn sign_up(app: &TestApp, forwarded: Lines<'_>, n: usize) -> u16 {
    ask(app, forwarded, Method::POST, "/subscribe", &format!("email=a{n}%40example.org&locale=de")).await
}

/// Sends so many signups; answers how many were taken.
async fn taken(app: &TestApp, forwarded: Lines<'_>, times: usize) -> usize {
    let mut taken = 0;
    for n in 0..times {
        match sign_up(app, forwarded, n).await {
            303 => taken += 1,
            status => assert!(matches!(status, 403 | 429), "{status}"),
        }
    }
    taken
}

/// Waits until every signup's mail has been decided about; answers how many were sent.
async fn sent(app: &TestApp) -> usize {
    app.wait_for_count("select count(*) from deliveries where state = 'pending' and smtp_text is null", 0)
        .await;
    app.relay.accepted_count()
}

fn behind_proxy() -> App {
    App::new().setting("TRUSTED_PROXIES", "127.0.0.1")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_300_signups_under_a_header_that_is_no_text_few_are_taken() {
    let lines: [Lines; 4] =
        [&[b"\xff"], &[b"\xff, 192.0.2.7"], &[b"\xff", b"192.0.2.8"], &[b"192.0.2.9, \xff"]];
    for forwarded in lines {
        let app = behind_proxy().without_worker().start().await;
        assert_eq!(taken(&app, forwarded, 300).await, 10, "{forwarded:?}: then a proof of work is asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_one_network_and_its_mails_are_held() {
    let app = behind_proxy().setting("CAPTCHA", "off").setting("SIGNUPS_PER_CLIENT", "2").start().await;
    assert_eq!(taken(&app, &[b"\xff"], 6).await, 6);
    assert_eq!(sent(&app).await, 2);
    sign_up(&app, &[b"192.0.2.7"], 7).await;
    assert_eq!(sent(&app).await, 3, "whom the proxy names is somebody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_a_proxy_from_naming_them_is_one_client_once_it_has_named_somebody() {
    let app = behind_proxy().without_worker().start().await;
    ask(&app, &[b"192.0.2.7"], Method::GET, "/", "").await;
    assert_eq!(taken(&app, &[], 40).await, 10);
    assert_eq!(taken(&app, &[b"unknown"], 40).await, 0, "the same client");
    assert_eq!(taken(&app, &[b"192.0.2.8"], 5).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_names_nobody_all_get_their_mail_and_there_is_a_limit() {
    let limited = |app: App| app.setting("CAPTCHA", "off").setting("SIGNUPS_PER_CLIENT", "2");
    let app = limited(behind_proxy()).start().await;
    for n in 0..25 {
        assert_eq!(sign_up(&app, &[], n).await, 303);
    }
    assert_eq!(sent(&app).await, 20, "ten times the limit of one network");
    // One that nobody named, and that a client keeps from saying anything.
    let app = limited(App::new()).start().await;
    sign_up(&app, &[b"unknown"], 100).await;
    for n in 0..25 {
        assert_eq!(sign_up(&app, &[], n).await, 303);
    }
    assert_eq!(sent(&app).await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_nobody_named_there_is_a_limit_whatever_is_written() {
    let app = App::new().without_worker().start().await;
    assert_eq!(taken(&app, &[b"1.2.3.4, 192.0.2.7"], 30).await, 10, "what the proxy appended");
    let app = App::new().without_worker().start().await;
    let mut taken = 0;
    for n in 0..300_usize {
        let garbage = [b"\xff, ", n.to_string().as_bytes()].concat();
        taken += usize::from(sign_up(&app, &[&garbage], n).await == 303);
    }
    assert_eq!(taken, 100, "all behind it together");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_passwords_count_together_under_a_header_that_is_no_text() {
    for forwarded in [&b"\xff"[..], b"\xff, 203.0.113.5"] {
        let app = behind_proxy().without_worker().start().await;
        let guess = async |n: usize, forwarded: Lines<'_>| {
            let form = format!("email=somebody{n}%40example.org&password=something");
            ask(&app, forwarded, Method::POST, "/staff/login", &form).await
        };
        for n in 0..31 {
            assert_eq!(guess(n, &[forwarded]).await, 422, "{n}");
        }
        app.waits_last().await;
        assert_eq!(guess(31, &[forwarded]).await, 429);
        assert_eq!(guess(32, &[b"203.0.113.6"]).await, 422, "another network");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_count_under_a_header_that_is_no_text() {
    let app = behind_proxy().setting("REQUESTS_PER_CLIENT", "5").without_worker().start().await;
    for expected in [200, 200, 200, 200, 200, 429] {
        assert_eq!(ask(&app, &[b"\xff"], Method::GET, "/", "").await, expected);
    }
    assert_eq!(ask(&app, &[b"\xff, 192.0.2.7"], Method::GET, "/", "").await, 200);
}
