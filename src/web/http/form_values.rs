//! What was typed, as a form shows it again beside the mistake.

/// Enough for any address (RFC 5321 §4.5.3.1) and any name, with something to spare: whoever typed a mistake sees it, and
/// nobody has a book sent back.
const LONGEST: usize = 320;

/// The beginning of a typed line, up to 320 characters.
#[must_use]
pub fn again(line: &str) -> String {
    line.chars().take(LONGEST).collect()
}
