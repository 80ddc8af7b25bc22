//! What "check your mailbox" knows of the form that led to it: it travels in the address of that page, sealed.
//!
//! The answer to the form is a redirect, so that reloading sends nothing again; so what the page is to show has to be in
//! its address. An email address must not stand in one in plain text: it would be in the history of the browser and in
//! the log of a proxy. It is encrypted, ends after an hour, and opens nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{
    config::SecretKeys,
    domain::{address::EmailAddress, staff::secret::random},
};

/// How long the page shows the address again.
const LIVES: Duration = Duration::hours(1);
/// What `SECRET_KEY` signs to make the key of the encryption.
const SEALING: &str = "sent to";
/// Seconds since 1970, and what else there is to say, a bit each.
const HEAD: usize = 8 + 1;
/// Characters a token may have: an address of 254 characters makes one of 400.
const LONGEST: usize = 512;

/// What a form that was taken asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentTo {
    /// The address the mail goes to.
    pub email: EmailAddress,
    /// So many signups have come, from the visitor's network or in all, that staff look before its mail goes.
    pub waits: bool,
    /// Whoever sent the form was not told the whole address, and the page masks it too.
    pub is_masked: bool,
}

const WAITS: u8 = 1;
const IS_MASKED: u8 = 2;

impl SentTo {
    /// The token of this, for an hour.
    #[must_use]
    pub fn seal(&self, keys: &SecretKeys, now: DateTime<Utc>) -> String {
        let until = (now + LIVES).timestamp().to_be_bytes();
        let said = (u8::from(self.waits) * WAITS) | (u8::from(self.is_masked) * IS_MASKED);
        let mut bytes = [until.as_slice(), &[said], self.email.as_str().as_bytes()].concat();
        let nonce: [u8; NONCE_LEN] = random();
        key(&keys.sign(SEALING, b""))
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes)
            .unwrap_or_else(|_| unreachable!("it fails for texts of more than 256 GB"));
        URL_SAFE_NO_PAD.encode([nonce.as_slice(), &bytes].concat())
    }

    /// Opens a token; nothing when it is not ours or its hour is over.
    #[must_use]
    pub fn open(keys: &SecretKeys, text: &str, now: DateTime<Utc>) -> Option<Self> {
        // Looked at first, so that one of 10 kB costs no more than a short one.
        let text = Some(text).filter(|text| text.len() <= LONGEST)?;
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        keys.sign_with_each(SEALING, b"").iter().find_map(|bytes| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut sealed = sealed.to_vec();
            let opened = key(bytes).open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
            let (head, email) = opened.split_at_checked(HEAD)?;
            let until = i64::from_be_bytes(head[..8].try_into().ok()?);
            let email = EmailAddress::parse(std::str::from_utf8(email).ok()?).ok()?;
            let says = |what| head[8] & what != 0;
            (now.timestamp() < until).then(|| Self { email, waits: says(WAITS), is_masked: says(IS_MASKED) })
        })
    }
}

fn key(bytes: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, bytes);
    LessSafeKey::new(key.unwrap_or_else(|_| unreachable!("it fails for keys of another length")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> SentTo {
        SentTo { email: EmailAddress::parse("Maria@straße.example").unwrap(), waits: true, is_masked: false }
    }

    #[test]
    fn it_comes_back_within_the_hour_and_after_a_rotation() {
        let now = Utc::now();
        let token = sent().seal(&SecretKeys::of_bytes(&[1]), now);
        assert_eq!(
            SentTo::open(&SecretKeys::of_bytes(&[2, 1]), &token, now + Duration::minutes(59)),
            Some(sent())
        );
        assert_eq!(SentTo::open(&SecretKeys::of_bytes(&[1]), &token, now + Duration::minutes(60)), None);
        assert_eq!(SentTo::open(&SecretKeys::of_bytes(&[2]), &token, now), None);
    }

    #[test]
    fn it_shows_nothing_and_cannot_be_altered() {
        let now = Utc::now();
        let token = sent().seal(&SecretKeys::of_bytes(&[1]), now);
        assert_ne!(
            token,
            sent().seal(&SecretKeys::of_bytes(&[1]), now),
            "the same address twice tells nothing"
        );
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("Maria"));
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(
                SentTo::open(&SecretKeys::of_bytes(&[1]), &URL_SAFE_NO_PAD.encode(altered), now),
                None,
                "byte {at}"
            );
        }
        for text in ["", "x", &"A".repeat(16), &"A".repeat(10_000)] {
            assert_eq!(SentTo::open(&SecretKeys::of_bytes(&[1]), text, now), None);
        }
    }

    #[test]
    fn the_longest_address_fits() {
        let label = "a".repeat(61);
        let email = EmailAddress::parse(&format!("{}@{label}.{label}.{label}.de", "m".repeat(64))).unwrap();
        assert!(email.as_str().len() > 250);
        let sent = SentTo { email, waits: false, is_masked: true };
        let token = sent.seal(&SecretKeys::of_bytes(&[1]), Utc::now());
        assert_eq!(SentTo::open(&SecretKeys::of_bytes(&[1]), &token, Utc::now()), Some(sent));
    }
}
