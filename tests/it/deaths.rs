//! Kill -9 at any moment. The relay's own log decides what was delivered, not our tables.

use std::time::Duration;

use rundbrief::{
    commands::demo::postgres::Cluster,
    domain::{ids::MailingId, mailing::MailingState, staff::Role},
};
use tokio::time::sleep;

use crate::harness::{
    App, TestApp,
    database::scratch,
    process::{self, Process},
    smtp::{Action, Phase, behave},
};

/// Lets the leases of dead workers run out now rather than in half a minute.
async fn let_leases_run_out(app: &TestApp) {
    sqlx::query("update workers set lease_until = now() - interval '1 second'")
        .execute(&app.pool)
        .await
        .unwrap();
}

fn start_worker(app: &TestApp) -> Process {
    process::worker(app, &[("SMTP_CONNECTIONS", "4")])
}

/// Everybody is accounted for, and nobody got two.
async fn judge(app: &TestApp, mailing: MailingId, audience: usize, unknown_at_most: i64) {
    let counts = app.wait_for_state(mailing, MailingState::Done).await;
    let total = counts.accepted + counts.rejected + counts.unknown + counts.skipped;
    assert_eq!(usize::try_from(total).unwrap(), audience, "{counts:?}");
    assert!(counts.unknown <= unknown_at_most, "{counts:?}");
    let delivered = app.relay.sink_count_per_recipient();
    assert!(delivered.values().all(|copies| *copies == 1), "somebody got two copies");
    // What we call accepted the relay has; what it has beyond that is what we call unknown.
    let accepted = usize::try_from(counts.accepted).unwrap();
    let unknown = usize::try_from(counts.unknown).unwrap();
    assert!(
        (accepted..=accepted + unknown).contains(&delivered.len()),
        "{} delivered, {counts:?}",
        delivered.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_a_worker_killed_again_and_again_loses_nobody_and_doubles_nobody() {
    const DEATHS: i64 = 6;
    let slow = behave(
        |phase, _| if phase == Phase::Dot { Action::Delay(Duration::from_millis(3)) } else { Action::Go },
    );
    let app = App::new().relay(slow).without_worker().start().await;
    app.subscribers(3_000).await;
    let mailing = app.trigger().await;
    for death in 0..DEATHS {
        let worker = start_worker(&app);
        let before = app.relay.accepted_count();
        while app.relay.accepted_count() < before + 100 {
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(u64::try_from(death).unwrap() * 7)).await;
        worker.kill_9().await;
        let_leases_run_out(&app).await;
    }
    let _worker = start_worker(&app);
    judge(&app, mailing, 3_000, DEATHS * 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_a_death_in_the_middle_of_the_fan_out_leaves_out_nobody() {
    let app = App::new().without_worker().start().await;
    app.subscribers(12_000).await;
    let mailing = app.trigger().await;
    let worker = start_worker(&app);
    app.wait_for_at_least("select count(*) from deliveries", 1).await;
    worker.kill_9().await;
    let written = app.count("select count(*) from deliveries").await;
    let_leases_run_out(&app).await;
    let _worker = start_worker(&app);
    judge(&app, mailing, 12_000, 8).await;
    assert!(written < 12_000, "the death came too late to show anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_a_worker_that_slept_past_its_lease_sends_nothing_that_another_took() {
    let slow = behave(
        |phase, _| if phase == Phase::Dot { Action::Delay(Duration::from_millis(5)) } else { Action::Go },
    );
    let app = App::new().relay(slow).without_worker().start().await;
    app.subscribers(1_500).await;
    let mailing = app.trigger().await;
    let sleeper = start_worker(&app);
    app.relay.wait_for(100).await;
    sleeper.signal("STOP");
    let_leases_run_out(&app).await;
    let _other = start_worker(&app);
    app.relay.wait_for(600).await;
    sleeper.signal("CONT");
    judge(&app, mailing, 1_500, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_a_database_that_goes_away_in_the_middle_loses_nobody_and_doubles_nobody() {
    let dir = scratch("gone");
    let mut cluster = Cluster::start(&dir).await.unwrap();
    cluster.create_database("rundbrief").await.unwrap();
    let slow = behave(
        |phase, _| if phase == Phase::Dot { Action::Delay(Duration::from_millis(3)) } else { Action::Go },
    );
    let app = App::new()
        .relay(slow)
        .setting("DATABASE_URL", &cluster.url("rundbrief"))
        .setting("SMTP_CONNECTIONS", "4")
        .start()
        .await;
    app.subscribers(3_000).await;
    let mailing = app.trigger().await;
    for round in 1..=2 {
        app.relay.wait_for(round * 400).await;
        cluster.stop().await;
        sleep(Duration::from_secs(1)).await;
        cluster = Cluster::start(&dir).await.unwrap();
    }
    judge(&app, mailing, 3_000, 8).await;
    drop(app);
    cluster.stop().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_what_was_answered_survives_kill_9() {
    let app = App::new().without_worker().start().await;
    let service = process::serve(&app).await;
    assert_eq!(service.post("/subscribe", "email=maria%40example.org&locale=de").await.status, 303);
    service.kill_9().await;
    let_leases_run_out(&app).await;

    let service = process::serve(&app).await;
    let link = app.mail(1).await.link("/confirm/");
    assert_eq!(service.post(&link, "action=confirm").await.status, 200);
    service.kill_9().await;
    let_leases_run_out(&app).await;
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 1);

    let service = process::serve(&app).await;
    let path = app.mail(2).await.link("/unsubscribe/");
    assert_eq!(service.post(&path, "List-Unsubscribe=One-Click").await.status, 200);
    service.kill_9().await;
    assert_eq!(app.count("select count(*) from subscribers where state = 'unsubscribed'").await, 1);
    assert_eq!(
        app.count("select count(*) from consent_events where kind = 'withdrawn' and method = 'one_click'")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_no_token_and_no_whole_address_appears_in_a_log() {
    let app = App::new().without_worker().start().await;
    let service = process::serve(&app).await;
    service.post("/subscribe", "email=maria.muster%40example.org&locale=de").await;
    let link = app.mail(1).await.link("/confirm/");
    service.post(&link, "action=confirm").await;
    let leave = app.mail(2).await.link("/unsubscribe/");
    service.post(&leave, "").await;
    service.post(&format!("{link}x"), "action=confirm").await;
    app.relay.set(behave(|phase, to| match (phase, to) {
        (Phase::Rcpt, _) => Action::Reply("550 5.1.1 <erika.beispiel@example.org>: no such user"),
        _ => Action::Go,
    }));
    service.post("/subscribe", "email=erika.beispiel%40example.org&locale=de").await;
    app.wait_for_count("select count(*) from deliveries where state = 'rejected'", 1).await;
    app.relay.set(behave(|_, _| Action::Go));
    app.member("ada.muster@example.org", Role::Editor).await;
    service.post("/staff/login/forgotten", "email=ada.muster%40example.org").await;
    service.post("/staff/login/forgotten", "email=erika.beispiel%40example.org").await;
    let welcome = app.mail(3).await.link("/staff/welcome/");
    service.post(&welcome, "new_password=kurz").await;
    let log = service.end().await;
    assert!(log.contains("/confirm/{token}"), "the log was read: {log}");
    for secret in [
        &link["/confirm/".len()..],
        &leave["/unsubscribe/".len()..],
        &welcome["/staff/welcome/".len()..],
        "maria.muster@",
        "erika.beispiel@",
        "ada.muster@",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_a_trigger_that_was_answered_is_sent_although_everything_is_killed() {
    let app = App::new().without_worker().start().await;
    app.subscribers(200).await;
    let service = process::serve(&app).await;
    let mailing = app.trigger().await;
    service.kill_9().await;
    let_leases_run_out(&app).await;
    let _service = process::serve(&app).await;
    judge(&app, mailing, 200, 8).await;
}
