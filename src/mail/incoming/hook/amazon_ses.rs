//! Amazon SES: feedback notifications of an identity (`notificationType`) and events of a configuration set (`eventType`),
//! which have the same form.

use serde_json::Value;

use crate::mail::incoming::{feedback, line};

use super::{Claim, Recipient, Told, recipient, text};

pub(super) fn told(event: &Value) -> Option<Told> {
    let name = text(event, "/notificationType").or_else(|| text(event, "/eventType"))?;
    let (claim, recipients) = match name {
        "Bounce" => {
            let kind = text(event, "/bounce/bounceType").unwrap_or_default();
            let detail = text(event, "/bounce/bounceSubType").unwrap_or_default();
            let recipients = recipients(event, "/bounce/bouncedRecipients");
            // Answers of people's programs are told as such bounces too, and bring no words of a server.
            let has_words = recipients.iter().any(|one| one.status.is_some() || one.diagnostic.is_some());
            let claim = match (kind, detail) {
                ("Permanent", "General" | "NoEmail") => Claim::Permanent,
                ("Permanent", "UnsubscribedRecipient") => Claim::Left,
                ("Transient", "ContentRejected" | "AttachmentRejected") => Claim::Refused,
                ("Transient", "General") if !has_words => Claim::Unclear,
                // The last ones were not tried, because of lists of Amazon's.
                ("Transient", _)
                | (
                    "Permanent",
                    "Suppressed"
                    | "OnAccountSuppressionList"
                    | "OnTenantSuppressionList"
                    | "EmailValidationSuppressed",
                ) => Claim::Transient,
                _ => Claim::Unclear,
            };
            (claim, recipients)
        }
        "Complaint" => {
            // Without a mail that arrived it is an old one, perhaps about another sender.
            let is_old = text(event, "/complaint/complaintSubType").is_some();
            let kind = text(event, "/complaint/complaintFeedbackType");
            let is_one = !is_old && kind.is_none_or(feedback::is_complaint);
            let claim = if is_one { Claim::Complaint } else { Claim::Unclear };
            (claim, recipients(event, "/complaint/complainedRecipients"))
        }
        "DeliveryDelay" => (Claim::Delayed, recipients(event, "/deliveryDelay/delayedRecipients")),
        "Reject" => (Claim::Refused, destination(event)),
        "Subscription" => (Claim::Left, destination(event)),
        "Delivery" | "Send" | "Open" | "Click" | "AmazonSnsSubscriptionSucceeded" => return None,
        _ => (Claim::Unclear, destination(event)),
    };
    Some(Told {
        claim,
        name: name.to_owned(),
        recipients,
        // SES gives the mail a Message-ID of its own; among the headers it is still ours.
        message_id: header(event, "Message-ID"),
        mark: None,
        return_path: text(event, "/mail/source").map(str::to_owned),
        remote_mta: text(event, "/bounce/reportingMTA")
            .and_then(|mta| line(mta.rsplit(';').next().unwrap_or_default())),
    })
}

fn recipients(event: &Value, pointer: &str) -> Vec<Recipient> {
    let listed = event.pointer(pointer).and_then(Value::as_array);
    listed
        .into_iter()
        .flatten()
        .map(|one| Recipient {
            action: text(one, "/action").map(str::to_owned),
            ..recipient(text(one, "/emailAddress"), text(one, "/status"), text(one, "/diagnosticCode"))
        })
        .collect()
}

fn destination(event: &Value) -> Vec<Recipient> {
    let listed = event.pointer("/mail/destination").and_then(Value::as_array);
    listed.into_iter().flatten().map(|one| recipient(one.as_str(), None, None)).collect()
}

/// Of the mail as it was handed over; nothing where the operator leaves headers out of notifications.
fn header(event: &Value, name: &str) -> Option<String> {
    let headers = event.pointer("/mail/headers")?.as_array()?;
    let found = headers
        .iter()
        .find(|header| text(header, "/name").is_some_and(|found| found.eq_ignore_ascii_case(name)))?;
    text(found, "/value").map(str::to_owned)
}
