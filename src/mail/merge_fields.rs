//! Merge fields: places in a text where each recipient's own link goes.
//!
//! A merge field is made of control characters. No text that people write can hold one ([`crate::domain::update`] and
//! [`crate::domain::publication`] refuse them), so nothing that staff type is ever taken for one (invariant 6).

/// Stands for the recipient's unsubscribe token.
pub const UNSUBSCRIBE: &str = "\u{1}\u{2}\u{1}";

/// Stands for the recipient's token for the settings page.
pub const MANAGE: &str = "\u{1}\u{3}\u{1}";

/// The tokens of one subscriber, which go where the merge fields are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTokens {
    /// For [`UNSUBSCRIBE`].
    pub unsubscribe: String,
    /// For [`MANAGE`].
    pub manage: String,
}

/// A line of text, cut at its merge fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeLine(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Unsubscribe,
    Manage,
}

impl MergeLine {
    /// Cuts a line; nothing when it has no merge field.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = line;
        while let Some((before, field, after)) = first_field(rest) {
            parts.extend([Part::Text(before.to_owned()), field]);
            rest = after;
        }
        if parts.is_empty() {
            return None;
        }
        parts.push(Part::Text(rest.to_owned()));
        Some(Self(parts))
    }

    /// The line with a subscriber's tokens in the place of its merge fields.
    #[must_use]
    pub fn filled(&self, tokens: &OwnTokens) -> String {
        let texts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Unsubscribe => &tokens.unsubscribe,
            Part::Manage => &tokens.manage,
        });
        texts.collect()
    }
}

/// A whole text with a subscriber's tokens in the place of its merge fields.
#[must_use]
pub fn filled(text: &str, tokens: &OwnTokens) -> String {
    text.replace(UNSUBSCRIBE, &tokens.unsubscribe).replace(MANAGE, &tokens.manage)
}

/// The first merge field of a text, with what stands before and behind it.
fn first_field(text: &str) -> Option<(&str, Part, &str)> {
    let at = |field: &str, part| text.split_once(field).map(|(before, after)| (before, part, after));
    let found = [at(UNSUBSCRIBE, Part::Unsubscribe), at(MANAGE, Part::Manage)];
    found.into_iter().flatten().min_by_key(|(before, ..)| before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_merge_field_gets_its_own_token_wherever_it_stands() {
        let tokens = OwnTokens { unsubscribe: "U".into(), manage: "M".into() };
        let filled = |line: &str| MergeLine::parse(line).map(|line| line.filled(&tokens));
        assert_eq!(filled("nothing here"), None);
        assert_eq!(filled(&format!("{MANAGE} a {UNSUBSCRIBE}{MANAGE} b")).unwrap(), "M a UM b");
        assert_eq!(filled(&format!("a {UNSUBSCRIBE}")).unwrap(), "a U");
    }
}
