//! The phone desk: what editors learn of a whole address, and what they may do about it when its owner asks.

use axum::http::Method;
use rundbrief::domain::{
    address::EmailAddress,
    consent::{self, ConsentEvent, ConsentKind, ConsentMethod},
    mailing::MailingState,
    staff::Role,
    suppression::{self, SuppressionReason},
};

use crate::harness::{
    Answer, App, TestApp,
    browser::Browser,
    smtp::{Action, Phase, behave},
};

const MARIA: &str = "maria.muster@example.org";

async fn editor(app: &TestApp) -> Browser<'_> {
    let member = app.member("eda@example.org", Role::Editor).await;
    app.browser_of(&member).await
}

async fn look_up(browser: &Browser<'_>, email: &str) -> Answer {
    browser.post("/staff/phone", &[("email", email)]).await
}

/// Where it stands by the page.
fn standing(page: &Answer) -> &str {
    let from =
        page.body.find("<h2 id=\"standing\"").unwrap_or_else(|| panic!("nothing found in {}", page.body));
    let rest = &page.body[from..];
    &rest[rest.find('>').unwrap() + 1..rest.find("</h2>").unwrap()]
}

async fn events(app: &TestApp, email: &str) -> Vec<ConsentEvent> {
    let address = EmailAddress::parse(email).unwrap().normalized();
    consent::of_address(&mut app.pool.acquire().await.unwrap(), &address).await.unwrap()
}

