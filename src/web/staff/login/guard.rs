//! Where a login comes from, the browser and the network, and what it is told of attempts that have to wait.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
    response::Response,
};
use chrono::TimeDelta;

use crate::{
    app::login_origin::{LoggedIn, Origin},
    domain::staff::secret::Device,
    web::{
        AppState,
        http::{
            client::{Client, Counted},
            cookies,
        },
        staff::{
            client_name,
            staff_page::{Mistakes, StaffPage},
        },
    },
};

/// Where a login comes from: what is needed at each of its steps.
pub struct LoginOrigin(pub Origin);

impl FromRequestParts<AppState> for LoginOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let client = Client::of(&parts.extensions, &parts.headers, &state.proxies);
        // Everybody behind a proxy that names nobody is not counted together: one guesser would keep all of them out.
        // Their accounts are.
        let address = client.and_then(|client| match client.counted {
            Counted::One(client) | Counted::Likely { client, .. } => Some(client),
            Counted::Everybody(_) | Counted::ThisMachine(_) => None,
        });
        Ok(Self(Origin {
            device: cookies::device(state, &parts.headers),
            address,
            client_name: client_name::of(&parts.headers),
            session: cookies::session(state, &parts.headers),
        }))
    }
}

impl LoginOrigin {
    /// Gives the browser its session, and remembers it as one of its owner's.
    pub fn enter(&self, state: &AppState, mut response: Response, entered: &LoggedIn) -> Response {
        let owner = entered.owner;
        let device = self.0.device_of(owner).copied().unwrap_or_else(|| Device::new(owner));
        cookies::set_session(state, response.headers_mut(), &entered.session);
        cookies::set_device(state, response.headers_mut(), &device);
        response
    }
}

/// That an attempt has to wait, and how long, in whole minutes.
pub fn wait(page: &StaffPage, field: &'static str, how_long: TimeDelta) -> Mistakes {
    let minutes = how_long.num_seconds().max(1).unsigned_abs().div_ceil(60);
    Mistakes::one(field, page.plural("error", "wait", i64::try_from(minutes).unwrap_or(i64::MAX)))
}

/// Tells programs too how long to wait.
pub fn with_retry_after(mut answer: Response, how_long: TimeDelta) -> Response {
    answer.headers_mut().insert(header::RETRY_AFTER, how_long.num_seconds().max(1).unsigned_abs().into());
    answer
}
