//! Limits on signups: the form cannot be used against somebody else's mailbox, and does not tell that it cannot.

use axum::http::Method;
use chrono::Utc;
use rundbrief::domain::signup::limits;

use crate::harness::{Answer, App, TestApp, process, program::Program};

/// A service without the guard that would ask for a proof of work before a limit is reached.
fn unguarded() -> App {
    App::new().setting("CAPTCHA", "off")
}

/// The same behind a proxy on this machine, which says where visitors come from.
fn behind_proxy() -> App {
    unguarded().setting("TRUSTED_PROXIES", "127.0.0.1")
}

/// Sends the form as a visitor with this IP address; the proxy has put it behind what the visitor had written.
async fn sign_up_from(app: &TestApp, forwarded: &str, email: &str) -> Answer {
    let headers = [
        ("accept-language", "de"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-forwarded-for", forwarded),
    ];
    let form = format!("email={}&locale=de", email.replace('@', "%40"));
    app.request(Method::POST, "/subscribe", &headers, &form).await
}

/// Waits until every signup's mail has been decided about; answers how many were sent.
async fn sent(app: &TestApp) -> usize {
    app.wait_for_count("select count(*) from deliveries where state = 'pending' and smtp_text is null", 0)
        .await;
    let accepted = app.count("select count(*) from deliveries where state = 'accepted'").await;
    assert_eq!(usize::try_from(accepted).unwrap(), app.relay.accepted_count());
    app.relay.accepted_count()
}

/// Makes everything that was asked for older.
async fn time_passes(app: &TestApp, interval: &str) {
    sqlx::query("update signups set requested_at = requested_at - $1::text::interval, expires_at = expires_at - $1::text::interval")
        .bind(interval)
        .execute(&app.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_within_ten_minutes_sends_nothing_more() {
    let app = unguarded().start().await;
    for _ in 0..3 {
        assert_eq!(app.sign_up("Maria@example.org").await.status, 303);
    }
    assert_eq!(app.sign_up("maria@EXAMPLE.org").await.status, 303, "the same mailbox");
    assert_eq!(sent(&app).await, 1);
    time_passes(&app, "11 minutes").await;
    app.sign_up("maria@example.org").await;
    assert_eq!(sent(&app).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_gets_three_confirmation_mails_a_day_and_five_a_week() {
    let app = unguarded().start().await;
    for mails in [1, 2, 3, 3] {
        app.sign_up("maria@example.org").await;
        assert_eq!(sent(&app).await, mails);
        time_passes(&app, "11 minutes").await;
    }
    time_passes(&app, "25 hours").await;
    for mails in [4, 5, 5] {
        app.sign_up("maria@example.org").await;
        assert_eq!(sent(&app).await, mails);
        time_passes(&app, "11 minutes").await;
    }
    time_passes(&app, "8 days").await;
    app.sign_up("maria@example.org").await;
    assert_eq!(sent(&app).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_confirmed_and_left_may_come_back_at_once() {
    let app = unguarded().start().await;
    app.sign_up("maria@example.org").await;
    let confirmation = app.mail(1).await;
    app.confirm(&confirmation.link("/confirm/")).await;
    let welcome = app.mail(2).await;
    app.post(&welcome.link("/unsubscribe/"), "").await;
    app.sign_up("maria@example.org").await;
    assert!(app.mail(3).await.text.contains("/confirm/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_sends_so_many_signups_an_hour_whatever_it_claims_to_be() {
    let app = behind_proxy().setting("SIGNUPS_PER_CLIENT", "2").start().await;
    for n in 0..5 {
        // Only the last hop was written by the proxy.
        let forwarded = format!("198.51.100.{n}, 192.0.2.7");
        assert_eq!(sign_up_from(&app, &forwarded, &format!("a{n}@example.org")).await.status, 303);
    }
    assert_eq!(sent(&app).await, 2);
    sign_up_from(&app, "192.0.2.8", "b@example.org").await;
    assert_eq!(sent(&app).await, 3, "the neighbour is somebody else");
    time_passes(&app, "61 minutes").await;
    sign_up_from(&app, "192.0.2.7", "c@example.org").await;
    assert_eq!(sent(&app).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_address_within_a_network_does_not_help() {
    let app =
        behind_proxy().setting("SIGNUPS_PER_CLIENT", "2").setting("SIGNUPS_PER_RANGE", "3").start().await;
    for n in 0..4 {
        sign_up_from(&app, &format!("2001:db8:1:2::{n}"), &format!("a{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 2, "one /64");
    for n in 0..4 {
        sign_up_from(&app, &format!("2001:db8:9:{n}::1"), &format!("b{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 2 + 3, "one /48");
    for n in 0..4 {
        sign_up_from(&app, &format!("192.0.2.{n}"), &format!("c{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 2 + 3 + 3, "one /24");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_cannot_use_up_what_is_there_for_a_mail_domain_or_for_everybody() {
    let app = behind_proxy()
        .setting("SIGNUPS_PER_CLIENT", "2")
        .setting("SIGNUPS_PER_DOMAIN", "4")
        .setting("SIGNUPS_IN_ALL", "6")
        .start()
        .await;
    for n in 0..12 {
        sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await;
        // One after the other: what has not been judged yet counts until it is.
        sent(&app).await;
    }
    sign_up_from(&app, "198.51.100.1", "honest@example.org").await;
    assert_eq!(sent(&app).await, 2 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_before_the_at_lead_to_the_same_mailbox() {
    let app = unguarded().start().await;
    app.sign_up("maria@example.org").await;
    for n in 0..3 {
        app.sign_up(&format!("maria+{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_nobody_named_everybody_gets_their_mail() {
    let app = unguarded().setting("SIGNUPS_PER_CLIENT", "1").start().await;
    for n in 0..3 {
        sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_does_not_count_as_mail() {
    let app = unguarded().setting("SIGNUPS_IN_ALL", "1").start().await;
    app.sign_up("somebody@example.org").await;
    for _ in 0..5 {
        app.sign_up("maria@example.org").await;
        assert_eq!(sent(&app).await, 1);
        time_passes(&app, "11 minutes").await;
    }
    time_passes(&app, "61 minutes").await;
    app.sign_up("maria@example.org").await;
    assert_eq!(sent(&app).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_so_many_signups_for_one_mail_domain_wait_for_staff() {
    let app = unguarded().setting("SIGNUPS_PER_DOMAIN", "2").start().await;
    for n in 0..4 {
        app.sign_up(&format!("a{n}@Example.org")).await;
    }
    app.sign_up("b@example.net").await;
    assert_eq!(sent(&app).await, 3);
    let status = Program::beside(&app).run(&["signups", "status", "--json"]).await.json();
    assert_eq!(status["held"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_waits_for_staff_who_let_it_go_or_drop_it() {
    let app = unguarded().setting("SIGNUPS_IN_ALL", "2").start().await;
    let program = Program::beside(&app);
    for n in 0..5 {
        assert_eq!(app.sign_up(&format!("a{n}@example.org")).await.status, 303);
    }
    assert_eq!(sent(&app).await, 2);
    let status = program.run(&["signups", "status", "--json"]).await.json();
    assert_eq!((&status["held"], &status["last_hour"]["signups"]), (&3.into(), &5.into()));
    assert!(status["since"].is_string());

    let asked = program.run(&["signups", "release"]).await;
    assert!(asked.refused(2).contains("say --yes"), "nobody was there to be asked");
    assert_eq!(program.run(&["signups", "release", "--yes", "--json"]).await.json()["released"], 3);
    app.relay.wait_for(5).await;
    assert_eq!(program.run(&["signups", "status", "--json"]).await.json()["held"], 0);

    app.sign_up("b@example.org").await;
    assert_eq!(sent(&app).await, 5);
    assert_eq!(program.run(&["signups", "drop", "--yes", "--json"]).await.json()["dropped"], 1);
    let actions = app.actions().await;
    assert_eq!(actions, ["wave_released", "wave_dropped"]);
    assert_eq!(app.count("select count(*) from deliveries where state = 'skipped'").await, 1);
    assert_eq!(app.count("select count(*) from batches").await, 0);
    // When the hour is over, signups are answered as ever.
    time_passes(&app, "61 minutes").await;
    app.sign_up("c@example.org").await;
    app.relay.wait_for(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_signup_ends_with_its_time() {
    let app = unguarded().setting("SIGNUPS_IN_ALL", "1").start().await;
    app.sign_up("a@example.org").await;
    app.sign_up("b@example.org").await;
    assert_eq!(sent(&app).await, 1);
    time_passes(&app, "8 days").await;
    sqlx::query("update batches set due_at = now()").execute(&app.pool).await.unwrap();
    app.wait_for_count("select count(*) from deliveries where state = 'skipped'", 1).await;
    assert_eq!(app.relay.accepted_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_over_all_processes() {
    let app = behind_proxy().without_worker().setting("SIGNUPS_PER_CLIENT", "7").start().await;
    for n in 0..40 {
        sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await;
    }
    let limit = [("SIGNUPS_PER_CLIENT", "7")];
    let workers =
        [process::worker(&app, &limit), process::worker(&app, &limit), process::worker(&app, &limit)];
    assert_eq!(sent(&app).await, 7);
    for worker in workers {
        worker.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_the_answer_does_not_tell_that_a_limit_was_reached() {
    let app = behind_proxy().setting("SIGNUPS_PER_CLIENT", "1").setting("SIGNUPS_IN_ALL", "3").start().await;
    let first = sign_up_from(&app, "192.0.2.7", "a@example.org").await;
    for (from, email) in [
        ("192.0.2.7", "a@example.org"),
        ("192.0.2.7", "b@example.org"),
        ("192.0.2.8", "c@example.org"),
        ("192.0.2.9", "d@example.org"),
    ] {
        let answer = sign_up_from(&app, from, email).await;
        assert_eq!((answer.status, &answer.body), (first.status, &first.body));
        assert_eq!(answer.header("location"), first.header("location"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_signup_came_from_is_no_address_and_is_forgotten() {
    let app = behind_proxy().without_worker().start().await;
    sign_up_from(&app, "192.0.2.77", "a@example.org").await;
    let known = "select count(*) from signups where client_hmac is not null and range_hmac is not null";
    assert_eq!(app.count(known).await, 1);
    assert!(!app.whole_database().await.contains("192.0.2.77"));
    let mut db = app.pool.acquire().await.unwrap();
    assert_eq!(limits::forget_places(&mut db, Utc::now()).await.unwrap(), 0);
    time_passes(&app, "121 minutes").await;
    assert_eq!(limits::forget_places(&mut db, Utc::now()).await.unwrap(), 1);
    assert_eq!(app.count(known).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_limit_kept_back_is_told_in_the_record() {
    let app = unguarded().start().await;
    app.sign_up("maria@example.org").await;
    app.sign_up("maria@example.org").await;
    assert_eq!(sent(&app).await, 1);
    let shown =
        Program::beside(&app).run(&["subscribers", "show", "maria@example.org", "--json"]).await.json();
    let skipped = shown["deliveries"].as_array().unwrap().iter().find(|sent| sent["state"] == "skipped");
    assert_eq!(skipped.unwrap()["smtp_text"], "a mail went to this address moments ago");
}
