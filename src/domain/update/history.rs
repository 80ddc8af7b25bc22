//! What an update said before, sitting by sitting, and the way back to it.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{
    ids::UpdateId,
    locale::Locale,
    update::{
        Update,
        text::{Author, Writing},
    },
};

/// How long what one author saves is one sitting, and so one entry.
const SITTING: Duration = Duration::minutes(10);

/// Keeps what is about to be saved, and what stood there before the first of all saves. Answers whether that begins a
/// sitting.
pub(super) async fn keep(
    db: &mut PgConnection,
    before: &Update,
    writing: &Writing,
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let newest = sqlx::query!(
        "select id, saved_by, began_at, is_over, body from update_versions where update_id = $1 and not is_aside
         order by id desc limit 1",
        before.id.0
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(newest) = &newest
        && newest.saved_by == Some(by.id.0)
        && newest.began_at > now - SITTING
        && !newest.is_over
        && !loses_much(&newest.body, &writing.body)
    {
        rewrite(db, newest.id, writing, now).await?;
        return Ok(false);
    }
    if newest.is_none() && !(before.title.is_empty() && before.body.is_empty()) {
        let first = Entry {
            saved_by: None,
            name: before.changed_by.as_deref(),
            at: before.changed_at,
            is_aside: false,
        };
        insert(db, before.id, &before.writing(), &first).await?;
    }
    let entry = Entry { saved_by: Some(by), name: Some(&by.name), at: now, is_aside: false };
    insert(db, before.id, writing, &entry).await?;
    Ok(true)
}

/// Whether most of a text is gone. What it was then stays in the history: it may have been a slip.
fn loses_much(before: &str, after: &str) -> bool {
    before.len() > 200 && after.len() < before.len() / 2
}

/// Ends the sitting: what the update says now stays in the history, whatever is saved next.
///
/// # Errors
/// When the database fails.
pub async fn end_sitting(db: &mut PgConnection, update: &Update) -> sqlx::Result<()> {
    let ended = sqlx::query!(
        "update update_versions set is_over = true
         where id = (select max(id) from update_versions where update_id = $1 and not is_aside)",
        update.id.0
    )
    .execute(&mut *db)
    .await?;
    if ended.rows_affected() == 0 {
        let name = update.changed_by.as_deref();
        let entry = Entry { saved_by: None, name, at: update.changed_at, is_aside: false };
        insert(db, update.id, &update.writing(), &entry).await?;
    }
    Ok(())
}

/// Keeps a text that was not taken, because somebody else had saved meanwhile.
pub(super) async fn put_aside(
    db: &mut PgConnection,
    id: UpdateId,
    writing: &Writing,
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // A page that saves the same in vain again and again writes one entry, not hundreds.
    let own = sqlx::query_scalar!(
        "select id from update_versions
         where update_id = $1 and is_aside and saved_by = $2 and began_at > $3 order by id desc limit 1",
        id.0,
        by.id.0,
        now - SITTING
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(own) = own
        && let Some(aside) = version(&mut *db, id, own).await?
        && aside.writing == *writing
    {
        return rewrite(db, own, writing, now).await;
    }
    let entry = Entry { saved_by: Some(by), name: Some(&by.name), at: now, is_aside: true };
    insert(db, id, writing, &entry).await
}

struct Entry<'a> {
    saved_by: Option<&'a Author>,
    name: Option<&'a str>,
    at: DateTime<Utc>,
    is_aside: bool,
}

async fn insert(
    db: &mut PgConnection,
    id: UpdateId,
    writing: &Writing,
    entry: &Entry<'_>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into update_versions (update_id, began_at, saved_at, saved_by, saved_by_name, is_aside, locale, title,
             teaser, body, dated, link, image, image_alt, image_credit)
         values ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        id.0,
        entry.at,
        entry.saved_by.map(|by| by.id.0),
        entry.name,
        entry.is_aside,
        writing.locale.tag(),
        writing.title,
        writing.teaser,
        writing.body,
        writing.dated,
        writing.link,
        writing.image,
        writing.image_alt,
        writing.image_credit
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn rewrite(
    db: &mut PgConnection,
    entry: i64,
    writing: &Writing,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update update_versions
         set saved_at = $2, locale = $3, title = $4, teaser = $5, body = $6, dated = $7, link = $8, image = $9,
             image_alt = $10, image_credit = $11
         where id = $1",
        entry,
        now,
        writing.locale.tag(),
        writing.title,
        writing.teaser,
        writing.body,
        writing.dated,
        writing.link,
        writing.image,
        writing.image_alt,
        writing.image_credit
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One entry: what an update said at the end of a sitting.
#[derive(Debug, Clone, Serialize)]
pub struct Version {
    /// Its number; counts up over all updates.
    pub id: i64,
    /// When it was last saved.
    pub saved_at: DateTime<Utc>,
    /// Who wrote it; nobody where it came by command.
    pub saved_by: Option<String>,
    /// It was not taken, because somebody else had saved meanwhile.
    pub is_aside: bool,
    /// What it says.
    pub writing: Writing,
}

/// What an update said, newest first, up to a hundred sittings.
///
/// # Errors
/// When the database fails.
pub async fn of_update(db: &mut PgConnection, id: UpdateId) -> sqlx::Result<Vec<Version>> {
    select(db, id, None).await
}

/// One entry of an update.
///
/// # Errors
/// When the database fails.
pub async fn version(db: &mut PgConnection, id: UpdateId, version: i64) -> sqlx::Result<Option<Version>> {
    Ok(select(db, id, Some(version)).await?.pop())
}

async fn select(db: &mut PgConnection, id: UpdateId, version: Option<i64>) -> sqlx::Result<Vec<Version>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, saved_at, saved_by_name, is_aside, locale as "locale: Locale", title, teaser, body, dated, link,
             image, image_alt, image_credit
           from update_versions where update_id = $1 and ($2::bigint is null or id = $2)
           order by saved_at desc, id desc limit 100"#,
        id.0,
        version
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Version::from).collect())
}

struct Row {
    id: i64,
    saved_at: DateTime<Utc>,
    saved_by_name: Option<String>,
    is_aside: bool,
    locale: Locale,
    title: String,
    teaser: String,
    body: String,
    dated: Option<NaiveDate>,
    link: Option<String>,
    image: Option<String>,
    image_alt: Option<String>,
    image_credit: Option<String>,
}

impl From<Row> for Version {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            saved_at: row.saved_at,
            saved_by: row.saved_by_name,
            is_aside: row.is_aside,
            writing: Writing {
                title: row.title,
                teaser: row.teaser,
                body: row.body,
                dated: row.dated,
                link: row.link,
                image: row.image,
                image_alt: row.image_alt,
                image_credit: row.image_credit,
                locale: row.locale,
            },
        }
    }
}
