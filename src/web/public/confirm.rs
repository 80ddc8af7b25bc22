//! Confirming: the page behind the link in the confirmation mail.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    app::confirm::{self, Answer, ConfirmError, Link},
    domain::{
        actor::Actor,
        ids::SubscriberId,
        locale::Locale,
        publication::Origin,
        signup::{Signup, standing::LinkStanding},
        token::{self, ConfirmToken},
    },
    web::{
        AppState,
        http::{metrics::Press, problem::Problem},
        page_context::{PageContext, Sample},
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
    let now = Utc::now();
    let link = confirm::look(&state.app, confirm_token.hash(), now).await?;
    let Link { signup, standing, consent } = link.ok_or(Problem::ConfirmUnknown)?;
    if standing != LinkStanding::Open {
        return told(&visitor, &signup, standing, NOTHING);
    }
    let question = Question {
        masked_address: signup.email.written_masked(),
        action: format!("/confirm/{token}?lang={}", visitor.locale),
        opened: token::opened_token(&state.app.keys, confirm_token.hash(), now),
        requested_at: visitor.publication.content.written_time(signup.requested_at, visitor.locale),
        requested_page: own_page_host(&signup, &visitor).filter(|_| !signup.is_by_staff),
        consent,
        consent_lang: signup.locale,
    };
    if signup.replaces.is_some() {
        visitor.page(&ConfirmChangePage(question))
    } else {
        visitor.page(&ConfirmPage(question))
    }
}

/// Asks whether to subscribe.
#[derive(Serialize)]
pub struct ConfirmPage(Question);

/// Asks whether to move a subscription to this address.
#[derive(Serialize)]
pub struct ConfirmChangePage(Question);

#[derive(Serialize)]
struct Question {
    masked_address: String,
    action: String,
    /// When the page was opened, as a token.
    opened: String,
    requested_at: String,
    /// The host of the page with the form; nothing where it is not the project's, and where staff entered the address.
    requested_page: Option<String>,
    /// The consent text, where the form did not show it.
    consent: Option<String>,
    consent_lang: Locale,
}

impl Question {
    /// As it usually is, and with everything that the form did not show.
    fn samples(of: &Sample<'_>) -> [Self; 2] {
        let website = of.publication.content.website.as_ref();
        let usual = Self {
            masked_address: Sample::MASKED.into(),
            action: String::new(),
            opened: String::new(),
            requested_at: of.time(),
            requested_page: website.and_then(Url::host_str).map(str::to_owned),
            consent: None,
            consent_lang: of.locale,
        };
        let by_staff = Self {
            masked_address: Sample::MASKED.into(),
            action: String::new(),
            opened: String::new(),
            requested_at: of.time(),
            requested_page: None,
            consent: Some(of.publication.content.texts(of.locale).consent),
            consent_lang: of.locale.others().next().unwrap_or(of.locale),
        };
        [usual, by_staff]
    }
}

impl PageContext for ConfirmPage {
    const TEMPLATE: &'static str = "confirm.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        Question::samples(of).map(Self).into()
    }
}

impl PageContext for ConfirmChangePage {
    const TEMPLATE: &'static str = "confirm_change.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        Question::samples(of).map(Self).into()
    }
}

/// `POST /confirm/{token}`: takes the answer. Pressing twice does what pressing once does.
pub async fn answer(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    Form(pressed): Form<Pressed>,
) -> Result<Response, Problem> {
    let hash = ConfirmToken::parse(&token).ok_or(Problem::LinkUnknown)?.hash();
    let answer = match pressed.action.as_str() {
        CONFIRM => Answer::Confirm,
        DECLINE => Answer::Decline,
        _ => return Err(Problem::BadRequest),
    };
    let answer = (answer, pressed.opened.as_str());
    let (signup, standing) = confirm::answer(&state.app, &Actor::Visitor, hash, answer, Utc::now()).await?;
    state.metrics.press(match standing {
        LinkStanding::Confirmed(_) if pressed.action == CONFIRM => Press::Confirmed,
        LinkStanding::Declined if pressed.action == DECLINE => Press::Declined,
        _ => Press::TooLate,
    });
    told(&visitor, &signup, standing, &pressed.action)
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::NotAllowed | ConfirmError::Unknown => Problem::ConfirmUnknown,
            ConfirmError::Database(error) => error.into(),
        }
    }
}

const CONFIRM: &str = "confirm";
const DECLINE: &str = "decline";

