//! `staff` on the command line, and the link that `serve` prints while there is no admin.

use rundbrief::domain::staff::Role;
use serde_json::Value;

use crate::harness::{
    App, TestApp,
    browser::PASSWORD,
    program::{Program, Ran},
};

const NEW: &str = "Vier kleine Zebras lesen";

async fn run(app: &TestApp, arguments: &[&str]) -> Ran {
    Program::beside(app).run(arguments).await
}

/// The path of a link that a command printed.
fn path(link: &Value) -> String {
    let link = link.as_str().expect("a link");
    link.strip_prefix("https://brief.example.org").expect("at our address").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_add_prints_a_link_and_the_first_one_is_an_admin() {
    let app = App::new().without_worker().start().await;
    let added =
        run(&app, &["staff", "add", "ada@example.org", "--name", "Ada Lovelace", "--json"]).await.json();
    assert!(added["id"].is_string() && added["expires_at"].is_string(), "{added}");
    let browser = app.browser();
    let set = browser.post(&path(&added["link"]), &[("new_password", NEW), ("repeated", NEW)]).await;
    assert_eq!(set.header("location"), "/staff?done=password_set");
    assert_eq!(browser.get("/staff/people").await.status, 200, "the first one is an admin");

    let second = run(&app, &["staff", "add", "otto@example.org"]).await;
    assert!(second.done().starts_with("https://brief.example.org/staff/welcome/"), "{second:?}");
    let third = run(&app, &["staff", "add", "eva@example.org", "--role", "admin", "--json"]).await;
    assert!(third.json()["link"].is_string());
    let list = run(&app, &["staff", "list", "--json"]).await.json();
    let roles: Vec<(&str, &str, bool)> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|m| {
            (m["email"].as_str().unwrap(), m["role"].as_str().unwrap(), m["has_password"].as_bool().unwrap())
        })
        .collect();
    let expected = [
        ("ada@example.org", "admin", true),
        ("eva@example.org", "admin", false),
        ("otto@example.org", "editor", false),
    ];
    assert_eq!(roles, expected);
    assert!(run(&app, &["staff", "list"]).await.done().contains("no password yet"));

    let again = run(&app, &["staff", "add", "ADA@example.org"]).await;
    assert!(again.refused(1).contains("staff reset-password"), "{again:?}");
    for wrong in
        [&["staff", "add", "ada"][..], &["staff", "add", "x@example.org", "--name", " "], &["staff", "add"]]
    {
        run(&app, wrong).await.refused(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_password_disable_and_enable() {
    let app = App::new().without_worker().start().await;
    app.member("boss@example.org", Role::Admin).await;
    let otto = app.member("otto@example.org", Role::Editor).await;
    let browser = app.browser_of(&otto).await;
    sqlx::query("update staff set totp_sealed = '\\x00' where email = 'otto@example.org'")
        .execute(&app.pool)
        .await
        .unwrap();
    let reset = run(&app, &["staff", "reset-password", "otto@example.org", "--json"]).await.json();
    let set = app.browser().post(&path(&reset["link"]), &[("new_password", NEW), ("repeated", NEW)]).await;
    assert_eq!(set.header("location"), "/staff/login/code", "the second factor stays");
    let reset = run(&app, &["staff", "reset-password", "otto@example.org", "--totp", "--json"]).await.json();
    let set = app
        .browser()
        .post(&path(&reset["link"]), &[("new_password", PASSWORD), ("repeated", PASSWORD)])
        .await;
    assert_eq!(set.header("location"), "/staff?done=password_set");
    assert_eq!(browser.get("/staff").await.status, 303);

    let off = run(&app, &["staff", "disable", "otto@example.org", "--json"]).await.json();
    assert_eq!((&off["id"], &off["disabled"]), (&otto.id.to_string().into(), &true.into()));
    assert_eq!(app.browser().log_in("otto@example.org", PASSWORD).await.status, 422);
    let refused = run(&app, &["staff", "reset-password", "otto@example.org"]).await;
    assert!(refused.refused(1).contains("staff enable"), "{refused:?}");
    run(&app, &["staff", "enable", "otto@example.org"]).await.done();
    assert_eq!(app.browser().log_in("otto@example.org", PASSWORD).await.status, 303);

    let last = run(&app, &["staff", "disable", "boss@example.org"]).await;
    assert!(last.refused(1).contains("last admin"), "{last:?}");
    let unknown = run(&app, &["staff", "disable", "nobody@example.org"]).await;
    assert!(unknown.refused(1).contains("nobody@example.org"), "{unknown:?}");
    let by: Vec<String> = sqlx::query_scalar(
        "select distinct staff_email from audit_log where action in ('member_disabled', 'member_enabled', 'second_factor_reset')",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(by, ["command"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_prints_a_link_for_the_first_admin_and_keeps_it_out_of_the_log() {
    let app = App::new().without_worker().start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let program = Program::beside(&app).setting("LISTEN_ADDR", &free);
    let mut running = program.start(&["serve", "--no-worker"]);
    let said = running.says("/staff/welcome/").await;
    let link = said.split_whitespace().find(|word| word.contains("/staff/welcome/")).unwrap().to_owned();
    let link = path(&link.into());
    let told = "select count(*) from events where kind = 'first_admin_invited' and actor = 'service'";
    assert_eq!(app.count(told).await, 1);
    let browser = app.browser();
    let fields = [("email", "ada@example.org"), ("name", "Ada"), ("new_password", NEW), ("repeated", NEW)];
    assert_eq!(browser.post(&link, &fields).await.header("location"), "/staff?done=password_set");
    running.signal("TERM");
    let ended = running.ended().await;
    assert!(!ended.stderr.contains("/staff/welcome/A") && !ended.stderr.contains(&link), "{}", ended.stderr);

    let running = program.start(&["serve", "--no-worker"]);
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while tokio::net::TcpStream::connect(&free).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    running.signal("TERM");
    assert_eq!(running.ended().await.stdout, "", "there is one now");
    assert_eq!(app.count(told).await, 1);
}
