//! What staff enter because somebody asked them to: by which way they were asked, and a note.

use serde::Serialize;

use crate::domain::consent::ConsentMethod;

/// By which way somebody asked staff for something.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Channel {
    /// On the telephone.
    Phone,
    /// By a letter on paper.
    Letter,
    /// Face to face.
    InPerson,
    /// By an email of their own.
    Mail,
}

impl Channel {
    /// Every one there is, in the order in which they are offered.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Its name in forms and in the audit log.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// How the record of consent names what was entered because of it.
    #[must_use]
    pub fn method(self) -> ConsentMethod {
        match self {
            Self::Phone => ConsentMethod::Phone,
            Self::Letter => ConsentMethod::Letter,
            Self::InPerson => ConsentMethod::InPerson,
            Self::Mail => ConsentMethod::Mail,
        }
    }
}

/// Most characters of a note.
pub const NOTE_LENGTH: usize = 200;

/// That somebody asked staff for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnRequest {
    /// By which way.
    pub channel: Channel,
    /// What staff noted of it, such as where the letter is filed. It stands in the record of consent, which its owner may read.
    pub note: Option<String>,
}

/// A note cannot be kept as it is. Tell whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// It is longer than [`NOTE_LENGTH`] characters.
    #[error("the note has more than 200 characters; write it shorter")]
    TooLong,
    /// It may hold an address, which may be somebody else's.
    #[error("the note has an @ in it; write it without email addresses")]
    Address,
}

impl OnRequest {
    /// With a note as it was typed; one without text is none.
    ///
    /// # Errors
    /// [`BadNote`].
    pub fn new(channel: Channel, typed: &str) -> Result<Self, BadNote> {
        let note: String = typed.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let note = note.split_whitespace().collect::<Vec<_>>().join(" ");
        if note.chars().count() > NOTE_LENGTH {
            return Err(BadNote::TooLong);
        }
        if note.contains('@') {
            return Err(BadNote::Address);
        }
        Ok(Self { channel, note: Some(note).filter(|note| !note.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_short_line_without_addresses() {
        let note = |typed: &str| OnRequest::new(Channel::Letter, typed).map(|wish| wish.note);
        assert_eq!(note(" Brief vom 27.11.\n Ordner 3 "), Ok(Some("Brief vom 27.11. Ordner 3".into())));
        assert_eq!(note(" \t"), Ok(None));
        assert_eq!(note("von mia@example.org"), Err(BadNote::Address));
        assert_eq!(note(&"x".repeat(201)), Err(BadNote::TooLong));
    }
}
