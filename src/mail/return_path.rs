//! The envelope sender of a mail, which names its delivery (variable envelope return path): whatever comes back to it is
//! about that delivery and no other.

use crate::{
    config::{BounceAddress, SecretKeys},
    domain::{
        address::{AddressError, EmailAddress},
        base32,
        ids::DeliveryId,
        token::{BOUNCE_TOKEN_LENGTH, bounce_token, read_bounce_token},
    },
};

/// Bytes of a message in which a return path is looked for.
const MOST: usize = 256 * 1024;
/// Places that look like one, of which each costs a signature.
const MOST_PLACES: usize = 64;

/// Makes return paths and recognises them.
#[derive(Clone)]
pub struct ReturnPaths {
    keys: SecretKeys,
    base: EmailAddress,
    /// `bounces+`
    before: String,
    /// `@news.example.org`
    behind: String,
}

/// Whose return path a message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// That of one delivery.
    One(DeliveryId),
    /// None.
    Nobody,
    /// Those of several: it is not certain which of them it is about.
    Several,
}

impl ReturnPaths {
    /// # Errors
    /// When no mail could come back there.
    pub fn new(keys: SecretKeys, address: &BounceAddress) -> Result<Self, AddressError> {
        let base = EmailAddress::parse(&format!("{}@{}", address.local, address.domain))?;
        let paths = Self {
            keys,
            base,
            before: format!("{}+", address.local),
            behind: format!("@{}", address.domain),
        };
        EmailAddress::parse(paths.of(DeliveryId(0)).as_str())?;
        Ok(paths)
    }

    /// Those of `BOUNCE_ADDRESS`; none where it is not set.
    ///
    /// # Errors
    /// As [`ReturnPaths::new`].
    pub fn of_setting(
        keys: &SecretKeys,
        address: Option<&BounceAddress>,
    ) -> Result<Option<Self>, AddressError> {
        address.map(|address| Self::new(keys.clone(), address)).transpose()
    }

    /// The envelope sender of a delivery. Made for each mail, so nothing is parsed anew.
    #[must_use]
    pub fn of(&self, id: DeliveryId) -> EmailAddress {
        self.base.with_token(&bounce_token(&self.keys, id))
    }

    /// The delivery whose return path this is, however a relay writes it: in upper case, quoted, in angle brackets.
    #[must_use]
    pub fn read(&self, address: &str) -> Option<DeliveryId> {
        let address = plain(address);
        let local = address.strip_suffix(&self.behind)?;
        read_bounce_token(&self.keys, local.strip_prefix(&self.before)?)
    }

    /// Whether this is the address itself, without a token, or with one that looks like ours and is not: of a key that is gone, or
    /// made up.
    #[must_use]
    pub fn is_bare(&self, address: &str) -> bool {
        let address = plain(address);
        let local = address.strip_suffix(&self.behind);
        local == self.before.strip_suffix('+')
            || local.and_then(|local| local.strip_prefix(&self.before)).is_some_and(is_like_a_token)
    }

    /// The delivery whose return path a message names: in its head, to which reports are addressed, or else in what it
    /// brings along.
    #[must_use]
    pub fn named_in(&self, message: &[u8]) -> Named {
        let message = &message[..message.len().min(MOST)];
        let text = String::from_utf8_lossy(message).to_ascii_lowercase();
        let end = [text.find("\r\n\r\n"), text.find("\n\n")].into_iter().flatten().min();
        let (head, body) = text.split_at(end.unwrap_or(text.len()));
        match self.find(head) {
            Named::Nobody => self.find(body),
            named => named,
        }
    }

    fn find(&self, text: &str) -> Named {
        let mut named = Named::Nobody;
        for (at, _) in text.match_indices(&self.before).take(MOST_PLACES) {
            let token = text.get(at + self.before.len()..at + self.before.len() + BOUNCE_TOKEN_LENGTH);
            let Some(id) = token.and_then(|token| read_bounce_token(&self.keys, token)) else { continue };
            match named {
                Named::One(other) if other != id => return Named::Several,
                _ => named = Named::One(id),
            }
        }
        named
    }
}

fn is_like_a_token(text: &str) -> bool {
    text.len() == BOUNCE_TOKEN_LENGTH && text.bytes().all(|byte| base32::LOWER_CASE.contains(&byte))
}

/// In lower case, without what relays put around it.
fn plain(address: &str) -> String {
    address.trim().trim_matches(['<', '>']).to_ascii_lowercase().replace('"', "")
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    fn paths() -> ReturnPaths {
        let keys = SecretKeys::parse(&STANDARD.encode([7; 32])).unwrap();
        let address = BounceAddress { local: "bounces".into(), domain: "news.example.org".into() };
        ReturnPaths::new(keys, &address).unwrap()
    }

    #[test]
    fn a_return_path_is_an_address_and_is_recognised_however_it_comes_back() {
        let (paths, id) = (paths(), DeliveryId(4711));
        let path = paths.of(id);
        let (local, domain) = path.parts();
        assert!(local.len() <= 64 && domain == "news.example.org", "{path:?}");
        for written in [
            path.as_str().to_owned(),
            path.as_str().to_uppercase(),
            format!("<{}>", path.as_str()),
            format!("\"{local}\"@{domain}"),
        ] {
            assert_eq!(paths.read(&written), Some(id), "{written}");
        }
        for other in [
            "bounces@news.example.org".to_owned(),
            format!("{local}@example.org"),
            format!("x{}", path.as_str()),
            path.as_str().replace("bounces+", "bounces-"),
        ] {
            assert_eq!(paths.read(&other), None, "{other}");
        }
    }

    #[test]
    fn what_a_message_names_is_certain_or_nothing() {
        let paths = paths();
        let (one, other) = (paths.of(DeliveryId(1)), paths.of(DeliveryId(2)));
        let (one, other) = (one.as_str(), other.as_str());
        let forged = one.replace("bounces+", "bounces+a");
        let mail = |to: &str, body: &str| format!("From: MAILER-DAEMON\r\nTo: <{to}>\r\n\r\n{body}\r\n");
        for (message, named) in [
            (mail(one, "no such user"), Named::One(DeliveryId(1))),
            (mail(&one.to_uppercase(), one), Named::One(DeliveryId(1))),
            // It is addressed to one, and quotes another.
            (mail(one, other), Named::One(DeliveryId(1))),
            (
                mail("postmaster@news.example.org", &format!("Return-Path: <{other}>")),
                Named::One(DeliveryId(2)),
            ),
            (mail("postmaster@news.example.org", &format!("{one} {other}")), Named::Several),
            (mail(&format!("{one}>, <{other}"), ""), Named::Several),
            (mail(&forged, &forged), Named::Nobody),
            (mail("bounces@news.example.org", ""), Named::Nobody),
            (String::new(), Named::Nobody),
            (one.to_owned(), Named::One(DeliveryId(1))),
        ] {
            assert_eq!(paths.named_in(message.as_bytes()), named, "{message}");
        }
        assert_eq!(paths.named_in("bounces+ü".repeat(100_000).as_bytes()), Named::Nobody);
    }
}
