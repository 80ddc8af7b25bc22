//! What a mail brings along for a provider to give back with its events: the token that stands in its return path, too.
//!
//! Most providers put a Message-ID and a return path of their own in the place of ours. Each has a header for what its
//! customers want back; readers do not get to see it, or see a token that is in their mail anyway.

use serde_json::json;

use crate::{
    config::{HookProvider, SecretKeys},
    domain::{
        ids::DeliveryId,
        token::{bounce_token, read_bounce_token},
    },
};

/// How the mark is called where a provider wants a name.
pub const NAME: &str = "rundbrief";

/// Where it stands among fields that have names: a JSON pointer (RFC 6901).
#[must_use]
pub fn pointer() -> String {
    format!("/{NAME}")
}

/// The headers with which a mail is handed to a provider, each with its line end.
#[must_use]
pub fn headers(providers: &[HookProvider], keys: &SecretKeys, id: DeliveryId) -> String {
    if providers.is_empty() {
        return String::new();
    }
    let token = bounce_token(keys, id);
    let of_one = |provider: &HookProvider| match provider {
        // Leaves both as they are.
        HookProvider::Ses => String::new(),
        HookProvider::Postmark => format!("X-PM-Metadata-{NAME}: {token}\r\n"),
        HookProvider::Mailgun => format!("X-Mailgun-Variables: {}\r\n", json!({ NAME: token })),
        HookProvider::Brevo => format!("X-Mailin-custom: {token}\r\n"),
        HookProvider::Sendgrid => format!("X-SMTPAPI: {}\r\n", json!({ "unique_args": { NAME: token } })),
        HookProvider::Mailjet => format!("X-MJ-CustomID: {token}\r\n"),
    };
    providers.iter().map(of_one).collect()
}

/// The delivery that a mark names.
#[must_use]
pub fn read(keys: &SecretKeys, mark: &str) -> Option<DeliveryId> {
    read_bounce_token(keys, mark.trim())
}