/// The page was opened, and nothing pressed.
const NOTHING: &str = "";

/// What is so, after a press or instead of the question.
fn told(
    visitor: &Visitor,
    signup: &Signup,
    standing: LinkStanding,
    pressed: &str,
) -> Result<Response, Problem> {
    let is_change = signup.replaces.is_some();
    let of = |signup: Problem, change: Problem| Err(if is_change { change } else { signup });
    match standing {
        LinkStanding::Confirmed(subscriber) if pressed == DECLINE => {
            subscribed(visitor, signup, subscriber, if is_change { Why::Change } else { Why::Yes })
        }
        LinkStanding::Confirmed(subscriber) => confirmed(visitor, signup, subscriber),
        LinkStanding::Elsewhere(subscriber) => {
            let why = if pressed == DECLINE { Why::Declined } else { Why::Elsewhere };
            subscribed(visitor, signup, subscriber, why)
        }
        LinkStanding::Declined if pressed == DECLINE => {
            visitor.answer(StatusCode::OK, &DeclinedPage { is_change })
        }
        // "Ja, anmelden" after "Das war ich nicht": it is over, and the page says how to begin anew.
        LinkStanding::Declined => of(Problem::LinkEnded, Problem::ChangeDeclined),
        LinkStanding::Expired => of(Problem::LinkExpired, Problem::ChangeExpired),
        LinkStanding::Left => Err(Problem::LinkLeft),
        LinkStanding::Moved => Err(Problem::LinkMoved),
        LinkStanding::Superseded => Err(Problem::ChangeSuperseded),
        LinkStanding::Cancelled => Err(Problem::ChangeCancelled),
        LinkStanding::Discarded => Err(Problem::LinkDiscarded),
        LinkStanding::Lapsed => Err(Problem::ChangeLapsed),
        // Open is answered before, or by the press.
        LinkStanding::Ended | LinkStanding::Open => Err(Problem::ChangeEnded),
    }
}

/// Nothing was subscribed or changed.
#[derive(Serialize)]
pub struct DeclinedPage {
    is_change: bool,
}

impl PageContext for DeclinedPage {
    const TEMPLATE: &'static str = "declined.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        [false, true].map(|is_change| Self { is_change }).into()
    }
}

fn confirmed(visitor: &Visitor, signup: &Signup, subscriber: SubscriberId) -> Result<Response, Problem> {
    let page = ConfirmedPage {
        is_change: signup.replaces.is_some(),
        address: signup.email.written_masked(),
        unsubscribe_url: unsubscribe::path(visitor, subscriber),
    };
    visitor.answer(StatusCode::OK, &page)
}

/// The address is subscribed from now on.
#[derive(Serialize)]
pub struct ConfirmedPage {
    is_change: bool,
    /// Masked.
    address: String,
    unsubscribe_url: String,
}

impl PageContext for ConfirmedPage {
    const TEMPLATE: &'static str = "confirmed.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page =
            |is_change| Self { is_change, address: Sample::MASKED.into(), unsubscribe_url: String::new() };
        [false, true].map(page).into()
    }
}

/// The address is subscribed, whatever was pressed or asked here: says why, and offers to leave.
fn subscribed(
    visitor: &Visitor,
    signup: &Signup,
    subscriber: SubscriberId,
    why: Why,
) -> Result<Response, Problem> {
    let page = SubscribedPage {
        why,
        masked_address: signup.email.written_masked(),
        unsubscribe_action: unsubscribe::path(visitor, subscriber),
    };
    visitor.answer(StatusCode::OK, &page)
}

/// The address is subscribed already.
#[derive(Serialize)]
pub struct SubscribedPage {
    why: Why,
    masked_address: String,
    unsubscribe_action: String,
}

/// Why it is; keys of the texts.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Why {
    /// "Ja, anmelden" was pressed before.
    Yes,
    /// The same, for a change of address.
    Change,
    /// By another signup, and nothing or "Ja, anmelden" was pressed here.
    Elsewhere,
    /// By another signup, and "Das war ich nicht" was pressed here.
    Declined,
}

impl PageContext for SubscribedPage {
    const TEMPLATE: &'static str = "subscribed.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page =
            |why| Self { why, masked_address: Sample::MASKED.into(), unsubscribe_action: String::new() };
        [Why::Yes, Why::Change, Why::Elsewhere, Why::Declined].map(page).into()
    }
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
