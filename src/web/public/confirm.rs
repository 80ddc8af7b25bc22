//! Confirming: the page behind the link in the confirmation mail.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::{
    domain::{
        ids::SubscriberId,
        publication::{self, Origin},
        signup::{
            self, Signup,
            standing::{self, Standing},
        },
        token::{self, ConfirmToken},
    },
    web::{
        AppState,
        http::{metrics::Press, problem::Problem},
        public::{link_token::LinkToken, unsubscribe, visitor::Visitor},
    },
};

/// What the page's form sends.
#[derive(Debug, Deserialize)]
pub struct Pressed {
    #[serde(default)]
    action: String,
    /// When the page was opened, signed.
    #[serde(default)]
    opened: String,
}

/// `GET /confirm/{token}`: asks. Changes nothing, however often and by whatever it is opened; that it was opened is
/// recorded when its button is pressed.
pub async fn ask(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let confirm_token = ConfirmToken::parse(&token).ok_or(Problem::LinkUnknown)?;
    let mut db = state.pool.acquire().await?;
    let signup = signup::by_token(&mut db, confirm_token.hash()).await?.ok_or(Problem::ConfirmUnknown)?;
    let now = Utc::now();
    let standing = standing::of(&mut db, &signup, now).await?;
    if standing != Standing::Open {
        return told(&visitor, &signup, standing, NOTHING);
    }
    let template = if signup.replaces.is_some() { "confirm_change.html" } else { "confirm.html" };
    // Whom staff have asked in, or a form without our text, reads here what everybody else has read beside the form.
    let consent = if signup.names_text {
        None
    } else {
        publication::version(&mut db, signup.publication_version).await?
    };
    let consent = consent.map(|publication| publication.content.texts(signup.locale).consent);
    visitor.page(
        template,
        &json!({
            "masked_address": signup.email.masked(),
            "action": format!("/confirm/{token}?lang={}", visitor.locale),
            "opened": token::opened_token(&state.keys, confirm_token.hash(), now),
            "requested_at": visitor.publication.content.written_time(signup.requested_at, visitor.locale),
            "requested_page": own_page_host(&signup, &visitor).filter(|_| !signup.is_by_staff),
            "consent": consent, "consent_lang": signup.locale,
        }),
    )
}

/// `POST /confirm/{token}`: takes the answer. Pressing twice does what pressing once does.
pub async fn answer(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    Form(pressed): Form<Pressed>,
) -> Result<Response, Problem> {
    let hash = ConfirmToken::parse(&token).ok_or(Problem::LinkUnknown)?.hash();
    let now = Utc::now();
    let opened_at = token::read_opened_token(&state.keys, hash, &pressed.opened);
    let mut transaction = state.pool.begin().await?;
    let signup = signup::by_token(&mut transaction, hash).await?.ok_or(Problem::ConfirmUnknown)?;
    let standing = match pressed.action.as_str() {
        CONFIRM => signup::confirm(&mut transaction, &state.keys, hash, opened_at, now).await?,
        DECLINE => signup::decline(&mut transaction, hash, opened_at, now).await?,
        _ => return Err(Problem::BadRequest),
    };
    transaction.commit().await?;
    let standing = standing.ok_or(Problem::ConfirmUnknown)?;
    state.metrics.press(match standing {
        Standing::Confirmed(_) if pressed.action == CONFIRM => Press::Confirmed,
        Standing::Declined if pressed.action == DECLINE => Press::Declined,
        _ => Press::TooLate,
    });
    told(&visitor, &signup, standing, &pressed.action)
}

const CONFIRM: &str = "confirm";
const DECLINE: &str = "decline";

/// The page was opened, and nothing pressed.
const NOTHING: &str = "";

/// What is so, after a press or instead of the question.
fn told(visitor: &Visitor, signup: &Signup, standing: Standing, pressed: &str) -> Result<Response, Problem> {
    let is_change = signup.replaces.is_some();
    let of = |signup: Problem, change: Problem| Err(if is_change { change } else { signup });
    match standing {
        Standing::Confirmed(subscriber) if pressed == DECLINE => {
            subscribed(visitor, signup, subscriber, if is_change { "change" } else { "yes" })
        }
        Standing::Confirmed(subscriber) => confirmed(visitor, signup, subscriber),
        Standing::Elsewhere(subscriber) => {
            let why = if pressed == DECLINE { "declined" } else { "elsewhere" };
            subscribed(visitor, signup, subscriber, why)
        }
        Standing::Declined if pressed == DECLINE => {
            visitor.answer(StatusCode::OK, "declined.html", &json!({ "is_change": is_change }))
        }
        // "Ja, anmelden" after "Das war ich nicht": it is over, and the page says how to begin anew.
        Standing::Declined => of(Problem::LinkEnded, Problem::ChangeDeclined),
        Standing::Expired => of(Problem::LinkExpired, Problem::ChangeExpired),
        Standing::Left => Err(Problem::LinkLeft),
        Standing::Moved => Err(Problem::LinkMoved),
        Standing::Superseded => Err(Problem::ChangeSuperseded),
        Standing::Cancelled => Err(Problem::ChangeCancelled),
        Standing::Lapsed => Err(Problem::ChangeLapsed),
        // Open is answered before, or by the press.
        Standing::Ended | Standing::Open => Err(Problem::ChangeEnded),
    }
}

fn confirmed(visitor: &Visitor, signup: &Signup, subscriber: SubscriberId) -> Result<Response, Problem> {
    let own = json!({
        "is_change": signup.replaces.is_some(),
        "address": signup.email.masked(),
        "unsubscribe_url": unsubscribe::path(visitor, subscriber),
    });
    visitor.answer(StatusCode::OK, "confirmed.html", &own)
}

/// The address is subscribed, whatever was pressed or asked here: says why, and offers to leave.
fn subscribed(
    visitor: &Visitor,
    signup: &Signup,
    subscriber: SubscriberId,
    why: &str,
) -> Result<Response, Problem> {
    let own = json!({
        "why": why,
        "masked_address": signup.email.masked(),
        "unsubscribe_action": unsubscribe::path(visitor, subscriber),
    });
    visitor.answer(StatusCode::OK, "subscribed.html", &own)
}

/// The host of the page the form stood on, if it is one of the project's own: any other name was made up by whoever
/// sent the form, and is not shown under ours.
fn own_page_host(signup: &Signup, visitor: &Visitor) -> Option<String> {
    let page = Url::parse(&signup.form_page).ok()?;
    let content = &visitor.publication.content;
    let website = content.website.as_ref().and_then(Url::host_str);
    let own = [website, Some(visitor.state.public_url.host())];
    let is_named = content.origins().contains(&Origin::of(&page));
    page.host_str().filter(|host| is_named || own.contains(&Some(host))).map(str::to_owned)
}
