//! CSV that people open with a spreadsheet.

use std::borrow::Cow;

/// A field that no spreadsheet takes for a formula: an address may begin with `=` or `+`, and a program that opens
/// the file would run it (OWASP, "CSV Injection").
#[must_use]
pub fn harmless(field: &str) -> Cow<'_, str> {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{field}").into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_field_that_could_run_is_quoted() {
        for begin in ["=", "+", "-", "@", "\t", "\r", "\n"] {
            assert_eq!(harmless(&format!("{begin}cmd|x")), format!("'{begin}cmd|x"));
        }
        assert_eq!(harmless("maria@example.org"), "maria@example.org");
    }
}
