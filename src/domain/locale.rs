//! The languages of pages and mails.

mod language;

pub use language::Language;

use serde::{Deserialize, Serialize};

/// The one list of languages: gives each language's name in code and its tag to a macro. The first is the one of a
/// publication that names none.
macro_rules! languages {
    ($macro:ident) => {
        $macro! { De de, En en }
    };
}
pub(crate) use languages;

macro_rules! define {
    ($($name:ident $tag:ident),+) => {
        $(mod $tag;)+

        /// A language that Rundbrief speaks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
        #[serde(rename_all = "lowercase")]
        #[sqlx(type_name = "text", rename_all = "lowercase")]
        pub enum Locale {
            $($name),+
        }

        impl Locale {
            /// Every language.
            pub const ALL: [Locale; [$(stringify!($tag)),+].len()] = [$(Locale::$name),+];

            /// The BCP 47 tag, such as `de`.
            #[must_use]
            pub fn tag(self) -> &'static str {
                match self {
                    $(Locale::$name => stringify!($tag)),+
                }
            }

            /// How it writes numbers and times.
            #[must_use]
            pub fn language(self) -> &'static Language {
                match self {
                    $(Locale::$name => &$tag::LANGUAGE),+
                }
            }
        }
    };
}
languages!(define);

impl Default for Locale {
    fn default() -> Self {
        Locale::ALL[0]
    }
}

impl Locale {
    /// Every language but this one.
    pub fn others(self) -> impl Iterator<Item = Locale> {
        Locale::ALL.into_iter().filter(move |other| *other != self)
    }

    /// The tags of all, as a sentence lists them: `de or en`.
    #[must_use]
    pub fn every_tag() -> String {
        Locale::ALL.map(Locale::tag).join(" or ")
    }

    /// A number with a mark between its thousands: `1.234` or `1,234`.
    #[must_use]
    pub fn number(self, number: i64) -> String {
        self.language().number(number)
    }

    /// So many bytes as people are told: `340 KB`, `1,2 MB`; never less than they are.
    #[must_use]
    pub fn bytes(self, bytes: i64) -> String {
        let kilobytes = bytes.max(0).saturating_add(999) / 1_000;
        if kilobytes < 1_000 {
            return format!("{kilobytes}\u{a0}KB");
        }
        let tenths = kilobytes.saturating_add(99) / 100;
        format!("{}{}{}\u{a0}MB", self.number(tenths / 10), self.language().decimal, tenths % 10)
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
    fn a_tag_in_the_database_and_in_json_is_the_one_that_stands_in_addresses() {
        for locale in Locale::ALL {
            assert_eq!(serde_json::to_value(locale).unwrap(), locale.tag());
        }
    }

    #[test]
    fn the_browsers_weights_decide() {
        assert_eq!(Locale::from_accept_language("fr, en;q=0.5, de-AT;q=0.8"), Some(Locale::De));
        assert_eq!(Locale::from_accept_language("en-GB,en;q=0.9"), Some(Locale::En));
        assert_eq!(Locale::from_accept_language("fr;q=1, *;q=0.1"), None);
        assert_eq!(Locale::from_accept_language("de;q=0, en;q=bogus"), None);
    }
}
