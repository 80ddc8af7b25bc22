//! The claimer: claims what is due and keeps the claim buffer filled, as long as the relay can be used.

use std::{
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use chrono::Utc;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use crate::{
    app::move_mailings,
    db,
    delivery::{shared::Shared, smtp::session::Session, spans},
    domain::{address::EmailAddress, mailing, queue::batch},
};

/// Copies of a mailing claimed at once, in whole batches.
const MAILING_CLAIM: i64 = 500;
/// Confirmations, welcomes and tests claimed at once, and held at most twice finished.
const URGENT_CLAIM: usize = 100;
/// How often the queue is read when nothing asks for it.
pub const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Copies claimed at once: under a slow rate few, so that they do not grow old in the buffer, and other workers have some too.
fn claim_size(rate: u32) -> i64 {
    if rate == 0 { MAILING_CLAIM } else { MAILING_CLAIM.min(i64::from(rate)) }
}

/// Copies in the buffer below which more are claimed: under a slow rate a second's worth.
pub fn refill_below(rate: u32) -> usize {
    const LOW: usize = 200;
    if rate == 0 { LOW } else { LOW.min(usize::try_from(rate).unwrap_or(LOW)) }
}

/// The database failed while claims were being made or released: which of them are ours is not known. The run ends, and
/// the rows are recovered with it.
pub struct Uncertain(pub sqlx::Error);

/// How long reading the queue may take before the database counts as gone.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(70);

/// Keeps the buffer filled while the relay can be used; returns when it is uncertain what this worker has claimed.
pub async fn run(shared: &Shared, rate: u32) {
    let claim = claim_size(rate);
    // A claim finds its rows by key, and must do so however the tables have grown since somebody counted them.
    let mut db = None;
    let uncertain = loop {
        if let Some(tripped) = shared.breaker.tripped() {
            match wait_for_relay(shared, tripped.try_again).await {
                Ok(()) => continue,
                Err(uncertain) => break uncertain,
            }
        }
        queue_stuck(shared).get_or_insert_with(Instant::now);
        match timeout(QUEUE_TIMEOUT, refill(shared, &mut db, claim))
            .await
            .unwrap_or(Err(Uncertain(sqlx::Error::PoolTimedOut)))
        {
            Ok(true) => {}
            Ok(false) => {
                let _ = timeout(POLL_INTERVAL, shared.buffer.wait_until_low()).await;
            }
            Err(uncertain) => break uncertain,
        }
    };
    tracing::error!(error = %uncertain.0, "the database failed in the middle of claiming; beginning anew");
}

/// Since when this worker has not been able to read the queue.
pub fn queue_stuck(shared: &Shared) -> MutexGuard<'_, Option<Instant>> {
    shared.queue_stuck.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Claims what is due, as much as the buffer needs; answers whether there may be more.
async fn refill(shared: &Shared, db: &mut Option<PgConnection>, claim: i64) -> Result<bool, Uncertain> {
    // Nothing is uncertain before the first claim.
    let db = match db {
        Some(db) => db,
        none => match connect(shared).await {
            Ok(connected) => none.insert(connected),
            Err(error) => {
                tracing::error!(%error, "the queue cannot be read; trying again");
                sleep(Duration::from_secs(1)).await;
                return Ok(false);
            }
        },
    };
    let now = Utc::now();
    let finished = shared.buffer.take_finished();
    batch::close(&mut *db, shared.worker, &finished, now).await.map_err(Uncertain)?;
    let mut any = false;
    if shared.buffer.urgent_count() < URGENT_CLAIM {
        let limit = i64::try_from(URGENT_CLAIM).unwrap_or(i64::MAX);
        let urgent = batch::claim_urgent(&mut *db, shared.worker, limit, now).await.map_err(Uncertain)?;
        any = !urgent.batches.is_empty();
        shared.buffer.add(urgent);
    }
    // It can be read: two statements have gone through, or there is enough in the buffer.
    queue_stuck(shared).take();
    if !shared.buffer.is_low() {
        return Ok(false);
    }
    for id in mailing::sending(&mut *db).await.map_err(Uncertain)? {
        let copies = batch::claim_mailing(&mut *db, shared.worker, id, claim, shared.memory.waits_for(), now);
        let copies = copies.instrument(spans::mailing(id)).await.map_err(Uncertain)?;
        any |= !copies.batches.is_empty();
        shared.buffer.add(copies);
        if !shared.buffer.is_low() {
            break;
        }
    }
    if !finished.is_empty() && !any {
        shared.batches_closed.notify_one();
    }
    // With a buffer full of urgent ones there is nothing more to fetch for now.
    Ok(any && shared.buffer.urgent_count() < URGENT_CLAIM)
}

/// A connection to claim finished, to the database that is remembered, or to one on which mailings are held.
async fn connect(shared: &Shared) -> sqlx::Result<PgConnection> {
    let mut db = db::connect_by_key(&shared.pool).await?;
    shared.memory.verify(&mut db).await?;
    Ok(db)
}

/// Waits until the relay may be tried again, then probes it.
async fn wait_for_relay(shared: &Shared, try_again: std::time::Instant) -> Result<(), Uncertain> {
    release_claims(shared).await?;
    let pause = try_again.saturating_duration_since(std::time::Instant::now());
    // A sender may find the relay usable before.
    let _ = timeout(pause, shared.breaker.wait_until_passable()).await;
    if *shared.open_connections.borrow() > 0 {
        // A connection that is open says more than another one that might be one too many.
        shared.breaker.reached();
    }
    if let Some(tripped) = shared.breaker.tripped() {
        probe_relay(shared, tripped.sender.as_ref()).await;
    }
    Ok(())
}

/// Opens a connection that sends nothing, and asks about the sender that the relay had not taken. If that works, the
/// breaker is reset and mailings go on that had paused because the relay could not be reached.
pub async fn probe_relay(shared: &Shared, sender: Option<&EmailAddress>) {
    // A relay that takes longer than this for its greeting is no relay to go back to yet.
    let patience = shared.reply_within.min(Duration::from_secs(15));
    let usable = async {
        let mut session = Session::open(&shared.smtp, &shared.ehlo_name, patience, &shared.metrics).await?;
        let taken = match sender {
            Some(sender) => session.takes_sender(sender).await,
            None => Ok(()),
        };
        session.quit().await;
        taken
    };
    match usable.await {
        Ok(()) => {
            shared.has_reached.store(true, Ordering::Relaxed);
            shared.breaker.reset();
            resume_mailings(shared).await;
        }
        Err(problem) => shared.breaker.keep_tripped(problem),
    }
}

/// Lets the mailings go on that had paused because the relay could not be reached.
pub async fn resume_mailings(shared: &Shared) {
    match move_mailings::resume_unreachable(&shared.pool, Utc::now()).await {
        Ok(0) => tracing::info!("the relay answers"),
        Ok(mailings) => tracing::info!(mailings, "the relay answers; mailings go on"),
        Err(error) => tracing::error!(%error, "paused mailings could not be resumed; trying again"),
    }
}

/// Releases what is in the buffer, so that other workers, or a later try, can have it.
pub async fn release_claims(shared: &Shared) -> Result<(), Uncertain> {
    shared.buffer.clear();
    let finished = shared.buffer.take_finished();
    let closed = async {
        if finished.is_empty() {
            return Ok(());
        }
        batch::close(&mut *shared.pool.acquire().await?, shared.worker, &finished, Utc::now()).await
    };
    closed.await.map_err(Uncertain)
}
