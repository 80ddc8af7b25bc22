//! How a mailing goes: counts, what went wrong and why, and trying that again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};

use crate::domain::{
    ids::{DeliveryId, MailingId},
    mailing::{MailingError, MailingState, by_id, left_because},
    queue::{batch, delivery::DeliveryState, withdrawal},
};

/// How many deliveries of a mailing are in each state. They add up to its audience once it is sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Waiting.
    pub pending: i64,
    /// In a worker's hand.
    pub claimed: i64,
    /// On the wire.
    pub transmitting: i64,
    /// Taken by the relay.
    pub accepted: i64,
    /// Refused by the relay, for good.
    pub rejected: i64,
    /// Nobody knows.
    pub unknown: i64,
    /// Not sent on purpose.
    pub skipped: i64,
    /// How many of those waiting were tried before and wait for their next try.
    #[serde(skip, default)]
    pub put_off: i64,
}

/// Counts the deliveries of a mailing; of one whose deliveries are not kept any more, what was counted then.
pub async fn counts(db: &mut PgConnection, id: MailingId) -> sqlx::Result<Counts> {
    let kept = sqlx::query_scalar!(
        r#"select kept_counts as "kept: Json<Counts>" from mailings where id = $1"#,
        id.0
    )
    .fetch_optional(&mut *db)
    .await?;
    match kept.flatten() {
        Some(Json(kept)) => Ok(kept),
        None => count(db, id).await,
    }
}

/// Keeps the counts of a mailing that has ended, because its deliveries go. Those that are kept stay as they are.
pub async fn keep_counts(db: &mut PgConnection, id: MailingId) -> sqlx::Result<()> {
    let counts = counts(db, id).await?;
    let left = left_because(db, id).await?;
    sqlx::query!(
        "update mailings set kept_counts = $2, kept_left = $3 where id = $1 and kept_counts is null",
        id.0,
        Json(counts) as Json<Counts>,
        left
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn count(db: &mut PgConnection, id: MailingId) -> sqlx::Result<Counts> {
    sqlx::query_as!(
        Counts,
        r#"select count(*) filter (where state = 'pending' and b.id is null) as "pending!",
             count(*) filter (where state = 'pending' and d.id <> all(b.transmitting)) as "claimed!",
             count(*) filter (where state = 'pending' and d.id = any(b.transmitting)) as "transmitting!",
             count(*) filter (where state = 'accepted') as "accepted!",
             count(*) filter (where state = 'rejected') as "rejected!",
             count(*) filter (where state = 'unknown') as "unknown!",
             count(*) filter (where state = 'skipped') as "skipped!",
             count(*) filter (where state = 'pending' and attempts > 0 and d.due_at > now()) as "put_off!"
           from deliveries d
           left join batches b on b.id = d.batch_id and b.mailing_id = $1 and b.claimed_by is not null
           where d.mailing_id = $1"#,
        id.0
    )
    .fetch_one(db)
    .await
}

/// Deliveries that did not go through, or not yet, for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// `rejected`, `unknown`, or `pending` for those that wait for another try.
    pub state: DeliveryState,
    /// The relay's reply code, if there was a reply.
    pub smtp_code: Option<i16>,
    /// The relay's words, or what happened on the line, without addresses, links and queue ids.
    pub reply: String,
    /// How many.
    pub count: i64,
}

/// What went wrong in a mailing, grouped by what the relay said, the most frequent first; twenty groups at most.
pub async fn failures(db: &mut PgConnection, id: MailingId) -> sqlx::Result<Vec<Failure>> {
    sqlx::query_as!(
        Failure,
        r#"select state as "state!: DeliveryState", smtp_code,
             -- Addresses, masked ones too, links and queue ids are different in each reply: with them every group would be
             -- of one.
             regexp_replace(coalesce(smtp_text, ''), '[^\s<>]+@[^\s<>]+|https?://\S+|\m(?=\w*\d)\w{8,}\M|[^\s<>]*…[^\s<>]*', '…', 'g')
                 as "reply!",
             count(*) as "count!"
           from deliveries
           where mailing_id = $1
             and (state in ('rejected', 'unknown') or (state = 'pending' and smtp_text is not null))
           group by 1, 2, 3 order by 4 desc, 1, 2, 3 limit 20"#,
        id.0
    )
    .fetch_all(db)
    .await
}

/// What may be tried again, by a person's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// What the relay refused.
    Rejected,
    /// What nobody knows of. Who did get it gets it twice.
    Unknown,
}

