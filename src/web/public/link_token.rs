//! The token in a link's path.

use axum::{
    Extension,
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::web::{
    AppState,
    http::{
        problem::Problem,
        route::{Body, Matched},
    },
};

/// The text of a token as it stands in the path. Whatever is no text at all is a link that does not fit, like any
/// other token that is not ours.
pub struct LinkToken(pub String);

impl FromRequestParts<AppState> for LinkToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let matched = Extension::<Matched>::from_request_parts(parts, state).await;
        let Extension(Matched { route, .. }) = matched.map_err(|error| Problem::internal(&error))?;
        let unknown =
            if route.body == Body::AnyForm { Problem::UnsubscribeUnknown } else { Problem::LinkUnknown };
        let Path(token) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| unknown)?;
        Ok(Self(token))
    }
}
