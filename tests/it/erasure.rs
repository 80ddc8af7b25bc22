//! Erasure (Art. 17 DSGVO): nothing of a person stays but a keyed fingerprint, and that keeps imports away.

use std::time::Duration;

use chrono::Utc;
use rundbrief::domain::{
    address::EmailAddress,
    mailing::{self, MailingState},
    suppression::{self, SuppressionReason},
};
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::harness::{
    App, ON_THEIR_WAY, TestApp,
    program::Program,
    smtp::{Action, Phase, behave},
};

/// Whoever reads the database must not find this part of it.
const NEEDLE: &str = "loeschmich";
const ADDRESS: &str = "Qx7.Loeschmich@example.org";

/// The tables of which a row holds the needle in any column, in whatever case; bytes are looked into too.
async fn tables_that_know(app: &TestApp) -> Vec<String> {
    let query = "select table_name::text from information_schema.tables
                 where table_schema = 'public' and table_type = 'BASE TABLE' order by 1";
    let tables: Vec<String> = sqlx::query_scalar(query).fetch_all(&app.pool).await.unwrap();
    let mut found = Vec::new();
    for table in tables {
        // A row as text holds every column: jsonb and arrays as they are, bytea in hex.
        let query = format!(
            "select count(*) from \"{table}\" row_of where row_of::text ilike '%' || $1::text || '%'
                 or row_of::text ilike '%' || encode(convert_to($1::text, 'UTF8'), 'hex') || '%'"
        );
        let rows: i64 =
            sqlx::query_scalar(AssertSqlSafe(query)).bind(NEEDLE).fetch_one(&app.pool).await.unwrap();
        if rows > 0 {
            found.push(table);
        }
    }
    found
}

/// Waits until every mail that was queued has been taken, and `n` in all.
async fn all_sent(app: &TestApp, n: usize) {
    app.relay.wait_for(n).await;
    app.wait_for_count("select count(*) from deliveries where state <> 'accepted'", 0).await;
}

