//! What is known of a route besides its handlers: who may use it, what it takes, how its requests are counted.
//!
//! [`routes`](crate::web::routes) is the table. [`look_up`] finds the route of a request there, once; whatever depends on it
//! takes it from the request as [`Matched`], and compares no paths.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request, State},
    routing::MethodRouter,
};

use crate::{domain::token::LinkPurpose, web::AppState};

/// A route, with its handlers.
pub struct Route {
    /// With parameters in braces. Logs and metrics name requests by it, never by their own path: that may hold a token.
    pub path: &'static str,
    /// Who may use it.
    pub allowed: Allowed,
    /// Whether it asks again who it is, before what a stolen session must not do.
    pub reauth: Reauth,
    /// The body that its POST takes.
    pub body: Body,
    /// Whose slots its requests take.
    pub slots: SlotClass,
    /// Whether its address holds a token: it stays out of caches, Referer headers and search engines.
    pub holds_token: bool,
    /// Whether the rate limit of a client counts its requests.
    pub is_counted: bool,
    /// Whether programs use it: its errors are problem details (RFC 9457) whatever the request accepts.
    pub is_for_programs: bool,
    /// Whether scripts ask for it again and again without anybody doing anything: that keeps no session alive.
    pub is_polled: bool,
    /// What answers, by method.
    pub handlers: fn() -> MethodRouter<AppState>,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Everybody, logged in or not.
    Everybody,
    /// Who is logged in, second factor and all.
    Member,
    /// The same, as an admin.
    Admin,
}

/// Whether a route asks again who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reauth {
    /// It does not.
    Never,
    /// Its POST does, before its handler runs. With the name of what it does, under `staff.reauth` of the texts.
    Before(&'static str),
    /// Its form has a field for the password, and one for the code where that is due.
    InForm,
}

/// The body that a POST takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A form: read as a whole, and small, before anything else looks at the request.
    Form,
    /// The same. One that cannot be read counts as an empty one: it is no reason to keep anybody subscribed.
    AnyForm,
    /// A file: its handler reads it as it comes, once it is known who sends it. The handler has to see to it that there
    /// are not too many: each keeps its slot for as long as it takes.
    Upload {
        /// Bytes of the whole body.
        most: usize,
        /// How long the whole request may take.
        within: Duration,
    },
}

/// Whose slots a route's requests take, of those that are answered at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotClass {
    /// Everybody's.
    General,
    /// With a token of ours for this purpose in the path: some more, that nobody else gets.
    Leaving(LinkPurpose),
    /// POST: the few of those whose password is hashed.
    Login,
}

impl Route {
    /// A route for everybody.
    pub(in crate::web) const fn public(path: &'static str, handlers: fn() -> MethodRouter<AppState>) -> Self {
        Self::of(path, Allowed::Everybody, handlers)
    }

    /// A route of the staff pages for who is logged in.
    pub(in crate::web) const fn member(path: &'static str, handlers: fn() -> MethodRouter<AppState>) -> Self {
        Self::of(path, Allowed::Member, handlers)
    }

    /// A route of the staff pages for admins.
    pub(in crate::web) const fn admin(path: &'static str, handlers: fn() -> MethodRouter<AppState>) -> Self {
        Self::of(path, Allowed::Admin, handlers)
    }

    const fn of(path: &'static str, allowed: Allowed, handlers: fn() -> MethodRouter<AppState>) -> Self {
        Self {
            path,
            allowed,
            reauth: Reauth::Never,
            body: Body::Form,
            slots: SlotClass::General,
            holds_token: false,
            is_counted: true,
            is_for_programs: false,
            is_polled: false,
            handlers,
        }
    }

    /// Its POST asks again who it is before it does this.
    pub(in crate::web) const fn reauth(self, what: &'static str) -> Self {
        Self { reauth: Reauth::Before(what), ..self }
    }

    /// Its form asks for the password itself.
    pub(in crate::web) const fn reauth_in_form(self) -> Self {
        Self { reauth: Reauth::InForm, ..self }
    }

    /// Its POST takes such a body.
    pub(in crate::web) const fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    /// Its requests take such slots.
    pub(in crate::web) const fn slots(self, slots: SlotClass) -> Self {
        Self { slots, ..self }
    }

    /// Its address holds a token.
    pub(in crate::web) const fn token(self) -> Self {
        Self { holds_token: true, ..self }
    }

    /// The rate limit does not count its requests.
    pub(in crate::web) const fn uncounted(self) -> Self {
        Self { is_counted: false, ..self }
    }

    /// Programs use it.
    pub(in crate::web) const fn for_programs(self) -> Self {
        Self { is_for_programs: true, ..self }
    }

    /// Scripts ask for it by themselves.
    pub(in crate::web) const fn polled(self) -> Self {
        Self { is_polled: true, ..self }
    }

    /// Whether it is one of the staff pages.
    #[must_use]
    pub fn is_staff(&self) -> bool {
        is_of_staff(self.path)
    }

    /// The path up to its first parameter; nothing when it has none.
    fn prefix(&self) -> Option<&'static str> {
        self.path.find('{').map(|at| &self.path[..at])
    }

    /// What stands in `path` after the part of this route that has no parameters.
    #[must_use]
    pub fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.prefix()?)
    }
}

/// Where no route is.
const NOWHERE: Route = Route::public("", MethodRouter::new);

/// Every route of the service.
#[derive(Clone, Copy)]
pub struct Table(pub &'static [Route]);

/// Among the extensions of every request: what the table says of it.
#[derive(Clone, Copy)]
pub struct Matched {
    /// The route. A path that no route takes counts as the public one that it begins like: a link with something behind its
    /// token is treated like one.
    pub route: &'static Route,
    /// Whether the address holds a token, whatever stands behind that: also where another route, or none, takes the path.
    pub holds_token: bool,
}

/// Looks up the route of a request, for every layer and handler. The outermost layer: each of them needs it.
pub async fn look_up(State(table): State<Table>, mut request: Request) -> Request {
    let matched = table.of(&request);
    request.extensions_mut().insert(matched);
    request
}

/// Whether a path is that of a staff page, or lies where those do.
#[must_use]
pub fn is_of_staff(path: &str) -> bool {
    path == "/staff" || path.starts_with("/staff/")
}

impl Table {
    /// What it says of a request.
    pub(in crate::web) fn of(self, request: &Request) -> Matched {
        let path = request.uri().path();
        let taken_by = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let exact = taken_by.and_then(|path| self.0.iter().find(|route| route.path == path));
        let is_like = |route: &&Route| route.allowed == Allowed::Everybody && route.rest(path).is_some();
        let route = exact.or_else(|| self.0.iter().find(is_like)).unwrap_or(&NOWHERE);
        Matched { route, holds_token: self.holds_token(path) }
    }

    fn holds_token(self, path: &str) -> bool {
        self.0.iter().any(|route| route.holds_token && route.rest(path).is_some())
    }
}
