//! Files that readers download: what they are, where they are used, and which may go. Their bytes lie in the store of the
//! pictures.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    config::PublicUrl,
    domain::{
        ids::{SharedFileId, StaffId},
        locale::Locale,
        public_name::PublicName,
        text_use,
    },
};

/// What the paths of files begin with.
pub const FOLDER: &str = "/files/";

/// How long a file stays that nothing uses and that never went out.
pub const UNUSED_FOR: Duration = Duration::days(30);

/// Most characters of a title.
pub const TITLE_LENGTH: usize = 200;

/// What a file is, as was found in it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Format {
    /// ISO 32000.
    Pdf,
    /// A text of Word (ISO/IEC 29500).
    Docx,
    /// A table of Excel (ISO/IEC 29500).
    Xlsx,
    /// Slides of PowerPoint (ISO/IEC 29500).
    Pptx,
    /// A text of LibreOffice (ISO/IEC 26300).
    Odt,
    /// A table of LibreOffice (ISO/IEC 26300).
    Ods,
    /// Slides of LibreOffice (ISO/IEC 26300).
    Odp,
}

impl Format {
    /// The ending of its files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.into()
    }

    /// What readers call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Docx => "Word",
            Self::Xlsx => "Excel",
            Self::Pptx => "PowerPoint",
            Self::Odt | Self::Ods | Self::Odp => "OpenDocument",
        }
    }

    /// Its media type (RFC 2045), as registered with IANA.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Self::Odt => "application/vnd.oasis.opendocument.text",
            Self::Ods => "application/vnd.oasis.opendocument.spreadsheet",
            Self::Odp => "application/vnd.oasis.opendocument.presentation",
        }
    }
}

/// The name of a file in addresses and in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    pub name: PublicName,
    pub format: Format,
}

impl FileName {
    /// The file of this name; nothing when there can be no such file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (stem, extension) = text.split_once('.')?;
        Some(Self { name: PublicName::parse(stem)?, format: extension.parse().ok()? })
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.name.as_str(), self.format.extension())
    }
}

/// A file about to be recorded.
#[derive(Debug, Clone)]
pub struct NewFile {
    pub file: FileName,
    /// What it is called where it is saved, without the ending.
    pub title: String,
    pub bytes: usize,
    /// SHA-256 of what was uploaded.
    pub upload_sha256: [u8; 32],
}

/// A file that readers download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedFile {
    pub id: SharedFileId,
    pub name: String,
    pub format: Format,
    /// What it is called where it is saved, without the ending.
    pub title: String,
    pub bytes: i64,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// When it first went out; from then on it stays.
    pub kept_since: Option<DateTime<Utc>>,
}

impl SharedFile {
    /// Its path on this service.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/files/{}.{}", self.name, self.format.extension())
    }

    /// Its address, for a text.
    #[must_use]
    pub fn url(&self, public_url: &PublicUrl) -> String {
        public_url.join(&self.path())
    }

    /// What it is and how large, as readers are told before they press: `PDF, 1,2 MB`.
    #[must_use]
    pub fn label(&self, locale: Locale) -> String {
        format!("{}, {}", self.format.label(), locale.bytes(self.bytes))
    }

    /// Its name in the store.
    #[must_use]
    pub fn file_name(&self) -> Option<FileName> {
        Some(FileName { name: PublicName::parse(&self.name)?, format: self.format })
    }
}

/// The file of ours that an address leads to.
#[must_use]
pub fn file_in(url: &str, public_url: &PublicUrl) -> Option<FileName> {
    FileName::parse(url.strip_prefix(public_url.as_str())?.strip_prefix(FOLDER)?)
}

