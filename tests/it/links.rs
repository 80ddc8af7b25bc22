//! Every link in every state of its subject: the page states the truth and offers a way on, and the record contains
//! what happened and nothing else.

use axum::http::Method;
use chrono::{DateTime, Utc};
use rundbrief::domain::{
    address::EmailAddress,
    consent::{self, ConsentEvent, ConsentKind, ConsentMethod, NewEvent},
    ids::{SignupId, SubscriberId},
    signup,
    token::{ConfirmToken, LinkPurpose, access_token, subscriber_token, undo_token},
};

use crate::harness::{Answer, App, TestApp, program::Program};

/// Somebody, and the links in their mails.
#[derive(Default)]
struct Person {
    email: String,
    id: Option<SubscriberId>,
    /// Of the confirmation mail.
    confirm: Option<String>,
    /// Of the mail to another address.
    change: Option<String>,
}

impl Person {
    fn id(&self) -> SubscriberId {
        self.id.expect("a subscriber")
    }
}

/// What a link can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Confirm(&'static str),
    Change(&'static str),
    LookUnsubscribe,
    Unsubscribe,
    Undo,
    Settings,
    Data,
}

/// Looking, and the two buttons.
const LOOK: &str = "";
const YES: &str = "action=confirm";
const NO: &str = "action=decline";

async fn use_link(app: &TestApp, person: &Person, using: Use) -> Answer {
    let keys = &app.config.secret_keys;
    let token = |purpose| subscriber_token(keys, purpose, person.id());
    let (path, form) = match using {
        Use::Confirm(pressed) => (person.confirm.clone().expect("a confirm link"), pressed),
        Use::Change(pressed) => (person.change.clone().expect("a link of a change"), pressed),
        Use::LookUnsubscribe => (format!("/unsubscribe/{}", token(LinkPurpose::Unsubscribe)), LOOK),
        Use::Unsubscribe => (format!("/unsubscribe/{}", token(LinkPurpose::Unsubscribe)), "from=unsubscribe"),
        Use::Undo => (
            format!("/resubscribe/{}", undo_token(keys, person.id(), left_at(app, person.id()).await)),
            "undo=1",
        ),
        Use::Settings => (format!("/manage/{}", token(LinkPurpose::Manage)), LOOK),
        Use::Data => (data_path(app, person.id(), &person.email), LOOK),
    };
    if form != LOOK {
        return app.post(&path, form).await;
    }
    let before = app.whole_database().await;
    let answer = app.get(&path).await;
    assert_eq!(app.whole_database().await, before, "{using:?} changes nothing");
    answer
}

fn data_path(app: &TestApp, id: SubscriberId, email: &str) -> String {
    let address = EmailAddress::parse(email).unwrap().normalized();
    format!("/data/{}", access_token(&app.config.secret_keys, id, &address, Utc::now()))
}

fn manage_path(app: &TestApp, id: SubscriberId) -> String {
    format!("/manage/{}", subscriber_token(&app.config.secret_keys, LinkPurpose::Manage, id))
}

/// When somebody left, if they did: the undo of that very leaving.
async fn left_at(app: &TestApp, id: SubscriberId) -> DateTime<Utc> {
    sqlx::query_scalar("select state_changed_at from subscribers where id = $1")
        .bind(id.0)
        .fetch_optional(&app.pool)
        .await
        .unwrap()
        .unwrap_or_else(Utc::now)
}

async fn id_of(app: &TestApp, email: &str) -> SubscriberId {
    let id: uuid::Uuid = sqlx::query_scalar("select id from subscribers where email = $1")
        .bind(email)
        .fetch_one(&app.pool)
        .await
        .unwrap();
    SubscriberId(id)
}

/// Their mails count as sent, as they would with a worker.
async fn all_are_sent(app: &TestApp) {
    sqlx::query("update deliveries set state = 'accepted', finished_at = now() where state = 'pending'")
        .execute(&app.pool)
        .await
        .unwrap();
}

async fn execute(app: &TestApp, statement: &'static str, email: &str) {
    sqlx::query(statement).bind(email).execute(&app.pool).await.unwrap();
}

async fn asks(app: &TestApp, email: &str) -> Person {
    let token = app.sign_up_unsent(email).await;
    Person { email: email.into(), confirm: Some(format!("/confirm/{}", token.reveal())), ..Person::default() }
}

