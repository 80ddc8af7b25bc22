//! Workers: processes that send, and the leases that say they are alive.
//!
//! The batches a worker has claimed are its own as long as its row stands and its lease has not run out. The lease
//! goes by the database's clock, so that machines need not agree on the time.

use sqlx::PgConnection;

use crate::domain::ids::WorkerId;

/// How long a worker is believed alive after its last heartbeat, in seconds.
pub const LEASE_SECONDS: i32 = 30;

/// Signs a worker on.
pub async fn sign_on(db: &mut PgConnection) -> sqlx::Result<WorkerId> {
    sqlx::query_scalar!(
        r#"insert into workers (started_at, lease_until) values (now(), now() + make_interval(secs => $1))
           returning id as "id: WorkerId""#,
        f64::from(LEASE_SECONDS)
    )
    .fetch_one(db)
    .await
}

/// Renews a lease. Answers false when it had run out: then the worker's claims belong to others, and it must drop
/// what it holds and sign on anew.
pub async fn heartbeat(db: &mut PgConnection, id: WorkerId) -> sqlx::Result<bool> {
    let renewed = sqlx::query!(
        "update workers set lease_until = now() + make_interval(secs => $2) where id = $1 and lease_until > now()",
        id.0,
        f64::from(LEASE_SECONDS)
    )
    .execute(db)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// What a worker says of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// How the relay is: `untried`, `ok`, `unreachable`, `login`, `sender` or `policy`.
    pub relay: &'static str,
    /// For how many seconds the queue could not be read; nothing when it can be.
    pub queue_stuck_for: Option<f64>,
}

/// Writes down what a worker says of itself.
pub async fn report(db: &mut PgConnection, id: WorkerId, report: Report) -> sqlx::Result<()> {
    sqlx::query!(
        "update workers
         set relay = $2, relay_since = case when relay = $2 then coalesce(relay_since, now()) else now() end,
             queue_stuck_since = now() - make_interval(secs => $3)
         where id = $1",
        id.0,
        report.relay,
        report.queue_stuck_for
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Signs a worker off, after it has given up its batches.
pub async fn sign_off(db: &mut PgConnection, id: WorkerId) -> sqlx::Result<()> {
    sqlx::query!("delete from workers where id = $1", id.0).execute(db).await?;
    Ok(())
}

/// What [`recover`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Batches that wait again.
    pub batches: u64,
    /// Deliveries that were in transmission; nobody knows whether the relay has them.
    pub unknown: u64,
}

/// Takes over what dead workers held. To be called in a transaction of its own.
///
/// First their rows are taken away: from here on they claim nothing. Then their batches are locked, which waits for
/// nobody: where a mark is just being committed, or somebody is leaving, the batch is left to the next round. What was
/// on its way is read after that, so it is all there, and nothing more of these batches is marked for them.
pub async fn recover(db: &mut PgConnection) -> sqlx::Result<Recovered> {
    sqlx::query!(
        "delete from workers where id in (select id from workers where lease_until <= now() for update skip locked)"
    )
    .execute(&mut *db)
    .await?;
    let orphans = sqlx::query_scalar!(
        "select id from batches b
         where claimed_by is not null and not exists (select from workers w where w.id = b.claimed_by)
         order by id for update skip locked"
    )
    .fetch_all(&mut *db)
    .await?;
    if orphans.is_empty() {
        return Ok(Recovered::default());
    }
    let unknown = sqlx::query!(
        "update deliveries d set state = 'unknown', attempts = d.attempts + 1, finished_at = now(),
             smtp_text = 'the worker stopped while this message was on its way'
         from batches b
         where b.id = any($1) and d.batch_id = b.id and d.state = 'pending' and d.id = any(b.transmitting)",
        &orphans
    )
    .execute(&mut *db)
    .await?;
    let batches = sqlx::query!(
        "update batches set claimed_by = null, transmitting = '{}', withdrawn = '{}' where id = any($1)",
        &orphans
    )
    .execute(db)
    .await?;
    Ok(Recovered { batches: batches.rows_affected(), unknown: unknown.rows_affected() })
}
