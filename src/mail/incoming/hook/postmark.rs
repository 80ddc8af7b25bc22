//! Postmark: one event a request.

use serde_json::Value;

use crate::mail::hook_mark;

use super::{Claim, Told, recipient, text};

pub(super) fn told(event: &Value) -> Option<Told> {
    let record = text(event, "/RecordType").unwrap_or("Bounce");
    let kind = text(event, "/Type").unwrap_or_default();
    let words = text(event, "/Details").or_else(|| text(event, "/Description"));
    let claim = match (record, kind) {
        ("SpamComplaint", _) | ("Bounce", "SpamComplaint") => Claim::Complaint,
        ("Bounce", "HardBounce" | "BadEmailAddress") => Claim::Permanent,
        ("Bounce", "SoftBounce" | "DnsError") => Claim::Transient,
        ("Bounce", "Transient") => Claim::Delayed,
        ("Bounce", "SpamNotification" | "VirusNotification" | "Blocked" | "DMARCPolicy") => Claim::Refused,
        ("Bounce", "AutoResponder" | "ChallengeVerification") => Claim::AutoReply,
        ("Bounce", "Unsubscribe") => Claim::Left,
        // Who ended mail to an address, or lets it begin again. What bounces and complaints do is told by themselves.
        ("SubscriptionChange", _) => {
            let has_left = event.pointer("/SuppressSending").and_then(Value::as_bool) == Some(true)
                && text(event, "/SuppressionReason") == Some("ManualSuppression")
                && text(event, "/Origin") == Some("Recipient");
            if !has_left {
                return None;
            }
            Claim::Left
        }
        ("Delivery" | "Open" | "Click", _) => return None,
        _ => Claim::Unclear,
    };
    let address = text(event, "/Email").or_else(|| text(event, "/Recipient"));
    let name = if kind.is_empty() { record } else { kind };
    // Its own Message-ID takes the place of ours, and the return path is its own.
    Some(Told {
        mark: event
            .pointer("/Metadata")
            .and_then(|fields| text(fields, &hook_mark::pointer()))
            .map(str::to_owned),
        ..Told::of(claim, name, recipient(address, None, words))
    })
}
