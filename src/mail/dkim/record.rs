//! What stands in the DNS about a key (RFC 6376 §3.6).

use base64::{Engine, engine::general_purpose::STANDARD};
use rsa::{PublicKey, pkcs1::DecodeRsaPublicKey, pkcs8::EncodePublicKey};

use crate::config::DkimSecret;

/// Bytes of one string of a TXT record (RFC 1035 §3.3).
const STRING: usize = 255;

/// What a DNS name holds, compared with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// This key and no other.
    Ours,
    /// Another key, or several: then receivers take any of them (RFC 6376 §3.6.2.2).
    Other,
    /// No key, or one that was taken back.
    None,
}

/// The DNS name of a selector's key.
#[must_use]
pub fn name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// The text that belongs under the key's name.
#[must_use]
pub fn text(secret: &DkimSecret) -> String {
    let kind = kind(secret);
    format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(subject_public_key(secret)))
}

/// The text as strings of a zone file, of which each has 255 bytes at most.
#[must_use]
pub fn zone_strings(text: &str) -> String {
    let strings =
        text.as_bytes().chunks(STRING).map(|string| format!("\"{}\"", String::from_utf8_lossy(string)));
    strings.collect::<Vec<_>>().join(" ")
}

/// What these texts at the key's name say about it.
#[must_use]
pub fn compare(texts: &[String], secret: &DkimSecret) -> Published {
    let keys: Vec<(Option<&str>, String)> = texts.iter().filter_map(|text| key(text)).collect();
    match &keys[..] {
        [] => Published::None,
        [(found, key)] if found.unwrap_or("rsa").eq_ignore_ascii_case(kind(secret)) => {
            let is_ours = STANDARD
                .decode(key)
                .is_ok_and(|key| key == subject_public_key(secret) || key == secret.public_key());
            if is_ours { Published::Ours } else { Published::Other }
        }
        _ => Published::Other,
    }
}

/// Whether any of these texts holds a key at all.
#[must_use]
pub fn has_key(texts: &[String]) -> bool {
    texts.iter().any(|text| key(text).is_some())
}

/// `k=` and `p=` of a record. An empty `p=` takes a key back (RFC 6376 §3.6.1).
fn key(text: &str) -> Option<(Option<&str>, String)> {
    let tag = |name: &str| {
        let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
        tags.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
    };
    // Long keys are written with white space in between.
    let key: String = tag("p")?.chars().filter(|c| !c.is_whitespace()).collect();
    (!key.is_empty()).then(|| (tag("k"), key))
}

fn kind(secret: &DkimSecret) -> &'static str {
    match secret {
        DkimSecret::Rsa(_) => "rsa",
        DkimSecret::Ed25519(_) => "ed25519",
    }
}

/// What `p=` holds: DER of a `SubjectPublicKeyInfo` for RSA, as every verifier takes it; the bare key for Ed25519 (RFC 8463
/// §4.2).
fn subject_public_key(secret: &DkimSecret) -> Vec<u8> {
    let public = secret.public_key();
    match secret {
        DkimSecret::Ed25519(_) => public,
        DkimSecret::Rsa(_) => PublicKey::from_pkcs1_der(&public)
            .ok()
            .and_then(|key| key.to_public_key_der().ok())
            .map_or(public, |der| der.as_bytes().to_vec()),
    }
}
