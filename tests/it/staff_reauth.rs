//! Sensitive actions: they ask for password and second factor again, and the account's other sessions are notified.

use axum::http::Method;
use chrono::{TimeDelta, Utc};
use rundbrief::{
    app::members::{Factor, make_link},
    domain::staff::{Role, StaffError, audit::Actor, totp::TotpSecret},
    web::{http::route::Reauth, routes::ROUTES},
};
use uuid::Uuid;

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, Member, PASSWORD},
};

const ASKS: (u16, &str) = (403, "Bitte zeigen Sie noch einmal, dass Sie es sind");
const WRONG: [(&str, &str); 1] = [("reauth_password", "not the password")];
const EXPORTED: &str =
    "Auf einem anderen Gerät (Test) wurde mit Ihrem Konto die Liste aller Abonnements heruntergeladen";
const ROLE: &str = "Auf einem anderen Gerät (Test) wurde mit Ihrem Konto die Rolle einer Person geändert";
const RIGHT: (&str, &str) = ("reauth_password", PASSWORD);

fn seen(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.heading())
}

/// All sessions gave their password eleven minutes ago.
async fn ten_minutes_pass(app: &TestApp) {
    sqlx::query("update staff_sessions set authenticated_at = now() - interval '11 minutes'")
        .execute(&app.pool)
        .await
        .unwrap();
}

/// Everything that a thief is after: what nobody but its owner may change or take.
async fn treasure(app: &TestApp) -> String {
    let query = "select concat(
        (select string_agg(concat(id, email, role, disabled_at, password_hash, totp_sealed), '|' order by id) from staff),
        (select string_agg(l::text, '|' order by token_sha256) from staff_links l),
        (select string_agg(action, '|' order by id) from audit_log where action not in ('code_refused', 'login_held')),
        (select string_agg(what, '|' order by id) from staff_notices))";
    sqlx::query_scalar(query).fetch_one(&app.pool).await.unwrap()
}

