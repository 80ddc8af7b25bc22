//! Brevo, which was Sendinblue: an event a request, or a list of them.

use serde_json::Value;

use super::{Claim, Told, recipient, text};

pub(super) fn told(event: &Value) -> Option<Told> {
    let name = text(event, "/event").unwrap_or_default();
    let claim = match name {
        "hard_bounce" | "invalid_email" => Claim::Permanent,
        "soft_bounce" => Claim::Transient,
        "spam" | "complaint" => Claim::Complaint,
        "deferred" => Claim::Delayed,
        "unsubscribed" | "unsubscribe" => Claim::Left,
        "request" | "sent" | "delivered" | "opened" | "unique_opened" | "uniqueOpened" | "proxy_open"
        | "unique_proxy_open" | "click" => return None,
        // Also "blocked": the address is on a list of the account's, for a reason that is not told.
        _ => Claim::Unclear,
    };
    let address = text(event, "/email");
    Some(Told {
        message_id: text(event, "/message-id").map(str::to_owned),
        mark: text(event, "/X-Mailin-custom").map(str::to_owned),
        ..Told::of(claim, name, recipient(address, None, text(event, "/reason")))
    })
}
