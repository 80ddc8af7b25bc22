//! Background maintenance: fan-out, transitions of mailings, recovery of what dead workers held.

use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use crate::{
    app::{move_mailings, release_restore, take_bounce},
    db::statement::{StatementError, StatementResult},
    delivery::{
        claimer::{POLL_INTERVAL, QUEUE_TIMEOUT, probe_relay, resume_mailings},
        shared::Shared,
        smtp::problem::RelayProblem,
        spans,
    },
    domain::{
        ids::MailingId,
        mailing::{FanOut, MailingError},
        queue::worker::Recovered,
    },
    telemetry::mask_addresses,
};

/// How often the queue is searched for what dead workers held.
const RECOVER_EVERY: Duration = Duration::from_secs(5);
/// Refusals that are judged before other things have their turn again.
const JUDGED_AT_ONCE: usize = 100;
/// How long the relay may be away before mailings say so by pausing.
const PAUSE_AFTER: Duration = Duration::from_mins(1);

/// Runs until its worker ends. Every worker does this; where two meet, one of them finds nothing to do.
pub async fn run(shared: &Shared) {
    let mut recover_at = Instant::now();
    loop {
        let round = async {
            if Instant::now() >= recover_at {
                recover_at = Instant::now() + RECOVER_EVERY;
                recover(shared).await?;
                tidy_mailings(shared).await?;
                hold_refused(shared).await?;
                judge_refusals(shared).await?;
            } else if shared.breaker.take_run_found() {
                hold_refused(shared).await?;
            }
            pause_for_relay(shared).await?;
            // Before anything begins or is written: the server may be another one by now.
            release_restore::verify(&shared.pool, &shared.memory).await?;
            let becomes_unknown = shared.memory.hold().is_some_and(|hold| hold.becomes_unknown);
            if becomes_unknown && release_restore::step(&shared.pool, Utc::now()).await? {
                return Ok(true);
            }
            move_mailings(shared).await
        };
        match timeout(QUEUE_TIMEOUT, round).await.unwrap_or(Err(StatementError::PoolTimedOut)) {
            Ok(true) => {}
            Ok(false) => drop(timeout(POLL_INTERVAL, shared.batches_closed.notified()).await),
            Err(error) => {
                tracing::error!(%error, "the queue cannot be looked after; trying again");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn recover(shared: &Shared) -> StatementResult<()> {
    let recovered = move_mailings::recover(&shared.pool).await?;
    shared.metrics.recovered_unknown.inc_by(recovered.unknown);
    if recovered != Recovered::default() {
        tracing::warn!(
            batches = recovered.batches,
            unknown = recovered.unknown,
            "took over from a worker that died"
        );
    }
    Ok(())
}

/// Moves mailings that nothing else would move: those paused for want of a relay that this worker can reach, and
/// what comes back to the queue of a mailing that was cancelled meanwhile.
async fn tidy_mailings(shared: &Shared) -> StatementResult<()> {
    move_mailings::skip_leftovers(&shared.pool, Utc::now()).await?;
    shared.message_builder.keep_only(&move_mailings::sending(&shared.pool).await?);
    let any_waits = move_mailings::any_unreachable(&shared.pool).await?;
    if any_waits && shared.breaker.tripped().is_none() {
        if *shared.open_connections.borrow() > 0 {
            resume_mailings(shared).await;
        } else {
            probe_relay(shared, None).await;
        }
    }
    Ok(())
}

/// Where the relay has refused everybody with the same words, that was about us: puts back who was refused, and pauses.
async fn hold_refused(shared: &Shared) -> StatementResult<()> {
    if !move_mailings::any_refusal(&shared.pool).await? {
        return Ok(());
    }
    shared.breaker.set_run_may_stand(true);
    let held = move_mailings::hold_refused(&shared.pool, shared.worker, Utc::now()).await?;
    let Some(held) = held else { return Ok(()) };
    let said = mask_addresses(&held.said);
    tracing::warn!(
        said = said.as_str(),
        deliveries = held.put_back,
        mailings = held.paused.len(),
        "the relay refuses everybody alike; who was refused waits again, and mailings pause"
    );
    if !shared.breaker.is_uniform_refusal(&held.reply) {
        shared.breaker.trip_for_run(RelayProblem::Policy(said), &held.reply);
    }
    for id in held.paused {
        shared.breaker.mailing_paused(id);
    }
    Ok(())
}

/// What the relay refused some time ago, and what that means for whoever it was for.
async fn judge_refusals(shared: &Shared) -> StatementResult<()> {
    for _ in 0..JUDGED_AT_ONCE {
        if !take_bounce::judge_refusal(&shared.pool, &shared.keys, Utc::now()).await? {
            break;
        }
    }
    Ok(())
}

/// Starts, fans out and ends mailings; answers whether there is more to do at once.
async fn move_mailings(shared: &Shared) -> StatementResult<bool> {
    let pool = &shared.pool;
    for id in move_mailings::begin_due(pool, Utc::now()).await? {
        spans::mailing(id).in_scope(|| {
            tracing::warn!("the mailing should have begun hours ago; it waits for somebody to decide");
        });
    }
    for id in move_mailings::end_finished(pool, Utc::now()).await? {
        spans::mailing(id).in_scope(|| tracing::info!("the mailing is done"));
    }
    let step = move_mailings::fan_out(pool, Utc::now()).await?;
    if let FanOut::Complete(id) = step {
        spans::mailing(id).in_scope(|| tracing::info!("the mailing's audience is complete; sending"));
        shared.buffer.request_more();
    }
    Ok(step != FanOut::Nothing)
}

/// Staff may have let one of these mailings go on because they mended what the relay refused. That is not undone for a
/// refusal from before: the relay is asked again.
async fn ask_again(shared: &Shared, sending: &[MailingId]) {
    let Some(tripped) = shared.breaker.tripped() else { return };
    let refused = |id| {
        let problem = shared.breaker.reason_to_pause(id, PAUSE_AFTER);
        problem.is_some_and(|problem| !matches!(problem, RelayProblem::Unreachable(_)))
    };
    // A refusal of one of their messages counts; a mere connection might find nothing wrong.
    if !shared.breaker.is_fresh() && sending.iter().any(|id| refused(*id)) {
        probe_relay(shared, tripped.sender.as_ref()).await;
    }
}

/// Pauses the mailings under way when the relay refuses us, or has been away for a minute.
async fn pause_for_relay(shared: &Shared) -> StatementResult<()> {
    let uniform_refusal = shared.breaker.uniform_refusal();
    if uniform_refusal.is_none() && shared.breaker.tripped().is_none() {
        return Ok(());
    }
    let sending = move_mailings::sending(&shared.pool).await?;
    // Staff may have accepted the refusals, maybe long after the breaker was reset for a trial. To be asked after
    // the mailings: one that goes on because of that is not among them, or is known here.
    if let Some(reply) = uniform_refusal {
        let times = move_mailings::times_let_stand(&shared.pool, &reply).await?;
        shared.breaker.accept_refusals(&reply, times);
    }
    if shared.breaker.tripped().is_none() {
        return Ok(());
    }
    if shared.breaker.any_resumed(&sending) {
        shared.breaker.reset();
        return Ok(());
    }
    ask_again(shared, &sending).await;
    for id in sending {
        let Some(problem) = shared.breaker.reason_to_pause(id, PAUSE_AFTER) else { continue };
        let (kind, reason) = (problem.pause_kind(), problem.to_string());
        let span = spans::mailing(id);
        let paused = move_mailings::pause_for_relay(&shared.pool, id, kind, &reason, Utc::now());
        match paused.instrument(span.clone()).await {
            Ok(()) => span.in_scope(|| {
                tracing::warn!(reason = mask_addresses(&reason), "the mailing paused itself");
            }),
            Err(MailingError::Database(error)) => return Err(error),
            // Somebody else paused or cancelled it at the same moment.
            Err(_) => {}
        }
        shared.breaker.mailing_paused(id);
    }
    Ok(())
}
