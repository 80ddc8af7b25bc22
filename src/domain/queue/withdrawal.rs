//! Withdrawals: deliveries that must not start any more because their subscriber leaves, moves to another address, or is
//! erased.
//!
//! A delivery that a worker has claimed is withdrawn in the row of its batch, which a mark locks too: the mark either came
//! before, and the message goes out, or comes after, and finds the delivery withdrawn.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{address::NormalizedAddress, ids::SubscriberId};

/// Serialises fan-out against unsubscribing: while a chunk of a mailing is being queued or put back (exclusive), nobody
/// unsubscribes (shared), and the other way round. Without it an unsubscribe could miss a delivery that another
/// transaction has written but not yet committed.
const FAN_OUT_LOCK: i64 = 0x5255_4E44_0001;

/// Takes the fan-out's side of that lock, until the end of the transaction.
pub(in crate::domain) async fn lock_out_unsubscribes(db: &mut PgConnection) -> sqlx::Result<()> {
    // A worker that is put to sleep in here must not keep visitors waiting for long.
    sqlx::query!(
        "select pg_advisory_xact_lock($1), set_config('idle_in_transaction_session_timeout', '5s', true)",
        FAN_OUT_LOCK
    )
    .fetch_one(db)
    .await?;
    Ok(())
}

/// Skips everything that waits for a subscriber who is leaving, also in mailings under way. What is on its way by now
/// has begun, and goes out.
///
/// The locks taken here on the rows of batches are what makes "answered" mean "nothing starts after this": a mark in the
/// same batch either came before, and is waited for, or comes after, and finds the delivery withdrawn. So this is best
/// the last thing before the commit.
pub async fn skip_for_subscriber(
    db: &mut PgConnection,
    id: SubscriberId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let ids = lock_waiting(&mut *db, id).await?;
    if ids.is_empty() {
        return Ok(());
    }
    withdraw(&mut *db, &ids).await?;
    sqlx::query!(
        "update deliveries d set state = 'skipped', finished_at = $2
         where d.id = any($1) and d.state = 'pending'
           and not exists (select from batches b where b.id = d.batch_id and d.id = any(b.transmitting))",
        &ids,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes what waits for a subscriber from workers who know an address that is not the subscriber's any
/// more, and puts it back into the queue; nothing starts to the old address after this was committed. What is on its way
/// by now goes there.
pub(in crate::domain) async fn readdress_for_subscriber(
    db: &mut PgConnection,
    id: SubscriberId,
) -> sqlx::Result<()> {
    let ids = lock_waiting(&mut *db, id).await?;
    if ids.is_empty() {
        return Ok(());
    }
    withdraw(&mut *db, &ids).await?;
    sqlx::query!(
        "with held as materialized (
             select d.id, d.mailing_id, d.due_at, nextval(pg_get_serial_sequence('batches', 'id')) as batch
             from deliveries d join batches b on b.id = d.batch_id
             where d.id = any($1) and d.state = 'pending' and b.claimed_by is not null and d.id <> all(b.transmitting)
         ), moved as (
             update deliveries d set batch_id = held.batch from held where d.id = held.id
         )
         insert into batches (id, mailing_id, due_at, size) overriding system value
         select batch, mailing_id, due_at, 1 from held",
        &ids
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What waits for a subscriber, with the rows of its batches locked: a mark in the same batch either came before, and
/// was waited for, or comes after, and sees what the caller writes.
async fn lock_waiting(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<Vec<i64>> {
    sqlx::query!("select pg_advisory_xact_lock_shared($1)", FAN_OUT_LOCK).execute(&mut *db).await?;
    let mut locked: Vec<i64> = Vec::new();
    // Twice at most in practice: what was put off while we waited for its batch has another one now.
    let waiting = loop {
        let waiting = waiting_for_subscriber(db, id).await?;
        let unlocked = |batch: &i64| !locked.contains(batch);
        let batches: Vec<i64> = waiting.iter().filter_map(|row| row.batch_id).filter(unlocked).collect();
        if batches.is_empty() {
            break waiting;
        }
        // In the order of their ids, as everywhere, so that no two wait for each other in a circle. Whoever is put to
        // sleep in here must not hold up a worker for long.
        sqlx::query!(
            "with mine as (select id from batches where id = any($1) order by id for update)
             select count(*), set_config('idle_in_transaction_session_timeout', '5s', true) from mine",
            &batches
        )
        .fetch_one(&mut *db)
        .await?;
        locked.extend(batches);
    };
    Ok(waiting.iter().map(|row| row.id).collect())
}

/// Takes deliveries from the worker that has claimed them: they are not marked any more.
///
/// Also those that count as on their way. One that was told so goes on all the same. One whose worker has not heard the
/// answer to its mark has not begun; it asks again, and must not begin after the leave was answered.
async fn withdraw(db: &mut PgConnection, ids: &[i64]) -> sqlx::Result<()> {
    sqlx::query!(
        "update batches b set withdrawn = b.withdrawn || gone.ids
         from (select batch_id, array_agg(id) as ids from deliveries
               where id = any($1) and state = 'pending' group by batch_id) gone
         where b.id = gone.batch_id and b.claimed_by is not null",
        ids
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A delivery that has not ended, and its batch.
struct Waiting {
    id: i64,
    batch_id: Option<i64>,
}

async fn waiting_for_subscriber(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as!(
        Waiting,
        "select id, batch_id from deliveries
         where state = 'pending'
           and id in (
               select w.id from deliveries w
               where w.mailing_id is null and w.kind = 'welcome' and w.subscriber_id = $1
               union all
               -- By way of the mailings under way, so that the index on (mailing_id, subscriber_id) serves.
               select c.id from mailings m
               join deliveries c on c.mailing_id = m.id and c.kind = 'mailing' and c.subscriber_id = $1
               where m.state not in ('done', 'cancelled')
           )",
        id.0
    )
    .fetch_all(db)
    .await
}

/// Takes the person out of past deliveries; the counts stay.
pub async fn forget_subscriber(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<()> {
    // A thousand at most, and by their ids.
    sqlx::query!(
        "delete from refusals r
         where exists (select from deliveries d where d.id = r.delivery_id and d.subscriber_id = $1)",
        id.0
    )
    .execute(&mut *db)
    .await?;
    let own = sqlx::query_scalar!(
        "select id from deliveries where mailing_id is null and subscriber_id = $1",
        id.0
    )
    .fetch_all(&mut *db)
    .await?;
    remove(&mut *db, &own).await?;
    // By way of the mailings, so that the index on (mailing_id, subscriber_id) serves.
    sqlx::query!(
        "update deliveries set subscriber_id = null, smtp_text = null
         where kind = 'mailing' and mailing_id in (select id from mailings) and subscriber_id = $1",
        id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes the confirmations, notices and test mails of an address.
pub async fn forget_address(db: &mut PgConnection, address: &NormalizedAddress) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from deliveries where kind = 'confirmation'
           and signup_id in (select id from signups where email_normalized = $1)",
        address.as_str()
    )
    .execute(&mut *db)
    .await?;
    let own = sqlx::query_scalar!(
        "select id from deliveries where address is not null and lower(address) = $1",
        address.as_str()
    )
    .fetch_all(&mut *db)
    .await?;
    remove(db, &own).await
}

/// Removes the mails that answer these signups.
pub(in crate::domain) async fn forget_signups(
    db: &mut PgConnection,
    signups: &[uuid::Uuid],
) -> sqlx::Result<()> {
    let own = sqlx::query_scalar!("select id from deliveries where signup_id = any($1)", signups)
        .fetch_all(&mut *db)
        .await?;
    remove(db, &own).await
}

/// Removes deliveries, also those that a worker holds.
async fn remove(db: &mut PgConnection, ids: &[i64]) -> sqlx::Result<()> {
    withdraw(&mut *db, ids).await?;
    sqlx::query!("delete from deliveries where id = any($1)", ids).execute(db).await?;
    Ok(())
}
