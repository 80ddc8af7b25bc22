//! Events of signups, subscribers and members: each is written with what it tells of, and none holds an address.

use chrono::Utc;
use rundbrief::domain::{
    address::EmailAddress,
    ids::SubscriberId,
    staff::Role,
    suppression::{self, SuppressionReason},
    token::{LinkPurpose, access_token, subscriber_token},
};
use serde_json::Value;

use crate::harness::{Answer, App, TestApp, browser::PASSWORD, program::Program};

const MARIA: &str = "maria@example.org";
const NEW: &str = "maria.neu@example.net";

/// Kind, actor and the names of the ids of every event, oldest first.
async fn told(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar(
        "select concat_ws(' ', kind, 'by', actor, (select string_agg(name, ' ' order by name) from jsonb_object_keys(ids) name))
         from events order by seq",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap()
}

/// What was told since so many events.
async fn told_since(app: &TestApp, before: usize) -> Vec<String> {
    told(app).await.split_off(before)
}

async fn only_subscriber(app: &TestApp) -> SubscriberId {
    SubscriberId(sqlx::query_scalar("select id from subscribers").fetch_one(&app.pool).await.unwrap())
}

fn data_path(app: &TestApp, id: SubscriberId, email: &str) -> String {
    let address = EmailAddress::parse(email).unwrap().normalized();
    format!("/data/{}", access_token(&app.config.secret_keys, id, &address, Utc::now()))
}

fn manage_path(app: &TestApp, id: SubscriberId) -> String {
    format!("/manage/{}", subscriber_token(&app.config.secret_keys, LinkPurpose::Manage, id))
}

/// Signs up and confirms, without mails.
async fn subscribed(app: &TestApp, email: &str) -> SubscriberId {
    let token = app.sign_up_unsent(email).await;
    let link = format!("/confirm/{}", token.reveal());
    assert_eq!(app.confirm(&link).await.status, 200);
    // A second press tells nothing more.
    app.post(&link, "action=confirm").await;
    only_subscriber(app).await
}

/// The confirm link of a change of address that waits.
async fn link_of_change(app: &TestApp) -> String {
    use rundbrief::domain::{ids::SignupId, signup, token::ConfirmToken};
    let mut db = app.pool.acquire().await.unwrap();
    let id = sqlx::query_scalar("select id from signups where replaces is not null and state = 'waiting'")
        .fetch_one(&mut *db)
        .await
        .unwrap();
    let token = ConfirmToken::mint();
    signup::keep_token(&mut db, SignupId(id), token.hash(), Utc::now()).await.unwrap();
    format!("/confirm/{}", token.reveal())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_told_event_by_event_and_a_repeated_request_tells_nothing_more() {
    let app = App::new().without_worker().start().await;
    let id = subscribed(&app, MARIA).await;
    let manage = manage_path(&app, id);
    for _ in 0..2 {
        app.post(&manage, "action=language&locale=en").await;
        app.post(&manage, "action=access").await;
    }
    let ask = |email: &str| format!("email={}", email.replace('@', "%40"));
    app.post(&format!("{}/address", data_path(&app, id, MARIA)), &ask("other@example.net")).await;
    app.post(&manage, "action=keep_address").await;
    app.post(&manage, "action=keep_address").await;
    app.post(&format!("{}/address", data_path(&app, id, MARIA)), &ask(NEW)).await;
    assert_eq!(app.confirm(&link_of_change(&app).await).await.status, 200);
    let left = app.post(&app.unsubscribe_path(id), "List-Unsubscribe=One-Click").await;
    assert_eq!(app.post(&left.form_action(), "").await.status, 200);
    app.post(&app.unsubscribe_path(id), "List-Unsubscribe=One-Click").await;
    app.post(&app.unsubscribe_path(id), "List-Unsubscribe=One-Click").await;
    assert_eq!(
        told(&app).await,
        [
            "signup_received by visitor signup",
            "signup_confirmed by visitor signup subscriber",
            "subscriber_language_changed by subscriber subscriber",
            "access_link_requested by subscriber subscriber",
            "address_change_requested by subscriber signup subscriber",
            "address_change_cancelled by subscriber subscriber",
            "address_change_requested by subscriber signup subscriber",
            "subscriber_address_changed by visitor signup subscriber",
            "subscriber_unsubscribed by subscriber subscriber",
            "subscriber_resubscribed by subscriber subscriber",
            "subscriber_unsubscribed by subscriber subscriber",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_erasure_is_told_with_its_record_and_no_event_names_an_address() {
    let app = App::new().without_worker().start().await;
    let id = subscribed(&app, MARIA).await;
    app.post(&format!("{}/address", data_path(&app, id, MARIA)), "email=maria.neu%40example.net").await;
    app.confirm(&link_of_change(&app).await).await;
    let before = told(&app).await.len();
    let erase = format!("{}/erase", data_path(&app, id, NEW));
    assert_eq!(app.post(&erase, "action=erase").await.status, 200);
    // The address of now and the one of before, which no subscriber has any more.
    assert_eq!(
        told_since(&app, before).await,
        [
            "subscriber_erased by subscriber consent_event subscriber",
            "subscriber_erased by subscriber consent_event",
        ]
    );
    app.sign_up("otto@example.org").await;
    Program::beside(&app).run(&["subscribers", "erase", "otto@example.org", "--yes"]).await.done();
    assert_eq!(
        told_since(&app, before + 2).await,
        ["signup_received by visitor signup", "subscriber_erased by command consent_event"]
    );
    let unrecorded = "select count(*) from events e where kind = 'subscriber_erased' and not exists (
        select from consent_events c where c.id = (e.ids ->> 'consent_event')::bigint and c.kind = 'erased'
          and c.address_hmac is not null)";
    assert_eq!(app.count(unrecorded).await, 0, "the journal finds the keyed HMAC by it");
    let rows: Vec<Value> =
        sqlx::query_scalar("select to_jsonb(e) from events e").fetch_all(&app.pool).await.unwrap();
    for row in rows {
        let text = row.to_string();
        assert!(!["@", "maria", "otto", "example"].iter().any(|part| text.contains(part)), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_somebody_left_is_told_by_no_event() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    let left = app.post(&app.unsubscribe_path(id), "").await;
    let from = left.body.find("/left/").expect("the question is there");
    let action = left.body[from..from + left.body[from..].find('"').unwrap()].replace("&amp;", "&");
    assert_eq!(app.post(&action, "reason=too_often").await.status, 200);
    assert_eq!(app.count("select count(*) from leave_answers").await, 1);
    assert_eq!(told(&app).await, ["subscriber_unsubscribed by subscriber subscriber"]);
}

/// The tables that a signup writes to.
const WRITTEN: [&str; 5] = ["signups", "consent_events", "deliveries", "batches", "events"];

async fn rows(app: &TestApp) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in WRITTEN {
        let query = format!("select count(*) from {table}");
        counts.push(sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&app.pool).await.unwrap());
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_a_signup_writes_the_same_rows_for_every_address() {
    let app = App::new().without_worker().start().await;
    app.subscriber("active@example.org").await;
    let left = app.subscriber("left@example.org").await;
    app.post(&app.unsubscribe_path(left), "").await;
    app.sign_up("waiting@example.org").await;
    for (email, reason) in [
        ("complained@example.org", SuppressionReason::Complained),
        ("erased@example.org", SuppressionReason::Erased),
    ] {
        let address = EmailAddress::parse(email).unwrap().normalized();
        let mut db = app.pool.acquire().await.unwrap();
        suppression::add(&mut db, &app.config.secret_keys, &address, reason, Utc::now()).await.unwrap();
    }
    for who in ["new", "active", "left", "waiting", "complained", "erased"] {
        let before = rows(&app).await;
        let answer: Answer = app.sign_up(&format!("{who}@example.org")).await;
        assert_eq!(answer.status, 303, "{who}");
        let after = rows(&app).await;
        let written: Vec<i64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        assert_eq!(written, [1; WRITTEN.len()], "{who}: {WRITTEN:?}");
    }
    let kinds = "select count(distinct (kind, actor)) from events where kind <> 'subscriber_unsubscribed'";
    assert_eq!(app.count(kinds).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signup_that_is_not_taken_tells_nothing() {
    let app = App::new().setting("CAPTCHA", "always").without_worker().start().await;
    assert_eq!(app.sign_up(MARIA).await.status, 403);
    assert_eq!(app.sign_up("nobody").await.status, 422);
    assert!(told(&app).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_admins_do_about_subscribers_on_the_staff_pages_is_told_once() {
    let app = App::new().without_worker().start().await;
    let id = subscribed(&app, MARIA).await;
    let browser = app.browser_of(&app.member("ada@example.org", Role::Admin).await).await;
    let (before, logged_before) = (told(&app).await.len(), app.actions().await.len());
    let asked = [("email", "otto@example.org"), ("locale", "de"), ("channel", "mail")];
    assert_eq!(browser.post("/staff/phone/enter", &asked).await.status, 303);
    let page = format!("/staff/subscribers/{id}");
    assert_eq!(browser.post(&format!("{page}/proof"), &[("form", "json")]).await.status, 200);
    let form = [("email", MARIA), ("channel", "phone")];
    assert_eq!(browser.post("/staff/phone/unsubscribe", &form).await.status, 303);
    // Whoever asks a second time is told how the address stands.
    assert_eq!(browser.post("/staff/phone/unsubscribe", &form).await.status, 409);
    assert_eq!(browser.post(&format!("{page}/erase"), &[]).await.status, 303);
    assert_eq!(browser.post(&format!("{page}/erase"), &[]).await.status, 404);
    assert_eq!(
        told_since(&app, before).await,
        [
            "signup_received by member signup",
            "proof_taken by member",
            "subscriber_unsubscribed by member subscriber",
            "address_looked_up by member",
            "subscriber_erased by member consent_event subscriber",
        ]
    );
    let logged = [
        "subscriber_asked",
        "proof_downloaded",
        "subscriber_unsubscribed",
        "address_looked_up",
        "subscriber_erased",
    ];
    assert_eq!(app.actions().await.split_off(logged_before), logged);
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_an_update_is_told_once_a_sitting_and_by_its_id_alone() {
    let app = App::new().without_worker().start().await;
    let member = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let before = told(&app).await.len();
    let path = browser.post("/staff/updates", &[]).await.header("location").to_owned();
    let save = async |version: &str, title: &str| {
        let fields = [("version", version), ("locale", "de"), ("title", title), ("body", "Am See.")];
        browser.post(&path, &fields).await.status.as_u16()
    };
    // The second save is of the same sitting; the third says nothing new; the fourth comes too late and is put aside.
    for (version, title, status) in
        [("1", "Eins", 303), ("2", "Zwei", 303), ("3", "Zwei", 303), ("1", "Drei", 409)]
    {
        assert_eq!(save(version, title).await, status, "{title}");
    }
    let entry = app.count("select min(id) from update_versions where not is_aside").await;
    let restore = format!("{path}/history/{entry}");
    assert_eq!(browser.post(&restore, &[("version", "2")]).await.status, 303);
    assert_eq!(browser.post(&restore, &[("version", "3")]).await.status, 303);
    assert_eq!(save("3", "Vier").await, 303);
    for _ in 0..2 {
        assert_eq!(browser.post(&format!("{path}/delete"), &[]).await.status, 303);
    }
    let program = Program::beside(&app);
    program.file("update.md", "---\ntitle: Aus einer Datei\n---\n\nDer Text.\n");
    program.run(&["updates", "add", "update.md"]).await.done();
    assert_eq!(
        told_since(&app, before).await,
        [
            "update_created by member update",
            "update_changed by member update",
            "update_restored by member update",
            "update_changed by member update",
            "update_deleted by member update",
            "update_created by command update",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_test_mails_is_told_when_it_changes() {
    let app = App::new().without_worker().start().await;
    let member = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let before = told(&app).await.len();
    let colleague = [("name", "Maria"), ("email", MARIA)];
    assert_eq!(browser.post("/staff/colleagues", &colleague).await.status, 303);
    assert_eq!(browser.post("/staff/colleagues", &colleague).await.status, 422, "on the list already");
    let id: uuid::Uuid = sqlx::query_scalar("select id from colleagues").fetch_one(&app.pool).await.unwrap();
    for _ in 0..2 {
        assert_eq!(browser.post(&format!("/staff/colleagues/{id}/remove"), &[]).await.status, 303);
    }
    let told = told_since(&app, before).await;
    assert_eq!(
        told,
        ["test_recipient_added by member test_recipient", "test_recipient_removed by member test_recipient"]
    );
    assert_eq!(app.actions().await.split_off(2), ["colleague_added", "colleague_removed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_who_may_log_in_is_told_once_with_the_members_id_and_beside_its_audit_line() {
    let app = App::new().without_worker().start().await;
    let boss = app.member("boss@example.org", Role::Admin).await;
    let browser = app.browser_of(&boss).await;
    let before = told(&app).await.len();
    browser
        .post("/staff/people", &[("email", "otto@example.org"), ("name", "Otto"), ("role", "editor")])
        .await;
    let otto: uuid::Uuid =
        sqlx::query_scalar("select id from staff where name = 'Otto'").fetch_one(&app.pool).await.unwrap();
    // Each twice: the second time there is nothing to do, and nothing to tell.
    for (path, fields) in [("role", &[("role", "admin")][..]), ("disable", &[]), ("enable", &[])] {
        for _ in 0..2 {
            browser.post(&format!("/staff/people/{otto}/{path}"), fields).await;
        }
    }
    // Nobody makes a link for themselves, and the last admin who can log in stays one.
    browser.post(&format!("/staff/people/{}/link", boss.id), &[]).await;
    browser.post(&format!("/staff/people/{}/disable", boss.id), &[]).await;
    Program::beside(&app).run(&["staff", "reset-password", "otto@example.org", "--totp"]).await.done();
    let expected = [
        "member_added by member member",
        "member_link_made by member member",
        "member_role_changed by member member",
        "member_disabled by member member",
        "member_enabled by member member",
        "member_link_made by command member",
    ];
    assert_eq!(told_since(&app, before).await, expected);
    let of_otto = sqlx::query_scalar::<_, i64>(
        "select count(*) from events where ids = jsonb_build_object('member', $1)",
    );
    assert_eq!(of_otto.bind(otto.to_string()).fetch_one(&app.pool).await.unwrap(), 6);
    let alone = "select count(*) from events e where not exists (select from audit_log a where a.at = e.at)";
    assert_eq!(app.count(alone).await, 0, "each has its line in the audit log");
    assert_eq!(app.count("select count(*) from events e where to_jsonb(e)::text like '%@%'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_told_and_a_wrong_password_tells_nothing() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Editor).await;
    let before = told(&app).await.len();
    for (email, password) in [("ada@example.org", "another"), ("nobody@example.org", PASSWORD)] {
        assert_eq!(app.browser().log_in(email, password).await.status, 422);
    }
    let browser = app.browser();
    assert_eq!(browser.log_in("ada@example.org", PASSWORD).await.status, 303);
    for name in ["Ada Byron", "Ada Byron"] {
        browser.post("/staff/account/name", &[("name", name)]).await;
    }
    browser.post("/staff/account/sessions/end", &[]).await;
    let again = app.browser();
    assert_eq!(again.log_in("ada@example.org", PASSWORD).await.status, 303);
    again.post("/staff/logout", &[]).await;
    let expected = [
        "member_logged_in by member member",
        "member_renamed by member member",
        "member_sessions_ended by member member",
        "member_logged_in by member member",
        "member_logged_out by member member",
    ];
    assert_eq!(told_since(&app, before).await, expected);
}
