//! The mail of an update, as a mailing would freeze it now.

use sqlx::PgConnection;

use crate::{
    app::draft::compose,
    domain::{mailing::FrozenContent, update::Update},
    web::staff::{staff_page::StaffPage, staff_problem::StaffProblem},
};

/// Makes the mail of an update; nothing when there is no publication.
///
/// # Errors
/// When it cannot be made.
pub async fn content_of(
    page: &StaffPage,
    db: &mut PgConnection,
    update: &Update,
) -> Result<Option<FrozenContent>, StaffProblem> {
    let Some(publication) = &page.publication else { return Ok(None) };
    Ok(Some(compose(&page.state.composer, db, publication, update).await?))
}
