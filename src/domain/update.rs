//! Updates: what the project has to tell.

mod file;
pub mod history;
pub mod review;
pub mod template;
pub mod text;
pub mod writing;

pub use file::{MAX_BODY, UpdateFile, UpdateFileError};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{ids::UpdateId, locale::Locale};

/// Whether an update is only written, or a mailing of it was triggered. How far that is, its mailings tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize)]
#[sqlx(type_name = "update_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// Written; no mailing of it was triggered, or each was taken back.
    Draft,
    /// A mailing of it has been triggered: it is planned, under way or over.
    Published,
}

/// A news item of the project.
#[derive(Debug, Clone, Serialize)]
pub struct Update {
    pub id: UpdateId,
    /// Its short name in commands, made from the title.
    pub slug: String,
    /// Whether a mailing of it was triggered.
    pub state: UpdateState,
    /// Its language.
    pub locale: Locale,
    /// Its title, the subject of the mail.
    pub title: String,
    /// One or two sentences; an inbox shows them beside the subject.
    pub teaser: String,
    /// The text, in Markdown.
    pub body: String,
    /// The date it carries.
    pub dated: Option<NaiveDate>,
    /// Its page on the project's site.
    pub link: Option<String>,
    /// The address of its picture.
    pub image: Option<String>,
    /// What the picture shows, for those who do not see it.
    pub image_alt: Option<String>,
    /// Who made the picture.
    pub image_credit: Option<String>,
    /// When it was brought in.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub changed_at: DateTime<Utc>,
    /// Who changed it last, by name; nobody where it came by command.
    pub changed_by: Option<String>,
    /// Counts up with every save.
    pub version: i32,
}

/// Brings in an update as a draft. Its slug is made from the title and made unique with a number.
pub async fn add(db: &mut PgConnection, file: &UpdateFile, now: DateTime<Utc>) -> sqlx::Result<Update> {
    // Two people adding at once must not both find the same slug free.
    sqlx::query!("select pg_advisory_xact_lock($1)", SLUG_LOCK).execute(&mut *db).await?;
    let slug = free_slug(db, &slug_of(&file.title)).await?;
    let id = UpdateId::new();
    sqlx::query!(
        "insert into updates (id, slug, locale, title, teaser, body, dated, link, image, image_alt, image_credit,
             created_at, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)",
        id.0,
        slug,
        file.locale.tag(),
        file.title,
        file.teaser,
        file.body,
        file.date,
        file.link,
        file.image,
        file.image_alt,
        file.image_credit,
        now
    )
    .execute(&mut *db)
    .await?;
    find(db, &slug).await?.ok_or(sqlx::Error::RowNotFound)
}

const SLUG_LOCK: i64 = 0x5255_4E44_0002;

async fn free_slug(db: &mut PgConnection, wanted: &str) -> sqlx::Result<String> {
    let taken =
        sqlx::query_scalar!("select slug from updates where slug = $1 or slug like $1 || '-%'", wanted)
            .fetch_all(db)
            .await?;
    if !taken.iter().any(|slug| slug == wanted) {
        return Ok(wanted.to_owned());
    }
    // One of more candidates than there are slugs is free.
    let mut candidates = (2..=taken.len() + 2).map(|number| format!("{wanted}-{number}"));
    candidates.find(|slug| !taken.contains(slug)).ok_or(sqlx::Error::RowNotFound)
}

/// The update with this id or slug.
pub async fn find(db: &mut PgConnection, id_or_slug: &str) -> sqlx::Result<Option<Update>> {
    let id: Option<UpdateId> = id_or_slug.parse().ok();
    sqlx::query_as!(
        Update,
        r#"select id as "id: UpdateId", slug, state as "state: UpdateState", locale as "locale: Locale", title,
             teaser, body, dated, link, image, image_alt, image_credit, created_at, changed_at, changed_by, version
           from updates where id = $1 or slug = $2"#,
        id.map(|id| id.0),
        id_or_slug
    )
    .fetch_optional(db)
    .await
}

/// The update with this id, kept as it is until the end of the transaction. Of two who send or remove it at the same
/// moment the second waits here, and then finds what the first has done.
pub async fn lock(db: &mut PgConnection, id: UpdateId) -> sqlx::Result<Option<Update>> {
    sqlx::query_as!(
        Update,
        r#"select id as "id: UpdateId", slug, state as "state: UpdateState", locale as "locale: Locale", title,
             teaser, body, dated, link, image, image_alt, image_credit, created_at, changed_at, changed_by, version
           from updates where id = $1 for update"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// Every update, newest first.
pub async fn list(db: &mut PgConnection) -> sqlx::Result<Vec<Update>> {
    sqlx::query_as!(
        Update,
        r#"select id as "id: UpdateId", slug, state as "state: UpdateState", locale as "locale: Locale", title,
             teaser, body, dated, link, image, image_alt, image_credit, created_at, changed_at, changed_by, version
           from updates order by created_at desc, id desc"#
    )
    .fetch_all(db)
    .await
}

/// A short name of ASCII letters, digits and hyphens: „Über uns“ becomes `ueber-uns`.
fn slug_of(title: &str) -> String {
    let mut slug = String::new();
    for c in title.to_lowercase().chars() {
        match c {
            'ä' => slug.push_str("ae"),
            'ö' => slug.push_str("oe"),
            'ü' => slug.push_str("ue"),
            'ß' => slug.push_str("ss"),
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() >= 60 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "update".into() } else { slug.into() }
}

#[cfg(test)]
mod tests {
    use super::slug_of;

    #[test]
    fn slugs_are_plain_and_short() {
        assert_eq!(slug_of("Über 14 Projekt-Pitches – „Straße“!"), "ueber-14-projekt-pitches-strasse");
        assert_eq!(slug_of("«»"), "update");
        assert!(slug_of(&"wort ".repeat(50)).len() <= 61);
    }
}
