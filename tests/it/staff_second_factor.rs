//! The second factor: set-up, codes that work once, recovery codes, and login without it.

use axum::http::Method;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use rundbrief::domain::staff::{Role, totp::TotpSecret};

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, Member, PASSWORD},
};

/// A code of now, or of so many steps of 30 seconds later.
fn code(secret: &TotpSecret, later: i64) -> String {
    secret.code(Utc::now().timestamp() / 30 + later)
}

/// The secret that the page shows.
fn shown(app: &TestApp, member: &Member, page: &Answer) -> TotpSecret {
    let sealed = URL_SAFE_NO_PAD.decode(page.field("sealed")).unwrap();
    TotpSecret::open(&app.config.secret_keys, member.id, &sealed).unwrap()
}

/// Turns it on; answers the secret and the recovery codes.
async fn turn_on(app: &TestApp, member: &Member, browser: &Browser<'_>) -> (TotpSecret, Vec<String>) {
    let page = browser.get("/staff/account/second-factor").await;
    let secret = shown(app, member, &page);
    let fields = [("sealed", &*page.field("sealed")), ("code", &code(&secret, 0)), ("password", PASSWORD)];
    let answer = browser.post("/staff/account/second-factor", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.heading()), (200, "Ihre Wiederherstellungscodes"));
    let codes: Vec<String> = answer
        .body
        .split("<li><code>")
        .skip(1)
        .map(|rest| rest[..rest.find('<').unwrap()].to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    (secret, codes)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_turned_on_with_a_code_and_the_password_and_then_asked_for() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let (browser, other) = (app.browser_of(&ada).await, app.browser_of(&ada).await);
    let page = browser.get("/staff/account/second-factor").await;
    let secret = shown(&app, &ada, &page);
    let grouped = secret
        .base32()
        .as_bytes()
        .chunks(4)
        .map(|c| String::from_utf8(c.to_vec()).unwrap())
        .collect::<Vec<_>>()
        .join(" ");
    assert!(page.body.contains(&grouped) && page.body.contains("<svg class=\"qr\""), "{}", page.body);
    assert_eq!(
        app.count("select count(*) from staff where totp_sealed is not null").await,
        0,
        "GET stores nothing"
    );

    let sealed = page.field("sealed");
    for (code, password, told) in [
        ("000000", PASSWORD, "Der Code stimmt nicht"),
        ("", PASSWORD, "geben Sie den Code ein"),
        (&*code(&secret, 0), "not the password", "nicht Ihr bisheriges Passwort"),
    ] {
        let fields = [("sealed", &*sealed), ("code", code), ("password", password)];
        let answer = browser.post("/staff/account/second-factor", &fields).await;
        assert_eq!(answer.status, 422, "{told}");
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
        assert_eq!(shown(&app, &ada, &answer), secret, "the same picture, so that nothing is scanned twice");
    }
    let (secret, _) = turn_on(&app, &ada, &browser).await;
    assert_eq!(other.get("/staff").await.status, 303, "sessions without it are over");
    assert_eq!(browser.get("/staff").await.status, 200);
    assert!(!app.whole_database().await.contains(&secret.base32()));

    let fresh = app.browser();
    let first = fresh.log_in("ada@example.org", PASSWORD).await;
    assert_eq!(first.header("location"), "/staff/login/code");
    assert_eq!(
        fresh.get("/staff").await.header("location"),
        "/staff/login/code",
        "the password alone opens nothing"
    );
    let before = fresh.cookie("__Host-rundbrief");
    assert!(fresh.cookie("__Host-rundbrief-device").is_empty());
    let second = fresh.post("/staff/login/code", &[("code", &code(&secret, 1))]).await;
    assert_eq!(second.header("location"), "/staff");
    assert_ne!(fresh.cookie("__Host-rundbrief"), before);
    assert_eq!(fresh.get("/staff").await.status, 200);
    let half = app.browser();
    half.set_cookie("__Host-rundbrief", &before);
    assert_eq!(half.get("/staff/login/code").await.header("location"), "/staff/login", "that one is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let (secret, _) = turn_on(&app, &ada, &app.browser_of(&ada).await).await;
    let code = code(&secret, 1);
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    for (typed, status) in [(&spaced, 303), (&code, 422)] {
        let browser = app.browser();
        browser.log_in("ada@example.org", PASSWORD).await;
        assert_eq!(browser.post("/staff/login/code", &[("code", typed)]).await.status, status);
    }
    assert!(app.actions().await.contains(&"code_refused".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_in_with_both_steps_counts_nothing_against_the_network_of_an_office() {
    let app = App::new().without_worker().setting("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let (secret, _) = turn_on(&app, &ada, &app.browser_of(&ada).await).await;
    let browser = app.browser();
    let send = async |path: &str, form: &str| {
        browser
            .send(Method::POST, path, &[("x-forwarded-for", "203.0.113.5")], form)
            .await
            .header("location")
            .to_owned()
    };
    let counted = "select coalesce(sum(failures), 0)::bigint from staff_login_throttle";
    send("/staff/login", "email=ada%40example.org&password=wrong").await;
    assert_eq!(app.count(counted).await, 2, "against the account and against the network");
    let password = PASSWORD.replace(' ', "+");
    assert_eq!(
        send("/staff/login", &format!("email=ada%40example.org&password={password}")).await,
        "/staff/login/code"
    );
    assert_eq!(send("/staff/login/code", &format!("code={}", code(&secret, 1))).await, "/staff");
    assert_eq!(app.count(counted).await, 1, "the wrong one, against the network");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_works_once_and_new_ones_replace_all_old_ones() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let owner = app.browser_of(&ada).await;
    let (_, codes) = turn_on(&app, &ada, &owner).await;
    let stored = app.whole_database().await;
    assert!(codes.iter().all(|code| !stored.contains(code.as_str())));
    let use_it = async |code: &str| {
        let browser = app.browser();
        browser.log_in("ada@example.org", PASSWORD).await;
        browser.post("/staff/login/code", &[("code", code)]).await.header("location").to_owned()
    };
    let used = "/staff/account/second-factor?done=recovery_code_used";
    assert_eq!(use_it(&codes[0].to_uppercase().replace('-', " ")).await, used);
    assert_eq!(use_it(&codes[0]).await, "", "it is used up");
    assert!(owner.get("/staff/account/second-factor").await.body.contains("noch 9 von zehn"));

    assert_eq!(owner.post("/staff/account/second-factor/codes", &[("password", "x")]).await.status, 422);
    let new = owner.post("/staff/account/second-factor/codes", &[("password", PASSWORD)]).await;
    assert_eq!(new.status, 200);
    assert_eq!(use_it(&codes[1]).await, "", "the old ones are over");
    let new = new.body.split("<li><code>").nth(1).unwrap()[..11].to_owned();
    assert_eq!(use_it(&new).await, used);
    let actions = app.actions().await;
    for action in ["recovery_code_used", "recovery_codes_made"] {
        assert!(actions.iter().any(|known| known == action), "{action}: {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_cannot_be_guessed_by_whoever_knows_the_password() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let owner = app.browser_of(&ada).await;
    let (secret, _) = turn_on(&app, &ada, &owner).await;
    let thief = app.browser();
    thief.log_in("ada@example.org", PASSWORD).await;
    let mut looked_at = 0;
    // Logging in again and again with the right password does not begin anew.
    for n in 0..20 {
        app.waits_last().await;
        let answer = thief.post("/staff/login/code", &[("code", &format!("{n:06}"))]).await;
        looked_at += usize::from(answer.status == 422);
        thief.log_in("ada@example.org", PASSWORD).await;
    }
    assert!(looked_at <= 5, "{looked_at}");
    let right = thief.post("/staff/login/code", &[("code", &code(&secret, 0))]).await;
    assert_eq!(right.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_codes_end_the_session_that_waits_for_one() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    turn_on(&app, &ada, &app.browser_of(&ada).await).await;
    let browser = app.browser();
    browser.log_in("ada@example.org", PASSWORD).await;
    for tries in 0..6 {
        sqlx::query("delete from staff_login_throttle").execute(&app.pool).await.unwrap();
        let answer = browser.post("/staff/login/code", &[("code", "abc")]).await;
        let expected = if tries < 5 { 422 } else { 303 };
        assert_eq!(answer.status, expected, "{tries}");
    }
    assert_eq!(browser.get("/staff/login/code").await.header("location"), "/staff/login");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_turned_off_with_the_password_or_by_another_admin() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let boss = app.member("boss@example.org", Role::Admin).await;
    let (owner, admin) = (app.browser_of(&ada).await, app.browser_of(&boss).await);
    turn_on(&app, &ada, &owner).await;
    assert_eq!(owner.post("/staff/account/second-factor/off", &[("password", "x")]).await.status, 422);
    let own = owner.post(&format!("/staff/people/{}/second-factor", ada.id), &[]).await;
    assert!(own.header("location").starts_with("/staff/account/second-factor"), "not without the password");
    assert_eq!(app.count("select count(*) from staff where totp_sealed is not null").await, 1);
    assert_eq!(owner.post("/staff/account/second-factor/off", &[("password", PASSWORD)]).await.status, 303);
    assert_eq!(app.browser().log_in("ada@example.org", PASSWORD).await.header("location"), "/staff");

    turn_on(&app, &ada, &owner).await;
    assert_eq!(admin.post(&format!("/staff/people/{}/second-factor", ada.id), &[]).await.status, 303);
    assert_eq!(app.browser().log_in("ada@example.org", PASSWORD).await.header("location"), "/staff");
    assert_eq!(app.count("select count(*) from staff_recovery_codes").await, 0);
    let actions = app.actions().await;
    let about: Vec<&String> = actions.iter().filter(|action| action.starts_with("second_factor")).collect();
    assert_eq!(about, ["second_factor_on", "second_factor_off", "second_factor_on", "second_factor_reset"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_that_sealed_it_the_page_says_what_helps() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    turn_on(&app, &ada, &app.browser_of(&ada).await).await;
    sqlx::query("update staff set totp_sealed = set_byte(totp_sealed, 20, get_byte(totp_sealed, 20) # 1)")
        .execute(&app.pool)
        .await
        .unwrap();
    let browser = app.browser();
    browser.log_in("ada@example.org", PASSWORD).await;
    let answer = browser.post("/staff/login/code", &[("code", "123456")]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.heading()),
        (409, "Der zweite Schritt lässt sich nicht prüfen")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_secret_cannot_be_slipped_into_the_form() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let mallory = app.member("mallory@example.org", Role::Editor).await;
    let theirs = app.browser_of(&mallory).await.get("/staff/account/second-factor").await;
    let secret = shown(&app, &mallory, &theirs);
    let fields = [("sealed", &*theirs.field("sealed")), ("code", &code(&secret, 0)), ("password", PASSWORD)];
    let answer = app.browser_of(&ada).await.post("/staff/account/second-factor", &fields).await;
    assert_eq!(answer.header("location"), "/staff/account/second-factor?done=second_factor_again");
    assert_eq!(app.count("select count(*) from staff where totp_sealed is not null").await, 0);
}
