//! What is known of the pictures and files of ours that a text shows.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::{
    config::PublicUrl,
    domain::{
        image,
        shared_file::{self, SharedFile},
    },
};

/// By their addresses; nothing of what is not ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosted {
    sizes: HashMap<String, (u32, u32)>,
    files: HashMap<String, SharedFile>,
}

impl Hosted {
    /// Width and height of the picture that an address leads to, in pixels.
    #[must_use]
    pub fn size(&self, url: &str) -> Option<(u32, u32)> {
        self.sizes.get(path_alone(url)).copied()
    }

    /// The shared file that an address leads to.
    #[must_use]
    pub fn file(&self, url: &str) -> Option<&SharedFile> {
        self.files.get(path_alone(url))
    }

    /// With another picture.
    #[must_use]
    pub fn with_size(mut self, url: &str, size: (u32, u32)) -> Self {
        self.sizes.insert(url.to_owned(), size);
        self
    }

    /// With another file.
    #[must_use]
    pub fn with_file(mut self, url: &str, file: SharedFile) -> Self {
        self.files.insert(url.to_owned(), file);
        self
    }
}

/// An address without what the service is not asked for: a page of a PDF, say.
fn path_alone(url: &str) -> &str {
    url.split(['#', '?']).next().unwrap_or_default()
}

/// What is known of the pictures and files whose addresses stand in these texts.
pub async fn in_texts(db: &mut PgConnection, public_url: &PublicUrl, texts: &[&str]) -> sqlx::Result<Hosted> {
    let pictures = names_behind(image::FOLDER, texts, image::FileName::parse);
    let files = names_behind(shared_file::FOLDER, texts, shared_file::FileName::parse);
    let mut hosted = Hosted::default();
    for (file, size) in image::sizes(&mut *db, &pictures).await? {
        hosted.sizes.insert(public_url.join(&format!("/images/{file}")), size);
    }
    for file in shared_file::among(db, &files).await? {
        hosted.files.insert(file.url(public_url), file);
    }
    Ok(hosted)
}

/// The names that stand in texts behind a folder of ours, whatever host stands before it: nobody else has such names.
fn names_behind<T>(folder: &str, texts: &[&str], parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let behind = texts.iter().flat_map(|text| text.split(folder).skip(1));
    let names = behind.map(|rest| &rest[..rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len())]);
    // The full stop of a sentence may stand behind it.
    names.filter_map(|name| parse(name.trim_end_matches('.'))).collect()
}
