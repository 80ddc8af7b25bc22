//! What pictures and files that staff uploaded have in common where everybody fetches them.

use axum::http::{HeaderMap, HeaderName, header};

/// Headers of an upload with this tag: it never changes under its name, and should somebody open it as a page, that page may
/// do nothing.
pub fn headers(tag: &str) -> [(HeaderName, &str); 4] {
    [
        // The name is never used for anything else.
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::ETAG, tag),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        // Webmail shows and offers it on pages of its own.
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ]
}

/// Whether whoever asks has it already (RFC 9110 §13.1.2).
pub fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    known.is_some_and(|known| known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag))
}
