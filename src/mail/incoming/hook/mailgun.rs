//! Mailgun: one event a request, beside its signature.

use serde_json::Value;

use crate::mail::hook_mark;

use crate::mail::incoming::line;

use super::{Claim, Told, recipient, text};

pub(super) fn told(body: &Value) -> Option<Told> {
    let event = body.get("event-data")?;
    let name = text(event, "/event").unwrap_or_default();
    let status = event.get("delivery-status");
    let code = status.and_then(|status| status.get("code")).and_then(Value::as_u64);
    let is_final = text(event, "/severity") == Some("permanent");
    let claim = match (name, text(event, "/reason").unwrap_or_default()) {
        ("complained", _) => Claim::Complaint,
        // An old complaint, perhaps about another sender of the account.
        ("failed", "suppress-complaint") => Claim::Unclear,
        ("failed", "suppress-unsubscribe") | ("unsubscribed", _) => Claim::Left,
        // Tried for hours and given up, or not tried at all.
        ("failed", "old" | "suppress-bounce") if is_final => Claim::Transient,
        ("failed", "espblock" | "blacklisted") if is_final => Claim::Refused,
        // Its own codes: no server has said anything.
        ("failed", _) if is_final && code.is_some_and(|code| code >= 600) => Claim::Transient,
        ("failed", _) if is_final => Claim::Permanent,
        ("failed", _) => Claim::Delayed,
        ("rejected", _) => Claim::Refused,
        ("accepted" | "delivered" | "opened" | "clicked" | "stored", _) => return None,
        _ => Claim::Unclear,
    };
    let said = |pointer: &str| status.and_then(|status| text(status, pointer));
    let words = said("/message").or_else(|| said("/description")).or_else(|| text(event, "/reject/reason"));
    // The reply's code stands apart from its words.
    let words = match (code, words) {
        (Some(code @ 400..=599), Some(words)) if !words.starts_with(&code.to_string()) => {
            Some(format!("{code} {words}"))
        }
        (Some(code @ 400..=599), None) => Some(code.to_string()),
        (_, words) => words.map(str::to_owned),
    };
    Some(Told {
        message_id: text(event, "/message/headers/message-id").map(str::to_owned),
        mark: event
            .pointer("/user-variables")
            .and_then(|fields| text(fields, &hook_mark::pointer()))
            .map(str::to_owned),
        return_path: text(event, "/envelope/sender").map(str::to_owned),
        remote_mta: said("/mx-host").and_then(line),
        ..Told::of(
            claim,
            name,
            recipient(text(event, "/recipient"), said("/enhanced-code"), words.as_deref()),
        )
    })
}