async fn subscribes(app: &TestApp, email: &str) -> Person {
    let mut person = asks(app, email).await;
    let answer = app.confirm(person.confirm.as_ref().unwrap()).await;
    assert_eq!(answer.heading(), "Sie sind angemeldet");
    person.id = Some(id_of(app, email).await);
    person
}

/// Asks for another address; answers the link in the mail to it.
async fn asks_for(app: &TestApp, person: &Person, new: &str) -> String {
    let form = format!("email={}", new.replace('@', "%40"));
    let asked = app.post(&format!("{}/address", data_path(app, person.id(), &person.email)), &form).await;
    assert_eq!(asked.heading(), "Bitte bestätigen Sie die neue Adresse");
    let mut db = app.pool.acquire().await.unwrap();
    let id: uuid::Uuid =
        sqlx::query_scalar("select id from signups where replaces is not null and email = $1")
            .bind(new)
            .fetch_one(&mut *db)
            .await
            .unwrap();
    let token = ConfirmToken::mint();
    signup::keep_token(&mut db, SignupId(id), token.hash(), Utc::now()).await.unwrap();
    format!("/confirm/{}", token.reveal())
}

fn new_address(email: &str) -> String {
    email.replace("@example.org", "@example.net")
}

/// Somebody in this state.
async fn in_state(app: &TestApp, state: &str, email: &str) -> Person {
    if let Some(change) = state.strip_prefix("change ") {
        return in_change(app, change, email).await;
    }
    match state {
        "waiting" => asks(app, email).await,
        "declined" => {
            let person = asks(app, email).await;
            app.post(person.confirm.as_ref().unwrap(), NO).await;
            person
        }
        "expired" => {
            let person = asks(app, email).await;
            execute(app, "update signups set expires_at = now() where email = $1", email).await;
            person
        }
        "forgotten" => {
            let person = asks(app, email).await;
            execute(app, "delete from deliveries where $1 <> ''", email).await;
            execute(app, "delete from signups where email = $1", email).await;
            person
        }
        "superseded" | "superseded, then left" => {
            let first = asks(app, email).await;
            all_are_sent(app).await;
            let other = subscribes(app, email).await;
            if state != "superseded" {
                use_link(app, &other, Use::Unsubscribe).await;
            }
            first
        }
        "declined, but subscribed" => {
            let first = asks(app, email).await;
            app.post(first.confirm.as_ref().unwrap(), NO).await;
            app.subscriber(email).await;
            first
        }
        "waiting, but imported" => {
            let first = asks(app, email).await;
            app.subscriber(email).await;
            first
        }
        "confirmed" => subscribes(app, email).await,
        "left" => {
            let person = subscribes(app, email).await;
            use_link(app, &person, Use::Unsubscribe).await;
            person
        }
        "erased" => {
            let person = subscribes(app, email).await;
            app.post(&format!("{}/erase", data_path(app, person.id(), email)), "action=erase").await;
            person
        }
        "complained" => {
            let person = subscribes(app, email).await;
            execute(app, "update subscribers set state = 'complained' where email = $1", email).await;
            person
        }
        "moved" => {
            let person = subscribes(app, email).await;
            let change = asks_for(app, &person, &new_address(email)).await;
            assert_eq!(app.confirm(&change).await.heading(), "Ihre neue Adresse gilt");
            person
        }
        _ => panic!("{state}"),
    }
}

/// Somebody whose request for another address is in this state.
async fn in_change(app: &TestApp, state: &str, email: &str) -> Person {
    let mut person = subscribes(app, email).await;
    let change = asks_for(app, &person, &new_address(email)).await;
    match state {
        "waiting" => {}
        "confirmed" => drop(app.confirm(&change).await),
        "declined" => {
            let opened = app.get(&change).await.field("opened");
            app.post(&change, &format!("{NO}&opened={opened}")).await;
        }
        "expired" => {
            execute(
                app,
                "update signups set expires_at = now() where replaces is not null and $1 <> ''",
                "x",
            )
            .await;
        }
        "superseded" => drop(asks_for(app, &person, &email.replace('@', "-newer@")).await),
        "cancelled" => drop(app.post(&manage_path(app, person.id()), "action=keep_address").await),
        "left" => drop(use_link(app, &person, Use::Unsubscribe).await),
        // As an earlier version left one that was replaced or called off.
        "ended" => {
            execute(
                app,
                "update signups set state = 'declined', ended_at = now() where email = $1",
                &new_address(email),
            )
            .await;
            old_event(app, ConsentKind::Declined, &new_address(email), Some(&change)).await;
        }
        "erased" => {
            app.post(&format!("{}/erase", data_path(app, person.id(), email)), "action=erase").await;
        }
        _ => panic!("{state}"),
    }
    person.change = Some(change);
    person
}

