//! Migrations 6 and 7: a queue from before batches existed continues where it was.

use chrono::{TimeDelta, Utc};
use rundbrief::{
    db::MIGRATIONS,
    domain::{
        ids::MailingId,
        queue::{batch, worker},
    },
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::harness::database::{self, Database};

/// The last version without batches.
const BEFORE: i64 = 5;

const MAILING: Uuid = Uuid::from_u128(2);

/// A mailing in the middle of its work, as version 5 kept it, and a signup that waits for its mail. Those who wait are
/// not neighbours: what is done, put off or held lies between them.
const QUEUE: &str = "
    insert into publications (applied_at, content, content_sha256)
        values (now(), '{}', decode(repeat('00', 32), 'hex'));
    insert into updates (id, slug, locale, title, teaser, body, created_at, changed_at)
        values ('00000000-0000-0000-0000-000000000001', 'neues', 'de', 'Neues', '', '', now(), now());
    insert into mailings (id, update_id, publication_version, state, locale, subject, body_text, body_html,
            triggered_at, audience, fan_out_done_at)
        select '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', version, 'sending', 'de',
            'Neues', '', '', now() - interval '1 hour', 270, now() - interval '1 hour'
        from publications;

    insert into deliveries (kind, mailing_id, subscriber_id, state, due_at, finished_at, attempts)
        select 'mailing', '00000000-0000-0000-0000-000000000002', gen_random_uuid(), 'accepted',
            now() - interval '1 hour', now() - interval '1 minute', 1
        from generate_series(1, 10);
    insert into deliveries (kind, mailing_id, subscriber_id, due_at)
        select 'mailing', '00000000-0000-0000-0000-000000000002', gen_random_uuid(), now() - interval '1 hour'
        from generate_series(1, 120);
    insert into deliveries (kind, mailing_id, subscriber_id, due_at, attempts, smtp_code, smtp_text)
        select 'mailing', '00000000-0000-0000-0000-000000000002', gen_random_uuid(), now() + interval '1 minute' * n,
            1, 450, '4.2.1 mailbox busy'
        from generate_series(1, 5) n;
    insert into deliveries (kind, mailing_id, subscriber_id, state, due_at, claimed_by)
        select 'mailing', '00000000-0000-0000-0000-000000000002', gen_random_uuid(), 'claimed',
            now() - interval '1 hour', 1
        from generate_series(1, 3);
    insert into deliveries (kind, mailing_id, subscriber_id, state, due_at, claimed_by, attempts)
        select 'mailing', '00000000-0000-0000-0000-000000000002', gen_random_uuid(), 'transmitting',
            now() - interval '1 hour', 1, 1
        from generate_series(1, 2);
    insert into deliveries (kind, mailing_id, subscriber_id, due_at)
        select 'mailing', '00000000-0000-0000-0000-000000000002', gen_random_uuid(), now() - interval '1 hour'
        from generate_series(1, 130);
    insert into deliveries (kind, signup_id, due_at)
        values ('confirmation', gen_random_uuid(), now() - interval '1 minute');
";

/// Runs the migrations of these versions, by their SQL alone.
async fn migrate(db: &mut PgConnection, is_wanted: impl Fn(i64) -> bool) {
    for migration in MIGRATIONS.iter().filter(|migration| is_wanted(migration.version)) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *db).await.unwrap();
    }
}

async fn count(db: &mut PgConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(db).await.unwrap()
}

/// A database of version 5 with the queue in it, brought to that of today.
async fn migrated() -> (Database, PgConnection) {
    let database = database::empty().await;
    let mut db = PgConnection::connect(database.url()).await.unwrap();
    migrate(&mut db, |version| version <= BEFORE).await;
    sqlx::raw_sql(QUEUE).execute(&mut db).await.unwrap();
    migrate(&mut db, |version| version > BEFORE).await;
    (database, db)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_before_there_were_batches_waits_in_batches() {
    let (_database, mut db) = migrated().await;

    let states: Vec<(String, i64)> =
        sqlx::query_as("select state::text, count(*) from deliveries group by 1 order by 1")
            .fetch_all(&mut db)
            .await
            .unwrap();
    let states: Vec<(&str, i64)> = states.iter().map(|(state, count)| (state.as_str(), *count)).collect();
    assert_eq!(states, [("accepted", 10), ("pending", 250 + 3 + 5 + 1), ("unknown", 2)]);
    let explained = "select count(*) from deliveries
                     where state = 'unknown' and finished_at is not null and smtp_text like 'the worker stopped%'";
    assert_eq!(count(&mut db, explained).await, 2);

    // What was due, by a hundred.
    let sizes: Vec<i16> = sqlx::query_scalar(
        "select size from batches where mailing_id is not null and due_at <= now() order by size desc",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    assert_eq!(sizes, [100, 100, 53]);
    // What was put off, each by itself and with its own time.
    let put_off = "select count(distinct b.id) from deliveries d join batches b on b.id = d.batch_id
                   where d.state = 'pending' and d.smtp_code = 450
                     and b.size = 1 and b.due_at = d.due_at and b.due_at > now()";
    assert_eq!(count(&mut db, put_off).await, 5);
    // The confirmation, before all mailings.
    let urgent = "select count(*) from deliveries d join batches b on b.id = d.batch_id
                  where d.kind = 'confirmation' and b.mailing_id is null and b.size = 1 and b.due_at = d.due_at";
    assert_eq!(count(&mut db, urgent).await, 1);
    assert_eq!(count(&mut db, "select count(*) from batches").await, 3 + 5 + 1);

    let homeless = "select count(*) from deliveries d
                    where d.state = 'pending' and not exists
                        (select from batches b
                         where b.id = d.batch_id and b.mailing_id is not distinct from d.mailing_id)";
    assert_eq!(count(&mut db, homeless).await, 0, "who waits, in a batch of the same mailing");
    let wrong = "select count(*) from batches b
                 where size <> (select count(*) from deliveries d where d.batch_id = b.id) or claimed_by is not null";
    assert_eq!(count(&mut db, wrong).await, 0, "batches of a wrong size, or not to be had");
    let others = "select count(*) from deliveries where state <> 'pending' and batch_id is not null";
    assert_eq!(count(&mut db, others).await, 0, "what has ended, in a batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_today_claims_what_waited_and_new_batches_get_numbers_of_their_own() {
    let (_database, mut db) = migrated().await;
    let made: i64 = sqlx::query_scalar("insert into batches (due_at, size) values (now(), 1) returning id")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(made, 3 + 5 + 1 + 1);

    let worker = worker::sign_on(&mut db).await.unwrap();
    let copies =
        batch::claim_mailing(&mut db, worker, MailingId(MAILING), 1_000, TimeDelta::seconds(30), Utc::now())
            .await
            .unwrap();
    assert_eq!((copies.batches.len(), copies.deliveries.len()), (3, 250 + 3));
    let urgent = batch::claim_urgent(&mut db, worker, 100, Utc::now()).await.unwrap();
    assert_eq!(urgent.deliveries.len(), 1);
}
