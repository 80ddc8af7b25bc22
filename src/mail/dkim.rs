//! Our own signature under a mail (DKIM, RFC 6376; Ed25519: RFC 8463), for where the relay makes none.

pub mod key;
pub mod record;

use std::sync::Arc;

use mail_auth::{
    common::{
        crypto::{Algorithm, Sha256, SigningKey},
        headers::{HeaderWriter, Writable},
    },
    dkim::DkimSigner,
};

use crate::config::{DkimKey, DkimSecret};

/// Headers whose number is signed too: nobody adds a second one that readers would see instead (RFC 6376 §8.15). Reply-To
/// also where there is none: answers go where the sender wants them.
const OVERSIGNED: [&str; 5] = ["From", "Subject", "To", "Date", "Reply-To"];

/// Headers that are signed where they are. Without both List-Unsubscribe headers under the signature nobody offers one click
/// (RFC 8058 §4); Content-Type holds the boundary of the parts.
const COVERED: [&str; 9] = [
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Language",
    "Auto-Submitted",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// Bytes that a signature takes, about: RSA with 4,096 bits and long names.
const ABOUT: usize = 1_200;

/// Signs mails with each of its keys. A clone shares them.
#[derive(Clone)]
pub struct Signer(Arc<[DkimKey]>);

/// A mail that could not be signed. It does not go out without: try again, and tell the operator.
#[derive(Debug, thiserror::Error)]
#[error("a mail could not be signed with the key {selector}: {why}")]
pub struct NotSigned {
    selector: String,
    why: String,
}

impl Signer {
    /// With these keys; none where there are none.
    #[must_use]
    pub fn new(keys: &[DkimKey]) -> Option<Self> {
        (!keys.is_empty()).then(|| Self(keys.into()))
    }

    /// The message with a signature of each key in front, in the name of `domain`: that of its From, so that it counts for
    /// DMARC (RFC 9989 §4.4.1). Takes a millisecond for each RSA key.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn sign(&self, domain: &str, message: &[u8]) -> Result<Vec<u8>, NotSigned> {
        let headers = headers_to_sign(message);
        let mut signed = Vec::with_capacity(message.len() + self.0.len() * ABOUT);
        for key in &*self.0 {
            // Relaxed in both parts, which is the library's default: relays fold lines anew.
            let signature = DkimSigner::from_key(Borrowed(&key.secret))
                .domain(domain)
                .selector(&key.selector)
                .headers(headers.iter().copied())
                .sign(message)
                .map_err(|error| NotSigned { selector: key.selector.clone(), why: error.to_string() })?;
            signature.write_header(&mut signed);
        }
        signed.extend_from_slice(message);
        Ok(signed)
    }
}

/// Names for `h=`. One that stands there once more than in the message says that there is no further one.
fn headers_to_sign(message: &[u8]) -> Vec<&'static str> {
    let is_there =
        |name: &&str| header_names(message).any(|found| found.eq_ignore_ascii_case(name.as_bytes()));
    let oversigned = OVERSIGNED.into_iter().flat_map(|name| {
        let times = if is_there(&name) { 2 } else { 1 };
        std::iter::repeat_n(name, times)
    });
    oversigned.chain(COVERED.into_iter().filter(is_there)).collect()
}

fn header_names(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = message.split(|byte| *byte == b'\n').take_while(|line| !matches!(line, [] | [b'\r']));
    lines.filter_map(|line| line.iter().position(|byte| *byte == b':').map(|end| &line[..end]))
}

/// A key that a signer uses and does not own.
struct Borrowed<'a>(&'a DkimSecret);

impl SigningKey for Borrowed<'_> {
    type Hasher = Sha256;

    fn sign(&self, input: impl Writable) -> mail_auth::Result<Vec<u8>> {
        match self.0 {
            DkimSecret::Rsa(key) => key.sign(input),
            DkimSecret::Ed25519(key) => key.sign(input),
        }
    }

    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }
}
