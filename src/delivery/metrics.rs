//! Metrics of sending. To record is an atomic addition: every message does it some ten times.

use std::array;

use strum::VariantNames;

use crate::{
    domain::queue::{delivery::DeliveryKind, transmission::Outcome},
    telemetry::metrics::{Counter, Family, Gauge, Histogram, Labels, Registry, SECONDS},
};

/// Metrics of one process's workers, whatever runs they begin anew.
#[derive(Debug)]
pub struct SendingMetrics {
    ended: Family<Labels, Counter>,
    /// Those of [`ENDINGS`] for each kind, made beforehand.
    endings: [[Counter; ENDINGS.len()]; DeliveryKind::ALL.len()],
    phase_seconds: Family<Labels, Histogram>,
    /// What the relay takes.
    pub phases: Phases,
    /// Commits of outcomes and marks.
    pub commit: Histogram,
    /// Commits that were tried in vain.
    pub commit_failures: Counter,
    /// Connections to the relay that are open.
    pub connections: Gauge,
    connections_opened: Family<Labels, Counter>,
    /// Connections that could be opened, and those that could not.
    pub opened: [Counter; 2],
    breaker_family: Family<Labels, Gauge>,
    /// The circuit breaker.
    pub breaker: BreakerGauges,
    /// Messages a second that all workers together may send; 0 is no limit.
    pub rate_limit: Gauge,
    /// Runs that ended because the worker could not be sure of its claims.
    pub fenced: Counter,
    /// Deliveries that became `unknown` because the worker died that had them on their way.
    pub recovered_unknown: Counter,
}

/// How an attempt ends, and the class of the relay's last reply; every pair that a relay can bring about which keeps to
/// RFC 5321. Others are counted too.
const ENDINGS: [(&str, &str); 11] = [
    ("accepted", "2xx"),
    ("rejected", "5xx"),
    ("rejected", "4xx"),
    ("rejected", "none"),
    ("unknown", "none"),
    ("later", "4xx"),
    ("later", "5xx"),
    ("later", "none"),
    ("not_now", "4xx"),
    ("not_now", "5xx"),
    ("untried", "none"),
];

fn ending(outcome: &Outcome) -> (&'static str, &'static str) {
    let class = match outcome.smtp_code {
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        _ => "none",
    };
    (outcome.verdict.into(), class)
}

fn labels(kind: DeliveryKind, (outcome, class): (&'static str, &'static str)) -> Labels {
    vec![("kind", kind.name()), ("outcome", outcome), ("smtp_class", class)]
}

/// A step of a conversation with the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// Looking up its addresses.
    Lookup,
    /// The TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Until its greeting.
    Greeting,
    /// EHLO.
    Ehlo,
    /// The login.
    Login,
    /// MAIL; with PIPELINING until the first reply.
    Mail,
    /// RCPT; with PIPELINING from there to the second reply.
    #[strum(serialize = "rcpt")]
    Recipient,
    /// DATA; with PIPELINING from there to the third reply.
    Data,
    /// Writing the content.
    Content,
    /// From the final dot to the reply.
    Dot,
}

/// A histogram for each [`Phase`].
#[derive(Debug, Clone)]
pub struct Phases([Histogram; Phase::VARIANTS.len()]);

impl Phases {
    fn of(family: &Family<Labels, Histogram>) -> Self {
        Self(array::from_fn(|at| family.get_or_create_owned(&vec![("phase", Phase::VARIANTS[at])])))
    }

    /// Times a step, however it ends.
    pub async fn time<T>(&self, phase: Phase, step: impl Future<Output = T>) -> T {
        self.0[phase as usize].time(step).await
    }
}

/// Which problem the circuit breaker is tripped for, if it is, as gauges of 0 and 1.
#[derive(Debug, Clone, Default)]
pub struct BreakerGauges {
    open: [Gauge; PROBLEMS.len()],
    half_open: Gauge,
}

/// As [`RelayProblem::name`](super::smtp::problem::RelayProblem::name) has them.
const PROBLEMS: [&str; 4] = ["unreachable", "login", "sender", "policy"];

