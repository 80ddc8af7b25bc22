//! Where pictures and files of ours are used: in the texts that staff work on, or may bring back.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

/// An update or a template that shows a picture, or points at a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Use {
    pub id: Uuid,
    /// It is a template.
    pub is_template: bool,
    /// Its title; of a template, its name.
    pub title: String,
}

/// By the [name](super::public_name) of what is used.
pub type Uses = BTreeMap<String, Vec<Use>>;

/// Which updates and templates name what lies in a folder: `/images/` or `/files/`.
pub async fn of(db: &mut PgConnection, folder: &str) -> sqlx::Result<Uses> {
    // The texts are gone through once, however many pictures there are.
    let rows = sqlx::query!(
        r#"select distinct found[1] as "name!", t.id as "id!", t.title as "title!", t.is_template as "is_template!"
           from texts_with_images t, regexp_matches(t.text, $1 || '([a-z2-7]{26})', 'g') found
           order by 2 desc"#,
        folder
    )
    .fetch_all(db)
    .await?;
    let mut uses = Uses::new();
    for row in rows {
        let found = Use { id: row.id, is_template: row.is_template, title: row.title };
        uses.entry(row.name).or_default().push(found);
    }
    Ok(uses)
}
