//! What is still open of the checklist of an update.

use sqlx::PgConnection;

use crate::{
    domain::{ids::UpdateId, update::template},
    mail::preflight::{Code, Finding},
};

/// A warning for each item that nobody has ticked.
pub async fn check(db: &mut PgConnection, update: UpdateId) -> sqlx::Result<Vec<Finding>> {
    let checks = template::checks(db, update).await?;
    let open = checks.into_iter().filter(|check| check.done_by.is_none());
    Ok(open.map(|check| Finding::new(Code::ChecklistOpen).with("item", check.item)).collect())
}
