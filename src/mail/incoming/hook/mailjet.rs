//! Mailjet: an event a request, or a list of them.

use serde_json::Value;

use super::{Claim, Told, recipient, text};

pub(super) fn told(event: &Value) -> Option<Told> {
    let name = text(event, "/event").unwrap_or_default();
    let is = |field: &str| event.get(field).and_then(Value::as_bool) == Some(true);
    let (about, error) =
        (text(event, "/error_related_to").unwrap_or_default(), text(event, "/error").unwrap_or_default());
    let claim = match name {
        "bounce" | "blocked" => match (about, error) {
            (_, "user unknown" | "mailbox inactive" | "invalid domain" | "no mail host")
                if is("hard_bounce") =>
            {
                Claim::Permanent
            }
            (_, "quota exceeded" | "greylisted") | ("system", _) => Claim::Transient,
            ("spam" | "content" | "policy", _) | (_, "relay/access denied" | "sender blocked") => {
                Claim::Refused
            }
            // Mailjet's own: it has not tried.
            ("mailjet", _) => Claim::Unclear,
            _ if name == "blocked" => Claim::Unclear,
            _ if is("hard_bounce") => Claim::Permanent,
            _ => Claim::Transient,
        },
        "spam" => Claim::Complaint,
        "unsub" => Claim::Left,
        "sent" | "open" | "click" => return None,
        _ => Claim::Unclear,
    };
    // The server's own words, where there are any.
    let words = text(event, "/comment").or_else(|| text(event, "/error"));
    Some(Told {
        mark: text(event, "/CustomID").map(str::to_owned),
        ..Told::of(claim, name, recipient(text(event, "/email"), None, words))
    })
}
