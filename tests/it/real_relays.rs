//! Sending through Postfix, Exim and `OpenSMTPD` with their own limits and replies.

use std::time::Duration;

use rundbrief::domain::mailing::{MailingState, PauseKind};
use tokio::time::sleep;

use crate::harness::{
    App, TestApp,
    mail_server::{self, Kind, MailServer, Setup},
    process,
    smtp::SmtpServer,
};

const EVERYBODY: usize = 200;

/// Sends through this server, with or without the login.
fn worker(app: &TestApp, server: &MailServer, with_login: bool) -> process::Process {
    let url = if with_login {
        format!("smtp://user:password@localhost:{}", server.port)
    } else {
        format!("smtp://localhost:{}?tls=none", server.port)
    };
    let trusted = server.certificate.to_str().unwrap();
    let settings = [("SMTP_URL", url.as_str()), ("SSL_CERT_FILE", trusted), ("SSL_CERT_DIR", "/nonexistent")];
    process::worker(app, &settings)
}

/// Mails that came through, until there are so many.
async fn all_arrive(sink: &SmtpServer, n: usize) {
    for _ in 0..600 {
        if sink.accepted_count() >= n {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    let copies = sink.sink_count_per_recipient();
    assert_eq!((copies.len(), sink.accepted_count()), (n, n), "everybody has one copy");
}

/// A mailing and a confirmation go through, and nobody is tried twice.
async fn everything_arrives(kind: Kind, setup: Setup) {
    let sink = SmtpServer::start().await;
    let Some(server) = mail_server::start(kind, setup, sink.addr()).await else { return };
    let app = App::new().without_worker().start().await;
    app.subscribers(EVERYBODY).await;
    app.sign_up("maria@example.com").await;
    let id = app.trigger().await;
    let _worker = worker(&app, &server, setup.with_login);
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(usize::try_from(counts.accepted).unwrap(), EVERYBODY, "{counts:?}");
    app.wait_for_count("select count(*) from deliveries where attempts <> 1", 0).await;
    all_arrive(&sink, EVERYBODY + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_through_postfix() {
    for (with_login, pipelining) in [(true, true), (true, false), (false, true)] {
        everything_arrives(Kind::Postfix, Setup { with_login, pipelining, more: "" }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_through_exim() {
    for (with_login, pipelining) in [(true, true), (true, false), (false, true)] {
        everything_arrives(Kind::Exim, Setup { with_login, pipelining, more: "" }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_through_opensmtpd() {
    // It refuses a second EHLO, logged in or not, and never offers PIPELINING.
    // Without the login: Debian 12's 6.8.0p2 has lost its private keys since OpenSSL 3 ("missing private key" at each
    // handshake, with RSA and ECDSA), and offers AUTH after TLS alone.
    everything_arrives(Kind::OpenSmtpd, Setup { with_login: false, pipelining: false, more: "" }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_login_nobody_is_rejected_and_the_relays_words_are_told() {
    // OpenSMTPD says "550 Invalid recipient" to everybody whose mail it does not relay.
    for (kind, words) in [
        (Kind::Postfix, "Relay access denied"),
        (Kind::Exim, "relay not permitted"),
        (Kind::OpenSmtpd, "550"),
    ] {
        let sink = SmtpServer::start().await;
        let more = match kind {
            Kind::Postfix => "mynetworks = 192.0.2.0/24",
            Kind::Exim | Kind::Dovecot => "",
            Kind::OpenSmtpd => "match from any for any reject",
        };
        let setup = Setup { with_login: kind == Kind::Exim, pipelining: true, more };
        let Some(server) = mail_server::start(kind, setup, sink.addr()).await else { return };
        let app = App::new().without_worker().start().await;
        app.subscribers(30).await;
        sqlx::query("update subscribers set email = replace(email, '@', '@d' || length(id::text || email) % 2 || '.')")
            .execute(&app.pool)
            .await
            .unwrap();
        let id = app.trigger().await;
        let _worker = worker(&app, &server, false);
        app.wait_for_state(id, MailingState::Paused).await;
        app.wait_for_count("select count(*) from deliveries where state <> 'pending'", 0).await;
        let mailing = app.status(id).await.0;
        assert_eq!(mailing.pause_kind, Some(PauseKind::Policy), "{kind:?}");
        let reason = mailing.pause_reason.unwrap();
        assert!(reason.contains(words), "{kind:?}: {reason}");
        assert_eq!(sink.accepted_count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postfix_allows_a_client_is_kept_to() {
    let more = "smtpd_client_event_limit_exceptions =
smtpd_client_connection_count_limit = 3
smtpd_client_message_rate_limit = 40
anvil_rate_time_unit = 5s";
    everything_arrives(Kind::Postfix, Setup { with_login: false, pipelining: true, more }).await;
}
