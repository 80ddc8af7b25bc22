//! The tokens in staff cookies and one-time links: 32 random bytes, of which only the SHA-256 is stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{config::SecretKeys, domain::ids::StaffId};

macro_rules! random_token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name([u8; 32]);

        impl $name {
            /// A fresh one.
            #[must_use]
            pub fn mint() -> Self {
                Self(random())
            }

            /// Reads one; nothing when it is not 32 bytes of base64url.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                decoded(text).map(Self)
            }

            /// The token itself, for the one place where it goes out.
            #[must_use]
            pub fn reveal(&self) -> String {
                URL_SAFE_NO_PAD.encode(self.0)
            }

            /// What may be stored of it.
            #[must_use]
            pub fn sha256(&self) -> [u8; 32] {
                Sha256::digest(self.0).into()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

random_token!(
    /// What the cookie of a session holds.
    SessionToken
);
random_token!(
    /// What a one-time link holds.
    OneTimeToken
);

/// Random bytes from the operating system.
///
/// # Panics
/// When it has none to give; nothing safe could be done then.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "a system without random numbers cannot make secrets")]
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    bytes
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// A browser that somebody logged in with: a signed cookie that outlives the session.
///
/// It logs nobody in. It only takes its owner's logins out of the queue in which those who guess at the account wait
/// (OWASP, "device cookies"); see [`throttle`](super::throttle).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Device {
    owner: StaffId,
    nonce: [u8; 16],
}

/// Bytes of a device's signature.
const TAG: usize = 16;

impl Device {
    /// A new one for its owner.
    #[must_use]
    pub fn new(owner: StaffId) -> Self {
        Self { owner, nonce: random() }
    }

    /// The cookie's text.
    #[must_use]
    pub fn reveal(&self, keys: &SecretKeys) -> String {
        let mut bytes = [0; 32 + TAG];
        bytes[..16].copy_from_slice(self.owner.0.as_bytes());
        bytes[16..32].copy_from_slice(&self.nonce);
        let tag = keys.sign("staff device", &bytes[..32]);
        bytes[32..].copy_from_slice(&tag[..TAG]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cookie; nothing when it was not made by us.
    #[must_use]
    pub fn parse(keys: &SecretKeys, text: &str) -> Option<Self> {
        let bytes = decoded::<{ 32 + TAG }>(text)?;
        let (claims, tag) = bytes.split_at(32);
        if !keys.verify("staff device", claims, tag) {
            return None;
        }
        let owner = StaffId(Uuid::from_slice(&claims[..16]).ok()?);
        Some(Self { owner, nonce: claims[16..].try_into().ok()? })
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> StaffId {
        self.owner
    }

    /// What tells it from other devices.
    #[must_use]
    pub fn nonce(&self) -> &[u8] {
        &self.nonce
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Device(…)")
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn keys(byte: u8) -> SecretKeys {
        SecretKeys::parse(&STANDARD.encode([byte; 32])).unwrap()
    }

    #[test]
    fn a_token_shows_in_no_debug_output_and_comes_back_from_its_text() {
        let token = SessionToken::mint();
        assert_eq!(format!("{token:?}"), "SessionToken(…)");
        assert_eq!(SessionToken::parse(&token.reveal()), Some(token));
        assert_eq!(SessionToken::parse(&"x".repeat(10_000)), None);
    }

    #[test]
    fn a_device_is_known_by_our_signature_alone() {
        let device = Device::new(StaffId::new());
        let text = device.reveal(&keys(1));
        assert_eq!(Device::parse(&keys(1), &text), Some(device));
        assert_eq!(Device::parse(&keys(2), &text), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        bytes[3] ^= 1;
        assert_eq!(Device::parse(&keys(1), &URL_SAFE_NO_PAD.encode(bytes)), None);
    }
}
