//! Metrics: what every room needs to count and time what it does, and the text that Prometheus reads.
//!
//! Each room has a struct of its own metrics, made and registered once a process. Labels take few values, all known here or
//! in the code: never an address, a token, a path or anything else that came from outside.
//!
//! A counter or histogram is made for its labels beforehand; to record is an atomic addition then.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet, prometheus_text},
    metrics::{MetricType, TypedMetric, info::Info},
};

pub use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_text::CONTENT_TYPE},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Names and values of labels.
pub type Labels = Vec<(&'static str, &'static str)>;

/// A gauge of a number with a fraction.
pub type FloatGauge = Gauge<f64, AtomicU64>;

/// An empty registry whose metrics are named `rundbrief_…`.
#[must_use]
pub fn registry() -> Registry {
    Registry::with_prefix("rundbrief")
}

/// What a process counts of itself. Counters begin at nothing with each start; Prometheus knows how to add that up.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(registry())))
    }
}

impl Metrics {
    /// Metrics that say which command and version they are of, and since when it runs.
    #[must_use]
    pub fn of_process(command: &'static str) -> Self {
        let metrics = Self::default();
        metrics.register(|registry| {
            let build = vec![("version", env!("CARGO_PKG_VERSION")), ("command", command)];
            registry.register("build", "The version that runs, and as which command", Info::new(build));
            let started = FloatGauge::default();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            started.set(now.as_secs_f64());
            registry.register(
                "process_start_time_seconds",
                "When this process was started, in Unix time",
                started,
            );
        });
        metrics
    }

    /// Adds a room's metrics.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes them in Prometheus's text format.
    ///
    /// # Errors
    /// When nothing can be written to `text`; to a `String` it can.
    pub fn write(&self, text: &mut String) -> fmt::Result {
        prometheus_text::encode(text, &self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes metrics of a registry that was made for this moment.
///
/// # Errors
/// As [`Metrics::write`].
pub fn write(registry: &Registry, text: &mut String) -> fmt::Result {
    prometheus_text::encode(text, registry)
}

/// How long something took, counted by upper bounds. Cheap to clone; every clone counts into the same one.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    /// Upper bounds in seconds, ascending.
    bounds: &'static [f64],
    /// One more than there are bounds: the last one is for what took longer.
    counts: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

/// Bounds, in seconds, for what answers at once and may take minutes when something is wrong.
pub const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

impl Histogram {
    /// Nothing timed so far.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Buckets { bounds, counts, nanoseconds: AtomicU64::new(0) }))
    }

    /// It took so long, once.
    pub fn observe(&self, took: Duration) {
        let Buckets { bounds, counts, nanoseconds } = &*self.0;
        let seconds = took.as_secs_f64();
        let at = bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len());
        counts[at].fetch_add(1, Ordering::Relaxed);
        nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Times a step, however it ends. One that is given up is not counted.
    pub async fn time<T>(&self, step: impl Future<Output = T>) -> T {
        let begun = std::time::Instant::now();
        let done = step.await;
        self.observe(begun.elapsed());
        done
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        let Buckets { bounds, counts, nanoseconds } = &*self.0;
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(counts.iter().map(|count| count.load(Ordering::Relaxed))).collect();
        let all = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, all, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_what_took_no_longer_than_each_bound() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for milliseconds in [50, 100, 101, 5_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let mut registry = registry();
        registry.register("waits_seconds", "How long it took", histogram.clone());
        let mut text = String::new();
        write(&registry, &mut text).unwrap();
        let expected = "\
# HELP rundbrief_waits_seconds How long it took.
# TYPE rundbrief_waits_seconds histogram
rundbrief_waits_seconds_bucket{le=\"0.1\"} 2
rundbrief_waits_seconds_bucket{le=\"1\"} 3
rundbrief_waits_seconds_bucket{le=\"+Inf\"} 4
rundbrief_waits_seconds_sum 5.251
rundbrief_waits_seconds_count 4
";
        assert_eq!(text, expected);
    }
}
