//! CSV that people open with a spreadsheet.

use std::borrow::Cow;

/// What a spreadsheet takes for the beginning of a formula; the last four are the wide forms, which some read alike.
const RUNS: [char; 11] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Where a spreadsheet that does not read commas begins a new cell, quoted or not.
const BEGINS_CELL: [char; 4] = [';', '\t', '\r', '\n'];

/// A field that no spreadsheet takes for a formula: an address may begin with `=` or `+`, and a program that opens
/// the file would run it (OWASP, "CSV Injection"). An apostrophe before it makes it text. German spreadsheets begin a new
/// cell behind a semicolon, quoted or not, and a new line behind its end, so what stands there is treated the same.
///
/// [`as_it_was`] takes it back.
#[must_use]
pub fn harmless(field: &str) -> Cow<'_, str> {
    marked(field, |rest| rest.starts_with(RUNS) || rest.starts_with('\''), "'", 0)
}

/// The field that [`harmless`] was given.
#[must_use]
pub fn as_it_was(field: &str) -> Cow<'_, str> {
    let is_marked = |rest: &str| {
        rest.strip_prefix('\'').is_some_and(|rest| rest.starts_with(RUNS) || rest.starts_with('\''))
    };
    marked(field, is_marked, "", 1)
}

/// Puts a mark wherever a cell begins with what is to be changed, in place of so many bytes.
fn marked<'a>(field: &'a str, is_changed: impl Fn(&str) -> bool, mark: &str, skipped: usize) -> Cow<'a, str> {
    let mut changed = String::new();
    let mut copied = 0;
    let mut at = 0;
    loop {
        let begin = at + (field[at..].len() - field[at..].trim_start_matches(' ').len());
        if is_changed(&field[begin..]) {
            changed.push_str(&field[copied..begin]);
            changed.push_str(mark);
            copied = begin + skipped;
        }
        match field[begin..].find(BEGINS_CELL) {
            Some(next) => at = begin + next + 1,
            None if copied == 0 && changed.is_empty() => return field.into(),
            None => return (changed + &field[copied..]).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{as_it_was, harmless};

    #[test]
    fn a_field_that_could_run_is_quoted() {
        for begin in ["=", "+", "-", "@", "\t", "\r", "\n"] {
            assert_eq!(harmless(&format!("{begin}cmd|x")), format!("'{begin}cmd|x"));
        }
        assert_eq!(harmless("maria@example.org"), "maria@example.org");
        assert_eq!(harmless("Messe; =cmd|x;b;-1"), "Messe; '=cmd|x;b;'-1");
        assert_eq!(harmless("550 no\n=cmd|x\t@SUM(1)"), "550 no\n'=cmd|x\t'@SUM(1)");
        assert_eq!(harmless("\u{ff1d}1+1"), "'\u{ff1d}1+1");
    }

    #[test]
    fn what_was_quoted_comes_back_as_it_was() {
        for field in
            ["=1+1@example.org", "'=x", "''x", "'x", "a;'b; =c;;+", "", ";", "Messe; Süd", " =x", "ü;=ü"]
        {
            assert_eq!(as_it_was(&harmless(field)), field, "{}", harmless(field));
        }
        // Every text of so many of these.
        let parts = ["=", "'", ";", "\t", "\r", "\n", " ", "-", "ü"];
        for n in 0..parts.len().pow(5) {
            let field: String = (0..5).map(|place| parts[n / parts.len().pow(place) % parts.len()]).collect();
            let marked = harmless(&field);
            assert_eq!(as_it_was(&marked), field, "{marked:?}");
            let runs = |cell: &str| cell.trim_start_matches(' ').starts_with(['=', '-', '+', '@']);
            assert!(!marked.split(super::BEGINS_CELL).any(runs), "{marked:?}");
        }
    }
}
