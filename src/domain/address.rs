//! Email addresses: parsed once, where they come in, and trusted from there on.
//!
//! [`EmailAddress::parse`] is the only parser: for forms, files, command lines, lists and stored publications.

pub mod mailbox;
pub mod near_miss;

use std::{fmt, str::FromStr};

use idna::uts46::{AsciiDenyList, Hyphens, Uts46};
use serde::{Deserialize, Deserializer, Serialize, de};
use validator::ValidateEmail;

use crate::telemetry::mask;

/// An address that mail can be sent to: `local@domain`.
///
/// The local part stays as it was typed; the domain is in A-label form (RFC 5890 §2.3.2.1), so that every relay
/// can take it: `straße.de` is kept as `xn--strae-oqa.de`. Quoted local parts, comments and IP literals, which
/// RFC 5321 allows and nobody has, are refused: they are where address parsers disagree with each other.
/// So are local parts outside ASCII, because only relays with SMTPUTF8 (RFC 6531) could carry them.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct EmailAddress(String);

/// The identity of an address: lower-case local part and domain. Two addresses with the same one are one person.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct NormalizedAddress(String);

/// Longest address in octets: a path is 256 with its angle brackets (RFC 5321 §4.5.3.1.3).
const MAX_ADDRESS: usize = 254;
/// Longest local part in octets (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Longest domain in octets (RFC 1035 §2.3.4, as text).
const MAX_DOMAIN: usize = 253;

/// What is wrong with an address; the person who typed it can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AddressError {
    /// Nothing was typed.
    #[error("the email address is missing")]
    Empty,
    /// Longer than any mailbox can be.
    #[error("the email address is too long (254 characters at most)")]
    TooLong,
    /// No @.
    #[error("the email address has no @; write it as name@example.org")]
    NoAt,
    /// More than one @.
    #[error("the email address has more than one @; write one address")]
    TwoAt,
    /// A space, a line break, or a character that cannot be seen.
    #[error("the email address has a space or an invisible character in it")]
    Spaces,
    /// The part behind the @ is no host name.
    #[error("the part behind the @ is not a domain such as example.org")]
    Domain,
    /// The part before the @ has characters that mail cannot carry.
    #[error("the part before the @ has characters that are not possible there")]
    Local,
    /// Anything else that only the rules of browsers refuse.
    #[error("this is not an email address; write it as name@example.org")]
    Invalid,
}

impl EmailAddress {
    /// Parses what a person typed. Space around the address is dropped, space within is an error.
    ///
    /// # Errors
    /// [`AddressError`] names the first thing to mend.
    pub fn parse(typed: &str) -> Result<Self, AddressError> {
        let typed = typed.trim_matches([' ', '\t']);
        if typed.is_empty() {
            return Err(AddressError::Empty);
        }
        // Far longer than any address: no more work is done on it.
        if typed.len() > 4 * MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        if typed.chars().any(|c| c.is_whitespace() || c.is_control() || is_invisible(c)) {
            return Err(AddressError::Spaces);
        }
        let (local, domain) = match typed.split('@').collect::<Vec<_>>()[..] {
            [_] => return Err(AddressError::NoAt),
            [local, domain] => (local, domain),
            _ => return Err(AddressError::TwoAt),
        };
        if !is_dot_atom(local) {
            return Err(AddressError::Local);
        }
        let domain = a_label_domain(domain).ok_or(AddressError::Domain)?;
        let address = format!("{local}@{domain}");
        if local.len() > MAX_LOCAL || address.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        // Also the rules of the HTML standard, which browsers follow.
        if !address.validate_email() {
            return Err(AddressError::Invalid);
        }
        Ok(Self(address))
    }

    /// The address as mail goes to it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as its owner writes it, for pages: `maria@straße.de` and not `maria@xn--strae-oqa.de`. It parses to
    /// the same address. A label that could be taken for another one stays an A-label.
    #[must_use]
    pub fn written(&self) -> String {
        let (local, domain) = self.parts();
        let (domain, _) = Uts46::new().to_user_interface(
            domain.as_bytes(),
            AsciiDenyList::EMPTY,
            Hyphens::Allow,
            |label, _, _| label.iter().copied().all(is_of_europe),
        );
        let written = format!("{local}@{domain}");
        if Self::parse(&written).as_ref() == Ok(self) { written } else { self.0.clone() }
    }

