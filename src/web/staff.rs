//! The staff pages: for project staff, under `/staff`, with a login. A folder a subject; `web/routes.rs` is their table.
//!
//! GET changes nothing but the minute a session was last used.

pub(super) mod access;
pub(super) mod account;
pub(super) mod bounces;
pub(super) mod client_name;
pub(super) mod error_pages;
pub(super) mod files;
pub(super) mod formats;
pub(super) mod glossary;
pub(super) mod images;
pub(super) mod log;
pub(super) mod logged_in;
pub(super) mod login;
pub(super) mod mailings;
pub(super) mod members;
pub(super) mod phone;
pub(super) mod publication;
pub(super) mod restore;
pub(super) mod sending;
pub(super) mod staff_page;
pub(super) mod staff_problem;
pub(super) mod start;
pub(super) mod subscribers;
pub mod updates;

use axum::{Router, extract::DefaultBodyLimit, middleware};
use tower_http::csrf::CsrfLayer;

use crate::web::{
    AppState,
    http::route::Body,
    staff::{access::Gate, staff_problem::StaffProblem},
};

pub use crate::web::staff::{files::Receiving, images::Uploads, mailings::live::Live};

/// The staff routes, with what is around all of them: who may use which, protection against forms on other sites, error
/// pages.
pub fn router(state: &AppState) -> Router<AppState> {
    let mut router = Router::new();
    for route in state.routes.0.iter().filter(|route| route.is_staff()) {
        let mut handlers = (route.handlers)();
        if let Body::Upload { most, .. } = route.body {
            handlers = handlers.layer(DefaultBodyLimit::max(most));
        }
        let gate = Gate { state: state.clone(), route };
        router = router.route(route.path, handlers.layer(middleware::from_fn_with_state(gate, access::gate)));
    }
    // By Origin and Sec-Fetch-Site, which browsers send by themselves; our own address counts also where a proxy asks us
    // under another name.
    let csrf = CsrfLayer::new();
    let csrf = csrf.add_trusted_origin(state.public_url.as_str()).unwrap_or_default();
    let csrf = csrf.with_rejection_response(|_| StaffProblem::OtherSite.into_bare_response());
    router.layer(csrf).layer(middleware::from_fn_with_state(state.clone(), error_pages::render))
}
