//! Retention: deletes every hour what is kept only for a time.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::interval;

use crate::{
    app::images::store::Store,
    config::SecretKeys,
    domain::{consent, image, publication, retention, signup},
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
    pool: PgPool,
    images: Store,
    keys: SecretKeys,
    keep_ip_days: u16,
    metrics: Arc<RetentionMetrics>,
) {
    let mut hourly = interval(Duration::from_hours(1));
    for hour in 0_u64.. {
        hourly.tick().await;
        let forgotten =
            async { round(&mut *pool.acquire().await?, &images, &keys, keep_ip_days, hour % 24 == 0).await };
        match forgotten.await {
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
    db: &mut PgConnection,
    images: &Store,
    keys: &SecretKeys,
    keep_ip_days: u16,
    is_daily: bool,
) -> sqlx::Result<()> {
    let now = Utc::now();
    let ips = consent::forget_client_ips(db, now - TimeDelta::days(keep_ip_days.into())).await?;
    if ips > 0 {
        tracing::info!(ips, "IP addresses deleted by retention");
    }
    signup::limits::forget_places(db, now).await?;
    signup::challenge::forget_spent(db, now).await?;
    let times = publication::current(&mut *db)
        .await?
        .map(|publication| publication.content.retention)
        .unwrap_or_default();
    loop {
        let signups = apart(db, async |db| retention::expired_signups(db, now).await).await?;
        let subscribers =
            apart(db, async |db| retention::withdrawn_proofs(db, keys, times, now).await).await?;
        let addresses = apart(db, async |db| retention::former_addresses(db, keys, times, now).await).await?;
        let copies = if is_daily {
            apart(db, async |db| retention::old_mailings(db, times, now).await).await?
        } else {
            0
        };
        let staff = apart(db, async |db| retention::staff_leftovers(db, now).await).await?;
        if signups + subscribers + addresses + copies + staff == 0 {
            break;
        }
        tracing::info!(signups, subscribers, addresses, copies, staff, "deleted by retention");
    }
    if is_daily {
        retention::old_mails(db, times, now).await?;
        unused_images(db, images).await?;
    }
    Ok(())
}

/// Does one piece of work in a transaction of its own, so that its locks are released at once.
async fn apart<T>(
    db: &mut PgConnection,
    work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let mut transaction = db.begin().await?;
    let done = work(&mut transaction).await?;
    transaction.commit().await?;
    Ok(done)
}

/// Unused pictures: first the rows, then, after the commit, the files.
async fn unused_images(db: &mut PgConnection, images: &Store) -> sqlx::Result<()> {
    loop {
        let gone = apart(db, async |db| image::forget_unused(db, Utc::now()).await).await?;
        if gone.is_empty() {
            return Ok(());
        }
        for image in &gone {
            images.remove(image).await;
        }
        tracing::info!(images = gone.len(), "pictures deleted that were unused for thirty days");
    }
}
