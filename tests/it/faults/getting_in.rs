//! The relay cannot be used: it is down, refuses the login, has a bad certificate, or takes few connections.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use rundbrief::domain::mailing::{self, MailingState, PauseKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::{Run, is_full_run, recipients};
use crate::harness::{
    App, process,
    smtp::{Action, Behaviour, Phase, behave},
    tls::{Begins, front},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_down_at_the_start_and_up_later_costs_nobody_a_try() {
    let app = App::new().start().await;
    app.relay.stop().await;
    let run = Run::begin(app, recipients()).await;
    run.until("sending", async || run.state().await == MailingState::Sending).await;
    sleep(Duration::from_millis(1_200)).await;
    run.assert_nobody_tried().await;
    assert_eq!(run.state().await, MailingState::Sending, "it waits for a minute before it says so");

    run.app.relay.resume().await;
    run.assert_everybody_gets_it().await;
    run.assert_tried_once().await;
    let opened = run.app.relay.connections().opened;
    assert!((1..=16).contains(&opened), "{opened} connections, of which eight were needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_the_login_pauses_the_mailing_until_that_is_mended() {
    let login = Some(("user".to_owned(), "password".to_owned()));
    let expired = Action::Reply("535 5.7.8 the password has expired");
    let relay = Behaviour {
        credentials: login.clone(),
        ..behave(move |phase, _| if phase == Phase::Auth { expired } else { Action::Go })
    };
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.until("paused", async || run.state().await == MailingState::Paused).await;
    let paused = run.app.status(run.id).await.0;
    assert_eq!(paused.pause_kind, Some(PauseKind::Login));
    let reason = paused.pause_reason.unwrap();
    assert!(reason.contains("535") && reason.contains("the password has expired"), "{reason}");
    // Long enough for another look at the relay, which is refused as well.
    sleep(Duration::from_millis(1_500)).await;
    run.assert_nobody_tried().await;

    run.app.relay.set(Behaviour { credentials: login, ..behave(|_, _| Action::Go) });
    mailing::resume(&mut run.app.pool.acquire().await.unwrap(), run.id, chrono::Utc::now()).await.unwrap();
    run.assert_everybody_gets_it().await;
    run.assert_tried_once().await;
}

/// Listens for clients in front of `port` and passes everything on; answers its own port, and what clients say.
async fn wiretap(port: u16) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own_port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let ear = Arc::clone(&ear);
            // How a line ends is its own business.
            tokio::spawn(async move { drop(pass_on(client, port, &ear).await) });
        }
    });
    (own_port, heard)
}

async fn pass_on(client: TcpStream, port: u16, ear: &Mutex<Vec<u8>>) -> io::Result<()> {
    let (mut from_relay, mut to_relay) = TcpStream::connect(("127.0.0.1", port)).await?.into_split();
    let (mut from_client, mut to_client) = client.into_split();
    let back = async move { copy(&mut from_relay, &mut to_client).await };
    let forth = async move {
        let mut part = vec![0; 4096];
        loop {
            let length = from_client.read(&mut part).await?;
            if length == 0 {
                return to_relay.shutdown().await;
            }
            ear.lock().unwrap().extend_from_slice(&part[..length]);
            to_relay.write_all(&part[..length]).await?;
        }
    };
    tokio::try_join!(back, forth).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_stops_everything_where_tls_is_required_and_the_reason_is_told() {
    let app = App::new().without_worker().start().await;
    let relay = front(app.relay.addr(), Begins::Plain).await;
    let another = front(app.relay.addr(), Begins::Plain).await;
    let (port, heard) = wiretap(relay.port).await;
    let heard = || String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    let run = Run::begin(app, recipients()).await;
    let url = format!("smtp://localhost:{port}?tls=required");
    let settings = [
        ("SMTP_URL", url.as_str()),
        ("SSL_CERT_FILE", another.certificate.to_str().unwrap()),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    let worker = process::worker(&run.app, &settings);
    run.until("tried", async || heard().contains("STARTTLS")).await;
    sleep(Duration::from_secs(1)).await;
    run.assert_nobody_tried().await;
    if is_full_run() {
        // A relay that stays away for a minute is told in the mailing's status too.
        run.until("paused", async || run.state().await == MailingState::Paused).await;
        let paused = run.app.status(run.id).await.0;
        assert_eq!(paused.pause_kind, Some(PauseKind::Unreachable));
        assert!(paused.pause_reason.unwrap().contains("nothing was sent in clear"));
    }
    let log = worker.end().await;
    assert!(log.contains("STARTTLS failed") && log.contains("nothing was sent in clear"), "{log}");
    let heard = heard();
    for word in ["MAIL FROM", "RCPT TO", "example.org>"] {
        assert!(!heard.contains(word), "{word} was sent in clear: {heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_takes_two_lines_gets_everything_over_two() {
    let relay = Behaviour { max_connections: 2, ..behave(|_, _| Action::Go) };
    let app = App::new().relay(relay).setting("SMTP_CONNECTIONS", "8").start().await;
    let run = Run::begin(app, recipients()).await;
    run.assert_everybody_gets_it().await;
    run.assert_tried_once().await;
    let lines = run.app.relay.connections();
    assert!(lines.most <= 2, "{lines:?}");
    // Each of the six that found no place asks less and less often.
    assert!((1..=60).contains(&lines.refused), "{lines:?}");
}