/// An event by `button`, as an earlier version wrote it.
async fn old_event(app: &TestApp, kind: ConsentKind, email: &str, link: Option<&str>) {
    let mut db = app.pool.acquire().await.unwrap();
    let email = EmailAddress::parse(email).unwrap();
    let signup = match link.and_then(|link| ConfirmToken::parse(link.trim_start_matches("/confirm/"))) {
        Some(token) => signup::by_token(&mut db, token.hash()).await.unwrap().map(|signup| signup.id),
        None => None,
    };
    let event = NewEvent { signup, ..NewEvent::new(kind, ConsentMethod::Button, &email, Utc::now()) };
    consent::record(&mut db, &event).await.unwrap();
}

async fn events(app: &TestApp, email: &str) -> Vec<ConsentEvent> {
    let address = EmailAddress::parse(email).unwrap().normalized();
    consent::of_address(&mut app.pool.acquire().await.unwrap(), &address).await.unwrap()
}

async fn recorded(app: &TestApp, email: &str) -> Vec<String> {
    let told = |event: &ConsentEvent| format!("{:?} by {:?}", event.kind, event.method);
    events(app, email).await.iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_says_what_is_so_in_every_state() {
    const ASKS: (u16, &str) = (200, "Möchten Sie den Newsletter bekommen?");
    const IN: (u16, &str) = (200, "Sie sind angemeldet");
    const STILL_IN: (u16, &str) = (200, "Diese Adresse ist angemeldet");
    const NO_SIGNUP: (u16, &str) = (200, "Die Anmeldung ist beendet");
    const WAS_DECLINED: (u16, &str) = (410, "Diese Anmeldung ist beendet");
    const EXPIRED: (u16, &str) = (410, "Dieser Link ist abgelaufen");
    const UNKNOWN: (u16, &str) = (404, "Dieser Link passt nicht");
    const OVER: (u16, &str) = (410, "Dieses Abonnement ist beendet");
    const MOVED: (u16, &str) = (410, "Der Newsletter geht an eine andere Adresse");
    const LEAVE: (u16, &str) = (200, "Newsletter abbestellen");
    const OUT: (u16, &str) = (200, "Sie sind abgemeldet");
    const BACK: (u16, &str) = (200, "Sie sind wieder angemeldet");
    const NO_WAY_BACK: (u16, &str) = (410, "Das lässt sich nicht mehr rückgängig machen");
    const SETTINGS: (u16, &str) = (200, "Ihre Einstellungen");
    const DATA: (u16, &str) = (200, "Ihre Daten");
    const OLD_DATA: (u16, &str) = (404, "Dieser Link galt für eine frühere Adresse");
    const NOTHING: (u16, &str) = (410, "Hierzu ist nichts mehr gespeichert");
    const ASKS_CHANGE: (u16, &str) = (200, "Soll der Newsletter künftig hierher kommen?");
    const CHANGED: (u16, &str) = (200, "Ihre neue Adresse gilt");
    const KEPT: (u16, &str) = (200, "Die Adresse wird nicht geändert");
    const CHANGE_OVER: (u16, &str) = (410, "Diese Änderung ist beendet");
    const NEWER: (u16, &str) = (410, "Es gibt eine neuere Anfrage");
    const CANCELLED: (u16, &str) = (410, "Diese Änderung wurde abgebrochen");

    let [look, yes, no] = [LOOK, YES, NO].map(Use::Confirm);
    let [look_change, yes_change, no_change] = [LOOK, YES, NO].map(Use::Change);
    let confirm = |a, b, c| vec![(look, a), (yes, b), (no, c)];
    let change = |a, b, c| vec![(look_change, a), (yes_change, b), (no_change, c)];
    let own = |a, b, c, d, e| {
        vec![
            (Use::LookUnsubscribe, a),
            (Use::Unsubscribe, b),
            (Use::Undo, c),
            (Use::Settings, d),
            (Use::Data, e),
        ]
    };
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<(Use, (u16, &str))>)> = vec![
        ("waiting",                  confirm(ASKS, IN, NO_SIGNUP)),
        ("declined",                 confirm(WAS_DECLINED, WAS_DECLINED, NO_SIGNUP)),
        ("expired",                  confirm(EXPIRED, EXPIRED, NO_SIGNUP)),
        ("forgotten",                confirm(UNKNOWN, UNKNOWN, UNKNOWN)),
        ("superseded",               confirm(STILL_IN, STILL_IN, STILL_IN)),
        ("superseded, then left",    confirm(OVER, OVER, OVER)),
        ("declined, but subscribed", confirm(STILL_IN, STILL_IN, STILL_IN)),
        ("waiting, but imported",    confirm(STILL_IN, IN, STILL_IN)),
        ("confirmed",                confirm(IN, IN, STILL_IN)),
        ("confirmed",                own(LEAVE, OUT, BACK, SETTINGS, DATA)),
        ("left",                     confirm(OVER, OVER, OVER)),
        ("left",                     own(OUT, OUT, BACK, SETTINGS, DATA)),
        ("erased",                   confirm(UNKNOWN, UNKNOWN, UNKNOWN)),
        ("erased",                   own(OUT, OUT, NOTHING, NOTHING, NOTHING)),
        ("complained",               confirm(OVER, OVER, OVER)),
        ("complained",               own(LEAVE, OUT, NO_WAY_BACK, SETTINGS, DATA)),
        ("moved",                    confirm(MOVED, MOVED, MOVED)),
        ("moved",                    own(LEAVE, OUT, BACK, SETTINGS, OLD_DATA)),
        ("change waiting",           change(ASKS_CHANGE, CHANGED, KEPT)),
        ("change confirmed",         change(CHANGED, CHANGED, STILL_IN)),
        ("change declined",          change(CHANGE_OVER, CHANGE_OVER, KEPT)),
        ("change expired",           change(EXPIRED, EXPIRED, KEPT)),
        ("change superseded",        change(NEWER, NEWER, NEWER)),
        ("change cancelled",         change(CANCELLED, CANCELLED, CANCELLED)),
        ("change left",              change(OVER, OVER, OVER)),
        ("change ended",             change(CHANGE_OVER, CHANGE_OVER, CHANGE_OVER)),
        ("change erased",            change(UNKNOWN, UNKNOWN, UNKNOWN)),
    ];
    let app = App::new().without_worker().start().await;
    let mut n = 0;
    for (state, row) in table {
        for (using, expected) in row {
            n += 1;
            let person = in_state(&app, state, &format!("p{n}@example.org")).await;
            let answer = use_link(&app, &person, using).await;
            assert_eq!((answer.status.as_u16(), answer.heading()), expected, "{state}, {using:?}");
            assert!(answer.body.contains(&format!("<title>{} – ", expected.1)), "{state}, {using:?}");
            // Each page has a way on of its own: a link, or a button.
            let main = answer.body.split("<main").nth(1).unwrap();
            let main = main.split("</main>").next().unwrap();
            let leads_on = main.contains("href=\"/?lang=de\"")
                || main.contains("<button")
                || main.contains("<a class=\"button")
                || main.contains("/unsubscribe/")
                || main.contains("„Einstellungen“");
            assert!(leads_on, "{state}, {using:?}: {main}");
            let is_welcome = answer.body.contains("Schön, dass Sie dabei sind");
            assert_eq!(is_welcome, expected == IN, "only who said yes is welcomed: {state}, {using:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_answered_is_recorded_as_what_ended_it() {
    let app = App::new().without_worker().start().await;
    for (n, (state, expected)) in [
        ("superseded", "Superseded by NewerRequest"),
        ("cancelled", "Cancelled by Settings"),
        ("left", "Lapsed by Withdrawal"),
        ("declined", "Declined by Button"),
        ("expired", "Requested by Form"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("c{n}@example.org");
        in_change(&app, state, &email).await;
        let all = recorded(&app, &new_address(&email)).await;
        assert_eq!(all.last().unwrap(), expected, "{state}");
        let pressed = all.iter().any(|event| event.contains("Button") || event.contains("Declined"));
        assert_eq!(pressed, state == "declined", "{state}: {all:?}");
    }
    let first = asks(&app, "maria@example.org").await;
    all_are_sent(&app).await;
    subscribes(&app, "maria@example.org").await;
    let all = recorded(&app, "maria@example.org").await;
    assert!(all.contains(&"Superseded by OtherSignup".to_owned()), "{all:?}");
    assert!(!all.iter().any(|event| event.starts_with("Declined")), "{all:?}");
    app.post(first.confirm.as_ref().unwrap(), YES).await;
    assert_eq!(recorded(&app, "maria@example.org").await, all, "its link does nothing more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signup_whose_mail_has_not_gone_out_yet_gets_its_answer_all_the_same() {
    let app = App::new().without_worker().start().await;
    let waits = asks(&app, "maria@example.org").await;
    let other = app.sign_up_unsent("maria@example.org").await;
    app.confirm(&format!("/confirm/{}", other.reveal())).await;
    assert_eq!(app.count("select count(*) from signups where state = 'waiting'").await, 1);
    assert_eq!(app.get(waits.confirm.as_ref().unwrap()).await.heading(), "Diese Adresse ist angemeldet");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_leave_is_recorded_as_what_it_was() {
    let app = App::new().without_worker().start().await;
    let page = |name: &str| Some(format!("https://brief.example.org/{name}"));
    for (n, (form, expected, on)) in [
        ("List-Unsubscribe=One-Click", "Withdrawn by OneClick", None),
        ("", "Withdrawn by Link", None),
        ("reason=One-Click", "Withdrawn by Link", None),
        ("from=unsubscribe", "Withdrawn by Button", page("unsubscribe")),
        ("from=settings", "Withdrawn by Button", page("manage")),
        ("from=confirm", "Withdrawn by Button", page("confirm")),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("l{n}@example.org");
        let id = app.subscriber(&email).await;
        assert_eq!(app.post(&app.unsubscribe_path(id), form).await.heading(), "Sie sind abgemeldet");
        assert_eq!(recorded(&app, &email).await, [expected], "{form}");
        let event = events(&app, &email).await.remove(0);
        assert_eq!((event.form_page.clone(), event.ambiguous), (on, false), "{form}");
    }
    // Each button that leads there says so.
    let id = app.subscriber("maria@example.org").await;
    let page = app.get(&app.unsubscribe_path(id)).await;
    assert!(page.body.contains("name=\"from\" value=\"unsubscribe\""), "{}", page.body);
    assert!(app.get(&manage_path(&app, id)).await.body.contains("name=\"from\" value=\"settings\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_without_its_page_is_not_called_a_press_of_a_button() {
    let app = App::new().without_worker().start().await;
    for (n, (form, expected)) in
        [(YES, "Confirmed by Link"), (NO, "Declined by Link")].into_iter().enumerate()
    {
        let email = format!("b{n}@example.org");
        let person = asks(&app, &email).await;
        app.post(person.confirm.as_ref().unwrap(), form).await;
        assert_eq!(recorded(&app, &email).await, ["Requested by Form", expected]);
    }
    subscribes(&app, "maria@example.org").await;
    assert_eq!(recorded(&app, "maria@example.org").await.last().unwrap(), "Confirmed by Button");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_before_that_claims_too_much_stays_and_is_shown_as_what_is_known() {
    let app = App::new().without_worker().start().await;
    in_change(&app, "ended", "maria@example.org").await;
    let new = events(&app, "maria@example.net").await;
    let last = new.last().unwrap();
    assert_eq!(
        (last.kind, last.method, last.ambiguous),
        (ConsentKind::Declined, ConsentMethod::Button, true)
    );
    assert_eq!((last.what(), last.how()), ("ended", "unrecorded"));
    old_event(&app, ConsentKind::Withdrawn, "otto@example.org", None).await;
    let last = events(&app, "otto@example.org").await.remove(0);
    assert_eq!((last.ambiguous, last.what(), last.how()), (true, "withdrawn", "link"));
    let program = Program::beside(&app);
    for (email, shown, never) in [
        ("maria@example.net", "abgelehnt, abgebrochen oder durch eine neuere ersetzt", "Das war ich nicht"),
        ("otto@example.org", "Link in der E-Mail", "Knopf auf unserer Seite"),
    ] {
        for file in ["proof.html", "proof.json"] {
            program.run(&["subscribers", "show", email, "--proof", file]).await.done();
            program.run(&["subscribers", "verify-proof", file]).await.done();
        }
        let page = std::fs::read_to_string(program.dir().join("proof.html")).unwrap();
        let visible = page.split("<script").next().unwrap();
        assert!(visible.contains(shown) && !visible.contains(never), "{visible}");
        let told = program.run(&["subscribers", "show", email]).await;
        assert!(!told.done().contains("button"), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mail_that_says_already_subscribed_is_recorded_as_that() {
    let app = App::new().setting("CONFIRMATION_REPEAT_MINUTES", "0").start().await;
    app.sign_up("maria@example.org").await;
    app.confirm(&app.mail(1).await.link("/confirm/")).await;
    app.mail(2).await;
    app.sign_up("maria@example.org").await;
    assert!(app.mail(3).await.text.contains("Sie haben ihn bereits abonniert"));
    app.wait_for_count("select count(*) from deliveries where state <> 'accepted'", 0).await;
    let all = recorded(&app, "maria@example.org").await;
    assert_eq!(all.last().unwrap(), "ToldSubscribed by Relay");
    assert_eq!(all.iter().filter(|event| *event == "MailAccepted by Relay").count(), 1);
    let program = Program::beside(&app);
    let shown = program.run(&["subscribers", "show", "maria@example.org", "--json"]).await.json();
    let kinds = |shown: &serde_json::Value| -> Vec<String> {
        let all = shown["deliveries"].as_array().unwrap().iter();
        all.map(|mail| mail["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&shown), ["confirmation", "welcome", "already_subscribed"]);
    let id = id_of(&app, "maria@example.org").await;
    let page = app.get(&data_path(&app, id, "maria@example.org")).await;
    assert_eq!(page.body.matches("Bitte um Bestätigung<br>").count(), 1, "{}", page.body);
    assert!(page.body.contains("Hinweis: Die Adresse ist schon angemeldet"), "{}", page.body);

    // What an earlier version left tells it too: the relay took it, and it was no confirmation.
    sqlx::query("update deliveries set told_subscribed = null").execute(&app.pool).await.unwrap();
    let shown = program.run(&["subscribers", "show", "maria@example.org", "--json"]).await.json();
    assert_eq!(kinds(&shown), ["confirmation", "welcome", "already_subscribed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_gets_a_way_back_that_needs_a_fresh_confirmation() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber("maria@example.org").await;
    app.post(&app.unsubscribe_path(id), "List-Unsubscribe=One-Click").await;
    let page = app.get(&app.unsubscribe_path(id)).await;
    assert!(page.body.contains("<a href=\"/?lang=de\">Neu anmelden</a>"), "{}", page.body);
    assert!(!page.body.contains("/resubscribe/"), "a forwarded link brings nobody back: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_called_off_too_late_is_not_said_to_be_called_off() {
    let app = App::new().without_worker().start().await;
    let person = in_change(&app, "confirmed", "maria@example.org").await;
    let page = app.post(&manage_path(&app, person.id()), "action=keep_address").await;
    assert!(!page.body.contains("ist abgebrochen"), "{}", page.body);
    assert!(page.body.contains("Es wartet keine Änderung"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_with_a_character_more_or_less_is_said_to_be_altered_and_no_more_is_claimed() {
    let app = App::new().without_worker().start().await;
    let person = subscribes(&app, "maria@example.org").await;
    let settings = manage_path(&app, person.id());
    for path in [format!("{settings}A"), settings[..settings.len() - 1].to_owned()] {
        let page = app.request(Method::GET, &path, &[("accept-language", "de")], "").await;
        assert_eq!((page.status.as_u16(), page.heading()), (404, "Dieser Link passt nicht"));
        assert!(page.body.contains("ein Zeichen ist zu viel oder ein anderes"), "{}", page.body);
        assert!(!page.body.contains("abgeschnitten"), "{}", page.body);
    }
    let late = in_state(&app, "forgotten", "otto@example.org").await;
    let page = app.get(late.confirm.as_ref().unwrap()).await;
    assert!(page.body.contains("bewahren wir nur sieben Tage auf"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_subscription_is_told_apart_from_an_erased_one() {
    let app = App::new().without_worker().start().await;
    let person = subscribes(&app, "maria@example.org").await;
    let data = data_path(&app, person.id(), "maria@example.org");
    use_link(&app, &person, Use::Unsubscribe).await;
    let answer = app.post(&format!("{data}/address"), "email=neu%40example.org").await;
    assert_eq!((answer.status.as_u16(), answer.heading()), (410, "Das Abonnement ist beendet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_list_brought_in_is_not_said_to_have_confirmed() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    program
        .file("list.csv", "email,consented_at,consent_source\nmia@example.org,2026-03-01,Messe in Görlitz\n");
    program.run(&["subscribers", "import", "list.csv"]).await.done();
    let page = app.get(&data_path(&app, id_of(&app, "mia@example.org").await, "mia@example.org")).await;
    for shown in ["Aus einer Liste übernommen", "Einwilligung von anderswo übernommen", "1. März 2026"] {
        assert!(page.body.contains(shown), "{shown} in {}", page.body);
    }
    for claim in ["Bestätigt", "Einwilligung bestätigt"] {
        assert!(!page.body.contains(claim), "{claim} in {}", page.body);
    }
}
