//! The staff pages: for project staff, under `/staff`, with a login.
//!
//! | route | who | does |
//! |---|---|---|
//! | `GET /staff` | members | where things stand |
//! | `GET, POST /staff/login` | everybody | asks for address and password |
//! | `GET, POST /staff/login/code` | everybody | asks for the second factor |
//! | `POST /staff/logout` | everybody | ends the session |
//! | `GET, POST /staff/welcome/{token}` | everybody | sets a password, by one-time link |
//! | `/staff/account…` | members | own name, password, second factor, sessions |
//! | `/staff/updates…` | members | writing updates: the list, the editor with the mail beside it, history |
//! | `/staff/publication…` | admins | what the newsletter says of itself, and how its mails look |
//! | `/staff/people…` | admins | who may log in, and as what |
//! | `/staff/images…` | members | pictures: uploading, describing, removing |
//! | `GET /staff/updates/{id}/preflight` | members | what is wrong with an update, before it is sent |
//! | `GET /staff/audit` | admins | what staff did |
//!
//! [`ROUTES`] is the list, and the only way to add one: each says who may use it, and `access.rs` holds to that before a
//! handler runs. GET changes nothing but the minute a session was last used.

mod access;
mod account;
mod audit;
mod client_name;
mod code;
mod cookies;
mod destination;
mod editor;
mod history;
mod images;
mod login;
mod page;
mod people;
pub mod preflight;
mod preview;
mod problems;
mod publication;
mod qr;
mod second_factor;
mod start;
mod updates;
mod visit;
mod welcome;

use axum::{
    Router, extract::DefaultBodyLimit, middleware, routing::MethodRouter, routing::get, routing::post,
};
use tower_http::csrf::CsrfLayer;

use super::{AppState, busy::Takes};

pub use self::{access::Access, images::Uploads, preflight::Surveyor, start::Growth};
use self::{access::Gate, problems::StaffProblem};

/// A staff route.
pub struct Route {
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    takes: Takes,
    handlers: fn() -> MethodRouter<AppState>,
}

const fn route(path: &'static str, access: Access, handlers: fn() -> MethodRouter<AppState>) -> Route {
    Route { path, access, takes: Takes::Form, handlers }
}

impl Route {
    /// The same route, whose POST takes a file. [`DefaultBodyLimit`] holds its extractors to the size.
    const fn taking(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }
}

/// Every staff route, and who may use it.
pub const ROUTES: &[Route] = &[
    route("/staff", Access::Member, || get(start::show)),
    route("/staff/", Access::Member, || get(start::without_slash)),
    route("/staff/login", Access::Everybody, || get(login::form).post(login::submit)),
    route("/staff/login/code", Access::Everybody, || get(code::form).post(code::submit)),
    route("/staff/logout", Access::Everybody, || post(login::logout)),
    route("/staff/welcome/{token}", Access::Everybody, || get(welcome::ask).post(welcome::set)),
    route("/staff/account", Access::Member, || get(account::show)),
    route("/staff/account/name", Access::Member, || post(account::set_name)),
    route("/staff/account/password", Access::Member, || post(account::set_password)),
    route("/staff/account/sessions/end", Access::Member, || post(account::end_all_sessions)),
    route("/staff/account/sessions/{id}/end", Access::Member, || post(account::end_session)),
    route("/staff/account/second-factor", Access::Member, || {
        get(second_factor::show).post(second_factor::turn_on)
    }),
    route("/staff/account/second-factor/codes", Access::Member, || post(second_factor::new_codes)),
    route("/staff/account/second-factor/off", Access::Member, || post(second_factor::turn_off)),
    route("/staff/updates", Access::Member, || get(updates::list).post(updates::begin)),
    route("/staff/updates/{id}", Access::Member, || get(editor::show).post(editor::save)),
    route("/staff/updates/{id}/here", Access::Member, || post(editor::here)),
    route("/staff/updates/{id}/mail.html", Access::Member, || get(preview::html)),
    route("/staff/updates/{id}/mail.txt", Access::Member, || get(preview::text)),
    route("/staff/updates/{id}/history", Access::Member, || get(history::list)),
    route("/staff/updates/{id}/history/{version}", Access::Member, || {
        get(history::show).post(history::restore)
    }),
    route("/staff/updates/{id}/delete", Access::Member, || post(updates::delete)),
    route("/staff/publication", Access::Admin, || get(publication::show).post(publication::change)),
    route("/staff/publication/mails", Access::Admin, || get(preview::mails)),
    route("/staff/publication/mails/{folder}", Access::Admin, || get(preview::sample)),
    route("/staff/people", Access::Admin, || get(people::list).post(people::add)),
    route("/staff/people/{id}", Access::Admin, || get(people::show)),
    route("/staff/people/{id}/role", Access::Admin, || post(people::set_role)),
    route("/staff/people/{id}/disable", Access::Admin, || post(people::disable)),
    route("/staff/people/{id}/enable", Access::Admin, || post(people::enable)),
    route("/staff/people/{id}/link", Access::Admin, || post(people::make_link)),
    route("/staff/people/{id}/second-factor", Access::Admin, || post(people::reset_second_factor)),
    route("/staff/images", Access::Member, || get(images::list).post(images::upload)).taking(images::UPLOAD),
    route("/staff/images/{id}", Access::Member, || get(images::show).post(images::describe)),
    route("/staff/images/{id}/remove", Access::Member, || post(images::remove)),
    route("/staff/updates/{id}/preflight", Access::Member, || get(preflight::show)),
    route("/staff/audit", Access::Admin, || get(audit::show)),
    // Everything else: not there, for those who are logged in; a login for all others.
    route("/staff/{*rest}", Access::Member, || axum::routing::any(problems::not_found)),
];

/// What a route takes, by its path as it stands in [`ROUTES`]; every other one takes forms.
pub(super) fn takes(path: &str) -> Takes {
    let of_file = |route: &&Route| route.takes != Takes::Form && route.path == path;
    ROUTES.iter().find(of_file).map_or(Takes::Form, |route| route.takes)
}

/// The staff routes, with what is around all of them: who may use which, protection against forms on other sites, error
/// pages.
pub fn router(state: &AppState) -> Router<AppState> {
    let mut router = Router::new();
    for route in ROUTES {
        let gate = Gate { state: state.clone(), access: route.access };
        let mut handlers = (route.handlers)();
        if let Takes::Upload { most, .. } = route.takes {
            handlers = handlers.layer(DefaultBodyLimit::max(most));
        }
        let handlers = handlers.layer(middleware::from_fn_with_state(gate, access::gate));
        router = router.route(route.path, handlers);
    }
    // By Origin and Sec-Fetch-Site, which browsers send by themselves; our own address counts also where a proxy asks us
    // under another name.
    let csrf = CsrfLayer::new();
    let csrf = csrf.add_trusted_origin(state.public_url.as_str()).unwrap_or_default();
    let csrf = csrf.with_rejection_response(|_| StaffProblem::OtherSite.into_bare_response());
    router.layer(csrf).layer(middleware::from_fn_with_state(state.clone(), problems::pages))
}
