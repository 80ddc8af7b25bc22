//! Tests of the invariants. Others are in the file of their subject: 2 and 9 in `deaths`, 5 in `tokens`, 7 in
//! `mails_on_the_wire`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::http::Method;
use chrono::Utc;
use rundbrief::domain::{
    address::EmailAddress,
    ids::SubscriberId,
    mailing::MailingState,
    publication::{self, Content},
    suppression::{self, SuppressionReason},
};

use crate::harness::{
    App, has_begun,
    mail::Mail,
    smtp::{Action, Phase, behave},
};

/// Every path of ours that stands in a mail, in text, HTML and headers.
fn paths(mail: &Mail) -> Vec<String> {
    let headers = mail.source.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let everything = format!("{headers} {} {}", mail.text, mail.html);
    let mut found: Vec<String> = everything
        .match_indices("https://brief.example.org")
        .map(|(at, base)| {
            everything[at + base.len()..]
                .chars()
                .take_while(|c| !c.is_whitespace() && !"\"'<>),;".contains(*c))
                .collect()
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_1_get_and_head_change_nothing() {
    let app = App::new().start().await;
    app.sign_up("maria@example.org").await;
    let confirmation = app.mail(1).await;
    app.subscriber("anna@example.org").await;
    app.sign_up("anna@example.org").await;
    let already = app.mail(2).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let copy = app.mail(3).await;
    app.sign_up("otto@example.org").await;
    app.confirm(&app.mail(4).await.link("/confirm/")).await;
    let welcome = app.mail(5).await;
    app.wait_for_count("select count(*) from deliveries where state <> 'accepted'", 0).await;

    let manage = welcome.link("/manage/");
    app.post(&manage, "action=access").await;
    let access = app.mail(6).await;
    app.post(&format!("{}/address", access.link("/data/")), "email=neu%40example.org").await;
    app.relay.wait_for(8).await;
    app.wait_for_count("select count(*) from deliveries where state <> 'accepted'", 0).await;
    let [change, notice] = [app.mail(7).await, app.mail(8).await];
    let [data, erase] = ["", "/erase"].map(|more| access.link("/data/") + more);

    let mails = [&confirmation, &already, &copy, &welcome, &access, &change, &notice];
    let mut all: Vec<String> = mails.into_iter().flat_map(paths).collect();
    let pages = ["/", "/?lang=en", "/check-mailbox", "/subscribe", "/embed", "/embed/box", "/health/ready"];
    all.extend(pages.map(str::to_owned));
    all.extend([data.clone() + "/download", erase]);
    for prefix in ["/confirm/", "/unsubscribe/", "/manage/", "/data/"] {
        assert!(all.iter().any(|path| path.starts_with(prefix)), "{prefix}");
    }
    let before = app.whole_database().await;
    // A scanner opens everything, twice, in any order, under any name.
    for agent in ["Mozilla/5.0", "BarracudaSentinel (EE)", "Google-Safety", "curl/8"] {
        for path in all.iter().chain(all.iter().rev()) {
            for method in [Method::GET, Method::HEAD] {
                let answer = app.request(method, path, &[("user-agent", agent)], "").await;
                assert!(answer.status.as_u16() < 400, "{path}: {}", answer.status);
            }
        }
    }
    assert_eq!(app.whole_database().await, before);
    // And nothing was burnt: the link still does its work.
    assert_eq!(app.confirm(&confirmation.link("/confirm/")).await.heading(), "Sie sind angemeldet");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_only_a_confirmed_address_gets_an_update() {
    let app = App::new().start().await;
    app.subscriber("yes@example.org").await;
    app.sign_up("waiting@example.org").await;
    app.sign_up("declined@example.org").await;
    app.relay.wait_for(2).await;
    for mail in app.relay.accepted() {
        if mail.to == ["declined@example.org"] {
            app.post(&Mail::parse(&mail.data).link("/confirm/"), "action=decline").await;
        }
    }
    let left = app.subscriber("left@example.org").await;
    app.post(&app.unsubscribe_path(left), "").await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let to: Vec<String> = app.relay.accepted()[2..].iter().flat_map(|mail| mail.to.clone()).collect();
    assert_eq!(to, ["yes@example.org"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_nothing_starts_transmitting_after_an_unsubscribe_was_answered() {
    // However fast the machine is, the mailing stays about two copies ahead of each who leaves: neither overtakes the other.
    let (answered, reached) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let left = Arc::clone(&answered);
    let slow = behave(move |phase, _| {
        if phase != Phase::Rcpt {
            return Action::Go;
        }
        let left = left.load(Ordering::SeqCst);
        let is_ahead = reached.fetch_add(1, Ordering::SeqCst) > 100 + 2 * left;
        if is_ahead && left < 500 { Action::Delay(Duration::from_secs(1)) } else { Action::Go }
    });
    let app = App::new().relay(slow).start().await;
    app.subscribers(1_500).await;
    let everybody: Vec<(uuid::Uuid, String)> =
        sqlx::query_as("select id, email from subscribers order by random()")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    let mailing = app.trigger().await;
    app.relay.wait_for(50).await;
    let mut skipped = Vec::new();
    for (id, email) in everybody.iter().take(500) {
        let path = app.unsubscribe_path(SubscriberId(*id));
        assert_eq!(app.post(&path, "List-Unsubscribe=One-Click").await.status, 200);
        answered.fetch_add(1, Ordering::SeqCst);
        // The answer is out. Whatever has not begun by now must never begin.
        let begun = has_begun(&app.pool, mailing, SubscriberId(*id)).await;
        if !begun {
            skipped.push(email.clone());
        }
    }
    let counts = app.wait_for_state(mailing, MailingState::Done).await;
    let delivered = app.relay.sink_count_per_recipient();
    for email in &skipped {
        assert!(!delivered.contains_key(email), "{email} had left and got a copy");
    }
    assert!(skipped.len() > 10 && skipped.len() < 500, "the race was run: {} of 500", skipped.len());
    assert_eq!(
        (counts.skipped + counts.accepted, counts.skipped),
        (1_500, i64::try_from(skipped.len()).unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_the_signup_answer_is_the_same_for_every_address() {
    let app = App::new().start().await;
    app.subscriber("active@example.org").await;
    let left = app.subscriber("left@example.org").await;
    app.post(&app.unsubscribe_path(left), "").await;
    app.sign_up("waiting@example.org").await;
    let suppressed = EmailAddress::parse("complained@example.org").unwrap().normalized();
    let mut db = app.pool.acquire().await.unwrap();
    let keys = &app.config.secret_keys;
    suppression::add(&mut db, keys, &suppressed, SuppressionReason::Complained, Utc::now()).await.unwrap();
    drop(db);

    let mut answers = Vec::new();
    for local in ["new", "active", "left", "waiting", "complained"] {
        let mut answer = app.sign_up(&format!("{local}@example.org")).await;
        answer.headers.remove("date");
        answer.headers.remove("x-request-id");
        // The address of the next page holds what was typed, sealed; the page shows it back, and nothing else differs.
        let location = answer.headers.remove("location").unwrap();
        let mut page = app.get(location.to_str().unwrap()).await;
        assert_eq!(page.status, 200);
        page.headers.remove("date");
        page.headers.remove("x-request-id");
        page.headers.remove("content-length");
        assert!(page.body.contains(local), "{}", page.body);
        let token = location.to_str().unwrap().split("&to=").nth(1).unwrap();
        let shown = page.body.replace(&format!("{local}@"), "@").replace(token, "");
        answers.push((
            answer.status,
            format!("{:?} {:?}", answer.headers, page.headers),
            answer.body + &shown,
        ));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    // What differs is the mail: none to the one who complained, no second one to the one who has one already, a different
    // one to the one who is subscribed.
    app.wait_for_count("select count(*) from deliveries where state = 'skipped'", 2).await;
    app.relay.wait_for(4).await;
    assert!(!app.relay.sink_count_per_recipient().contains_key("complained@example.org"));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_6_nothing_a_visitor_typed_appears_in_a_mail_except_the_address() {
    let app = App::new().start().await;
    // From a site that may send the form; from any other nothing is taken at all.
    let file = include_str!("../../publication.example.toml");
    let sites = "allowed_origins = [\"https://marker.example\"]\n\n[sender]";
    let content = Content::parse(&file.replacen("[sender]", sites, 1)).unwrap();
    publication::apply(&mut app.pool.acquire().await.unwrap(), &content, Utc::now()).await.unwrap();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("referer", "https://evil.example/MARKER"),
        ("user-agent", "MARKER"),
        ("accept-language", "MARKER"),
        ("x-forwarded-for", "MARKER"),
        ("x-forwarded-host", "MARKER.example"),
        ("origin", "https://marker.example"),
    ];
    let form = "email=maria%40example.org&locale=MARKER&page=https%3A%2F%2FMARKER.example%2FMARKER&consent_version=MARKER&name=MARKER&MARKER=MARKER";
    let answer = app.request(Method::POST, "/subscribe?lang=MARKER", &headers, form).await;
    assert_eq!(answer.status, 303);
    let mail = app.mail(1).await;
    app.confirm(&mail.link("/confirm/")).await;
    app.relay.wait_for(2).await;
    for caught in app.relay.accepted() {
        let mail = Mail::parse(&caught.data);
        for part in [&mail.source, &mail.subject, &mail.text, &mail.html] {
            assert!(!part.to_lowercase().contains("marker") && !part.contains("evil"), "{part}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_8_two_copies_differ_in_nothing_but_recipient_name_and_own_links() {
    let app = App::new().start().await;
    app.subscribers(2).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let copies: Vec<(String, Mail)> =
        app.relay.accepted().iter().map(|mail| (mail.to[0].clone(), Mail::parse(&mail.data))).collect();
    let common: Vec<(String, String)> = copies
        .iter()
        .map(|(_, mail)| {
            let own = ["/unsubscribe/", "/manage/"].map(|prefix| mail.link(prefix));
            let common =
                |part: &str| own.iter().fold(part.to_owned(), |part, link| part.replace(link, "OWN"));
            (common(&mail.text), common(&mail.html))
        })
        .collect();
    assert_eq!(common[0], common[1]);
    // No picture but those staff put in, and every link is plain.
    assert!(!common[0].1.contains("<img"), "this update has no picture");
    for path in paths(&copies[0].1) {
        assert!(path.starts_with("/unsubscribe/") || path.starts_with("/manage/"), "{path}");
    }
    let headers_of = |mail: &Mail| {
        let head = mail.source.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        head.split("\r\n").map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(headers_of(&copies[0].1).len(), headers_of(&copies[1].1).len());
    for (one, other) in headers_of(&copies[0].1).iter().zip(headers_of(&copies[1].1)) {
        let own =
            ["Date:", "Message-ID:", "To:", "List-Unsubscribe:"].iter().any(|name| one.starts_with(name));
        assert!(own || *one == other, "{one} and {other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_10_a_dead_relay_lets_signups_go_on() {
    let app = App::new().start().await;
    app.relay.stop().await;
    for n in 0..20 {
        assert_eq!(app.sign_up(&format!("p{n}@example.org")).await.status, 303);
    }
    assert_eq!(app.get("/health/ready").await.status, 200);
    app.relay.resume().await;
    app.relay.wait_for(20).await;
    assert_eq!(app.relay.sink_count_per_recipient().len(), 20);
}
