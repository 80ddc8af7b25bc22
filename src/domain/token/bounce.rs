//! The token in the envelope sender of a mail: it says which delivery a report is about that comes back there (VERP).
//!
//! Relays write local parts in lower case, and quote them: so the token has lower-case letters and digits alone.

use crate::{
    config::SecretKeys,
    domain::{base32, ids::DeliveryId},
};

use super::TAG;

const PURPOSE: &str = "bounce";
const LENGTH: usize = 8 + TAG;

/// Characters of a token.
pub const BOUNCE_TOKEN_LENGTH: usize = (LENGTH * 8).div_ceil(5);

/// The token of a delivery. The same delivery always gets the same one (under one key).
#[must_use]
pub fn bounce_token(keys: &SecretKeys, id: DeliveryId) -> String {
    let mut bytes = [0; LENGTH];
    let (number, tag) = bytes.split_at_mut(8);
    number.copy_from_slice(&id.0.to_be_bytes());
    tag.copy_from_slice(&keys.sign(PURPOSE, number)[..TAG]);
    base32::encode(&bytes, base32::LOWER_CASE)
}

/// Which delivery this is, in whatever case the token came back.
#[must_use]
pub fn read_bounce_token(keys: &SecretKeys, text: &str) -> Option<DeliveryId> {
    if text.len() != BOUNCE_TOKEN_LENGTH {
        return None;
    }
    let bytes: [u8; LENGTH] = base32::decode(&text.to_ascii_lowercase(), base32::LOWER_CASE)?;
    let (number, tag) = bytes.split_at(8);
    let id = i64::from_be_bytes(number.try_into().ok()?);
    keys.verify(PURPOSE, number, tag).then_some(DeliveryId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_delivery_in_upper_case_too_and_after_a_rotation() {
        for id in [1, 42, i64::MAX] {
            let token = bounce_token(&SecretKeys::of_bytes(&[1]), DeliveryId(id));
            assert_eq!(token.len(), BOUNCE_TOKEN_LENGTH);
            assert!(token.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
            assert_eq!(
                read_bounce_token(&SecretKeys::of_bytes(&[2, 1]), &token.to_uppercase()),
                Some(DeliveryId(id))
            );
            assert_eq!(read_bounce_token(&SecretKeys::of_bytes(&[2]), &token), None);
        }
    }

    #[test]
    fn no_other_text_is_a_token() {
        let token = bounce_token(&SecretKeys::of_bytes(&[1]), DeliveryId(42));
        for at in 0..token.len() {
            for other in ["a", "b", "7", "=", "1"] {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                assert!(
                    changed == token || read_bounce_token(&SecretKeys::of_bytes(&[1]), &changed).is_none(),
                    "{changed}"
                );
            }
        }
        for text in ["", "x", &token[1..], &token.repeat(100), "ä"] {
            assert_eq!(read_bounce_token(&SecretKeys::of_bytes(&[1]), text), None);
        }
    }
}
