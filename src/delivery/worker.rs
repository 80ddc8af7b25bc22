//! A worker: claims deliveries, feeds its senders, keeps its lease, and looks after what others left behind.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use sqlx::PgPool;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, sleep, timeout},
};

use crate::{
    config::{Config, SecretKeys, SmtpRelay},
    delivery::{
        gate::Gate,
        hand::Hand,
        messages::Messages,
        recorder::{self, RecorderHandle},
        relay::{Relay, RelayProblem},
        sender::{Sender, Shared},
        throttle::Throttle,
    },
    domain::{
        delivery,
        ids::WorkerId,
        mailing::{self, FanOut, MailingError, PauseKind},
        worker,
    },
    mail::compose::Composer,
    telemetry::mask_addresses,
};

/// How a worker sends.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The relay.
    pub smtp: SmtpRelay,
    /// Open connections at most.
    pub connections: usize,
    /// Messages a second over all workers together; 0 is unlimited.
    pub rate: u32,
    /// How long one reply of the relay may take.
    pub reply_within: Duration,
    /// Our name in EHLO.
    pub hello: String,
    /// Keys that recognise suppressed addresses.
    pub keys: SecretKeys,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            smtp: config.smtp.clone(),
            connections: config.smtp_connections,
            rate: config.send_rate,
            reply_within: config.smtp_timeout,
            hello: config.public_url.host().to_owned(),
            keys: config.secret_keys.clone(),
        }
    }
}

/// Sends what is in the queue. Any number of them may share one database.
pub struct Worker {
    pool: PgPool,
    composer: Composer,
    settings: Settings,
}

/// Copies of a mailing claimed at once.
const CLAIM: i64 = 500;
/// Confirmations, welcomes and tests claimed at once, and held at most twice over.
const CLAIM_URGENT: usize = 100;
/// How often the queue is looked at when nothing else calls.
const POLL: Duration = Duration::from_millis(250);
/// How often the lease is renewed; a small part of [`worker::LEASE_SECONDS`].
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long what is in transmission may take when the worker stops.
const STOP_WITHIN: Duration = Duration::from_secs(8);
/// How long the relay may be away before mailings say so by pausing.
const PAUSE_AFTER: Duration = Duration::from_mins(1);

/// Copies claimed at once: under a slow rate ten seconds' worth, so that they do not grow old in the hand.
fn claim(rate: u32) -> i64 {
    if rate == 0 { CLAIM } else { CLAIM.min(i64::from(rate) * 10) }
}

/// Copies in the hand below which more are claimed: under a slow rate five seconds' worth.
fn low(rate: u32) -> usize {
    const LOW: usize = 200;
    if rate == 0 { LOW } else { LOW.min(usize::try_from(rate).unwrap_or(LOW).saturating_mul(5)) }
}

/// Why a run of a worker ended.
enum Ended {
    /// It was asked to.
    Stopped,
    /// Its lease ran out, one of its tasks died, or the database failed in the middle of claiming. It begins anew.
    Fenced,
}

impl Worker {
    /// A worker over this database.
    #[must_use]
    pub fn new(pool: PgPool, composer: Composer, settings: Settings) -> Self {
        Self { pool, composer, settings }
    }

