//! The settings page that every mail of a subscription links to.
//!
//! Newsletters get forwarded, so whoever has the link may only do what harms nobody: change the language, leave, take
//! back a change of address that waits. Everything else asks for a link by mail first, see [`crate::web::public::privacy_page`].

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    domain::{
        delivery::{self, DeliveryKind},
        ids::SubscriberId,
        locale::Locale,
        signup::address_change,
        subscriber::{self, Subscriber, SubscriberState},
        token::{LinkPurpose, read_subscriber_token, subscriber_token},
    },
    web::{
        AppState,
        http::problem::Problem,
        public::{link_token::LinkToken, unsubscribe, visitor::Visitor},
    },
};

/// Between two access links to the same subscriber: forwarding a newsletter must not make a mailbox full.
const ACCESS_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// Access links to one subscriber a day.
const ACCESS_A_DAY: usize = 5;

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
    let mut db = state.pool.acquire().await?;
    shown(&mut db, &visitor, id, None).await
}

/// `POST /manage/{token}`
pub async fn change(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    Form(pressed): Form<Pressed>,
) -> Result<Response, Problem> {
    let id = subscriber_of(&state, &token)?;
    let now = Utc::now();
    let mut transaction = state.pool.begin().await?;
    let mut visitor = visitor;
    let done = match pressed.action.as_str() {
        "language" => {
            let locale = Locale::from_tag(&pressed.locale).ok_or(Problem::BadRequest)?;
            subscriber::set_locale(&mut transaction, id, locale).await?;
            visitor.locale = locale;
            "language"
        }
        "keep_address" => {
            let cancelled = address_change::cancel(&mut transaction, id, now).await?;
            if cancelled == 0 { "keep_address_before" } else { "keep_address" }
        }
        "access" => {
            let Some(subscriber) = subscriber::locked(&mut transaction, id).await? else {
                return nothing_stored(&visitor);
            };
            if may_have_access_link(&mut transaction, id, now).await? {
                delivery::enqueue_for_subscriber(&mut transaction, DeliveryKind::Access, id, now).await?;
            }
            transaction.commit().await?;
            let own =
                json!({ "masked_address": subscriber.email.masked(), "manage_url": path(&visitor, id) });
            return visitor.answer(StatusCode::OK, "access_sent.html", &own);
        }
        _ => return Err(Problem::BadRequest),
    };
    transaction.commit().await?;
    let mut db = state.pool.acquire().await?;
    shown(&mut db, &visitor, id, Some(done)).await
}

/// The settings page of a subscriber, in the visitor's language.
pub fn path(visitor: &Visitor, id: SubscriberId) -> String {
    let token = subscriber_token(&visitor.state.keys, LinkPurpose::Manage, id);
    format!("/manage/{token}?lang={}", visitor.locale)
}

/// The page for those of whom nothing is stored (any more).
pub fn nothing_stored(visitor: &Visitor) -> Result<Response, Problem> {
    visitor.answer(StatusCode::GONE, "nothing_stored.html", &json!({ "is_erased": false }))
}

async fn shown(
    db: &mut PgConnection,
    visitor: &Visitor,
    id: SubscriberId,
    done: Option<&str>,
) -> Result<Response, Problem> {
    let Some(subscriber) = subscriber::by_id(db, id).await? else { return nothing_stored(visitor) };
    let now = Utc::now();
    let new_address = address_change::waiting(db, id, now).await?;
    let has_left = subscriber::has_left(db, &subscriber).await?;
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
        Some(_) => visitor.answer(StatusCode::OK, "manage.html", &own),
        None => visitor.page("manage.html", &own),
    }
}

/// The day of the last change of state, as readers see it.
pub fn since(visitor: &Visitor, subscriber: &Subscriber) -> String {
    visitor.publication.content.written_day(subscriber.state_changed_at, visitor.locale)
}

async fn may_have_access_link(
    db: &mut PgConnection,
    id: SubscriberId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let asked = delivery::access_links_since(db, id, now - TimeDelta::days(1)).await?;
    let is_again = asked.first().is_some_and(|last| *last > now - ACCESS_AGAIN);
    Ok(!is_again && asked.len() < ACCESS_A_DAY)
}

fn subscriber_of(state: &AppState, token: &str) -> Result<SubscriberId, Problem> {
    read_subscriber_token(&state.keys, LinkPurpose::Manage, token).ok_or(Problem::LinkUnknown)
}
