//! Forgetting: what is kept only for a time goes, hour by hour, while the service runs.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::interval;

use crate::{
    app::images::store::Store,
    config::SecretKeys,
    domain::{consent, image, publication, retention, signup},
};

/// Forgets what is to be forgotten, every hour, for as long as the service runs. Where several do it at once, each finds
/// what the others have left.
pub async fn run(pool: PgPool, images: Store, keys: SecretKeys, keep_ip_days: u16) {
    let mut hourly = interval(Duration::from_hours(1));
    for hour in 0_u64.. {
        hourly.tick().await;
        let forgotten =
            async { round(&mut *pool.acquire().await?, &images, &keys, keep_ip_days, hour % 24 == 0).await };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "what is to be forgotten could not be; trying again in an hour");
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
        tracing::info!(ips, "IP addresses forgotten; their time was over");
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
        tracing::info!(signups, subscribers, addresses, copies, staff, "forgotten; their time was over");
    }
    if is_daily {
        retention::old_mails(db, times, now).await?;
        unused_images(db, images).await?;
    }
    Ok(())
}

/// Does one piece of work in a transaction of its own: none holds up what only another one locks.
async fn apart<T>(
    db: &mut PgConnection,
    work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let mut transaction = db.begin().await?;
    let done = work(&mut transaction).await?;
    transaction.commit().await?;
    Ok(done)
}

/// Pictures that nothing uses: first the rows, then, when that cannot be taken back any more, the files.
async fn unused_images(db: &mut PgConnection, images: &Store) -> sqlx::Result<()> {
    loop {
        let gone = apart(db, async |db| image::forget_unused(db, Utc::now()).await).await?;
        if gone.is_empty() {
            return Ok(());
        }
        for image in &gone {
            images.remove(image).await;
        }
        tracing::info!(images = gone.len(), "pictures removed that nothing had used for thirty days");
    }
}
