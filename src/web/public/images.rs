//! `GET /images/{name}`: a file of a picture that staff uploaded. Uploading and looking through them is for staff: see
//! `staff::images`.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    domain::image::FileName,
    web::{AppState, http::problem::Problem},
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
    let common = [
        // The name is never used for anything else.
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::ETAG, tag.as_str()),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        // Webmail shows it on pages of its own.
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    match state.images.get(&file).await {
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
