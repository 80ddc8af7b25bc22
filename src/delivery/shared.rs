//! What the tasks of one worker share.

use std::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use sqlx::PgPool;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tracing::Span;

use crate::{
    config::{SecretKeys, SmtpRelay},
    delivery::{
        circuit_breaker::CircuitBreaker, claim_buffer::ClaimBuffer, connection_limit::ConnectionLimit,
        message_builder::MessageBuilder, metrics::SendingMetrics, throttle::Throttle,
    },
    domain::{ids::WorkerId, restore::Memory},
};

/// What all senders of a worker share.
pub struct Shared {
    pub worker: WorkerId,
    pub pool: PgPool,
    pub memory: Arc<Memory>,
    pub smtp: SmtpRelay,
    pub ehlo_name: String,
    pub reply_within: Duration,
    /// Messages over one connection; 0 is unlimited.
    pub per_connection: u32,
    pub buffer: ClaimBuffer,
    pub breaker: Arc<CircuitBreaker>,
    pub connection_limit: ConnectionLimit,
    pub throttle: Throttle,
    /// Keys that recognise suppressed addresses.
    pub keys: SecretKeys,
    pub message_builder: MessageBuilder,
    /// Since when the queue could not be read.
    pub queue_stuck: Mutex<Option<Instant>>,
    /// Whether the relay was reached since this worker began.
    pub has_reached: AtomicBool,
    /// Connections that are open now.
    pub open_connections: watch::Sender<usize>,
    /// Told when the last batches were closed and there was nothing more to claim: a mailing may be done.
    pub batches_closed: Notify,
    pub metrics: Arc<SendingMetrics>,
    /// The worker's. Senders do not run in it: to enter it at every step would cost half a percent of their speed. They
    /// enter it where they log.
    pub span: Span,
}
