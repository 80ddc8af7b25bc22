//! Confirming: the page behind the link in the confirmation mail.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::domain::{
    ids::SubscriberId,
    publication::{self, Origin},
    signup::{self, Answer, Signup, SignupState},
    token::{self, ConfirmToken, LinkPurpose, subscriber_token},
};

use super::{AppState, link::LinkToken, problem::Problem, visitor::Visitor};

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
    let signup = signup::by_token(&mut db, confirm_token.hash()).await?.ok_or(Problem::LinkUnknown)?;
    let now = Utc::now();
    match signup.state {
        SignupState::Confirmed => {
            return match signup::answered_before(&mut db, &signup).await? {
                Answer::Confirmed(subscriber) => confirmed(&visitor, &signup, subscriber),
                _ => Err(Problem::LinkExpired),
            };
        }
        SignupState::Declined => return Err(Problem::LinkEnded),
        SignupState::Waiting if now >= signup.expires_at => return Err(Problem::LinkExpired),
        SignupState::Waiting => {}
    }
    let template = if signup.replaces.is_some() { "confirm_change.html" } else { "confirm.html" };
    // Whom staff have asked in reads here what everybody else has read beside the form.
    let consent = if signup.is_by_staff {
        publication::version(&mut db, signup.publication_version).await?
    } else {
        None
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
    let signup = signup::by_token(&mut transaction, hash).await?.ok_or(Problem::LinkUnknown)?;
    let came_to = match pressed.action.as_str() {
        "confirm" => signup::confirm(&mut transaction, &state.keys, hash, opened_at, now).await?,
        "decline" => signup::decline(&mut transaction, hash, opened_at, now).await?,
        _ => return Err(Problem::BadRequest),
    };
    transaction.commit().await?;
    match came_to {
        Answer::Confirmed(subscriber) => confirmed(&visitor, &signup, subscriber),
        // "Ja, anmelden" after "Das war ich nicht": the signup is over, and the page says how to begin anew.
        Answer::Declined if pressed.action == "confirm" => Err(Problem::LinkEnded),
        Answer::Declined => visitor.answer(StatusCode::OK, "declined.html", &json!({})),
        Answer::Expired => Err(Problem::LinkExpired),
        Answer::Unknown => Err(Problem::LinkUnknown),
    }
}

fn confirmed(visitor: &Visitor, signup: &Signup, subscriber: SubscriberId) -> Result<Response, Problem> {
    let token = subscriber_token(&visitor.state.keys, LinkPurpose::Unsubscribe, subscriber);
    let own = json!({
        "is_change": signup.replaces.is_some(),
        "address": signup.email.masked(),
        "unsubscribe_url": format!("/unsubscribe/{token}?lang={}", visitor.locale),
    });
    visitor.answer(StatusCode::OK, "confirmed.html", &own)
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
