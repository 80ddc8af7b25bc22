//! The fan-out: writes one delivery for each person of a mailing's audience, chunk by chunk.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    ids::MailingId,
    queue::{batch, withdrawal},
};

/// Recipients a transaction. Large enough to be fast, small enough that an unsubscribe never waits long behind it.
const CHUNK: i64 = 5_000;

/// What one step of the fan-out did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FanOut {
    /// No mailing needs preparing, or another worker is at it.
    Nothing,
    /// A chunk was written; there is more.
    More,
    /// This mailing's audience is complete, and it is sending.
    Complete(MailingId),
}

/// Writes the next chunk of the oldest mailing that is being prepared. To be called in a transaction of its own.
///
/// The cursor moves in the same transaction, so the fan-out goes on where it stood whatever kills it, and the
/// unique index on (mailing, subscriber) would refuse a second copy even if it did not. The audience is who was subscribed
/// when the mailing began, however long the fan-out takes: who confirmed since is left out, who has left since is written
/// down as skipped, so that the counts add up to the audience.
///
/// While mailings are held, nothing is written.
pub async fn fan_out(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<FanOut> {
    write_chunk(db, false, now).await
}

/// The same while mailings are held, also for those that are paused: whoever belongs to them is to be known.
pub async fn fan_out_held(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<FanOut> {
    write_chunk(db, true, now).await
}

async fn write_chunk(db: &mut PgConnection, held: bool, now: DateTime<Utc>) -> sqlx::Result<FanOut> {
    // Nobody who unsubscribes is kept waiting for nothing.
    let any = sqlx::query_scalar!(
        r#"select mailings_are_held() = $1 and exists (
               select from mailings
               where state = 'preparing'
                  or ($1 and state = 'paused' and begun_at is not null and fan_out_done_at is null)) as "any!""#,
        held
    )
    .fetch_one(&mut *db)
    .await?;
    if !any {
        return Ok(FanOut::Nothing);
    }
    // Before the first look at subscribers: whoever unsubscribed before has committed, whoever comes later waits.
    withdrawal::lock_out_unsubscribes(&mut *db).await?;
    let mailing = sqlx::query!(
        r#"select id as "id: MailingId", triggered_at, begun_at as "begun_at!", fan_out_cursor from mailings
           where state = 'preparing'
              or ($1 and state = 'paused' and begun_at is not null and fan_out_done_at is null)
           order by begun_at limit 1 for update skip locked"#,
        held
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(mailing) = mailing else { return Ok(FanOut::Nothing) };
    let chunk = sqlx::query!(
        r#"with chunk as materialized (
               select id, state, (row_number() over (order by id) - 1) / $6 as part from subscribers
               where ($2::uuid is null or id > $2) and confirmed_at <= $3
                 and (state = 'active' or state_changed_at > $3)
               order by id limit $4
           ), parts as materialized (
               select part, count(*) as size, nextval(pg_get_serial_sequence('batches', 'id')) as batch
               from chunk group by part order by part
           ), queued as (
               insert into batches (id, mailing_id, due_at, size) overriding system value
               select batch, $1, $7, size from parts
           ), written as (
               insert into deliveries (kind, mailing_id, subscriber_id, state, due_at, finished_at, batch_id)
               select 'mailing', $1, id, case state when 'active' then 'pending' else 'skipped' end::delivery_state,
                   $3, case when state <> 'active' then $5::timestamptz end, batch
               from chunk join parts using (part) order by id
           )
           select count(*) as "count!", (array_agg(id order by id desc))[1] as last from chunk"#,
        mailing.id.0,
        mailing.fan_out_cursor,
        mailing.begun_at,
        CHUNK,
        now,
        batch::SIZE,
        // For the batches: past on every worker's clock, also when the one that let it begin was ahead.
        mailing.triggered_at
    )
    .fetch_one(&mut *db)
    .await?;
    if chunk.count == CHUNK {
        sqlx::query!("update mailings set fan_out_cursor = $2 where id = $1", mailing.id.0, chunk.last)
            .execute(db)
            .await?;
        return Ok(FanOut::More);
    }
    sqlx::query!(
        "update mailings
         set state = case state when 'preparing' then 'sending' else state end, fan_out_done_at = $2, fan_out_cursor = coalesce($3, fan_out_cursor),
             audience = (select count(*) from deliveries where mailing_id = $1)
         where id = $1",
        mailing.id.0,
        now,
        chunk.last
    )
    .execute(db)
    .await?;
    Ok(FanOut::Complete(mailing.id))
}
