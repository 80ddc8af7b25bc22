//! Images that staff upload: taking one in, describing it, removing it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use hyper::body::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::{sync::Semaphore, task::spawn_blocking};
use tracing::Span;
use url::Url;

use crate::{
    app::{
        Deed,
        images::{
            memory,
            process::{self, Processed, Refused},
            record::{self, RecordError, remove_orphans},
            store::{Store, StoreError},
        },
        public_web::{FetchError, PublicWeb},
    },
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::ImageId,
        image::{self, FOLDER, FileName, Image, NewImage, Removed},
        public_name::PublicName,
        staff::audit::Action,
        stored_object::{self, ObjectKey},
        text_use::{self, Uses},
    },
};

/// Room for one image to be processed at a time: each may take [`memory::MOST`].
pub struct Processing(Arc<Semaphore>);

impl Default for Processing {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// What was uploaded.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The file.
    pub file: Bytes,
    /// What it shows, cleaned; empty when that is said later.
    pub alt: String,
    /// Who made it, cleaned; may be empty.
    pub credit: String,
}

/// What servers see in their logs: who asks, and why.
const USER_AGENT: &str = concat!(
    "Rundbrief/",
    env!("CARGO_PKG_VERSION"),
    " (fetches a picture that was pasted into a newsletter)"
);

/// Why an image was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Only staff upload.
    #[error("only staff may upload images")]
    NotAllowed(#[from] NotPermitted),
    /// It is none that can be used; tell whoever uploaded it.
    #[error("the file was refused: {0:?}")]
    Refused(Refused),
    /// It is somewhere else, and could not be fetched from there. Saving it and uploading the file helps.
    #[error("the image could not be fetched: {0}")]
    NotFetched(#[from] FetchError),
    /// Too much is being worked on; try again.
    #[error("too much is being worked on just now; try again")]
    Busy,
    /// It cannot be stored. Tell the operator; uploading again may help.
    #[error("the image cannot be stored: {0}")]
    Store(#[from] StoreError),
    /// The system has no random numbers.
    #[error("the image cannot be named: {0}")]
    Random(#[from] getrandom::Error),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Why an image was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Only staff change it.
    #[error("only staff may change images")]
    NotAllowed(#[from] NotPermitted),
    /// There is no such image (any more).
    #[error("there is no such image")]
    Unknown,
    /// An update shows it, or it has gone out in a mailing; it stays.
    #[error("the image is in use")]
    InUse,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<RecordError> for UploadError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Store(error) => error.into(),
            RecordError::TooSlow => Self::Busy,
            RecordError::Database(error) => error.into(),
        }
    }
}

impl From<ImageError> for UploadError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::NotAllowed(refused) => refused.into(),
            ImageError::Database(error) => Self::Database(error),
            // It was removed while it was uploaded once more.
            ImageError::Unknown | ImageError::InUse => Self::Busy,
        }
    }
}

/// Processes an uploaded image, puts its files into the store, then its row into the database: what is found there has its
/// files. The same file once more is the image that there is; what is said about it now is added where nothing was said.
///
/// # Errors
/// [`UploadError`].
pub async fn upload(
    pool: &PgPool,
    (store, processing): (&Store, &Processing),
    by: &Actor,
    upload: Upload,
    now: DateTime<Utc>,
) -> Result<Image, UploadError> {
    by.require_staff()?;
    let Upload { file, alt, credit } = upload;
    let upload_sha256: [u8; 32] = Sha256::digest(&file).into();
    let known = image::use_again(&mut *pool.acquire().await?, upload_sha256, now).await?;
    if let Some(mut known) = known {
        let keep = |old: &str, new: String| if old.is_empty() { new } else { old.to_owned() };
        (known.alt, known.credit) = (keep(&known.alt, alt), keep(&known.credit, credit));
        describe(pool, by, known.id, (&known.alt, &known.credit), now).await?;
        return Ok(known);
    }
    let Processed { format, large, small } = processed(processing, file).await?;
    let name = PublicName::mint()?;
    let of_size = |is_small| FileName { name: name.clone(), is_small, format };
    let files = [of_size(false), of_size(true)];
    let bytes = large.bytes.len() + small.bytes.len();
    let (large_size, small_size) = (large.size, small.size);
    let files = files.iter().map(ObjectKey::from).zip([large.bytes, small.bytes].map(Bytes::from)).collect();
    let stored = record::put(pool, store, files, now).await?;
    let new =
        NewImage { name, format, large: large_size, small: small_size, bytes, alt, credit, upload_sha256 };
    let mut deed = Deed::begin(pool, by, now).await?;
    stored.adopt(&mut deed).await?;
    let image = image::add(&mut deed, by.member(), &new, now).await?;
    let details = json!({ "alt": new.alt, "width": new.large.0, "height": new.large.1 });
    deed.note(Action::ImageAdded, &image.name, &details, &Event::ImageAdded(image.id)).await?;
    deed.commit().await?;
    Ok(image)
}

