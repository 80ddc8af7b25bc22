//! Pictures that staff upload: what they are, where they are used, and which may go. Their bytes lie in the store.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    config::PublicUrl,
    domain::{
        ids::{ImageId, StaffId},
        public_name::PublicName,
        text_use,
    },
};

/// What the paths of pictures begin with.
pub const FOLDER: &str = "/images/";

/// How long a picture stays that nothing uses and that never went out.
pub const UNUSED_FOR: Duration = Duration::days(30);

/// Most characters of an alternative text.
pub const ALT_LENGTH: usize = 500;
/// Most characters of a credit.
pub const CREDIT_LENGTH: usize = 200;

/// What a picture was made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A photograph.
    Jpeg,
    /// A picture with transparency or few colours.
    Png,
}

impl Format {
    /// Both.
    pub const ALL: [Self; 2] = [Format::Jpeg, Format::Png];

    /// The ending of its files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jpeg => "jpg",
            Format::Png => "png",
        }
    }

    /// Its media type (RFC 2045).
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Jpeg => "image/jpeg",
            Format::Png => "image/png",
        }
    }
}

/// One of a picture's two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// The picture's name.
    pub name: PublicName,
    /// Whether it is the smaller one, for the width of a mail and for thumbnails.
    pub is_small: bool,
    /// What it holds.
    pub format: Format,
}

impl FileName {
    /// The file of this name; nothing when no picture can have such a file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (stem, extension) = text.split_once('.')?;
        let format = Format::ALL.into_iter().find(|format| format.extension() == extension)?;
        let (stem, is_small) = stem.strip_suffix("-small").map_or((stem, false), |stem| (stem, true));
        Some(Self { name: PublicName::parse(stem)?, is_small, format })
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let small = if self.is_small { "-small" } else { "" };
        write!(f, "{}{small}.{}", self.name.as_str(), self.format.extension())
    }
}

/// A picture about to be recorded.
#[derive(Debug, Clone)]
pub struct NewImage {
    pub name: PublicName,
    /// What both of its files hold.
    pub format: Format,
    /// Width and height of the larger file.
    pub large: (u32, u32),
    /// Width and height of the smaller one.
    pub small: (u32, u32),
    /// Bytes of both.
    pub bytes: usize,
    /// What it shows; may be empty for now.
    pub alt: String,
    /// Who made it; may be empty.
    pub credit: String,
    /// SHA-256 of what was uploaded.
    pub upload_sha256: [u8; 32],
}

/// A picture that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    pub id: ImageId,
    pub name: String,
    extension: String,
    /// Width of the larger file, in pixels.
    pub width: i32,
    /// Height of the larger file, in pixels.
    pub height: i32,
    /// Width of the smaller file, in pixels.
    pub small_width: i32,
    /// Height of the smaller file, in pixels.
    pub small_height: i32,
    /// Bytes of both files.
    pub bytes: i64,
    /// What it shows; empty when nobody has said so yet.
    pub alt: String,
    /// Who made it; may be empty.
    pub credit: String,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// When it first went out; from then on it stays.
    pub kept_since: Option<DateTime<Utc>>,
}

impl Image {
    /// The path of the larger file: what mails show at half its size, so that it is sharp on dense screens.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/images/{}.{}", self.name, self.extension)
    }

    /// The path of the smaller file.
    #[must_use]
    pub fn small_path(&self) -> String {
        format!("/images/{}-small.{}", self.name, self.extension)
    }

    /// The address for an update's `image` and for Markdown.
    #[must_use]
    pub fn url(&self, public_url: &PublicUrl) -> String {
        public_url.join(&self.path())
    }

    /// Its two files.
    #[must_use]
    pub fn files(&self) -> Vec<FileName> {
        let paths = [self.path(), self.small_path()];
        paths.iter().filter_map(|path| FileName::parse(path.trim_start_matches("/images/"))).collect()
    }
}

/// The file of ours that an address leads to.
#[must_use]
pub fn file_in(url: &str, public_url: &PublicUrl) -> Option<FileName> {
    FileName::parse(url.strip_prefix(public_url.as_str())?.strip_prefix(FOLDER)?)
}

