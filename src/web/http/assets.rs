//! `GET /assets/…`: the style sheets, the scripts and the icon.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::web::{accent_css, asset_files, http::problem::Problem};

/// `GET /assets/{file}`, with the hash that pages put into the name or without it.
pub async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Response {
    if let Some((sheet, asked)) = accent_css::find(&file) {
        let version = asset_files::hash(&sheet);
        return answer((version.as_str(), Some(asked)), asset_files::CSS, sheet, &headers);
    }
    let Some((asset, asked)) = asset_files::find(&file) else { return Problem::NotFound.into_response() };
    let content = asset.content();
    if content.is_empty() {
        return Problem::NotFound.into_response();
    }
    answer((&*asset.version(), asked), asset.media_type, content, &headers)
}

/// The file, unless the browser has it: `version` is the hash that it has, and the one that was asked for.
fn answer(
    (version, asked): (&str, Option<&str>),
    media_type: &'static str,
    content: impl IntoResponse,
    headers: &HeaderMap,
) -> Response {
    let tag = format!("\"{version}\"");
    let caching = match asked {
        Some(asked) if asked == version => "public, max-age=31536000, immutable",
        // A page of another version asks: one that was open when this one was installed, or one of a service beside
        // this that was not. It gets what there is, and keeps it under no address of something else.
        Some(_) => "no-store",
        None => "public, max-age=300",
    };
    let common = [
        (header::CACHE_CONTROL, caching),
        (header::ETAG, tag.as_str()),
        // Also for sites that let no other site's files in unless these say so (Cross-Origin-Embedder-Policy).
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, media_type)], content).into_response()
}
