//! Codes by time (RFC 6238: HMAC-SHA-1, 30 seconds, six digits).
//!
//! The secret has to be usable, so it is stored: encrypted with ChaCha20-Poly1305 under a key made from `SECRET_KEY`, and
//! bound to its owner. After a rotation it opens as long as the old key is in the list.

use chrono::{DateTime, Utc};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};

use crate::{
    config::SecretKeys,
    domain::{base32, ids::StaffId, staff::secret::random},
};

/// Seconds that a code stands for.
const STEP: i64 = 30;
/// What `SECRET_KEY` signs to make the key of the encryption.
const SEALING: &str = "staff totp";

/// The secret that we and the owner's device share: 160 bits, as RFC 4226 §4 recommends.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; 20]);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

impl TotpSecret {
    /// A fresh one.
    #[must_use]
    pub fn mint() -> Self {
        Self(random())
    }

    /// The secret in base32 (RFC 4648 §6), as it is typed into a device.
    #[must_use]
    pub fn base32(&self) -> String {
        base32::encode(&self.0, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    }

    /// What the QR code says to the device: the de facto `otpauth` address.
    #[must_use]
    pub fn otpauth(&self, issuer: &str, account: &str) -> String {
        // A colon parts issuer and account. Spaces are %20: some devices show a plus as it is.
        let encoded = |text: &str| {
            let text = text.replace(':', " ");
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
        };
        let (issuer, account) = (encoded(issuer), encoded(account));
        format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", self.base32())
    }

    /// The code of a time step.
    #[must_use]
    pub fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        // RFC 4226 §5.3: four bytes from where the last one points to, without the sign.
        let at = usize::from(tag[tag.len() - 1] & 0xf);
        let number = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
        format!("{:06}", number % 1_000_000)
    }

    /// The step whose code this is: the current one or its neighbours, because clocks differ (RFC 6238 §5.2), but none
    /// up to `last`, because a code works once.
    #[must_use]
    pub fn step_of(&self, code: &str, last: Option<i64>, now: DateTime<Utc>) -> Option<i64> {
        let current = step_at(now);
        (current - 1..=current + 1)
            .filter(|step| last.is_none_or(|last| *step > last))
            .find(|step| hmac_equal(self.code(*step).as_bytes(), code.as_bytes()))
    }

    /// The secret as it may be stored, or travel in a form: for this owner alone.
    #[must_use]
    pub fn seal(&self, keys: &SecretKeys, owner: StaffId) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random();
        let mut sealed = self.0.to_vec();
        let key = sealing_key(&keys.sign(SEALING, b""));
        let aad = Aad::from(owner.0.as_bytes());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .unwrap_or_else(|_| unreachable!("it fails for texts of more than 256 GB"));
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what was sealed under any of the keys; nothing when it is not this owner's, or was altered.
    #[must_use]
    pub fn open(keys: &SecretKeys, owner: StaffId, sealed: &[u8]) -> Option<Self> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        keys.sign_with_each(SEALING, b"").iter().find_map(|key| {
            let mut bytes = sealed.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let aad = Aad::from(owner.0.as_bytes());
            let opened = sealing_key(key).open_in_place(nonce, aad, &mut bytes).ok()?;
            opened.try_into().ok().map(Self)
        })
    }
}

fn sealing_key(bytes: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, bytes);
    LessSafeKey::new(key.unwrap_or_else(|_| unreachable!("it fails for keys of another length")))
}

fn step_at(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(STEP)
}

/// Compares without telling by its time where the difference is.
fn hmac_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last six digits of the test vectors of RFC 6238, appendix B.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = TotpSecret(*b"12345678901234567890");
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code(seconds / STEP), code, "{seconds}");
        }
        assert_eq!(secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_holds_for_a_step_before_and_after_and_only_once() {
        let secret = TotpSecret::mint();
        let now = DateTime::from_timestamp(1_800_000_010, 0).unwrap();
        let step = step_at(now);
        for (offset, is_taken) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = secret.step_of(&secret.code(step + offset), None, now);
            assert_eq!(found.is_some(), is_taken, "{offset}");
        }
        assert_eq!(secret.step_of(&secret.code(step), Some(step), now), None, "used before");
        assert_eq!(secret.step_of("", None, now), None);
    }

    #[test]
    fn a_sealed_secret_opens_for_its_owner_alone_also_after_a_rotation() {
        let (secret, owner) = (TotpSecret::mint(), StaffId::new());
        let mut sealed = secret.seal(&SecretKeys::of_bytes(&[1]), owner);
        assert_eq!(TotpSecret::open(&SecretKeys::of_bytes(&[2, 1]), owner, &sealed), Some(secret));
        assert_eq!(TotpSecret::open(&SecretKeys::of_bytes(&[2]), owner, &sealed), None);
        assert_eq!(TotpSecret::open(&SecretKeys::of_bytes(&[1]), StaffId::new(), &sealed), None);
        sealed[15] ^= 1;
        assert_eq!(TotpSecret::open(&SecretKeys::of_bytes(&[1]), owner, &sealed), None);
        assert_eq!(TotpSecret::open(&SecretKeys::of_bytes(&[1]), owner, b"short"), None);
    }

    #[test]
    fn the_address_in_the_qr_code_has_no_stray_colons_or_plus_signs() {
        let address = TotpSecret([0; 20]).otpauth("LOK: Lausitz & mehr", "ada@example.org");
        assert!(
            address.starts_with("otpauth://totp/LOK%20%20Lausitz%20%26%20mehr:ada%40example.org?secret=AAAA")
        );
    }
}