impl Retry {
    /// The state these deliveries are in.
    #[must_use]
    pub fn state(self) -> DeliveryState {
        match self {
            Retry::Rejected => DeliveryState::Rejected,
            Retry::Unknown => DeliveryState::Unknown,
        }
    }
}

/// Deliveries put back at once.
const CHUNK: i64 = 5_000;

/// What one step of [`retry`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutBack {
    /// How many wait again.
    pub count: i64,
    /// The last of them, for the next step; nothing when there were none.
    pub last: Option<DeliveryId>,
}

/// Puts up to 5,000 of a mailing's rejected or unknown deliveries back into the queue, those behind `after`. To be
/// called in a transaction of its own, again and again until it finds none. Going on behind the last one, it meets no
/// delivery twice that was refused again meanwhile. A mailing that was done is sending again. Who has left meanwhile is
/// skipped when its turn comes.
///
/// # Errors
/// [`MailingError::WrongState`] when it is not sent yet, or cancelled.
pub async fn retry(
    db: &mut PgConnection,
    id: MailingId,
    what: Retry,
    after: Option<DeliveryId>,
    now: DateTime<Utc>,
) -> Result<PutBack, MailingError> {
    // As in the fan-out: an unsubscribe must not miss what is put back here and not yet committed.
    withdrawal::lock_out_unsubscribes(&mut *db).await?;
    sqlx::query!("select id from mailings where id = $1 for update", id.0).fetch_optional(&mut *db).await?;
    let mailing = by_id(&mut *db, id).await?.ok_or(MailingError::Unknown)?;
    if !matches!(mailing.state, MailingState::Sending | MailingState::Paused | MailingState::Done) {
        return Err(MailingError::WrongState { state: mailing.state, wanted: "tried again" });
    }
    // Its deliveries are being removed, and what is counted of it is settled.
    let is_over = sqlx::query_scalar!(
        r#"select kept_counts is not null as "is_over!" from mailings where id = $1"#,
        id.0
    )
    .fetch_one(&mut *db)
    .await?;
    if is_over {
        return Ok(PutBack { count: 0, last: None });
    }
    let put_back = sqlx::query_as!(
        PutBack,
        r#"with again as materialized (
             select id, (row_number() over (order by id) - 1) / $4 as part from (
                 select id from deliveries
                 where mailing_id = $1 and state = $2::delivery_state and id > coalesce($6::bigint, 0)
                   -- Of somebody who was erased there is nobody left to send to.
                   and subscriber_id is not null
                 order by id limit $5 for update) chosen
         ), parts as materialized (
             select part, count(*) as size, nextval(pg_get_serial_sequence('batches', 'id')) as batch
             from again group by part order by part
         ), queued as (
             insert into batches (id, mailing_id, due_at, size) overriding system value
             select batch, $1, $3, size from parts
         ), put_back as (
             update deliveries d set state = 'pending', finished_at = null, due_at = $3, batch_id = parts.batch
             from again join parts using (part) where d.id = again.id
         )
         select count(*) as "count!", max(id) as "last: DeliveryId" from again"#,
        id.0,
        what.state() as DeliveryState,
        now,
        batch::SIZE,
        CHUNK,
        after.map(|id| id.0)
    )
    .fetch_one(&mut *db)
    .await?;
    if put_back.count > 0 {
        sqlx::query!(
            "update mailings set state = case state when 'done' then 'sending' else state end, finished_at = null,
                 retried_at = $2
             where id = $1",
            id.0,
            now
        )
        .execute(db)
        .await?;
    }
    Ok(put_back)
}