    /// The same with its local part masked, for pages that are not only for its owner: `m…a@straße.de`.
    #[must_use]
    pub fn written_masked(&self) -> String {
        mask(&self.written())
    }

    /// This address with a token of ours behind a plus sign (RFC 5233 §1). The caller has parsed one of this length before.
    #[must_use]
    pub(crate) fn with_token(&self, token: &str) -> Self {
        let (local, domain) = self.parts();
        Self(format!("{local}+{token}@{domain}"))
    }

    /// The part before the @ and the domain behind it.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or((&self.0, ""))
    }

    /// The identity of this address.
    #[must_use]
    pub fn normalized(&self) -> NormalizedAddress {
        NormalizedAddress(self.0.to_ascii_lowercase())
    }

    /// The address as it may stand in a log: `m…r@example.org`.
    #[must_use]
    pub fn masked(&self) -> String {
        mask(&self.0)
    }
}

impl NormalizedAddress {
    /// The address in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the @ and the domain behind it.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or((&self.0, ""))
    }

    /// The same with its domain in letters: `maria@straße.de` and not `maria@xn--strae-oqa.de`.
    #[must_use]
    pub fn written(&self) -> String {
        EmailAddress(self.0.clone()).written()
    }
}

/// Logs never show more than the masked form.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

/// Logs never show more than the masked form.
impl fmt::Debug for NormalizedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// An address that is kept as text, masked or whole, as its owner writes it. Other text stays as it is.
#[must_use]
pub fn written(text: &str) -> String {
    let Some((local, domain)) = text.rsplit_once('@') else { return text.to_owned() };
    let Ok(address) = EmailAddress::parse(&format!("x@{domain}")) else { return text.to_owned() };
    let written = address.written();
    format!("{local}{}", written.trim_start_matches('x'))
}

/// Letters of the Latin alphabets of Europe, but those that look like another one. A label of these alone mixes no scripts
/// and passes for no other; Greek and Cyrillic ones, of which many letters look like Latin ones, stay A-labels.
fn is_of_europe(c: char) -> bool {
    !matches!(c, 'ı' | 'ĸ' | 'ŀ') && matches!(c, 'a'..='z' | '0'..='9' | '-' | 'ß'..='ö' | 'ø'..='ž')
}

/// `atext` with single dots between (RFC 5322 §3.2.3).
fn is_dot_atom(local: &str) -> bool {
    let is_atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// The A-label form of a host name with at least two labels, or nothing.
fn a_label_domain(domain: &str) -> Option<String> {
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let labels: Vec<&str> = domain.split('.').collect();
    let well_formed = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits is an IP address in disguise (RFC 3696 §2).
    let is_name = labels.last().is_some_and(|last| last.chars().any(|c| c.is_ascii_alphabetic()));
    let fits = domain.len() <= MAX_DOMAIN && labels.len() >= 2 && is_name;
    (fits && labels.iter().all(well_formed)).then_some(domain)
}

/// Characters that cannot be seen or turn the reading direction: what they hide is not what was meant.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_people_write_it_unless_it_could_be_taken_for_another() {
        for (typed, shown) in [
            ("post@straße.de", "post@straße.de"),
            ("post@xn--strae-oqa.de", "post@straße.de"),
            ("a@müller.łódź.pl", "a@müller.łódź.pl"),
            ("a@xn--mll-hoa.example", "a@müll.example"),
        ] {
            let Ok(address) = EmailAddress::parse(typed) else { panic!("{typed} is refused") };
            assert_eq!(address.written(), shown);
            assert_eq!(EmailAddress::parse(shown), Ok(address), "{shown}");
        }
        // A Cyrillic а among Latin letters, a word all of Cyrillic ones, and the Turkish ı for an i.
        for typed in ["a@p\u{430}ypal.com", "a@\u{441}\u{43e}\u{441}\u{43e}.com", "a@t\u{131}p.com"] {
            let written = EmailAddress::parse(typed).unwrap().written();
            assert!(written.starts_with("a@xn--") && written.is_ascii(), "{written}");
        }
        assert_eq!(written("m…a@xn--strae-oqa.de"), "m…a@straße.de");
        assert_eq!(written("command"), "command");
        assert_eq!(EmailAddress::parse("maria@straße.de").unwrap().written_masked(), "m…a@straße.de");
    }
}
