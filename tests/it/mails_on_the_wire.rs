//! The mails as the relay gets them: headers, encodings, and a Message-ID that stays the same.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use chrono::{DateTime, Utc};
use rundbrief::{
    domain::{
        ids::{DeliveryId, SubscriberId},
        mailing::MailingState,
        publication::{self, Content},
    },
    mail::message::message_id,
};

use crate::harness::{
    App, TestApp,
    mail::Mail,
    program::Program,
    smtp::{Accepted, Action, Behaviour, Phase, behave},
};

const SITE: &str = "https://brief.example.org";

/// The lines of the mail's head, folded ones too.
fn head(mail: &Mail) -> Vec<&str> {
    mail.source.split("\r\n\r\n").next().unwrap_or_default().split("\r\n").collect()
}

/// What invariant 7 asks of every mail.
fn valid(accepted: &Accepted, to: &str) -> Mail {
    let mail = Mail::parse(&accepted.data);
    assert_eq!(accepted.to, [to]);
    assert_eq!(mail.header("To"), Some(format!("<{to}>")));
    assert_eq!(accepted.from, "newsletter@lok-lausitz.example");
    assert_eq!(mail.header("From").unwrap(), "LOK Lausitz <newsletter@lok-lausitz.example>");
    assert_eq!(mail.header("Reply-To").unwrap(), "<kontakt@lok-lausitz.example>");

    assert!(mail.source.is_ascii(), "no relay needs 8BITMIME");
    assert!(!mail.source.replace("\r\n", "").contains(['\r', '\n']), "every line ends in CRLF");
    assert!(mail.source.ends_with("\r\n"));
    assert!(mail.source.split("\r\n").all(|line| line.len() <= 998));
    let names: Vec<String> = head(&mail)
        .iter()
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(|line| Some(line.split_once(':')?.0.to_lowercase()))
        .collect();
    for needed in ["date", "message-id", "from", "to", "subject", "mime-version", "content-type"] {
        assert_eq!(names.iter().filter(|name| *name == needed).count(), 1, "{needed} in {names:?}");
    }
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "no header twice: {names:?}");

    let id = mail.header("Message-ID").unwrap();
    let left = id.strip_prefix('<').and_then(|id| id.strip_suffix("@brief.example.org>")).unwrap_or_default();
    assert!(left.len() >= 16 && left.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
    let date = DateTime::parse_from_rfc2822(&mail.header("Date").unwrap()).expect("an RFC 5322 date");
    assert!((Utc::now() - date.to_utc()).num_seconds().abs() < 120, "{date}");

    let part = |kind: &str| mail.source.find(&format!("Content-Type: {kind}; charset=utf-8")).expect(kind);
    assert!(part("text/plain") < part("text/html"), "the text part comes first");
    for imprint in ["Musterträger gGmbH", "Beispielstraße 1", "03046 Cottbus"] {
        assert!(mail.text.contains(imprint) && mail.html.contains(imprint), "{imprint}");
    }
    mail
}