/// The title in the name of an uploaded file: without folders, its ending and control characters; nothing when none is left.
/// What is too long is cut.
#[must_use]
pub fn title_of(uploaded: &str) -> Option<String> {
    let name = uploaded.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 5 && !stem.trim().is_empty() => stem,
        _ => name,
    };
    // Signs that change the direction of writing could show another ending than the file has.
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let line: String = name.chars().map(|c| if is_odd(c) { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().take(TITLE_LENGTH).collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Records a file whose bytes lie in the store.
pub async fn add(
    db: &mut PgConnection,
    by: Option<StaffId>,
    new: &NewFile,
    now: DateTime<Utc>,
) -> sqlx::Result<SharedFile> {
    sqlx::query_as!(
        SharedFile,
        r#"insert into shared_files (id, name, extension, title, bytes, upload_sha256, uploaded_by, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
           returning id as "id: SharedFileId", name, extension as "format: Format", title, bytes, created_at, kept_since"#,
        SharedFileId::new().0,
        new.file.name.as_str(),
        new.file.format.extension(),
        new.title,
        i64::try_from(new.bytes).unwrap_or(i64::MAX),
        new.upload_sha256.as_slice(),
        by.map(|id| id.0),
        now
    )
    .fetch_one(db)
    .await
}

/// The file with this id.
pub async fn by_id(db: &mut PgConnection, id: SharedFileId) -> sqlx::Result<Option<SharedFile>> {
    sqlx::query_as!(
        SharedFile,
        r#"select id as "id: SharedFileId", name, extension as "format: Format", title, bytes, created_at, kept_since
           from shared_files where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// Those of these files that there are.
pub async fn among(db: &mut PgConnection, files: &[FileName]) -> sqlx::Result<Vec<SharedFile>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = files.iter().map(|file| file.name.as_str().to_owned()).collect();
    let mut found = sqlx::query_as!(
        SharedFile,
        r#"select id as "id: SharedFileId", name, extension as "format: Format", title, bytes, created_at, kept_since
           from shared_files where name = any($1)"#,
        &names
    )
    .fetch_all(db)
    .await?;
    found.retain(|file| file.file_name().is_some_and(|name| files.contains(&name)));
    Ok(found)
}

/// The newest file that was uploaded before with these bytes and this title; used from now on, so that it does not go before
/// somebody has put it into a text.
pub async fn use_again(
    db: &mut PgConnection,
    upload_sha256: [u8; 32],
    title: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<SharedFile>> {
    sqlx::query_as!(
        SharedFile,
        r#"update shared_files set last_used_at = $3
           where id = (select id from shared_files where upload_sha256 = $1 and title = $2 order by id desc limit 1)
           returning id as "id: SharedFileId", name, extension as "format: Format", title, bytes, created_at, kept_since"#,
        upload_sha256.as_slice(),
        title,
        now
    )
    .fetch_optional(db)
    .await
}

/// Files, newest first; those older than `before` whose title holds the words.
pub async fn page(
    db: &mut PgConnection,
    before: Option<SharedFileId>,
    words: &str,
    limit: i64,
) -> sqlx::Result<Vec<SharedFile>> {
    sqlx::query_as!(
        SharedFile,
        r#"select id as "id: SharedFileId", name, extension as "format: Format", title, bytes, created_at, kept_since
           from shared_files
           where ($1::uuid is null or id < $1) and position(lower($3) in lower(title)) > 0
           order by id desc limit $2"#,
        before.map(|id| id.0),
        limit,
        words
    )
    .fetch_all(db)
    .await
}

/// What came of the wish to remove a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// Its row is gone; its bytes are to follow.
    Gone(Box<SharedFile>),
    /// It is in use or has gone out, and stays.
    InUse,
    /// There is no such file.
    Unknown,
}

/// Removes a file that is not used and has never gone out.
pub async fn remove(db: &mut PgConnection, id: SharedFileId) -> sqlx::Result<Removed> {
    // Kept from changing, so that a mailing that is just being triggered with it marks it first, or finds it gone.
    sqlx::query!("select id from shared_files where id = $1 for update", id.0)
        .fetch_optional(&mut *db)
        .await?;
    let Some(file) = by_id(&mut *db, id).await? else { return Ok(Removed::Unknown) };
    if file.kept_since.is_some() || text_use::of(&mut *db, FOLDER).await?.contains_key(&file.name) {
        return Ok(Removed::InUse);
    }
    sqlx::query!("delete from shared_files where id = $1", id.0).execute(db).await?;
    Ok(Removed::Gone(Box::new(file)))
}

/// Forgets up to a hundred files that nothing has used for [`UNUSED_FOR`] and that never went out; answers them, so that
/// their bytes can follow.
pub async fn forget_unused(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<SharedFile>> {
    let used: Vec<String> = text_use::of(&mut *db, FOLDER).await?.into_keys().collect();
    sqlx::query!(
        "update shared_files set last_used_at = $2 where name = any($1) and kept_since is null",
        &used,
        now
    )
    .execute(&mut *db)
    .await?;
    sqlx::query_as!(
        SharedFile,
        r#"delete from shared_files where id in (
             select id from shared_files
             where kept_since is null and greatest(created_at, last_used_at) < $1
             order by id limit 100 for update skip locked)
           returning id as "id: SharedFileId", name, extension as "format: Format", title, bytes, created_at, kept_since"#,
        now - UNUSED_FOR
    )
    .fetch_all(db)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_what_it_was_called_without_its_folder_and_its_ending() {
        let title = |name: &str| title_of(name);
        assert_eq!(title("Programm Frühjahr.pdf").as_deref(), Some("Programm Frühjahr"));
        assert_eq!(title("C:\\Users\\Ada\\Plan.v2.docx").as_deref(), Some("Plan.v2"));
        assert_eq!(title("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(title("1. Entwurf vom Februar").as_deref(), Some("1. Entwurf vom Februar"));
        assert_eq!(title(".pdf").as_deref(), Some(".pdf"));
        assert_eq!(title("\u{202e}fdp.exe.pdf").as_deref(), Some("fdp.exe"));
        assert_eq!(title(&"x".repeat(300)).unwrap().len(), 200);
        assert_eq!(title(" \n "), None);
    }

    #[test]
    fn a_name_is_a_random_one_and_an_ending_that_there_is() {
        let stem = "a".repeat(26);
        for name in [format!("{stem}.pdf"), format!("{stem}.odt")] {
            assert_eq!(FileName::parse(&name).unwrap().to_string(), name);
        }
        for wrong in
            [stem.clone(), format!("{stem}.exe"), format!("{stem}.pdf.exe"), format!("../{stem}.pdf")]
        {
            assert_eq!(FileName::parse(&wrong), None, "{wrong}");
        }
    }
}
