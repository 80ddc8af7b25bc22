//! The store of pictures and shared files: a folder or a bucket, behind the same few functions.

use std::{
    fs,
    path::Path as FilePath,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use futures_core::Stream;
use hyper::body::Bytes;
use object_store::{
    GetResult, ObjectStore, ObjectStoreExt as _, PutPayload, local::LocalFileSystem, path::Path,
};

use crate::{
    config::ImageStore,
    domain::{
        image::{self, Image},
        shared_file,
    },
};

use super::s3;

/// What lies in the store.
#[derive(Debug, Clone)]
pub enum Object {
    /// One of a picture's two files.
    Picture(image::FileName),
    /// What readers download; beside the pictures, in a folder of its own.
    Shared(shared_file::FileName),
}

impl Object {
    fn path(&self, prefix: &Path) -> Path {
        match self {
            Self::Picture(file) => prefix.clone().join(file.to_string()),
            Self::Shared(file) => prefix.clone().join("files").join(file.to_string()),
        }
    }
}

impl From<&image::FileName> for Object {
    fn from(file: &image::FileName) -> Self {
        Self::Picture(file.clone())
    }
}

impl From<&shared_file::FileName> for Object {
    fn from(file: &shared_file::FileName) -> Self {
        Self::Shared(file.clone())
    }
}

/// Where the files of pictures lie, and what readers download. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    place: ImageStore,
    /// What the names of objects begin with.
    prefix: Path,
    opened: Arc<OnceLock<Arc<dyn ObjectStore>>>,
}

/// A file as it comes.
pub struct Streamed {
    /// How long it is.
    pub bytes: u64,
    /// Its pieces, in order.
    pub pieces: Pin<Box<dyn Stream<Item = object_store::Result<Bytes>> + Send>>,
}

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
    pub async fn put(&self, file: impl Into<Object>, bytes: impl Into<PutPayload>) -> Result<(), StoreError> {
        self.open()?.put(&file.into().path(&self.prefix), bytes.into()).await?;
        Ok(())
    }

    /// A file; nothing when there is none of that name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, file: impl Into<Object>) -> Result<Option<Bytes>, StoreError> {
        match self.found(file.into()).await? {
            Some(found) => Ok(Some(found.bytes().await?)),
            None => Ok(None),
        }
    }

    /// A file that may be long, as it comes: never more of it in memory than a piece.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn stream(&self, file: impl Into<Object>) -> Result<Option<Streamed>, StoreError> {
        let found = self.found(file.into()).await?;
        Ok(found.map(|found| Streamed { bytes: found.meta.size, pieces: found.into_stream() }))
    }

    async fn found(&self, file: Object) -> Result<Option<GetResult>, StoreError> {
        match self.open()?.get(&file.path(&self.prefix)).await {
            Ok(found) => Ok(Some(found)),
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
    pub async fn remove_files<'a, T>(&self, files: impl IntoIterator<Item = &'a T>)
    where
        T: 'a,
        Object: From<&'a T>,
    {
        for file in files {
            let path = Object::from(file).path(&self.prefix);
            let removed = async { Ok::<_, StoreError>(self.open()?.delete(&path).await?) };
            match removed.await {
                Ok(()) | Err(StoreError::Store(object_store::Error::NotFound { .. })) => {}
                Err(error) => tracing::warn!(%error, %path, "a file cannot be removed from the store"),
            }
        }
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
