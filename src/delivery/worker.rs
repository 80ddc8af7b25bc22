//! A worker: starts its claimer, senders, recorder and maintenance, and keeps its lease.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::PgPool;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{interval, sleep, timeout},
};
use tracing::{Instrument, Span};

use crate::{
    config::{BounceHook, Config, HookProvider, SecretKeys, SignupLimits, SmtpRelay},
    delivery::{
        circuit_breaker::CircuitBreaker,
        claim_buffer::ClaimBuffer,
        claimer::{self, Uncertain, queue_stuck, refill_below, release_claims},
        connection_limit::ConnectionLimit,
        maintenance,
        message_builder::MessageBuilder,
        metrics::SendingMetrics,
        recorder::{self, RecorderHandle},
        sender::Sender,
        shared::Shared,
        spans,
        throttle::Throttle,
    },
    domain::{address::AddressError, ids::WorkerId, queue::worker, restore::Memory},
    mail::{compose::Composer, dkim::Signer, return_path::ReturnPaths},
};

/// How a worker sends.
#[derive(Clone)]
pub struct Settings {
    pub smtp: SmtpRelay,
    /// Open connections at most.
    pub connections: usize,
    /// Messages over one connection; 0 is unlimited.
    pub per_connection: u32,
    /// Messages a second over all workers together; 0 is unlimited.
    pub rate: u32,
    /// How long the relay may take to answer a command.
    pub reply_within: Duration,
    /// Our name in EHLO.
    pub ehlo_name: String,
    /// Keys that recognise suppressed addresses.
    pub keys: SecretKeys,
    /// Envelope senders that name their delivery; without them it is the publication's sender.
    pub return_paths: Option<ReturnPaths>,
    /// Providers that tell of what comes back; each mail is marked for them.
    pub hooks: Vec<HookProvider>,
    /// Signs each mail; without it the relay does.
    pub signer: Option<Signer>,
    /// How many mails signups may cause.
    pub signup_limits: SignupLimits,
}

impl TryFrom<&Config> for Settings {
    type Error = AddressError;

    /// # Errors
    /// When `BOUNCE_ADDRESS` is no address that mail can come back to.
    fn try_from(config: &Config) -> Result<Self, AddressError> {
        let return_paths = ReturnPaths::of_setting(&config.secret_keys, config.bounce_address.as_ref())?;
        Ok(Self {
            smtp: config.smtp.clone(),
            connections: config.smtp_connections,
            per_connection: config.smtp_messages_per_connection,
            rate: config.send_rate,
            reply_within: config.smtp_timeout,
            ehlo_name: config.public_url.host().to_owned(),
            keys: config.secret_keys.clone(),
            return_paths,
            hooks: BounceHook::providers(&config.bounce_hooks),
            signer: Signer::new(&config.dkim_keys),
            signup_limits: config.signup_limits,
        })
    }
}

/// Sends what is in the queue. Any number of them may share one database.
pub struct Worker {
    pool: PgPool,
    composer: Composer,
    settings: Settings,
    memory: Arc<Memory>,
    metrics: Arc<SendingMetrics>,
}

/// How often the lease is renewed; a small part of [`worker::LEASE_SECONDS`].
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long what is in transmission may take when the worker stops.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// Why a run of a worker ended.
enum Ended {
    /// It was asked to.
    Stopped,
    /// Its lease ran out, one of its tasks died, the database failed in the middle of claiming, or mailings are held or
    /// released. It begins anew.
    Fenced,
}

impl Worker {
    /// A worker over this database.
    #[must_use]
    pub fn new(
        pool: PgPool,
        composer: Composer,
        settings: Settings,
        memory: Arc<Memory>,
        metrics: Arc<SendingMetrics>,
    ) -> Self {
        metrics.rate_limit.set(settings.rate.into());
        Self { pool, composer, settings, memory, metrics }
    }

    /// Works until `stopping` turns true; then ends what is in transmission, hands back the rest, and returns within
    /// ten seconds.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        while !*stopping.borrow() {
            let mut turns = self.memory.turns();
            let signed_on = async {
                let mut db = self.pool.acquire().await?;
                // Before the first claim: it may be an old backup.
                self.memory.verify(&mut db).await?;
                turns.mark_unchanged();
                worker::sign_on(&mut db).await
            }
            .await;
            match signed_on {
                Ok(id) => {
                    let run = self.work(id, stopping.clone(), turns).instrument(spans::worker(id));
                    match Box::pin(run).await {
                        Ended::Stopped => return,
                        Ended::Fenced => {
                            self.metrics.fenced.inc();
                            tracing::warn!(
                                worker = id.0,
                                "the worker cannot be sure of its claims; beginning anew"
                            );
                            sleep(Duration::from_secs(1)).await;
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the worker cannot reach the database; trying again");
                    let _ = timeout(Duration::from_secs(2), stopping.wait_for(|stopping| *stopping)).await;
                }
            }
        }
    }

