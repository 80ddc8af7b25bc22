//! "Check your mailbox": what somebody sees whose signup was taken, whatever the database knows of the address.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    domain::{address::near_miss, token::SentTo},
    web::{
        http::problem::{self, Problem},
        public::visitor::Visitor,
    },
};

/// Where the page is.
pub const PATH: &str = "/check-mailbox";

/// The answer to a signup that was taken. It depends on what was typed and on how many signups come from where, and on
/// nothing that is stored of the address (invariant 4).
pub fn answer(visitor: &Visitor, headers: &HeaderMap, sent_to: &SentTo, now: DateTime<Utc>) -> Response {
    let locale = visitor.locale;
    if problem::wants_json(headers) {
        let mut body = json!({ "status": "check_mailbox" });
        if let Some(meant) = suggestion(sent_to) {
            body["suggestion"] = meant.into();
        }
        if sent_to.waits {
            body["notice"] = visitor.text("check_mailbox", "waits").into();
        }
        return (StatusCode::ACCEPTED, Json(body)).into_response();
    }
    let token = sent_to.seal(&visitor.state.keys, now);
    Redirect::to(&format!("{PATH}?lang={locale}&to={token}")).into_response()
}

/// `GET /check-mailbox`: shows the address back, with a form filled in to correct it. Without a token that is good, it
/// says the same of an address that it does not name.
pub async fn page(visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let token = query.into_iter().find(|(name, _)| name == "to").map(|(_, value)| value);
    let sent_to = token.as_ref().and_then(|token| SentTo::open(&visitor.state.keys, token, Utc::now()));
    let more = match (&sent_to, &token) {
        (Some(_), Some(token)) => format!("&to={token}"),
        _ => String::new(),
    };
    visitor.page_with_value(&more, "check_mailbox.html", &own(&visitor, sent_to.as_ref()))
}

/// The address that was meant, perhaps. Of one that is masked nothing is told.
fn suggestion(sent_to: &SentTo) -> Option<String> {
    let meant = near_miss::suggestion(&sent_to.email).filter(|_| !sent_to.is_masked);
    meant.map(|meant| meant.written())
}

/// What the page shows.
pub fn own(visitor: &Visitor, sent_to: Option<&SentTo>) -> Value {
    let minutes = visitor.state.repeat_minutes;
    let again = (minutes > 0)
        .then(|| visitor.text("check_mailbox", "missing_again").replace("{minutes}", &minutes.to_string()));
    json!({
        "address": sent_to.map(|sent_to| {
            if sent_to.is_masked { sent_to.email.masked() } else { sent_to.email.written() }
        }),
        "is_masked": sent_to.is_some_and(|sent_to| sent_to.is_masked),
        "suggestion": sent_to.and_then(suggestion),
        "waits": sent_to.is_some_and(|sent_to| sent_to.waits),
        "again": again,
        "page": visitor.state.public_url.join(PATH),
        "consent_version": visitor.publication.version,
    })
}
