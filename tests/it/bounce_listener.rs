//! The port that takes in what comes back: what it takes, that 250 means recorded, and a real Postfix behind it.

use std::{net::SocketAddr, time::Duration};

use rundbrief::{app::take_bounce::Recognition, domain::mailing::MailingState, inbound::listener};
use sqlx::PgPool;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    harness::{
        App,
        mail_server::{self, Kind, Setup},
        process,
        smtp::{Action, Phase, SmtpServer, behave},
    },
    taken_bounces::{HARD, about, app, copies, each_counted_once, recognition, reports, return_path},
};

/// A listener of this service; it ends with the sender.
async fn listening(
    pool: PgPool,
    recognition: Recognition,
    is_lmtp: bool,
) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(listener::serve(listener, is_lmtp, pool, recognition, stopping));
    (address, stop)
}

/// One side of a dialogue.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Option<Self> {
        let mut client = Self(BufReader::new(TcpStream::connect(address).await.ok()?));
        client.reply().await.filter(|greeting| greeting.starts_with("220 "))?;
        Some(client)
    }

    /// The last line of a reply; nothing when the line broke.
    async fn reply(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let read =
                timeout(Duration::from_secs(30), self.0.read_line(&mut line)).await.expect("a reply in time");
            if read.ok()? == 0 {
                return None;
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(line.trim_end().to_owned());
            }
        }
    }

    pub async fn say(&mut self, line: &str) -> Option<String> {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
        self.reply().await
    }

    /// Hands over one message; answers the reply to it.
    pub async fn deliver(&mut self, to: &str, message: &str) -> Option<String> {
        for line in ["MAIL FROM:<>".to_owned(), format!("RCPT TO:<{to}>"), "DATA".to_owned()] {
            let reply = self.say(&line).await?;
            if !reply.starts_with(['2', '3']) {
                return Some(reply);
            }
        }
        let message = message.replace('\n', "\r\n").replace("\r\n.", "\r\n..");
        self.0.write_all(format!("{message}\r\n.\r\n").as_bytes()).await.ok()?;
        self.reply().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_mail_for_return_paths_of_ours_is_taken_and_250_means_recorded() {
    let app = app().await;
    let sent = copies(&app, 1).await[0];
    let (address, _stop) = listening(app.pool.clone(), recognition(&app), true).await;
    let mut client = Client::connect(address).await.unwrap();
    assert!(client.say("EHLO mail.example.org").await.unwrap().starts_with("500"), "this is LMTP");
    assert!(client.say("LHLO mail.example.org").await.unwrap().starts_with("250"));
    assert!(client.say("RCPT TO:<bounces@news.example.org>").await.unwrap().starts_with("503"));
    let path = return_path(&app, sent);
    let last = if path[40..].starts_with('a') { "b" } else { "a" };
    let forged = format!("{}{last}{}", &path[..40], &path[41..]);
    for other in ["eva@example.org", "bounces@example.org", "bounces+abc@news.example.org", "postmaster"] {
        let reply = client.deliver(other, "Subject: x\n\ny\n").await.unwrap();
        assert!(reply.starts_with('5'), "{other}: {reply}");
        client.say("RSET").await.unwrap();
    }
    assert_eq!(app.count("select count(*) from bounces").await, 0);
    let reply = client.deliver(&path.to_uppercase(), &about(&app, sent, HARD)).await.unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(app.count("select count(*) from subscribers where state = 'bounced'").await, 1);
    // Whatever stands in it: the envelope says whom it is about.
    let reply = client.deliver(&path, "Subject: Hallo\n\nWas ist das?\n").await.unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    let reply = client.deliver("bounces@news.example.org", "Subject: Hallo\n\nohne\n").await.unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(
        app.count("select count(*) from bounces where kind = 'unrecognised' and delivery_id is not null")
            .await,
        1
    );
    // Of a key that is gone, or made up: it waits for a person.
    let reply =
        client.deliver(&forged, &about(&app, sent, HARD).replace(&path, "x@example.org")).await.unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(app.count("select count(*) from bounces where delivery_id is null").await, 2);
    assert_eq!(client.say("QUIT").await.unwrap(), "221 2.0.0 bye");
}

#[tokio::test(flavor = "multi_thread")]
async fn lmtp_answers_for_each_recipient_and_smtp_once() {
    for is_lmtp in [true, false] {
        let app = app().await;
        let sent = copies(&app, 2).await;
        let (address, _stop) = listening(app.pool.clone(), recognition(&app), is_lmtp).await;
        let mut client = Client::connect(address).await.unwrap();
        client.say(if is_lmtp { "LHLO x" } else { "EHLO x" }).await.unwrap();
        client.say("MAIL FROM:<> SIZE=1000").await.unwrap();
        for id in &sent {
            assert!(
                client
                    .say(&format!("RCPT TO:<{}>", return_path(&app, *id)))
                    .await
                    .unwrap()
                    .starts_with("250")
            );
        }
        client.say("DATA").await.unwrap();
        let text = about(&app, sent[0], HARD).replace('\n', "\r\n");
        assert!(client.say(&format!("{text}\r\n.")).await.unwrap().starts_with("250"));
        if is_lmtp {
            assert!(client.reply().await.unwrap().starts_with("250"));
        }
        assert!(client.say("NOOP").await.unwrap().starts_with("250 2.0.0 ok"), "no reply is left over");
        assert_eq!(app.count("select count(distinct delivery_id) from bounces").await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_it_is_brought_again() {
    let app = app().await;
    let sent = copies(&app, 1).await[0];
    let away = PgPool::connect(&app.config.database_url).await.unwrap();
    away.close().await;
    let (address, _stop) = listening(away, recognition(&app), true).await;
    let mut client = Client::connect(address).await.unwrap();
    client.say("LHLO x").await.unwrap();
    let reply = client.deliver(&return_path(&app, sent), &about(&app, sent, HARD)).await.unwrap();
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_without_tokens_is_put_off_and_reports_with_one_go_on() {
    let app = app().await;
    let sent = copies(&app, 1).await[0];
    let (address, _stop) = listening(app.pool.clone(), recognition(&app), false).await;
    let mut client = Client::connect(address).await.unwrap();
    client.say("EHLO x").await.unwrap();
    let mut put_off = 0;
    for number in 0..40 {
        let reply =
            client.deliver("bounces@news.example.org", &format!("Subject: {number}\n\nx\n")).await.unwrap();
        if reply.starts_with("451") {
            put_off += 1;
            client.say("RSET").await.unwrap();
        }
    }
    assert_eq!((put_off, app.count("select count(*) from bounces").await), (10, 30));
    assert!(
        client.deliver(&return_path(&app, sent), &about(&app, sent, HARD)).await.unwrap().starts_with("250")
    );
    for _ in 0..22 {
        if client.say("HELO").await.is_none() {
            return;
        }
    }
    assert!(client.say("NOOP").await.is_none(), "whoever makes nothing but mistakes is cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_no_report_is_lost_and_none_counted_twice() {
    let app = app().await;
    let sent = copies(&app, reports()).await;
    let all = i64::try_from(sent.len()).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = format!("lmtp://{free}");
    let settings = [("BOUNCE_LISTEN", listen.as_str())];
    let messages: Vec<_> = sent.iter().map(|id| (return_path(&app, *id), about(&app, *id, HARD))).collect();
    // As a mail server does: each message again until it is answered with 250.
    let bringing = tokio::spawn(async move {
        let mut again = 0;
        let mut client: Option<Client> = None;
        for (to, message) in &messages {
            loop {
                if client.is_none() {
                    sleep(Duration::from_millis(20)).await;
                    let Some(mut line) = Client::connect(free).await else { continue };
                    client = line.say("LHLO x").await.map(|_| line);
                }
                let Some(line) = client.as_mut() else { continue };
                match line.deliver(to, message).await {
                    Some(reply) if reply.starts_with("250") => break,
                    Some(reply) => panic!("{reply}"),
                    None => {
                        again += 1;
                        client = None;
                    }
                }
            }
        }
        again
    });
    let mut kills = 0;
    while !bringing.is_finished() && kills < 6 {
        let process = process::worker(&app, &settings);
        let before = app.count("select count(*) from bounces").await;
        let taken = app.wait_for_at_least("select count(*) from bounces", (before + all / 7).min(all));
        taken.await;
        process.kill_9().await;
        kills += 1;
    }
    let _last = process::worker(&app, &settings);
    timeout(Duration::from_mins(2), bringing).await.expect("all are brought in time").unwrap();
    assert!(kills >= 5, "it was killed in the middle: {kills}");
    each_counted_once(&app, sent.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_real_postfix_could_not_deliver_comes_back_and_is_recognised() {
    const EVERYBODY: usize = 200;
    let number = |line: &str| {
        let local = line.split('@').next().unwrap_or_default();
        let digits: String = local.chars().rev().take_while(char::is_ascii_digit).collect();
        digits.chars().rev().collect::<String>().parse::<usize>().unwrap_or_default()
    };
    let sink = SmtpServer::start_with(behave(move |phase, line| match (phase, number(line)) {
        (Phase::Rcpt, 1..=6) => Action::Reply("550 5.1.1 no such user here"),
        (Phase::Rcpt, 7..=10) => Action::Reply("552 5.2.2 mailbox full"),
        (Phase::Rcpt, 11..=12) => Action::Reply("554 5.7.1 message looks like spam"),
        _ => Action::Go,
    }))
    .await;
    let app = App::new().setting("BOUNCE_ADDRESS", "bounces@news.example.org").without_worker().start().await;
    let (address, _stop) = listening(app.pool.clone(), recognition(&app), true).await;
    let more = format!(
        "transport_maps = inline:{{ {{ news.example.org = lmtp:inet:127.0.0.1:{} }} }}\nlmtp_tls_security_level = none",
        address.port()
    );
    let setup = Setup { with_login: false, pipelining: true, more: Box::leak(more.into_boxed_str()) };
    let Some(server) = mail_server::start(Kind::Postfix, setup, sink.addr()).await else { return };
    app.subscribers(EVERYBODY).await;
    let id = app.trigger().await;
    let url = format!("smtp://localhost:{}?tls=none", server.port);
    let _worker = process::worker(&app, &[("SMTP_URL", url.as_str())]);
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(usize::try_from(counts.accepted).unwrap(), EVERYBODY, "{counts:?}");
    for _ in 0..600 {
        if app.count("select count(*) from bounces").await >= 12 {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    let told: Vec<(String, i64)> = sqlx::query_as(
        "select kind::text, count(*) from bounces where delivery_id is not null group by 1 order by 1",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(told, [("hard".to_owned(), 6), ("policy".to_owned(), 2), ("soft".to_owned(), 4)]);
    let brings = "select count(*) from bounces where encode(report, 'escape') like '%Original-Recipient: rfc822;s%@example.org%' and encode(report, 'escape') like '%Original-Envelope-Id: %@brief.example.org%' and octet_length(report) < 10000";
    assert_eq!(app.count(brings).await, 12, "as was asked for (RFC 3461)");
    let bounced: Vec<String> =
        sqlx::query_scalar("select email from subscribers where state = 'bounced' order by email")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(bounced, (1..=6).map(|n| format!("s{n}@example.org")).collect::<Vec<_>>());
    assert_eq!(app.count("select count(*) from subscribers where state <> 'active'").await, 6);
    let (_, counts) = app.status(id).await;
    assert_eq!(usize::try_from(counts.accepted).unwrap(), EVERYBODY, "what was accepted stays so");
}
