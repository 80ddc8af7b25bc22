//! One-time links by mail: invitations, and passwords that were forgotten.

use rundbrief::domain::staff::Role;

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, PASSWORD},
    mail::Mail,
};

const NEW: &str = "Vier kleine Zebras lesen";
const FORGOTTEN: &str = "/staff/login/forgotten";

/// The path of the one-time link on a page.
fn link_on(page: &Answer) -> String {
    let from = page.body.find("https://brief.example.org/staff/welcome/").expect("a link");
    let link = &page.body[from + "https://brief.example.org".len()..];
    link[..link.find('<').unwrap()].to_owned()
}

/// The one-time link in a mail.
fn link_in(mail: &Mail) -> String {
    mail.link("/staff/welcome/")
}

async fn ask(app: &TestApp, email: &str) -> Answer {
    app.browser().post(FORGOTTEN, &[("email", email)]).await
}

async fn set<'a>(app: &'a TestApp, link: &str) -> (Browser<'a>, Answer) {
    let browser = app.browser();
    let answer = browser.post(link, &[("new_password", NEW), ("repeated", NEW)]).await;
    (browser, answer)
}

/// What became of the mails with links, oldest first.
async fn outcomes(app: &TestApp) -> Vec<String> {
    let query = "select concat_ws(': ', kind || ' ' || state, case when state = 'skipped' then smtp_text end) from deliveries
                 where kind in ('invitation', 'new_password') order by id";
    sqlx::query_scalar(query).fetch_all(&app.pool).await.unwrap()
}

/// Waits until every mail that was queued has ended.
async fn all_ended(app: &TestApp) {
    app.wait_for_count("select count(*) from deliveries where state = 'pending'", 0).await;
}

