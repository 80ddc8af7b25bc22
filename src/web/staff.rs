//! The staff pages: for project staff, under `/staff`, with a login.
//!
//! | route | who | does |
//! |---|---|---|
//! | `GET /staff` | members | where things stand |
//! | `GET, POST /staff/login` | everybody | asks for address and password |
//! | `GET, POST /staff/login/code` | everybody | asks for the second factor |
//! | `POST /staff/logout` | everybody | ends the session |
//! | `GET, POST /staff/welcome/{token}` | everybody | sets a password, by one-time link |
//! | `GET, POST /staff/updates/{id}/send` | members | shows what is sent to how many, and sends it or plans that |
//! | `POST /staff/updates/{id}/test` | members | test mails to oneself and colleagues |
//! | `/staff/colleagues…` | members | who gets test mails |
//! | `/staff/mailings…` | members | how mailings go, live, and what became of them; moving, taking back, pausing, cancelling, sending again |
//! | `/staff/account…` | members | own name, password, second factor, sessions |
//! | `/staff/updates…` | members | writing updates: the list, the editor with the mail beside it, history |
//! | `/staff/publication…` | admins | what the newsletter says of itself, and how its mails look |
//! | `/staff/people…` | admins | who may log in, and as what |
//! | `/staff/images…` | members | pictures: uploading, describing, removing |
//! | `GET /staff/updates/{id}/preflight` | members | what is wrong with an update, before it is sent |
//! | `/staff/subscribers…` | admins | finding subscribers, one of them, erasure, import, export |
//! | `/staff/signups…` | members | signups that a limit holds; admins let their mails go or drop them |
//! | `GET, POST /staff/signature` | staff | whether the relay's signature covers what unsubscribing with one click needs |
//! | `GET, POST /staff/restore` | admins | mailings that are held because the database may be an older one |
//! | `GET /staff/audit` | admins | what staff did |
//!
//! [`ROUTES`] is the list, and the only way to add one: each says who may use it and whether it asks again who it is, and
//! `access.rs` holds to that before a handler runs. GET changes nothing but the minute a session was last used.

mod access;
mod account;
mod formats;
mod images;
mod log;
mod login;
mod mailings;
mod members;
mod publication;
mod restore;
mod staff_page;
mod staff_problem;
mod start;
mod subscribers;
pub mod updates;

use axum::{
    Router, extract::DefaultBodyLimit, http::HeaderMap, middleware, routing::MethodRouter, routing::get,
    routing::post,
};
use tower_http::csrf::CsrfLayer;

use crate::web::{AppState, http::load_shedding::Takes};

pub(super) use crate::web::staff::access::is_member;
pub use crate::web::staff::{
    access::Access, images::Uploads, login::reauth::Reauth, mailings::live::Live, start::Growth,
};
use crate::web::staff::{
    access::Gate,
    account::second_factor,
    login::{code, cookies, one_time_link},
    mailings::{actions, planned, refusals, report, send_page},
    publication::signature,
    staff_problem::StaffProblem,
    subscribers::{detail, import, signups},
    updates::{editor, history, preflight, preview, test_mail, test_recipients},
};

/// A staff route.
pub struct Route {
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// Whether it asks again who it is, before what a stolen session must not do.
    pub reauth: Reauth,
    takes: Takes,
    handlers: fn() -> MethodRouter<AppState>,
}

const fn route(path: &'static str, access: Access, handlers: fn() -> MethodRouter<AppState>) -> Route {
    Route { path, access, reauth: Reauth::Never, takes: Takes::Form, handlers }
}

