//! Writing an update on the staff pages: saved while it is typed, by several people, without losing anybody's text.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use url::Url;

use crate::domain::{
    ids::{StaffId, UpdateId},
    locale::Locale,
    staff::audit::{self, Action, Actor},
    update::{self, MAX_BODY, Update, UpdateState, find, free_slug, history, slug_of},
};

/// Who writes.
#[derive(Debug, Clone)]
pub struct Author {
    /// Their id.
    pub id: StaffId,
    /// Their name, as others see it beside the text.
    pub name: String,
    /// Them, for the audit log.
    pub actor: Actor,
}

/// What somebody has written so far. Nothing of it has to be finished, or right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Writing {
    /// The title.
    pub title: String,
    /// One or two sentences.
    pub teaser: String,
    /// The text, in Markdown.
    pub body: String,
    /// The date it carries.
    pub dated: Option<NaiveDate>,
    /// Its page on the project's site.
    pub link: Option<String>,
    /// The address of its picture.
    pub image: Option<String>,
    /// What the picture shows.
    pub image_alt: Option<String>,
    /// Who made it.
    pub image_credit: Option<String>,
    /// Its language.
    pub locale: Locale,
}

/// Bytes of text that are kept of a draft, however much is wrong with it.
const MOST_KEPT: usize = 4 * MAX_BODY;

impl Writing {
    /// Whether nothing has been written yet.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let texts = [&self.title, &self.teaser, &self.body];
        let extras = [&self.link, &self.image, &self.image_alt, &self.image_credit];
        texts.iter().all(|text| text.trim().is_empty()) && extras.iter().all(|extra| extra.is_none())
    }

    /// The writing as it can be kept: one line where it has to be one, no characters that cannot be seen, nothing
    /// endless.
    #[must_use]
    pub fn tidied(self) -> Self {
        let line = |text: String, most: usize| -> String {
            let text: String =
                text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
            text.trim().to_owned()
        };
        let optional =
            |text: Option<String>, most| text.map(|text| line(text, most)).filter(|text| !text.is_empty());
        let body = self.body.replace("\r\n", "\n").replace(['\r', '\u{b}', '\u{c}', '\u{85}'], "\n");
        let mut body: String = body.chars().filter(|c| !c.is_control() || "\n\t".contains(*c)).collect();
        body.truncate(body.floor_char_boundary(MOST_KEPT));
        Self {
            title: line(self.title, 1_000),
            teaser: line(self.teaser, 2_000),
            body: body.trim_end().trim_start_matches('\n').to_owned(),
            dated: self.dated,
            link: optional(self.link, 2_000),
            image: optional(self.image, 2_000),
            image_alt: optional(self.image_alt, 1_000),
            image_credit: optional(self.image_credit, 1_000),
            locale: self.locale,
        }
    }

    /// What has to be mended or added before it can be sent, in the order of the fields. What is in the text itself is
    /// the business of the mail room.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let is_web = |text: &Option<String>| {
            let url = text.as_deref().map(Url::parse);
            url.is_none_or(|url| url.is_ok_and(|url| matches!(url.scheme(), "http" | "https")))
        };
        let longer =
            |text: &Option<String>, most| text.as_ref().is_some_and(|text| text.chars().count() > most);
        let found = [
            (self.title.is_empty(), "title", "missing"),
            (self.title.chars().count() > 200, "title", "too_long"),
            (self.teaser.chars().count() > 400, "teaser", "too_long"),
            (!is_web(&self.link), "link", "no_address"),
            (!is_web(&self.image), "image", "no_address"),
            (self.image.is_some() && self.image_alt.is_none(), "image_alt", "missing"),
            (longer(&self.image_alt, 500), "image_alt", "too_long"),
            (longer(&self.image_credit, 200), "image_credit", "too_long"),
            (self.body.trim().is_empty(), "body", "missing"),
            (self.body.len() > MAX_BODY, "body", "too_long"),
        ];
        found
            .into_iter()
            .filter(|(is_so, ..)| *is_so)
            .map(|(_, field, problem)| Unfinished { field, problem })
            .collect()
    }
}

/// Something that has to be mended or added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// The field.
    pub field: &'static str,
    /// What is the matter: `missing`, `too_long` or `no_address`.
    pub problem: &'static str,
}

impl Update {
    /// What is written in it.
    #[must_use]
    pub fn writing(&self) -> Writing {
        Writing {
            title: self.title.clone(),
            teaser: self.teaser.clone(),
            body: self.body.clone(),
            dated: self.dated,
            link: self.link.clone(),
            image: self.image.clone(),
            image_alt: self.image_alt.clone(),
            image_credit: self.image_credit.clone(),
            locale: self.locale,
        }
    }
}

/// What a new draft is called in commands until it has a title.
const UNNAMED: &str = "entwurf";

