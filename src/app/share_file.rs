//! Files that readers download: sharing one, removing it.

mod recognise;

use std::ops::Range;

use chrono::{DateTime, Utc};
use hyper::body::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::{
    app::{
        Deed,
        images::{
            record::{self, RecordError, remove_orphans},
            store::{Pieces, Store, StoreError},
        },
        off_runtime::{Busy, off_runtime},
    },
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::SharedFileId,
        public_name::PublicName,
        shared_file::{self, FOLDER, FileName, NewFile, Removed, SharedFile},
        staff::audit::Action,
        stored_object::{self, ObjectKey},
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
    /// It cannot be stored. Tell the operator; uploading again may help.
    #[error("the file cannot be stored: {0}")]
    Store(#[from] StoreError),
    /// The system has no random numbers.
    #[error("the file cannot be named: {0}")]
    Random(#[from] getrandom::Error),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<RecordError> for ShareError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Store(error) => error.into(),
            RecordError::TooSlow => Busy::TooMuch.into(),
            RecordError::Database(error) => error.into(),
        }
    }
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
        if let Some(key) = stored_object::of_shared_file(&known) {
            store.put(&key, file).await?;
        }
        return Ok(known);
    }
    let name = FileName { name: PublicName::mint()?, format };
    let key = ObjectKey::from(&name);
    let new = NewFile { file: name, title, bytes, upload_sha256 };
    let stored = record::put(pool, store, vec![(key, file)], now).await?;
    let mut deed = Deed::begin(pool, by, now).await?;
    stored.adopt(&mut deed).await?;
    let shared = shared_file::add(&mut deed, by.member(), &new, now).await?;
    let details = json!({ "title": shared.title });
    deed.note(Action::FileShared, &shared.name, &details, &Event::FileShared(shared.id)).await?;
    deed.commit().await?;
    Ok(shared)
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
    let keys: Vec<_> = stored_object::of_shared_file(&file).into_iter().collect();
    stored_object::orphan(&mut deed, &keys, now).await?;
    deed.commit().await?;
    Ok(remove_orphans(pool, store, &keys).await?)
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

/// What is known of a file, for whoever has its address; nothing when there is none.
pub async fn find(pool: &PgPool, name: &FileName) -> sqlx::Result<Option<SharedFile>> {
    let found = shared_file::among(&mut *pool.acquire().await?, std::slice::from_ref(name)).await?;
    Ok(found.into_iter().next())
}

/// These bytes of a file, as they come; nothing when they do not lie there, although there is such a file.
///
/// # Errors
/// When the store cannot be read. One that holds fewer bytes gives those.
pub async fn read(store: &Store, name: &FileName, part: Range<u64>) -> Result<Option<Pieces>, StoreError> {
    store.stream(&ObjectKey::from(name), part).await
}
