//! The audit log: complete, unchangeable, deleted after three years.

use chrono::{Days, Utc};
use rundbrief::{
    app::members::{Change, Factor, change_member, make_link},
    domain::{
        retention,
        staff::{
            Role,
            audit::{self, Action, Actor},
        },
    },
};
use serde_json::json;

use crate::harness::{App, browser::PASSWORD, program::Program};

const NEW: &str = "Vier kleine Zebras lesen";

#[test]
fn every_kind_of_action_is_looked_for_by_some_test() {
    let files = std::fs::read_dir("tests/it").unwrap().map(|entry| entry.unwrap().path());
    let tests: String = files.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    let missing: Vec<&str> = Action::ALL
        .iter()
        .map(|action| action.as_str())
        .filter(|name| !["\"", "'"].iter().any(|quote| tests.contains(&format!("{quote}{name}{quote}"))))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_on_the_command_line_leaves_a_line_too() {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let update = app.update("Neues").await.to_string();
    let program = Program::beside(&app);
    program.file("list.csv", "email,consented_at,consent_source\nmia@example.org,2026-03-01,Messe\n");
    program.file(
        "publication.toml",
        include_str!("../../publication.example.toml").replace("#0b5d4e", "#0b5d4f"),
    );
    program.file("update.md", "---\ntitle: Aus der Werkstatt\n---\n\nEin Satz.\n");
    program.run(&["updates", "add", "update.md"]).await.done();
    program.run(&["subscribers", "import", "list.csv"]).await.done();
    program.run(&["subscribers", "show", "mia@example.org", "--proof", "proof.html"]).await.done();
    program.run(&["subscribers", "export"]).await.done();
    program.run(&["subscribers", "erase", "mia@example.org", "--yes"]).await.done();
    program.run(&["publication", "apply", "publication.toml"]).await.done();
    program.run(&["mailings", "test", &update, "--to", "ada@example.org"]).await.done();
    let sent = program.run(&["mailings", "trigger", &update, "--yes", "--json"]).await.json();
    let id = sent["id"].as_str().unwrap();
    for what in ["pause", "resume", "cancel"] {
        program.run(&["mailings", what, id]).await.done();
    }
    let entries: Vec<(String, String)> =
        sqlx::query_as("select action, subject from audit_log where staff_email = 'command' order by id")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    let got: Vec<(&str, &str)> = entries.iter().map(|(action, subject)| (&**action, &**subject)).collect();
    let expected = [
        ("update_begun", "aus-der-werkstatt"),
        ("import_started", "list.csv"),
        ("proof_downloaded", "m…@example.org"),
        ("subscribers_exported", ""),
        ("subscriber_erased", "m…@example.org"),
        ("publication_changed", "LOK Lausitz"),
        ("test_sent", "Neues"),
        ("mailing_sent", "Neues"),
        ("mailing_paused", "Neues"),
        ("mailing_resumed", "Neues"),
        ("mailing_cancelled", "Neues"),
    ];
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_to_accounts_leaves_a_line_each() {
    let app = App::new().without_worker().start().await;
    app.member("boss@example.org", Role::Admin).await;
    let otto = app.member("otto@example.org", Role::Editor).await;
    let browser = app.browser();
    browser.log_in("boss@example.org", PASSWORD).await;
    browser.post("/staff/account/name", &[("name", "Die Chefin")]).await;
    let path = format!("/staff/people/{}", otto.id);
    for (what, form) in
        [("role", vec![("role", "admin")]), ("disable", vec![]), ("enable", vec![]), ("link", vec![])]
    {
        browser.post(&format!("{path}/{what}"), &form).await;
    }
    browser
        .post("/staff/account/password", &[("password", PASSWORD), ("new_password", NEW), ("repeated", NEW)])
        .await;
    browser.post("/staff/people", &[("email", "eva@example.org"), ("name", "Eva"), ("role", "editor")]).await;
    browser.post("/staff/account/sessions/end", &[]).await;
    browser.log_in("boss@example.org", NEW).await;
    browser.post("/staff/logout", &[]).await;
    let entries: Vec<(String, String, String)> = sqlx::query_as(
        "select staff_email, action, subject from audit_log where staff_email <> 'command' order by id",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    let expected = [
        ("logged_in", "boss"),
        ("name_changed", "boss"),
        ("role_changed", "otto"),
        ("member_disabled", "otto"),
        ("member_enabled", "otto"),
        ("link_made", "otto"),
        ("password_changed", "boss"),
        ("member_added", "eva"),
        ("link_made", "eva"),
        ("sessions_ended", "boss"),
        ("logged_in", "boss"),
        ("logged_out", "boss"),
    ];
    let got: Vec<(String, String)> = entries
        .iter()
        .map(|(_, action, subject)| (action.clone(), subject.replace("@example.org", "")))
        .collect();
    let expected: Vec<(String, String)> = expected.map(|(a, s)| (a.to_owned(), s.to_owned())).to_vec();
    assert_eq!(got, expected);
    assert!(entries.iter().all(|(who, ..)| who == "boss@example.org"));
    let logged = app.whole_database().await;
    assert!(!logged.contains(PASSWORD) && !logged.contains(NEW), "and no password");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_happen_leaves_no_line() {
    let app = App::new().without_worker().start().await;
    let boss = app.member("boss@example.org", Role::Admin).await;
    let browser = app.browser_of(&boss).await;
    let before = app.actions().await;
    browser.post(&format!("/staff/people/{}/disable", boss.id), &[]).await;
    browser.post(&format!("/staff/people/{}/role", boss.id), &[("role", "admin")]).await;
    browser.post("/staff/account/name", &[("name", "")]).await;
    browser.post("/staff/people", &[("email", "boss@example.org"), ("name", "X"), ("role", "admin")]).await;
    assert_eq!(app.actions().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_refuses_to_change_a_line() {
    let app = App::new().without_worker().start().await;
    app.member("boss@example.org", Role::Admin).await;
    for attempt in [
        "update audit_log set action = 'logged_out'",
        "delete from audit_log",
        "truncate audit_log",
        "select set_config('rundbrief.audit_change', 'forget', false); update audit_log set subject = ''",
    ] {
        let refused = sqlx::raw_sql(attempt).execute(&app.pool).await;
        let error = refused.expect_err(attempt).to_string();
        assert!(error.contains("append-only") || error.contains("kept as they were"), "{attempt}: {error}");
    }
    assert_eq!(app.actions().await, ["member_added", "password_set"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_read_it_and_narrow_it_down() {
    let app = App::new().without_worker().start().await;
    let boss = app.member("boss@example.org", Role::Admin).await;
    let mut db = app.pool.acquire().await.unwrap();
    let now = Utc::now();
    let otto = Actor::Member { id: boss.id, email: "otto@example.org".into(), role: Role::Admin };
    for n in 0..60 {
        let (subject, at) =
            (format!("subject{n}@example.org"), now - Days::new(100) + chrono::TimeDelta::minutes(n));
        audit::record(&mut db, &otto, Action::MemberAdded, &subject, &json!({ "role": "editor" }), at)
            .await
            .unwrap();
    }
    audit::record(&mut db, &boss.actor(), Action::LoggedOut, "", &json!({}), now).await.unwrap();
    let browser = app.browser_of(&boss).await;
    let all = browser.get("/staff/audit").await;
    assert_eq!(all.body.matches("class=\"log-at\"").count(), 50);
    for word in [
        "Technik (am Server)",
        "boss@example.org",
        "otto@example.org",
        "Ada Muster",
        "Ada Muster (boss@example.org)",
        "Person hinzugefügt",
        "Rolle: Redaktion",
    ] {
        assert!(all.body.contains(word), "{word}");
    }
    let older = all.body.split("href=\"/staff/audit?before=").nth(1).expect("there are older ones");
    let older = &older[..older.find('"').unwrap()];
    let next = browser.get(&format!("/staff/audit?before={older}")).await;
    assert_eq!(next.body.matches("class=\"log-at\"").count(), 13, "the other ones, and none twice");
    assert!(!next.body.contains("href=\"/staff/audit?before="));

    let count = async |query: &str| {
        browser.get(&format!("/staff/audit?{query}")).await.body.matches("class=\"log-at\"").count()
    };
    assert_eq!(count("person=boss%40example.org").await, 1);
    assert_eq!(count("action=password_set").await, 1);
    assert_eq!(count("action=logged_out&person=otto%40example.org").await, 0);
    let day = |days| (now - Days::new(days)).format("%Y-%m-%d").to_string();
    assert_eq!(count(&format!("to={}", day(50))).await, 50);
    assert_eq!(count(&format!("from={}", day(50))).await, 3);
    assert_eq!(count(&format!("from={}&to={}", day(90), day(50))).await, 0);
    assert_eq!(
        count("from=yesterday&action=nonsense&before=x").await,
        50,
        "what says nothing narrows nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_after_three_years_and_what_is_over_of_logins_goes_at_once() {
    let app = App::new().start().await;
    let boss = app.member("boss@example.org", Role::Admin).await;
    app.browser_of(&boss).await;
    let gone = app.member("gone@example.org", Role::Editor).await;
    let command = (&Actor::Command, None);
    change_member(&app.pool, command, gone.id, Change::Disable, Utc::now()).await.unwrap();
    app.browser().log_in("nobody@example.org", "something").await;
    make_link(&app.pool, command, boss.id, Factor::Keep, Utc::now()).await.unwrap();
    let mut db = app.pool.acquire().await.unwrap();
    let at = |days| Utc::now() + Days::new(days);
    assert_eq!(retention::staff_leftovers(&mut db, Utc::now()).await.unwrap(), 0);
    assert_eq!(retention::staff_leftovers(&mut db, at(8)).await.unwrap(), 3, "session, link, count");
    assert_eq!(app.actions().await.len(), 6);
    assert_eq!(retention::staff_leftovers(&mut db, at(91)).await.unwrap(), 6, "an event beside each entry");
    assert_eq!(retention::staff_leftovers(&mut db, at(3 * 365 - 1)).await.unwrap(), 0);
    assert_eq!(
        retention::staff_leftovers(&mut db, at(3 * 365 + 1)).await.unwrap(),
        6 + 1,
        "log, and who left"
    );
    let list = Program::beside(&app).run(&["staff", "list", "--json"]).await.json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list[0]["email"], "boss@example.org", "who may log in stays");
}

/// The keys of what is written beside an entry, as they stand in the code.
fn detail_keys(folder: &std::path::Path, keys: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            detail_keys(&path, keys);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        let is_logged =
            |line: &&str| ["let details =", "audit::record(", "note("].iter().any(|sign| line.contains(sign));
        for line in source.lines().filter(is_logged) {
            let Some((_, object)) = line.split_once("json!({") else { continue };
            let quoted: Vec<&str> = object.split('"').collect();
            let named = quoted.windows(2).skip(1).step_by(2).filter(|pair| pair[1].starts_with(':'));
            keys.extend(named.map(|pair| pair[0].to_owned()));
        }
    }
}

#[test]
fn every_detail_has_a_word_in_both_languages() {
    let mut keys = Vec::new();
    detail_keys(std::path::Path::new("src"), &mut keys);
    keys.sort();
    keys.dedup();
    assert!(keys.len() > 15 && keys.contains(&"saved_at".to_owned()), "they were found: {keys:?}");
    // They name what an entry is about, in the place of its subject.
    keys.retain(|key| !["update", "title", "alt"].contains(&key.as_str()));
    for file in ["src/web/texts/staff.de.toml", "src/web/texts/staff.en.toml"] {
        let texts: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
        let missing: Vec<&String> = keys.iter().filter(|key| texts["detail"].get(key).is_none()).collect();
        assert!(missing.is_empty(), "{file}: {missing:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_and_pictures_are_named_as_people_know_them_also_when_they_are_gone() {
    let app = App::new().without_worker().start().await;
    let boss = app.member("boss@example.org", Role::Admin).await;
    let browser = app.browser_of(&boss).await;
    let begin = async || {
        let begun = browser.post("/staff/updates", &[]).await;
        begun.header("location").split('?').next().unwrap().to_owned()
    };
    let write = async |draft: &str, title: &str| {
        let form = [("version", "1"), ("title", title), ("body", "Ein Satz."), ("locale", "de")];
        assert_eq!(browser.post(draft, &form).await.status, 303);
    };
    let kept = begin().await;
    write(&kept, "Ein neuer Spielplatz").await;
    let gone = begin().await;
    write(&gone, "Doch nicht").await;
    assert_eq!(browser.post(&format!("{gone}/delete"), &[]).await.status, 303);
    let empty = begin().await;
    let mut db = app.pool.acquire().await.unwrap();
    let by = boss.actor();
    // As an earlier version wrote them: by an id, a slug, a key.
    let old = json!({ "update": rundbrief::domain::ids::UpdateId::new() });
    audit::record(&mut db, &by, Action::UpdateBegun, "entwurf-9", &old, Utc::now()).await.unwrap();
    let old = json!({ "saved_at": "2026-11-25T10:00:00.123456Z" });
    audit::record(&mut db, &by, Action::UpdateRestored, "ein-neuer-spielplatz", &old, Utc::now())
        .await
        .unwrap();
    audit::record(&mut db, &by, Action::ImageRemoved, "k3j4h5k3j4h5", &json!({}), Utc::now()).await.unwrap();
    let newer = json!({ "colour_of_things": "grün" });
    audit::record(&mut db, &by, Action::NameChanged, "otto@example.org", &newer, Utc::now()).await.unwrap();
    let page = browser.get("/staff/audit").await.body;
    for (shown, times) in [
        ("Update begonnen <span class=\"address\">„Ein neuer Spielplatz“</span>", 1),
        ("an Update geschrieben <span class=\"address\">„Ein neuer Spielplatz“</span>", 1),
        ("frühere Fassung zurückgeholt <span class=\"address\">„Ein neuer Spielplatz“</span>", 1),
        ("Update begonnen <span class=\"address\">„Doch nicht“</span>", 1),
        ("Entwurf gelöscht <span class=\"address\">„Doch nicht“</span>", 1),
        ("Update begonnen <span class=\"address\">(noch ohne Titel)</span>", 1),
        ("Update begonnen <span class=\"address\">(gibt es nicht mehr", 1),
        ("Bild entfernt <span class=\"address\">(gibt es nicht mehr", 1),
        ("Fassung vom: 25.11.2026, 11:00", 1),
        ("grün", 1),
    ] {
        assert_eq!(page.matches(shown).count(), times, "{shown} in {page}");
    }
    for raw in ["title:", "update:", "saved_at", "colour_of_things", "entwurf", "k3j4h5"] {
        assert!(!page.contains(raw), "{raw} in {page}");
    }
    for (asked, found, not) in [
        ("spielplatz", "„Ein neuer Spielplatz“", "otto@example.org"),
        ("OTTO@", "otto@example.org", "Spielplatz"),
        ("nichts%", "Dazu gibt es keinen Eintrag", "Spielplatz"),
    ] {
        let narrowed = browser.get(&format!("/staff/audit?about={}", asked.replace('%', "%25"))).await.body;
        let list = narrowed.split("aria-label=\"Einträge\"").nth(1).unwrap();
        assert!(list.contains(found) && !list.contains(not), "{asked}: {list}");
    }
    let ids = [kept, gone, empty].map(|path| path.rsplit('/').next().unwrap().to_owned());
    assert!(ids.iter().all(|id| !page.contains(id)), "{page}");
}
