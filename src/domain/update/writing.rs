//! Writing an update on the staff pages: saved while it is typed, by several people, without losing anybody's text.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::domain::{
    ids::{StaffId, UpdateId},
    locale::Locale,
    update::{
        self, Update, UpdateState, free_slug, history, slug_of,
        text::{Author, Writing},
    },
};

/// What a new draft is called in commands until it has a title.
const UNNAMED: &str = "entwurf";

/// Begins an empty draft. Answers its id and its slug.
pub async fn begin(
    db: &mut PgConnection,
    by: &Author,
    locale: Locale,
    now: DateTime<Utc>,
) -> sqlx::Result<(UpdateId, String)> {
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
    Ok((id, slug))
}

/// What saving came to.
#[derive(Debug, Clone)]
pub enum Saved {
    /// It is saved.
    As {
        /// As this version.
        version: i32,
        /// It is the first text of a sitting that differs.
        begins_sitting: bool,
    },
    /// Somebody else has saved meanwhile. What was sent is kept aside in the history; the update stays as it is.
    Conflict(Box<Update>),
}

/// Saves what somebody has written, made from version `base` of an update that is locked as `current`. The same text once
/// more changes nothing.
pub async fn save(
    db: &mut PgConnection,
    current: &Update,
    base: i32,
    writing: &Writing,
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<Saved> {
    if current.writing() == *writing {
        return Ok(Saved::As { version: current.version, begins_sitting: false });
    }
    if current.version != base {
        history::put_aside(db, current.id, writing, by, now).await?;
        return Ok(Saved::Conflict(Box::new(current.clone())));
    }
    write(db, current, writing, by, now).await
}

async fn write(
    db: &mut PgConnection,
    current: &Update,
    writing: &Writing,
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<Saved> {
    let is_unnamed = current.slug == UNNAMED || current.slug.starts_with("entwurf-");
    let slug = if is_unnamed && current.state == UpdateState::Draft && !writing.title.is_empty() {
        sqlx::query!("select pg_advisory_xact_lock($1)", super::SLUG_LOCK).execute(&mut *db).await?;
        free_slug(db, &slug_of(&writing.title)).await?
    } else {
        current.slug.clone()
    };
    let begins_sitting = history::keep(db, current, writing, by, now).await?;
    let version = sqlx::query_scalar!(
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
    .await?;
    Ok(Saved::As { version, begins_sitting })
}

/// Removes a draft that was never sent, with the mailings of it that were taken back in time. Answers its slug and
/// its title; nothing when there is none such.
pub async fn delete(db: &mut PgConnection, id: UpdateId) -> sqlx::Result<Option<(String, String)>> {
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
    Ok(deleted.map(|deleted| (deleted.slug, deleted.title)))
}

/// For how long somebody counts as being at an update without a sign of life.
const HERE_FOR: Duration = Duration::seconds(45);

/// Notes that somebody has an update open; answers who else has.
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