impl Route {
    /// The same route, whose POST takes a file. [`DefaultBodyLimit`] holds its extractors to the size.
    const fn taking(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    /// The same route, whose POST asks again who it is before it does this.
    const fn reauth(self, what: &'static str) -> Self {
        Self { reauth: Reauth::Before(what), ..self }
    }

    /// The same route, whose form asks for the password itself.
    const fn reauth_in_form(self) -> Self {
        Self { reauth: Reauth::InForm, ..self }
    }
}

/// Every staff route, and who may use it.
pub const ROUTES: &[Route] = &[
    route("/staff", Access::Member, || get(start::show)),
    route("/staff/", Access::Member, || get(start::without_slash)),
    route("/staff/login", Access::Everybody, || get(login::form).post(login::submit)),
    route("/staff/login/code", Access::Everybody, || get(code::form).post(code::submit)),
    route("/staff/logout", Access::Everybody, || post(login::logout)),
    route("/staff/welcome/{token}", Access::Everybody, || get(one_time_link::ask).post(one_time_link::set)),
    route("/staff/updates/{id}/send", Access::Member, || get(send_page::show).post(send_page::send)),
    route("/staff/updates/{id}/test", Access::Member, || post(test_mail::send)),
    route("/staff/colleagues", Access::Member, || get(test_recipients::list).post(test_recipients::add)),
    route("/staff/colleagues/{id}/remove", Access::Member, || post(test_recipients::remove)),
    route("/staff/mailings", Access::Member, || get(mailings::list)),
    route("/staff/mailings/{id}", Access::Member, || get(mailings::show)),
    route("/staff/mailings/{id}/events", Access::Member, || get(mailings::events)),
    route("/staff/mailings/{id}/mail.html", Access::Member, || get(preview::of_mailing)),
    route("/staff/mailings/{id}/text", Access::Member, || get(planned::show).post(planned::take)),
    route("/staff/mailings/{id}/take-back", Access::Member, || post(actions::take_back)),
    route("/staff/mailings/{id}/time", Access::Member, || post(actions::reschedule)),
    route("/staff/mailings/{id}/pause", Access::Member, || post(actions::pause)),
    route("/staff/mailings/{id}/resume", Access::Member, || post(actions::resume)),
    route("/staff/mailings/{id}/refusals", Access::Member, || get(refusals::ask).post(refusals::accept)),
    route("/staff/mailings/{id}/cancel", Access::Member, || post(actions::cancel)),
    route("/staff/mailings/{id}/retry", Access::Member, || get(actions::ask_retry).post(actions::retry)),
    route("/staff/mailings/{id}/report.csv", Access::Member, || post(report::download)).reauth("report"),
    route("/staff/account", Access::Member, || get(account::show)),
    route("/staff/account/name", Access::Member, || post(account::set_name)),
    route("/staff/account/password", Access::Member, || post(account::set_password)).reauth_in_form(),
    route("/staff/account/sessions/end", Access::Member, || post(account::end_all_sessions)),
    route("/staff/account/sessions/{id}/end", Access::Member, || post(account::end_session)),
    route("/staff/account/second-factor", Access::Member, || {
        get(second_factor::show).post(second_factor::turn_on)
    })
    .reauth_in_form(),
    route("/staff/account/second-factor/codes", Access::Member, || post(second_factor::new_codes))
        .reauth_in_form(),
    route("/staff/account/second-factor/off", Access::Member, || post(second_factor::turn_off))
        .reauth_in_form(),
    route("/staff/account/notices", Access::Member, || post(account::read_notices)),
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
    route("/staff/publication/preview", Access::Admin, || post(publication::preview)),
    route("/staff/publication/look", Access::Admin, || get(publication::theme::show)),
    route("/staff/publication/{of}/mails/{folder}", Access::Admin, || get(publication::theme::mail)),
    route("/staff/publication/{of}/pages/{name}", Access::Admin, || get(publication::theme::sample_page)),
    route("/staff/people", Access::Admin, || get(members::list).post(members::add)).reauth("person_add"),
    route("/staff/people/{id}", Access::Admin, || get(members::show)),
    route("/staff/people/{id}/role", Access::Admin, || post(members::set_role)).reauth("person_role"),
    route("/staff/people/{id}/disable", Access::Admin, || post(members::disable)).reauth("person_disable"),
    route("/staff/people/{id}/enable", Access::Admin, || post(members::enable)).reauth("person_enable"),
    route("/staff/people/{id}/link", Access::Admin, || post(members::make_link)).reauth("person_link"),
    route("/staff/people/{id}/second-factor", Access::Admin, || post(members::reset_second_factor))
        .reauth("person_factor"),
    route("/staff/images", Access::Member, || get(images::list).post(images::upload)).taking(images::UPLOAD),
    route("/staff/images/{id}", Access::Member, || get(images::show).post(images::describe)),
    route("/staff/images/{id}/remove", Access::Member, || post(images::remove)),
    route("/staff/updates/{id}/preflight", Access::Member, || get(preflight::show)),
    route("/staff/subscribers", Access::Admin, || get(subscribers::list)),
    route("/staff/subscribers/add", Access::Admin, || post(subscribers::add)),
    route("/staff/subscribers/export.csv", Access::Admin, || post(subscribers::export::download))
        .reauth("export"),
    // The handler counts the file as it comes, and says so when it is too large.
    route("/staff/subscribers/import", Access::Admin, || {
        get(import::start).post(import::receive).layer(DefaultBodyLimit::disable())
    })
    .taking(import::UPLOAD),
    route("/staff/subscribers/import/{id}", Access::Admin, || get(import::show)),
    route("/staff/subscribers/import/{id}/check", Access::Admin, || post(import::check)),
    route("/staff/subscribers/import/{id}/run", Access::Admin, || post(import::run)),
    route("/staff/subscribers/import/{id}/cancel", Access::Admin, || post(import::cancel)),
    route("/staff/subscribers/import/{id}/status", Access::Admin, || get(import::status)),
    route("/staff/subscribers/import/{id}/problems.csv", Access::Admin, || get(import::problems)),
    route("/staff/subscribers/{id}", Access::Admin, || get(detail::show)),
    route("/staff/subscribers/{id}/proof", Access::Admin, || post(detail::take_proof)).reauth("proof"),
    route("/staff/subscribers/{id}/unsubscribe", Access::Admin, || post(detail::unsubscribe)),
    route("/staff/subscribers/{id}/erase", Access::Admin, || get(detail::ask_erase).post(detail::erase)),
    route("/staff/signups", Access::Member, || get(signups::show)),
    route("/staff/signups/release", Access::Admin, || post(signups::release)),
    route("/staff/signups/again", Access::Admin, || post(signups::send_again)),
    route("/staff/signups/drop", Access::Admin, || post(signups::drop_them)),
    route("/staff/restore", Access::Admin, || get(restore::show).post(restore::release)),
    route("/staff/signature", Access::Member, || get(signature::show).post(signature::look)),
    route("/staff/audit", Access::Admin, || get(log::show)),
    // Everything else: not there, for those who are logged in; a login for all others.
    route("/staff/{*rest}", Access::Member, || axum::routing::any(staff_problem::not_found)),
];

/// Who may use a route, by its path as it stands in [`ROUTES`]; nothing when it is no staff route.
pub(super) fn access_of(path: &str) -> Option<Access> {
    ROUTES.iter().find(|route| route.path == path).map(|route| route.access)
}

/// Whether a request comes from a browser from which somebody of the staff logged in before.
pub(super) fn is_known_device(state: &AppState, headers: &HeaderMap) -> bool {
    cookies::device(state, headers).is_some()
}

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
        let gate = Gate { state: state.clone(), access: route.access, reauth: route.reauth };
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
    router.layer(csrf).layer(middleware::from_fn_with_state(state.clone(), staff_problem::pages))
}