/// Width and height of files of ours, in pixels; of those that there are.
pub async fn sizes(db: &mut PgConnection, files: &[FileName]) -> sqlx::Result<Vec<(FileName, (u32, u32))>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = files.iter().map(|file| file.name.as_str().to_owned()).collect();
    let found = sqlx::query!(
        "select name, width, height, small_width, small_height from images where name = any($1)",
        &names
    )
    .fetch_all(db)
    .await?;
    let pixels = |side: i32| u32::try_from(side).unwrap_or_default();
    let sized = |file: &FileName| {
        let image = found.iter().find(|image| image.name == file.name.as_str())?;
        let (width, height) =
            if file.is_small { (image.small_width, image.small_height) } else { (image.width, image.height) };
        Some((file.clone(), (pixels(width), pixels(height))))
    };
    Ok(files.iter().filter_map(sized).collect())
}

/// A line about a picture as it may be stored: without control characters, with single spaces; nothing when it is
/// longer than `most` characters.
#[must_use]
pub fn clean_line(typed: &str, most: usize) -> Option<String> {
    let line: String = typed.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    (line.chars().count() <= most).then_some(line)
}

/// Records a picture whose files lie in the store.
pub async fn add(
    db: &mut PgConnection,
    by: Option<StaffId>,
    new: &NewImage,
    now: DateTime<Utc>,
) -> sqlx::Result<Image> {
    let id = ImageId::new();
    let pixels = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
    sqlx::query!(
        "insert into images (id, name, extension, width, height, small_width, small_height, bytes, alt, credit,
             upload_sha256, uploaded_by, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        id.0,
        new.name.as_str(),
        new.format.extension(),
        pixels(new.large.0),
        pixels(new.large.1),
        pixels(new.small.0),
        pixels(new.small.1),
        i64::try_from(new.bytes).unwrap_or(i64::MAX),
        new.alt,
        new.credit,
        new.upload_sha256.as_slice(),
        by.map(|id| id.0),
        now
    )
    .execute(&mut *db)
    .await?;
    by_id(db, id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// The picture with this id.
pub async fn by_id(db: &mut PgConnection, id: ImageId) -> sqlx::Result<Option<Image>> {
    sqlx::query_as!(
        Image,
        r#"select id as "id: ImageId", name, extension, width, height, small_width, small_height, bytes, alt, credit,
             created_at, kept_since
           from images where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// The picture with this name.
pub async fn by_name(db: &mut PgConnection, name: &PublicName) -> sqlx::Result<Option<Image>> {
    sqlx::query_as!(
        Image,
        r#"select id as "id: ImageId", name, extension, width, height, small_width, small_height, bytes, alt, credit,
             created_at, kept_since
           from images where name = $1"#,
        name.as_str()
    )
    .fetch_optional(db)
    .await
}

/// The picture that the same file was made into before, the newest one; used from now on, so that it does not go before
/// somebody has put it into a text.
pub async fn use_again(
    db: &mut PgConnection,
    upload_sha256: [u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Image>> {
    sqlx::query_as!(
        Image,
        r#"update images set last_used_at = $2
           where id = (select id from images where upload_sha256 = $1 order by id desc limit 1)
           returning id as "id: ImageId", name, extension, width, height, small_width, small_height, bytes, alt, credit,
             created_at, kept_since"#,
        upload_sha256.as_slice(),
        now
    )
    .fetch_optional(db)
    .await
}

/// Pictures, newest first; those older than `before` that are said to show something, or to be made by somebody.
pub async fn page(
    db: &mut PgConnection,
    before: Option<ImageId>,
    said: &str,
    limit: i64,
) -> sqlx::Result<Vec<Image>> {
    sqlx::query_as!(
        Image,
        r#"select id as "id: ImageId", name, extension, width, height, small_width, small_height, bytes, alt, credit,
             created_at, kept_since
           from images
           where ($1::uuid is null or id < $1) and position(lower($3) in lower(alt || ' ' || credit)) > 0
           order by id desc limit $2"#,
        before.map(|id| id.0),
        limit,
        said
    )
    .fetch_all(db)
    .await
}

/// Says what a picture shows and who made it. Answers whether that is new.
pub async fn describe(db: &mut PgConnection, id: ImageId, alt: &str, credit: &str) -> sqlx::Result<bool> {
    let changed = sqlx::query_scalar!(
        "update images set alt = $2, credit = $3 where id = $1 and (alt, credit) is distinct from ($2, $3) returning name",
        id.0,
        alt,
        credit
    )
    .fetch_optional(db)
    .await?;
    Ok(changed.is_some())
}

/// What came of the wish to remove a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// Its row is gone; its files are to follow.
    Gone(Box<Image>),
    /// It is in use or has gone out, and stays.
    InUse,
    /// There is no such picture.
    Unknown,
}

/// Removes a picture that is not used and has never gone out.
pub async fn remove(db: &mut PgConnection, id: ImageId) -> sqlx::Result<Removed> {
    // Kept from changing, so that a mailing that is just being triggered with it marks it first, or finds it gone.
    let locked =
        sqlx::query!("select name from images where id = $1 for update", id.0).fetch_optional(&mut *db);
    let Some(locked) = locked.await? else { return Ok(Removed::Unknown) };
    let Some(image) = by_id(&mut *db, id).await? else { return Ok(Removed::Unknown) };
    if image.kept_since.is_some() || text_use::of(&mut *db, FOLDER).await?.contains_key(&locked.name) {
        return Ok(Removed::InUse);
    }
    sqlx::query!("delete from images where id = $1", id.0).execute(db).await?;
    Ok(Removed::Gone(Box::new(image)))
}

/// Forgets up to a hundred pictures that nothing has used for [`UNUSED_FOR`] and that never went out; answers them, so
/// that their files can follow.
pub async fn forget_unused(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<Image>> {
    let used: Vec<String> = text_use::of(&mut *db, FOLDER).await?.into_keys().collect();
    sqlx::query!(
        "update images set last_used_at = $2 where name = any($1) and kept_since is null",
        &used,
        now
    )
    .execute(&mut *db)
    .await?;
    sqlx::query_as!(
        Image,
        r#"delete from images where id in (
             select id from images
             where kept_since is null and greatest(created_at, last_used_at) < $1
             order by id limit 100 for update skip locked)
           returning id as "id: ImageId", name, extension, width, height, small_width, small_height, bytes, alt, credit,
             created_at, kept_since"#,
        now - UNUSED_FOR
    )
    .fetch_all(db)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_a_name_and_one_of_two_endings() {
        let stem = "a".repeat(26);
        for name in [format!("{stem}.jpg"), format!("{stem}-small.png")] {
            assert_eq!(FileName::parse(&name).unwrap().to_string(), name);
        }
        for wrong in [
            stem.clone(),
            format!("{stem}.svg"),
            format!("{stem}.jpg.php"),
            format!("../{stem}.jpg"),
            format!("{stem}/../{stem}.jpg"),
            format!("{stem}.jpg\0"),
            format!("{stem}-small-small.jpg"),
            format!("{stem}.JPG"),
            "..".into(),
        ] {
            assert_eq!(FileName::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_picture_of_ours_is_known_by_its_address() {
        let here = PublicUrl::parse("https://news.example.org").unwrap();
        let stem = "b".repeat(26);
        let known = |url: &str| file_in(url, &here).is_some();
        assert!(known(&format!("https://news.example.org/images/{stem}.jpg")));
        assert!(!known(&format!("https://news.example.org.evil.example/images/{stem}.jpg")));
        assert!(!known(&format!("https://elsewhere.example/images/{stem}.jpg")));
        assert!(!known("https://news.example.org/images/logo.png"));
    }

    #[test]
    fn a_line_is_cleaned_and_bounded() {
        assert_eq!(clean_line("  Zwei\nMenschen \u{0}", 20).as_deref(), Some("Zwei Menschen"));
        assert_eq!(clean_line(&"x".repeat(21), 20), None);
        assert_eq!(clean_line("", 20).as_deref(), Some(""));
    }
}
