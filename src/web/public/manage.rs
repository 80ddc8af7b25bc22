//! The settings page that every mail of a subscription links to.
//!
//! Newsletters get forwarded, so whoever has the link may only do what harms nobody: change the language, leave, take
//! back a change of address that waits. Everything else asks for a link by mail first, see [`crate::web::public::privacy_page`].

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;

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
    shown(&visitor, id, None).await
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
            "language"
        }
        "keep_address" => {
            let is_called_off = change_settings::keep_address(app, by, id, now).await?;
            if is_called_off { "keep_address" } else { "keep_address_before" }
        }
        "access" => {
            let subscriber = match change_settings::request_access_link(app, by, id, now).await {
                Err(SettingsError::Unknown) => return visitor.nothing_stored(),
                asked => asked?,
            };
            let own =
                json!({ "masked_address": subscriber.email.masked(), "manage_url": path(&visitor, id) });
            return visitor.answer_value(StatusCode::OK, "access_sent.html", &own);
        }
        _ => return Err(Problem::BadRequest),
    };
    shown(&visitor, id, Some(done)).await
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

async fn shown(visitor: &Visitor, id: SubscriberId, done: Option<&str>) -> Result<Response, Problem> {
    let settings = change_settings::settings(&visitor.state.app, id, Utc::now()).await?;
    let Some(Settings { subscriber, has_left, new_address }) = settings else {
        return visitor.nothing_stored();
    };
    let own = json!({
        "masked_address": subscriber.email.masked(),
        "is_active": subscriber.state == SubscriberState::Active,
        "may_leave": !has_left,
        "since": since(visitor, &subscriber),
        "locale": subscriber.locale.tag(),
        "new_address": new_address.map(|address| address.masked()),
        "done": done,
        "action": path(visitor, id),
        "unsubscribe_action": unsubscribe::path(visitor, id),
    });
    match done {
        Some(_) => visitor.answer_value(StatusCode::OK, "manage.html", &own),
        None => visitor.page_value("manage.html", &own),
    }
}

/// The day of the last change of state, as readers see it.
pub fn since(visitor: &Visitor, subscriber: &Subscriber) -> String {
    visitor.publication.content.written_day(subscriber.state_changed_at, visitor.locale)
}

fn subscriber_of(state: &AppState, token: &str) -> Result<SubscriberId, Problem> {
    read_subscriber_token(&state.app.keys, LinkPurpose::Manage, token).ok_or(Problem::LinkUnknown)
}
