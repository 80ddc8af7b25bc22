//! The staff's start page: the state of the newsletter, and what needs attention.

use chrono::{DateTime, Utc};
use rundbrief::domain::{
    mailing::{self, PauseKind},
    staff::Role,
    subscriber,
};

use crate::harness::{App, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn the_growth_of_a_year_is_counted_by_month() {
    let app = App::new().without_worker().start().await;
    sqlx::query(
        "insert into subscribers (id, email, email_normalized, locale, state, created_at, confirmed_at, state_changed_at)
         values (gen_random_uuid(), 'a@example.org', 'a@example.org', 'de', 'active', '2024-01-01', '2024-01-01', '2024-01-01'),
                (gen_random_uuid(), 'b@example.org', 'b@example.org', 'de', 'active', '2026-09-30 23:59Z', '2026-09-30 23:59Z', '2026-09-30'),
                (gen_random_uuid(), 'c@example.org', 'c@example.org', 'de', 'unsubscribed', '2026-10-01', '2026-10-01 00:00Z', '2026-11-02')",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let now: DateTime<Utc> = "2026-11-25T10:00:00Z".parse().unwrap();
    let growth = subscriber::growth(&mut app.pool.acquire().await.unwrap(), 12, now).await.unwrap();
    let counts: Vec<(String, i64)> =
        growth.iter().map(|month| (month.month.format("%Y-%m").to_string(), month.active)).collect();
    assert_eq!(counts.len(), 12);
    assert_eq!(counts[0], ("2025-12".to_owned(), 1));
    let last: Vec<i64> = counts[8..].iter().map(|(_, active)| *active).collect();
    assert_eq!(last, [1, 2, 3, 2], "August to November");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_attention_stands_on_the_start_page_in_plain_words() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let calm = browser.get("/staff").await;
    assert!(!calm.body.contains("Bitte ansehen"), "{}", calm.body);
    assert!(calm.body.contains("Neues Update schreiben"), "{}", calm.body);
    app.subscribers(1).await;
    let id = app.trigger().await;
    let mut db = app.pool.acquire().await.unwrap();
    mailing::pause(&mut db, id, PauseKind::Unreachable, "connection refused", Utc::now()).await.unwrap();
    let page = browser.get("/staff").await;
    assert!(page.body.contains("Der Mailserver ist nicht erreichbar"), "{}", page.body);
    assert!(page.body.contains(&format!("/staff/mailings/{id}")), "{}", page.body);

    // Nobody waits for a mailing that was paused by hand to be explained in a language of programs.
    mailing::pause(&mut db, id, PauseKind::Staff, "paused by staff", Utc::now()).await.unwrap();
    let page = browser.get("/staff").await;
    assert!(page.body.contains("ist angehalten") && !page.body.contains("paused by staff"), "{}", page.body);

    // A confirmation that nobody sends: somebody waits for it, mailing or no mailing.
    app.sign_up_unsent("maria@example.org").await;
    assert!(!browser.get("/staff").await.body.contains("sofort hinausgehen sollte"));
    sqlx::query("update batches set due_at = due_at - interval '6 minutes'")
        .execute(&app.pool)
        .await
        .unwrap();
    let page = browser.get("/staff").await;
    assert!(page.body.contains("sofort hinausgehen sollte"), "{}", page.body);
}

/// Where the steps to the first mailing stand, as the page says it; empty where it does not show them.
fn steps(page: &str) -> Vec<String> {
    let rows = page.split("<li class=\"step-").skip(1);
    rows.map(|row| row.split('"').next().unwrap().to_owned()).collect()
}

async fn has_test(app: &TestApp) {
    sqlx::query(
        "insert into deliveries (kind, update_id, address, state, due_at, finished_at, smtp_code)
         select 'test', id, 'ada@example.org', 'accepted', now(), now(), 250 from updates limit 1",
    )
    .execute(&app.pool)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_is_led_to_the_first_mailing_by_what_is_already_done() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let otto = app.member("otto@example.org", Role::Editor).await;
    let (browser, other) = (app.browser_of(&ada).await, app.browser_of(&otto).await);
    let page = browser.get("/staff").await.body;
    assert_eq!(steps(&page), ["done", "next", "later", "later", "later"], "{page}");
    assert!(page.contains("Noch hat niemand den Newsletter abonniert"), "no chart of nothing: {page}");

    app.subscribers(1).await;
    assert_eq!(steps(&browser.get("/staff").await.body), ["done", "done", "next", "later", "later"]);

    // Who does not want it says so once; for colleagues nothing changes.
    assert_eq!(browser.post("/staff/first-steps", &[]).await.header("location"), "/staff");
    assert_eq!(steps(&browser.get("/staff").await.body), [""; 0]);
    assert_eq!(steps(&other.get("/staff").await.body).len(), 5);

    // An update that has only begun is none.
    let draft = other.post("/staff/updates", &[]).await;
    let draft = draft.header("location").split('?').next().unwrap().to_owned();
    assert_eq!(steps(&other.get("/staff").await.body)[2], "next");
    let form = [("version", "1"), ("title", "Neues"), ("body", "Ein Satz."), ("locale", "de")];
    assert_eq!(other.post(&draft, &form).await.status, 303);
    assert_eq!(steps(&other.get("/staff").await.body), ["done", "done", "done", "next", "later"]);
    has_test(&app).await;
    assert_eq!(steps(&other.get("/staff").await.body), ["done", "done", "done", "done", "next"]);

    app.trigger().await;
    assert_eq!(steps(&other.get("/staff").await.body), [""; 0], "it has begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_for_leaving_stand_on_the_start_page_as_a_table() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    assert!(!browser.get("/staff").await.body.contains("Warum Menschen gegangen sind"));
    sqlx::query(
        "insert into leave_answers (form, reason, answered_on)
         select decode(lpad(to_hex(n), 32, '0'), 'hex'), (case when n < 3 then 'too_often' else 'other' end)::leave_reason, current_date
         from generate_series(1, 3) n",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let page = browser.get("/staff").await.body;
    let table = page.split("id=\"reasons\"").nth(1).expect("it is there");
    let counts: Vec<&str> =
        table.split("</td><td>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(counts, ["2", "1"], "{table}");
}
