//! Leaving: one sentence, one button, and one button to take it back. Then one question that nobody has to answer.

use axum::{Form, body::Bytes, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;

use crate::domain::{
    consent::ConsentMethod,
    ids::SubscriberId,
    leave_reason::{self, LeaveReason},
    subscriber::{self, Subscriber, SubscriberState},
    token::{self, LinkPurpose, Undo, read_subscriber_token, subscriber_token},
};

use super::{AppState, link::LinkToken, manage, problem::Problem, visitor::Visitor};

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
        // No mail goes there, which is what this link is for. Who wants it back signs up anew: a forwarded newsletter
        // must not bring anybody back.
        known => {
            let own = json!({
                "undo_action": null, "why": null, "is_stopped": is_stopped(known.as_ref()), "offers_signup": true,
            });
            visitor.page("unsubscribed.html", &own)
        }
    }
}

/// Whether no mail goes there for another reason than that its owner left.
fn is_stopped(known: Option<&Subscriber>) -> bool {
    known.is_some_and(|known| !matches!(known.state, SubscriberState::Active | SubscriberState::Unsubscribed))
}

/// The unsubscribe link of a subscriber, in the visitor's language.
pub fn path(visitor: &Visitor, id: SubscriberId) -> String {
    let token = subscriber_token(&visitor.state.keys, LinkPurpose::Unsubscribe, id);
    format!("/unsubscribe/{token}?lang={}", visitor.locale)
}

/// What the POST of a button sends as `from`, and the page that has the button: that it was pressed is recorded with the
/// page.
const BUTTONS: [(&str, &str); 3] =
    [("unsubscribe", "/unsubscribe"), ("settings", "/manage"), ("confirm", "/confirm")];

/// How somebody leaves, by what the POST says: the mail program's button (RFC 8058 §3.1), in whatever form encoding it
/// likes; a button of ours; else by the link alone, and nobody knows how.
fn method_of(body: &[u8]) -> (ConsentMethod, Option<&'static str>) {
    if is_one_click(body) {
        return (ConsentMethod::OneClick, None);
    }
    let from = url::form_urlencoded::parse(body).find(|(name, _)| name == "from").map(|(_, value)| value);
    let page = BUTTONS.into_iter().find(|(name, _)| from.as_deref() == Some(*name)).map(|(_, page)| page);
    match page {
        Some(page) => (ConsentMethod::Button, Some(page)),
        None => (ConsentMethod::Link, None),
    }
}

/// Whether a form says `List-Unsubscribe=One-Click`.
fn is_one_click(body: &[u8]) -> bool {
    const NAME: &str = "List-Unsubscribe";
    const VALUE: &str = "One-Click";
    if url::form_urlencoded::parse(body).any(|(name, value)| name == NAME && value.trim() == VALUE) {
        return true;
    }
    // As multipart/form-data (RFC 7578): the field's name in the head of a part, and its value alone on the first line
    // behind it. In this encoding the pair above cannot stand.
    let text = String::from_utf8_lossy(body);
    let Some((_, rest)) = text.split_once(&format!("name=\"{NAME}\"")) else { return false };
    let value = rest.split_once("\r\n\r\n").and_then(|(_, value)| value.lines().next());
    value.is_some_and(|value| value.trim() == VALUE)
}

/// `POST /unsubscribe/{token}`: leaves, whatever its body says. The button's POST and the one-click POST of a mail program
/// (RFC 8058 §3.1) do the same; the latter brings no cookie and no other sign of who asks. Both get 200 every time.
pub async fn leave(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    body: Bytes,
) -> Result<Response, Problem> {
    let id = subscriber_of(&state, &token)?;
    let (method, page) = method_of(&body);
    let page = page.map(|page| state.public_url.join(page));
    let now = Utc::now();
    let mut transaction = state.pool.begin().await?;
    subscriber::unsubscribe_on(&mut transaction, id, method, page.as_deref(), now).await?;
    let subscriber = subscriber::by_id(&mut transaction, id).await?;
    transaction.commit().await?;
    let is_stopped = is_stopped(subscriber.as_ref());
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
        "is_stopped": is_stopped,
        "offers_signup": undo.is_none(),
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
    let form = token::read_leave_form_token(&state.keys, &token, now).ok_or(Problem::QuestionOver)?;
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
        let is_known = subscriber::by_id(&mut *state.pool.acquire().await?, id).await?.is_some();
        return if is_known { Err(Problem::UndoOver) } else { manage::nothing_stored(&visitor) };
    }
    let own = json!({ "unsubscribe_url": path(&visitor, id) });
    visitor.answer(StatusCode::OK, "resubscribed.html", &own)
}

fn subscriber_of(state: &AppState, token: &str) -> Result<SubscriberId, Problem> {
    read_subscriber_token(&state.keys, LinkPurpose::Unsubscribe, token).ok_or(Problem::UnsubscribeUnknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_leave_is_told_by_what_it_sends_and_by_nothing_else() {
        let part =
            "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        let note = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nOne-Click\r\n--b--\r\n";
        let one_click = (ConsentMethod::OneClick, None);
        let link = (ConsentMethod::Link, None);
        for (body, expected) in [
            ("List-Unsubscribe=One-Click", one_click),
            ("x=1&List-Unsubscribe=One-Click", one_click),
            ("List-Unsubscribe=One-Click\r\n", one_click),
            (part, one_click),
            ("from=unsubscribe", (ConsentMethod::Button, Some("/unsubscribe"))),
            ("from=settings", (ConsentMethod::Button, Some("/manage"))),
            ("from=confirm", (ConsentMethod::Button, Some("/confirm"))),
            ("", link),
            ("from=elsewhere", link),
            ("One-Click", link),
            ("reason=One-Click", link),
            ("List-Unsubscribe=", link),
            (note, link),
            ("{\"List-Unsubscribe\":\"One-Click\"}", link),
            ("\0\u{fffd}%", link),
        ] {
            assert_eq!(method_of(body.as_bytes()), expected, "{body}");
        }
    }
}
