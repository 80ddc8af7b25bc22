//! SendGrid: a list of events a request.

use serde_json::Value;

use crate::mail::hook_mark;

use super::{Claim, Told, recipient, text};

pub(super) fn told(event: &Value) -> Option<Told> {
    let name = text(event, "/event").unwrap_or_default();
    let reason = text(event, "/reason");
    let claim = match name {
        // "blocked" keeps no address from the next mail.
        "bounce"
            if text(event, "/type") == Some("blocked")
                || matches!(text(event, "/bounce_classification"), Some("Reputation" | "Content")) =>
        {
            Claim::Refused
        }
        "bounce" => Claim::Permanent,
        // Not sent at all, for what an earlier mail came to.
        "dropped" => match reason.unwrap_or_default() {
            "Bounced Address" => Claim::Transient,
            "Unsubscribed Address" => Claim::Left,
            "Recipient List over Package Quota" => Claim::Refused,
            why if why.starts_with("Spam Content") => Claim::Refused,
            // Also an old complaint, perhaps about another sender of the account.
            _ => Claim::Unclear,
        },
        "deferred" => Claim::Delayed,
        "spamreport" => Claim::Complaint,
        "unsubscribe" | "group_unsubscribe" => Claim::Left,
        "processed" | "delivered" | "open" | "click" | "group_resubscribe" => return None,
        _ => Claim::Unclear,
    };
    let words = if name == "dropped" { None } else { reason.or_else(|| text(event, "/response")) };
    Some(Told {
        message_id: text(event, "/smtp-id").map(str::to_owned),
        // What was brought along stands beside the event's own fields.
        mark: text(event, &hook_mark::pointer()).map(str::to_owned),
        ..Told::of(claim, name, recipient(text(event, "/email"), text(event, "/status"), words))
    })
}
