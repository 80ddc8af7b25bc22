//! The style sheet, the script for other sites and the icon, built into the binary.

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};

use super::problem::Problem;

/// `GET /assets/{file}`.
pub async fn asset(Path(file): Path<String>) -> Response {
    let (media_type, content) = match file.as_str() {
        "rundbrief.css" => ("text/css; charset=utf-8", include_str!("assets/rundbrief.css")),
        "staff.css" => ("text/css; charset=utf-8", include_str!("assets/staff.css")),
        "embed.js" => ("text/javascript; charset=utf-8", include_str!("assets/embed.js")),
        "favicon.svg" => ("image/svg+xml", include_str!("assets/favicon.svg")),
        _ => return Problem::NotFound.into_response(),
    };
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "public, max-age=3600")], content)
        .into_response()
}