/// What the desk has logged: action, subject, channel.
async fn log(app: &TestApp) -> Vec<String> {
    let query = "select concat_ws(' ', action, subject, details ->> 'channel') from audit_log
                 where staff_email = 'eda@example.org' order by id";
    sqlx::query_scalar(query).fetch_all(&app.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_finds_a_whole_address_and_no_part_of_one_and_each_look_is_logged() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    let browser = editor(&app).await;
    assert!(browser.get("/staff").await.body.contains("href=\"/staff/phone\""));
    let page = look_up(&browser, " Maria.Muster@EXAMPLE.org ").await;
    assert_eq!(page.status, 200);
    assert!(standing(&page).starts_with("Angemeldet seit "), "{}", page.body);
    assert!(!page.body.contains(&id.to_string()), "editors have no page of a subscriber");
    for part in ["maria", "maria.muster@", "@example.org", "example.org", ""] {
        let page = look_up(&browser, part).await;
        assert_eq!(page.status, 422, "{part}");
        assert!(!page.body.contains(MARIA), "{part}");
    }
    assert_eq!(
        standing(&look_up(&browser, "maria@example.org").await),
        "Zu dieser Adresse ist nichts gespeichert"
    );
    sqlx::query("update subscribers set state = 'bounced'").execute(&app.pool).await.unwrap();
    assert!(standing(&look_up(&browser, MARIA).await).starts_with("Unzustellbar seit "));
    assert_eq!(
        log(&app).await,
        [
            "address_looked_up M…r@example.org",
            "address_looked_up m…a@example.org",
            "address_looked_up m…r@example.org"
        ]
    );
    let told = "select count(*) from events where kind = 'address_looked_up' and ids = '{}'";
    assert_eq!(app.count(told).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_has_so_many_looks_an_hour_and_who_wants_to_leave_leaves_all_the_same() {
    let app = App::new().without_worker().start().await;
    app.subscriber(MARIA).await;
    let browser = editor(&app).await;
    look_up(&browser, MARIA).await;
    let more = "insert into audit_log (at, staff_id, staff_email, action, subject)
                select now() - interval '59 minutes', staff_id, staff_email, action, subject
                from audit_log, generate_series(1, 59) where action = 'address_looked_up'";
    sqlx::query(more).execute(&app.pool).await.unwrap();
    let refused = look_up(&browser, "otto@example.org").await;
    assert_eq!(refused.status, 429);
    assert!(!refused.body.contains("id=\"standing\""));
    // Nothing can be found out by doing something either.
    for path in ["again", "unsubscribe", "discard"] {
        let form = [("email", "otto@example.org"), ("channel", "phone")];
        assert_eq!(browser.post(&format!("/staff/phone/{path}"), &form).await.status, 429, "{path}");
    }
    let left = browser.post("/staff/phone/unsubscribe", &[("email", MARIA), ("channel", "phone")]).await;
    assert_eq!(left.header("location"), "/staff/phone?done=unsubscribed");
    let other = app.member("bo@example.org", Role::Editor).await;
    assert_eq!(look_up(&app.browser_of(&other).await, MARIA).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_the_last_mailings_is_told_in_words_with_the_code() {
    let app = App::new().start().await;
    app.subscriber(MARIA).await;
    app.subscriber("anna@example.org").await;
    let first = app.trigger().await;
    app.wait_for_state(first, MailingState::Done).await;
    app.relay.set(behave(|phase, to| match phase {
        Phase::Rcpt if to == MARIA => {
            Action::Reply("552 5.2.2 <maria.muster@example.org>: over quota, call 0355-1")
        }
        _ => Action::Go,
    }));
    let second = app.trigger().await;
    app.wait_for_state(second, MailingState::Done).await;
    let page = look_up(&editor(&app).await, MARIA).await;
    assert_eq!(page.body.matches("Neues aus der Werkstatt").count(), 2, "{}", page.body);
    assert!(page.body.contains("Das Postfach ist voll. Code <code>552</code>"), "{}", page.body);
    assert!(!page.body.contains("over quota"), "the relay's words may name anybody");
    let (refused, accepted) =
        (page.body.find(">abgelehnt<").unwrap(), page.body.find(">angenommen<").unwrap());
    assert!(refused < accepted, "the newest comes first");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_to_leave_is_unsubscribed_after_one_question_and_the_record_says_how_they_asked() {
    let app = App::new().without_worker().start().await;
    app.subscriber(MARIA).await;
    let browser = editor(&app).await;
    let before = app.whole_database().await;
    let question = browser.post("/staff/phone/ask", &[("email", MARIA), ("what", "unsubscribe")]).await;
    assert_eq!((question.status.as_u16(), question.heading()), (200, "Abmelden?"));
    assert!(question.body.contains("action=\"/staff/phone/unsubscribe\""), "{}", question.body);
    let form =
        |channel: &'static str, note: &'static str| [("email", MARIA), ("channel", channel), ("note", note)];
    for (form, told) in [
        (form("", ""), "wie die Person Sie darum gebeten hat"),
        (form("letter", "von mia@example.org"), "ohne E\u{2011}Mail-Adressen"),
    ] {
        let again = browser.post("/staff/phone/unsubscribe", &form).await;
        assert_eq!((again.status.as_u16(), again.heading()), (422, "Abmelden?"));
        assert!(again.body.contains(told), "{}", again.body);
    }
    assert_eq!(app.whole_database().await, before, "a question changes nothing");

    let done = browser.post("/staff/phone/unsubscribe", &form("letter", "Brief vom 27.11., Ordner 3")).await;
    assert_eq!(done.header("location"), "/staff/phone?done=unsubscribed");
    assert_eq!(app.count("select count(*) from subscribers where state = 'unsubscribed'").await, 1);
    let again = browser.post("/staff/phone/unsubscribe", &form("phone", "")).await;
    assert_eq!(again.status, 409);
    assert!(standing(&again).starts_with("Abgemeldet seit "), "{}", again.body);
    assert!(again.body.contains("Dazu gab es nichts zu tun"), "{}", again.body);

    let events = events(&app, MARIA).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].kind, events[0].method), (ConsentKind::Withdrawn, ConsentMethod::Letter));
    assert_eq!(events[0].source.as_deref(), Some("Brief vom 27.11., Ordner 3"));
    assert_eq!(
        (events[0].what(), events[0].how()),
        ("unsubscribed", "letter"),
        "it claims no act of the person"
    );
    assert_eq!(
        log(&app).await,
        ["subscriber_unsubscribed m…r@example.org letter", "address_looked_up m…r@example.org"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn entering_somebody_on_request_asks_them_by_mail_and_only_their_answer_subscribes_them() {
    let app = App::new().start().await;
    let browser = editor(&app).await;
    let form =
        [("email", "Otto@example.org"), ("channel", "in_person"), ("note", "Infostand"), ("locale", "en")];
    let question = browser.post("/staff/phone/ask", &[form[0], ("what", "enter")]).await;
    assert!(question.body.contains("Wir tragen niemanden ein"), "{}", question.body);
    let done = browser.post("/staff/phone/enter", &form).await;
    assert_eq!(done.header("location"), "/staff/phone?done=phone_entered");
    let mail = app.mail(1).await;
    assert_eq!(
        app.count("select count(*) from subscribers").await,
        0,
        "nobody is subscribed by somebody else"
    );
    let words: String = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [&words, &mail.html] {
        assert!(part.contains("our office entered this email address"), "it says who did: {part}");
        assert!(!part.contains("was ordered"), "nobody has ordered anything: {part}");
    }
    let page = app.request(Method::GET, &mail.link("/confirm/"), &[("accept-language", "en")], "").await.body;
    assert!(page.contains("Yes, I would like"), "the text is read here first: {page}");
    assert!(!page.contains("On the page"), "it was no page of theirs: {page}");
    app.wait_for_count("select count(*) from deliveries where state = 'accepted'", 1).await;
    let waits = look_up(&browser, "otto@example.org").await;
    assert_eq!(standing(&waits), "Nicht angemeldet");
    assert!(waits.body.contains("Eine Anmeldung wartet auf Bestätigung"), "{}", waits.body);
    let requested = &events(&app, "otto@example.org").await[0];
    assert_eq!((requested.kind, requested.method), (ConsentKind::Requested, ConsentMethod::InPerson));
    assert_eq!((requested.what(), requested.source.as_deref()), ("requested_by_staff", Some("Infostand")));
    assert_eq!(requested.consent_text, None, "its owner has read nothing yet");
    assert_eq!(requested.form_page.as_deref(), Some("https://brief.example.org/staff/phone"));
    app.confirm(&mail.link("/confirm/")).await;
    assert_eq!(
        app.count("select count(*) from subscribers where state = 'active' and locale = 'en'").await,
        1
    );

    let again = browser.post("/staff/phone/enter", &form).await;
    assert_eq!(again.status, 409, "there is nothing to ask");
    let never = EmailAddress::parse("nie@example.org").unwrap().normalized();
    let mut db = app.pool.acquire().await.unwrap();
    let (keys, now) = (&app.config.secret_keys, chrono::Utc::now());
    suppression::add(&mut db, keys, &never, SuppressionReason::Complained, now).await.unwrap();
    drop(db);
    let refused =
        browser.post("/staff/phone/enter", &[("email", "nie@example.org"), ("channel", "mail")]).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("hat sich beschwert"), "{}", refused.body);
    assert!(!refused.body.contains("value=\"enter\""), "{}", refused.body);
    assert_eq!(app.count("select count(*) from signups").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signup_that_waits_is_sent_again_or_discarded_and_its_links_then_say_so() {
    let app = App::new().start().await;
    app.sign_up(MARIA).await;
    let first = app.mail(1).await.link("/confirm/");
    app.wait_for_count("select count(*) from deliveries where state = 'accepted'", 1).await;
    let browser = editor(&app).await;
    let page = look_up(&browser, MARIA).await;
    assert!(page.body.contains("Eine Anmeldung wartet auf Bestätigung"), "{}", page.body);
    assert!(page.body.contains("action=\"/staff/phone/again\""), "{}", page.body);
    let again = browser.post("/staff/phone/again", &[("email", MARIA)]).await;
    assert_eq!(again.header("location"), "/staff/phone?done=phone_sent_again");
    let second = app.mail(2).await.link("/confirm/");
    assert_ne!(first, second);
    for link in [&first, &second] {
        assert_eq!(app.get(link).await.status, 200, "both work");
    }

    let form = [("email", MARIA), ("channel", "phone"), ("note", "")];
    let discarded = browser.post("/staff/phone/discard", &form).await;
    assert_eq!(discarded.header("location"), "/staff/phone?done=phone_discarded");
    for link in [&first, &second] {
        assert_eq!(app.get(link).await.heading(), "Diese Anfrage wurde verworfen");
        assert_eq!(app.post(link, "action=confirm").await.status, 410);
    }
    assert_eq!(app.count("select count(*) from subscribers").await, 0);
    assert_eq!(browser.post("/staff/phone/discard", &form).await.status, 409);
    let last = events(&app, MARIA).await.pop().unwrap();
    assert_eq!(
        (last.kind, last.method, last.what()),
        (ConsentKind::Cancelled, ConsentMethod::Phone, "discarded")
    );
    let told =
        "select count(*) from events where kind = 'signup_discarded' and actor = 'member' and ids ? 'signup'";
    assert_eq!(app.count(told).await, 1);
    assert_eq!(
        log(&app).await,
        [
            "address_looked_up m…r@example.org",
            "confirmation_sent_again m…r@example.org",
            "signup_discarded m…r@example.org phone",
            "address_looked_up m…r@example.org"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_has_not_gone_yet_does_not_go_once_its_signup_is_discarded() {
    let app = App::new().without_worker().start().await;
    app.sign_up(MARIA).await;
    let browser = editor(&app).await;
    let page = look_up(&browser, MARIA).await;
    assert!(!page.body.contains("action=\"/staff/phone/again\""), "one is on its way: {}", page.body);
    let again = browser.post("/staff/phone/again", &[("email", MARIA)]).await;
    assert_eq!(again.status, 409);
    browser.post("/staff/phone/discard", &[("email", MARIA), ("channel", "phone")]).await;
    assert_eq!(app.count("select count(*) from deliveries where state = 'skipped'").await, 1);
    assert_eq!(app.count("select count(*) from batches").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_find_signups_that_wait_and_editors_do_not_browse_them() {
    let app = App::new().without_worker().start().await;
    app.sign_up("warte@example.org").await;
    app.sign_up("mia.warte@example.net").await;
    app.sign_up("over@example.org").await;
    sqlx::query("update signups set expires_at = now() where email like 'over%'")
        .execute(&app.pool)
        .await
        .unwrap();
    app.subscriber("warten@example.org").await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let found = browser.get("/staff/subscribers?q=warte").await;
    for email in ["warte@example.org", "mia.warte@example.net", "warten@example.org"] {
        assert!(found.body.contains(&format!("{email}<")), "{email} in {}", found.body);
    }
    let waiting = browser.get("/staff/subscribers?state=waiting").await;
    assert!(waiting.body.contains("2 Anmeldungen warten auf Bestätigung"), "{}", waiting.body);
    assert!(
        !waiting.body.contains("warten@example.org") && !waiting.body.contains("over@"),
        "{}",
        waiting.body
    );
    assert!(!browser.get("/staff/subscribers").await.body.contains("warte@example.org"));
    let email = waiting.field("email");
    let page = look_up(&browser, &email).await;
    assert!(page.body.contains("Eine Anmeldung wartet auf Bestätigung"), "{}", page.body);
    assert_eq!(editor(&app).await.get("/staff/subscribers?state=waiting").await.status, 403);
}
