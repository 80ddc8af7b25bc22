//! Files for readers: those that were uploaded, to be used again; where each is used; removing one that is not.

mod samples;
mod upload;
mod view;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use serde::Serialize;

use crate::{
    app::share_file::{self, RemoveError},
    domain::ids::SharedFileId,
    web::{
        AppState,
        http::problem::{Problem, wants_json},
        staff::{
            files::view::FileView,
            logged_in::Member,
            staff_page::{Id, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

pub use crate::web::staff::files::{
    upload::{Receiving, UPLOAD, upload},
    view::FilesPage,
};

/// What the script is told of the files that there are.
#[derive(Serialize)]
struct FilesAnswer {
    files: Vec<FileView>,
}

/// `GET /staff/files`. Our script asks for JSON and shows it in a dialog.
pub async fn list(page: StaffPage, _: Member, headers: HeaderMap) -> Result<Response, StaffProblem> {
    let own = FilesPage::of(&page, Mistakes::default()).await?;
    if wants_json(&headers) {
        return Ok(Json(FilesAnswer { files: own.files }).into_response());
    }
    page.show(&own)
}

/// `POST /staff/files/{id}/remove`
pub async fn remove(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id<SharedFileId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    match share_file::remove(&state.app.pool, &state.images, &member.actor(), id, Utc::now()).await {
        Ok(()) => Ok(done("/staff/files", "file_removed")),
        Err(RemoveError::InUse) => {
            let mistakes = Mistakes::one("form", page.text("files", "in_use"));
            page.answer(StatusCode::CONFLICT, &FilesPage::of(&page, mistakes).await?)
        }
        Err(RemoveError::Database(error)) => Err(error.into()),
        Err(error @ RemoveError::NotAllowed(_)) => Err(StaffProblem::Common(Problem::internal(&error))),
    }
}
