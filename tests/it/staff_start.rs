//! The staff's start page: the state of the newsletter, and what needs attention.

use chrono::{DateTime, Utc};
use rundbrief::domain::{
    mailing::{self, PauseKind},
    staff::Role,
    subscriber,
};

use crate::harness::App;

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