impl BreakerGauges {
    /// `problem` names what it is tripped for; `half_open` says that one message at a time is tried.
    pub fn set(&self, problem: Option<&str>, half_open: bool) {
        for (name, gauge) in PROBLEMS.iter().zip(&self.open) {
            gauge.set((problem == Some(name)).into());
        }
        self.half_open.set((problem.is_none() && half_open).into());
    }
}

impl Default for SendingMetrics {
    fn default() -> Self {
        let ended = Family::default();
        let phase_seconds = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        let connections_opened = Family::default();
        let breaker_family: Family<Labels, Gauge> = Family::default();
        let breaker = BreakerGauges {
            open: PROBLEMS.map(|problem| breaker_family.get_or_create_owned(&vec![("problem", problem)])),
            half_open: Gauge::default(),
        };
        Self {
            endings: DeliveryKind::ALL.map(|kind| {
                let counter = |ending| -> Counter { ended.get_or_create_owned(&labels(kind, ending)) };
                ENDINGS.map(counter)
            }),
            ended,
            phases: Phases::of(&phase_seconds),
            phase_seconds,
            commit: Histogram::new(SECONDS),
            commit_failures: Counter::default(),
            connections: Gauge::default(),
            opened: ["opened", "failed"]
                .map(|result| connections_opened.get_or_create_owned(&vec![("result", result)])),
            connections_opened,
            breaker,
            breaker_family,
            rate_limit: Gauge::default(),
            fenced: Counter::default(),
            recovered_unknown: Counter::default(),
        }
    }
}

impl SendingMetrics {
    /// Registers them. Only in a process that sends: elsewhere their zeros would say that all is well.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "delivery_attempts",
            "Attempts to transmit a message that have ended and were recorded, by kind of mail, outcome and the class of the relay's last reply",
            self.ended.clone(),
        );
        registry.register(
            "smtp_phase_duration_seconds",
            "How long the relay took, by step of the conversation",
            self.phase_seconds.clone(),
        );
        registry.register(
            "commit_duration_seconds",
            "How long commits of outcomes and marks took; one holds those of many messages",
            self.commit.clone(),
        );
        registry.register(
            "commit_failures",
            "Commits of outcomes and marks that failed and were tried again",
            self.commit_failures.clone(),
        );
        registry.register(
            "smtp_connections",
            "Connections to the relay that are open",
            self.connections.clone(),
        );
        registry.register(
            "smtp_connections_tried",
            "Connections to the relay, by whether they could be opened",
            self.connections_opened.clone(),
        );
        registry.register(
            "smtp_circuit_breaker_open",
            "1 while nothing is sent because the relay cannot be used, by problem",
            self.breaker_family.clone(),
        );
        registry.register(
            "smtp_circuit_breaker_half_open",
            "1 while one message at a time is tried after our mail was refused",
            self.breaker.half_open.clone(),
        );
        registry.register(
            "send_rate_limit",
            "Messages a second that all workers together may send (SEND_RATE); 0 is no limit",
            self.rate_limit.clone(),
        );
        registry.register(
            "worker_restarts",
            "Times the worker of this process began anew because it could not be sure of its claims",
            self.fenced.clone(),
        );
        registry.register(
            "recovered_unknown",
            "Deliveries that became unknown because the worker died that had them on their way",
            self.recovered_unknown.clone(),
        );
    }

    /// An attempt has ended, and that is recorded.
    pub fn ended(&self, kind: DeliveryKind, outcome: &Outcome) {
        let ending = ending(outcome);
        match ENDINGS.iter().position(|known| *known == ending) {
            Some(at) => self.endings[kind as usize][at].inc(),
            None => self.ended.get_or_create(&labels(kind, ending)).inc(),
        };
    }

    /// A connection is open for as long as this lives.
    #[must_use]
    pub fn connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }
}

/// Counts a connection that is open.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_labelled_as_dashboards_know_them() {
        let labels = [
            "lookup", "connect", "tls", "greeting", "ehlo", "login", "mail", "rcpt", "data", "content", "dot",
        ];
        assert_eq!(Phase::VARIANTS, labels);
    }
}
