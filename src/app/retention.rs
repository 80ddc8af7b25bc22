//! Retention: deleting what is kept only for a time; see [`crate::domain::retention`] for what, and how long.
//!
//! The service does it by itself. Who is erased is told by the event that belongs to the record of the erasure, as at every
//! erasure; an image or a file that is removed is told too. The rest is past its time for everybody, and tells nothing.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection, PgConnection, PgPool};

use crate::{
    app::{
        Deed,
        images::{record::remove_orphans, store::Store},
    },
    config::SecretKeys,
    domain::{
        actor::Actor, bounce, consent, event::Event, image, publication, retention, shared_file, signup,
        stored_object,
    },
};

const SERVICE: &Actor = &Actor::Service;

/// How much of it is done: some things take reading whole tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What goes every hour.
    Hourly,
    /// That, and what goes once a day.
    Daily,
}

/// Deletes everything whose time is over, piece by piece, each in a transaction of its own, so that its locks are released at
/// once. IP addresses of the record of consent are kept for `keep_ip_days`. Several processes may do it at once: each finds
/// what the others have left.
///
/// # Errors
/// When the database fails; what was deleted stays deleted.
pub async fn delete_expired(
    pool: &PgPool,
    keys: &SecretKeys,
    keep_ip_days: u16,
    extent: Extent,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let mut db = pool.acquire().await?;
    let ips = consent::forget_client_ips(&mut db, now - TimeDelta::days(keep_ip_days.into())).await?;
    if ips > 0 {
        tracing::info!(ips, "IP addresses deleted by retention");
    }
    signup::limits::forget_places(&mut db, now).await?;
    signup::challenge::forget_spent(&mut db, now).await?;
    let publication = publication::current(&mut db).await?;
    let times = publication.map(|publication| publication.content.retention).unwrap_or_default();
    loop {
        let signups = apart(&mut db, async |db| retention::expired_signups(db, now).await).await?;
        let subscribers =
            apart(&mut db, async |db| retention::withdrawn_proofs(db, keys, times, now).await).await?;
        let addresses =
            apart(&mut db, async |db| retention::former_addresses(db, keys, times, now).await).await?;
        let copies = match extent {
            Extent::Daily => apart(&mut db, async |db| retention::old_mailings(db, times, now).await).await?,
            Extent::Hourly => 0,
        };
        let bounces = apart(&mut db, async |db| bounce::forget_old(db, now).await).await?;
        let staff = apart(&mut db, async |db| retention::staff_leftovers(db, now).await).await?;
        if signups + subscribers + addresses + copies + bounces + staff == 0 {
            break;
        }
        tracing::info!(signups, subscribers, addresses, copies, bounces, staff, "deleted by retention");
    }
    if extent == Extent::Daily {
        retention::old_mails(&mut db, times, now).await?;
    }
    Ok(())
}

/// Does one piece of work in a transaction of its own.
async fn apart(
    db: &mut PgConnection,
    work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<u64>,
) -> sqlx::Result<u64> {
    let mut transaction = db.begin().await?;
    let done = work(&mut transaction).await?;
    transaction.commit().await?;
    Ok(done)
}

/// Removes images that were unused for thirty days, up to a hundred: first the rows, then, after the commit, the files.
/// Answers how many.
pub async fn remove_unused_images(pool: &PgPool, images: &Store, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let gone = image::forget_unused(&mut deed, now).await?;
    let ids: Vec<_> = gone.iter().map(|image| image.id).collect();
    deed.tell_each(&ids, Event::ImageRemoved).await?;
    let keys: Vec<_> = gone.iter().flat_map(stored_object::of_image).collect();
    stored_object::orphan(&mut deed, &keys, now).await?;
    deed.commit().await?;
    remove_orphans(pool, images, &keys).await?;
    Ok(gone.len())
}

/// The same of shared files.
pub async fn remove_unused_files(pool: &PgPool, store: &Store, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let gone = shared_file::forget_unused(&mut deed, now).await?;
    let ids: Vec<_> = gone.iter().map(|file| file.id).collect();
    deed.tell_each(&ids, Event::SharedFileRemoved).await?;
    let keys: Vec<_> = gone.iter().filter_map(stored_object::of_shared_file).collect();
    stored_object::orphan(&mut deed, &keys, now).await?;
    deed.commit().await?;
    remove_orphans(pool, store, &keys).await?;
    Ok(gone.len())
}