/// Signs up, confirms, gets welcome, mailing and test, signs up again, leaves, signs up once more and declines.
async fn full_history(app: &TestApp, program: &Program) {
    app.sign_up(ADDRESS).await;
    let confirmation = app.mail(1).await;
    all_sent(app, 1).await;
    app.confirm(&confirmation.link("/confirm/")).await;
    let welcome = app.mail(2).await;
    all_sent(app, 2).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let update = app.update("Probe").await.to_string();
    program.run(&["mailings", "test", &update, "--to", ADDRESS]).await.done();
    all_sent(app, 5).await;
    app.sign_up(&ADDRESS.to_lowercase()).await;
    all_sent(app, 6).await;
    app.post(&welcome.link("/unsubscribe/"), "").await;
    app.sign_up(ADDRESS).await;
    let second = app.mail(7).await;
    all_sent(app, 7).await;
    let page = app.get(&second.link("/confirm/")).await;
    app.post(&page.form_action(), &format!("action=decline&opened={}", page.field("opened"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_erasure_nothing_names_the_address_and_the_counts_of_past_mailings_stay() {
    // A relay that repeats the address in its answers, as many do.
    let relay = behave(|phase, to| {
        let is_about = to.to_lowercase().contains(NEEDLE);
        match phase {
            Phase::Dot if is_about => Action::Reply("250 2.0.0 queued for <Qx7.Loeschmich@example.org>"),
            _ => Action::Go,
        }
    });
    let settings = App::new().setting("KEEP_IP_DAYS", "7").setting("CONFIRMATION_REPEAT_MINUTES", "0");
    let app = settings.relay(relay).start().await;
    app.subscriber("anna@example.org").await;
    let program = Program::beside(&app);
    full_history(&app, &program).await;
    assert_eq!(
        tables_that_know(&app).await,
        ["consent_events", "deliveries", "signups", "subscribers"],
        "the search finds what is there"
    );
    let list = program.run(&["mailings", "list", "--json"]).await.json();
    let mailing = list[0]["id"].as_str().unwrap();
    let before = program.run(&["mailings", "status", mailing, "--json"]).await.json();
    assert_eq!((&before["audience"], &before["accepted"]), (&json!(2), &json!(2)));
    let events = app.count("select count(*) from consent_events").await;

    let unasked = program.run(&["subscribers", "erase", ADDRESS]).await;
    assert!(unasked.refused(2).contains("--yes"), "{unasked:?}");
    assert_eq!(app.count("select count(*) from consent_events").await, events);

    let erase = ["subscribers", "erase", "qx7.LOESCHMICH@EXAMPLE.org", "--yes", "--json"];
    let erased = program.run(&erase).await.json();
    assert_eq!(
        erased,
        json!({ "subscriber": true, "signups": 3, "consent_events": events, "former_addresses": 0 })
    );
    assert!(tables_that_know(&app).await.is_empty(), "{:?}", tables_that_know(&app).await);
    let after = program.run(&["mailings", "status", mailing, "--json"]).await.json();
    assert_eq!(after, before);

    let normalized = EmailAddress::parse(ADDRESS).unwrap().normalized();
    let hmac = suppression::address_hmac(&app.config.secret_keys, &normalized);
    let recorded: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "select kind::text, address_hmac from consent_events
         union all select reason::text, address_hmac from suppressions",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(recorded, vec![("erased".to_owned(), hmac.to_vec()); 2]);
    assert_eq!(app.count("select count(*) from subscribers").await, 1, "Anna stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_does_not_bring_an_erased_address_back_and_its_owner_does() {
    let app = App::new().start().await;
    let program = Program::beside(&app);
    app.subscriber(ADDRESS).await;
    program.run(&["subscribers", "erase", ADDRESS, "--yes"]).await.done();

    program.file("list.csv", format!("email,consented_at,consent_source\n{ADDRESS},2025-03-01,Messe\n"));
    let imported = program.run(&["subscribers", "import", "list.csv", "--json"]).await.json();
    assert_eq!(imported, json!({ "added": 0, "known": 0, "left": 0, "suppressed": 1, "bad": 0 }));
    assert!(tables_that_know(&app).await.is_empty(), "an import leaves no trace of whom it passed over");
    let shown = program.run(&["subscribers", "show", ADDRESS, "--json"]).await.json();
    assert_eq!((&shown["subscriber"], &shown["suppressed"]), (&json!(null), &json!("erased")));

    app.sign_up(ADDRESS).await;
    let mail = app.mail(1).await;
    let mut db = app.pool.acquire().await.unwrap();
    let normalized = EmailAddress::parse(ADDRESS).unwrap().normalized();
    let suppressed = suppression::find(&mut db, &app.config.secret_keys, &normalized).await.unwrap();
    assert_eq!(suppressed, Some(SuppressionReason::Erased), "asking alone changes nothing");
    app.confirm(&mail.link("/confirm/")).await;
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 1);
    assert_eq!(app.count("select count(*) from suppressions").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_erased_address_is_skipped_and_the_counts_add_up() {
    let app = App::new().without_worker().start().await;
    app.subscriber(ADDRESS).await;
    app.subscriber("anna@example.org").await;
    let mailing = app.trigger().await;
    let mut transaction = app.pool.begin().await.unwrap();
    mailing::fan_out(&mut transaction, Utc::now()).await.unwrap();
    transaction.commit().await.unwrap();

    let program = Program::beside(&app);
    program.run(&["subscribers", "erase", ADDRESS, "--yes"]).await.done();
    let (_, counts) = app.status(mailing).await;
    assert_eq!((counts.pending, counts.skipped), (1, 1));
    assert!(tables_that_know(&app).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_on_its_way_during_the_erasure_leaves_nothing_behind_either() {
    // The relay takes its time, and then speaks of the address.
    let relay = behave(|phase, to| match phase {
        Phase::Body if to == ADDRESS => Action::Delay(Duration::from_secs(4)),
        Phase::Dot if to == ADDRESS => Action::Reply("550 5.1.1 <Qx7.Loeschmich@example.org> unknown"),
        _ => Action::Go,
    });
    let app = App::new().relay(relay).start().await;
    app.subscriber(ADDRESS).await;
    let mailing = app.trigger().await;
    app.wait_for_count(ON_THEIR_WAY, 1).await;
    let program = Program::beside(&app);
    program.run(&["subscribers", "erase", ADDRESS, "--yes"]).await.done();
    assert_eq!(app.status(mailing).await.1.transmitting, 1, "the erasure came while it was on its way");
    let counts = app.wait_for_state(mailing, MailingState::Done).await;
    assert_eq!(counts.rejected, 1, "{counts:?}");
    assert!(tables_that_know(&app).await.is_empty(), "{:?}", tables_that_know(&app).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_nobody_knew_can_be_erased_too() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let erased = program.run(&["subscribers", "erase", ADDRESS, "--yes", "--json"]).await.json();
    assert_eq!(
        erased,
        json!({ "subscriber": false, "signups": 0, "consent_events": 0, "former_addresses": 0 })
    );
    program.file("list.csv", format!("email,consented_at,consent_source\n{ADDRESS},2025-03-01,Messe\n"));
    let imported = program.run(&["subscribers", "import", "list.csv", "--json"]).await.json();
    assert_eq!(imported["suppressed"], 1);
}