/// The unsubscribe link of a subscriber stands once in each part and in the header.
fn can_be_left(mail: &Mail, link: &str) {
    assert_eq!((mail.text.matches(link).count(), mail.html.matches(link).count()), (1, 1), "{}", mail.text);
    assert_eq!(mail.header("List-Unsubscribe"), Some(format!("<{link}>")));
    assert_eq!(mail.header("List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
}

async fn only_subscriber(app: &TestApp) -> SubscriberId {
    sqlx::query_scalar("select id from subscribers").fetch_one(&app.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_7_every_kind_of_mail_is_valid_and_carries_its_own_headers() {
    const TO: &str = "Maria.Muster@xn--strae-oqa.de";
    let app = App::new().start().await;
    app.sign_up("Maria.Muster@straße.de").await;
    let confirmation = valid(&app.relay.wait_for(1).await[0], TO);
    assert_eq!(confirmation.header("Auto-Submitted").unwrap(), "auto-generated");
    for absent in ["List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post"] {
        assert_eq!(confirmation.header(absent), None);
    }
    let link = format!("{SITE}{}", confirmation.link("/confirm/"));
    assert!(confirmation.html.contains(&link));

    app.confirm(&confirmation.link("/confirm/")).await;
    let welcome = valid(&app.relay.wait_for(2).await[1], TO);
    assert_eq!(welcome.subject, "Ihre Anmeldung ist bestätigt: LOK Lausitz");
    let leave = format!("{SITE}{}", app.unsubscribe_path(only_subscriber(&app).await));
    can_be_left(&welcome, &leave);

    app.sign_up("maria.muster@Straße.DE").await;
    let known = valid(&app.relay.wait_for(3).await[2], "maria.muster@xn--strae-oqa.de");
    assert_eq!(known.subject, "Sie sind bereits angemeldet: LOK Lausitz");
    assert_eq!(known.header("Auto-Submitted").unwrap(), "auto-generated");
    can_be_left(&known, &leave);

    app.trigger().await;
    let update = valid(&app.relay.wait_for(4).await[3], TO);
    assert_eq!(update.header("List-Id").unwrap(), "LOK Lausitz <rundbrief.brief.example.org>");
    let help = "<mailto:kontakt@lok-lausitz.example?subject=Hilfe>";
    assert_eq!(update.header("List-Help").as_deref(), Some(help));
    assert_eq!(update.header("Auto-Submitted"), None);
    assert_eq!(update.header("Precedence").as_deref(), Some("list"));
    for mail in [&confirmation, &welcome, &known, &update] {
        // Not `All`, which would keep bounces from coming back.
        assert_eq!(mail.header("X-Auto-Response-Suppress").as_deref(), Some("OOF, AutoReply"));
        assert_eq!(mail.header("Content-Language").as_deref(), Some("de"));
        // It would name the sender to mail providers for their statistics; nobody here needs it.
        assert_eq!(mail.header("Feedback-ID"), None);
    }
    for mail in [&confirmation, &welcome, &known] {
        assert_eq!(mail.header("Precedence"), None, "an answer to one person is no list");
    }
    can_be_left(&update, &leave);
    for part in [&update.text, &update.html] {
        assert!(part.contains("https://www.example.org/a") && part.contains("Ein Satz vorweg."), "{part}");
        assert!(part.contains("Gefördert aus Mitteln der Europäischen Union"), "{part}");
        assert!(part.contains("https://www.lok-lausitz.example/datenschutz"), "{part}");
    }

    let ids: BTreeSet<Option<String>> =
        app.relay.accepted().iter().map(|mail| Mail::parse(&mail.data).header("Message-ID")).collect();
    assert_eq!(ids.len(), 4, "no two mails share a name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_for_unsubscribing_is_named_behind_the_link() {
    let app = App::new().without_publication().start().await;
    let file =
        include_str!("../../publication.example.toml").replace("#unsubscribe_mailto", "unsubscribe_mailto");
    let content = Content::parse(&file).unwrap();
    assert_eq!(content.sender.unsubscribe_mailto.as_ref().unwrap().as_str(), "abmelden@lok-lausitz.example");
    publication::apply(&mut app.pool.acquire().await.unwrap(), &content, Utc::now()).await.unwrap();
    let id = app.subscriber("maria@example.org").await;
    app.trigger().await;
    let update = app.mail(1).await;
    let link = format!("{SITE}{}", app.unsubscribe_path(id));
    let both = format!("<{link}>, <mailto:abmelden@lok-lausitz.example?subject=unsubscribe>");
    assert_eq!(update.header("List-Unsubscribe").as_ref(), Some(&both));
    let line = format!("List-Unsubscribe: {both}");
    assert!(head(&update).contains(&line.as_str()), "it is not folded: {:?}", head(&update));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_subject_with_umlauts_arrives_as_it_was_written() {
    let title =
        "Grüße aus Köln: „Über 14 Projekt-Pitches“ – ein Titel, der länger ist als eine Zeile 🌍 und weiter";
    let app = App::new().start().await;
    app.subscribers(1).await;
    let update = app.update(title).await.to_string();
    Program::beside(&app).run(&["mailings", "trigger", &update, "--yes"]).await.done();
    let mail = valid(&app.relay.wait_for(1).await[0], "s1@example.org");
    assert_eq!(mail.subject, title);
    let lines = head(&mail);
    let at = lines.iter().position(|line| line.starts_with("Subject: ")).unwrap();
    let folded = lines[at + 1..].iter().take_while(|line| line.starts_with(' ')).count();
    assert!(folded > 0, "{lines:?}");
    assert!(lines[at..=at + folded].iter().all(|line| line.len() <= 78), "{lines:?}");
    assert!(mail.text.contains(title) && mail.html.contains(&format!("<title>{title}</title>")));
}

/// A relay that does this once at the final dot, and takes everything after it.
fn once_at_the_dot(action: Action) -> Behaviour {
    let is_over = AtomicBool::new(false);
    behave(
        move |phase, _| {
            if phase == Phase::Dot && !is_over.swap(true, Ordering::Relaxed) { action } else { Action::Go }
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_put_off_comes_once_and_under_the_name_it_had() {
    let app = App::new().relay(once_at_the_dot(Action::Reply("451 4.3.0 not now"))).start().await;
    app.subscribers(1).await;
    let mailing = app.trigger().await;
    app.wait_for_count("select count(*) from deliveries where state = 'pending' and attempts = 1", 1).await;
    assert_eq!(app.relay.accepted_count(), 0);
    app.let_all_be_due().await;
    let mail = app.mail(1).await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let (delivery, attempts): (i64, i16) =
        sqlx::query_as("select id, attempts from deliveries").fetch_one(&app.pool).await.unwrap();
    let name = message_id(DeliveryId(delivery), mailing.0, &app.config.public_url);
    assert_eq!((attempts, mail.header("Message-ID")), (2, Some(name)));
    assert_eq!(app.relay.accepted_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_copy_of_a_mail_has_the_name_of_the_first() {
    // The relay has the mail and the line breaks before it says so; then somebody decides to send it again.
    let app = App::new().relay(once_at_the_dot(Action::Cut)).start().await;
    app.subscribers(1).await;
    let mailing = app.trigger().await;
    app.wait_for_count("select count(*) from deliveries where state = 'unknown'", 1).await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let mut again = app.pool.begin().await.unwrap();
    for statement in [
        "update mailings set state = 'sending', finished_at = null",
        "with batch as (insert into batches (mailing_id, due_at, size) select mailing_id, now(), 1 from deliveries returning id)
         update deliveries set state = 'pending', finished_at = null, batch_id = batch.id from batch",
    ] {
        sqlx::query(statement).execute(&mut *again).await.unwrap();
    }
    again.commit().await.unwrap();
    let copies: Vec<Mail> = app.relay.wait_for(2).await.iter().map(|mail| Mail::parse(&mail.data)).collect();
    assert!(copies[0].header("Message-ID").is_some());
    assert_eq!(copies[0].header("Message-ID"), copies[1].header("Message-ID"));
    assert_eq!((&copies[0].text, &copies[0].html), (&copies[1].text, &copies[1].html));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_that_was_put_off_keeps_its_name_and_gets_a_fresh_link_that_works() {
    let app = App::new().relay(once_at_the_dot(Action::Reply("451 4.3.0 not now"))).start().await;
    app.sign_up("maria@example.org").await;
    app.wait_for_count("select count(*) from deliveries where state = 'pending' and attempts = 1", 1).await;
    app.let_all_be_due().await;
    let mail = app.mail(1).await;
    app.wait_for_count("select count(*) from consent_events where kind = 'mail_accepted'", 1).await;
    let (delivery, signup): (i64, sqlx::types::Uuid) =
        sqlx::query_as("select id, signup_id from deliveries").fetch_one(&app.pool).await.unwrap();
    let name = message_id(DeliveryId(delivery), signup, &app.config.public_url);
    assert_eq!(mail.header("Message-ID"), Some(name));
    assert_eq!(app.count("select count(*) from confirm_tokens").await, 2);
    assert_eq!(app.confirm(&mail.link("/confirm/")).await.heading(), "Sie sind angemeldet");
}
