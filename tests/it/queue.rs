//! The transitions of a delivery, one at a time, with two of them at the same moment.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rundbrief::app::move_mailings;
use rundbrief::db::{self, Backend};
use rundbrief::domain::{
    actor::Actor,
    consent::ConsentMethod,
    ids::{DeliveryId, MailingId, SubscriberId, WorkerId},
    mailing::{self, MailingState, PauseKind, Retry},
    queue::{
        batch,
        transmission::{self, Mark, Marks, Outcome, Verdict},
        worker::{self, Recovered},
    },
    subscriber,
    watermark::{self, Watermark},
};
use sqlx::{Postgres, Transaction};
use tokio::time::sleep;

use crate::harness::{App, TestApp, process};

/// A mailing to three people that is sending, and nobody sends it.
async fn sending() -> (TestApp, MailingId) {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let id = app.trigger().await;
    let mut transaction = app.pool.begin().await.unwrap();
    mailing::fan_out(&mut transaction, Utc::now()).await.unwrap();
    transaction.commit().await.unwrap();
    (app, id)
}

/// The same, with all of it claimed by a worker of the test's own.
async fn claimed() -> (TestApp, WorkerId, Vec<Mark>) {
    let (app, id) = sending().await;
    let mut db = app.pool.acquire().await.unwrap();
    let worker = worker::sign_on(&mut db).await.unwrap();
    let held =
        batch::claim_mailing(&mut db, worker, id, 10, TimeDelta::seconds(30), Utc::now()).await.unwrap();
    let marks =
        held.deliveries.iter().map(|delivery| Mark { id: delivery.id, batch: delivery.batch }).collect();
    (app, worker, marks)
}

/// Marks; answers which may be transmitted.
async fn mark(app: &TestApp, worker: WorkerId, wanted: &[Mark]) -> Vec<DeliveryId> {
    let mut db = app.pool.acquire().await.unwrap();
    let marks = Marks { batches: vec![wanted[0].batch], wanted: wanted.to_vec(), ..Marks::default() };
    transmission::settle(&mut db, worker, &[], &marks, Utc::now()).await.unwrap().transmitting
}

fn ids(marks: &[Mark]) -> Vec<DeliveryId> {
    marks.iter().map(|mark| mark.id).collect()
}

/// Whose delivery this is.
async fn subscriber_of(app: &TestApp, id: DeliveryId) -> SubscriberId {
    let subscriber = sqlx::query_scalar("select subscriber_id from deliveries where id = $1");
    SubscriberId(subscriber.bind(id.0).fetch_one(&app.pool).await.unwrap())
}

/// Somebody leaves, in a transaction that is still to be committed.
async fn leaving(app: &TestApp, who: SubscriberId) -> Transaction<'static, Postgres> {
    let mut leaving = app.pool.begin().await.unwrap();
    subscriber::unsubscribe(&mut leaving, &Actor::Subscriber(who), who, ConsentMethod::Button, Utc::now())
        .await
        .unwrap();
    leaving
}