    /// Works until `stopping` turns true; then ends what is in transmission, hands back the rest, and returns within
    /// ten seconds.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        while !*stopping.borrow() {
            let signed_on = async { worker::sign_on(&mut *self.pool.acquire().await?).await }.await;
            match signed_on {
                Ok(id) => match Box::pin(self.work(id, stopping.clone())).await {
                    Ended::Stopped => return,
                    Ended::Fenced => {
                        tracing::warn!(
                            worker = id.0,
                            "the worker cannot be sure of its claims; beginning anew"
                        );
                        sleep(Duration::from_secs(1)).await;
                    }
                },
                Err(error) => {
                    tracing::error!(%error, "the worker cannot reach the database; trying again");
                    let _ = timeout(Duration::from_secs(2), stopping.wait_for(|stopping| *stopping)).await;
                }
            }
        }
    }

    async fn work(&self, id: WorkerId, mut stopping: watch::Receiver<bool>) -> Ended {
        tracing::info!(worker = id.0, connections = self.settings.connections, "the worker is ready");
        let shared = Arc::new(Shared {
            worker: id,
            pool: self.pool.clone(),
            smtp: self.settings.smtp.clone(),
            hello: self.settings.hello.clone(),
            reply_within: self.settings.reply_within,
            hand: Hand::new(low(self.settings.rate)),
            gate: Gate::new(),
            throttle: Throttle::new(self.pool.clone(), self.settings.rate),
            messages: Messages::new(self.pool.clone(), self.composer.clone(), self.settings.keys.clone()),
            open: watch::Sender::new(0),
        });
        let (recorder, mut recording) = recorder::start(self.pool.clone(), id);
        // Senders stop when the worker is asked to, and also when it is fenced.
        let (stop_senders, senders_stop) = watch::channel(false);
        let mut senders = self.start_senders(&shared, &recorder, &senders_stop);
        drop(recorder);

        let ended = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => Ended::Stopped,
            () = keep_lease(&self.pool, id) => Ended::Fenced,
            // A sender ends only when it is told to; one that ends before has died.
            _ = senders.join_next() => Ended::Fenced,
            () = dispatch(&shared, claim(self.settings.rate)) => Ended::Fenced,
            () = look_after(&shared) => Ended::Fenced,
            _ = &mut recording => Ended::Fenced,
        };

        stop_senders.send_replace(true);
        let all_ended = async { while senders.join_next().await.is_some() {} };
        if timeout(STOP_WITHIN, all_ended).await.is_err() {
            tracing::warn!(worker = id.0, "some messages were still on their way; they become unknown");
            senders.abort_all();
            while senders.join_next().await.is_some() {}
        }
        // With the last sender the recorder's last handle is gone; it ends after its last commit.
        let recorded = recording.is_finished() || timeout(Duration::from_secs(1), recording).await.is_ok();
        let signed_off = recorded
            && timeout(Duration::from_secs(1), sign_off(&shared)).await.is_ok_and(|done| done.is_ok());
        if !signed_off {
            tracing::warn!(
                worker = id.0,
                "the worker could not hand back its claims; they return with its lease"
            );
        }
        ended
    }

    fn start_senders(
        &self,
        shared: &Arc<Shared>,
        recorder: &RecorderHandle,
        stopping: &watch::Receiver<bool>,
    ) -> JoinSet<()> {
        let mut senders = JoinSet::new();
        // Under a slow rate many senders would only wait for their turn, each with a message in hand that confirmations
        // cannot overtake.
        let rate = usize::try_from(self.settings.rate).unwrap_or(usize::MAX);
        let most = if rate == 0 { usize::MAX } else { rate.saturating_mul(5) };
        for _ in 0..self.settings.connections.min(most) {
            let sender = Sender::new(Arc::clone(shared), recorder.clone(), stopping.clone());
            senders.spawn(sender.run());
        }
        senders
    }
}

/// Renews the lease; returns when it has run out.
async fn keep_lease(pool: &PgPool, id: WorkerId) {
    let mut beat = interval(HEARTBEAT);
    loop {
        beat.tick().await;
        let renewed =
            timeout(HEARTBEAT * 2, async { worker::heartbeat(&mut *pool.acquire().await?, id).await });
        match renewed.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(true) => {}
            Ok(false) => return,
            // The lease may outlive a short absence of the database; whether it did shows when it is back.
            Err(error) => tracing::warn!(%error, worker = id.0, "the lease could not be renewed"),
        }
    }
}

/// The database failed while claims were being made or handed back: nobody knows which of them are ours. The run ends,
/// and the rows are recovered with it.
struct Uncertain(sqlx::Error);

/// How long any look at the queue may take before the database counts as gone.
const LOOK_WITHIN: Duration = Duration::from_secs(70);

