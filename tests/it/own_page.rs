//! The settings page and the privacy page: what the link in every mail allows, and what needs a fresh link to the
//! mailbox.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rundbrief::domain::{
    address::EmailAddress,
    ids::{SignupId, SubscriberId},
    locale::Locale,
    mailing::MailingState,
    publication::{self, Retention},
    retention, signup, subscriber,
    token::{ConfirmToken, LinkPurpose, access_token, subscriber_token},
};
use serde_json::Value;

use crate::harness::{
    App, TestApp, has_begun,
    mail::Mail,
    program::Program,
    smtp::{Action, Phase, behave},
};

const MARIA: &str = "maria@example.org";
const NEW: &str = "maria.neu@example.net";

fn manage_path(app: &TestApp, id: SubscriberId) -> String {
    format!("/manage/{}", subscriber_token(&app.config.secret_keys, LinkPurpose::Manage, id))
}

/// The link that a mail would carry that is sent so many minutes ago.
fn data_path(app: &TestApp, id: SubscriberId, email: &str, minutes_ago: i64) -> String {
    let address = EmailAddress::parse(email).unwrap().normalized();
    let at = Utc::now() - TimeDelta::minutes(minutes_ago);
    format!("/data/{}", access_token(&app.config.secret_keys, id, &address, at))
}

