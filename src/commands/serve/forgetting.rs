//! Forgetting: what is kept only for a time goes, hour by hour, while the service runs.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::interval;

use crate::{
    config::SecretKeys,
    domain::{consent, image, publication, retention, signup},
    web::images::store::Store,
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
    // A transaction each: none holds up what only another one locks.
    loop {
        let mut transaction = db.begin().await?;
        let signups = retention::expired_signups(&mut transaction, now).await?;
        transaction.commit().await?;
        let mut transaction = db.begin().await?;
        let subscribers = retention::withdrawn_proofs(&mut transaction, keys, times, now).await?;
        transaction.commit().await?;
        let mut transaction = db.begin().await?;
        let addresses = retention::former_addresses(&mut transaction, keys, times, now).await?;
        transaction.commit().await?;
        let mut transaction = db.begin().await?;
        let copies = if is_daily { retention::old_mailings(&mut transaction, times, now).await? } else { 0 };
        transaction.commit().await?;
        let mut transaction = db.begin().await?;
        let staff = retention::staff_leftovers(&mut transaction, now).await?;
        transaction.commit().await?;
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

/// Pictures that nothing uses: first the rows, then, when that cannot be taken back any more, the files.
async fn unused_images(db: &mut PgConnection, images: &Store) -> sqlx::Result<()> {
    loop {
        let mut transaction = db.begin().await?;
        let gone = image::forget_unused(&mut transaction, Utc::now()).await?;
        transaction.commit().await?;
        if gone.is_empty() {
            return Ok(());
        }
        for image in &gone {
            images.remove(image).await;
        }
        tracing::info!(images = gone.len(), "pictures removed that nothing had used for thirty days");
    }
}
