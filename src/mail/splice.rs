//! Marks: places in a text where each recipient's own link goes.
//!
//! A mark is made of control characters. No text that people write can hold one ([`crate::domain::update`] and
//! [`crate::domain::publication`] refuse them), so nothing that staff type is ever taken for a mark (invariant 6).

/// Stands for the recipient's unsubscribe token.
pub const UNSUBSCRIBE: &str = "\u{1}\u{2}\u{1}";

/// A line of text, cut at its marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedLine(Vec<String>);

impl MarkedLine {
    /// Cuts a line; nothing when it has no mark.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        line.contains(UNSUBSCRIBE).then(|| Self(line.split(UNSUBSCRIBE).map(str::to_owned).collect()))
    }

    /// The line with `token` in the place of its marks.
    #[must_use]
    pub fn filled(&self, token: &str) -> String {
        self.0.join(token)
    }
}
