//! What the page of files shows.

use serde::Serialize;

use crate::{
    app::share_file,
    db::statement::StatementResult,
    domain::{
        ids::SharedFileId,
        shared_file::{SharedFile, TITLE_LENGTH},
        text_use::{Use, Uses},
    },
    web::staff::staff_page::{Mistakes, StaffPage},
};

/// Files on a page.
const PAGE: usize = 50;

/// The files that there are, and the form for another one.
#[derive(Serialize)]
pub struct FilesPage {
    pub(super) files: Vec<FileView>,
    /// The page that shows older ones.
    pub(super) older_url: Option<String>,
    pub(super) is_first: bool,
    /// What was looked for.
    pub(super) query: String,
    pub(super) errors: Mistakes,
}

impl FilesPage {
    pub async fn of(page: &StaffPage, errors: Mistakes) -> StatementResult<Self> {
        let before = page.query("before").and_then(|id| id.parse::<SharedFileId>().ok());
        let query: String = page.query("q").unwrap_or_default().trim().chars().take(TITLE_LENGTH).collect();
        let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
        let (mut files, uses) = share_file::page(&page.state.app.pool, before, &query, limit).await?;
        let has_more = files.len() > PAGE;
        files.truncate(PAGE);
        let older = files.last().filter(|_| has_more).map(|file| file.id);
        let older_url = older.map(|older| {
            let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
            format!("/staff/files?before={older}&q={query}")
        });
        let files = files.iter().map(|file| FileView::of(page, file, &uses)).collect();
        Ok(Self { files, older_url, is_first: before.is_none(), query, errors })
    }
}

/// A file as pages and scripts show it.
#[derive(Serialize)]
pub struct FileView {
    pub(super) id: SharedFileId,
    pub(super) title: String,
    /// What it is and how large, as readers are told.
    pub(super) label: String,
    pub(super) url: String,
    pub(super) created_at: String,
    /// It went out in a mail, and stays.
    pub(super) is_kept: bool,
    pub(super) uses: Vec<Use>,
    /// It may be removed.
    pub(super) can_go: bool,
}

impl FileView {
    pub fn of(page: &StaffPage, file: &SharedFile, uses: &Uses) -> Self {
        let uses = uses.get(&file.name).cloned().unwrap_or_default();
        Self {
            id: file.id,
            title: file.title.clone(),
            label: file.label(page.locale),
            url: file.url(&page.state.public_url),
            created_at: page.short_time(file.created_at),
            is_kept: file.kept_since.is_some(),
            can_go: uses.is_empty() && file.kept_since.is_none(),
            uses,
        }
    }
}
