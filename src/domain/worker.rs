//! Workers: processes that send, and the leases that say they are alive.
//!
//! Everything a worker has claimed is its own as long as its row stands and its lease has not run out. The lease
//! goes by the database's clock, so that machines need not agree on the time.

use sqlx::PgConnection;

use crate::domain::ids::WorkerId;

/// How long a worker is believed alive after its last heartbeat, in seconds.
pub const LEASE_SECONDS: i32 = 30;

/// Signs a worker on.
///
/// # Errors
/// When the database fails.
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
///
/// # Errors
/// When the database fails.
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

/// Signs a worker off, after it has handed back what it held.
///
/// # Errors
/// When the database fails.
pub async fn sign_off(db: &mut PgConnection, id: WorkerId) -> sqlx::Result<()> {
    sqlx::query!("delete from workers where id = $1", id.0).execute(db).await?;
    Ok(())
}

/// What [`recover`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Deliveries that were claimed and never started; they wait again.
    pub pending: i64,
    /// Deliveries that were in transmission; nobody knows whether the relay has them.
    pub unknown: i64,
}

/// Takes over what dead workers held.
///
/// A row can only be held by a worker whose lease stands. The check asks for that, and not for an expired lease,
/// so that a claim which slipped in just as its worker was removed is found too.
///
/// # Errors
/// When the database fails.
pub async fn recover(db: &mut PgConnection) -> sqlx::Result<Recovered> {
    let recovered = sqlx::query!(
        r#"with taken_over as (
               update deliveries d
               set state = case d.state when 'claimed' then 'pending' else 'unknown' end::delivery_state,
                   finished_at = case d.state when 'claimed' then null else now() end,
                   smtp_text = case d.state when 'claimed' then d.smtp_text
                       else 'the worker stopped while this message was on its way' end,
                   claimed_by = null
               where d.state in ('claimed', 'transmitting')
                 and not exists (select from workers w where w.id = d.claimed_by and w.lease_until > now())
               returning d.state
           )
           select count(*) filter (where state = 'pending') as "pending!",
                  count(*) filter (where state = 'unknown') as "unknown!"
           from taken_over"#
    )
    .fetch_one(&mut *db)
    .await?;
    sqlx::query!("delete from workers where lease_until < now() - interval '1 hour'").execute(db).await?;
    Ok(Recovered { pending: recovered.pending, unknown: recovered.unknown })
}