/// The newest mail to an address whose text holds a link of this kind; waits for it.
async fn mail_to(app: &TestApp, to: &str, link: &str) -> Mail {
    for _ in 0..400 {
        let all = app.relay.accepted();
        let found = all.iter().rev().filter(|mail| mail.to == [to]).map(|mail| Mail::parse(&mail.data));
        if let Some(mail) = found.into_iter().find(|mail| mail.text.contains(link)) {
            return mail;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no mail with {link} came to {to}");
}

/// Asks for another address; answers the mail that asks its owner.
async fn ask_for(app: &TestApp, id: SubscriberId, old: &str, new: &str) -> Mail {
    let form = format!("email={}", new.replace('@', "%40"));
    let answer = app.post(&format!("{}/address", data_path(app, id, old, 0)), &form).await;
    assert_eq!(answer.heading(), "Bitte bestätigen Sie die neue Adresse");
    mail_to(app, new, "/confirm/").await
}

/// Asks for another address and confirms it, without waiting for the mail.
async fn change_at_once(app: &TestApp, id: SubscriberId, old: &str, new: &str) {
    let form = format!("email={}", new.replace('@', "%40"));
    let asked = app.post(&format!("{}/address", data_path(app, id, old, 0)), &form).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let mut db = app.pool.acquire().await.unwrap();
    let signup: uuid::Uuid =
        sqlx::query_scalar("select id from signups where replaces = $1 and state = 'waiting'")
            .bind(id.0)
            .fetch_one(&mut *db)
            .await
            .unwrap();
    let token = ConfirmToken::mint();
    signup::keep_token(&mut db, SignupId(signup), token.hash(), Utc::now()).await.unwrap();
    let answer = app.post(&format!("/confirm/{}", token.reveal()), "action=confirm").await;
    assert_eq!(answer.heading(), "Ihre neue Adresse gilt");
}

async fn address_of(app: &TestApp, id: SubscriberId) -> String {
    sqlx::query_scalar("select email from subscribers where id = $1")
        .bind(id.0)
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

async fn state_of(app: &TestApp, email: &str) -> Option<String> {
    sqlx::query_scalar("select state::text from subscribers where email_normalized = $1")
        .bind(email)
        .fetch_optional(&app.pool)
        .await
        .unwrap()
}

async fn events_of(app: &TestApp, email: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select kind::text || ' by ' || method::text from consent_events where email_normalized = $1 order by id",
    )
    .bind(email)
    .fetch_all(&app.pool)
    .await
    .unwrap()
}

async fn let_ten_minutes_pass(app: &TestApp) {
    sqlx::query("update deliveries set due_at = due_at - interval '11 minutes'")
        .execute(&app.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mail_of_a_subscription_links_to_the_settings() {
    let app = App::new().setting("CONFIRMATION_REPEAT_MINUTES", "0").start().await;
    app.sign_up(MARIA).await;
    let confirmation = app.mail(1).await;
    assert!(!confirmation.text.contains("/manage/"), "nobody is subscribed yet");
    app.confirm(&confirmation.link("/confirm/")).await;
    app.relay.wait_for(2).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    app.sign_up(MARIA).await;
    for n in 2..=4 {
        let mail = app.mail(n).await;
        assert!(mail.text.contains("Einstellungen:"), "{}", mail.text);
        let page = app.get(&mail.link("/manage/")).await;
        assert_eq!((page.status.as_u16(), page.heading()), (200, "Ihre Einstellungen"));
        assert!(mail.html.contains(&mail.link("/manage/")), "{}", mail.html);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_link_shows_no_address_and_opens_no_data() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    let page = app.get(&manage_path(&app, id)).await;
    assert!(page.body.contains("m…a@example.org") && !page.body.contains(MARIA), "{}", page.body);
    for header in ["x-robots-tag", "referrer-policy", "cache-control"] {
        assert_ne!(page.header(header), "", "{header}");
    }
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let token = manage_path(&app, id).replace("/manage/", "/data/");
    assert_eq!(app.get(&token).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_can_be_changed_and_the_page_speaks_it_at_once() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    let page = app.post(&manage_path(&app, id), "action=language&locale=en").await;
    assert_eq!(page.heading(), "Your settings");
    assert!(page.body.contains("The language is saved."), "{}", page.body);
    assert_eq!(app.count("select count(*) from subscribers where locale = 'en'").await, 1);
    let odd = app.post(&manage_path(&app, id), "action=language&locale=fr").await;
    assert_eq!(odd.status, 400);
    assert_eq!(app.post(&manage_path(&app, id), "action=delete_the_rest").await.status, 400);
    assert_eq!(app.count("select count(*) from subscribers where locale = 'en'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_let_people_leave_in_one_click() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    let page = app.get(&manage_path(&app, id)).await;
    let at = page.body.find("/unsubscribe/").expect("a way out");
    let action: String = page.body[at..].chars().take_while(|c| *c != '"').collect();
    assert_eq!(app.post(&action, "").await.heading(), "Sie sind abgemeldet");
    let page = app.get(&manage_path(&app, id)).await;
    assert!(page.body.contains("den Newsletter „LOK Lausitz“ nicht mehr"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_to_the_data_comes_by_mail_and_not_too_often() {
    let app = App::new().start().await;
    let id = app.subscriber(MARIA).await;
    let path = manage_path(&app, id);
    let asked = || app.post(&path, "action=access");
    let (first, again) = (asked().await, asked().await);
    assert_eq!(first.heading(), "Bitte sehen Sie in Ihr Postfach");
    assert_eq!(first.body, again.body, "it does not tell whether another mail goes");
    assert!(!first.body.contains("/data/"), "{}", first.body);
    let mail = app.mail(1).await;
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(mail.header("List-Unsubscribe"), None);
    assert_eq!(app.get(&mail.link("/data/")).await.heading(), "Ihre Daten");
    for n in 2..=5 {
        let_ten_minutes_pass(&app).await;
        asked().await;
        app.relay.wait_for(n).await;
    }
    let_ten_minutes_pass(&app).await;
    asked().await;
    assert_eq!(app.count("select count(*) from deliveries where kind = 'access'").await, 5, "five a day");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_link_ends_after_an_hour_and_its_page_offers_a_new_one() {
    let app = App::new().start().await;
    let id = app.subscriber(MARIA).await;
    let late = data_path(&app, id, MARIA, 61);
    for path in [late.clone(), format!("{late}/download"), format!("{late}/erase")] {
        let page = app.get(&path).await;
        assert_eq!((page.status.as_u16(), page.heading()), (410, "Dieser Link ist abgelaufen"), "{path}");
        assert!(!page.body.contains(MARIA), "{}", page.body);
    }
    assert_eq!(app.post(&format!("{late}/erase"), "").await.status, 410);
    assert_eq!(state_of(&app, MARIA).await.as_deref(), Some("active"));
    app.post(&app.get(&late).await.form_action(), "action=access").await;
    assert_eq!(app.get(&app.mail(1).await.link("/data/")).await.heading(), "Ihre Daten");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_stored_can_be_read_and_taken_away() {
    let app = App::new().setting("KEEP_IP_DAYS", "30").start().await;
    app.sign_up("Maria@example.org").await;
    app.confirm(&app.mail(1).await.link("/confirm/")).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    app.wait_for_count("select count(*) from deliveries where state <> 'accepted'", 0).await;
    let id: uuid::Uuid = sqlx::query_scalar("select id from subscribers").fetch_one(&app.pool).await.unwrap();
    let path = data_path(&app, SubscriberId(id), MARIA, 0);
    let page = app.get(&path).await;
    for stored in [
        "Maria@example.org",
        "Anmeldung angefragt",
        "Einwilligung bestätigt",
        "Ja, ich möchte den Newsletter",
        "127.0.0.1",
        "Neues aus der Werkstatt",
        "Begrüßung",
        "Musterträger",
        "Art. 6 Abs. 1",
    ] {
        assert!(page.body.contains(stored), "{stored} in {}", page.body);
    }
    let file = app.get(&format!("{path}/download")).await;
    assert!(file.header("content-disposition").starts_with("attachment"), "{:?}", file.headers);
    assert_eq!(file.header("cache-control"), "no-store");
    let file: Value = serde_json::from_str(&file.body).unwrap();
    let program = Program::beside(&app);
    let shown: Value = program.run(&["subscribers", "show", MARIA, "--json"]).await.json();
    let record = &file["record"];
    assert_eq!(record["address"], "Maria@example.org");
    for part in ["subscriber", "signups", "deliveries", "consent_events", "suppressed"] {
        assert_eq!(record[part], shown[part], "{part}");
    }
    assert_eq!(record["consent_events"].as_array().unwrap().len(), 4);
    assert!(file["about"].as_array().unwrap().len() >= 6, "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_takes_over_once_its_owner_has_confirmed_it() {
    let app = App::new().start().await;
    app.sign_up(MARIA).await;
    app.confirm(&app.mail(1).await.link("/confirm/")).await;
    let welcome = app.mail(2).await;
    let id: uuid::Uuid = sqlx::query_scalar("select id from subscribers").fetch_one(&app.pool).await.unwrap();
    let id = SubscriberId(id);
    let question = ask_for(&app, id, MARIA, NEW).await;

    // The old address is told, without what was typed, and goes on getting everything.
    let notice = mail_to(&app, MARIA, "andere E-Mail-Adresse").await;
    let typed = [NEW, "maria.neu", "example.net"].iter().any(|part| notice.source.contains(part));
    assert!(!typed, "invariant 6: {}", notice.source);
    assert!(app.get(&notice.link("/manage/")).await.body.contains("m…u@example.net"), "what waits is shown");
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    assert_eq!(app.relay.accepted().last().unwrap().to, [MARIA]);

    let old_access = data_path(&app, id, MARIA, 0);
    let page = app.get(&question.link("/confirm/")).await;
    assert_eq!(page.heading(), "Soll der Newsletter künftig hierher kommen?");
    assert!(!page.body.contains("maria@"), "{}", page.body);
    assert_eq!(address_of(&app, id).await, MARIA);
    assert_eq!(app.confirm(&question.link("/confirm/")).await.heading(), "Ihre neue Adresse gilt");
    assert_eq!(
        app.get(&question.link("/confirm/")).await.heading(),
        "Ihre neue Adresse gilt",
        "pressed before"
    );

    assert_eq!(address_of(&app, id).await, NEW);
    assert_eq!(state_of(&app, MARIA).await, None);
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    assert_eq!(app.relay.accepted().last().unwrap().to, [NEW]);
    let (old, new) = (events_of(&app, MARIA).await, events_of(&app, NEW).await);
    assert_eq!(old.last().unwrap(), "withdrawn by address_change");
    assert_eq!(
        new,
        ["requested by form", "mail_accepted by relay", "link_opened by link", "confirmed by button"]
    );
    assert_eq!(app.get(&old_access).await.status, 404, "the old mailbox opens nothing more");
    let everything = app.get(&data_path(&app, id, NEW, 0)).await;
    assert!(everything.body.contains(MARIA), "what the old address agreed to is part of the record");
    // Links in old mails act on the same subscription.
    assert_eq!(app.post(&welcome.link("/unsubscribe/"), "").await.heading(), "Sie sind abgemeldet");
    assert_eq!(state_of(&app, NEW).await.as_deref(), Some("unsubscribed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_that_nobody_confirms_changes_nothing() {
    let app = App::new().setting("CONFIRMATION_REPEAT_MINUTES", "0").start().await;
    let id = app.subscriber(MARIA).await;
    // Refused at the new address.
    let question = ask_for(&app, id, MARIA, NEW).await;
    let page = app.get(&question.link("/confirm/")).await;
    let declined = app.post(&page.form_action(), "action=decline").await;
    assert_eq!(declined.heading(), "Die Adresse wird nicht geändert");
    assert_eq!(app.post(&page.form_action(), "action=confirm").await.status, 410);
    // Cancelled at the old one; also the latest request takes the place of the one before.
    let first = ask_for(&app, id, MARIA, "a@example.net").await;
    let second = ask_for(&app, id, MARIA, "b@example.net").await;
    assert_eq!(app.post(&first.link("/confirm/"), "action=confirm").await.status, 410);
    let kept = app.post(&manage_path(&app, id), "action=keep_address").await;
    assert!(kept.body.contains("Die Änderung ist abgebrochen"), "{}", kept.body);
    assert_eq!(app.post(&second.link("/confirm/"), "action=confirm").await.status, 410);
    // Confirmed after the subscription has ended: nobody is brought back.
    let third = ask_for(&app, id, MARIA, "c@example.net").await;
    app.post(&app.unsubscribe_path(id), "").await;
    assert_eq!(app.post(&third.link("/confirm/"), "action=confirm").await.status, 410);
    assert_eq!(
        (address_of(&app, id).await.as_str(), app.count("select count(*) from subscribers").await),
        (MARIA, 1)
    );
    assert_eq!(state_of(&app, MARIA).await.as_deref(), Some("unsubscribed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_that_is_known_already_becomes_the_only_one() {
    let app = App::new().start().await;
    for (old, new, leaves_before) in
        [("a@example.org", "a2@example.org", false), ("b@example.org", "b2@example.org", true)]
    {
        let (id, known) = (app.subscriber(old).await, app.subscriber(new).await);
        if leaves_before {
            app.post(&app.unsubscribe_path(known), "").await;
        }
        let question = ask_for(&app, id, old, new).await;
        assert_eq!(app.confirm(&question.link("/confirm/")).await.heading(), "Ihre neue Adresse gilt");
        assert_eq!(state_of(&app, old).await.as_deref(), Some("unsubscribed"));
        assert_eq!(state_of(&app, new).await.as_deref(), Some("active"));
    }
    let before = app.relay.accepted().len();
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let mut to: Vec<String> =
        app.relay.accepted()[before..].iter().flat_map(|mail| mail.to.clone()).collect();
    to.sort();
    assert_eq!(to, ["a2@example.org", "b2@example.org"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_that_is_subscribed_at_this_moment_becomes_the_only_one_too() {
    let app = App::new().start().await;
    let id = app.subscriber(MARIA).await;
    let question = ask_for(&app, id, MARIA, NEW).await;
    let mut other_window = app.pool.begin().await.unwrap();
    let new = EmailAddress::parse(NEW).unwrap();
    subscriber::activate(&mut other_window, &new, Locale::De, Utc::now()).await.unwrap();
    let commits = async {
        let waits = "select count(*) from pg_stat_activity
                     where datname = current_database() and wait_event_type = 'Lock'
                       and query like 'update subscribers%'";
        app.wait_for_count(waits, 1).await;
        other_window.commit().await.unwrap();
    };
    let link = question.link("/confirm/");
    let (answer, ()) = tokio::join!(app.confirm(&link), commits);
    assert_eq!(answer.heading(), "Ihre neue Adresse gilt");
    assert_eq!(state_of(&app, MARIA).await.as_deref(), Some("unsubscribed"));
    assert_eq!(state_of(&app, NEW).await.as_deref(), Some("active"));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_the_answer_does_not_tell_whether_the_new_address_is_subscribed() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    app.subscriber("known@example.org").await;
    let left = app.subscriber("gone2@example.org").await;
    app.post(&app.unsubscribe_path(left), "").await;
    let mut answers = Vec::new();
    for new in ["fresh@example.org", "known@example.org", "gone2@example.org"] {
        let path = format!("{}/address", data_path(&app, id, MARIA, 0));
        let answer = app.post(&path, &format!("email={}", new.replace('@', "%40"))).await;
        answers.push((answer.status, answer.body.replace(new, "NEW")));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_new_address_records_the_text_in_the_language_of_its_page() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    let content =
        publication::current(&mut app.pool.acquire().await.unwrap()).await.unwrap().unwrap().content;
    for (locale, new) in [(Locale::En, "neu@example.org"), (Locale::De, "neuer@example.org")] {
        let data = data_path(&app, id, MARIA, 0);
        let page = app.get(&format!("{data}?lang={locale}")).await;
        let version = page.field("consent_version");
        let form = format!("email={}&consent_version={version}", new.replace('@', "%40"));
        assert_eq!(app.post(&format!("{data}/address?lang={locale}"), &form).await.status, 200);
        let recorded: (Option<String>, Option<Vec<u8>>) = sqlx::query_as(
            "select consent_locale, consent_text_sha256 from consent_events where kind = 'requested'
             order by id desc limit 1",
        )
        .fetch_one(&app.pool)
        .await
        .unwrap();
        let shown = (Some(locale.tag().to_owned()), Some(content.consent_sha256(locale).to_vec()));
        assert_eq!(recorded, shown, "{new}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_new_address_is_told_beside_the_field() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    for (typed, told) in
        [("neu", "fehlt das @-Zeichen"), (MARIA, "die Sie schon haben"), ("", "Bitte geben Sie")]
    {
        let path = format!("{}/address", data_path(&app, id, MARIA, 0));
        let answer = app.post(&path, &format!("email={}", typed.replace('@', "%40"))).await;
        assert_eq!(answer.status, 422, "{typed}");
        assert!(answer.body.contains(told), "{}", answer.body);
        assert!(answer.body.contains("aria-invalid=\"true\""), "{}", answer.body);
        assert_eq!(answer.field("consent_version"), "1");
    }
    assert_eq!(app.count("select count(*) from signups").await, 0);
    assert_eq!(app.count("select count(*) from deliveries").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_and_3_a_change_in_the_middle_of_a_mailing_loses_and_doubles_nothing() {
    let slow = behave(|phase, _| match phase {
        Phase::Rcpt => Action::Delay(Duration::from_millis(4)),
        _ => Action::Go,
    });
    let app = App::new().relay(slow).setting("SMTP_CONNECTIONS", "2").start().await;
    app.subscribers(600).await;
    let everybody: Vec<(uuid::Uuid, String)> =
        sqlx::query_as("select id, email from subscribers order by id").fetch_all(&app.pool).await.unwrap();
    let mailing = app.trigger().await;
    app.relay.wait_for(20).await;
    let mut changed = Vec::new();
    for (id, old) in everybody.iter().rev().step_by(20) {
        let new = old.replace("@example.org", "@example.net");
        change_at_once(&app, SubscriberId(*id), old, &new).await;
        changed.push((old.clone(), new, has_begun(&app.pool, mailing, SubscriberId(*id)).await));
    }
    let counts = app.wait_for_state(mailing, MailingState::Done).await;
    assert_eq!(counts.accepted, 600, "{counts:?}");
    let copies =
        app.relay.accepted().into_iter().filter(|mail| Mail::parse(&mail.data).header("List-Id").is_some());
    let to: Vec<String> = copies.flat_map(|mail| mail.to).collect();
    let times = |address: &str| to.iter().filter(|to| *to == address).count();
    let mut moved = 0;
    for (old, new, had_begun) in &changed {
        assert_eq!(times(old) + times(new), 1, "{old}: {} and {}", times(old), times(new));
        assert!(*had_begun || times(new) == 1, "a copy to {old} began after the change was answered");
        moved += times(new);
    }
    assert!(moved > 0, "no change came before its copy; the test shows nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_can_have_everything_deleted_former_addresses_too() {
    const OLD: &str = "loeschmich@example.org";
    const NEW: &str = "loeschmich.neu@example.net";
    let app = App::new().setting("CONFIRMATION_REPEAT_MINUTES", "0").start().await;
    app.sign_up(OLD).await;
    app.confirm(&app.mail(1).await.link("/confirm/")).await;
    app.mail(2).await;
    let id: uuid::Uuid = sqlx::query_scalar("select id from subscribers").fetch_one(&app.pool).await.unwrap();
    let id = SubscriberId(id);
    let question = ask_for(&app, id, OLD, NEW).await;
    app.confirm(&question.link("/confirm/")).await;
    // A request that still waits holds an address too.
    ask_for(&app, id, NEW, "loeschmich.noch.einmal@example.com").await;
    app.post(&manage_path(&app, id), "action=access").await;
    app.wait_for_count("select count(*) from deliveries where state <> 'accepted'", 0).await;

    let data = data_path(&app, id, NEW, 0);
    let page = app.get(&format!("{data}/erase")).await;
    assert_eq!(page.heading(), "Alles löschen?");
    assert_eq!(app.post(&page.form_action(), "").await.heading(), "Alles ist gelöscht");
    let dump = app.whole_database().await.to_lowercase();
    assert!(!dump.contains("loeschmich"), "{dump}");
    for path in [data.clone(), format!("{data}/download"), manage_path(&app, id)] {
        let answer = app.get(&path).await;
        assert_eq!((answer.status.as_u16(), answer.heading()), (410, "Hierzu ist nichts mehr gespeichert"));
    }
    assert_eq!(app.post(&manage_path(&app, id), "action=access").await.status, 410);

    // No import brings it back, its owner does.
    let program = Program::beside(&app);
    program.file(
        "back.csv",
        format!("email,consented_at,consent_source\n{OLD},2026-01-01T10:00:00Z,Liste\n{NEW},2026-01-01T10:00:00Z,Liste\n"),
    );
    let imported = program.run(&["subscribers", "import", "back.csv", "--json"]).await.json();
    assert_eq!(imported["added"], 0, "{imported}");
    app.sign_up(NEW).await;
    let confirmation = mail_to(&app, NEW, "bestätigen Sie dort die Anmeldung").await;
    assert_eq!(app.confirm(&confirmation.link("/confirm/")).await.heading(), "Sie sind angemeldet");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_can_still_see_and_delete_everything() {
    let app = App::new().start().await;
    let id = app.subscriber(MARIA).await;
    app.post(&app.unsubscribe_path(id), "").await;
    let page = app.get(&manage_path(&app, id)).await;
    assert!(page.body.contains("Daten ansehen, alles löschen"), "{}", page.body);
    app.post(&manage_path(&app, id), "action=access").await;
    let data = app.mail(1).await.link("/data/");
    let page = app.get(&data).await;
    assert!(
        page.body.contains("nicht abonniert seit") && !page.body.contains("name=\"email\""),
        "{}",
        page.body
    );
    assert_eq!(app.post(&format!("{data}/address"), "email=x%40example.org").await.status, 410);
    assert_eq!(app.post(&format!("{data}/erase"), "").await.heading(), "Alles ist gelöscht");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_former_address_goes_three_years_after_it_was_left() {
    let app = App::new().start().await;
    let id = app.subscriber(MARIA).await;
    let question = ask_for(&app, id, MARIA, NEW).await;
    app.confirm(&question.link("/confirm/")).await;
    assert_eq!(events_of(&app, MARIA).await, ["withdrawn by address_change"]);
    let forget = async |days: i64| {
        let mut db = app.pool.begin().await.unwrap();
        let now = Utc::now() + TimeDelta::days(days);
        let gone = retention::former_addresses(&mut db, &app.config.secret_keys, Retention::default(), now)
            .await
            .unwrap();
        db.commit().await.unwrap();
        gone
    };
    assert_eq!(forget(3 * 365).await, 0, "until the end of the year");
    assert_eq!(forget(4 * 366).await, 1);
    assert!(events_of(&app, MARIA).await.is_empty());
    assert_eq!(
        (address_of(&app, id).await.as_str(), state_of(&app, NEW).await.as_deref()),
        (NEW, Some("active"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn why_somebody_left_is_asked_once_and_counted_without_a_name() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    let page = app.post(&app.unsubscribe_path(id), "").await;
    let at = page.body.find("/left/").expect("the question");
    let action: String = page.body[at..].chars().take_while(|c| *c != '"').collect();
    let undo = page.field("undo");
    let thanks = app.post(&action, &format!("reason=too_often&undo={undo}")).await;
    assert_eq!(thanks.heading(), "Danke für die Antwort");
    assert!(thanks.form_action().starts_with("/resubscribe/"), "the way back is still there");
    app.post(&action, "reason=other").await;
    app.post(&action, "reason=").await;
    app.post(&action, "reason=%3Cscript%3E").await;
    assert_eq!(app.count("select count(*) from leave_answers where reason = 'other'").await, 1);
    assert_eq!(app.count("select count(*) from leave_answers").await, 1);
    let row: String =
        sqlx::query_scalar("select a::text from leave_answers a").fetch_one(&app.pool).await.unwrap();
    assert!(!row.contains(&id.to_string()) && !row.contains("maria"), "{row}");
    // Opening the page later asks nobody again: it cannot tell who is asked.
    assert!(!app.get(&app.unsubscribe_path(id)).await.body.contains("/left/"));
    let counted = Program::beside(&app).run(&["subscribers", "reasons", "--json"]).await.json();
    assert_eq!(counted[0]["reason"], "other", "{counted}");
    assert_eq!(counted[0]["count"], 1, "{counted}");
}