#[test]
fn every_route_that_gives_or_takes_an_account_or_addresses_asks_again() {
    let asks: Vec<&str> = ROUTES
        .iter()
        .filter(|route| matches!(route.reauth, Reauth::Before(_)))
        .map(|route| route.path)
        .collect();
    assert_eq!(
        asks,
        [
            "/staff/mailings/{id}/report.csv",
            "/staff/people",
            "/staff/people/{id}/role",
            "/staff/people/{id}/disable",
            "/staff/people/{id}/enable",
            "/staff/people/{id}/link",
            "/staff/people/{id}/second-factor",
            "/staff/subscribers/export.csv",
            "/staff/subscribers/{id}/proof",
        ]
    );
    let in_form: Vec<&str> =
        ROUTES.iter().filter(|route| route.reauth == Reauth::InForm).map(|route| route.path).collect();
    assert_eq!(
        in_form,
        [
            "/staff/account/password",
            "/staff/account/second-factor",
            "/staff/account/second-factor/codes",
            "/staff/account/second-factor/off",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_which_the_password_was_not_given_lately_does_none_of_it() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let otto = app.member("otto@example.org", Role::Editor).await;
    app.subscriber("maria@example.org").await;
    let browser = app.browser_of(&ada).await;
    ten_minutes_pass(&app).await;
    let before = treasure(&app).await;
    for route in ROUTES.iter().filter(|route| matches!(route.reauth, Reauth::Before(_))) {
        let path = route.path.replace("{id}", &otto.id.to_string());
        let fields = [("email", "mallory@example.org"), ("name", "Mallory"), ("role", "admin")];
        let asked = browser.post(&path, &fields).await;
        assert_eq!(seen(&asked), ASKS, "{path}");
        assert!(asked.header("content-type").starts_with("text/html"), "{path}");
        // Nothing that was typed is lost, and nothing was done.
        assert!(asked.body.contains(&format!("action=\"{path}\"")), "{}", asked.body);
        assert!(asked.body.contains("name=\"email\" value=\"mallory@example.org\""), "{}", asked.body);
        for wrong in ["", "not the password"] {
            let again = browser.post(&path, &[("email", "x@example.org"), ("reauth_password", wrong)]).await;
            assert_eq!((again.status.as_u16(), again.heading()), (422, ASKS.1), "{path}: {wrong}");
            assert!(!again.body.contains("not the password"), "{}", again.body);
        }
        sqlx::query("delete from staff_login_throttle").execute(&app.pool).await.unwrap();
        sqlx::query("update staff_sessions set reauth_tries = 0").execute(&app.pool).await.unwrap();
    }
    assert_eq!(treasure(&app).await, before);
    // Everything else goes on.
    assert_eq!(browser.get("/staff/people").await.status, 200);
    assert_eq!(browser.post("/staff/account/name", &[("name", "Ada")]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_the_password_goes_on_with_what_was_typed_and_is_not_asked_again_for_ten_minutes() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&ada).await;
    ten_minutes_pass(&app).await;
    let fields = [("email", "otto@example.org"), ("name", "Otto & Söhne"), ("role", "editor")];
    assert_eq!(seen(&browser.post("/staff/people", &fields).await), ASKS);
    let mut with = fields.to_vec();
    with.push(RIGHT);
    let added = browser.post("/staff/people", &with).await;
    assert_eq!(seen(&added), (200, "Link für Otto &amp; Söhne"));
    assert!(added.body.contains("/staff/welcome/"), "{}", added.body);
    let export = browser.post("/staff/subscribers/export.csv", &[]).await;
    assert_eq!((export.status.as_u16(), export.header("content-type")), (200, "text/csv; charset=utf-8"));
    let actions = app.actions().await;
    assert!(actions.contains(&"reauthenticated".to_owned()), "{actions:?}");
    ten_minutes_pass(&app).await;
    assert_eq!(seen(&browser.post("/staff/subscribers/export.csv", &[]).await), ASKS);
    // Logging in counts, of course.
    let fresh = app.browser();
    fresh.log_in("ada@example.org", PASSWORD).await;
    assert_eq!(fresh.post("/staff/subscribers/export.csv", &[]).await.status, 200);
}

/// Sets up a second factor that codes can be made for.
async fn second_factor(app: &TestApp, member: &Member) -> TotpSecret {
    let secret = TotpSecret::mint();
    sqlx::query("update staff set totp_sealed = $2, totp_last_step = null where id = $1")
        .bind(member.id.0)
        .bind(secret.seal(&app.config.secret_keys, member.id))
        .execute(&app.pool)
        .await
        .unwrap();
    secret
}

fn code(secret: &TotpSecret, later: i64) -> String {
    secret.code(Utc::now().timestamp() / 30 + later)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_second_factor_is_asked_for_both() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&ada).await;
    let secret = second_factor(&app, &ada).await;
    ten_minutes_pass(&app).await;
    let path = "/staff/subscribers/export.csv";
    let asked = browser.post(path, &[]).await;
    assert!(asked.body.contains("name=\"reauth_code\""), "{}", asked.body);
    for given in [vec![RIGHT], vec![RIGHT, ("reauth_code", "000000")]] {
        assert_eq!(browser.post(path, &given).await.status, 422, "{given:?}");
    }
    let now = code(&secret, 0);
    assert_eq!(browser.post(path, &[("reauth_password", "wrong"), ("reauth_code", &now)]).await.status, 422);
    assert_eq!(browser.post(path, &[RIGHT, ("reauth_code", &now)]).await.status, 200);

    // What asks in its own form asks for the code too, unless both were given lately.
    ten_minutes_pass(&app).await;
    let page = browser.get("/staff/account/second-factor").await;
    assert!(
        page.body.contains("id=\"off-code\"") && page.body.contains("id=\"codes-code\""),
        "{}",
        page.body
    );
    assert!(browser.get("/staff/account").await.body.contains("autocomplete=\"one-time-code\""));
    let new = [
        ("password", PASSWORD),
        ("new_password", "vier kleine Zebras lesen"),
        ("repeated", "vier kleine Zebras lesen"),
    ];
    let off = "/staff/account/second-factor/off";
    for (path, fields) in [
        (off, &new[..1]),
        ("/staff/account/second-factor/codes", &new[..1]),
        ("/staff/account/password", &new[..]),
    ] {
        let refused = browser.post(path, fields).await;
        assert_eq!(refused.status, 422, "{path}");
        assert!(refused.body.contains("geben Sie den Code ein"), "{path}: {}", refused.body);
    }
    let next = code(&secret, 1);
    assert_eq!(browser.post(off, &[("password", PASSWORD), ("code", &next)]).await.status, 303);
    assert_eq!(app.count("select count(*) from staff where totp_sealed is not null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_count_as_at_the_login_and_only_many_end_the_session() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&ada).await;
    ten_minutes_pass(&app).await;
    let path = "/staff/subscribers/export.csv";
    for n in 1..=6 {
        assert_eq!(browser.post(path, &WRONG).await.status, 422, "guess {n}");
    }
    // The seventh waits, the right one too, and so does a login from elsewhere.
    app.waits_last().await;
    assert_eq!(browser.post(path, &[RIGHT]).await.status, 429);
    assert_eq!(app.browser().log_in("ada@example.org", PASSWORD).await.status, 429);
    assert_eq!(browser.get("/staff").await.status, 200, "the session goes on");
    let forget = "delete from staff_login_throttle";
    sqlx::query(forget).execute(&app.pool).await.unwrap();
    assert_eq!(browser.post(path, &[RIGHT]).await.status, 200, "and its owner too");
    ten_minutes_pass(&app).await;
    for n in 1..=10 {
        sqlx::query(forget).execute(&app.pool).await.unwrap();
        assert_eq!(browser.post(path, &WRONG).await.status, 422, "guess {n}");
    }
    sqlx::query(forget).execute(&app.pool).await.unwrap();
    let over = browser.post(path, &[RIGHT]).await;
    assert_eq!(over.header("location"), "/staff/login?done=reauth_tries");
    assert_eq!(browser.get("/staff").await.status, 303, "ten without a right one are no owner's");
    assert_eq!(app.browser().log_in("ada@example.org", PASSWORD).await.status, 303, "who gets in as ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_one_time_link_for_themselves() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&ada).await;
    let path = format!("/staff/people/{}", ada.id);
    let page = browser.get(&path).await;
    assert!(!page.body.contains(&format!("{path}/link")), "{}", page.body);
    let refused = browser.post(&format!("{path}/link"), &[]).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("Für sich selbst macht niemand einen Link"), "{}", refused.body);
    let made = make_link(&app.pool, (&ada.actor(), None), ada.id, Factor::Keep, Utc::now()).await;
    assert!(matches!(made, Err(StaffError::OwnLink)));
    assert_eq!(app.count("select count(*) from staff_links").await, 0);
    // Whoever runs the server can.
    let command = (&Actor::Command, None);
    assert!(make_link(&app.pool, command, ada.id, Factor::Keep, Utc::now()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_sessions_of_an_account_are_told_until_they_have_read_it() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let otto = app.member("otto@example.org", Role::Editor).await;
    let (doer, other, ottos) =
        (app.browser_of(&ada).await, app.browser_of(&ada).await, app.browser_of(&otto).await);
    doer.post("/staff/subscribers/export.csv", &[]).await;
    doer.post(&format!("/staff/people/{}/role", otto.id), &[("role", "admin")]).await;
    // The same once more changes nothing, so nothing is told.
    doer.post(&format!("/staff/people/{}/role", otto.id), &[("role", "admin")]).await;
    for _ in 0..2 {
        let page = other.get("/staff/updates").await.body;
        assert!(page.contains(EXPORTED), "{page}");
        assert_eq!(page.matches(ROLE).count(), 1, "{page}");
        assert!(!doer.get("/staff").await.body.contains("Auf einem anderen Gerät"), "who did it knows");
    }
    let page = ottos.get("/staff").await.body;
    assert!(page.contains("Durch Ada Muster wurde Ihre Rolle geändert"), "{page}");
    assert!(!page.contains(EXPORTED), "{page}");

    let ids: Vec<String> =
        sqlx::query_scalar("select id::text from staff_notices where staff_id = $1 order by id")
            .bind(ada.id.0)
            .fetch_all(&app.pool)
            .await
            .unwrap();
    let read: Vec<(&str, &str)> = ids.iter().map(|id| ("id", id.as_str())).collect();
    // Not somebody else's.
    ottos.post("/staff/account/notices", &read).await;
    assert!(other.get("/staff").await.body.contains(EXPORTED));
    assert_eq!(other.post("/staff/account/notices", &read[..1]).await.status, 303);
    let page = other.get("/staff").await.body;
    assert!(!page.contains(EXPORTED) && page.contains(ROLE), "{page}");
    // A session that begins later reads it in the account's log.
    let later = app.browser_of(&ada).await;
    assert!(!later.get("/staff").await.body.contains("Auf einem anderen Gerät"));
    let account = later.get("/staff/account").await.body;
    assert!(account.contains("alle Abonnements heruntergeladen"), "{account}");
    let account = app.browser_of(&otto).await.get("/staff/account").await.body;
    assert!(account.contains("Rolle geändert") && account.contains("· Ada Muster"), "{account}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_one_time_link_made_for_them_is_told_by_whom() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let otto = app.member("otto@example.org", Role::Admin).await;
    let (boss, theirs) = (app.browser_of(&ada).await, app.browser_of(&otto).await);
    second_factor(&app, &otto).await;
    boss.post(&format!("/staff/people/{}/link", otto.id), &[]).await;
    boss.post(&format!("/staff/people/{}/second-factor", otto.id), &[]).await;
    let page = theirs.get("/staff").await.body;
    assert!(page.contains("für Ihr Konto ein neues Passwort festlegen"), "{page}");
    assert!(page.contains("Durch Ada Muster wurde Ihr zweiter Schritt zurückgesetzt"), "{page}");
    let command = (&Actor::Command, None);
    make_link(&app.pool, command, otto.id, Factor::Keep, Utc::now()).await.unwrap();
    let mut db = app.pool.acquire().await.unwrap();
    assert!(theirs.get("/staff").await.body.contains("Auf dem Server wurde ein Link gemacht"));
    // After a week nobody is there to read it.
    let removed = rundbrief::domain::staff::notice::forget(&mut db, Utc::now() + TimeDelta::days(8)).await;
    assert!(removed.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_cannot_be_read_is_not_carried_along_and_does_nothing() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let browser: Browser<'_> = app.browser_of(&ada).await;
    ten_minutes_pass(&app).await;
    for (kind, body) in [
        ("application/json", "{\"reauth_password\":\"Kamel tanzt auf Nebelhorn\"}"),
        ("multipart/form-data; boundary=b", "--b\r\n\r\n--b--\r\n"),
        ("", "reauth_password=Kamel+tanzt+auf+Nebelhorn"),
    ] {
        let cookie = format!("__Host-rundbrief={}", browser.cookie("__Host-rundbrief"));
        let headers = [("content-type", kind), ("sec-fetch-site", "same-origin"), ("cookie", &cookie)];
        let asked = app.request(Method::POST, "/staff/people", &headers, body).await;
        assert!(asked.status == 403 || asked.status == 400, "{kind}: {}", asked.status);
    }
    let html = "\"><script>alert(1)</script>";
    let asked = browser.post("/staff/people", &[(html, html)]).await;
    assert!(asked.body.contains("&lt;script&gt;") && !asked.body.contains("<script>alert"), "{}", asked.body);
    let id = Uuid::new_v4();
    assert_eq!(browser.post(&format!("/staff/people/{id}/link"), &[RIGHT]).await.status, 404);
}