/// Fetches a picture of a page from which somebody pastes, and takes it in as [`upload`] does. Only what the whole internet
/// can see is fetched.
///
/// # Errors
/// [`UploadError`].
pub async fn upload_from(
    pool: &PgPool,
    web: &PublicWeb,
    place: (&Store, &Processing),
    by: &Actor,
    (address, alt): (Url, String),
    now: DateTime<Utc>,
) -> Result<Image, UploadError> {
    by.require_staff()?;
    let file = web.fetch(address, memory::LONGEST_FILE, USER_AGENT).await?;
    upload(pool, place, by, Upload { file, alt, credit: String::new() }, now).await
}

/// What an uploaded file becomes. Waits for its turn.
async fn processed(processing: &Processing, file: Bytes) -> Result<Processed, UploadError> {
    let permit = Arc::clone(&processing.0).acquire_owned().await.map_err(|_| UploadError::Busy)?;
    let span = Span::current();
    let worked = spawn_blocking(move || {
        // Held to the end of the work, also when nobody waits for it any more.
        let _permit = permit;
        span.in_scope(|| process::process(&file))
    });
    match worked.await {
        Ok(processed) => processed.map_err(UploadError::Refused),
        // A decoder that panics has met a file that is made to do that.
        Err(error) => {
            tracing::error!(%error, "a picture could not be worked on");
            Err(UploadError::Refused(Refused::Damaged))
        }
    }
}

/// Says what an image shows and who made it. The same once more changes nothing.
///
/// # Errors
/// [`ImageError`].
pub async fn describe(
    pool: &PgPool,
    by: &Actor,
    id: ImageId,
    (alt, credit): (&str, &str),
    now: DateTime<Utc>,
) -> Result<(), ImageError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let image = image::by_id(&mut deed, id).await?.ok_or(ImageError::Unknown)?;
    if image::describe(&mut deed, id, alt, credit).await? {
        let event = Event::ImageDescribed(id);
        deed.note(Action::ImageDescribed, &image.name, &json!({ "alt": alt }), &event).await?;
    }
    deed.commit().await?;
    Ok(())
}

/// Removes an image that is not used and has never gone out, with its files. One that is gone was removed before, which is
/// what was wanted.
///
/// # Errors
/// [`ImageError`].
pub async fn remove(
    pool: &PgPool,
    store: &Store,
    by: &Actor,
    id: ImageId,
    now: DateTime<Utc>,
) -> Result<(), ImageError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let image = match image::remove(&mut deed, id).await? {
        Removed::Gone(image) => image,
        Removed::InUse => return Err(ImageError::InUse),
        Removed::Unknown => return Ok(()),
    };
    let (details, event) = (json!({ "alt": image.alt }), Event::ImageRemoved(id));
    deed.note(Action::ImageRemoved, &image.name, &details, &event).await?;
    let keys = stored_object::of_image(&image);
    stored_object::orphan(&mut deed, &keys, now).await?;
    deed.commit().await?;
    Ok(remove_orphans(pool, store, &keys).await?)
}

/// Images, newest first, those older than `before` of which `said` is said; and where images are used.
pub async fn page(
    pool: &PgPool,
    before: Option<ImageId>,
    said: &str,
    limit: i64,
) -> sqlx::Result<(Vec<Image>, Uses)> {
    let mut db = pool.acquire().await?;
    let images = image::page(&mut db, before, said, limit).await?;
    Ok((images, text_use::of(&mut db, FOLDER).await?))
}

/// One image, and where images are used.
pub async fn find(pool: &PgPool, id: ImageId) -> sqlx::Result<Option<(Image, Uses)>> {
    let mut db = pool.acquire().await?;
    let Some(image) = image::by_id(&mut db, id).await? else { return Ok(None) };
    Ok(Some((image, text_use::of(&mut db, FOLDER).await?)))
}
