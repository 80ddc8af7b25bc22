//! `POST /hooks/bounces/{provider}`: what mail providers tell of mails that came back (`BOUNCE_HOOKS`).

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    app::{
        take_bounce::TakeError,
        take_hook::{Credentials, HookError, Told},
    },
    config::HookProvider,
    web::{
        AppState,
        http::problem::{Problem, problem_json},
    },
};

/// Bytes of a body at most. SendGrid brings several hundred events at once, all others one or some.
pub const MOST: usize = 1024 * 1024;
/// How long a request may take.
pub const WITHIN: Duration = Duration::from_secs(30);

/// Requests that are held at the same time of whom it is known only from the whole body whether it is their provider's, and
/// how long such a body may take.
static UNPROVEN: Semaphore = Semaphore::const_new(32);
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// Those with a good secret in their head: strangers take no place from them.
static PROVEN: Semaphore = Semaphore::const_new(32);

/// Takes in what a provider tells. Every answer but one of success lets it come again.
pub async fn take(
    State(state): State<AppState>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let credentials = Credentials {
        authorization: header(header::AUTHORIZATION.as_str()),
        signature: header("x-twilio-email-event-webhook-signature"),
        timestamp: header("x-twilio-email-event-webhook-timestamp"),
    };
    // Before its body is read: whoever has no secret gets nothing done.
    let (places, within) = match state.hooks.may_begin(&provider, &credentials) {
        Ok(begun) if begun.is_proven => (&PROVEN, WITHIN),
        Ok(_) => (&UNPROVEN, BODY_WITHIN),
        Err(error) => return refusal(&provider, &error),
    };
    let Ok(_place) = places.try_acquire() else { return Problem::Busy.into_response() };
    let body = match timeout(within, to_bytes(body, MOST)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Problem::TooLarge.into_response(),
        Err(_) => return Problem::Timeout.into_response(),
    };
    match state.hooks.take(&state.app.pool, &provider, &credentials, &body, Utc::now()).await {
        Ok(told) => {
            tell(&provider, told);
            StatusCode::OK.into_response()
        }
        Err(error) => refusal(&provider, &error),
    }
}

fn tell(provider: &str, told: Told) {
    match told {
        Told::Events(taken) => taken.into_iter().for_each(|taken| taken.log(provider)),
        // Not opened by ourselves: that somebody signed this for our topic says nothing of who wants it.
        Told::Asks { topic, confirm_at } => {
            tracing::warn!(
                topic,
                confirm_at,
                "Amazon SNS asks whether it may bring this topic's messages; to say yes, open the address once"
            );
        }
        Told::Ended { topic } => {
            tracing::warn!(
                topic,
                "Amazon SNS brings no more messages of this topic: what comes back is not seen any more"
            );
        }
    }
}

fn refusal(provider: &str, error: &HookError) -> Response {
    let told = |status: StatusCode, title: &str| problem_json(status, title, &error.to_string(), None);
    match error {
        HookError::Unknown => told(StatusCode::NOT_FOUND, "Not set up"),
        HookError::NotTheirs(why) => {
            tracing::warn!(provider, why, "an event was refused that may not be its provider's");
            let mut answer = told(StatusCode::UNAUTHORIZED, "Not proven");
            let basic = header::HeaderValue::from_static("Basic realm=\"hooks\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
            answer
        }
        HookError::Unreadable(why) => {
            tracing::warn!(provider, why, "an event of a provider cannot be read");
            // Amazon brings nothing again that was the sender's mistake; turned off, it comes through.
            let is_mistake = provider != HookProvider::Ses.name();
            told(
                if is_mistake { StatusCode::BAD_REQUEST } else { StatusCode::SERVICE_UNAVAILABLE },
                "Not readable",
            )
        }
        HookError::NoCertificate => {
            tracing::warn!(provider, "the certificate that signs an event cannot be fetched; it comes again");
            told(StatusCode::SERVICE_UNAVAILABLE, "Come again")
        }
        HookError::Busy(_) | HookError::NotTaken(TakeError::Busy(_)) => Problem::Busy.into_response(),
        HookError::NotTaken(TakeError::Full) => {
            TakeError::log_full();
            told(StatusCode::SERVICE_UNAVAILABLE, "Come again")
        }
        HookError::NotTaken(TakeError::Database(error)) => {
            tracing::error!(%error, provider, "what a provider tells cannot be recorded; it comes again");
            Problem::Unavailable.into_response()
        }
    }
}
