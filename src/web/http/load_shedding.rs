//! When everybody comes at once: so many requests at a time, and a clear answer at once for those beyond.
//!
//! | who | slots |
//! |---|---|
//! | everybody | 512 |
//! | who leaves, by a link of ours | those, and 64 more that nobody else gets |
//! | who logs in | 32: their passwords are hashed, which takes a processor each, and they take no slot from others |
//! | who logs in from a browser that is known | those, and 16 more |

use axum::{
    Extension,
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    config::SecretKeys,
    domain::token::{LinkPurpose, read_subscriber_token},
    web::{
        AppState,
        http::{
            cookies,
            problem::Problem,
            route::{Matched, Route, SlotClass},
        },
    },
};

/// Staff forms longer than a stranger's that are held at the same time, at most.
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

/// Room for requests that are being answered.
pub struct Slots {
    general: Semaphore,
    leaving: Semaphore,
    logins: Semaphore,
    known_logins: Semaphore,
    long_forms: Semaphore,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            general: Semaphore::new(REQUESTS),
            leaving: Semaphore::new(LEAVING),
            logins: Semaphore::new(LOGINS),
            known_logins: Semaphore::new(KNOWN_LOGINS),
            long_forms: Semaphore::new(LONG_FORMS),
        }
    }
}

impl Slots {
    /// A slot; nothing when there is none.
    fn acquire(&self, claim: Claim) -> Option<SemaphorePermit<'_>> {
        let (first, more) = match claim {
            Claim::General => (&self.general, None),
            Claim::Leaving => (&self.general, Some(&self.leaving)),
            Claim::Login => (&self.logins, None),
            Claim::KnownLogin => (&self.logins, Some(&self.known_logins)),
        };
        first.try_acquire().ok().or_else(|| more?.try_acquire().ok())
    }

    /// One of everybody's slots; nothing when there is none.
    pub fn general(&self) -> Option<SemaphorePermit<'_>> {
        self.acquire(Claim::General)
    }

    /// Room for a long form; nothing when there is none.
    pub fn long_form(&self) -> Option<SemaphorePermit<'_>> {
        self.long_forms.try_acquire().ok()
    }
}

/// Which slots a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    General,
    /// To leave, by the link of a mail or on the settings page: by one of ours, and not by a made-up one.
    Leaving,
    /// To have a password looked at.
    Login,
    /// The same, from a browser that is known.
    KnownLogin,
}

impl Claim {
    fn of(state: &AppState, route: &Route, request: &Request) -> Self {
        match route.slots {
            SlotClass::Login if request.method() == Method::POST => {
                let is_known = cookies::device(state, request.headers()).is_some();
                if is_known { Self::KnownLogin } else { Self::Login }
            }
            SlotClass::Leaving(purpose) if is_link(&state.app.keys, route, purpose, request.uri().path()) => {
                Self::Leaving
            }
            _ => Self::General,
        }
    }
}

/// Whether the path ends in a token of ours.
fn is_link(keys: &SecretKeys, route: &Route, purpose: LinkPurpose, path: &str) -> bool {
    route.rest(path).is_some_and(|token| read_subscriber_token(keys, purpose, token).is_some())
}

/// Answers 503 at once when there are too many requests already.
pub async fn shed(
    State(state): State<AppState>,
    Extension(Matched { route, .. }): Extension<Matched>,
    request: Request,
    next: Next,
) -> Response {
    let Some(_slot) = state.slots.acquire(Claim::of(&state, route, &request)) else {
        return Problem::Busy.into_response();
    };
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use axum::routing::MethodRouter;
    use base64::{Engine, engine::general_purpose::STANDARD};

    use crate::domain::{ids::SubscriberId, token::subscriber_token};

    use super::*;

    /// Takes slots until there are none.
    fn used_up(slots: &Slots, claim: Claim) -> Vec<SemaphorePermit<'_>> {
        std::iter::from_fn(|| slots.acquire(claim)).collect()
    }

    #[test]
    fn leaving_and_browsers_that_are_known_have_slots_that_nobody_else_gets() {
        let slots = Slots::default();
        let general = used_up(&slots, Claim::General);
        assert_eq!(general.len(), REQUESTS);
        assert_eq!(used_up(&slots, Claim::Leaving).len(), LEAVING);
        let logins = used_up(&slots, Claim::Login);
        assert_eq!(logins.len(), LOGINS, "logins take no slot from others, and need none of theirs");
        assert_eq!(used_up(&slots, Claim::KnownLogin).len(), KNOWN_LOGINS);
    }

    #[test]
    fn a_flood_of_logins_takes_no_slot_from_others() {
        let slots = Slots::default();
        let _logins = used_up(&slots, Claim::Login);
        assert_eq!(used_up(&slots, Claim::Leaving).len(), REQUESTS + LEAVING);
    }

    #[test]
    fn links_of_ours_lead_out_and_made_up_ones_nowhere() {
        let keys = SecretKeys::parse(&STANDARD.encode([7; 32])).unwrap();
        let token = |purpose| subscriber_token(&keys, purpose, SubscriberId::new());
        let (unsubscribe, manage) = (token(LinkPurpose::Unsubscribe), token(LinkPurpose::Manage));
        let leads_out = |purpose, path: &str| {
            is_link(&keys, &Route::public("/x/{token}", MethodRouter::new), purpose, path)
        };
        assert!(leads_out(LinkPurpose::Unsubscribe, &format!("/x/{unsubscribe}")));
        assert!(leads_out(LinkPurpose::Manage, &format!("/x/{manage}")));
        for path in ["/x/x", "/x/", "/", &format!("/x/{manage}"), &format!("/{unsubscribe}")] {
            assert!(!leads_out(LinkPurpose::Unsubscribe, path), "{path}");
        }
    }
}
