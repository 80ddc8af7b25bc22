//! From which sites the signup form may come, and what their scripts may read: CORS, as the Fetch standard has it.
//!
//! This keeps other sites from using the newsletter as if it were theirs. It holds no program back: only browsers say
//! where a form stood.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::web::{http::problem::Problem, public::visitor::Visitor};

/// Where a request comes from, as far as its browser says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOrigin {
    /// From a page of ours, from an old browser, or from a program.
    Ours,
    /// From a site that the publication names.
    Named(HeaderValue),
    /// From any other site, or from one that its browser keeps to itself (`null`).
    Other,
}

impl RequestOrigin {
    /// Reads the `Origin` header.
    pub fn of(visitor: &Visitor, headers: &HeaderMap) -> Self {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Self::Ours };
        // Browsers send one.
        if origins.next().is_some() {
            return Self::Other;
        }
        // Our own page under another name, such as localhost in the demo, is no other site either. Scripts cannot set
        // this header.
        let is_same = headers.get("sec-fetch-site").is_some_and(|value| value == "same-origin");
        if is_same || origin == visitor.state.public_url.as_str() {
            Self::Ours
        } else if visitor.publication.content.origins().iter().any(|named| origin == named.as_str()) {
            Self::Named(origin.clone())
        } else {
            Self::Other
        }
    }

    /// Goes on when a form may come from there.
    ///
    /// # Errors
    /// [`Problem::OtherSite`] when it may not.
    pub fn may_send(self) -> Result<Self, Problem> {
        if self == Self::Other { Err(Problem::OtherSite) } else { Ok(self) }
    }

    /// Lets scripts of the site read the answer, when the publication names it.
    pub fn may_read(&self, answer: impl IntoResponse) -> Response {
        let mut answer = answer.into_response();
        let headers = answer.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Self::Named(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        answer
    }
}

/// `OPTIONS /subscribe`: what a browser asks before another site's script sends more than a plain form would.
pub async fn preflight(visitor: Visitor, headers: HeaderMap) -> Result<Response, Problem> {
    let origin = RequestOrigin::of(&visitor, &headers).may_send()?;
    let allowed = [
        (header::ALLOW, "GET, HEAD, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Accept"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    Ok(origin.may_read((StatusCode::NO_CONTENT, allowed)))
}
