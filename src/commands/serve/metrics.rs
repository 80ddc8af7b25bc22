//! `/metrics`, on a listener of its own (`METRICS_ADDR`): the counters of this process, and gauges of the database.
//!
//! Counters belong to this process and start at 0. Gauges are read from the database at each scrape, so they are right after
//! a restart and the same in every process. While the database cannot be read, they are missing.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing,
};
use chrono::Utc;
use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
    time::timeout,
};

use crate::{
    app::read_snapshot::SnapshotReader,
    db::{Pool, statement::StatementError},
    domain::{
        bounce::BounceKind,
        mailing::{MailingState, PauseKind},
        queue::delivery::DeliveryKind,
        signup::held::HeldFor,
        snapshot::{COUNTED, RELAY, Snapshot, WAITS},
    },
    telemetry::metrics::{self, CONTENT_TYPE, Family, FloatGauge, Gauge, Labels, Metrics, Registry},
    web,
};

/// How long a reading is reused: concurrent scrapes share one.
const FRESH: Duration = Duration::from_secs(1);
/// Deadline of a reading, connecting included; Prometheus waits ten seconds by default.
const PATIENCE: Duration = Duration::from_secs(4);

/// Answers `/metrics` at this address, until `stop` turns true. If the address is taken, the process runs without: no mail
/// waits for metrics.
pub async fn listen(address: SocketAddr, metrics: Metrics, pool: Pool, stop: watch::Receiver<bool>) {
    match TcpListener::bind(address).await {
        Ok(listener) => {
            tracing::info!(address = ?listener.local_addr().ok(), "listening, only for /metrics");
            serve(listener, metrics, pool, stop);
        }
        Err(error) => {
            tracing::error!(%address, %error, "metrics cannot be read from this process; METRICS_ADDR chooses another address");
        }
    }
}

/// The same on a listener.
pub fn serve(listener: TcpListener, metrics: Metrics, pool: Pool, stop: watch::Receiver<bool>) {
    let look = Look { reader: SnapshotReader::new(pool.clone()), last: None, is_failing: false };
    let exporter = Arc::new(Exporter { metrics, pool, look: Mutex::new(look) });
    let router = Router::new().route("/metrics", routing::get(scrape)).with_state(exporter);
    tokio::spawn(web::serve(listener, router, stop));
}

struct Exporter {
    metrics: Metrics,
    pool: Pool,
    /// One scrape looks at a time; the others wait for what it finds.
    look: Mutex<Look>,
}

struct Look {
    reader: SnapshotReader,
    last: Option<(Instant, Reading)>,
    is_failing: bool,
}

/// What was seen of the database, and how long that took.
#[derive(Clone)]
struct Reading {
    snapshot: Option<Snapshot>,
    took: Duration,
}

async fn scrape(State(exporter): State<Arc<Exporter>>) -> Response {
    match exporter.text().await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], text)
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Exporter {
    async fn text(&self) -> Result<String, std::fmt::Error> {
        let seen = self.seen().await;
        let mut text = String::with_capacity(32 * 1024);
        self.metrics.write(&mut text)?;
        let mut registry = metrics::registry();
        tell_pool(&mut registry, &self.pool);
        tell_reading(&mut registry, &seen);
        if let Some(snapshot) = &seen.snapshot {
            tell(&mut registry, snapshot);
        }
        metrics::write(&registry, &mut text)?;
        Ok(text)
    }

    async fn seen(&self) -> Reading {
        let mut look = self.look.lock().await;
        if let Some((at, seen)) = &look.last
            && at.elapsed() < FRESH
        {
            return seen.clone();
        }
        let begun = Instant::now();
        let reading = timeout(PATIENCE, look.reader.read(Utc::now())).await;
        let read = reading.unwrap_or(Err(StatementError::PoolTimedOut));
        let is_failing = read.is_err();
        let snapshot = match read {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                // Once, and not for every scrape.
                if !look.is_failing {
                    tracing::warn!(%error, "the metrics lack what the database says: it cannot be read");
                }
                None
            }
        };
        look.is_failing = is_failing;
        let seen = Reading { snapshot, took: begun.elapsed() };
        look.last = Some((Instant::now(), seen.clone()));
        seen
    }
}

#[expect(clippy::cast_possible_wrap, reason = "connections, some dozens")]
fn tell_pool(registry: &mut Registry, pool: &Pool) {
    let idle = pool.num_idle() as i64;
    let used = (i64::from(pool.size()) - idle).max(0);
    let connections = family("state", [("idle", idle), ("used", used)]);
    registry.register("database_pool_connections", "Connections of this process's pool, by use", connections);
    let most = Gauge::<i64>::default();
    most.set(pool.options().get_max_connections().into());
    registry.register(
        "database_pool_connections_max",
        "Connections that the pool may have (DATABASE_CONNECTIONS)",
        most,
    );
}

