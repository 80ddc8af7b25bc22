//! Batches: what a worker claims at once, and gives up at once.
//!
//! ```text
//! (fan-out, signup, put off) ──▶ waiting ──claim──▶ claimed by a worker ──close──▶ gone, or waiting again
//!                                   ▲                        │
//!                                   └──── lease ran out ─────┘
//! ```
//!
//! A batch holds up to [`SIZE`] copies of a mailing, or one delivery of any other kind, or one that was put off. Its
//! deliveries are its worker's alone as long as the batch is: claiming costs one small row and not one a message.
//!
//! Its row also says which of its deliveries are on their way (`transmitting`), and which were taken from the worker
//! because their subscriber has left (`withdrawn`). Marking, leaving and taking over from a dead worker all lock
//! this one row, so they come one after the other: that is the fence.
//!
//! A claim takes a share in the worker's own row (`for key share`). Taking that row away therefore waits for what is
//! just being claimed, and nothing can be claimed for its worker afterwards (see [`super::worker::recover`]).

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::EmailAddress,
    ids::{BatchId, DeliveryId, MailingId, SignupId, SubscriberId, UpdateId, WorkerId},
    queue::{delivery::DeliveryKind, transmission::Claimed},
};

/// Copies of a mailing in a batch, at most. Large enough that a batch costs next to nothing, small enough that
/// several workers share the end of a mailing.
pub const SIZE: i64 = 100;

/// What a claim gave.
#[derive(Debug, Default)]
pub struct Claims {
    /// The batches. Some may hold nothing that still has to be sent; they are to be closed all the same.
    pub batches: Vec<BatchId>,
    /// Their deliveries that wait, in the order in which they came.
    pub deliveries: Vec<Claimed>,
}

/// A row of a claim: a batch, and one of its deliveries, if it has any.
struct Row {
    batch: BatchId,
    id: Option<DeliveryId>,
    kind: Option<DeliveryKind>,
    attempts: Option<i16>,
    mailing: Option<MailingId>,
    subscriber: Option<SubscriberId>,
    signup: Option<SignupId>,
    update: Option<UpdateId>,
    address: Option<EmailAddress>,
    has_left: bool,
}

/// How many batches of confirmations, welcomes and other mails that come before mailings have been due since before
/// `since`. More than none means that the relay is away, or that no worker runs.
pub async fn late_urgent(db: &mut PgConnection, since: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from batches where mailing_id is null and due_at < $1"#,
        since
    )
    .fetch_one(db)
    .await
}

/// Claims up to `limit` confirmations, welcomes and tests that are due, oldest first.
///
/// Any number of workers may do this at once: `skip locked` gives each batch to one of them. A worker whose lease has
/// run out gets nothing.
///
/// # Errors
/// When the database fails. Something may be claimed then all the same.
pub async fn claim_urgent(
    db: &mut PgConnection,
    worker: WorkerId,
    limit: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Claims> {
    let batches = sqlx::query_scalar!(
        "with me as (
             select id from workers where id = $1 and lease_until > now() for key share
         ), due as (
             select id from batches
             where claimed_by is null and mailing_id is null and due_at <= $3 and exists (select from me)
             order by due_at, id limit $2
             for update skip locked
         )
         update batches b set claimed_by = $1 from due where b.id = due.id returning b.id",
        worker.0,
        limit,
        now
    )
    .fetch_all(&mut *db)
    .await?;
    take_stock(db, &batches, now).await
}

/// Claims batches of one mailing that are due, oldest first, until they hold `limit` deliveries or more. Nothing while
/// mailings are held, and after the server has changed not before every other process has looked at the new one: it may
/// have seen commits that are missing there. It waits for those that gave a sign of life within `waits_for`.
///
/// With a million recipients waiting (`explain (analyze)`, one claim of 500):
///
/// ```text
/// Index Scan using batches_due on batches     actual rows=100      the first hundred that wait
/// Index Scan using batches_pkey on batches    actual rows=5        the five that are enough
/// Index Scan using deliveries_by_batch        actual rows=100 loops=5
/// Index Scan using subscribers_pkey           actual rows=1   loops=500
/// ```
///
/// # Errors
/// When the database fails. Something may be claimed then all the same.
pub async fn claim_mailing(
    db: &mut PgConnection,
    worker: WorkerId,
    mailing: MailingId,
    limit: i64,
    waits_for: TimeDelta,
    now: DateTime<Utc>,
) -> sqlx::Result<Claims> {
    let batches = sqlx::query_scalar!(
        "with me as (
             select id from workers where id = $1 and lease_until > now() for key share
         ), due as (
             select id, size from batches
             where claimed_by is null and mailing_id = $4 and due_at <= $3 and exists (select from me)
               and exists (select from mailings where id = $4 and state = 'sending')
               and not mailings_are_held()
               and not exists (
                   select from watermarks
                   where written_at > now() - make_interval(secs => $5) and server <> this_server())
             order by due_at, id limit 100
             for update skip locked
         ), enough as (
             select id from (select id, sum(size) over (order by id) - size as before from due) counted
             where before < $2
         )
         update batches b set claimed_by = $1 from enough where b.id = enough.id returning b.id",
        worker.0,
        limit,
        now,
        mailing.0,
        waits_for.as_seconds_f64()
    )
    .fetch_all(&mut *db)
    .await?;
    take_stock(db, &batches, now).await
}

