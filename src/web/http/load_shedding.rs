//! When everybody comes at once: so many requests at a time, and a clear answer at once for those beyond. And how much
//! a route takes, from whom, and for how long.
//!
//! | who | places |
//! |---|---|
//! | everybody | 512 |
//! | who leaves, by a link of ours | those, and 64 more that nobody else gets |
//! | who logs in | 32: their passwords are hashed, which takes a processor each, and they take no place from others |
//! | who logs in from a browser that is known | those, and 16 more |

use std::time::Duration;

use axum::{
    body::{Body, HttpBody, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{Method, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::{
    config::SecretKeys,
    domain::token::{LinkPurpose, read_subscriber_token},
    web::{
        AppState,
        http::problem::Problem,
        staff::{self, Access},
    },
};

/// Bytes a form may have.
pub const FORM_LIMIT: usize = 16 * 1024;

/// Bytes a form of the staff pages may have that somebody sends who is logged in: the longest text of an update, and what
/// a browser makes of its umlauts.
const STAFF_FORM_LIMIT: usize = 1024 * 1024;

/// Staff forms larger than [`FORM_LIMIT`] that are held at the same time, at most.
const LONG_FORMS: usize = 32;

/// Requests that are being answered at the same time, at most. Each may wait for one of the pool's connections; more of
/// them would only wait longer.
const REQUESTS: usize = 512;
/// More of them, for those who leave.
const LEAVING: usize = 64;
/// Logins that are being answered, most of them waiting for their password to be hashed.
const LOGINS: usize = 32;
/// More of them, for browsers that are known.
const KNOWN_LOGINS: usize = 16;

/// How long a request may take in all.
const REQUEST_WITHIN: Duration = Duration::from_secs(15);

/// Room for requests that are being answered.
pub struct Places {
    everybody: Semaphore,
    leaving: Semaphore,
    logins: Semaphore,
    known_logins: Semaphore,
    long_forms: Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            everybody: Semaphore::new(REQUESTS),
            leaving: Semaphore::new(LEAVING),
            logins: Semaphore::new(LOGINS),
            known_logins: Semaphore::new(KNOWN_LOGINS),
            long_forms: Semaphore::new(LONG_FORMS),
        }
    }
}

impl Places {
    /// A place; nothing when there is none.
    fn take(&self, asks: Asks) -> Option<SemaphorePermit<'_>> {
        let (first, more) = match asks {
            Asks::Anything => (&self.everybody, None),
            Asks::Leaving => (&self.everybody, Some(&self.leaving)),
            Asks::Login => (&self.logins, None),
            Asks::KnownLogin => (&self.logins, Some(&self.known_logins)),
        };
        first.try_acquire().ok().or_else(|| more?.try_acquire().ok())
    }
}

/// What a request asks for, as far as it matters for its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Anything,
    /// To leave, by the link of a mail or on the settings page: by one of ours, and not by a made-up one.
    Leaving,
    /// To have a password looked at.
    Login,
    /// The same, from a browser that is known.
    KnownLogin,
}

impl Asks {
    fn of(state: &AppState, request: &Request) -> Self {
        let is_login = request.method() == Method::POST && route(request) == Some("/staff/login");
        if is_login && staff::is_known_device(state, request.headers()) {
            Self::KnownLogin
        } else if is_login {
            Self::Login
        } else if is_leaving(&state.keys, request.uri().path()) {
            Self::Leaving
        } else {
            Self::Anything
        }
    }
}

fn is_leaving(keys: &SecretKeys, path: &str) -> bool {
    let links = [("/unsubscribe/", LinkPurpose::Unsubscribe), ("/manage/", LinkPurpose::Manage)];
    links.into_iter().any(|(prefix, purpose)| {
        let token = path.strip_prefix(prefix);
        token.is_some_and(|token| read_subscriber_token(keys, purpose, token).is_some())
    })
}

fn route(request: &Request) -> Option<&str> {
    request.extensions().get::<MatchedPath>().map(MatchedPath::as_str)
}

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A form: it is here as a whole, and small, before anything else looks at the request.
    Form,
    /// A file: its handler reads it as it comes, once it is known who sends it. The handler has to see to it that there
    /// are not too many: each keeps its place for as long as it takes.
    Upload {
        /// Bytes of the whole body.
        most: usize,
        /// How long the whole request may take.
        within: Duration,
    },
}

impl Takes {
    fn of(request: &Request) -> Self {
        if request.method() != Method::POST {
            return Takes::Form;
        }
        route(request).map_or(Takes::Form, staff::takes)
    }
}

