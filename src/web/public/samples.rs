//! Every public page with made-up values: for staff to look at what they have written before it counts.

use axum::response::Response;
use chrono::Utc;
use serde_json::{Value, json};

use crate::{
    domain::{address::EmailAddress, leave_reason::LeaveReason, token::SentTo},
    web::{
        http::problem::Problem,
        public::{check_mailbox, embed, privacy_page, visitor::Visitor},
    },
};

/// The pages there are, by the names of their templates, in the order in which visitors meet them.
pub const PAGES: [&str; 22] = [
    "signup",
    "captcha",
    "press_again",
    "check_mailbox",
    "confirm",
    "confirmed",
    "declined",
    "subscribed",
    "unsubscribe",
    "unsubscribed",
    "left",
    "resubscribed",
    "manage",
    "access_sent",
    "access_expired",
    "data",
    "address_asked",
    "confirm_change",
    "erase",
    "nothing_stored",
    "problem",
    "embed",
];

/// One of [`PAGES`] as the visitor's publication makes it look. Its forms and links are nobody's, and lead to no
/// subscriber.
///
/// # Errors
/// [`Problem::NotFound`] for any other name; [`Problem::Internal`] when it cannot be made.
pub fn page(visitor: &Visitor, name: &str) -> Result<Response, Problem> {
    let name = PAGES.into_iter().find(|known| *known == name).ok_or(Problem::NotFound)?;
    visitor.page_value(&format!("{name}.html"), &own(visitor, name)?)
}

const ADDRESS: &str = "maria.muster@example.org";
const MASKED: &str = "m…r@example.org";

/// The values of a page that are not the publication's.
fn own(visitor: &Visitor, name: &str) -> Result<Value, Problem> {
    let time = visitor.publication.content.written_time(Utc::now(), visitor.locale);
    Ok(match name {
        "signup" => json!({ "form": {
            "email": "", "error": null, "page": "", "consent_version": null, "shown": null, "challenge": null,
            "captcha": null,
        } }),
        "captcha" => json!({
            "form": { "email": ADDRESS, "again": null, "page": "", "consent_version": "", "shown": null },
            "challenge": "", "always": false, "contact": visitor.publication.content.sender.written_address(),
        }),
        "press_again" => {
            json!({ "form": { "email": ADDRESS, "again": null, "page": "", "consent_version": "" } })
        }
        "check_mailbox" => {
            let sent_to = EmailAddress::parse(ADDRESS).ok().map(|email| SentTo {
                email,
                waits: false,
                is_masked: false,
            });
            check_mailbox::own(visitor, sent_to.as_ref())
        }
        "confirm" | "confirm_change" => json!({
            "masked_address": MASKED, "action": "", "opened": "", "requested_at": time,
            "requested_page": visitor.publication.content.website.as_ref().and_then(|url| url.host_str()),
            "consent": null, "consent_lang": visitor.locale,
        }),
        "confirmed" => json!({ "is_change": false, "address": MASKED, "unsubscribe_url": "" }),
        "subscribed" => json!({ "why": "yes", "masked_address": MASKED, "unsubscribe_action": "" }),
        "unsubscribed" => json!({
            "undo_action": "", "again": null, "offers_signup": false,
            "why": { "action": "", "undo": "", "reasons": LeaveReason::ALL.map(LeaveReason::name) },
        }),
        "left" => json!({ "undo_action": "" }),
        "resubscribed" => json!({ "unsubscribe_url": "" }),
        "manage" => json!({
            "masked_address": MASKED, "is_active": true, "since": time, "locale": visitor.locale, "done": null,
            "new_address": null, "action": "", "unsubscribe_action": "", "may_leave": true,
        }),
        "data" => json!({
            "address": ADDRESS, "is_active": true, "since": time, "confirmed_at": time, "consented": null,
            "language": visitor.language(visitor.locale),
            "new_address": null, "events": [], "mails": [],
            "time_zone": visitor.publication.content.time_zone.0.name(), "about": privacy_page::about(visitor),
            "links": { "download": "", "address": "", "erase": "", "manage": "" },
            "form": { "email": "", "error": null, "consent_version": visitor.publication.version },
        }),
        "address_asked" => {
            json!({ "old_address": ADDRESS, "new_address": "maria@example.net", "suggestion": null, "manage_url": "" })
        }
        "problem" => json!({ "problem": {
            "title": visitor.text("problem.link_expired", "title"),
            "message": visitor.text("problem.link_expired", "message"),
            "reference": "7h2kq9x4m0vtc3dw", "way_on_url": "/", "way_on_label": visitor.text("problem.link_expired", "way_on"),
        } }),
        "embed" => embed::own(visitor)?,
        // These differ in which of them they use.
        _ => json!({
            "masked_address": MASKED, "address": ADDRESS, "action": "", "back": "", "manage_url": "",
            "is_erased": true, "is_change": false, "is_stopped": false,
        }),
    })
}
