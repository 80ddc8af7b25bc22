//! A whole mailing through a real Postfix of which some comes back, at once, later, and as complaints: at the end everybody has
//! the state that this file's own list says. `make bounces` runs it with ten thousand recipients.

use std::{collections::BTreeMap, env, time::Duration};

use rundbrief::domain::{bounce::of_mailing::came_back, mailing::MailingState};
use tokio::time::sleep;

use crate::{
    bounce_listener::Client,
    bounces::samples::report,
    harness::{
        App,
        mail_server::{self, Kind, Setup},
        process,
        smtp::{Action, Phase, SmtpServer, behave},
    },
    taken_bounces::complaint_to,
};

/// What becomes of a recipient's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Arrives,
    /// The server behind the relay does not know the address.
    Unknown,
    Full,
    /// It is taken, and comes back for good after that.
    Later,
    Complains,
}

impl Fate {
    /// 3 % unknown, 2 % full, 1 % later, 0.5 % complaints.
    fn of(number: usize) -> Self {
        match number % 200 {
            0..=5 => Fate::Unknown,
            6..=9 => Fate::Full,
            10..=11 => Fate::Later,
            12 => Fate::Complains,
            _ => Fate::Arrives,
        }
    }

    fn state(self) -> &'static str {
        match self {
            Fate::Unknown | Fate::Later => "bounced",
            Fate::Complains => "complained",
            Fate::Arrives | Fate::Full => "active",
        }
    }
}

/// The number in `…s17@example.org…`.
fn number(line: &str) -> usize {
    let local = line.split('@').next().unwrap_or_default();
    let digits: String = local.chars().rev().take_while(char::is_ascii_digit).collect();
    digits.chars().rev().collect::<String>().parse().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_mailing_of_which_some_comes_back_everybody_has_the_right_state() {
    let everybody: usize =
        env::var("RUNDBRIEF_BOUNCE_RECIPIENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let sink = SmtpServer::start_with(behave(|phase, line| match (phase, Fate::of(number(line))) {
        (Phase::Rcpt, Fate::Unknown) => Action::Reply("550 5.1.1 no such user here"),
        (Phase::Rcpt, Fate::Full) => Action::Reply("552 5.2.2 mailbox full"),
        _ => Action::Go,
    }))
    .await;
    let app = App::new().setting("BOUNCE_ADDRESS", "bounces@news.example.org").without_worker().start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let more = format!(
        "transport_maps = inline:{{ {{ news.example.org = lmtp:inet:{}:{} }} }}\nlmtp_tls_security_level = none",
        free.ip(),
        free.port()
    );
    let setup = Setup { with_login: false, pipelining: true, more: Box::leak(more.into_boxed_str()) };
    let Some(postfix) = mail_server::start(Kind::Postfix, setup, sink.addr()).await else { return };
    app.subscribers(everybody).await;
    let id = app.trigger().await;
    let (url, listen) = (format!("smtp://localhost:{}?tls=none", postfix.port), format!("lmtp://{free}"));
    let _worker = process::worker(&app, &[("SMTP_URL", &url), ("BOUNCE_LISTEN", &listen)]);
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(usize::try_from(counts.accepted).unwrap(), everybody, "{counts:?}");
    let fates: Vec<Fate> = (1..=everybody).map(Fate::of).collect();
    let count = |fate| fates.iter().filter(|of| **of == fate).count();
    let arrive = everybody - count(Fate::Unknown) - count(Fate::Full);
    for _ in 0..3_000 {
        if sink.accepted_count() >= arrive {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }

    // Whatever comes later comes to the return path of the copy, through the same Postfix.
    let mut client = Client::connect(([127, 0, 0, 1], postfix.port).into()).await.unwrap();
    client.say("EHLO provider.example").await.unwrap();
    let hard = report("Final-Recipient: rfc822;x@example.org\nAction: failed\nStatus: 5.1.1");
    for mail in sink.accepted() {
        let message = match Fate::of(number(&mail.to[0])) {
            Fate::Later => hard.replace("bounces@brief.example.org", &mail.from),
            Fate::Complains => complaint_to(&mail.from),
            _ => continue,
        };
        // Each twice, as happens when a line breaks at the wrong moment.
        for _ in 0..2 {
            let reply = client.deliver(&mail.from, &message).await.unwrap();
            assert!(reply.starts_with("250"), "{reply}");
        }
    }
    let expected = everybody - count(Fate::Arrives);
    for _ in 0..3_000 {
        if usize::try_from(app.count("select count(distinct delivery_id) from bounces").await).unwrap()
            >= expected
        {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    // The second of each, too, and whatever else there should not be.
    sleep(Duration::from_secs(2)).await;

    let told: Vec<(String, String, i64)> = sqlx::query_as(
        "select s.email, b.kind::text, count(*) from bounces b join subscribers s on s.id = b.subscriber_id group by 1, 2",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    for (email, kind, times) in &told {
        // Through Postfix the same message twice has other Received lines, and is two.
        let right = match Fate::of(number(email)) {
            Fate::Unknown => kind == "hard" && *times == 1,
            Fate::Full => kind == "soft" && *times == 1,
            Fate::Later => kind == "hard" && *times <= 2,
            Fate::Complains => kind == "complaint" && *times <= 2,
            Fate::Arrives => false,
        };
        assert!(right, "{email}: {kind}, {times} times");
    }
    assert_eq!(told.len(), expected, "none is lost, and none is about somebody else");
    let states: BTreeMap<String, String> = sqlx::query_as("select email, state::text from subscribers")
        .fetch_all(&app.pool)
        .await
        .unwrap()
        .into_iter()
        .collect();
    let wrong: Vec<_> =
        states.iter().filter(|(email, state)| *state != Fate::of(number(email)).state()).collect();
    assert!(states.len() == everybody && wrong.is_empty(), "{wrong:?}");
    let back = came_back(&mut app.pool.acquire().await.unwrap(), id).await.unwrap();
    let counted =
        [back.hard, back.soft, back.complaints, back.unrecognised].map(|n| usize::try_from(n).unwrap());
    let hard = count(Fate::Unknown) + count(Fate::Later);
    assert_eq!(counted, [hard, count(Fate::Full), count(Fate::Complains), 0], "each copy once");
    let (_, counts) = app.status(id).await;
    assert_eq!(usize::try_from(counts.accepted).unwrap(), everybody, "what was accepted stays so");
}
