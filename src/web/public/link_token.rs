//! The token in a link's path.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::web::http::problem::Problem;

/// The text of a token as it stands in the path. Whatever is no text at all is a link that does not fit, like any
/// other token that is not ours.
pub struct LinkToken(pub String);

impl<S: Send + Sync> FromRequestParts<S> for LinkToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let unknown = if parts.uri.path().starts_with("/unsubscribe/") {
            Problem::UnsubscribeUnknown
        } else {
            Problem::LinkUnknown
        };
        let Path(token) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| unknown)?;
        Ok(Self(token))
    }
}
