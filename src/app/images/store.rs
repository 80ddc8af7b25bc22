//! The store of pictures: a folder or a bucket, behind the same few functions.

use std::{
    fs,
    path::Path as FilePath,
    sync::{Arc, OnceLock},
};

use hyper::body::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, local::LocalFileSystem, path::Path};

use crate::{
    config::ImageStore,
    domain::image::{FileName, Image},
};

use super::s3;

/// Where the files of pictures lie. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    place: ImageStore,
    /// What the names of objects begin with.
    prefix: Path,
    opened: Arc<OnceLock<Arc<dyn ObjectStore>>>,
}

/// A picture cannot be stored or read. Tell the operator; uploading again may help.
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

    fn path_of(&self, file: &str) -> Path {
        self.prefix.clone().join(file)
    }

    /// Puts a file there.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn put(&self, file: &FileName, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.open()?.put(&self.path_of(&file.to_string()), PutPayload::from(bytes)).await?;
        Ok(())
    }

    /// A file; nothing when there is none of that name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, file: &FileName) -> Result<Option<Bytes>, StoreError> {
        match self.open()?.get(&self.path_of(&file.to_string())).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the files of a picture whose row is gone. One that cannot be removed is logged: nobody finds its name,
    /// and it does no more harm than to take up room.
    pub async fn remove(&self, image: &Image) {
        self.remove_files(&image.files()).await;
    }

    /// The same, for files without a row.
    pub async fn remove_files(&self, files: &[FileName]) {
        for file in files {
            let removed =
                async { Ok::<_, StoreError>(self.open()?.delete(&self.path_of(&file.to_string())).await?) };
            match removed.await {
                Ok(()) | Err(StoreError::Store(object_store::Error::NotFound { .. })) => {}
                Err(error) => tracing::warn!(%error, %file, "a picture's file cannot be removed"),
            }
        }
    }

    /// Writes, reads and removes a file, so that a store that does not work is known before somebody uploads.
    ///
    /// # Errors
    /// What does not work.
    pub async fn check(&self) -> Result<(), StoreError> {
        let store = self.open()?;
        let path = self.path_of(&format!("check-{:016x}", getrandom::u64().unwrap_or_default()));
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