/// Keeps the hand filled while the relay can be used; returns when it is uncertain what this worker has claimed.
async fn dispatch(shared: &Arc<Shared>, claim: i64) {
    let uncertain = loop {
        if let Some(closed) = shared.gate.closed() {
            match wait_for_relay(shared, closed.try_again).await {
                Ok(()) => continue,
                Err(uncertain) => break uncertain,
            }
        }
        match timeout(LOOK_WITHIN, fill(shared, claim))
            .await
            .unwrap_or(Err(Uncertain(sqlx::Error::PoolTimedOut)))
        {
            Ok(true) => {}
            Ok(false) => {
                let _ = timeout(POLL, shared.hand.low()).await;
            }
            Err(uncertain) => break uncertain,
        }
    };
    tracing::error!(error = %uncertain.0, "the database failed in the middle of claiming; beginning anew");
}

/// Claims what is due, as much as the hand needs; answers whether there may be more.
async fn fill(shared: &Shared, claim: i64) -> Result<bool, Uncertain> {
    // Nothing is uncertain before the first claim.
    let mut db = match shared.pool.acquire().await {
        Ok(db) => db,
        Err(error) => {
            tracing::error!(%error, "the queue cannot be read; trying again");
            sleep(Duration::from_secs(1)).await;
            return Ok(false);
        }
    };
    let now = Utc::now();
    let mut any = false;
    if shared.hand.urgent() < CLAIM_URGENT {
        let limit = i64::try_from(CLAIM_URGENT).unwrap_or(i64::MAX);
        let urgent = delivery::claim_urgent(&mut db, shared.worker, limit, now).await.map_err(Uncertain)?;
        any = !urgent.is_empty();
        shared.hand.put(urgent);
    }
    if !shared.hand.is_low() {
        return Ok(false);
    }
    for id in mailing::sending(&mut db).await.map_err(Uncertain)? {
        let copies =
            delivery::claim_mailing(&mut db, shared.worker, id, claim, now).await.map_err(Uncertain)?;
        any |= !copies.is_empty();
        shared.hand.put(copies);
        if !shared.hand.is_low() {
            break;
        }
    }
    // With a full hand of urgent ones there is nothing more to fetch for now.
    Ok(any && shared.hand.urgent() < CLAIM_URGENT)
}

/// Waits for the relay's next chance, then tries it with a connection that sends nothing.
async fn wait_for_relay(shared: &Shared, try_again: std::time::Instant) -> Result<(), Uncertain> {
    hand_back(shared).await?;
    sleep(try_again.saturating_duration_since(std::time::Instant::now())).await;
    if *shared.open.borrow() > 0 {
        // A connection that is open says more than another one that might be one too many.
        shared.gate.reached();
    }
    if shared.gate.closed().is_some() {
        try_relay(shared).await;
    }
    Ok(())
}

/// Opens a connection that sends nothing. If that works, the gate opens and mailings go on that had paused because the
/// relay could not be reached.
async fn try_relay(shared: &Shared) {
    // A relay that takes longer than this for its greeting is no relay to go back to yet.
    let patience = shared.reply_within.min(Duration::from_secs(15));
    match Relay::open(&shared.smtp, &shared.hello, patience).await {
        Ok(relay) => {
            relay.quit().await;
            shared.gate.open();
            resume_mailings(shared).await;
        }
        Err(problem) => shared.gate.close(problem),
    }
}

/// Lets the mailings go on that had paused because the relay could not be reached.
async fn resume_mailings(shared: &Shared) {
    let resumed = async { mailing::resume_unreachable(&mut *shared.pool.acquire().await?).await }.await;
    match resumed {
        Ok(0) => tracing::info!("the relay answers"),
        Ok(mailings) => tracing::info!(mailings, "the relay answers; mailings go on"),
        Err(error) => tracing::error!(%error, "paused mailings could not be resumed; trying again"),
    }
}

