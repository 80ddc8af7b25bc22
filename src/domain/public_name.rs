//! Names in public addresses that nobody can guess.

use serde::Serialize;

/// The name of a picture or a shared file in addresses and in the store: 26 characters of base32 (RFC 4648 §6, lower case), 130 random
/// bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PublicName(String);

impl PublicName {
    const LENGTH: usize = 26;
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn mint() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; Self::LENGTH];
        getrandom::fill(&mut bytes)?;
        // 32 divides 256: each character is as likely as every other.
        Ok(Self(bytes.iter().map(|byte| char::from(Self::ALPHABET[usize::from(byte & 31)])).collect()))
    }

    /// The name in a text; nothing when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = text.len() == Self::LENGTH && text.bytes().all(|b| Self::ALPHABET.contains(&b));
        is_name.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_random_and_nothing_else_is_one() {
        let (one, other) = (PublicName::mint().unwrap(), PublicName::mint().unwrap());
        assert_ne!(one, other);
        assert_eq!(PublicName::parse(one.as_str()), Some(one));
        for wrong in
            ["", "a", "../../../etc/passwd.......", &"A".repeat(26), &"a".repeat(27), &"1".repeat(26)]
        {
            assert_eq!(PublicName::parse(wrong), None, "{wrong}");
        }
    }
}