fn tell_reading(registry: &mut Registry, seen: &Reading) {
    let up = Gauge::<i64>::default();
    up.set(seen.snapshot.is_some().into());
    registry.register(
        "database_up",
        "1 when the database could be read for this answer; else what it says is missing here",
        up,
    );
    registry.register(
        "database_read_seconds",
        "How long reading the database took for this answer",
        float(seen.took.as_secs_f64()),
    );
}

/// What the database says. All label values are there, also those of which there is nothing: a series that comes and goes
/// cannot be alerted on.
fn tell(registry: &mut Registry, snapshot: &Snapshot) {
    let queue: Family<Labels, Gauge> = Family::default();
    for kind in DeliveryKind::ALL {
        for waits in WAITS {
            queue.get_or_create(&vec![("kind", kind.name()), ("state", waits)]).set(0);
        }
    }
    for (kind, waits, count) in &snapshot.queue {
        queue.get_or_create(&vec![("kind", kind.name()), ("state", *waits)]).inc_by(*count);
    }
    registry.register(
        "queue_deliveries",
        format!("Deliveries that have not ended, by kind and state. Copies of a mailing that wait are counted by batches of up to 100, begun ones whole; of others not more than {COUNTED}"),
        queue,
    );
    registry.register(
        "queue_oldest_urgent_seconds",
        "For how long the oldest delivery that goes before mailings has been due; 0 where none is",
        float(snapshot.oldest_urgent),
    );
    registry.register(
        "queue_oldest_mailing_seconds",
        "The same of copies of mailings that are being sent. All copies of a mailing are due when it begins",
        float(snapshot.oldest_mailing),
    );
    let states = MailingState::OPEN.map(|state| (state.name(), sum(&snapshot.mailings, state)));
    registry.register(
        "mailings",
        "Mailings that are neither done nor cancelled, by state",
        family("state", states),
    );
    let reasons = PauseKind::ALL.map(|reason| (reason.name(), sum(&snapshot.paused, reason)));
    registry.register("mailings_paused", "Mailings that are paused, by reason", family("reason", reasons));
    let held = Gauge::<i64>::default();
    held.set(snapshot.is_held.into());
    registry.register(
        "mailings_held",
        "1 while all mailings are held because the database may be an older one",
        held,
    );
    let limits = HeldFor::ALL.map(|limit| (limit.name(), sum(&snapshot.held, limit)));
    registry.register(
        "signups_held",
        "Signups whose mail waits for staff, by the limit they are over",
        family("limit", limits),
    );
    let workers = RELAY.map(|relay| (relay, sum(&snapshot.workers, relay)));
    registry.register(
        "workers",
        "Workers that are alive, of all processes, by how the relay is for them",
        family("relay", workers),
    );
    let stuck = Gauge::<i64>::default();
    stuck.set(snapshot.stuck_workers);
    registry.register("workers_stuck", "Workers that cannot read the queue", stuck);
    tell_bounces(registry, snapshot);
}

fn tell_bounces(registry: &mut Registry, snapshot: &Snapshot) {
    let kinds = BounceKind::ALL.map(|kind| (kind.name(), sum(&snapshot.bounces, kind)));
    registry.register(
        "bounces_last_day",
        format!("What came back in the last 24 hours, by kind; {COUNTED} at most"),
        family("kind", kinds),
    );
    let unassigned = Gauge::<i64>::default();
    unassigned.set(snapshot.unassigned);
    registry.register(
        "bounces_unassigned",
        "What came back and waits for a person to say whose it is",
        unassigned,
    );
    let failing = Gauge::<i64>::default();
    failing.set(snapshot.mailbox_fails.into());
    registry.register(
        "bounce_mailbox_failing",
        "1 while the mailbox for what comes back (BOUNCE_MAILBOX) has not been read for a quarter of an hour",
        failing,
    );
}

fn sum<T: PartialEq + Copy>(counts: &[(T, i64)], of: T) -> i64 {
    counts.iter().filter(|(known, _)| *known == of).map(|(_, count)| count).sum()
}

fn family<const N: usize>(label: &'static str, values: [(&'static str, i64); N]) -> Family<Labels, Gauge> {
    let family: Family<Labels, Gauge> = Family::default();
    for (value, count) in values {
        family.get_or_create(&vec![(label, value)]).set(count);
    }
    family
}

fn float(value: f64) -> FloatGauge {
    let gauge = FloatGauge::default();
    gauge.set(value);
    gauge
}