/// Lets the mails of before have ended a while ago.
async fn a_while_later(app: &TestApp) {
    let earlier = "update deliveries set finished_at = finished_at - interval '11 minutes'";
    sqlx::query(earlier).execute(&app.pool).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_added_gets_a_link_by_mail_beside_the_one_to_pass_on_and_no_third_way_in() {
    let app = App::new().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    assert!(browser.get("/staff/people").await.body.contains("name=\"mail\" value=\"1\" checked"));
    let form = [("email", "otto@example.org"), ("name", "Otto Neu"), ("role", "editor"), ("mail", "1")];
    let page = browser.post("/staff/people", &form).await;
    assert!(page.body.contains("otto@example.org ist eine E\u{2011}Mail"), "{}", page.body);
    assert!(page.body.contains("data-copy=\"link\""), "{}", page.body);
    let by_hand = link_on(&page);

    let mail = app.mail(1).await;
    assert_eq!(mail.subject, "Ihr Zugang zur Redaktion: LOK Lausitz");
    assert_eq!(mail.header("To").as_deref(), Some("<otto@example.org>"));
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(mail.header("List-Unsubscribe"), None);
    assert!(mail.text.contains("Guten Tag, Otto Neu,"), "{}", mail.text);
    let by_mail = link_in(&mail);
    assert_ne!(by_mail, by_hand);
    let all = app.whole_database().await;
    for link in [&by_mail, &by_hand] {
        assert!(!all.contains(&link["/staff/welcome/".len()..]), "only its hash is stored");
    }
    let lives = "select count(*) from staff_links
                 where is_mailed and expires_at between now() + interval '20 minutes' and now() + interval '30 minutes'";
    assert_eq!(app.count(lives).await, 1);

    for link in [&by_hand, &by_mail] {
        assert_eq!(app.browser().get(link).await.heading(), "Passwort festlegen");
    }
    let (otto, answer) = set(&app, &by_mail).await;
    assert_eq!(answer.header("location"), "/staff?done=password_set");
    assert_eq!(otto.get("/staff").await.heading(), "Guten Tag, Otto Neu");
    for link in [&by_mail, &by_hand] {
        assert_eq!(set(&app, link).await.1.status, 410, "a password is set: no link is left");
    }
    assert_eq!(
        app.actions().await.split_off(2),
        ["member_added", "link_made", "link_ordered", "link_mailed", "password_set", "logged_in"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_gets_the_same_answer_for_every_address_and_leaves_the_same_rows() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Admin).await;
    let gone = app.member("gone@example.org", Role::Editor).await;
    sqlx::query("update staff set disabled_at = now() where id = $1")
        .bind(gone.id.0)
        .execute(&app.pool)
        .await
        .unwrap();
    app.subscriber("leserin@example.org").await;
    let all = [
        "ada@example.org",
        "ADA@Example.org",
        "gone@example.org",
        "leserin@example.org",
        "nobody@example.org",
    ];
    let mut answers = Vec::new();
    for (n, email) in (1..).zip(all) {
        let answer = ask(&app, email).await;
        let mut headers = answer.headers.clone();
        for own in ["date", "x-request-id"] {
            headers.remove(own);
        }
        answers.push((answer.status, headers, answer.body));
        assert_eq!(app.count("select count(*) from deliveries where kind = 'new_password'").await, n);
        assert_eq!(app.count("select count(*) from batches").await, n);
        let told = "select count(*) from events where kind = 'password_link_asked' and actor = 'visitor' and ids = '{}'";
        assert_eq!(app.count(told).await, n);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0].0, 303);
    assert_eq!(
        app.count("select count(*) from staff_links").await,
        0,
        "there is no token before there is a mail"
    );
    assert!(!app.actions().await.contains(&"link_mailed".to_owned()));
    let page = app.browser().get(answers[0].1["location"].to_str().unwrap()).await;
    assert_eq!(page.heading(), "Sehen Sie in Ihr Postfach");
    assert!(!page.body.contains("@example.org"), "{}", page.body);
    assert!(!page.body.contains("<script"), "{}", page.body);
    let wrong = ask(&app, "ada").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("aria-invalid"), "{}", wrong.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailed_link_sets_the_password_once_and_until_then_nothing_changes() {
    let app = App::new().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let hers = app.browser_of(&ada).await;
    ask(&app, "Ada@example.org").await;
    let mail = app.mail(1).await;
    assert_eq!(mail.subject, "Ihr Link für ein neues Passwort: LOK Lausitz");
    assert_eq!(mail.header("To").as_deref(), Some("<Ada@example.org>"));
    let link = link_in(&mail);
    all_ended(&app).await;
    assert_eq!(hers.get("/staff").await.status, 200, "asking ends no session");
    assert_eq!(app.browser().log_in("ada@example.org", PASSWORD).await.status, 303, "and no password");
    let before = app.whole_database().await;
    assert_eq!(app.browser().get(&link).await.status, 200);
    assert_eq!(app.whole_database().await, before, "opening it changes nothing");

    sqlx::query("update staff set totp_sealed = '\\x00', totp_last_step = 1")
        .execute(&app.pool)
        .await
        .unwrap();
    let (browser, answer) = set(&app, &link).await;
    assert_eq!(answer.header("location"), "/staff/login/code", "the second factor is asked for all the same");
    assert_eq!(browser.get("/staff").await.header("location"), "/staff/login/code");
    assert_eq!(hers.get("/staff").await.status, 303, "other sessions end with the old password");
    assert_eq!(set(&app, &link).await.1.status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_go_to_who_may_log_in_one_at_a_time_and_each_replaces_only_the_mailed_one_before() {
    let app = App::new().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let otto = app.member("otto@example.org", Role::Editor).await;
    let gone = app.member("gone@example.org", Role::Editor).await;
    let browser = app.browser_of(&admin).await;
    browser.post(&format!("/staff/people/{}/disable", gone.id), &[]).await;
    let by_hand = link_on(&browser.post(&format!("/staff/people/{}/link", otto.id), &[]).await);
    for email in ["nobody@example.org", "gone@example.org", "otto@example.org"] {
        ask(&app, email).await;
        all_ended(&app).await;
    }
    ask(&app, "otto@example.org").await;
    all_ended(&app).await;
    assert_eq!(
        outcomes(&app).await,
        [
            "new_password skipped: nobody on the staff has this address",
            "new_password skipped: this member of the staff is disabled",
            "new_password accepted",
            "new_password skipped: a link went there moments ago, or is about to",
        ]
    );
    let first = link_in(&app.mail(1).await);
    a_while_later(&app).await;
    let mailed = browser.post(&format!("/staff/people/{}/link", otto.id), &[("way", "mail")]).await;
    assert_eq!(mailed.header("location"), format!("/staff/people/{}?done=link_mailed", otto.id));
    let second = link_in(&app.mail(2).await);
    for (link, status) in [(&first, 410), (&by_hand, 200), (&second, 200)] {
        assert_eq!(app.browser().get(link).await.status, status);
    }
    // Half an hour later, and after the account was closed.
    sqlx::query("update staff_links set expires_at = now() where is_mailed")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(app.browser().get(&second).await.status, 410);
    let own = browser.post(&format!("/staff/people/{}/link", admin.id), &[("way", "mail")]).await;
    assert_eq!(own.status, 409, "nobody orders one for themselves here");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_is_slowed_down_for_every_address_alike_and_logins_are_not() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Admin).await;
    for email in ["ada@example.org", "nobody@example.org"] {
        for _ in 0..6 {
            assert_eq!(ask(&app, email).await.status, 303);
        }
        app.waits_last().await;
        let refused = ask(&app, email).await;
        assert_eq!(refused.status, 429, "{email}");
        assert!(refused.body.contains("zu viele Links"), "{}", refused.body);
        assert!(!refused.header("retry-after").is_empty());
    }
    assert_eq!(app.count("select count(*) from deliveries where kind = 'new_password'").await, 12);
    assert_eq!(app.browser().log_in("ada@example.org", PASSWORD).await.status, 303);

    // In all: whatever the address.
    let full = "update staff_login_throttle set failures = 200 where bucket in (
        select bucket from staff_login_throttle where failures = 12)";
    assert_eq!(sqlx::query(full).execute(&app.pool).await.unwrap().rows_affected(), 1);
    assert_eq!(ask(&app, "otto@example.org").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_mail_can_go_out_the_pages_say_so_and_links_are_passed_on() {
    let app = App::new().without_publication().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let page = app.browser().get(FORGOTTEN).await;
    assert!(
        page.body.contains("noch keine E\u{2011}Mails") && !page.body.contains("name=\"email\""),
        "{}",
        page.body
    );
    assert_eq!(ask(&app, "ada@example.org").await.status, 409);
    let browser = app.browser_of(&admin).await;
    assert!(!browser.get("/staff/people").await.body.contains("name=\"mail\""));
    let form = [("email", "otto@example.org"), ("name", "Otto"), ("role", "editor"), ("mail", "1")];
    let added = browser.post("/staff/people", &form).await;
    assert!(added.body.contains("Es geht keine E\u{2011}Mail hinaus") && !link_on(&added).is_empty());
    assert_eq!(app.count("select count(*) from deliveries").await, 0);
}
