//! The consent record: what is recorded, with the text that was shown, and that nothing changes it afterwards.

use chrono::{DateTime, TimeDelta, Utc};
use rundbrief::domain::{
    address::EmailAddress,
    consent::{self, ConsentEvent, ConsentKind, ConsentMethod, NewEvent},
    locale::Locale,
    publication::{self, Content},
};
use serde_json::{Value, json};

use crate::harness::{App, TestApp, mail::Mail, program::Program};

const PUBLICATION: &str = include_str!("../../publication.example.toml");

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

/// What is recorded of an address.
async fn events(app: &TestApp, email: &str) -> Vec<ConsentEvent> {
    let mut db = app.pool.acquire().await.unwrap();
    consent::of_address(&mut db, &address(email).normalized()).await.unwrap()
}

/// SHA-256 of a text in hex, by a program other than ours.
async fn sha256(app: &TestApp, text: &str) -> String {
    let query = "select encode(sha256(convert_to($1, 'UTF8')), 'hex')";
    sqlx::query_scalar(query).bind(text).fetch_one(&app.pool).await.unwrap()
}

/// Signs up and waits until the record says that the relay took the mail.
async fn signed_up(app: &TestApp, form: &str) -> Mail {
    let before = app.relay.accepted_count();
    assert_eq!(app.post("/subscribe", form).await.status, 303);
    let mail = app.mail(before + 1).await;
    app.wait_for_count("select count(*) from deliveries where state <> 'accepted'", 0).await;
    mail
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_journey_stands_in_order_with_what_was_shown_and_answered() {
    let app = App::new().start().await;
    let began = Utc::now() - TimeDelta::milliseconds(1);
    let page = app.get("/").await;
    let form = "email=Maria.Muster%40Example.ORG&locale=de&consent_version=1&page=https%3A%2F%2Fwww.lok-lausitz.example%2Faktuelles";
    let confirmation = signed_up(&app, form).await;
    assert_eq!(app.confirm(&confirmation.link("/confirm/")).await.status, 200);
    let welcome = app.mail(2).await;
    assert_eq!(app.post(&welcome.link("/unsubscribe/"), "").await.status, 200);

    let show = ["subscribers", "show", "maria.muster@EXAMPLE.org", "--json"];
    let record = Program::beside(&app).run(&show).await.json();
    assert_eq!(record["subscriber"]["email"], "Maria.Muster@example.org");
    assert_eq!(record["subscriber"]["state"], "unsubscribed");
    assert_eq!((&record["signups"][0]["state"], &record["suppressed"]), (&json!("confirmed"), &Value::Null));
    let kinds: Vec<&Value> =
        record["deliveries"].as_array().unwrap().iter().map(|sent| &sent["kind"]).collect();
    assert_eq!(kinds, ["confirmation", "welcome"]);
    let events = record["consent_events"].as_array().unwrap();
    let happened: Vec<(&str, &str)> = events
        .iter()
        .map(|event| (event["kind"].as_str().unwrap(), event["method"].as_str().unwrap()))
        .collect();
    assert_eq!(
        happened,
        [
            ("requested", "form"),
            ("mail_accepted", "relay"),
            ("link_opened", "link"),
            ("confirmed", "button"),
            ("withdrawn", "link"),
        ]
    );
    for event in events {
        assert_eq!(event["email"], "Maria.Muster@example.org", "as it was typed: {event}");
        assert_eq!(event["client_ip"], Value::Null);
    }
    let times: Vec<DateTime<Utc>> =
        events.iter().map(|event| event["at"].as_str().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted() && began < times[0] && times[4] <= Utc::now(), "{times:?}");

    let text = Content::parse(PUBLICATION).unwrap().texts(Locale::De).consent;
    assert!(page.body.contains(&text), "the page shows {text}");
    let hash = sha256(&app, &text).await;
    for shown in [&events[0], &events[3]] {
        assert_eq!(shown["form_page"], "https://www.lok-lausitz.example/aktuelles");
        assert_eq!((&shown["publication_version"], &shown["consent_locale"]), (&json!(1), &json!("de")));
        assert_eq!((&shown["consent_text"], &shown["consent_text_sha256"]), (&json!(text), &json!(hash)));
    }
    let accepted = &events[1];
    assert_eq!((&accepted["smtp_code"], &accepted["smtp_text"]), (&json!(250), &json!("2.0.0 taken")));
    assert_eq!(accepted["message_id"], confirmation.header("Message-ID").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn that_was_not_me_is_recorded_and_makes_no_subscriber() {
    let app = App::new().start().await;
    let mail = signed_up(&app, "email=maria%40example.org&locale=en").await;
    let page = app.get(&mail.link("/confirm/")).await;
    let pressed = format!("action=decline&opened={}", page.field("opened"));
    assert_eq!(app.post(&page.form_action(), &pressed).await.status, 200);
    let events = events(&app, "maria@example.org").await;
    let kinds: Vec<ConsentKind> = events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [ConsentKind::Requested, ConsentKind::MailAccepted, ConsentKind::LinkOpened, ConsentKind::Declined]
    );
    let text = Content::parse(PUBLICATION).unwrap().texts(Locale::En).consent;
    assert_eq!(events[3].consent_text.as_deref(), Some(text.as_str()), "in the language it was shown in");
    assert_eq!(app.count("select count(*) from subscribers").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_and_undo_are_recorded_as_what_they_were() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber("maria@example.org").await;
    let page = app.post(&app.unsubscribe_path(id), "List-Unsubscribe=One-Click").await;
    assert_eq!(app.post(&page.form_action(), "").await.status, 200);
    let recorded: Vec<(ConsentKind, ConsentMethod)> =
        events(&app, "maria@example.org").await.iter().map(|event| (event.kind, event.method)).collect();
    assert_eq!(
        recorded,
        [(ConsentKind::Withdrawn, ConsentMethod::OneClick), (ConsentKind::Confirmed, ConsentMethod::Undo)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_consent_text_leaves_the_proof_of_the_old_one_as_it_was() {
    let app = App::new().without_worker().start().await;
    app.sign_up("before@example.org").await;
    let new = PUBLICATION.replace("jederzeit mit Wirkung", "stets mit Wirkung");
    let (old, new) = (Content::parse(PUBLICATION).unwrap(), Content::parse(&new).unwrap());
    publication::apply(&mut app.pool.acquire().await.unwrap(), &new, Utc::now()).await.unwrap();
    app.post("/subscribe", "email=after%40example.org&locale=de&consent_version=2").await;
    // This visitor had the page open since before.
    app.post("/subscribe", "email=between%40example.org&locale=de&consent_version=1").await;
    for (email, version, content) in
        [("before@example.org", 1, &old), ("after@example.org", 2, &new), ("between@example.org", 1, &old)]
    {
        let recorded = events(&app, email).await.swap_remove(0);
        let text = content.texts(Locale::De).consent;
        assert_eq!(recorded.publication_version, Some(version), "{email}");
        assert_eq!(recorded.consent_text_sha256, Some(sha256(&app, &text).await), "{email}");
        assert_eq!(recorded.consent_text, Some(text), "{email}");
    }
}

/// A statement that the database must refuse, as a breach of its integrity.
async fn refused(db: &mut sqlx::PgConnection, statement: &'static str) {
    let error = sqlx::query(statement).execute(db).await.expect_err(statement);
    let code = error.as_database_error().expect("an error of the database").code().unwrap_or_default();
    assert_eq!(code, "23000", "{statement} gave {error}");
}

/// Everything in the two tables, as one text.
async fn proof(app: &TestApp) -> String {
    let query = "select concat((select string_agg(e::text, '|' order by id) from consent_events e),
                               (select string_agg(p::text, '|' order by version) from publications p))";
    sqlx::query_scalar(query).fetch_one(&app.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_itself_refuses_to_change_or_remove_the_proof() {
    let app = App::new().without_worker().start().await;
    app.sign_up("maria@example.org").await;
    let before = proof(&app).await;
    assert!(before.contains("maria@example.org") && before.contains("LOK Lausitz"), "{before}");
    for statement in [
        "update consent_events set at = at - interval '1 day'",
        "update consent_events set client_ip = null",
        "delete from consent_events",
        "truncate consent_events",
        "update publications set applied_at = now()",
        "delete from publications",
        "truncate publications cascade",
    ] {
        refused(&mut app.pool.acquire().await.unwrap(), statement).await;
    }
    assert_eq!(proof(&app).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_lawful_ways_in_are_shut_again_behind_them() {
    let app = App::new().setting("KEEP_IP_DAYS", "7").without_worker().start().await;
    for email in ["maria@example.org", "anna@example.org", "otto@example.org"] {
        app.sign_up(email).await;
    }
    for lawful in ["select erase_consent_events('otto@example.org')", "select forget_client_ips(now())"] {
        for statement in ["update consent_events set form_page = 'x'", "delete from consent_events"] {
            let mut transaction = app.pool.begin().await.unwrap();
            let done: i64 = sqlx::query_scalar(lawful).fetch_one(&mut *transaction).await.unwrap();
            assert!(done > 0, "{lawful} does something");
            refused(&mut transaction, statement).await;
            transaction.rollback().await.unwrap();
        }
    }
    let mut db = app.pool.acquire().await.unwrap();
    let erased = consent::erase(&mut db, &address("Otto@example.org").normalized()).await.unwrap();
    assert_eq!(erased, 1);
    let left = "select count(*) from consent_events where email in ('maria@example.org', 'anna@example.org')";
    assert_eq!((app.count(left).await, app.count("select count(*) from consent_events").await), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitors_ip_address_is_recorded_only_where_the_operator_asks_for_it() {
    let form = "email=maria%40example.org&locale=de";
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-forwarded-for", "192.0.2.1, 198.51.100.7"),
    ];
    let cases: [(&[(&'static str, &str)], Option<&str>); 4] = [
        (&[], None),
        (&[("TRUSTED_PROXIES", "127.0.0.1")], None),
        (&[("KEEP_IP_DAYS", "7")], Some("127.0.0.1")),
        (&[("KEEP_IP_DAYS", "7"), ("TRUSTED_PROXIES", "127.0.0.1")], Some("198.51.100.7")),
    ];
    for (settings, recorded) in cases {
        let app = settings.iter().fold(App::new(), |app, &(name, value)| app.setting(name, value));
        let app = app.without_worker().start().await;
        assert_eq!(app.request(axum::http::Method::POST, "/subscribe", &headers, form).await.status, 303);
        let events = events(&app, "maria@example.org").await;
        assert_eq!(events[0].client_ip.as_deref(), recorded, "{settings:?}");
    }
    // A trusted proxy's own address is no visitor's.
    let app = App::new().setting("KEEP_IP_DAYS", "7").setting("TRUSTED_PROXIES", "127.0.0.1");
    let app = app.without_worker().start().await;
    let headers = [headers[0], ("x-forwarded-for", "unknown")];
    app.request(axum::http::Method::POST, "/subscribe", &headers, form).await;
    assert_eq!(events(&app, "maria@example.org").await[0].client_ip, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ip_address_is_forgotten_when_its_days_are_over_and_the_event_stays() {
    const KNOWN: &str = "select count(*) from consent_events where client_ip is not null";
    let first = App::new().setting("KEEP_IP_DAYS", "3650").without_worker().start().await;
    let (email, now) = (address("maria@example.org"), Utc::now());
    for days in [8, 3] {
        let event = NewEvent {
            client_ip: Some("192.0.2.1".parse().unwrap()),
            form_page: Some("https://www.example.org/"),
            ..NewEvent::new(ConsentKind::Requested, ConsentMethod::Form, &email, now - TimeDelta::days(days))
        };
        consent::record(&mut first.pool.acquire().await.unwrap(), &event).await.unwrap();
    }
    let url = first.config.database_url.clone();
    let again = App::new().setting("DATABASE_URL", &url).without_worker();
    let kept = again.setting("KEEP_IP_DAYS", "7").start().await;
    kept.wait_for_count(KNOWN, 1).await;
    let recorded = events(&kept, "maria@example.org").await;
    assert_eq!(
        (recorded[0].client_ip.as_deref(), recorded[1].client_ip.as_deref()),
        (None, Some("192.0.2.1"))
    );
    assert!(recorded.iter().all(|event| event.form_page.as_deref() == Some("https://www.example.org/")));

    // An operator who turns it off keeps none.
    let off = App::new().setting("DATABASE_URL", &url).without_worker().start().await;
    off.wait_for_count(KNOWN, 0).await;
    assert_eq!(events(&off, "maria@example.org").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_address_that_no_database_takes_does_not_keep_a_visitor_out() {
    let app = App::new().without_worker().start().await;
    let form = "email=maria%40example.org&locale=de&page=https%3A%2F%2Fwww.example.org%2F%00a";
    assert_eq!(app.post("/subscribe", form).await.status, 303);
    assert_eq!(events(&app, "maria@example.org").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_can_be_read_by_people_too() {
    let app = App::new().start().await;
    let mail = signed_up(&app, "email=Maria%40example.org&locale=de").await;
    app.confirm(&mail.link("/confirm/")).await;
    let program = Program::beside(&app);
    let ran = program.run(&["subscribers", "show", "maria@example.org"]).await;
    let text = Content::parse(PUBLICATION).unwrap().texts(Locale::De).consent;
    let hash = sha256(&app, &text).await;
    let message_id = mail.header("Message-ID").unwrap();
    for line in [
        "active since ",
        "signup 20",
        "Consent events, oldest first",
        "Messages, oldest first",
        "requested (form)",
        "mail_accepted (relay)",
        "link_opened (link)",
        "confirmed (button)",
        "typed address: Maria@example.org",
        "form on: https://brief.example.org/",
        "text shown: version 1, language de",
        "relay answered: 250 2.0.0 taken",
        &format!("text SHA-256: {hash}"),
        &format!("text: {text}"),
        &format!("Message-ID: {message_id}"),
    ] {
        assert!(ran.done().contains(line), "{line} in {ran:?}");
    }
    let nobody = program.run(&["subscribers", "show", "nobody@example.org"]).await;
    assert!(nobody.refused(1).contains("nothing is recorded about nobody@example.org"), "{nobody:?}");
}
