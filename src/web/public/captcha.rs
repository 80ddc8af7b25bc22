//! The proof of work that a signup has to bring: when it is asked for, and the page that asks.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    config::{Captcha, Config},
    domain::signup::{
        challenge::Challenge,
        limits::Place,
        rush::{self, Standing, Thresholds},
    },
    web::{
        http::{
            headers::CSP_WITH_CAPTCHA,
            problem::{self, Problem},
        },
        public::visitor::Visitor,
    },
};

/// How long is believed what was seen of all signups. Meanwhile nobody counts them.
const SEEN_FOR: Duration = Duration::from_secs(1);

/// Knows how many signups there are just now, and what that means for one more.
pub struct Watch {
    mode: Captcha,
    thresholds: Thresholds,
    seen: Mutex<Seen>,
}

/// What this process saw of all signups.
#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    standing: Standing,
}

impl Seen {
    /// What was seen, if that was not long ago.
    fn lately(&self) -> Option<Standing> {
        self.at.is_some_and(|at| at.elapsed() < SEEN_FOR).then_some(self.standing)
    }
}

impl Watch {
    /// As it is configured.
    pub fn new(config: &Config) -> Self {
        let thresholds = Thresholds::of(&config.signup_limits);
        Self { mode: config.guard.captcha, thresholds, seen: Mutex::default() }
    }

    /// Whether it is asked every time, and waiting does not help.
    pub fn always_asks(&self) -> bool {
        self.mode == Captcha::Always
    }

    /// Whether a signup from this place has to bring a proof of work, and whether its mail will wait for staff. One whose
    /// place cannot be told is judged by all signups alone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(
        &self,
        db: &mut PgConnection,
        place: Option<&Place>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Standing> {
        let all = self.in_all(db, now).await?;
        let found = match place {
            Some(place) => all.or(rush::from_network(db, self.thresholds, place, now).await?),
            None => all,
        };
        let asks = match self.mode {
            Captcha::Off => false,
            Captcha::Adaptive => found.asks,
            Captcha::Always => true,
        };
        Ok(Standing { asks, ..found })
    }

    /// Whether a proof of work is asked for, where nobody has to look for the answer.
    fn known(&self, place: Option<&Place>) -> Option<bool> {
        match self.mode {
            Captcha::Off => Some(false),
            Captcha::Always => Some(true),
            Captcha::Adaptive => {
                let asks = self.seen().lately()?.asks;
                (asks || place.is_none()).then_some(asks)
            }
        }
    }

    /// Looks once a second. Whoever comes while somebody looks goes by what was seen before, and waits for nobody.
    async fn in_all(&self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Standing> {
        {
            let mut seen = self.seen();
            if let Some(standing) = seen.lately() {
                return Ok(standing);
            }
            seen.at = Some(Instant::now());
        }
        let standing = rush::in_all(db, self.thresholds, now).await?;
        self.seen().standing = standing;
        Ok(standing)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the form said, for the page that asks to say it again. The trap for programs is not among it.
#[derive(Serialize)]
pub struct Kept<'a> {
    /// The address as it was typed, or masked.
    pub email: &'a str,
    /// What the form sends in its place, where it is masked.
    pub again: Option<&'a str>,
    /// The page the form stood on.
    pub page: &'a str,
    /// The version of the consent text it showed.
    pub consent_version: Option<i32>,
    /// When it was shown, if it said so.
    pub shown: Option<&'a str>,
}

/// The answer to a signup that lacks its proof of work, or to a script's that looks like a program's: 403 with a challenge. Nothing was kept; all is in the page.
///
/// # Errors
/// [`Problem::Internal`] when the page cannot be made.
pub fn ask(
    visitor: &Visitor,
    headers: &HeaderMap,
    kept: &Kept<'_>,
    now: DateTime<Utc>,
) -> Result<Response, Problem> {
    let challenge = Challenge::mint(&visitor.state.keys, now);
    if problem::wants_json(headers) {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": visitor.text("captcha", "title"),
            "status": 403,
            "detail": visitor.text("captcha", "detail"),
            "code": "captcha",
            "challenge": challenge,
        });
        let media_type = [(header::CONTENT_TYPE, "application/problem+json")];
        return Ok((StatusCode::FORBIDDEN, media_type, body.to_string()).into_response());
    }
    let sender = &visitor.publication.content.sender;
    let own = serde_json::json!({
        "form": kept,
        "challenge": written(&challenge)?,
        "always": visitor.state.captcha.always_asks(),
        "contact": sender.reply_to.as_ref().unwrap_or(&sender.address),
    });
    Ok(with_script(visitor.answer(StatusCode::FORBIDDEN, "captcha.html", &own)?))
}

/// A challenge for a page that is about to be shown, as its script reads it; nothing when none is needed.
///
/// # Errors
/// When the database fails.
pub async fn beforehand(visitor: &Visitor, place: Option<&Place>) -> Result<Option<String>, Problem> {
    let (state, now) = (&visitor.state, Utc::now());
    let asks = match state.captcha.known(place) {
        Some(known) => known,
        None => state.captcha.standing(&mut *state.pool.acquire().await?, place, now).await?.asks,
    };
    if asks { written(&Challenge::mint(&state.keys, now)).map(Some) } else { Ok(None) }
}

/// Lets the page run our script.
pub fn with_script(mut answer: Response) -> Response {
    let csp = HeaderValue::from_static(CSP_WITH_CAPTCHA);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, csp);
    answer
}

fn written(challenge: &Challenge) -> Result<String, Problem> {
    serde_json::to_string(challenge).map_err(|error| Problem::internal(&error))
}
