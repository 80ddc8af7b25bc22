//! "Check your mailbox": what somebody sees whose signup was taken, whatever the database knows of the address.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    domain::{
        address::{EmailAddress, near_miss},
        token::SentTo,
    },
    web::{
        http::problem::{self, Problem},
        page_context::{PageContext, Sample},
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
        let taken = TakenForm {
            status: "check_mailbox",
            suggestion: suggestion(sent_to),
            notice: sent_to.waits.then(|| visitor.text("check_mailbox", "waits")),
        };
        return (StatusCode::ACCEPTED, Json(taken)).into_response();
    }
    let token = sent_to.seal(&visitor.state.app.keys, now);
    Redirect::to(&format!("{PATH}?lang={locale}&to={token}")).into_response()
}

/// What a script reads whose form was taken.
#[derive(Serialize)]
struct TakenForm<'a> {
    status: &'static str,
    /// The address that was meant, perhaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
    /// That the mail waits for staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'a str>,
}

/// `GET /check-mailbox`: shows the address back, with a form filled in to correct it. Without a token that is good, it
/// says the same of an address that it does not name.
pub async fn page(visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let token = query.into_iter().find(|(name, _)| name == "to").map(|(_, value)| value);
    let sent_to = token.as_ref().and_then(|token| SentTo::open(&visitor.state.app.keys, token, Utc::now()));
    let more = match (&sent_to, &token) {
        (Some(_), Some(token)) => format!("&to={token}"),
        _ => String::new(),
    };
    visitor.page_with(&more, &page_of(&visitor, sent_to.as_ref()))
}

/// The address that was meant, perhaps. Of one that is masked nothing is told.
fn suggestion(sent_to: &SentTo) -> Option<String> {
    let meant = near_miss::suggestion(&sent_to.email).filter(|_| !sent_to.is_masked);
    meant.map(|meant| meant.written())
}

fn page_of(visitor: &Visitor, sent_to: Option<&SentTo>) -> CheckMailboxPage {
    let minutes = visitor.state.repeat_minutes;
    let again = visitor.text("check_mailbox", "missing_again");
    let again = (minutes > 0).then(|| again.replace("{minutes}", &minutes.to_string()));
    CheckMailboxPage::of(sent_to, again, visitor.state.public_url.join(PATH), visitor.publication.version)
}

/// The page.
#[derive(Serialize)]
pub struct CheckMailboxPage {
    /// As it was typed, or masked; nothing without a good token.
    address: Option<String>,
    is_masked: bool,
    suggestion: Option<String>,
    waits: bool,
    /// After how long signing up again brings another mail, in words; nothing where it does at once.
    again: Option<String>,
    /// Its own address, for the form that corrects the first one.
    page: String,
    consent_version: i32,
}

impl CheckMailboxPage {
    fn of(sent_to: Option<&SentTo>, again: Option<String>, page: String, consent_version: i32) -> Self {
        let address = |sent_to: &SentTo| {
            if sent_to.is_masked { sent_to.email.written_masked() } else { sent_to.email.written() }
        };
        Self {
            address: sent_to.map(address),
            is_masked: sent_to.is_some_and(|sent_to| sent_to.is_masked),
            suggestion: sent_to.and_then(suggestion),
            waits: sent_to.is_some_and(|sent_to| sent_to.waits),
            again,
            page,
            consent_version,
        }
    }
}

impl PageContext for CheckMailboxPage {
    const TEMPLATE: &'static str = "check_mailbox.html";

    fn samples(of: &Sample<'_>) -> Vec<Self> {
        let sent_to = |address, waits, is_masked| {
            EmailAddress::parse(address).ok().map(|email| SentTo { email, waits, is_masked })
        };
        let again = of.text("check_mailbox", "missing_again").replace("{minutes}", "10");
        let page = |sent_to: Option<SentTo>, again| {
            let version = of.publication.version;
            Self::of(sent_to.as_ref(), again, of.public_url.join(PATH), version)
        };
        vec![
            page(sent_to(Sample::ADDRESS, false, false), Some(again)),
            page(sent_to("maria@gmial.com", true, false), None),
            page(sent_to(Sample::ADDRESS, false, true), None),
            page(None, None),
        ]
    }
}
