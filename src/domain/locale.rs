//! The two languages of pages and mails.

use serde::{Deserialize, Serialize};

/// A language that Rundbrief speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// German, the first language of every publication.
    #[default]
    De,
    /// English.
    En,
}

impl Locale {
    /// Every language, German first.
    pub const ALL: [Locale; 2] = [Locale::De, Locale::En];

    /// The BCP 47 tag: `de` or `en`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Locale::De => "de",
            Locale::En => "en",
        }
    }

    /// The other of the two.
    #[must_use]
    pub fn other(self) -> Locale {
        match self {
            Locale::De => Locale::En,
            Locale::En => Locale::De,
        }
    }

    /// A number with a mark between its thousands: `1.234` or `1,234`.
    #[must_use]
    pub fn number(self, number: i64) -> String {
        let mark = match self {
            Locale::De => '.',
            Locale::En => ',',
        };
        let digits = number.unsigned_abs().to_string();
        let mut text = if number < 0 { "-".to_owned() } else { String::new() };
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(mark);
            }
            text.push(digit);
        }
        text
    }

    /// Understands a tag in any case and with a region, such as `de`, `EN` or `de-AT`.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Locale> {
        let language = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Locale::ALL.into_iter().find(|locale| locale.tag().eq_ignore_ascii_case(language))
    }

    /// The language a browser prefers, from its `Accept-Language` header (RFC 9110 §12.5.4).
    #[must_use]
    pub fn from_accept_language(header: &str) -> Option<Locale> {
        let mut best: Option<(f32, Locale)> = None;
        for range in header.split(',').take(20) {
            let mut parts = range.split(';');
            let Some(locale) = parts.next().and_then(Locale::from_tag) else { continue };
            let quality = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(Some(1.0), |q| q.parse::<f32>().ok())
                .unwrap_or(0.0);
            if quality > 0.0 && best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, locale));
            }
        }
        best.map(|(_, locale)| locale)
    }
}

impl std::fmt::Display for Locale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.tag())
    }
}

/// A locale column is text with a CHECK; anything else in it cannot be.
impl From<String> for Locale {
    fn from(tag: String) -> Self {
        Locale::from_tag(&tag).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart_as_each_language_does() {
        let german = |n| Locale::De.number(n);
        assert_eq!(
            [german(0), german(999), german(1_234), german(1_000_000)],
            ["0", "999", "1.234", "1.000.000"]
        );
        assert_eq!(Locale::En.number(12_345), "12,345");
        assert_eq!(german(-1_234), "-1.234");
    }

    #[test]
    fn the_browsers_weights_decide() {
        assert_eq!(Locale::from_accept_language("fr, en;q=0.5, de-AT;q=0.8"), Some(Locale::De));
        assert_eq!(Locale::from_accept_language("en-GB,en;q=0.9"), Some(Locale::En));
        assert_eq!(Locale::from_accept_language("fr;q=1, *;q=0.1"), None);
        assert_eq!(Locale::from_accept_language("de;q=0, en;q=bogus"), None);
    }
}
