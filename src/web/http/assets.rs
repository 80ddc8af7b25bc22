//! The style sheet, the scripts and the icon, built into the binary.

use axum::{
    extract::Path,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

use crate::web::http::problem::Problem;

/// `GET /assets/{file}`.
pub async fn asset(Path(file): Path<String>) -> Response {
    let (media_type, content) = match file.as_str() {
        "rundbrief.css" => ("text/css; charset=utf-8", include_str!("../assets/rundbrief.css")),
        "captcha.js" => ("text/javascript; charset=utf-8", include_str!("../assets/captcha.js")),
        "captcha-solver.js" => {
            ("text/javascript; charset=utf-8", include_str!("../assets/captcha-solver.js"))
        }
        "staff-editor.js" => ("text/javascript; charset=utf-8", include_str!("../assets/staff-editor.js")),
        "staff-paste.js" => ("text/javascript; charset=utf-8", include_str!("../assets/staff-paste.js")),
        "staff-toolbar.js" => ("text/javascript; charset=utf-8", include_str!("../assets/staff-toolbar.js")),
        "staff-search.js" => ("text/javascript; charset=utf-8", include_str!("../assets/staff-search.js")),
        "staff-progress.js" => {
            ("text/javascript; charset=utf-8", include_str!("../assets/staff-progress.js"))
        }
        "staff.css" => ("text/css; charset=utf-8", include_str!("../assets/staff.css")),
        "staff-mailing.js" => ("text/javascript; charset=utf-8", include_str!("../assets/staff-mailing.js")),
        "staff-logos.js" => ("text/javascript; charset=utf-8", include_str!("../assets/staff-logos.js")),
        "staff-upload.js" => ("text/javascript; charset=utf-8", include_str!("../assets/staff-upload.js")),
        "embed.js" => ("text/javascript; charset=utf-8", include_str!("../assets/embed.js")),
        "sample.svg" => ("image/svg+xml", include_str!("../assets/sample.svg")),
        "favicon.svg" => ("image/svg+xml", include_str!("../assets/favicon.svg")),
        _ => return Problem::NotFound.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        // Also for sites that let no other site's files in unless these say so (Cross-Origin-Embedder-Policy).
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    (headers, content).into_response()
}
