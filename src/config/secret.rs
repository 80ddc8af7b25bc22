//! `SECRET_KEY`: the service's secret keys, which can be rotated.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The keys in `SECRET_KEY`: the first one signs, all of them verify.
///
/// To rotate, put a new key in front of the list. Links in mails that were sent keep working as long as their key stays in
/// the list.
#[derive(Clone)]
pub struct SecretKeys(Vec<Vec<u8>>);

/// What is wrong with `SECRET_KEY`. Its value never appears in the message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SecretKeysError {
    /// Not base64.
    #[error("has an entry that is not base64; create a key with: openssl rand -base64 32")]
    NotBase64,
    /// One that anybody could guess: all zeros, a placeholder, a repetition of a few characters.
    #[error("has an entry that can be guessed; create a key with: openssl rand -base64 32")]
    Guessable,
    /// Fewer than 32 bytes.
    #[error("has an entry of fewer than 32 bytes; create a key with: openssl rand -base64 32")]
    TooShort,
}

impl SecretKeys {
    /// Parses a comma-separated list of base64 keys of at least 32 bytes each.
    ///
    /// # Errors
    /// [`SecretKeysError`] names the kind of problem, never the value.
    pub fn parse(text: &str) -> Result<Self, SecretKeysError> {
        text.split(',')
            .map(|part| {
                let key = STANDARD.decode(part.trim()).map_err(|_| SecretKeysError::NotBase64)?;
                if key.len() < 32 {
                    Err(SecretKeysError::TooShort)
                } else if is_guessable(part.trim(), &key) {
                    Err(SecretKeysError::Guessable)
                } else {
                    Ok(key)
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// HMAC-SHA-256 of `message` under the newest key, bound to one `purpose`.
    ///
    /// The input contains the purpose with its length, so signatures for two purposes never agree.
    #[must_use]
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        mac(&self.0[0], purpose, message)
    }

    /// The same under every key, newest first: to look up what an older key may have written.
    #[must_use]
    pub fn sign_with_each(&self, purpose: &str, message: &[u8]) -> Vec<[u8; 32]> {
        self.0.iter().map(|key| mac(key, purpose, message)).collect()
    }

    /// Whether `tag` (16 bytes or more) is the beginning of a signature by any of the keys; constant time a key.
    #[must_use]
    pub fn verify(&self, purpose: &str, message: &[u8], tag: &[u8]) -> bool {
        tag.len() >= 16
            && self.0.iter().any(|key| started(key, purpose, message).verify_truncated_left(tag).is_ok())
    }
}

/// Fewest different bytes of a key that consists of visible characters; a typed sentence has more.
const LEAST_DIFFERENT: usize = 10;

/// Whether a key was typed or left empty instead of generated: only zeros or ones, base64 of two different characters at
/// most, or few different visible characters.
fn is_guessable(text: &str, key: &[u8]) -> bool {
    let different = |bytes: &[u8]| bytes.iter().collect::<std::collections::HashSet<_>>().len();
    let is_blank = |byte: u8| key.iter().all(|other| *other == byte);
    let is_typed = key.iter().all(|byte| (b' '..=b'~').contains(byte));
    is_blank(0)
        || is_blank(0xff)
        || different(text.trim_end_matches('=').as_bytes()) <= 2
        || (is_typed && different(key) < LEAST_DIFFERENT)
}

fn started(key: &[u8], purpose: &str, message: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(&(purpose.len() as u64).to_be_bytes());
    mac.update(purpose.as_bytes());
    mac.update(message);
    mac
}

fn mac(key: &[u8], purpose: &str, message: &[u8]) -> [u8; 32] {
    started(key, purpose, message).finalize().into_bytes().into()
}

impl std::fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKeys({} keys)", self.0.len())
    }
}

#[cfg(test)]
impl SecretKeys {
    /// Keys of 32 equal bytes each, for tests.
    ///
    /// # Panics
    /// Without a byte.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let list: Vec<String> = bytes.iter().map(|byte| STANDARD.encode([*byte; 32])).collect();
        Self::parse(&list.join(",")).expect("they are keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_old_key_signed_still_verifies_after_rotation() {
        let tag = SecretKeys::of_bytes(&[1]).sign("unsubscribe", b"message");
        assert!(SecretKeys::of_bytes(&[2, 1]).verify("unsubscribe", b"message", &tag[..16]));
        assert!(!SecretKeys::of_bytes(&[2]).verify("unsubscribe", b"message", &tag[..16]));
    }

    #[test]
    fn a_tag_serves_one_purpose_only_and_not_when_cut_short() {
        let keys = SecretKeys::of_bytes(&[1]);
        let tag = keys.sign("unsubscribe", b"message");
        assert!(!keys.verify("manage", b"message", &tag));
        assert!(!keys.verify("unsubscribe", b"message", &tag[..15]));
        assert!(!keys.verify("unsubscribe", b"message", b""));
    }

    #[test]
    fn a_key_that_anybody_could_guess_is_refused_wherever_it_stands() {
        let good = STANDARD.encode([7; 32]);
        for guessable in [
            STANDARD.encode([0; 32]),
            STANDARD.encode([0; 64]),
            STANDARD.encode([0xff; 32]),
            "a".repeat(44),
            "A".repeat(43) + "=",
            "ab".repeat(22),
            STANDARD.encode("0".repeat(32)),
            STANDARD.encode("changemechangemechangemechangeme"),
            STANDARD.encode("secretsecretsecretsecretsecretsecret"),
            STANDARD.encode("passwordpasswordpasswordpassword"),
        ] {
            for list in [guessable.clone(), format!("{good},{guessable}"), format!("{guessable},{good}")] {
                assert_eq!(SecretKeys::parse(&list).unwrap_err(), SecretKeysError::Guessable, "{list}");
            }
        }
        assert!(SecretKeysError::Guessable.to_string().contains("openssl rand"));
        // Characters from a generator, of which many are different.
        assert!(SecretKeys::parse(&STANDARD.encode("d3b0c44298fc1c149afbf4c8996fb924")).is_ok());
    }

    #[test]
    fn problems_do_not_show_the_value() {
        assert_eq!(SecretKeys::parse("geheim!").unwrap_err(), SecretKeysError::NotBase64);
        assert_eq!(SecretKeys::parse("Z2VoZWlt").unwrap_err(), SecretKeysError::TooShort);
        assert!(!format!("{:?}", SecretKeys::of_bytes(&[7])).contains('7'));
    }
}
