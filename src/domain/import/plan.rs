//! How a file is read: what separates its columns, in which encoding, which column holds what, and what holds for all
//! lines. Guessed from its beginning, and then decided by whoever brings it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use encoding_rs::WINDOWS_1252;
use serde::{Deserialize, Serialize};

use crate::domain::locale::Locale;

use super::lines::Lines;

/// How to read a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// What stands between columns.
    pub separator: Separator,
    /// What its bytes mean.
    pub encoding: Encoding,
    /// The first line names the columns.
    pub has_header: bool,
    /// The column of the address, counted from 0.
    pub email: Option<usize>,
    /// The column that says when somebody agreed.
    pub consented_at: Option<usize>,
    /// The column that says where.
    pub source: Option<usize>,
    /// The column of the language.
    pub locale: Option<usize>,
    /// When everybody agreed, where no column says it.
    pub consented_at_of_all: Option<DateTime<Utc>>,
    /// Where everybody agreed, where no column says it.
    pub source_of_all: String,
    /// The language of those for whom no column says another.
    pub locale_of_all: Locale,
}

/// What stands between columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Separator {
    /// As the standard has it (RFC 4180).
    #[default]
    Comma,
    /// As German spreadsheets write it.
    Semicolon,
    /// As copied from a table.
    Tab,
}

impl Separator {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    /// The character.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }

    /// Its name in forms.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
        }
    }
}

/// What bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Nearly everything.
    #[default]
    Utf8,
    /// What Excel calls "CSV" and nothing else.
    Windows1252,
}

impl Encoding {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Utf8, Self::Windows1252];

    /// Its name in forms.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Windows1252 => "windows1252",
        }
    }

    /// The text of these bytes, if they are one.
    #[must_use]
    pub fn text(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Windows1252 => Some(WINDOWS_1252.decode_without_bom_handling(bytes).0),
        }
    }

    /// The same for a preview: what is no text is shown as such.
    pub(super) fn shown(self, bytes: &[u8]) -> Cow<'_, str> {
        self.text(bytes).unwrap_or_else(|| String::from_utf8_lossy(bytes))
    }
}

/// What the columns are called elsewhere, in lower case and without anything but letters.
const NAMES: [&[&str]; 4] = [
    &["email", "mail", "emailadresse", "emailaddress", "mailadresse", "adresse", "address"],
    &[
        "consentedat",
        "einwilligungam",
        "eingewilligtam",
        "einwilligungsdatum",
        "einwilligung",
        "datum",
        "date",
        "optin",
        "optindate",
        "optintime",
        "confirmedat",
        "confirmtime",
        "bestätigtam",
        "angemeldetam",
    ],
    &["consentsource", "quelle", "source", "herkunft", "einwilligungsquelle", "optinsource"],
    &["locale", "sprache", "language", "lang"],
];

impl Plan {
    /// What the beginning of a file looks like. `is_utf8` is of the whole file.
    #[must_use]
    pub fn guess(beginning: &[u8], is_utf8: bool, locale: Locale) -> Self {
        let encoding = if is_utf8 { Encoding::Utf8 } else { Encoding::Windows1252 };
        // The separator that splits the first line into the most columns.
        let columns = |separator: &Separator| first_line(beginning, *separator, encoding).len();
        let separator = Separator::ALL.into_iter().rev().max_by_key(columns).unwrap_or_default();
        let plan = Self { separator, encoding, locale_of_all: locale, ..Self::default() };
        plan.with_columns_of(beginning)
    }

    /// The same with separator and encoding as they are, and the columns guessed anew.
    #[must_use]
    pub fn with_columns_of(mut self, beginning: &[u8]) -> Self {
        let first = first_line(beginning, self.separator, self.encoding);
        // An address names no column: then the file begins with somebody.
        let address = first.iter().position(|field| field.contains('@'));
        self.has_header = address.is_none();
        let plain =
            |name: &str| name.chars().filter(|c| c.is_alphabetic()).collect::<String>().to_lowercase();
        let find = |names: &[&str]| first.iter().position(|field| names.contains(&plain(field).as_str()));
        let [email, consented_at, source, locale] = NAMES.map(find);
        self.email = email.or(address);
        (self.consented_at, self.source, self.locale) = (consented_at, source, locale);
        self
    }

    /// The columns of a file that names them as ours do; the command takes no others.
    ///
    /// # Errors
    /// The name of a column that is missing.
    pub fn by_name(header: &[String], locale: Locale) -> Result<Self, &'static str> {
        let find = |name: &str| header.iter().position(|field| field.eq_ignore_ascii_case(name));
        let required = |name: &'static str| find(name).ok_or(name).map(Some);
        Ok(Self {
            has_header: true,
            email: required("email")?,
            consented_at: required("consented_at")?,
            source: required("consent_source")?,
            locale: find("locale"),
            locale_of_all: locale,
            ..Self::default()
        })
    }

    /// The first lines, field by field, for somebody to see which column is which.
    #[must_use]
    pub fn preview(&self, beginning: &[u8], lines: usize) -> Vec<Vec<String>> {
        let mut reader = Lines::new(beginning, self.separator.byte(), 0);
        let mut shown = Vec::new();
        while shown.len() < lines
            && let Ok(Some(line)) = reader.read()
        {
            shown.push(line.fields(self));
        }
        if let Some(first) = shown.first_mut().and_then(|line| line.first_mut()) {
            *first = first.trim_start_matches('\u{FEFF}').to_owned();
        }
        shown
    }
}

fn first_line(beginning: &[u8], separator: Separator, encoding: Encoding) -> Vec<String> {
    let plan = Plan { separator, encoding, ..Plan::default() };
    plan.preview(beginning, 1).into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(text: &[u8]) -> Plan {
        Plan::guess(text, str::from_utf8(text).is_ok(), Locale::De)
    }

    #[test]
    fn a_file_is_known_by_its_beginning() {
        let plan = guess(b"email,consented_at,consent_source,locale\na@example.org,2025-03-01,Messe,de\n");
        assert_eq!((plan.separator, plan.has_header), (Separator::Comma, true));
        assert_eq!(
            (plan.email, plan.consented_at, plan.source, plan.locale),
            (Some(0), Some(1), Some(2), Some(3))
        );

        let excel =
            guess(b"Name;E-Mail-Adresse;Best\xE4tigt am\r\nM\xFCller, Mia;mia@example.org;01.03.2025\r\n");
        assert_eq!((excel.separator, excel.encoding), (Separator::Semicolon, Encoding::Windows1252));
        assert_eq!((excel.email, excel.consented_at, excel.source), (Some(1), Some(2), None));
        assert_eq!(excel.preview(b"M\xFCller;\x80", 1), [["Müller", "€"]]);

        let tab = guess("\u{FEFF}\"E-Mail\"\tQuelle\nx@example.org\tMesse\n".as_bytes());
        assert_eq!((tab.separator, tab.email, tab.source), (Separator::Tab, Some(0), Some(1)));

        let bare = guess(b"Mia,mia@example.org\n");
        assert_eq!((bare.has_header, bare.email), (false, Some(1)));
        assert_eq!(guess(b"mia@example.org").email, Some(0));
        assert_eq!(guess(b"").email, None);
    }
}
