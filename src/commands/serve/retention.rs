//! Retention: deletes every hour what is kept only for a time.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use tokio::time::interval;

use crate::{
    app::{
        images::{record::remove_left_behind, store::Store},
        retention::{Extent, delete_expired, remove_unused_files, remove_unused_images},
    },
    config::SecretKeys,
    db::{Pool, statement::StatementResult},
    telemetry::metrics::{Counter, Family, FloatGauge, Labels, Registry},
};

/// Metrics of retention.
#[derive(Debug)]
pub struct RetentionMetrics {
    runs: Family<Labels, Counter>,
    done: Counter,
    failed: Counter,
    /// Without labels. Empty before the first run: when the one before it was is not known.
    last: Family<Labels, FloatGauge>,
}

impl Default for RetentionMetrics {
    fn default() -> Self {
        let runs: Family<Labels, Counter> = Family::default();
        let counter = |result| runs.get_or_create_owned(&vec![("result", result)]);
        Self { done: counter("done"), failed: counter("failed"), runs, last: Family::default() }
    }
}

impl RetentionMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "retention_runs",
            "Runs of retention, which delete what is kept only for a time, by result",
            self.runs.clone(),
        );
        registry.register(
            "retention_last_success_timestamp_seconds",
            "When retention last succeeded in this process, in Unix time",
            self.last.clone(),
        );
    }
}

/// Runs retention every hour, for as long as the service runs. Several processes may do it at once: each finds what the
/// others have left.
pub async fn run(
    pool: Pool,
    images: Store,
    keys: SecretKeys,
    keep_ip_days: u16,
    metrics: Arc<RetentionMetrics>,
) {
    let mut hourly = interval(Duration::from_hours(1));
    for hour in 0_u64.. {
        hourly.tick().await;
        let extent = if hour % 24 == 0 { Extent::Daily } else { Extent::Hourly };
        match round(&pool, &images, &keys, keep_ip_days, extent).await {
            Ok(()) => {
                metrics.done.inc();
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century")]
                metrics.last.get_or_create(&Labels::new()).set(Utc::now().timestamp_millis() as f64 / 1000.0);
            }
            Err(error) => {
                metrics.failed.inc();
                tracing::warn!(%error, "retention failed; trying again in an hour");
            }
        }
    }
}

async fn round(
    pool: &Pool,
    store: &Store,
    keys: &SecretKeys,
    keep_ip_days: u16,
    extent: Extent,
) -> StatementResult<()> {
    delete_expired(pool, keys, keep_ip_days, extent, Utc::now()).await?;
    // As of now: a store that is away takes long to say so, and what was tried is not tried again in the same round.
    let now = Utc::now();
    while remove_left_behind(pool, store, now).await? > 0 {}
    if extent == Extent::Hourly {
        return Ok(());
    }
    loop {
        let pictures = remove_unused_images(pool, store, Utc::now()).await?;
        let files = remove_unused_files(pool, store, Utc::now()).await?;
        if pictures + files == 0 {
            return Ok(());
        }
        tracing::info!(pictures, files, "deleted what was unused for thirty days");
    }
}
