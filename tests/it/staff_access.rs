//! Who may use which staff page, and from where.

use std::collections::BTreeMap;

use axum::http::Method;
use chrono::{TimeDelta, Utc};
use rundbrief::{
    app::{export_subscribers::export_subscribers, held_signups::send_again},
    domain::{
        actor::Actor,
        staff::{self, Role, session},
    },
    web::{http::route::Allowed, routes::ROUTES},
};

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, Member},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_only_admins_may_do_is_refused_to_editors_whichever_door_asks() {
    let app = App::new().without_worker().start().await;
    let editor = app.member("editor@example.org", Role::Editor).await.actor();
    let admin = app.member("admin@example.org", Role::Admin).await.actor();
    let now = Utc::now();
    let refused =
        export_subscribers(&app.pool, &editor, None, now).await.err().map(|error| error.to_string());
    assert_eq!(refused.as_deref(), Some("only admins may do this"));
    let refused = send_again(&app.pool, &editor, now, now).await.err().map(|error| error.to_string());
    assert_eq!(refused.as_deref(), Some("only admins may do this"));
    assert!(app.actions().await.iter().all(|action| action == "member_added" || action == "password_set"));
    for by in [&admin, &Actor::Command] {
        assert!(export_subscribers(&app.pool, by, None, now).await.is_ok());
        assert!(send_again(&app.pool, by, now, now).await.is_ok());
    }
    assert!(export_subscribers(&app.pool, &Actor::Visitor, None, now).await.is_err());
}

