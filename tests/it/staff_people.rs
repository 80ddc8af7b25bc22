//! Members: adding them, one-time links, and that an admin always remains.

use chrono::{TimeDelta, Utc};
use rundbrief::{
    app::members::{Change, change_member},
    domain::staff::{Role, StaffError, link},
};

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, PASSWORD},
};

const NEW: &str = "Vier kleine Zebras lesen";

/// The path of the one-time link on a page.
fn link_on(page: &Answer) -> String {
    let from = page.body.find("https://brief.example.org/staff/welcome/").expect("a link");
    let link = &page.body[from + "https://brief.example.org".len()..];
    link[..link.find('<').unwrap()].to_owned()
}

async fn add(browser: &Browser<'_>, email: &str) -> Answer {
    browser.post("/staff/people", &[("email", email), ("name", "Otto Neu"), ("role", "editor")]).await
}

async fn set(app: &TestApp, link: &str, password: &str) -> Answer {
    app.browser().post(link, &[("new_password", password), ("repeated", password)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_added_sets_a_password_by_a_link_that_works_once() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let link = link_on(&add(&browser, "otto@example.org").await);
    assert!(browser.get("/staff/people").await.body.contains("eingeladen"));
    assert!(!app.whole_database().await.contains(&link[15..]), "only its hash is stored");

    let before = app.whole_database().await;
    for _ in 0..3 {
        let page = app.browser().get(&link).await;
        assert_eq!((page.status.as_u16(), page.heading()), (200, "Passwort festlegen"));
        assert!(page.body.contains("otto@example.org"));
    }
    assert_eq!(app.whole_database().await, before, "opening it changes nothing");
    assert_eq!(set(&app, &link, "passwort2026").await.status, 422, "a weak one does not use it up");

    let otto = app.browser();
    let answer = otto.post(&link, &[("new_password", NEW), ("repeated", NEW)]).await;
    assert_eq!(answer.header("location"), "/staff?done=password_set");
    assert_eq!(otto.get("/staff").await.heading(), "Guten Tag, Otto Neu");
    assert_eq!(otto.get("/staff/people").await.status, 403);
    for answer in [app.browser().get(&link).await, set(&app, &link, "Kamel tanzt woanders hin").await] {
        assert_eq!((answer.status.as_u16(), answer.heading()), (410, "Dieser Link gilt nicht mehr"));
    }
    assert_eq!(app.browser().log_in("otto@example.org", NEW).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_its_time_with_the_next_one_and_with_its_owners_access() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let first = link_on(&add(&browser, "otto@example.org").await);
    let id: uuid::Uuid = sqlx::query_scalar("select id from staff where email = 'otto@example.org'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    let path = format!("/staff/people/{id}");
    let second = link_on(&browser.post(&format!("{path}/link"), &[]).await);
    assert_eq!(set(&app, &first, NEW).await.status, 410, "replaced");
    let age = "update staff_links set expires_at = now() - interval '1 second'";
    sqlx::query(age).execute(&app.pool).await.unwrap();
    assert_eq!(set(&app, &second, NEW).await.status, 410, "its time is over");
    let third = link_on(&browser.post(&format!("{path}/link"), &[]).await);
    browser.post(&format!("{path}/disable"), &[]).await;
    assert_eq!(set(&app, &third, NEW).await.status, 410, "disabled");
    assert_eq!(browser.post(&format!("{path}/link"), &[]).await.status, 404, "and no new one is made");
    for foreign in ["", "A", &"A".repeat(43), &"A".repeat(5000), "%00"] {
        let answer = app.browser().get(&format!("/staff/welcome/{foreign}")).await;
        assert!(matches!(answer.status.as_u16(), 410 | 404 | 303), "{foreign}: {}", answer.status);
    }
    assert_eq!(app.count("select count(*) from staff where password_hash is not null").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_by_link_ends_all_sessions_and_still_asks_for_the_second_factor() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let otto = app.member("otto@example.org", Role::Editor).await;
    let (browser, theirs) = (app.browser_of(&admin).await, app.browser_of(&otto).await);
    let link = link_on(&browser.post(&format!("/staff/people/{}/link", otto.id), &[]).await);
    assert_eq!(theirs.get("/staff").await.status, 200, "a link alone changes nothing");
    assert_eq!(app.browser().log_in("otto@example.org", PASSWORD).await.status, 303);
    sqlx::query("update staff set totp_sealed = '\\x00', totp_last_step = 1 where id = $1")
        .bind(otto.id.0)
        .execute(&app.pool)
        .await
        .unwrap();
    let opener = app.browser();
    let answer = opener.post(&link, &[("new_password", NEW), ("repeated", NEW)]).await;
    assert_eq!(answer.header("location"), "/staff/login/code");
    assert_eq!(opener.get("/staff").await.header("location"), "/staff/login/code");
    assert_eq!(theirs.get("/staff").await.status, 303);
    assert_eq!(app.browser().log_in("otto@example.org", PASSWORD).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_form_for_somebody_new_are_told_and_nothing_is_lost() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    for (email, name, role, told) in [
        ("ADA@example.org", "Otto", "editor", "schon jemanden"),
        ("otto", "Otto", "editor", "keine E\u{2011}Mail-Adresse"),
        ("otto@example.org", " ", "editor", "einen Namen"),
        ("otto@example.org", "Otto", "owner", "eine Rolle"),
    ] {
        let answer = browser.post("/staff/people", &[("email", email), ("name", name), ("role", role)]).await;
        assert_eq!(answer.status, 422, "{told}");
        assert!(
            answer.body.contains(told) && answer.body.contains(&format!("value=\"{email}\"")),
            "{}",
            answer.body
        );
    }
    assert_eq!(app.count("select count(*) from staff").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_stays() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    app.member("otto@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    // Invited is not there yet: nobody could let her in.
    browser.post("/staff/people", &[("email", "eva@example.org"), ("name", "Eva"), ("role", "admin")]).await;
    let path = format!("/staff/people/{}", ada.id);
    let cases: [(&str, &[(&str, &str)]); 2] = [("disable", &[]), ("role", &[("role", "editor")])];
    for (what, form) in cases {
        let answer = browser.post(&format!("{path}/{what}"), form).await;
        assert_eq!(answer.status, 409, "{what}");
        assert!(answer.body.contains("das letzte Konto"), "{what}: {}", answer.body);
    }
    assert_eq!(browser.get("/staff/people").await.status, 200);

    let ina = app.member("ina@example.org", Role::Admin).await;
    assert_eq!(
        browser.post(&format!("{path}/role"), &[("role", "editor")]).await.header("location"),
        "/staff?done=role_changed"
    );
    assert_eq!(
        app.browser_of(&ina).await.post(&format!("/staff/people/{}/disable", ina.id), &[]).await.status,
        409
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_who_send_each_other_away_at_the_same_moment_do_not_both_go() {
    let app = App::new().without_worker().start().await;
    for round in 0..10 {
        let one = app.member(&format!("one{round}@example.org"), Role::Admin).await;
        let two = app.member(&format!("two{round}@example.org"), Role::Admin).await;
        let send_away = |by: crate::harness::browser::Member, whom: crate::harness::browser::Member| {
            let pool = app.pool.clone();
            tokio::spawn(async move {
                let doer = (&by.actor(), None);
                let change = if round % 2 == 0 { Change::Disable } else { Change::Role(Role::Editor) };
                change_member(&pool, doer, whom.id, change, Utc::now()).await
            })
        };
        let (first, second) = (send_away(one.clone(), two.clone()), send_away(two, one));
        let done = [first.await.unwrap(), second.await.unwrap()];
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
        assert!(done.iter().any(|done| matches!(done, Err(StaffError::LastAdmin))), "{done:?}");
        sqlx::query("update staff set disabled_at = now()").execute(&app.pool).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_makes_the_first_admin_and_only_the_first() {
    let app = App::new().without_worker().start().await;
    let mut db = app.pool.acquire().await.unwrap();
    let made = link::make_for_first_admin(&mut db, Utc::now()).await.unwrap().unwrap();
    let other = link::make_for_first_admin(&mut db, Utc::now()).await.unwrap().unwrap();
    let old = link::make_for_first_admin(&mut db, Utc::now() - TimeDelta::hours(25)).await.unwrap().unwrap();
    let path = |made: &link::Made| format!("/staff/welcome/{}", made.token.reveal());
    assert_eq!(app.browser().get(&path(&old)).await.status, 410, "after a day");
    let browser = app.browser();
    assert_eq!(browser.get(&path(&made)).await.heading(), "Das erste Konto");
    let send = async |made: &link::Made, email: &str, name: &str, password: &str| {
        let fields = [("email", email), ("name", name), ("new_password", password), ("repeated", password)];
        app.browser().post(&path(made), &fields).await
    };
    let mistakes = send(&made, "ada", "", "passwort").await;
    assert_eq!(mistakes.status, 422);
    for told in ["keine E\u{2011}Mail-Adresse", "einen Namen", "weniger als 12 Zeichen"] {
        assert!(mistakes.body.contains(told), "{told}: {}", mistakes.body);
    }
    assert_eq!(
        send(&made, "ada@example.org", "Ada Lovelace", NEW).await.header("location"),
        "/staff?done=password_set"
    );
    assert_eq!(send(&other, "mallory@example.org", "Mallory", NEW).await.status, 410, "printed before");
    assert_eq!(
        link::make_for_first_admin(&mut db, Utc::now()).await.unwrap().map(|made| made.expires_at),
        None
    );
    assert_eq!(app.browser().log_in("ada@example.org", NEW).await.status, 303);
    let admins: Vec<String> = sqlx::query_scalar("select email from staff where role = 'admin'")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    assert_eq!(admins, ["ada@example.org"]);
    assert_eq!(app.actions().await[..2], ["first_admin", "password_set"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_first_admins_at_the_same_moment_are_one() {
    let app = App::new().without_worker().start().await;
    let mut db = app.pool.acquire().await.unwrap();
    let mut tasks = Vec::new();
    for n in 0..4 {
        let made = link::make_for_first_admin(&mut db, Utc::now()).await.unwrap().unwrap();
        let address = app.address;
        tasks.push(tokio::spawn(async move {
            let path = format!("/staff/welcome/{}", made.token.reveal());
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            let password = NEW.replace(' ', "+");
            let form = format!("email=a{n}%40example.org&name=A&new_password={password}&repeated={password}");
            let answer =
                crate::harness::http::send(address, axum::http::Method::POST, &path, &headers, form).await;
            answer.status.as_u16()
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers.sort_unstable();
    assert_eq!(answers, [303, 410, 410, 410]);
    assert_eq!(app.count("select count(*) from staff").await, 1);
}
