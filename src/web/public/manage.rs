//! The settings page that every mail of a subscription links to.
//!
//! Newsletters get forwarded, so whoever has the link may only do what harms nobody: change the language, leave, take
//! back a change of address that waits. Everything else asks for a link by mail first, see [`crate::web::public::privacy_page`].

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::change_settings::{self, Settings, SettingsError},
    domain::{
        actor::Actor,
        ids::SubscriberId,
        locale::Locale,
        subscriber::{Subscriber, SubscriberState},
        token::{LinkPurpose, read_subscriber_token, subscriber_token},
    },
    web::{
        AppState,
        http::problem::Problem,
        page_context::{PageContext, Sample},
        public::{link_token::LinkToken, unsubscribe, visitor::Visitor},
    },
};

/// What the page's forms send.
#[derive(Debug, Deserialize)]
pub struct Pressed {
    #[serde(default)]
    action: String,
    #[serde(default)]
    locale: String,
}

/// `GET /manage/{token}`
pub async fn page(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let id = subscriber_of(&state, &token)?;
    page_of(&visitor, id, None).await
}

/// `POST /manage/{token}`
pub async fn change(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    Form(pressed): Form<Pressed>,
) -> Result<Response, Problem> {
    let id = subscriber_of(&state, &token)?;
    let (app, by, now) = (&state.app, &Actor::Subscriber(id), Utc::now());
    let mut visitor = visitor;
    let done = match pressed.action.as_str() {
        "language" => {
            let locale = Locale::from_tag(&pressed.locale).ok_or(Problem::BadRequest)?;
            change_settings::change_language(app, by, id, locale, now).await?;
            visitor.locale = locale;
            Done::Language
        }
        "keep_address" => {
            let is_called_off = change_settings::keep_address(app, by, id, now).await?;
            if is_called_off { Done::KeepAddress } else { Done::KeepAddressBefore }
        }
        "access" => {
            let subscriber = match change_settings::request_access_link(app, by, id, now).await {
                Err(SettingsError::Unknown) => return visitor.nothing_stored(),
                asked => asked?,
            };
            let masked_address = subscriber.email.written_masked();
            let page = AccessSentPage { masked_address, manage_url: path(&visitor, id) };
            return visitor.answer(StatusCode::OK, &page);
        }
        _ => return Err(Problem::BadRequest),
    };
    page_of(&visitor, id, Some(done)).await
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::NotAllowed | SettingsError::Unknown => Problem::LinkUnknown,
            SettingsError::Database(error) => error.into(),
        }
    }
}

/// The settings page of a subscriber, in the visitor's language.
pub fn path(visitor: &Visitor, id: SubscriberId) -> String {
    let token = subscriber_token(&visitor.state.app.keys, LinkPurpose::Manage, id);
    format!("/manage/{token}?lang={}", visitor.locale)
}

async fn page_of(visitor: &Visitor, id: SubscriberId, done: Option<Done>) -> Result<Response, Problem> {
    let settings = change_settings::settings(&visitor.state.app, id, Utc::now()).await?;
    let Some(Settings { subscriber, has_left, new_address }) = settings else {
        return visitor.nothing_stored();
    };
    let page = ManagePage {
        masked_address: subscriber.email.written_masked(),
        is_active: subscriber.state == SubscriberState::Active,
        may_leave: !has_left,
        since: since(visitor, &subscriber),
        locale: subscriber.locale,
        new_address: new_address.map(|address| address.written_masked()),
        done,
        action: path(visitor, id),
        unsubscribe_action: unsubscribe::path(visitor, id),
    };
    match done {
        Some(_) => visitor.answer(StatusCode::OK, &page),
        None => visitor.page(&page),
    }
}

/// The settings page.
#[derive(Clone, Serialize)]
pub struct ManagePage {
    masked_address: String,
    is_active: bool,
    /// Somebody whose mail came back, or who complained, gets none and may leave all the same.
    may_leave: bool,
    /// The day on which it became so.
    since: String,
    locale: Locale,
    /// The address that waits for its owner, masked.
    new_address: Option<String>,
    done: Option<Done>,
    action: String,
    unsubscribe_action: String,
}

/// What was just done.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Language,
    /// The change of address was called off.
    KeepAddress,
    /// There was none (any more).
    KeepAddressBefore,
}

impl PageContext for ManagePage {
    const TEMPLATE: &'static str = "manage.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let usual = Self {
            masked_address: Sample::MASKED.into(),
            is_active: true,
            may_leave: true,
            since: of.publication.content.written_day(Utc::now(), of.locale),
            locale: of.locale,
            new_address: None,
            done: None,
            action: String::new(),
            unsubscribe_action: String::new(),
        };
        let moving = Self { new_address: Some("m…a@example.org".into()), ..usual.clone() };
        let left = Self { is_active: false, may_leave: false, ..usual.clone() };
        let done = [Done::Language, Done::KeepAddress, Done::KeepAddressBefore];
        let done = done.map(|done| Self { done: Some(done), ..usual.clone() });
        [usual, moving, left].into_iter().chain(done).collect()
    }
}

/// A link to everything that is stored was sent.
#[derive(Serialize)]
pub struct AccessSentPage {
    masked_address: String,
    manage_url: String,
}

impl PageContext for AccessSentPage {
    const TEMPLATE: &'static str = "access_sent.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        vec![Self { masked_address: Sample::MASKED.into(), manage_url: String::new() }]
    }
}

/// The day of the last change of state, as readers see it.
pub fn since(visitor: &Visitor, subscriber: &Subscriber) -> String {
    visitor.publication.content.written_day(subscriber.state_changed_at, visitor.locale)
}

fn subscriber_of(state: &AppState, token: &str) -> Result<SubscriberId, Problem> {
    read_subscriber_token(&state.app.keys, LinkPurpose::Manage, token).ok_or(Problem::LinkUnknown)
}
