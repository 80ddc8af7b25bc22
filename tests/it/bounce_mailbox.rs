//! The mailbox that is read over IMAP, in a real Dovecot: what leaves it and when, and that nothing in it is lost.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_imap::{Client, Session};
use futures_util::TryStreamExt;
use rundbrief::{
    app::follow_mailbox,
    config::{BounceMailbox, Credentials},
    domain::ids::DeliveryId,
    inbound::mailbox,
};
use tokio::{net::TcpStream, sync::watch, time::sleep};

use crate::{
    harness::{
        TestApp,
        imap::{self, Fault, Mails},
        mail_server::{self, Kind, MailServer, Setup},
        process,
    },
    taken_bounces::{HARD, about, app, copies, each_counted_once, recognition, reports},
};

/// A person's mail program.
struct Program(Session<TcpStream>);

impl Program {
    async fn open(server: &MailServer) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.plain_port)).await.unwrap();
        let mut client = Client::new(stream);
        client.read_response().await.unwrap().expect("a greeting");
        Self(client.login("user", "password").await.map_err(|(error, _)| error).unwrap())
    }

    async fn bring(&mut self, message: &str) {
        let message = message.replace('\n', "\r\n");
        self.0.append("INBOX", None, None, message.as_bytes()).await.unwrap();
    }

    /// How many messages a folder has; none where there is no such folder.
    async fn count(&mut self, folder: &str) -> u32 {
        self.0.examine(folder).await.map_or(0, |opened| opened.exists)
    }

    async fn texts(&mut self, folder: &str) -> Vec<(String, Vec<String>)> {
        self.0.examine(folder).await.unwrap();
        let found: Vec<_> =
            self.0.fetch("1:*", "(FLAGS BODY.PEEK[])").await.unwrap().try_collect().await.unwrap();
        let text = |fetch: &async_imap::types::Fetch| {
            String::from_utf8_lossy(fetch.body().unwrap()).replace("\r\n", "\n")
        };
        found
            .iter()
            .map(|fetch| (text(fetch), fetch.flags().map(|flag| format!("{flag:?}")).collect()))
            .collect()
    }

    async fn until(&mut self, folder: &str, n: u32) {
        for _ in 0..1_200 {
            if self.count(folder).await == n {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("{folder} has {} messages, and not {n}", self.count(folder).await);
    }
}

/// A Dovecot with more lines in its configuration.
async fn dovecot(more: &'static str) -> Option<MailServer> {
    let setup = Setup { with_login: true, pipelining: true, more };
    mail_server::start(Kind::Dovecot, setup, "127.0.0.1:1".parse().unwrap()).await
}

/// A worker that reads a mailbox there.
fn reading(app: &TestApp, server: &MailServer, mailbox: &str) -> process::Process {
    let mailbox = mailbox.replace("HOST", &format!("localhost:{}", server.port));
    let trusted = server.certificate.to_str().unwrap();
    process::worker(
        app,
        &[("BOUNCE_MAILBOX", mailbox.as_str()), ("SSL_CERT_FILE", trusted), ("SSL_CERT_DIR", "/nonexistent")],
    )
}

const INBOX: &str = "imaps://user:password@HOST/INBOX";

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_recorded_and_moved_beside_and_nothing_is_deleted() {
    // The second one has its folders below INBOX, and the third offers no MOVE.
    for (more, place) in [
        ("", "Rundbrief."),
        ("namespace inbox {\nprefix = INBOX/\nseparator = /\n}", "INBOX/Rundbrief/"),
        ("protocol imap {\nimap_capability = IMAP4rev1 IDLE UIDPLUS\n}", "Rundbrief."),
        ("protocol imap {\nimap_capability = IMAP4rev1 MOVE\n}", "Rundbrief."),
    ] {
        let Some(server) = dovecot(more).await else { return };
        let app = app().await;
        let sent = copies(&app, 2).await;
        let mut program = Program::open(&server).await;
        let report = about(&app, sent[0], HARD);
        let letter = "From: eva@example.org\nTo: bounces@news.example.org\nSubject: Frage\n\nWann?\n";
        program.bring(&report).await;
        program.bring(letter).await;
        let _worker = reading(&app, &server, INBOX);
        let (done, unrecognised) = (format!("{place}done"), format!("{place}unrecognised"));
        program.until("INBOX", 0).await;
        assert_eq!(app.count("select count(*) from subscribers where state = 'bounced'").await, 1);
        assert_eq!(app.count("select count(*) from bounces where delivery_id is null").await, 1);
        let moved = program.texts(&done).await;
        assert_eq!((moved.len(), moved[0].0.as_str()), (1, report.as_str()), "{more}");
        assert!(moved[0].1.contains(&"Seen".to_owned()), "{moved:?}");
        let moved = program.texts(&unrecognised).await;
        assert_eq!((moved.len(), moved[0].0.as_str()), (1, letter), "{more}");
        if more.contains("MOVE\n") {
            continue;
        }
        // Whoever waits is told.
        program.bring(&about(&app, sent[1], HARD)).await;
        program.until(&done, 2).await;
        assert_eq!(app.count("select count(*) from subscribers where state = 'bounced'").await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_the_mailbox_from_being_read_is_told_and_passes() {
    let Some(server) = dovecot("").await else { return };
    let app = app().await;
    for (mailbox, told) in [
        (
            "imaps://user:wrong@HOST/INBOX",
            "select count(*) from bounce_mailbox where problem like '%refuses the login%'",
        ),
        (
            "imaps://user:password@HOST/Reports",
            "select count(*) from bounce_mailbox where problem like '%no folder Reports%'",
        ),
        (
            "imaps://user:password@localhost:9/INBOX",
            "select count(*) from bounce_mailbox where problem like 'localhost:9 cannot be reached%'",
        ),
    ] {
        let worker = reading(&app, &server, mailbox);
        app.wait_for_count(told, 1).await;
        let log = worker.kill_9().await;
        assert!(log.contains("cannot be read") && !log.contains("LOGIN"), "{log}");
    }
    let now = chrono::Utc::now();
    let problem = follow_mailbox::problem(&app.pool, now).await.unwrap().unwrap();
    assert_eq!(problem.read_at, None);
    assert!(problem.words.as_ref().unwrap().starts_with("localhost:9"), "{problem:?}");
    let worker = reading(&app, &server, INBOX);
    app.wait_for_count("select count(*) from bounce_mailbox where read_at is not null", 1).await;
    assert_eq!(follow_mailbox::problem(&app.pool, now).await.unwrap(), None);
    worker.kill_9().await;
    // What was read a moment ago may fail for a quarter of an hour.
    let fail = |minutes: i64| now + chrono::Duration::minutes(minutes);
    follow_mailbox::is_wanted(&app.pool, fail(10)).await.unwrap();
    follow_mailbox::was_not_read(&app.pool, "it sleeps", fail(10)).await.unwrap();
    assert_eq!(follow_mailbox::problem(&app.pool, fail(10)).await.unwrap(), None);
    follow_mailbox::is_wanted(&app.pool, fail(20)).await.unwrap();
    let silent = follow_mailbox::problem(&app.pool, fail(20)).await.unwrap().unwrap();
    assert_eq!(
        silent.words.as_deref(),
        Some("it sleeps"),
        "also where a reader hangs, and says nothing more"
    );
    follow_mailbox::was_not_read(&app.pool, "it sleeps", fail(20)).await.unwrap();
    assert!(follow_mailbox::problem(&app.pool, fail(20)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_each_report_of_a_mailbox_counts_once() {
    let Some(server) = dovecot("").await else { return };
    let app = app().await;
    let all = reports();
    let sent: Vec<DeliveryId> = copies(&app, all).await;
    let all = i64::try_from(all).unwrap();
    let mut program = Program::open(&server).await;
    for id in &sent {
        program.bring(&about(&app, *id, HARD)).await;
    }
    let mut kills = 0;
    while kills < 6 {
        let before = app.count("select count(*) from bounces").await;
        let process = reading(&app, &server, INBOX);
        app.wait_for_at_least("select count(*) from bounces", (before + all / 8).min(all)).await;
        process.kill_9().await;
        kills += 1;
    }
    // Two at the same time at the end.
    let _workers = [reading(&app, &server, INBOX), reading(&app, &server, INBOX)];
    program.until("Rundbrief.done", u32::try_from(all).unwrap()).await;
    assert_eq!(program.count("INBOX").await, 0);
    each_counted_once(&app, sent.len()).await;
}

/// The reader on a server with a fault, as long as the sender lives.
async fn reading_with(
    app: &TestApp,
    messages: Vec<String>,
    fault: Fault,
) -> (Arc<Mutex<Mails>>, watch::Sender<bool>) {
    let (address, mails) = imap::serve(messages, fault).await;
    let mailbox = BounceMailbox {
        host: address.ip().to_string(),
        port: address.port(),
        is_encrypted: false,
        credentials: Credentials { user: "user".into(), password: "password".into() },
        folder: "INBOX".into(),
    };
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(mailbox::run(mailbox, app.pool.clone(), recognition(app), stopping));
    (mails, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_that_the_server_cannot_handle_keeps_no_other_from_being_taken() {
    for fault in [Fault::CutsAt(3), Fault::KeepsFor(3), Fault::Pretends(3)] {
        let app = app().await;
        let sent = copies(&app, 5).await;
        let messages = sent.iter().map(|id| about(&app, *id, HARD)).collect();
        let (mails, _stop) = reading_with(&app, messages, fault).await;
        for _ in 0..600 {
            if mails.lock().unwrap().moved.len() == 4 {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        let mut moved: Vec<u32> = mails.lock().unwrap().moved.iter().map(|(number, _)| *number).collect();
        moved.sort_unstable();
        assert_eq!(moved, [1, 2, 4, 5], "{fault:?}");
        assert!(mails.lock().unwrap().moved.iter().all(|(_, to)| to == "Rundbrief/done"), "{fault:?}");
        let taken = if fault == Fault::CutsAt(3) { 4 } else { 5 };
        assert_eq!(app.count("select count(*) from bounces").await, taken, "{fault:?}");
        if fault != Fault::CutsAt(3) {
            let told = "select count(*) from bounce_mailbox where problem like 'some messages were recorded and cannot be moved%'";
            app.wait_for_count(told, 1).await;
            let before = mails.lock().unwrap().fetched;
            sleep(Duration::from_secs(3)).await;
            assert_eq!(mails.lock().unwrap().fetched, before, "{fault:?}: it is not read again and again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_refused_is_no_empty_mailbox() {
    let app = app().await;
    let sent = copies(&app, 1).await;
    let messages = vec![about(&app, sent[0], HARD)];
    let (_mails, _stop) = reading_with(&app, messages, Fault::NoSearch).await;
    app.wait_for_count("select count(*) from bounce_mailbox where problem like '%refused a command%'", 1)
        .await;
    assert_eq!(app.count("select count(*) from bounce_mailbox where read_at is not null").await, 0);
}
