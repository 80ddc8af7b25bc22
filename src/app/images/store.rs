//! The store of pictures and shared files: a folder or a bucket, behind the same few functions.

use std::{
    fs,
    ops::Range,
    path::Path as FilePath,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use futures_core::Stream;
use hyper::body::Bytes;
use object_store::{
    GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt as _, PutPayload, local::LocalFileSystem,
    path::Path,
};

use crate::{config::ImageStore, domain::stored_object::ObjectKey};

use super::s3;

/// Where the files of pictures lie, and what readers download. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    place: ImageStore,
    /// What the names of objects begin with.
    prefix: Path,
    opened: Arc<OnceLock<Arc<dyn ObjectStore>>>,
}

/// The pieces of a file as they come, in order.
pub type Pieces = Pin<Box<dyn Stream<Item = object_store::Result<Bytes>> + Send>>;

/// A file cannot be stored or read. Tell the operator; uploading again may help.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made.
    #[error("the folder cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    /// The store refuses or is away.
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

impl Store {
    /// The store of this configuration. Opened when it is first used: one that is away keeps nothing else from working.
    #[must_use]
    pub fn new(place: &ImageStore) -> Self {
        let prefix = match place {
            ImageStore::Folder(_) => Path::default(),
            ImageStore::S3(s3) => Path::from(s3.prefix.as_str()),
        };
        Self { place: place.clone(), prefix, opened: Arc::default() }
    }

    fn open(&self) -> Result<&Arc<dyn ObjectStore>, StoreError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened: Arc<dyn ObjectStore> = match &self.place {
            ImageStore::Folder(path) => Arc::new(folder(path)?),
            ImageStore::S3(s3) => Arc::new(s3::bucket(s3)?),
        };
        Ok(self.opened.get_or_init(|| opened))
    }

    /// Puts a file there.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn put(&self, key: &ObjectKey, bytes: impl Into<PutPayload>) -> Result<(), StoreError> {
        self.open()?.put(&self.path(key), bytes.into()).await?;
        Ok(())
    }

    /// A file; nothing when there is none of that name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        match self.found(key, GetOptions::default()).await? {
            Some(found) => Ok(Some(found.bytes().await?)),
            None => Ok(None),
        }
    }

    /// These bytes of a file that may be long, as they come: never more of it in memory than a piece.
    ///
    /// # Errors
    /// When the store cannot be read. One that holds fewer bytes gives those.
    pub async fn stream(&self, key: &ObjectKey, part: Range<u64>) -> Result<Option<Pieces>, StoreError> {
        let options = GetOptions { range: Some(GetRange::Bounded(part)), ..GetOptions::default() };
        Ok(self.found(key, options).await?.map(GetResult::into_stream).map(|pieces| pieces as Pieces))
    }

    async fn found(&self, key: &ObjectKey, options: GetOptions) -> Result<Option<GetResult>, StoreError> {
        match self.open()?.get_opts(&self.path(key), options).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes files, and answers those that do not lie there any more. One that cannot be removed is logged.
    pub async fn remove(&self, keys: &[ObjectKey]) -> Vec<ObjectKey> {
        let mut gone = Vec::new();
        for key in keys {
            let removed = async { Ok::<_, StoreError>(self.open()?.delete(&self.path(key)).await?) };
            match removed.await {
                Ok(()) | Err(StoreError::Store(object_store::Error::NotFound { .. })) => {
                    gone.push(key.clone());
                }
                Err(error) => tracing::warn!(%error, %key, "a file cannot be removed from the store"),
            }
        }
        gone
    }

    fn path(&self, key: &ObjectKey) -> Path {
        key.as_str().split('/').fold(self.prefix.clone(), Path::join)
    }

    /// Writes, reads and removes a file, so that a store that does not work is known before somebody uploads.
    ///
    /// # Errors
    /// What does not work.
    pub async fn check(&self) -> Result<(), StoreError> {
        let store = self.open()?;
        let name = format!("check-{:016x}", getrandom::u64().unwrap_or_default());
        let path = self.prefix.clone().join(name);
        store.put(&path, PutPayload::from_static(b"rundbrief")).await?;
        store.get(&path).await?.bytes().await?;
        Ok(store.delete(&path).await?)
    }

    /// What messages call it.
    #[must_use]
    pub fn place(&self) -> &ImageStore {
        &self.place
    }
}

fn folder(path: &FilePath) -> Result<LocalFileSystem, StoreError> {
    fs::create_dir_all(path)?;
    // Written under another name first and then renamed, so that nobody is given half a picture.
    Ok(LocalFileSystem::new_with_prefix(path)?.with_fsync(true))
}
