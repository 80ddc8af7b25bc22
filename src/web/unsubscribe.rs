//! Leaving: one sentence, one button, and one button to take it back. Then one question that nobody has to answer.

use axum::{Form, body::Bytes, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;

use crate::domain::{
    consent::ConsentMethod,
    ids::SubscriberId,
    leave_reason::{self, LeaveReason},
    subscriber::{self, SubscriberState},
    token::{self, LinkPurpose, Undo, read_subscriber_token, subscriber_token},
};

use super::{AppState, link::LinkToken, problem::Problem, visitor::Visitor};

/// `GET /unsubscribe/{token}`: asks. Changes nothing, because mail scanners open every link (RFC 8058 §1).
pub async fn ask(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let id = subscriber_of(&state, &token)?;
    let subscriber = subscriber::by_id(&mut *state.pool.acquire().await?, id).await?;
    match subscriber {
        Some(subscriber) if subscriber.state == SubscriberState::Active => visitor.page(
            "unsubscribe.html",
            &json!({
                "action": format!("/unsubscribe/{token}?lang={}", visitor.locale),
                "masked_address": subscriber.email.masked(),
            }),
        ),
        // Left before, or erased: no mail goes there, which is what this link is for.
        _ => visitor.page("unsubscribed.html", &json!({ "undo_action": null, "why": null })),
    }
}

/// `POST /unsubscribe/{token}`: leaves. The button's POST and the one-click POST of a mail program (RFC 8058 §3.1) are
/// the same; the latter brings `List-Unsubscribe=One-Click` in whatever form encoding it likes, no cookie and no
/// other sign of who asks, and gets 200 every time.
pub async fn leave(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    body: Bytes,
) -> Result<Response, Problem> {
    let id = subscriber_of(&state, &token)?;
    let is_one_click = body.windows(b"One-Click".len()).any(|window| window == b"One-Click");
    let method = if is_one_click { ConsentMethod::OneClick } else { ConsentMethod::Button };
    let now = Utc::now();
    let mut transaction = state.pool.begin().await?;
    subscriber::unsubscribe(&mut transaction, id, method, now).await?;
    let subscriber = subscriber::by_id(&mut transaction, id).await?;
    transaction.commit().await?;
    let left_at = subscriber
        .filter(|subscriber| subscriber.state == SubscriberState::Unsubscribed)
        .map(|subscriber| subscriber.state_changed_at)
        .filter(|left_at| token::can_undo(*left_at, now));
    let undo = left_at.map(|left_at| token::undo_token(&state.keys, id, left_at));
    let form = token::leave_form_token(&state.keys, now).map_err(|error| Problem::internal(&error))?;
    let own = json!({
        "undo_action": undo.as_ref().map(|token| undo_path(&visitor, token)),
        "why": undo.is_some().then(|| json!({
            "action": format!("/left/{form}?lang={}", visitor.locale),
            "undo": undo,
            "reasons": LeaveReason::ALL.map(LeaveReason::name),
        })),
    });
    visitor.answer(StatusCode::OK, "unsubscribed.html", &own)
}

/// What the question after leaving sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Why {
    reason: String,
    /// The undo token of the page before, so that the thanks can offer it too.
    undo: String,
}

/// `POST /left/{token}`: the answer to the one question after leaving. It is counted without a name.
pub async fn say_why(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    Form(why): Form<Why>,
) -> Result<Response, Problem> {
    let now = Utc::now();
    let form = token::read_leave_form_token(&state.keys, &token, now).ok_or(Problem::LinkExpired)?;
    // Nothing chosen is an answer too: there is nothing to write down.
    if let Some(reason) = LeaveReason::from_name(&why.reason) {
        leave_reason::answer(&mut *state.pool.acquire().await?, form, reason, now).await?;
    }
    let undo = token::read_undo_token(&state.keys, &why.undo, now)
        .filter(|undo| matches!(undo, Undo::For(_)))
        .map(|_| undo_path(&visitor, &why.undo));
    visitor.answer(StatusCode::OK, "left.html", &json!({ "undo_action": undo }))
}

fn undo_path(visitor: &Visitor, token: &str) -> String {
    format!("/resubscribe/{token}?lang={}", visitor.locale)
}

/// `POST /resubscribe/{token}`: takes an unsubscribe back.
pub async fn undo(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let now = Utc::now();
    let id = match token::read_undo_token(&state.keys, &token, now).ok_or(Problem::LinkUnknown)? {
        Undo::For(id) => id,
        Undo::Expired => return Err(Problem::LinkExpired),
    };
    let mut transaction = state.pool.begin().await?;
    let is_active = subscriber::undo_unsubscribe(&mut transaction, id, now).await?;
    transaction.commit().await?;
    if !is_active {
        return Err(Problem::LinkExpired);
    }
    let token = subscriber_token(&state.keys, LinkPurpose::Unsubscribe, id);
    let unsubscribe_url = format!("/unsubscribe/{token}?lang={}", visitor.locale);
    visitor.answer(StatusCode::OK, "resubscribed.html", &json!({ "unsubscribe_url": unsubscribe_url }))
}

fn subscriber_of(state: &AppState, token: &str) -> Result<SubscriberId, Problem> {
    read_subscriber_token(&state.keys, LinkPurpose::Unsubscribe, token).ok_or(Problem::UnsubscribeUnknown)
}
