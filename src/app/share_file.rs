//! Files that readers download: sharing one, removing it.

mod recognise;

use chrono::{DateTime, Utc};
use hyper::body::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::{
    app::{
        Deed,
        images::store::{Store, StoreError, Streamed},
        off_runtime::{Busy, off_runtime},
    },
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::SharedFileId,
        public_name::PublicName,
        shared_file::{self, FOLDER, FileName, NewFile, Removed, SharedFile},
        staff::audit::Action,
        text_use::{self, Uses},
    },
};

pub use self::recognise::Refused;

/// Bytes of a file, at most.
pub const LONGEST_FILE: usize = 20 * 1024 * 1024;
/// Files that are received at the same time: each is held in memory.
pub const RECEIVED: usize = 2;

/// Why a file is not shared.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// Only staff share files.
    #[error("only staff may share files")]
    NotAllowed(#[from] NotPermitted),
    /// It is none that is shared; tell whoever uploaded it.
    #[error("the file was refused: {0:?}")]
    Refused(Refused),
    /// It has no name by which readers would know it.
    #[error("the file has no name")]
    NoName,
    /// Too much is being worked on; try again.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It cannot be stored. The reason is logged for the operator.
    #[error("the file cannot be stored: {0}")]
    Store(#[source] StoreError),
    /// The system has no random numbers.
    #[error("the file cannot be named: {0}")]
    Random(#[from] getrandom::Error),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Why a file was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Only staff remove files.
    #[error("only staff may remove files")]
    NotAllowed(#[from] NotPermitted),
    /// An update points at it, or it has gone out in a mailing; it stays.
    #[error("the file is in use")]
    InUse,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Puts an uploaded file into the store, then its row into the database: what is found there has its bytes. The same bytes
/// under the same title are the file that there is.
///
/// # Errors
/// [`ShareError`].
pub async fn share(
    pool: &PgPool,
    store: &Store,
    by: &Actor,
    (uploaded_name, file): (&str, Bytes),
    now: DateTime<Utc>,
) -> Result<SharedFile, ShareError> {
    by.require_staff()?;
    let title = shared_file::title_of(uploaded_name).ok_or(ShareError::NoName)?;
    let (work, bytes) = (file.clone(), file.len());
    let (format, upload_sha256) = off_runtime(move || {
        recognise::recognise(&work).map(|format| (format, <[u8; 32]>::from(Sha256::digest(&work))))
    })
    .await?
    .map_err(ShareError::Refused)?;
    let known = shared_file::use_again(&mut *pool.acquire().await?, upload_sha256, &title, now).await?;
    if let Some(known) = known {
        // Its bytes may have been taken out of the store, or lost with it.
        if let Some(name) = known.file_name() {
            put(store, &name, file).await?;
        }
        return Ok(known);
    }
    let name = FileName { name: PublicName::mint()?, format };
    if let Err(error) = put(store, &name, file).await {
        store.remove_files([&name]).await;
        return Err(error);
    }
    let new = NewFile { file: name.clone(), title, bytes, upload_sha256 };
    let recorded = async {
        let mut deed = Deed::begin(pool, by, now).await?;
        let shared = shared_file::add(&mut deed, by.member(), &new, now).await?;
        let details = json!({ "title": shared.title });
        deed.note(Action::FileShared, &shared.name, &details, &Event::FileShared(shared.id)).await?;
        deed.commit().await?;
        Ok::<_, sqlx::Error>(shared)
    };
    match recorded.await {
        Ok(shared) => Ok(shared),
        Err(error) => {
            store.remove_files([&name]).await;
            Err(error.into())
        }
    }
}

async fn put(store: &Store, name: &FileName, file: Bytes) -> Result<(), ShareError> {
    store.put(name, file).await.map_err(|error| {
        tracing::error!(%error, store = %store.place(), "a file cannot be stored; IMAGE_STORE says where");
        ShareError::Store(error)
    })
}

/// Removes a file that is not used and has never gone out, with its bytes. One that is gone was removed before, which is what
/// was wanted.
///
/// # Errors
/// [`RemoveError`].
pub async fn remove(
    pool: &PgPool,
    store: &Store,
    by: &Actor,
    id: SharedFileId,
    now: DateTime<Utc>,
) -> Result<(), RemoveError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let file = match shared_file::remove(&mut deed, id).await? {
        Removed::Gone(file) => file,
        Removed::InUse => return Err(RemoveError::InUse),
        Removed::Unknown => return Ok(()),
    };
    let (details, event) = (json!({ "title": file.title }), Event::SharedFileRemoved(id));
    deed.note(Action::SharedFileRemoved, &file.name, &details, &event).await?;
    deed.commit().await?;
    store.remove_files(file.file_name().as_ref()).await;
    Ok(())
}

/// Files, newest first, those older than `before` whose title holds the words; and where files are used.
pub async fn page(
    pool: &PgPool,
    before: Option<SharedFileId>,
    words: &str,
    limit: i64,
) -> sqlx::Result<(Vec<SharedFile>, Uses)> {
    let mut db = pool.acquire().await?;
    let files = shared_file::page(&mut db, before, words, limit).await?;
    Ok((files, text_use::of(&mut db, FOLDER).await?))
}

/// Why a file is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store cannot be read. Tell the operator.
    #[error("a file cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A file and its bytes, for whoever has its address; nothing when there is none.
///
/// # Errors
/// [`FetchError`].
pub async fn fetch(
    pool: &PgPool,
    store: &Store,
    name: &FileName,
) -> Result<Option<(SharedFile, Streamed)>, FetchError> {
    let found = shared_file::among(&mut *pool.acquire().await?, std::slice::from_ref(name)).await?;
    let Some(file) = found.into_iter().next() else { return Ok(None) };
    Ok(store.stream(name).await?.map(|streamed| (file, streamed)))
}