/// The work that is nobody's: fan-out, mailings that begin or end, what dead workers left, pauses.
async fn look_after(shared: &Shared) {
    let mut recovered_at = Instant::now();
    let mut first = true;
    loop {
        let round = async {
            if first || recovered_at.elapsed() >= HEARTBEAT {
                first = false;
                recovered_at = Instant::now();
                recover(shared).await?;
                tidy_mailings(shared).await?;
            }
            pause_for_relay(shared).await?;
            move_mailings(shared).await
        };
        match timeout(LOOK_WITHIN, round).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(true) => {}
            Ok(false) => sleep(POLL).await,
            Err(error) => {
                tracing::error!(%error, "the queue cannot be looked after; trying again");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn recover(shared: &Shared) -> sqlx::Result<()> {
    let recovered = worker::recover(&mut *shared.pool.acquire().await?).await?;
    if recovered != worker::Recovered::default() {
        tracing::warn!(
            pending = recovered.pending,
            unknown = recovered.unknown,
            "took over from a worker that died"
        );
    }
    Ok(())
}

/// Looks after mailings that nothing else would move: those paused for want of a relay that this worker can reach, and
/// what comes back to the queue of a mailing that was cancelled meanwhile.
async fn tidy_mailings(shared: &Shared) -> sqlx::Result<()> {
    let mut db = shared.pool.acquire().await?;
    mailing::skip_leftovers(&mut db, Utc::now()).await?;
    let any_waits = mailing::any_unreachable(&mut db).await?;
    drop(db);
    if any_waits && shared.gate.closed().is_none() {
        if *shared.open.borrow() > 0 {
            resume_mailings(shared).await;
        } else {
            try_relay(shared).await;
        }
    }
    Ok(())
}

/// Starts, fans out and ends mailings; answers whether there is more to do at once.
async fn move_mailings(shared: &Shared) -> sqlx::Result<bool> {
    let mut db = shared.pool.acquire().await?;
    for id in mailing::advance(&mut db, Utc::now()).await? {
        tracing::info!(mailing = %id, "the mailing is done");
    }
    shared.messages.keep_only(&mailing::sending(&mut db).await?);
    drop(db);
    let mut transaction = shared.pool.begin().await?;
    let step = mailing::fan_out(&mut transaction, Utc::now()).await?;
    transaction.commit().await?;
    if let FanOut::Complete(id) = step {
        tracing::info!(mailing = %id, "the mailing's audience is complete; sending");
    }
    Ok(step != FanOut::Nothing)
}

/// Pauses the mailings under way when the relay refuses us, or has been away for a minute.
async fn pause_for_relay(shared: &Shared) -> sqlx::Result<()> {
    if shared.gate.closed().is_none() {
        return Ok(());
    }
    let mut db = shared.pool.acquire().await?;
    for id in mailing::sending(&mut db).await? {
        let Some(problem) = shared.gate.reason_to_pause(id, PAUSE_AFTER) else { continue };
        let kind = match problem {
            RelayProblem::Unreachable(_) => PauseKind::Unreachable,
            RelayProblem::Login(_) => PauseKind::Login,
            RelayProblem::Sender(_) => PauseKind::Sender,
        };
        let reason = problem.to_string();
        match mailing::pause(&mut db, id, kind, &reason, Utc::now()).await {
            Ok(()) => {
                tracing::warn!(mailing = %id, reason = mask_addresses(&reason), "the mailing paused itself")
            }
            Err(MailingError::Database(error)) => return Err(error),
            // Somebody else paused or cancelled it at the same moment.
            Err(_) => {}
        }
        shared.gate.told(id);
    }
    Ok(())
}

/// Puts back what is in the hand, so that others, or a later try, can have it.
async fn hand_back(shared: &Shared) -> Result<(), Uncertain> {
    let held = shared.hand.take_all();
    if held.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = held.iter().map(|delivery| delivery.id.0).collect();
    let handed_back =
        async { delivery::hand_back(&mut *shared.pool.acquire().await?, shared.worker, &ids).await };
    handed_back.await.map_err(Uncertain)
}

async fn sign_off(shared: &Shared) -> sqlx::Result<()> {
    hand_back(shared).await.map_err(|Uncertain(error)| error)?;
    let mut db = shared.pool.acquire().await?;
    worker::sign_off(&mut db, shared.worker).await?;
    // Anything still held is recovered at once rather than after the lease.
    worker::recover(&mut db).await.map(drop)
}