    async fn work(
        &self,
        id: WorkerId,
        mut stopping: watch::Receiver<bool>,
        mut turns: watch::Receiver<u64>,
    ) -> Ended {
        tracing::info!(worker = id.0, connections = self.settings.connections, "the worker is ready");
        let shared = Arc::new(Shared {
            worker: id,
            pool: self.pool.clone(),
            memory: Arc::clone(&self.memory),
            smtp: self.settings.smtp.clone(),
            ehlo_name: self.settings.ehlo_name.clone(),
            reply_within: self.settings.reply_within,
            per_connection: self.settings.per_connection,
            buffer: ClaimBuffer::new(refill_below(self.settings.rate)),
            breaker: Arc::new(CircuitBreaker::new(self.metrics.breaker.clone())),
            connection_limit: ConnectionLimit::new(self.settings.connections),
            throttle: Throttle::new(self.pool.clone(), self.settings.rate),
            message_builder: MessageBuilder::new(
                self.pool.clone(),
                self.composer.clone(),
                self.settings.keys.clone(),
                self.settings.signup_limits,
                self.settings.return_paths.clone(),
                self.settings.hooks.clone(),
                self.settings.signer.as_ref(),
            ),
            keys: self.settings.keys.clone(),
            queue_stuck: Mutex::default(),
            has_reached: AtomicBool::new(false),
            open_connections: watch::Sender::new(0),
            batches_closed: Notify::new(),
            metrics: Arc::clone(&self.metrics),
            span: Span::current(),
        });
        let (recorder, mut recording) = recorder::start(&shared);
        // Senders stop when the worker is asked to, and also when it is fenced.
        let (stop_senders, senders_stop) = watch::channel(false);
        let mut senders = self.start_senders(&shared, &recorder, &senders_stop);
        drop(recorder);

        let ended = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => Ended::Stopped,
            () = keep_lease(&shared) => Ended::Fenced,
            _ = turns.changed() => Ended::Fenced,
            // A sender ends only when it is told to; one that ends before has died.
            _ = senders.join_next() => Ended::Fenced,
            () = claimer::run(&shared, self.settings.rate) => Ended::Fenced,
            () = maintenance::run(&shared) => Ended::Fenced,
            _ = &mut recording => Ended::Fenced,
        };

        stop_senders.send_replace(true);
        shared.breaker.retire();
        let all_ended = async { while senders.join_next().await.is_some() {} };
        if timeout(STOP_WITHIN, all_ended).await.is_err() {
            tracing::warn!(worker = id.0, "some messages are still on their way; they become unknown");
            if matches!(ended, Ended::Stopped) {
                senders.abort_all();
                while senders.join_next().await.is_some() {}
            } else {
                // The process goes on, so they may end by themselves; what the relay says then replaces `unknown`.
                senders.detach_all();
            }
        }
        // With the last sender the recorder's last handle is gone; it ends after its last commit.
        let recorded = recording.is_finished() || timeout(Duration::from_secs(1), recording).await.is_ok();
        let signed_off = recorded
            && timeout(Duration::from_secs(1), sign_off(&shared)).await.is_ok_and(|done| done.is_ok());
        if !signed_off {
            tracing::warn!(
                worker = id.0,
                "the worker could not release its claims; they return with its lease"
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
        // Under a slow rate many senders would only wait for their turn, each with a message that confirmations
        // cannot overtake.
        let rate = usize::try_from(self.settings.rate).unwrap_or(usize::MAX);
        let most = if rate == 0 { usize::MAX } else { rate.saturating_mul(5) };
        for slot in 0..self.settings.connections.min(most) {
            let sender = Sender::new(Arc::clone(shared), recorder.clone(), stopping.clone(), slot);
            senders.spawn(sender.run());
        }
        senders
    }
}

/// Renews the lease; returns when it has run out.
async fn keep_lease(shared: &Shared) {
    let id = shared.worker;
    let mut beat = interval(HEARTBEAT);
    loop {
        beat.tick().await;
        let renewed = timeout(HEARTBEAT * 2, async {
            let mut db = shared.pool.acquire().await?;
            let renewed = worker::heartbeat(&mut db, id).await?;
            worker::report(&mut db, id, report(shared)).await?;
            Ok(renewed)
        });
        match renewed.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(true) => {}
            Ok(false) => return,
            // The lease may outlive a short absence of the database; whether it did shows when it is back.
            Err(error) => tracing::warn!(%error, worker = id.0, "the lease could not be renewed"),
        }
    }
}

/// A queue that cannot be read for so long is told.
const STUCK_AFTER: Duration = Duration::from_secs(10);

fn report(shared: &Shared) -> worker::Report {
    let untried = || if shared.has_reached.load(Ordering::Relaxed) { "ok" } else { "untried" };
    let stuck = queue_stuck(shared).map(|since| since.elapsed()).filter(|stuck| *stuck >= STUCK_AFTER);
    worker::Report {
        relay: shared.breaker.problem_name().unwrap_or_else(untried),
        queue_stuck_for: stuck.map(|stuck| stuck.as_secs_f64()),
    }
}

async fn sign_off(shared: &Shared) -> sqlx::Result<()> {
    release_claims(shared).await.map_err(|Uncertain(error)| error)?;
    let mut transaction = shared.pool.begin().await?;
    worker::sign_off(&mut transaction, shared.worker).await?;
    // Anything still held is recovered at once rather than after the lease.
    worker::recover(&mut transaction).await?;
    transaction.commit().await
}
