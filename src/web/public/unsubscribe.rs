//! Leaving: one sentence, one button, and one button to take it back. Then one question that nobody has to answer.

use axum::{Form, body::Bytes, extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    app::unsubscribe::{self, UnsubscribeError, Way},
    domain::{
        actor::Actor,
        ids::SubscriberId,
        leave_reason::LeaveReason,
        subscriber::{Resubscribed, Subscriber, SubscriberState, Unsubscribed},
        token::{self, LinkPurpose, Undo, read_subscriber_token, subscriber_token},
    },
    web::{
        AppState,
        http::problem::Problem,
        page_context::{PageContext, Sample},
        public::{link_token::LinkToken, visitor::Visitor},
    },
};

/// `GET /unsubscribe/{token}`: asks. Changes nothing, because mail scanners open every link (RFC 8058 §1).
pub async fn ask(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let id = subscriber_of(&state, &token)?;
    let known = unsubscribe::look(&state.app, id).await?;
    if let Some((subscriber, false)) = &known {
        return visitor.page(&UnsubscribePage {
            action: format!("/unsubscribe/{token}?lang={}", visitor.locale),
            masked_address: subscriber.email.written_masked(),
            is_stopped: subscriber.state != SubscriberState::Active,
        });
    }
    // Who wants it back confirms that by mail: a forwarded newsletter must not bring anybody back.
    let known = known.map(|(subscriber, _)| subscriber);
    visitor.page(&left(&visitor, known.as_ref(), None, Utc::now())?)
}

/// Asks whether to leave.
#[derive(Serialize)]
pub struct UnsubscribePage {
    action: String,
    masked_address: String,
    /// Mail has come back from there, or was reported: it gets none, and its owner may leave all the same.
    is_stopped: bool,
}

impl PageContext for UnsubscribePage {
    const TEMPLATE: &'static str = "unsubscribe.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page =
            |is_stopped| Self { action: String::new(), masked_address: Sample::MASKED.into(), is_stopped };
        [false, true].map(page).into()
    }
}

/// What the page says of somebody who has left. `undo` stands there only as the answer to the request that ended the
/// subscription, and so does the question why.
fn left(
    visitor: &Visitor,
    known: Option<&Subscriber>,
    undo: Option<&str>,
    now: DateTime<Utc>,
) -> Result<UnsubscribedPage, Problem> {
    let why = match undo {
        None => None,
        Some(undo) => {
            let form = token::leave_form_token(&visitor.state.app.keys, now)
                .map_err(|error| Problem::internal(&error))?;
            Some(WhyForm {
                action: format!("/left/{form}?lang={}", visitor.locale),
                undo: undo.to_owned(),
                reasons: LeaveReason::ALL,
            })
        }
    };
    Ok(UnsubscribedPage {
        undo_action: undo.map(|undo| undo_path(visitor, undo)),
        why,
        again: known.filter(|_| undo.is_none()).map(|known| again(visitor, known, now)),
        offers_signup: undo.is_none(),
    })
}

fn again(visitor: &Visitor, subscriber: &Subscriber, now: DateTime<Utc>) -> AgainForm {
    AgainForm {
        token: token::again_token(&visitor.state.app.keys, subscriber.id, now),
        masked_address: subscriber.email.written_masked(),
        page: visitor.state.public_url.join(PAGE),
        consent_version: visitor.publication.version,
    }
}

/// Somebody has left.
#[derive(Serialize)]
pub struct UnsubscribedPage {
    undo_action: Option<String>,
    why: Option<WhyForm>,
    again: Option<AgainForm>,
    offers_signup: bool,
}

/// The question why.
#[derive(Serialize)]
struct WhyForm {
    action: String,
    /// The token of the undo button, for the next page.
    undo: String,
    reasons: [LeaveReason; LeaveReason::ALL.len()],
}

/// The signup form, filled in with an address that the page shows masked: what it sends is answered by a mail to there.
#[derive(Serialize)]
struct AgainForm {
    token: String,
    masked_address: String,
    page: String,
    consent_version: i32,
}

impl PageContext for UnsubscribedPage {
    const TEMPLATE: &'static str = "unsubscribed.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let why = WhyForm { action: String::new(), undo: "undo".into(), reasons: LeaveReason::ALL };
        let again = AgainForm {
            token: "again".into(),
            masked_address: Sample::MASKED.into(),
            page: of.public_url.join(PAGE),
            consent_version: of.publication.version,
        };
        vec![
            Self {
                undo_action: Some("/resubscribe/undo".into()),
                why: Some(why),
                again: None,
                offers_signup: false,
            },
            Self { undo_action: None, why: None, again: Some(again), offers_signup: true },
            Self { undo_action: None, why: None, again: None, offers_signup: true },
        ]
    }
}

/// The page that answers an unsubscribe, as the record names it: not by its token.
const PAGE: &str = "/unsubscribe";

/// The unsubscribe link of a subscriber, in the visitor's language.
pub fn path(visitor: &Visitor, id: SubscriberId) -> String {
    let token = subscriber_token(&visitor.state.app.keys, LinkPurpose::Unsubscribe, id);
    format!("/unsubscribe/{token}?lang={}", visitor.locale)
}