/// What everybody is answered: those who are not logged in, editors, admins. Forms are sent empty.
const TABLE: &[(&str, &str, [u16; 3])] = &[
    ("GET", "/staff", [303, 200, 200]),
    ("GET", "/staff/", [303, 308, 308]),
    ("POST", "/staff/first-steps", [303, 303, 303]),
    ("GET", "/staff/login", [200, 303, 303]),
    ("POST", "/staff/login", [422, 422, 422]),
    ("GET", "/staff/login/forgotten", [200, 200, 200]),
    ("POST", "/staff/login/forgotten", [422, 422, 422]),
    ("GET", "/staff/login/code", [303, 303, 303]),
    ("POST", "/staff/login/code", [303, 303, 303]),
    ("POST", "/staff/logout", [303, 303, 303]),
    ("GET", "/staff/welcome/{token}", [410, 410, 410]),
    ("POST", "/staff/welcome/{token}", [410, 410, 410]),
    ("GET", "/staff/updates/{id}/send", [303, 404, 404]),
    ("POST", "/staff/updates/{id}/send", [303, 404, 404]),
    ("POST", "/staff/updates/{id}/test", [303, 404, 404]),
    ("GET", "/staff/colleagues", [303, 200, 200]),
    ("POST", "/staff/colleagues", [303, 422, 422]),
    ("POST", "/staff/colleagues/{id}/remove", [303, 303, 303]),
    ("GET", "/staff/mailings", [303, 200, 200]),
    ("GET", "/staff/mailings/{id}", [303, 404, 404]),
    ("GET", "/staff/mailings/{id}/events", [303, 404, 404]),
    ("GET", "/staff/mailings/{id}/mail.html", [303, 404, 404]),
    ("GET", "/staff/mailings/{id}/text", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/text", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/take-back", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/now", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/time", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/pause", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/resume", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/cancel", [303, 404, 404]),
    ("GET", "/staff/mailings/{id}/refusals", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/refusals", [303, 404, 404]),
    ("GET", "/staff/mailings/{id}/retry", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/retry", [303, 404, 404]),
    ("POST", "/staff/mailings/{id}/report.csv", [303, 404, 404]),
    ("GET", "/staff/account", [303, 200, 200]),
    ("POST", "/staff/account/name", [303, 422, 422]),
    ("POST", "/staff/account/notices", [303, 303, 303]),
    ("POST", "/staff/account/password", [303, 422, 422]),
    ("POST", "/staff/account/sessions/end", [303, 303, 303]),
    ("POST", "/staff/account/sessions/{id}/end", [303, 303, 303]),
    ("GET", "/staff/account/second-factor", [303, 200, 200]),
    ("POST", "/staff/account/second-factor", [303, 303, 303]),
    ("POST", "/staff/account/second-factor/codes", [303, 303, 303]),
    ("POST", "/staff/account/second-factor/off", [303, 303, 303]),
    ("GET", "/staff/updates", [303, 200, 200]),
    ("POST", "/staff/updates", [303, 303, 303]),
    ("GET", "/staff/updates/{id}", [303, 404, 404]),
    ("POST", "/staff/updates/{id}", [303, 404, 404]),
    ("POST", "/staff/updates/{id}/here", [303, 404, 404]),
    ("GET", "/staff/updates/{id}/mail.html", [303, 404, 404]),
    ("GET", "/staff/updates/{id}/mail.txt", [303, 404, 404]),
    ("GET", "/staff/updates/{id}/history", [303, 404, 404]),
    ("GET", "/staff/updates/{id}/history/{version}", [303, 404, 404]),
    ("POST", "/staff/updates/{id}/history/{version}", [303, 404, 404]),
    ("GET", "/staff/updates/{id}/review", [303, 404, 404]),
    ("POST", "/staff/updates/{id}/review", [303, 404, 404]),
    ("POST", "/staff/review-links/{id}/revoke", [303, 404, 404]),
    ("POST", "/staff/remarks/{id}/done", [303, 404, 404]),
    ("POST", "/staff/updates/{id}/copy", [303, 404, 404]),
    ("GET", "/staff/updates/{id}/template", [303, 404, 404]),
    ("POST", "/staff/updates/{id}/template", [303, 404, 404]),
    ("POST", "/staff/updates/{id}/checks", [303, 404, 404]),
    ("GET", "/staff/templates", [303, 200, 200]),
    ("GET", "/staff/templates/{id}", [303, 404, 404]),
    ("POST", "/staff/templates/{id}", [303, 404, 404]),
    ("POST", "/staff/templates/{id}/begin", [303, 404, 404]),
    ("POST", "/staff/templates/{id}/remove", [303, 303, 303]),
    ("POST", "/staff/updates/{id}/delete", [303, 303, 303]),
    ("GET", "/staff/publication", [303, 403, 200]),
    ("POST", "/staff/publication", [303, 403, 422]),
    ("POST", "/staff/publication/preview", [303, 403, 422]),
    ("GET", "/staff/publication/look", [303, 403, 200]),
    ("GET", "/staff/publication/{of}/mails/{folder}", [303, 403, 200]),
    ("GET", "/staff/publication/{of}/pages/{name}", [303, 403, 200]),
    ("GET", "/staff/people", [303, 403, 200]),
    ("POST", "/staff/people", [303, 403, 422]),
    ("GET", "/staff/people/{id}", [303, 403, 200]),
    ("POST", "/staff/people/{id}/role", [303, 403, 422]),
    ("POST", "/staff/people/{id}/disable", [303, 403, 303]),
    ("POST", "/staff/people/{id}/enable", [303, 403, 303]),
    ("POST", "/staff/people/{id}/link", [303, 403, 200]),
    ("POST", "/staff/people/{id}/second-factor", [303, 403, 303]),
    ("GET", "/staff/images", [303, 200, 200]),
    ("POST", "/staff/images", [303, 422, 422]),
    ("POST", "/staff/images/fetch", [303, 422, 422]),
    ("GET", "/staff/images/{id}", [303, 404, 404]),
    ("POST", "/staff/images/{id}", [303, 404, 404]),
    ("POST", "/staff/images/{id}/remove", [303, 303, 303]),
    ("GET", "/staff/files", [303, 200, 200]),
    ("POST", "/staff/files", [303, 422, 422]),
    ("POST", "/staff/files/{id}/remove", [303, 303, 303]),
    ("GET", "/staff/updates/{id}/preflight", [303, 404, 404]),
    ("GET", "/staff/subscribers", [303, 403, 200]),
    ("POST", "/staff/subscribers/export.csv", [303, 403, 200]),
    ("GET", "/staff/subscribers/import", [303, 403, 200]),
    ("POST", "/staff/subscribers/import", [303, 403, 422]),
    ("GET", "/staff/subscribers/import/{id}", [303, 403, 404]),
    ("POST", "/staff/subscribers/import/{id}/check", [303, 403, 404]),
    ("POST", "/staff/subscribers/import/{id}/run", [303, 403, 404]),
    ("POST", "/staff/subscribers/import/{id}/cancel", [303, 403, 404]),
    ("GET", "/staff/subscribers/import/{id}/status", [303, 403, 404]),
    ("GET", "/staff/subscribers/import/{id}/problems.csv", [303, 403, 404]),
    ("GET", "/staff/subscribers/{id}", [303, 403, 404]),
    ("POST", "/staff/subscribers/{id}/proof", [303, 403, 404]),
    ("GET", "/staff/subscribers/{id}/erase", [303, 403, 404]),
    ("POST", "/staff/subscribers/{id}/erase", [303, 403, 404]),
    ("POST", "/staff/subscribers/{id}/reactivate", [303, 403, 404]),
    ("GET", "/staff/bounces", [303, 403, 200]),
    ("POST", "/staff/bounces/ignore", [303, 403, 422]),
    ("GET", "/staff/bounces/{id}", [303, 403, 404]),
    ("POST", "/staff/bounces/{id}/assign", [303, 403, 404]),
    ("POST", "/staff/bounces/{id}/ignore", [303, 403, 404]),
    ("GET", "/staff/phone", [303, 200, 200]),
    ("POST", "/staff/phone", [303, 422, 422]),
    ("POST", "/staff/phone/ask", [303, 422, 422]),
    ("POST", "/staff/phone/again", [303, 422, 422]),
    ("POST", "/staff/phone/unsubscribe", [303, 422, 422]),
    ("POST", "/staff/phone/discard", [303, 422, 422]),
    ("POST", "/staff/phone/enter", [303, 422, 422]),
    ("GET", "/staff/signups", [303, 200, 200]),
    ("POST", "/staff/signups/release", [303, 403, 422]),
    ("POST", "/staff/signups/again", [303, 403, 422]),
    ("POST", "/staff/signups/drop", [303, 403, 422]),
    ("GET", "/staff/restore", [303, 403, 200]),
    ("POST", "/staff/restore", [303, 403, 422]),
    ("GET", "/staff/glossary", [303, 200, 200]),
    ("GET", "/staff/signature", [303, 200, 200]),
    ("POST", "/staff/signature", [303, 422, 422]),
    ("GET", "/staff/audit", [303, 403, 200]),
    ("GET", "/staff/{*rest}", [303, 404, 404]),
    ("POST", "/staff/{*rest}", [303, 404, 404]),
];

struct Team {
    editor: Member,
    admin: Member,
    disabled: Member,
    other: Member,
}

async fn team(app: &TestApp) -> Team {
    app.member("chef@example.org", Role::Admin).await;
    Team {
        editor: app.member("editor@example.org", Role::Editor).await,
        admin: app.member("admin@example.org", Role::Admin).await,
        disabled: app.member("disabled@example.org", Role::Admin).await,
        other: app.member("other@example.org", Role::Editor).await,
    }
}

/// A route's path with something in the place of its parameters.
fn path_of(route: &str, team: &Team) -> String {
    route
        .replace("{version}", "1")
        .replace("{folder}", "welcome")
        .replace("{of}", "current")
        .replace("{name}", "signup")
        .replace("{token}", &"A".repeat(43))
        .replace("{id}", &team.other.id.to_string())
        .replace("{*rest}", "nowhere/at/all")
}

async fn ask(browser: &Browser<'_>, method: &str, path: &str) -> Answer {
    if method == "GET" { browser.get(path).await } else { browser.post(path, &[]).await }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_everybody_as_the_table_says() {
    let app = App::new().without_worker().start().await;
    let team = team(&app).await;
    let table: BTreeMap<(&str, &str), [u16; 3]> =
        TABLE.iter().map(|(method, path, answers)| ((*method, *path), *answers)).collect();
    assert_eq!(table.len(), TABLE.len());
    let mut used = 0;
    for route in ROUTES.iter().filter(|route| route.is_staff()) {
        let path = path_of(route.path, &team);
        for method in ["GET", "POST"] {
            // A session each: some of these end it.
            let admin = ask(&app.browser_of(&team.admin).await, method, &path).await.status;
            let Some([nobody, editor, as_admin]) = table.get(&(method, route.path)) else {
                assert_eq!(admin, 405, "{method} {} has no row in the table", route.path);
                continue;
            };
            used += 1;
            assert_eq!(admin, *as_admin, "{method} {path} as an admin");
            let got = ask(&app.browser_of(&team.editor).await, method, &path).await.status;
            assert_eq!(got, *editor, "{method} {path} as an editor");

            let mut strangers = vec![("not logged in", app.browser())];
            let disabled = app.browser_of(&team.disabled).await;
            sqlx::query("update staff set disabled_at = now() where id = $1")
                .bind(team.disabled.id.0)
                .execute(&app.pool)
                .await
                .unwrap();
            strangers.push(("disabled", disabled));
            let expired = app.browser();
            let mut db = app.pool.acquire().await.unwrap();
            let long_ago = Utc::now() - session::ABSOLUTE;
            let token = session::begin(&mut db, team.admin.id, false, "", long_ago).await.unwrap();
            expired.set_cookie("__Host-rundbrief", &token.reveal());
            strangers.push(("expired", expired));
            let awaiting = app.browser();
            let token = session::begin(&mut db, team.admin.id, true, "", Utc::now()).await.unwrap();
            awaiting.set_cookie("__Host-rundbrief", &token.reveal());
            drop(db);
            let made_up = app.browser();
            made_up.set_cookie("__Host-rundbrief", &"A".repeat(43));
            strangers.push(("a cookie that is not ours", made_up));
            for (who, browser) in strangers {
                let got = ask(&browser, method, &path).await;
                assert_eq!(got.status, *nobody, "{method} {path}, {who}");
                if route.allowed != Allowed::Everybody {
                    let to = got.header("location");
                    assert!(to == "/staff/login" || to.starts_with("/staff/login?next="), "{who}: {to}");
                }
            }
            if route.allowed != Allowed::Everybody {
                let got = ask(&awaiting, method, &path).await;
                assert!(got.header("location").starts_with("/staff/login/code"), "{method} {path}");
            }
        }
    }
    assert_eq!(used, TABLE.len(), "every row is of a route that there is");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_logging_in_one_comes_to_the_page_asked_for_and_to_no_other_site() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser();
    let asked = browser.get("/staff/audit?action=logged_in").await;
    assert_eq!(asked.header("location"), "/staff/login?next=%2Fstaff%2Faudit%3Faction%3Dlogged_in");
    let form = browser.get(asked.header("location")).await;
    let next = form.field("next");
    let fields = [
        ("email", admin.email.as_str()),
        ("password", crate::harness::browser::PASSWORD),
        ("next", next.as_str()),
    ];
    assert_eq!(
        browser.post("/staff/login", &fields).await.header("location"),
        "/staff/audit?action=logged_in"
    );

    for next in
        ["https://evil.example/", "//evil.example", "/\\evil.example", "/staff/../..//evil.example\\", "/"]
    {
        let fields = [fields[0], fields[1], ("next", next)];
        let to = app.browser().post("/staff/login", &fields).await;
        assert_eq!((to.status.as_u16(), to.header("location")), (303, "/staff"), "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_on_another_site_does_nothing() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let form = "email=mallory%40example.org&name=Mallory&role=admin";
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
    ] {
        let browser = app.browser_of(&admin).await;
        let answer = browser.send(Method::POST, "/staff/people", headers, form).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        assert_eq!(answer.heading(), "Das kam von einer anderen Website");
        let login = app.browser().send(Method::POST, "/staff/login", headers, "email=a&password=b").await;
        assert_eq!(login.status, 403, "logging somebody in unasked, too: {headers:?}");
        let logout = browser.send(Method::POST, "/staff/logout", headers, "").await;
        assert_eq!(logout.status, 403, "{headers:?}");
    }
    assert_eq!(app.count("select count(*) from staff").await, 1);

    // Ours: as browsers say it, also where a proxy asks under another name; and programs that say nothing.
    for (n, headers) in [
        &[("sec-fetch-site", "same-origin"), ("origin", "https://brief.example.org")][..],
        &[("origin", "https://brief.example.org")],
        &[],
    ]
    .into_iter()
    .enumerate()
    {
        let browser = app.browser_of(&admin).await;
        let form = format!("email=new{n}%40example.org&name=New&role=editor");
        let answer = browser.send(Method::POST, "/staff/people", headers, &form).await;
        assert_eq!(answer.status, 200, "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_is_disabled_is_out_at_once_and_one_who_is_no_admin_any_more_too() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let other = app.member("otto@example.org", Role::Admin).await;
    let (boss, browser) = (app.browser_of(&admin).await, app.browser_of(&other).await);
    assert_eq!(browser.get("/staff/people").await.status, 200);
    let path = format!("/staff/people/{}", other.id);
    assert_eq!(boss.post(&format!("{path}/role"), &[("role", "editor")]).await.status, 303);
    assert_eq!(browser.get("/staff/people").await.status, 403);
    assert_eq!(browser.get("/staff").await.status, 200);
    assert_eq!(boss.post(&format!("{path}/disable"), &[]).await.status, 303);
    assert_eq!(browser.get("/staff").await.header("location"), "/staff/login");
    assert_eq!(boss.post(&format!("{path}/enable"), &[]).await.status, 303);
    assert_eq!(browser.get("/staff").await.status, 303, "the session does not come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_eight_hours_without_use_and_after_seven_days_in_any_case() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let age = async |seen: TimeDelta, begun: TimeDelta| {
        let now = Utc::now();
        sqlx::query("update staff_sessions set last_seen_at = $1, expires_at = $2")
            .bind(now - seen)
            .bind(now - begun + session::ABSOLUTE)
            .execute(&app.pool)
            .await
            .unwrap();
    };
    age(TimeDelta::minutes(479), TimeDelta::hours(24)).await;
    assert_eq!(browser.get("/staff").await.status, 200);
    let seen = "select count(*) from staff_sessions where last_seen_at > now() - interval '1 minute'";
    assert_eq!(app.count(seen).await, 1, "used, and so good for eight hours more");
    // A page that is left open asks by itself, which is no use.
    age(TimeDelta::minutes(479), TimeDelta::hours(24)).await;
    let here = format!("/staff/updates/{}/here", app.update("Neues").await);
    assert_eq!(browser.post(&here, &[]).await.status, 200);
    assert_eq!(app.count(seen).await, 0);
    age(TimeDelta::minutes(481), TimeDelta::hours(24)).await;
    assert_eq!(browser.get("/staff").await.status, 303);
    age(TimeDelta::minutes(1), TimeDelta::days(7) + TimeDelta::minutes(1)).await;
    assert_eq!(browser.get("/staff").await.status, 303);
    let mut db = app.pool.acquire().await.unwrap();
    // The service may have done so itself by now.
    session::forget(&mut db, Utc::now()).await.unwrap();
    assert_eq!(app.count("select count(*) from staff_sessions").await, 0);
    assert!(staff::by_id(&mut db, admin.id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_pages_are_kept_out_of_caches_search_engines_and_frames() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let paths = ["/staff", "/staff/people", "/staff/nowhere", &format!("/staff/welcome/{}", "A".repeat(43))];
    for path in paths {
        let answer = browser.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-robots-tag"), "noindex", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(!answer.body.contains("<script") && !answer.body.contains(" style="), "{path}");
    }
    for path in ["/staff/login", paths[3]] {
        let answer = app.browser().get(path).await;
        assert!(
            !answer.header("content-security-policy").contains("script-src"),
            "{path}: no script near passwords"
        );
    }
    // Also with something behind the token, where another route takes the path.
    for welcome in [paths[3].to_owned(), format!("{}/", paths[3]), format!("{}/more", paths[3])] {
        let answer = browser.get(&welcome).await;
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{welcome} holds a token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_there_has_the_navigation_for_those_who_are_logged_in() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let answer = app.browser_of(&admin).await.get("/staff/nowhere").await;
    assert_eq!(answer.heading(), "Diese Seite gibt es nicht");
    assert!(answer.body.contains("href=\"/staff/people\""), "{}", answer.body);
    let method = app.browser_of(&admin).await.post("/staff/audit", &[]).await;
    assert_eq!((method.status.as_u16(), method.header("allow")), (405, "GET,HEAD"));
    assert_eq!(method.heading(), "So geht es hier nicht weiter");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_pages_work_before_there_is_a_publication() {
    let app = App::new().without_worker().without_publication().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    for path in ["/staff", "/staff/account", "/staff/people", "/staff/audit", "/staff/account/second-factor"]
    {
        assert_eq!(app.browser_of(&admin).await.get(path).await.status, 200, "{path}");
    }
    assert!(app.browser_of(&admin).await.get("/staff").await.body.contains("Der Publikation fehlen Angaben"));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_1_get_changes_nothing_on_the_staff_pages_and_every_page_is_whole_in_both_languages() {
    let app = App::new().without_worker().start().await;
    let team = team(&app).await;
    let browser = app.browser_of(&team.admin).await;
    let before = app.whole_database().await;
    for route in ROUTES.iter().filter(|route| route.is_staff()) {
        for lang in ["de", "en"] {
            let path = path_of(route.path, &team);
            let answer = browser.get(&format!("{path}?lang={lang}&next=/staff&done=role_changed")).await;
            // A mail in its frame is no page of ours.
            if path.starts_with("/staff/publication/current/mails/") {
                assert!(answer.body.contains("<!DOCTYPE html>"), "{path}");
                continue;
            }
            let (page, is_page) = (&answer.body, answer.header("content-type").starts_with("text/html"));
            assert!(is_page || answer.status.is_redirection(), "{path}: {}", answer.status);
            if is_page {
                assert!(page.contains(&format!("<html lang=\"{lang}\">")), "{path}");
                assert_eq!(page.matches("<h1").count(), 1, "{path}: {page}");
                assert!(!page.contains('{') && !page.contains("<title> –"), "{path}: {page}");
            }
        }
    }
    assert_eq!(app.whole_database().await, before);
}
