//! Updates: the list of what is written and sent, a new one, and away with a draft.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde_json::{Value, json};

use crate::{
    domain::{
        ids::UpdateId,
        update::{self, Update, UpdateState, writing},
    },
    mail::compose,
    web::AppState,
};

use super::{
    access::Member,
    page::{Page, done},
    problems::StaffProblem,
};

/// What stands in the path.
pub type Id = Result<Path<UpdateId>, PathRejection>;

/// The id in the path; whatever is none is nobody's.
///
/// # Errors
/// [`StaffProblem::NOT_FOUND`].
pub fn id_in(id: Id) -> Result<UpdateId, StaffProblem> {
    id.map(|Path(id)| id).map_err(|_| StaffProblem::NOT_FOUND)
}

/// `GET /staff/updates`
pub async fn list(State(state): State<AppState>, page: Page, _: Member) -> Result<Response, StaffProblem> {
    let updates = update::list(&mut *state.pool.acquire().await?).await?;
    let updates: Vec<Value> = updates.iter().map(|update| shown(&page, update)).collect();
    page.show("staff/updates.html", &json!({ "updates": updates }))
}

/// An update as lists show it.
pub fn shown(page: &Page, update: &Update) -> Value {
    json!({
        "id": update.id, "title": update.title, "is_sent": update.state == UpdateState::Published,
        "changed_at": page.short_time(update.changed_at), "changed_by": update.changed_by, "slug": update.slug,
    })
}

/// `POST /staff/updates`: an empty draft, and on to writing.
pub async fn begin(
    State(state): State<AppState>,
    page: Page,
    member: Member,
) -> Result<Response, StaffProblem> {
    let mut transaction = state.pool.begin().await?;
    let locale = compose::default_locale(page.publication.as_ref());
    let id = writing::begin(&mut transaction, &member.author(), locale, Utc::now()).await?;
    transaction.commit().await?;
    Ok(Redirect::to(&format!("/staff/updates/{id}")).into_response())
}

/// `POST /staff/updates/{id}/delete`: removes a draft that was never sent.
pub async fn delete(State(state): State<AppState>, member: Member, id: Id) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mut transaction = state.pool.begin().await?;
    let deleted = writing::delete(&mut transaction, id, &member.author(), Utc::now()).await?;
    transaction.commit().await?;
    if deleted {
        return Ok(done("/staff/updates", "update_deleted"));
    }
    Ok(done(&format!("/staff/updates/{id}"), "update_kept"))
}