/// What the POST of a button sends as `from`, and the page that has the button: that it was pressed is recorded with the
/// page.
const BUTTONS: [(&str, &str); 3] =
    [("unsubscribe", "/unsubscribe"), ("settings", "/manage"), ("confirm", "/confirm")];

/// How somebody leaves, by what the POST says: the mail program's button (RFC 8058 §3.1), in whatever form encoding it
/// likes; a button of ours; else by the link alone, and nobody knows how.
fn way_of(body: &[u8]) -> Way<'static> {
    if is_one_click(body) {
        return Way::OneClick;
    }
    let from = url::form_urlencoded::parse(body).find(|(name, _)| name == "from").map(|(_, value)| value);
    let page = BUTTONS.into_iter().find(|(name, _)| from.as_deref() == Some(*name)).map(|(_, page)| page);
    page.map_or(Way::Link, Way::Button)
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
    let page;
    let way = match way_of(&body) {
        Way::Button(path) => {
            page = state.public_url.join(path);
            Way::Button(&page)
        }
        way => way,
    };
    let (now, by) = (Utc::now(), Actor::Subscriber(id));
    let (came_to, subscriber) = unsubscribe::unsubscribe(&state.app.pool, &by, id, way, now).await?;
    let undo = (came_to == Unsubscribed::Now).then(|| token::undo_token(&state.app.keys, id, now));
    visitor.answer(StatusCode::OK, &left(&visitor, subscriber.as_ref(), undo.as_deref(), now)?)
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
    let form = token::read_leave_form_token(&state.app.keys, &token, now).ok_or(Problem::QuestionOver)?;
    // Nothing chosen is an answer too: there is nothing to write down.
    if let Some(reason) = LeaveReason::from_name(&why.reason) {
        unsubscribe::give_reason(&state.app, form, reason, now).await?;
    }
    let undo = unsubscribe::may_resubscribe(&state.app, &why.undo, now).await?;
    let undo_action = undo.then(|| undo_path(&visitor, &why.undo));
    visitor.answer(StatusCode::OK, &LeftPage { undo_action })
}

/// Thanks for saying why.
#[derive(Serialize)]
pub struct LeftPage {
    undo_action: Option<String>,
}

impl PageContext for LeftPage {
    const TEMPLATE: &'static str = "left.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        vec![Self { undo_action: Some("/resubscribe/undo".into()) }, Self { undo_action: None }]
    }
}

fn undo_path(visitor: &Visitor, token: &str) -> String {
    format!("/resubscribe/{token}?lang={}", visitor.locale)
}

/// `POST /resubscribe/{token}`: takes an unsubscribe back, by the button in the answer to it.
pub async fn undo(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let now = Utc::now();
    let undo = token::read_undo_token(&state.app.keys, &token, now).ok_or(Problem::LinkUnknown)?;
    let (id, left_at) = match undo {
        Undo::For(id, left_at) => (id, left_at),
        Undo::Expired => return Err(Problem::LinkExpired),
    };
    let page = state.public_url.join(PAGE);
    let by = Actor::Subscriber(id);
    match unsubscribe::resubscribe(&state.app, &by, (id, left_at), &page, now).await? {
        Resubscribed::Active => {
            visitor.answer(StatusCode::OK, &ResubscribedPage { unsubscribe_url: path(&visitor, id) })
        }
        Resubscribed::Over => Err(Problem::UndoOver),
        Resubscribed::Nobody => visitor.nothing_stored(),
    }
}

/// The subscription goes on.
#[derive(Serialize)]
pub struct ResubscribedPage {
    unsubscribe_url: String,
}

impl PageContext for ResubscribedPage {
    const TEMPLATE: &'static str = "resubscribed.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        vec![Self { unsubscribe_url: String::new() }]
    }
}

impl From<UnsubscribeError> for Problem {
    fn from(error: UnsubscribeError) -> Self {
        match error {
            UnsubscribeError::NotAllowed => Problem::UnsubscribeUnknown,
            UnsubscribeError::Database(error) => error.into(),
        }
    }
}

fn subscriber_of(state: &AppState, token: &str) -> Result<SubscriberId, Problem> {
    read_subscriber_token(&state.app.keys, LinkPurpose::Unsubscribe, token).ok_or(Problem::UnsubscribeUnknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_leave_is_told_by_what_it_sends_and_by_nothing_else() {
        let part =
            "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        let note = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nOne-Click\r\n--b--\r\n";
        let (one_click, link) = (Way::OneClick, Way::Link);
        for (body, expected) in [
            ("List-Unsubscribe=One-Click", one_click),
            ("x=1&List-Unsubscribe=One-Click", one_click),
            ("List-Unsubscribe=One-Click\r\n", one_click),
            (part, one_click),
            ("from=unsubscribe", Way::Button("/unsubscribe")),
            ("from=settings", Way::Button("/manage")),
            ("from=confirm", Way::Button("/confirm")),
            ("", link),
            ("from=elsewhere", link),
            ("One-Click", link),
            ("reason=One-Click", link),
            ("List-Unsubscribe=", link),
            (note, link),
            ("{\"List-Unsubscribe\":\"One-Click\"}", link),
            ("\0\u{fffd}%", link),
        ] {
            assert_eq!(way_of(body.as_bytes()), expected, "{body}");
        }
    }
}
