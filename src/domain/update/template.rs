//! Templates: the beginning of an update, under a name, with a checklist for what is made of it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{
    ids::{TemplateId, UpdateId},
    locale::Locale,
    update::text::{Author, Writing},
};

/// Templates, at most.
pub const TEMPLATES: i64 = 100;
/// Items of a checklist, at most.
pub const ITEMS: usize = 30;
/// Characters of an item, at most.
pub const ITEM_LENGTH: usize = 200;

/// A template as lists name it.
#[derive(Debug, Clone)]
pub struct TemplateHead {
    pub id: TemplateId,
    /// Its name.
    pub name: String,
    /// When it was last changed.
    pub changed_at: DateTime<Utc>,
    /// By whom, by name.
    pub changed_by: String,
}

/// A template.
#[derive(Debug, Clone)]
pub struct Template {
    pub id: TemplateId,
    /// Its name.
    pub name: String,
    /// What an update begins with. It has no date and no page of its own.
    pub writing: Writing,
    /// What has to be looked at before an update made of it is sent.
    pub checklist: Vec<String>,
}

/// An item of the checklist of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Names it within the update.
    pub position: i32,
    /// What has to be looked at.
    pub item: String,
    /// Who has looked, by name.
    pub done_by: Option<String>,
}

/// Why a template was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStored {
    /// Another one has this name.
    NameTaken,
    /// There are as many as there may be.
    TooMany,
}

/// Every template, by name.
pub async fn list(db: &mut PgConnection) -> sqlx::Result<Vec<TemplateHead>> {
    sqlx::query_as!(
        TemplateHead,
        r#"select id as "id: TemplateId", name, changed_at, changed_by from update_templates
           order by lower(name), id"#
    )
    .fetch_all(db)
    .await
}

/// A template by its id.
pub async fn find(db: &mut PgConnection, id: TemplateId) -> sqlx::Result<Option<Template>> {
    let row = sqlx::query!(
        r#"select name, locale as "locale: Locale", title, teaser, body, image, image_alt, image_credit, checklist
           from update_templates where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Template {
        id,
        name: row.name,
        writing: Writing {
            title: row.title,
            teaser: row.teaser,
            body: row.body,
            dated: None,
            link: None,
            image: row.image,
            image_alt: row.image_alt,
            image_credit: row.image_credit,
            locale: row.locale,
        },
        checklist: row.checklist,
    }))
}

/// Stores a template: a new one, or in the place of the one with this id.
pub async fn store(
    db: &mut PgConnection,
    template: &Template,
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<Result<(), NotStored>> {
    // Nobody else stores one meanwhile: names stay apart, and there are not more than there may be.
    sqlx::query!("lock table update_templates in share row exclusive mode").execute(&mut *db).await?;
    let there = sqlx::query!(
        r#"select count(*) as "others!", coalesce(bool_or(lower(name) = lower($2)), false) as "is_taken!"
           from update_templates where id <> $1"#,
        template.id.0,
        template.name
    )
    .fetch_one(&mut *db)
    .await?;
    if there.is_taken {
        return Ok(Err(NotStored::NameTaken));
    }
    if there.others >= TEMPLATES {
        return Ok(Err(NotStored::TooMany));
    }
    let Template { id, name, writing, checklist } = template;
    sqlx::query!(
        "insert into update_templates
           (id, name, locale, title, teaser, body, image, image_alt, image_credit, checklist, changed_at, changed_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (id) do update set name = $2, locale = $3, title = $4, teaser = $5, body = $6, image = $7,
           image_alt = $8, image_credit = $9, checklist = $10, changed_at = $11, changed_by = $12",
        id.0,
        name,
        writing.locale.tag(),
        writing.title,
        writing.teaser,
        writing.body,
        writing.image,
        writing.image_alt,
        writing.image_credit,
        checklist,
        now,
        by.name
    )
    .execute(db)
    .await?;
    Ok(Ok(()))
}

/// Removes a template; answers its name. Updates made of it stay as they are.
pub async fn remove(db: &mut PgConnection, id: TemplateId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!("delete from update_templates where id = $1 returning name", id.0)
        .fetch_optional(db)
        .await
}

/// Gives an update its checklist.
pub async fn begin_checks(db: &mut PgConnection, update: UpdateId, items: &[String]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"insert into update_checks (update_id, position, item)
           select $1, position::int, item from unnest($2::text[]) with ordinality as listed (item, position)"#,
        update.0,
        items
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The checklist of an update, in its order.
pub async fn checks(db: &mut PgConnection, update: UpdateId) -> sqlx::Result<Vec<Check>> {
    sqlx::query_as!(
        Check,
        "select position, item, done_by from update_checks where update_id = $1 order by position",
        update.0
    )
    .fetch_all(db)
    .await
}

/// Ticks exactly these items of an update. Who ticked one before stays named. Answers whether anything changed.
pub async fn tick(
    db: &mut PgConnection,
    update: UpdateId,
    done: &[i32],
    by: &Author,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update update_checks
         set done_at = case when position = any($2) then $3::timestamptz end,
           done_by = case when position = any($2) then $4::text end
         where update_id = $1 and (done_at is not null) <> (position = any($2))",
        update.0,
        done,
        now,
        by.name
    )
    .execute(db)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// A checklist as it was typed, an item a line: without empty lines, and without control characters. What is longer than a
/// checklist or an item may be is an error, with its line.
///
/// # Errors
/// The number of the first line that is too long or too many, counted from 1.
pub fn read_checklist(typed: &str) -> Result<Vec<String>, usize> {
    let lines = typed.lines().enumerate().map(|(at, line)| {
        let item: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        (at + 1, item.trim().to_owned())
    });
    let mut items = Vec::new();
    for (line, item) in lines.filter(|(_, item)| !item.is_empty()) {
        if item.chars().count() > ITEM_LENGTH || items.len() == ITEMS {
            return Err(line);
        }
        items.push(item);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checklist_is_read_line_by_line_and_what_is_too_much_is_named() {
        assert_eq!(
            read_checklist("\r\n Förderzeile \r\n\nBild\u{0}nachweis\n"),
            Ok(vec!["Förderzeile".into(), "Bild nachweis".into()])
        );
        assert_eq!(read_checklist(""), Ok(Vec::new()));
        assert_eq!(read_checklist(&format!("a\n\n{}", "ü".repeat(ITEM_LENGTH + 1))), Err(3));
        assert_eq!(read_checklist(&"a\n".repeat(ITEMS)).map(|items| items.len()), Ok(ITEMS));
        assert_eq!(read_checklist(&"a\n".repeat(ITEMS + 1)), Err(ITEMS + 1));
    }
}
