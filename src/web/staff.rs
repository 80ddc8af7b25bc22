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
//! | `/staff/people…` | admins | who may log in, and as what |
//! | `/staff/subscribers…` | admins | finding subscribers, one of them, erasure, import, export |
//! | `GET /staff/audit` | admins | what staff did |
//!
//! [`ROUTES`] is the list, and the only way to add one: each says who may use it, and [`access`] holds to that before a
//! handler runs. GET changes nothing but the minute a session was last used.

mod access;
mod account;
mod audit;
mod client_name;
mod cookies;
mod destination;
mod login;
mod page;
mod people;
mod problems;
mod qr;
mod second_factor;
mod start;
mod subscribers;
mod welcome;

use axum::{
    Router, extract::DefaultBodyLimit, middleware, routing::MethodRouter, routing::get, routing::post,
};
use tower_http::csrf::CsrfLayer;

use super::AppState;

pub use self::access::Access;
use self::{
    access::Gate,
    problems::StaffProblem,
    subscribers::{import, one},
};

/// A staff route.
pub struct Route {
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    handlers: fn() -> MethodRouter<AppState>,
}

const fn route(path: &'static str, access: Access, handlers: fn() -> MethodRouter<AppState>) -> Route {
    Route { path, access, handlers }
}

/// Every staff route, and who may use it.
pub const ROUTES: &[Route] = &[
    route("/staff", Access::Member, || get(start::show)),
    route("/staff/", Access::Member, || get(start::without_slash)),
    route("/staff/login", Access::Everybody, || get(login::form).post(login::submit)),
    route("/staff/login/code", Access::Everybody, || get(login::code_form).post(login::submit_code)),
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
    route("/staff/people", Access::Admin, || get(people::list).post(people::add)),
    route("/staff/people/{id}", Access::Admin, || get(people::show)),
    route("/staff/people/{id}/role", Access::Admin, || post(people::set_role)),
    route("/staff/people/{id}/disable", Access::Admin, || post(people::disable)),
    route("/staff/people/{id}/enable", Access::Admin, || post(people::enable)),
    route("/staff/people/{id}/link", Access::Admin, || post(people::make_link)),
    route("/staff/people/{id}/second-factor", Access::Admin, || post(people::reset_second_factor)),
    route("/staff/subscribers", Access::Admin, || get(subscribers::list)),
    route("/staff/subscribers/add", Access::Admin, || post(subscribers::add)),
    route("/staff/subscribers/export.csv", Access::Admin, || post(subscribers::export::download)),
    route("/staff/subscribers/import", Access::Admin, || {
        // The file is counted as it comes, see `busy::takes_a_file`.
        get(import::start).post(import::receive).layer(DefaultBodyLimit::disable())
    }),
    route("/staff/subscribers/import/{id}", Access::Admin, || get(import::show)),
    route("/staff/subscribers/import/{id}/check", Access::Admin, || post(import::check)),
    route("/staff/subscribers/import/{id}/run", Access::Admin, || post(import::run)),
    route("/staff/subscribers/import/{id}/cancel", Access::Admin, || post(import::cancel)),
    route("/staff/subscribers/import/{id}/status", Access::Admin, || get(import::status)),
    route("/staff/subscribers/import/{id}/problems.csv", Access::Admin, || get(import::problems)),
    route("/staff/subscribers/{id}", Access::Admin, || get(one::show)),
    route("/staff/subscribers/{id}/proof", Access::Admin, || post(one::take_proof)),
    route("/staff/subscribers/{id}/unsubscribe", Access::Admin, || post(one::unsubscribe)),
    route("/staff/subscribers/{id}/erase", Access::Admin, || get(one::ask_erase).post(one::erase)),
    route("/staff/audit", Access::Admin, || get(audit::show)),
    // Everything else: not there, for those who are logged in; a login for all others.
    route("/staff/{*rest}", Access::Member, || axum::routing::any(problems::not_found)),
];

/// The staff routes, with what is around all of them: who may use which, protection against forms on other sites, error
/// pages.
pub fn router(state: &AppState) -> Router<AppState> {
    let mut router = Router::new();
    for route in ROUTES {
        let gate = Gate { state: state.clone(), access: route.access };
        let handlers = (route.handlers)().layer(middleware::from_fn_with_state(gate, access::gate));
        router = router.route(route.path, handlers);
    }
    // By Origin and Sec-Fetch-Site, which browsers send by themselves; our own address counts also where a proxy asks us
    // under another name.
    let csrf = CsrfLayer::new();
    let csrf = csrf.add_trusted_origin(state.public_url.as_str()).unwrap_or_default();
    let csrf = csrf.with_rejection_response(|_| StaffProblem::OtherSite.into_bare_response());
    router.layer(csrf).layer(middleware::from_fn_with_state(state.clone(), problems::pages))
}
