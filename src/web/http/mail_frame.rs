//! A mail as the content of a frame on one of our pages.

use axum::{
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

/// What a mail may do in its frame: show its own styles and, if wanted, pictures. Nothing runs, nothing leads away.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin";
const POLICY_WITHOUT_PICTURES: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin";

/// The HTML part.
pub fn html(body: String) -> Response {
    framed("text/html; charset=utf-8", POLICY, body)
}

/// The HTML part as mail programs show it that load no pictures.
pub fn html_without_pictures(body: String) -> Response {
    framed("text/html; charset=utf-8", POLICY_WITHOUT_PICTURES, body)
}

/// The plain text part.
pub fn text(body: String) -> Response {
    framed("text/plain; charset=utf-8", POLICY_WITHOUT_PICTURES, body)
}

fn framed(media_type: &'static str, policy: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, policy),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    (headers, body).into_response()
}
