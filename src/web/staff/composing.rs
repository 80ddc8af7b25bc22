//! The mail of an update, as a mailing would freeze it now.

use sqlx::PgConnection;

use crate::{
    app::off_runtime::off_runtime,
    domain::{mailing::FrozenContent, update::Update},
    web::problem::Problem,
};

use super::{page::Page, problems::StaffProblem};

/// Makes the mail of an update; nothing when there is no publication.
///
/// # Errors
/// When it cannot be made.
pub async fn content_of(
    page: &Page,
    db: &mut PgConnection,
    update: &Update,
) -> Result<Option<FrozenContent>, StaffProblem> {
    let Some(publication) = page.publication.clone() else { return Ok(None) };
    let sizes = page.state.composer.sizes(db, update).await?;
    let (composer, update) = (page.state.composer.clone(), update.clone());
    let made = off_runtime(move || composer.update(&publication, &update, &sizes))
        .await
        .map_err(|busy| StaffProblem::Common(busy.into()))?;
    made.map(Some).map_err(|error| StaffProblem::Common(Problem::internal(&error)))
}
