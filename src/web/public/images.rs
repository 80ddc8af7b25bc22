//! `GET /images/{name}`: a file of a picture that staff uploaded. Uploading and looking through them is for staff: see
//! `staff::images`.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    domain::{image::FileName, stored_object::ObjectKey},
    web::{AppState, http::problem::Problem, public::uploads},
};

/// `GET /images/{name}`: a file of a picture. Mail programs and everybody's browsers fetch it, so nothing about it may be
/// what an upload said: the type is ours, and the policy lets it do nothing, should somebody open it as a page.
pub async fn image(
    State(state): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = FileName::parse(&name).ok_or(Problem::NotFound)?;
    let tag = format!("\"{file}\"");
    let common = uploads::headers(&tag);
    if uploads::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    match state.images.get(&ObjectKey::from(&file)).await {
        Ok(Some(bytes)) => {
            Ok((common, [(header::CONTENT_TYPE, file.format.media_type())], bytes).into_response())
        }
        Ok(None) => Err(Problem::NotFound),
        Err(error) => {
            tracing::error!(%error, "a picture cannot be read");
            Err(Problem::Unavailable)
        }
    }
}