/// What is still to be sent of batches that were just claimed. Skips the copies of those who have left before.
///
/// A statement of its own, after the claim is committed: whoever left before that is seen here, whoever leaves from
/// here on finds the batch claimed and tells its worker ([`skip_for_subscriber`](crate::domain::queue::withdrawal::skip_for_subscriber)).
async fn take_stock(db: &mut PgConnection, batches: &[i64], now: DateTime<Utc>) -> sqlx::Result<Claims> {
    if batches.is_empty() {
        return Ok(Claims::default());
    }
    let rows = sqlx::query_as!(
        Row,
        r#"select b.id as "batch!: BatchId", d.id as "id?: DeliveryId", d.kind as "kind?: DeliveryKind",
               d.attempts as "attempts?", d.mailing_id as "mailing: MailingId",
               d.subscriber_id as "subscriber: SubscriberId", d.signup_id as "signup: SignupId",
               d.update_id as "update: UpdateId", coalesce(d.address, g.email, s.email) as "address: EmailAddress",
               coalesce(s.state <> 'active' and d.kind in ('mailing', 'welcome'), false) as "has_left!"
           from unnest($1::bigint[]) as b (id)
           left join deliveries d on d.batch_id = b.id and d.state = 'pending'
           left join signups g on g.id = d.signup_id
           left join subscribers s on s.id = d.subscriber_id
           order by b.id, d.id"#,
        batches
    )
    .fetch_all(&mut *db)
    .await?;
    let mut claims = Claims::default();
    let mut left = Vec::new();
    for row in rows {
        if claims.batches.last() != Some(&row.batch) {
            claims.batches.push(row.batch);
        }
        let (Some(id), Some(kind), Some(attempts)) = (row.id, row.kind, row.attempts) else { continue };
        if row.has_left {
            left.push(id.0);
            continue;
        }
        claims.deliveries.push(Claimed {
            id,
            batch: row.batch,
            kind,
            attempts,
            mailing: row.mailing,
            subscriber: row.subscriber,
            signup: row.signup,
            update: row.update,
            address: row.address,
        });
    }
    if !left.is_empty() {
        sqlx::query!(
            "update deliveries set state = 'skipped', finished_at = $2 where id = any($1) and state = 'pending'",
            &left,
            now
        )
        .execute(db)
        .await?;
    }
    Ok(claims)
}

/// Ends a worker's claim on batches none of whose deliveries it still holds or transmits: those with
/// something left to send wait again, for anybody; the others are gone.
///
/// A delivery that still counts as on its way here has an outcome that could not be written; nobody knows it any more.
pub async fn close(
    db: &mut PgConnection,
    worker: WorkerId,
    batches: &[BatchId],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if batches.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = batches.iter().map(|batch| batch.0).collect();
    sqlx::query!(
        "with mine as (
             select id, transmitting from batches where id = any($2) and claimed_by = $1 order by id for update
         ), lost as (
             update deliveries d set state = 'unknown', attempts = d.attempts + 1, finished_at = $3,
                 smtp_text = 'its outcome could not be recorded'
             from mine where d.batch_id = mine.id and d.state = 'pending' and d.id = any(mine.transmitting)
         ), open as (
             select distinct d.batch_id from mine
             join deliveries d on d.batch_id = mine.id and d.state = 'pending' and d.id <> all(mine.transmitting)
         ), gone as (
             delete from batches b using mine
             where b.id = mine.id and not exists (select from open where open.batch_id = b.id)
         )
         update batches b set claimed_by = null, transmitting = '{}', withdrawn = '{}'
         from open where b.id = open.batch_id",
        worker.0,
        &ids,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}
