//! The arrows of a delivery's life, one at a time, where two of them meet.

use chrono::Utc;
use rundbrief::domain::{
    batch,
    delivery::{self, Mark, Outcome, Verdict},
    ids::{DeliveryId, WorkerId},
    mailing::{self, MailingState, PauseKind, Retry},
    worker::{self, Recovered},
};

use crate::harness::{App, TestApp, process};

/// A mailing to three people that is sending, with all of it claimed by a worker of the test's own.
async fn claimed() -> (TestApp, WorkerId, Vec<Mark>) {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let id = app.trigger().await;
    let mut transaction = app.pool.begin().await.unwrap();
    mailing::fan_out(&mut transaction, Utc::now()).await.unwrap();
    transaction.commit().await.unwrap();
    let mut db = app.pool.acquire().await.unwrap();
    let worker = worker::sign_on(&mut db).await.unwrap();
    let held = batch::claim_mailing(&mut db, worker, id, 10, Utc::now()).await.unwrap();
    let marks = held
        .deliveries
        .iter()
        .map(|delivery| Mark { id: delivery.id, attempt: delivery.attempts + 1 })
        .collect();
    (app, worker, marks)
}

/// Marks; answers which may be transmitted.
async fn mark(app: &TestApp, worker: WorkerId, marks: &[Mark]) -> Vec<DeliveryId> {
    let mut db = app.pool.acquire().await.unwrap();
    delivery::settle(&mut db, worker, &[], marks, Utc::now()).await.unwrap().marked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_resumed_between_a_refused_mark_and_its_settling_loses_nobody() {
    let (app, worker, marks) = claimed().await;
    let mut db = app.pool.acquire().await.unwrap();
    // The mark saw the mailing paused; by now it goes on.
    delivery::settle_unmarked(&mut db, worker, &marks, Utc::now()).await.unwrap();
    assert_eq!(app.count("select count(*) from deliveries where state = 'pending'").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_whose_answer_was_lost_is_taken_back_when_it_is_refused_the_second_time() {
    let (app, worker, marks) = claimed().await;
    let mut db = app.pool.acquire().await.unwrap();
    assert_eq!(mark(&app, worker, &marks).await.len(), 3);
    assert_eq!(mark(&app, worker, &marks).await.len(), 3, "asking twice does no harm");
    sqlx::query("update subscribers set state = 'unsubscribed' where email = 's1@example.org'")
        .execute(&app.pool)
        .await
        .unwrap();
    let granted = mark(&app, worker, &marks).await;
    let refused: Vec<Mark> = marks.into_iter().filter(|mark| !granted.contains(&mark.id)).collect();
    assert_eq!(refused.len(), 1);
    delivery::settle_unmarked(&mut db, worker, &refused, Utc::now()).await.unwrap();
    assert_eq!(
        app.count("select count(*) from deliveries where state = 'skipped' and attempts = 0").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_lease_has_run_out_marks_and_claims_nothing() {
    let (app, worker, marks) = claimed().await;
    sqlx::query("update workers set lease_until = now() - interval '1 second'")
        .execute(&app.pool)
        .await
        .unwrap();
    let mut db = app.pool.acquire().await.unwrap();
    assert_eq!(mark(&app, worker, &marks).await, Vec::<DeliveryId>::new());
    assert!(!worker::heartbeat(&mut db, worker).await.unwrap());
    assert_eq!(worker::recover(&mut db).await.unwrap(), Recovered { batches: 1, unknown: 0 });
    let id = mailing::sending(&mut db).await.unwrap()[0];
    assert!(batch::claim_mailing(&mut db, worker, id, 10, Utc::now()).await.unwrap().batches.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_replaces_unknown_only_for_the_same_attempt() {
    let (app, worker, marks) = claimed().await;
    let mut db = app.pool.acquire().await.unwrap();
    mark(&app, worker, &marks).await;
    sqlx::query("update workers set lease_until = now() - interval '1 second'")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(worker::recover(&mut db).await.unwrap().unknown, 3);
    let outcome = |mark: &Mark, attempt| Outcome {
        id: mark.id,
        attempt,
        verdict: Verdict::Accepted,
        smtp_code: Some(250),
        smtp_text: "ok".into(),
    };
    let news = [outcome(&marks[0], 1), outcome(&marks[1], 2)];
    let settled = delivery::settle(&mut db, worker, &news, &[], Utc::now()).await.unwrap();
    assert_eq!(settled.recorded, [marks[0].id]);
    assert_eq!(app.count("select count(*) from deliveries where state = 'unknown'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_can_hold_a_mailing_that_paused_itself() {
    let (app, _, _) = claimed().await;
    let mut db = app.pool.acquire().await.unwrap();
    let id = mailing::sending(&mut db).await.unwrap()[0];
    mailing::pause(&mut db, id, PauseKind::Unreachable, "away", Utc::now()).await.unwrap();
    mailing::pause(&mut db, id, PauseKind::Staff, "paused by staff", Utc::now()).await.unwrap();
    assert!(mailing::pause(&mut db, id, PauseKind::Unreachable, "away", Utc::now()).await.is_err());
    assert_eq!(mailing::resume_unreachable(&mut db).await.unwrap(), 0);
    // Nor does a worker that reaches the relay let it go on.
    let worker = process::worker(&app, &[]);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
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
    let query = include_str!("../../src/domain/delivery.rs");
    let begin = query.find("with waiting as (").unwrap();
    let end = begin + query[begin..].find("order by id for update").unwrap();
    let select = query[begin + "with waiting as (".len()..end].replace("$1", "gen_random_uuid()");
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
    let advancing = tokio::spawn(async move {
        mailing::advance(&mut pool.acquire().await.unwrap(), Utc::now()).await.unwrap()
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    retrying.commit().await.unwrap();
    assert!(advancing.await.unwrap().is_empty());
    assert_eq!(app.status(id).await.0.state, MailingState::Sending);
}
