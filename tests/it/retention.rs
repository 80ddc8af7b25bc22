//! Retention: data is deleted when its time is over, and not before. The tests move the clock.

use chrono::{DateTime, Datelike, Days, TimeDelta, TimeZone, Utc};
use rundbrief::{
    config::SecretKeys,
    domain::{
        mailing::MailingState,
        publication::{Content, Retention},
        retention,
    },
};

use crate::harness::{App, TestApp, mail::Mail, program::Program};

fn keys(app: &TestApp) -> &SecretKeys {
    &app.config.secret_keys
}

async fn rows(app: &TestApp, email: &str) -> i64 {
    let found: i64 = sqlx::query_scalar(
        "select (select count(*) from signups where email_normalized = $1)
              + (select count(*) from consent_events where email_normalized = $1)
              + (select count(*) from subscribers where email_normalized = $1)",
    )
    .bind(email)
    .fetch_one(&app.pool)
    .await
    .unwrap();
    found
}

async fn expired_signups(app: &TestApp, now: DateTime<Utc>) -> u64 {
    let mut transaction = app.pool.begin().await.unwrap();
    let count = retention::expired_signups(&mut transaction, now).await.unwrap();
    transaction.commit().await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signup_nobody_confirmed_goes_after_seven_days_with_everything_about_it() {
    let app = App::new().start().await;
    app.sign_up("maria@example.org").await;
    let declined = "otto@example.org";
    app.sign_up(declined).await;
    app.relay.wait_for(2).await;
    app.wait_for_count("select count(*) from deliveries where state = 'accepted'", 2).await;
    for mail in app.relay.accepted() {
        if mail.to == [declined] {
            let mail = Mail::parse(&mail.data);
            assert_eq!(app.post(&mail.link("/confirm/"), "action=decline").await.status, 200);
        }
    }
    let now = Utc::now();
    assert_eq!(expired_signups(&app, now + Days::new(7) - TimeDelta::minutes(1)).await, 0);
    assert_eq!(rows(&app, "maria@example.org").await, 1 + 2, "the signup, asked for, accepted by the relay");
    assert_eq!(expired_signups(&app, now + Days::new(7) + TimeDelta::minutes(1)).await, 2);
    assert_eq!(rows(&app, "maria@example.org").await + rows(&app, declined).await, 0);
    for table in ["deliveries", "confirm_tokens", "batches"] {
        let count = format!("select count(*) from {table}");
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&app.pool).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proof_of_a_confirmed_signup_stays_when_another_one_of_the_same_address_expires() {
    let app = App::new().without_worker().start().await;
    let token = app.sign_up_unsent("maria@example.org").await;
    app.sign_up_unsent("maria@example.org").await;
    let confirmed = app.post(&format!("/confirm/{}", token.reveal()), "action=confirm").await;
    assert_eq!(confirmed.status, 200);
    sqlx::query("update deliveries set state = 'skipped', finished_at = now()")
        .execute(&app.pool)
        .await
        .unwrap();
    let before = rows(&app, "maria@example.org").await;
    assert_eq!(expired_signups(&app, Utc::now() + Days::new(30)).await, 1);
    assert_eq!(rows(&app, "maria@example.org").await, before - 2, "one signup and its request");
    let kinds: Vec<String> = sqlx::query_scalar("select kind::text from consent_events order by id")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    assert_eq!(kinds, ["requested", "confirmed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signup_whose_mail_still_waits_stays_until_that_is_settled() {
    let app = App::new().without_worker().start().await;
    app.sign_up("maria@example.org").await;
    assert_eq!(expired_signups(&app, Utc::now() + Days::new(30)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proof_goes_at_the_end_of_the_third_year_after_the_withdrawal() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber("maria@example.org").await;
    let stays = app.subscriber("otto@example.org").await;
    assert_ne!(id, stays);
    assert_eq!(app.post(&app.unsubscribe_path(id), "").await.status, 200);
    let new_year = |years| Utc.with_ymd_and_hms(Utc::now().year() + years, 1, 1, 0, 0, 0).unwrap();
    let mut transaction = app.pool.begin().await.unwrap();
    let early = new_year(4) - TimeDelta::seconds(1);
    assert_eq!(
        retention::withdrawn_proofs(&mut transaction, keys(&app), Retention::default(), early).await.unwrap(),
        0
    );
    assert_eq!(
        retention::withdrawn_proofs(&mut transaction, keys(&app), Retention::default(), new_year(4))
            .await
            .unwrap(),
        1
    );
    transaction.commit().await.unwrap();
    assert_eq!(rows(&app, "maria@example.org").await, 0);
    assert!(rows(&app, "otto@example.org").await > 0, "who is subscribed stays");
    let recorded: Vec<(String, String)> =
        sqlx::query_as("select kind::text, method::text from consent_events where email is null")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(recorded, [("erased".to_owned(), "retention".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publication_may_choose_other_times() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let id = app.subscriber("maria@example.org").await;
    app.post(&app.unsubscribe_path(id), "").await;
    let (short, in_ten_days) = (Retention { mailing_days: 9, proof_years: 1 }, Utc::now() + Days::new(10));
    let mut db = app.pool.acquire().await.unwrap();
    let usual = retention::old_mailings(&mut db, Retention::default(), in_ten_days).await.unwrap();
    let shorter = retention::old_mailings(&mut db, short, in_ten_days).await.unwrap();
    assert_eq!((usual, shorter), (0, 3));
    let in_two_years = Utc.with_ymd_and_hms(Utc::now().year() + 2, 1, 1, 0, 0, 0).unwrap();
    let usual =
        retention::withdrawn_proofs(&mut db, keys(&app), Retention::default(), in_two_years).await.unwrap();
    let shorter = retention::withdrawn_proofs(&mut db, keys(&app), short, in_two_years).await.unwrap();
    assert_eq!((usual, shorter), (0, 1));

    let file = "name = \"N\"\nretention = { mailing_days = 3 }\n";
    let refused = Content::parse(file).unwrap_err().to_string();
    assert_eq!(refused, "retention.mailing_days must be between 7 and 730");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_just_coming_back_is_not_erased() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber("maria@example.org").await;
    app.post(&app.unsubscribe_path(id), "").await;
    sqlx::query("update subscribers set state_changed_at = now() - interval '5 years'")
        .execute(&app.pool)
        .await
        .unwrap();
    app.sign_up("maria@example.org").await;
    let mut db = app.pool.acquire().await.unwrap();
    assert_eq!(
        retention::withdrawn_proofs(&mut db, keys(&app), Retention::default(), Utc::now()).await.unwrap(),
        0
    );
    let later = Utc::now() + Days::new(8);
    assert_eq!(
        retention::withdrawn_proofs(&mut db, keys(&app), Retention::default(), later).await.unwrap(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ninety_days_after_a_mailing_its_counts_stay_and_its_recipients_go() {
    let app = App::new().start().await;
    app.subscribers(25).await;
    let mailing = app.trigger().await;
    let counts = app.wait_for_state(mailing, MailingState::Done).await;
    let old = |days, minutes| Utc::now() + Days::new(days) + TimeDelta::minutes(minutes);
    let mut db = app.pool.acquire().await.unwrap();
    assert_eq!(retention::old_mailings(&mut db, Retention::default(), old(90, -1)).await.unwrap(), 0);
    assert_eq!(retention::old_mailings(&mut db, Retention::default(), old(90, 1)).await.unwrap(), 25);
    assert_eq!(retention::old_mailings(&mut db, Retention::default(), old(90, 1)).await.unwrap(), 0);
    assert_eq!(app.count("select count(*) from deliveries where kind = 'mailing'").await, 0);
    assert_eq!(app.status(mailing).await.1, counts);
    let id = mailing.to_string();
    let told = Program::beside(&app).run(&["mailings", "status", &id, "--json"]).await.json();
    assert_eq!(
        (&told["state"], &told["accepted"], &told["audience"]),
        (&"done".into(), &25.into(), &25.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmations_and_welcomes_go_after_ninety_days_and_the_proof_stays() {
    let app = App::new().start().await;
    app.sign_up("maria@example.org").await;
    let confirmation = app.mail(1).await;
    app.confirm(&confirmation.link("/confirm/")).await;
    app.relay.wait_for(2).await;
    app.wait_for_count("select count(*) from deliveries where state = 'accepted'", 2).await;
    let before = rows(&app, "maria@example.org").await;
    let mut db = app.pool.acquire().await.unwrap();
    assert_eq!(
        retention::old_mails(&mut db, Retention::default(), Utc::now() + Days::new(89)).await.unwrap(),
        0
    );
    assert_eq!(
        retention::old_mails(&mut db, Retention::default(), Utc::now() + Days::new(91)).await.unwrap(),
        2
    );
    assert_eq!(rows(&app, "maria@example.org").await, before);
}
