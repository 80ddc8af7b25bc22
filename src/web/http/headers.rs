//! Headers that every answer carries.

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use crate::{
    domain::publication::Content,
    web::{AppState, http::route::Matched},
};

macro_rules! csp {
    ($more:literal) => {
        concat!(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            $more
        )
    };
}

/// What a page may load and where its forms may go. Scripts are not among it.
const CSP: &str = csp!("");

/// The same for the one page that shows our own script at work.
pub const CSP_WITH_OWN_SCRIPT: &str = csp!("; script-src 'self'; connect-src 'self'");

/// The same for a signup page that works on a challenge: our script, and the worker it starts. It sends nothing.
pub const CSP_WITH_CAPTCHA: &str = csp!("; script-src 'self'; worker-src 'self'");

/// The same for a page that shows a mail in a frame.
pub const CSP_WITH_FRAME: &str = csp!("; frame-src 'self'");

/// The same for staff pages: our own scripts and what they fetch, our own pages in frames (the mail as it will be), and
/// pictures that are just being chosen.
pub const CSP_FOR_STAFF: &str = concat!(
    "default-src 'none'; style-src 'self'; img-src 'self' blob:; form-action 'self'; base-uri 'none'; ",
    "frame-ancestors 'none'; script-src 'self'; connect-src 'self'; frame-src 'self'"
);

/// For a year, over TLS alone (RFC 6797): this host, or every host below it too (`HSTS_SUBDOMAINS`).
const HSTS: &str = "max-age=31536000";
const HSTS_WITH_SUBDOMAINS: &str = "max-age=31536000; includeSubDomains";

/// Adds the security headers. Pages whose address holds a token also keep it out of caches and of Referer headers.
pub async fn add(
    State(state): State<AppState>,
    Extension(Matched { holds_token, .. }): Extension<Matched>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CSP);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, if holds_token { "no-referrer" } else { "same-origin" });
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), interest-cohort=()",
    );
    set(header::CACHE_CONTROL, "no-store");
    if holds_token {
        set(HeaderName::from_static("x-robots-tag"), "noindex");
    }
    // No page of another site that opens ours, or is opened by it, gets hold of its window.
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if state.public_url.is_https() {
        let hsts = if state.hsts_subdomains { HSTS_WITH_SUBDOMAINS } else { HSTS };
        set(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    let pictures = response.extensions().get::<PicturesFrom>().map(|from| from.0.join(" "));
    if let Some(pictures) = pictures.filter(|from| !from.is_empty()) {
        let policy =
            response.headers().get(header::CONTENT_SECURITY_POLICY).and_then(|csp| csp.to_str().ok());
        let policy = policy.unwrap_or(CSP).replace("img-src 'self'", &format!("img-src 'self' {pictures}"));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    response
}

/// Goes with an answer whose page shows pictures from elsewhere: the origins that its policy has to let in.
#[derive(Clone)]
pub struct PicturesFrom(Vec<String>);

impl PicturesFrom {
    /// Where the publication's logos lie.
    pub fn publication(content: &Content) -> Self {
        let mut origins: Vec<String> =
            content.logos().map(|logo| logo.url.origin().ascii_serialization()).collect();
        origins.sort();
        origins.dedup();
        Self(origins)
    }
}