/// Answers 503 at once when there are too many requests already. A form counts from when it is here as a whole: those who
/// send theirs byte by byte take no place from others.
pub async fn turn_away(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (request, _long) = match Takes::of(&request) {
        Takes::Upload { .. } => (request, None),
        Takes::Form => match whole(&state, request).await {
            Ok(whole) => whole,
            Err(problem) => return problem.into_response(),
        },
    };
    let Some(_place) = state.places.take(Asks::of(&state, &request)) else {
        return Problem::Busy.into_response();
    };
    next.run(request).await
}

/// The request with its body, read to the end, and the room that a long one takes until it is answered. What is larger
/// than it may be is not read when it says so, and no further than that when it does not.
async fn whole(
    state: &AppState,
    request: Request,
) -> Result<(Request, Option<SemaphorePermit<'_>>), Problem> {
    let is_members =
        route(&request).and_then(staff::access_of).is_some_and(|access| access != Access::Everybody);
    let (parts, body) = request.into_parts();
    let declared = body.size_hint().exact();
    let (mut limit, mut long) = (FORM_LIMIT, None);
    if is_members && declared.is_none_or(|bytes| bytes > FORM_LIMIT as u64) {
        // Only for as long as it takes to look: a form that comes slowly keeps no place.
        let looking = state.places.take(Asks::Anything).ok_or(Problem::Busy)?;
        let is_member = staff::is_member(state, &parts.headers).await?;
        drop(looking);
        if !is_member {
            // Sent to log in, whatever the form says.
            return Ok((Request::from_parts(parts, Body::empty()), None));
        }
        limit = STAFF_FORM_LIMIT;
        long = Some(state.places.long_forms.try_acquire().map_err(|_| Problem::Busy)?);
    }
    if declared.is_some_and(|bytes| bytes > limit as u64) {
        return unread(parts).map(|request| (request, long));
    }
    match to_bytes(body, limit).await {
        Ok(body) => Ok((Request::from_parts(parts, Body::from(body)), long)),
        Err(_) => unread(parts).map(|request| (request, long)),
    }
}

/// A body that cannot be read is no reason to keep anybody subscribed.
fn unread(parts: Parts) -> Result<Request, Problem> {
    if parts.uri.path().starts_with("/unsubscribe/") {
        Ok(Request::from_parts(parts, Body::empty()))
    } else {
        Err(Problem::TooLarge)
    }
}

/// Answers 408 when a request takes longer than its route may.
pub async fn in_time(request: Request, next: Next) -> Response {
    let within = match Takes::of(&request) {
        Takes::Form => REQUEST_WITHIN,
        Takes::Upload { within, .. } => within,
    };
    timeout(within, next.run(request)).await.unwrap_or_else(|_| Problem::Timeout.into_response())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use crate::domain::{ids::SubscriberId, token::subscriber_token};

    use super::*;

    /// Takes places until there are none.
    fn used_up(places: &Places, asks: Asks) -> Vec<SemaphorePermit<'_>> {
        std::iter::from_fn(|| places.take(asks)).collect()
    }

    #[test]
    fn leaving_and_browsers_that_are_known_have_places_that_nobody_else_gets() {
        let places = Places::default();
        let everybody = used_up(&places, Asks::Anything);
        assert_eq!(everybody.len(), REQUESTS);
        assert_eq!(used_up(&places, Asks::Leaving).len(), LEAVING);
        let logins = used_up(&places, Asks::Login);
        assert_eq!(logins.len(), LOGINS, "logins take no place from others, and need none of theirs");
        assert_eq!(used_up(&places, Asks::KnownLogin).len(), KNOWN_LOGINS);
    }

    #[test]
    fn a_flood_of_logins_takes_no_place_from_others() {
        let places = Places::default();
        let _logins = used_up(&places, Asks::Login);
        assert_eq!(used_up(&places, Asks::Leaving).len(), REQUESTS + LEAVING);
    }

    #[test]
    fn links_of_ours_lead_out_and_made_up_ones_nowhere() {
        let keys = SecretKeys::parse(&STANDARD.encode([7; 32])).unwrap();
        let token = |purpose| subscriber_token(&keys, purpose, SubscriberId::new());
        let (unsubscribe, manage) = (token(LinkPurpose::Unsubscribe), token(LinkPurpose::Manage));
        assert!(is_leaving(&keys, &format!("/unsubscribe/{unsubscribe}")));
        assert!(is_leaving(&keys, &format!("/manage/{manage}")));
        for path in
            ["/unsubscribe/x", "/manage/", "/", &format!("/unsubscribe/{manage}"), &format!("/{manage}")]
        {
            assert!(!is_leaving(&keys, path), "{path}");
        }
    }
}