/// Whoever this delivery is for leaves.
async fn leave(app: &TestApp, id: DeliveryId) {
    let who = subscriber_of(app, id).await;
    leaving(app, who).await.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_resumed_between_a_refused_mark_and_its_settling_loses_nobody() {
    let (app, worker, marks) = claimed().await;
    let mut db = app.pool.acquire().await.unwrap();
    // The mark saw the mailing paused; by now it goes on.
    transmission::settle_unmarked(&mut db, worker, &ids(&marks), Utc::now()).await.unwrap();
    assert_eq!(app.count("select count(*) from deliveries where state = 'pending'").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_whose_answer_was_lost_is_taken_back_when_it_is_refused_the_second_time() {
    let (app, worker, marks) = claimed().await;
    assert_eq!(mark(&app, worker, &marks).await.len(), 3);
    assert_eq!(mark(&app, worker, &marks).await.len(), 3, "asking twice does no harm");
    let mut db = app.pool.acquire().await.unwrap();
    let id = mailing::sending(&mut db).await.unwrap()[0];
    mailing::pause(&mut db, id, PauseKind::Staff, "paused by staff", Utc::now()).await.unwrap();
    assert_eq!(mark(&app, worker, &marks).await, []);
    transmission::settle_unmarked(&mut db, worker, &ids(&marks), Utc::now()).await.unwrap();
    let counts = app.status(id).await.1;
    assert_eq!((counts.claimed, counts.transmitting, counts.skipped), (3, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_a_mark_that_waits_for_somebody_who_is_leaving_finds_them_gone() {
    let (app, worker, marks) = claimed().await;
    let who = subscriber_of(&app, marks[1].id).await;
    let leaving = leaving(&app, who).await;
    // The mark begins before the unsubscribe is committed, so what it sees is older; it has to wait and look again.
    let marking = {
        let (app, marks) = (app.pool.clone(), marks.clone());
        tokio::spawn(async move {
            let marks = Marks { batches: vec![marks[0].batch], wanted: marks, ..Marks::default() };
            let mut db = app.acquire().await.unwrap();
            transmission::settle(&mut db, worker, &[], &marks, Utc::now()).await.unwrap().transmitting
        })
    };
    sleep(Duration::from_millis(300)).await;
    assert!(!marking.is_finished(), "the mark does not wait");
    leaving.commit().await.unwrap();
    assert_eq!(marking.await.unwrap(), [marks[0].id, marks[2].id]);
    assert_eq!(app.count("select count(*) from deliveries where state = 'skipped'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_a_claim_at_the_moment_of_leaving_holds_nothing_of_who_has_left() {
    let (app, id) = sending().await;
    let who = SubscriberId(
        sqlx::query_scalar("select id from subscribers limit 1").fetch_one(&app.pool).await.unwrap(),
    );
    let leaving = leaving(&app, who).await;
    let mut db = app.pool.acquire().await.unwrap();
    let worker = worker::sign_on(&mut db).await.unwrap();
    // While somebody is leaving, their batch is nobody's to claim; nor does a claim wait.
    let held =
        batch::claim_mailing(&mut db, worker, id, 10, TimeDelta::seconds(30), Utc::now()).await.unwrap();
    assert!(held.batches.is_empty());
    leaving.commit().await.unwrap();
    let held =
        batch::claim_mailing(&mut db, worker, id, 10, TimeDelta::seconds(30), Utc::now()).await.unwrap();
    assert_eq!(held.deliveries.len(), 2);
    assert!(held.deliveries.iter().all(|delivery| delivery.subscriber != Some(who)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_when_somebody_leaves_goes_out_and_is_recorded() {
    let (app, worker, marks) = claimed().await;
    assert_eq!(mark(&app, worker, &marks[..1]).await, ids(&marks[..1]));
    leave(&app, marks[0].id).await;
    let mut db = app.pool.acquire().await.unwrap();
    let none = Marks { batches: vec![marks[0].batch], ..Marks::default() };
    let settled =
        transmission::settle(&mut db, worker, &[accepted(&marks[0], 1)], &none, Utc::now()).await.unwrap();
    assert_eq!((settled.recorded, settled.transmitting), (vec![marks[0].id], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_a_mark_whose_answer_was_lost_is_not_granted_to_somebody_who_has_left_since() {
    let (app, worker, marks) = claimed().await;
    // Committed, and the worker does not know: it has not begun.
    mark(&app, worker, &marks[..1]).await;
    leave(&app, marks[0].id).await;
    assert_eq!(mark(&app, worker, &marks[..1]).await, []);
    // Its batch comes back, and then it is skipped.
    let mut db = app.pool.acquire().await.unwrap();
    batch::close(&mut db, worker, &[marks[0].batch], Utc::now()).await.unwrap();
    let id = mailing::sending(&mut db).await.unwrap()[0];
    let held =
        batch::claim_mailing(&mut db, worker, id, 10, TimeDelta::seconds(30), Utc::now()).await.unwrap();
    assert_eq!(held.deliveries.len(), 2);
    assert_eq!(
        app.count("select count(*) from deliveries where state = 'skipped' and attempts = 0").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_off_while_somebody_left_is_skipped_when_its_turn_comes() {
    let (app, worker, marks) = claimed().await;
    mark(&app, worker, &marks[..1]).await;
    leave(&app, marks[0].id).await;
    let mut db = app.pool.acquire().await.unwrap();
    let later = Outcome { verdict: Verdict::Later(Utc::now()), ..accepted(&marks[0], 1) };
    transmission::put_off(&mut db, worker, &[later]).await.unwrap();
    let id = mailing::sending(&mut db).await.unwrap()[0];
    let held =
        batch::claim_mailing(&mut db, worker, id, 10, TimeDelta::seconds(30), Utc::now()).await.unwrap();
    assert_eq!((held.batches.len(), held.deliveries.len()), (1, 0));
    assert_eq!(
        app.count("select count(*) from deliveries where state = 'skipped' and attempts = 1").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_taken_for_dead_marks_and_claims_nothing() {
    let (app, worker, marks) = claimed().await;
    let mut db = app.pool.acquire().await.unwrap();
    take_for_dead(&app).await;
    assert!(!worker::heartbeat(&mut db, worker).await.unwrap());
    let id = mailing::sending(&mut db).await.unwrap()[0];
    assert!(
        batch::claim_mailing(&mut db, worker, id, 10, TimeDelta::seconds(30), Utc::now())
            .await
            .unwrap()
            .batches
            .is_empty()
    );
    assert_eq!(worker::recover(&mut db).await.unwrap(), Recovered { batches: 1, unknown: 0 });
    assert_eq!(mark(&app, worker, &marks).await, []);
    assert!(
        batch::claim_mailing(&mut db, worker, id, 10, TimeDelta::seconds(30), Utc::now())
            .await
            .unwrap()
            .batches
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_over_leaves_a_batch_alone_whose_marks_are_just_being_committed() {
    let (app, worker, marks) = claimed().await;
    let mut marking = app.pool.begin().await.unwrap();
    let wanted = Marks { batches: vec![marks[0].batch], wanted: marks.clone(), ..Marks::default() };
    transmission::settle(&mut marking, worker, &[], &wanted, Utc::now()).await.unwrap();
    take_for_dead(&app).await;
    let mut db = app.pool.acquire().await.unwrap();
    assert_eq!(worker::recover(&mut db).await.unwrap(), Recovered::default());
    marking.commit().await.unwrap();
    assert_eq!(worker::recover(&mut db).await.unwrap(), Recovered { batches: 1, unknown: 3 });
    assert_eq!(mark(&app, worker, &marks).await, []);
}

/// Lets all leases run out.
async fn take_for_dead(app: &TestApp) {
    sqlx::query("update workers set lease_until = now() - interval '1 second'")
        .execute(&app.pool)
        .await
        .unwrap();
}

fn accepted(mark: &Mark, attempt: i16) -> Outcome {
    let verdict = Verdict::Accepted;
    Outcome { id: mark.id, attempt, verdict, smtp_code: Some(250), smtp_text: "ok".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_replaces_unknown_only_for_the_same_attempt() {
    let (app, worker, marks) = claimed().await;
    let mut db = app.pool.acquire().await.unwrap();
    mark(&app, worker, &marks).await;
    take_for_dead(&app).await;
    assert_eq!(worker::recover(&mut db).await.unwrap().unknown, 3);
    let news = [accepted(&marks[0], 1), accepted(&marks[1], 2)];
    let settled = transmission::settle(&mut db, worker, &news, &Marks::default(), Utc::now()).await.unwrap();
    assert_eq!(settled.recorded, [marks[0].id]);
    assert_eq!(app.count("select count(*) from deliveries where state = 'unknown'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_over_a_lost_connection_is_over_when_the_next_one_begins() {
    let app = App::new().without_worker().start().await;
    let mut lost = db::connect_by_key(&app.pool).await.unwrap();
    let backend = Backend::of(&mut lost).await.unwrap().unwrap();
    // Under way there, and nobody waits for the answer any more.
    let late = tokio::spawn(async move { sqlx::query("select pg_sleep(20)").execute(&mut lost).await });
    sleep(Duration::from_millis(200)).await;
    let mut next = db::connect_by_key(&app.pool).await.unwrap();
    backend.end(&mut next).await.unwrap();
    assert!(late.await.unwrap().is_err());
    backend.end(&mut next).await.unwrap();
    assert_ne!(Backend::of(&mut next).await.unwrap().unwrap(), backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_can_hold_a_mailing_that_paused_itself() {
    let (app, _, _) = claimed().await;
    let mut db = app.pool.acquire().await.unwrap();
    let id = mailing::sending(&mut db).await.unwrap()[0];
    mailing::pause(&mut db, id, PauseKind::Unreachable, "away", Utc::now()).await.unwrap();
    mailing::pause(&mut db, id, PauseKind::Staff, "paused by staff", Utc::now()).await.unwrap();
    assert!(mailing::pause(&mut db, id, PauseKind::Unreachable, "away", Utc::now()).await.is_err());
    assert!(mailing::resume_unreachable(&mut db).await.unwrap().is_empty());
    // Nor does a worker that reaches the relay let it go on.
    let worker = process::worker(&app, &[]);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(app.status(id).await.0.state, MailingState::Paused);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsubscribe_finds_what_waits_by_index() {
    let (app, _, _) = claimed().await;
    // Many more deliveries of mailings that are over.
    sqlx::query(
        "insert into deliveries (kind, signup_id, due_at, state) select 'confirmation', gen_random_uuid(), now(), 'accepted'
         from generate_series(1, 20000)",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    sqlx::query("analyze").execute(&app.pool).await.unwrap();
    let query = include_str!("../../src/domain/queue/withdrawal.rs");
    let begin = query.find("select id, batch_id from deliveries").unwrap();
    let end = begin + query[begin..].find('"').unwrap();
    let select = query[begin..end].replace("$1", "gen_random_uuid()");
    let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("explain {select}")))
        .fetch_all(&app.pool)
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert!(!plan.contains("Seq Scan on deliveries"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_that_is_tried_again_in_its_last_moment_is_not_done() {
    let (app, _, _) = claimed().await;
    let id = mailing::sending(&mut app.pool.acquire().await.unwrap()).await.unwrap()[0];
    let all_rejected = "update deliveries set state = 'rejected', finished_at = now(); delete from batches";
    sqlx::raw_sql(all_rejected).execute(&app.pool).await.unwrap();
    let mut retrying = app.pool.begin().await.unwrap();
    let put_back = mailing::retry(&mut retrying, id, Retry::Rejected, None, Utc::now()).await.unwrap();
    assert_eq!(put_back.count, 3);
    // What is refused again meanwhile is not put back by the same command.
    sqlx::query("update deliveries set state = 'rejected'").execute(&mut *retrying).await.unwrap();
    let next = mailing::retry(&mut retrying, id, Retry::Rejected, put_back.last, Utc::now()).await.unwrap();
    assert_eq!(next.count, 0);
    sqlx::query("update deliveries set state = 'pending'").execute(&mut *retrying).await.unwrap();
    let pool = app.pool.clone();
    let advancing =
        tokio::spawn(async move { move_mailings::end_finished(&pool, Utc::now()).await.unwrap() });
    sleep(Duration::from_millis(300)).await;
    retrying.commit().await.unwrap();
    assert!(advancing.await.unwrap().is_empty());
    assert_eq!(app.status(id).await.0.state, MailingState::Sending);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_a_mark_is_granted_only_where_the_writers_last_commit_stands() {
    let (app, worker, marks) = claimed().await;
    let mut db = app.pool.acquire().await.unwrap();
    let own = watermark::make(&mut db).await.unwrap();
    let mut settle = async |value: i64, wanted: Mark| {
        let watermark = Some(Watermark { value, ..own });
        let marks =
            Marks { batches: vec![wanted.batch], wanted: vec![wanted], watermark, ..Marks::default() };
        transmission::settle(&mut db, worker, &[], &marks, Utc::now()).await.unwrap().transmitting
    };
    assert_eq!(settle(1, marks[0]).await, [marks[0].id]);
    assert_eq!(settle(1, marks[0]).await, [marks[0].id], "asked again after a lost answer");
    assert_eq!(settle(2, marks[0]).await, [marks[0].id]);
    // As in a standby that lacks the two commits before this one.
    sqlx::query("update watermarks set value = 1 where id = $1")
        .bind(own.id)
        .execute(&app.pool)
        .await
        .unwrap();
    assert!(settle(4, marks[1]).await.is_empty());
    sqlx::query("delete from watermarks where id = $1").bind(own.id).execute(&app.pool).await.unwrap();
    assert!(settle(1, marks[1]).await.is_empty(), "as in a database that never knew this writer");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_change_of_servers_nothing_of_a_mailing_is_claimed_before_every_process_has_looked() {
    let (app, id) = sending().await;
    let mut db = app.pool.acquire().await.unwrap();
    let worker = worker::sign_on(&mut db).await.unwrap();
    // Another process has not seen the new server yet; it may miss commits there.
    sqlx::query("insert into watermarks (id, value, server) values (gen_random_uuid(), 7, 1)")
        .execute(&app.pool)
        .await
        .unwrap();
    assert!(
        batch::claim_mailing(&mut db, worker, id, 10, TimeDelta::seconds(30), Utc::now())
            .await
            .unwrap()
            .batches
            .is_empty()
    );
    // It is dead: its last sign of life is half a minute old.
    sqlx::query("update watermarks set written_at = now() - interval '31 s' where server = 1")
        .execute(&app.pool)
        .await
        .unwrap();
    assert!(
        !batch::claim_mailing(&mut db, worker, id, 10, TimeDelta::seconds(30), Utc::now())
            .await
            .unwrap()
            .batches
            .is_empty()
    );
}
