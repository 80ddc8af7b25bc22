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
//! Every statement here that gives a worker something takes a share in the worker's own row (`for key share`). Taking
//! that row away therefore waits for what is just being committed, and nothing is given to its worker afterwards:
//! that is the fence (see [`super::worker::recover`]).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::EmailAddress,
    delivery::{Claimed, DeliveryKind},
    ids::{BatchId, DeliveryId, MailingId, SignupId, SubscriberId, UpdateId, WorkerId},
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
}

impl FromIterator<Row> for Claims {
    fn from_iter<T: IntoIterator<Item = Row>>(rows: T) -> Self {
        let mut claims = Claims::default();
        for row in rows {
            if claims.batches.last() != Some(&row.batch) {
                claims.batches.push(row.batch);
            }
            let (Some(id), Some(kind), Some(attempts)) = (row.id, row.kind, row.attempts) else { continue };
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
        claims
    }
}

/// Claims up to `limit` confirmations, welcomes and tests that are due, oldest first.
///
/// Any number of workers may do this at once: `skip locked` gives each batch to one of them. A worker whose lease has
/// run out gets nothing.
///
/// # Errors
/// When the database fails.
pub async fn claim_urgent(
    db: &mut PgConnection,
    worker: WorkerId,
    limit: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Claims> {
    let rows = sqlx::query_as!(
        Row,
        r#"with me as (
               select id from workers where id = $1 and lease_until > now() for key share
           ), due as (
               select id from batches
               where claimed_by is null and mailing_id is null and due_at <= $3 and exists (select from me)
               order by due_at, id limit $2
               for update skip locked
           ), claimed as (
               update batches b set claimed_by = $1 from due where b.id = due.id returning b.id
           )
           select c.id as "batch!: BatchId", d.id as "id?: DeliveryId", d.kind as "kind?: DeliveryKind",
               d.attempts as "attempts?", d.mailing_id as "mailing: MailingId",
               d.subscriber_id as "subscriber: SubscriberId", d.signup_id as "signup: SignupId",
               d.update_id as "update: UpdateId", coalesce(d.address, g.email, s.email) as "address: EmailAddress"
           from claimed c
           left join deliveries d on d.batch_id = c.id and d.state = 'pending'
           left join signups g on g.id = d.signup_id
           left join subscribers s on s.id = d.subscriber_id
           order by c.id, d.id"#,
        worker.0,
        limit,
        now
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Claims batches of one mailing that are due, oldest first, until they hold `limit` deliveries or more.
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
/// When the database fails.
pub async fn claim_mailing(
    db: &mut PgConnection,
    worker: WorkerId,
    mailing: MailingId,
    limit: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Claims> {
    let rows = sqlx::query_as!(
        Row,
        r#"with me as (
               select id from workers where id = $1 and lease_until > now() for key share
           ), due as (
               select id, size from batches
               where claimed_by is null and mailing_id = $4 and due_at <= $3 and exists (select from me)
                 and exists (select from mailings where id = $4 and state = 'sending')
               order by due_at, id limit 100
               for update skip locked
           ), enough as (
               select id from (select id, sum(size) over (order by id) - size as before from due) counted
               where before < $2
           ), claimed as (
               update batches b set claimed_by = $1 from enough where b.id = enough.id returning b.id
           )
           select c.id as "batch!: BatchId", d.id as "id?: DeliveryId", d.kind as "kind?: DeliveryKind",
               d.attempts as "attempts?", d.mailing_id as "mailing: MailingId",
               d.subscriber_id as "subscriber: SubscriberId", d.signup_id as "signup: SignupId",
               d.update_id as "update: UpdateId", s.email as "address?: EmailAddress"
           from claimed c
           left join deliveries d on d.batch_id = c.id and d.state = 'pending'
           left join subscribers s on s.id = d.subscriber_id
           order by c.id, d.id"#,
        worker.0,
        limit,
        now,
        mailing.0
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Ends a worker's claim on batches none of whose deliveries it still has in its hand or on the wire: those with
/// something left to send wait again, for anybody; the others are gone.
///
/// A delivery that is still `transmitting` here has an outcome that could not be written; nobody knows it any more.
///
/// # Errors
/// When the database fails.
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
             select id from batches where id = any($2) and claimed_by = $1 for update
         ), open as (
             select distinct d.batch_id from mine join deliveries d on d.batch_id = mine.id and d.state = 'pending'
         ), lost as (
             update deliveries d set state = 'unknown', finished_at = $3, smtp_text = 'its outcome could not be recorded'
             from mine where d.batch_id = mine.id and d.state = 'transmitting'
         ), gone as (
             delete from batches b using mine
             where b.id = mine.id and not exists (select from open where open.batch_id = b.id)
         )
         update batches b set claimed_by = null from open where b.id = open.batch_id",
        worker.0,
        &ids,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}
