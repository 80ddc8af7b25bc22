//! Letting held mailings go on, with what is open sent, or made `unknown`.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Connection, PgConnection};

use crate::domain::{
    actor::Actor,
    event::{self, Event},
    ids::MailingId,
    mailing::{self, FanOut},
    queue::worker,
};

use super::{DatabaseIdentity, hold};

/// What becomes of what was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is sent: nothing went out since this state of the database.
    SendOn,
    /// It becomes `unknown`: it may have gone out already.
    AsUnknown,
}

/// What of mailings is open on the held database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Open {
    /// Mailings that have begun and are not over.
    pub mailings: i64,
    /// Their copies that wait. Of a mailing whose audience is not written yet, those that are.
    pub deliveries: i64,
    /// Planned mailings whose time has passed.
    pub overdue: i64,
}

/// What of mailings is open.
pub async fn open(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Open> {
    sqlx::query_as!(
        Open,
        r#"select
               (select count(*) from mailings where state in ('preparing', 'sending', 'paused') and begun_at is not null)
                   as "mailings!",
               (select coalesce(sum(b.size), 0)::bigint from batches b join mailings m on m.id = b.mailing_id
                where m.state <> 'cancelled') as "deliveries!",
               (select count(*) from mailings where begun_at is null and scheduled_at <= $1 and state in ('scheduled', 'paused'))
                   as "overdue!""#,
        now
    )
    .fetch_one(db)
    .await
}

/// Lets held mailings go on; answers false when none are held. With [`How::AsUnknown`] they go on when [`step`] has no
/// more to do; every worker does these steps.
pub async fn release(db: &mut PgConnection, how: How) -> sqlx::Result<bool> {
    let changed = match how {
        How::AsUnknown => sqlx::query!(
            "update database_memory set becomes_unknown = true, written_by = pg_current_xact_id(), written_at = now()
             where only_row and held_at is not null"
        )
        .execute(db)
        .await?
        .rows_affected(),
        How::SendOn => let_go(db).await?,
    };
    Ok(changed > 0)
}

/// From here on this is the database.
async fn let_go(db: &mut PgConnection) -> sqlx::Result<u64> {
    let place = DatabaseIdentity::of(&mut *db).await?;
    let changed = sqlx::query!(
        "update database_memory
         set held_at = null, held_for = null, becomes_unknown = false, releases = releases + 1,
             system_identifier = $1, timeline = $2,
             database_oid = (select oid from pg_database where datname = current_database()),
             written_by = pg_current_xact_id(), written_at = now()
         where only_row and held_at is not null",
        place.system,
        place.timeline
    )
    .execute(db)
    .await?;
    Ok(changed.rows_affected())
}

/// Does the next piece of [`How::AsUnknown`], if that was said; answers whether to go on at once. Whatever kills it, and
/// however many do it at the same time, it goes on where it stood.
pub async fn step(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<bool> {
    if !hold(&mut *db).await?.is_some_and(|hold| hold.becomes_unknown) {
        return Ok(false);
    }
    let mut transaction = db.begin().await?;
    // What dead workers held of the restored state is `unknown`, or waits again.
    worker::recover(&mut transaction).await?;
    transaction.commit().await?;
    // By itself: it locks out those who leave, and they may wait for what was just recovered.
    let mut transaction = db.begin().await?;
    // Who belongs to a mailing that was being prepared may have got it as well.
    let written = mailing::fan_out_held(&mut transaction, now).await?;
    transaction.commit().await?;
    if written != FanOut::Nothing {
        return Ok(true);
    }
    let batches = sqlx::query_scalar!(
        r#"with gone as (
               delete from batches where id in (
                   select b.id from batches b join mailings m on m.id = b.mailing_id
                   where b.claimed_by is null and m.state <> 'cancelled' order by b.id limit 50
                   for update of b skip locked)
               returning id
           ), unknown as (
               update deliveries d set state = 'unknown', finished_at = $1,
                   smtp_text = 'an older state of the database was brought back; this may have been sent before'
               from gone where d.batch_id = gone.id and d.state = 'pending'
           )
           select count(*) as "count!" from gone"#,
        now
    )
    .fetch_one(&mut *db)
    .await?;
    if batches > 0 {
        return Ok(true);
    }
    let mut transaction = db.begin().await?;
    // Others may be in the middle of their piece, or hold something that they give back when they see the hold.
    let any = sqlx::query_scalar!(
        r#"select exists (select from batches b join mailings m on m.id = b.mailing_id where m.state <> 'cancelled') as "any!""#
    )
    .fetch_one(&mut *transaction)
    .await?;
    if any {
        return Ok(false);
    }
    // A planned mailing whose time has passed may have gone out: it begins only when somebody says so.
    let paused = sqlx::query_scalar!(
        r#"update mailings
         set state = 'paused', paused_at = $1, pause_kind = 'overdue',
             pause_reason = 'it was due before an older state of the database was brought back, and may have gone out; it begins only when somebody says so'
         where state = 'scheduled' and scheduled_at <= $1
         returning id as "id: MailingId""#,
        now
    )
    .fetch_all(&mut *transaction)
    .await?;
    for id in paused {
        event::record(&mut transaction, &Actor::Service, &Event::MailingPaused(id), now).await?;
    }
    let_go(&mut transaction).await?;
    transaction.commit().await?;
    Ok(false)
}