/// Begins an empty draft.
///
/// # Errors
/// When the database fails.
pub async fn begin(
    db: &mut PgConnection,
    by: &Author,
    locale: Locale,
    now: DateTime<Utc>,
) -> sqlx::Result<UpdateId> {
    sqlx::query!("select pg_advisory_xact_lock($1)", super::SLUG_LOCK).execute(&mut *db).await?;
    let slug = free_slug(db, UNNAMED).await?;
    let id = UpdateId::new();
    sqlx::query!(
        "insert into updates (id, slug, locale, title, teaser, body, created_at, changed_at, changed_by)
         values ($1, $2, $3, '', '', '', $4, $4, $5)",
        id.0,
        slug,
        locale.tag(),
        now,
        by.name
    )
    .execute(&mut *db)
    .await?;
    audit::record(db, &by.actor, Action::UpdateBegun, &slug, &json!({ "update": id }), now).await?;
    Ok(id)
}

/// What saving came to.
#[derive(Debug, Clone)]
pub enum Saved {
    /// It is saved, as this version.
    As(i32),
    /// Somebody else has saved meanwhile. What was sent is kept aside in the history; the update stays as it is.
    Conflict(Box<Update>),
    /// There is no such update (any more).
    Gone,
}

/// Saves what somebody has written, made from version `base`. The same text once more changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn save(
    db: &mut PgConnection,
    id: UpdateId,
    base: i32,
    writing: &Writing,
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<Saved> {
    sqlx::query!("select id from updates where id = $1 for update", id.0).fetch_optional(&mut *db).await?;
    let Some(current) = find(db, &id.to_string()).await? else { return Ok(Saved::Gone) };
    if current.writing() == *writing {
        return Ok(Saved::As(current.version));
    }
    if current.version != base {
        history::put_aside(db, id, writing, by, now).await?;
        return Ok(Saved::Conflict(Box::new(current)));
    }
    write(db, &current, writing, by, now).await.map(Saved::As)
}

async fn write(
    db: &mut PgConnection,
    current: &Update,
    writing: &Writing,
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<i32> {
    let is_unnamed = current.slug == UNNAMED || current.slug.starts_with("entwurf-");
    let slug = if is_unnamed && current.state == UpdateState::Draft && !writing.title.is_empty() {
        sqlx::query!("select pg_advisory_xact_lock($1)", super::SLUG_LOCK).execute(&mut *db).await?;
        free_slug(db, &slug_of(&writing.title)).await?
    } else {
        current.slug.clone()
    };
    history::keep(db, current, writing, by, now).await?;
    sqlx::query_scalar!(
        "update updates
         set slug = $2, locale = $3, title = $4, teaser = $5, body = $6, dated = $7, link = $8, image = $9,
             image_alt = $10, image_credit = $11, changed_at = $12, changed_by = $13, version = version + 1
         where id = $1 returning version",
        current.id.0,
        slug,
        writing.locale.tag(),
        writing.title,
        writing.teaser,
        writing.body,
        writing.dated,
        writing.link,
        writing.image,
        writing.image_alt,
        writing.image_credit,
        now,
        by.name
    )
    .fetch_one(db)
    .await
}

/// Removes a draft that was never sent, with the mailings of it that were taken back in time. Answers whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn delete(
    db: &mut PgConnection,
    id: UpdateId,
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    // Nobody sends it meanwhile.
    update::lock(db, id).await?;
    let deleted = sqlx::query!(
        "with draft as (
           select id from updates u where id = $1 and state = 'draft'
             and not exists (select from mailings m where m.update_id = u.id and m.taken_back_at is null)
             and not exists (select from deliveries d where d.update_id = u.id and d.state = 'pending')
         ), taken_back as (delete from mailings where update_id in (select id from draft))
         delete from updates where id in (select id from draft) returning slug, title",
        id.0
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(deleted) = deleted else { return Ok(false) };
    let details = json!({ "update": id, "title": deleted.title });
    audit::record(db, &by.actor, Action::UpdateDeleted, &deleted.slug, &details, now).await?;
    Ok(true)
}

/// For how long somebody counts as being at an update without a sign of life.
const HERE_FOR: Duration = Duration::seconds(45);

/// Notes that somebody has an update open; answers who else has.
///
/// # Errors
/// When the database fails.
pub async fn here(
    db: &mut PgConnection,
    id: UpdateId,
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<String>> {
    sqlx::query!(
        "insert into update_editors (update_id, staff_id, name, seen_at)
         select id, $2, $3, $4 from updates where id = $1
         on conflict (update_id, staff_id) do update set name = excluded.name, seen_at = excluded.seen_at",
        id.0,
        by.id.0,
        by.name,
        now
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("delete from update_editors where seen_at < $1", now - Duration::days(1))
        .execute(&mut *db)
        .await?;
    others(db, id, by.id, now).await
}

/// Who else has an update open.
///
/// # Errors
/// When the database fails.
pub async fn others(
    db: &mut PgConnection,
    id: UpdateId,
    but: StaffId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "select name from update_editors where update_id = $1 and staff_id <> $2 and seen_at > $3 order by name",
        id.0,
        but.0,
        now - HERE_FOR
    )
    .fetch_all(db)
    .await
}
