//! A new key to sign with.

use base64::{Engine, engine::general_purpose::STANDARD};
use getrandom::SysRng;
use rsa::{
    PrivateKey,
    pkcs8::{EncodePrivateKey, LineEnding},
    rand_core::TryRng,
};

/// Bits of an RSA key: what every receiver takes (RFC 8301 §3.2), and what fits in the DNS without trouble.
const BITS: usize = 2_048;

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410 §7). Without the public key behind it, which OpenSSL
/// before 3.2 does not read.
const ED25519_BEFORE: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum KeyKind {
    /// Every receiver verifies it.
    Rsa,
    /// A fiftieth of the work; some large receivers do not verify it yet, so it stands beside an RSA key.
    Ed25519,
}

/// A key could not be made; the operating system gives no random numbers, or the like.
#[derive(Debug, thiserror::Error)]
#[error("no key could be made: {0}")]
pub struct NoKey(String);

/// A private key as PEM (PKCS#8). RSA takes a second or two.
///
/// # Errors
/// [`NoKey`].
pub fn generate(kind: KeyKind) -> Result<String, NoKey> {
    let failed = |error: &dyn std::fmt::Display| NoKey(error.to_string());
    match kind {
        KeyKind::Rsa => {
            let key = PrivateKey::new(&mut SysRng, BITS).map_err(|error| failed(&error))?;
            let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| failed(&error))?;
            Ok(pem.to_string())
        }
        KeyKind::Ed25519 => {
            let mut der = ED25519_BEFORE.to_vec();
            der.resize(ED25519_BEFORE.len() + 32, 0);
            SysRng.try_fill_bytes(&mut der[ED25519_BEFORE.len()..]).map_err(|error| failed(&error))?;
            Ok(pem(&der))
        }
    }
}

/// RFC 7468 §10.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}
