//! Whether a request is a provider's. A request that comes again changes nothing, so nobody needs to remember which came.
//! Mailgun signs a time and a token and not the event beside them, so those do not hold for ever.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Deserialize;
use sha2::Sha256;

use super::request::Credentials;

/// Whether `Authorization` holds this secret: as the password of `Basic` (RFC 7617), whatever the user is called, or as the
/// token of `Bearer` (RFC 6750).
pub fn is_secret(secret: &str, authorization: Option<&str>) -> bool {
    let Some((scheme, value)) = authorization.and_then(|value| value.trim().split_once(' ')) else {
        return false;
    };
    let given = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(value.trim().to_owned()),
        "basic" => STANDARD
            .decode(value.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|pair| pair.split_once(':').map(|(_, password)| password.to_owned())),
        _ => None,
    };
    // Compared by what they make of the same text: that takes as long for each wrong secret.
    given.is_some_and(|given| {
        mac(&given, b"secret").verify_slice(&mac(secret, b"secret").finalize().into_bytes()).is_ok()
    })
}

/// How Mailgun signs (HMAC-SHA256 of timestamp and token, in hex).
#[derive(Deserialize)]
pub struct MailgunSignature {
    timestamp: Timestamp,
    token: String,
    signature: String,
}

/// Seconds since 1970.
#[derive(Deserialize)]
#[serde(untagged)]
enum Timestamp {
    Number(i64),
    Text(String),
}

/// How old a signature of Mailgun's may be: it goes on trying for eight hours.
const OLDEST: TimeDelta = TimeDelta::days(1);

impl MailgunSignature {
    /// Whether it was made with this key, and not long ago.
    pub fn is_made_with(&self, key: &str, now: DateTime<Utc>) -> bool {
        let timestamp = match &self.timestamp {
            Timestamp::Number(number) => number.to_string(),
            Timestamp::Text(text) => text.clone(),
        };
        let made_at = timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        if made_at.is_none_or(|made_at| (now - made_at).abs() > OLDEST) {
            return false;
        }
        let signed = [timestamp.as_bytes(), self.token.as_bytes()].concat();
        hex::decode(&self.signature).is_ok_and(|signature| mac(key, &signed).verify_slice(&signature).is_ok())
    }
}

/// Whether SendGrid has signed a body: ECDSA over the time and every byte of it.
pub fn is_signed(point: &[u8], credentials: &Credentials<'_>, body: &[u8]) -> bool {
    let (Some(signature), Some(timestamp)) = (credentials.signature, credentials.timestamp) else {
        return false;
    };
    let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
    let signed = [timestamp.as_bytes(), body].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(&signed, &signature).is_ok()
}

fn mac(key: &str, message: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")).chain_update(message)
}
