//! How a file is read: what separates its columns, in which encoding, which column holds what, and what holds for all
//! lines. Guessed from its beginning, and then decided by whoever brings it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{locale::Locale, publication::TimeZone};

pub use super::encoding::Encoding;
use super::{
    lines::Lines,
    presets::Preset,
    states::{self, Means, plain},
};

/// How to read a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// What stands between columns.
    pub separator: Separator,
    /// What its bytes mean.
    pub encoding: Encoding,
    /// Its lines end with a carriage return alone.
    pub ends_with_cr: bool,
    /// Lines before the one that names the columns, such as a title.
    pub skipped: u64,
    /// The first line behind those names the columns.
    pub has_header: bool,
    /// How many columns the header names; 0 where none does.
    pub width: usize,
    /// The service that the file was exported from, if it is known.
    pub preset: Option<Preset>,
    /// The column of the address, counted from 0.
    pub email: Option<usize>,
    /// The column that says when somebody agreed.
    pub consented_at: Option<usize>,
    /// The column that says where.
    pub source: Option<usize>,
    /// The column of the language.
    pub locale: Option<usize>,
    /// Columns that say whether somebody is to be mailed.
    pub states: Vec<StateColumn>,
    /// Columns that sound like a state, and are not to be read as one.
    pub ignored: Vec<usize>,
    /// Those who left, bounced or complained are left out, and not kept as such.
    pub leaves_out: bool,
    /// When everybody agreed, where no column says it.
    pub consented_at_of_all: Option<DateTime<Utc>>,
    /// Where everybody agreed, where no column says it.
    pub source_of_all: String,
    /// The language of those for whom no column says another.
    pub locale_of_all: Locale,
    /// The zone of times that name none.
    pub time_zone: TimeZone,
}

/// A column that says whether somebody is to be mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateColumn {
    /// Counted from 0.
    pub column: usize,
    /// How its values are read.
    pub means: Means,
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

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What the columns are called elsewhere, in [`plain`] letters, the surest first.
const EMAIL: &[&str] = &[
    "email",
    "emailadresse",
    "emailaddress",
    "mail",
    "mailadresse",
    "mailaddress",
    "emailaddresse",
    "subscriberemail",
    "kontaktemail",
    "abonnentenemail",
    "address",
    "adresse",
];
const CONSENTED_AT: &[&str] = &[
    "consentedat",
    "einwilligungam",
    "eingewilligtam",
    "einwilligungsdatum",
    "einwilligung",
    "confirmedat",
    "confirmtime",
    "bestaetigtam",
    "optindate",
    "optintime",
    "optintimestamp",
    "optin",
    "angemeldetam",
    "anmeldedatum",
    "subscribedat",
    "subscribedon",
    "subscribeddate",
    "subscribedate",
    "subscriptiondate",
    "subscribetime",
    "abonniertam",
    "eingetragenam",
    "datum",
    "date",
];
const SOURCE: &[&str] =
    &["consentsource", "einwilligungsquelle", "optinsource", "quelle", "source", "herkunft"];
const LOCALE: &[&str] = &["locale", "sprache", "language", "lang"];

/// Records of the beginning that are looked at.
const LOOKED_AT: usize = 200;
/// Records before which the header stands.
const TITLES: usize = 8;

impl Plan {
    /// What the beginning of a file looks like. `encoding` is of the whole file.
    #[must_use]
    pub fn guess(beginning: &[u8], encoding: Encoding, locale: Locale, time_zone: TimeZone) -> Self {
        let plan = Self { encoding, locale_of_all: locale, time_zone, ..Self::default() };
        let named = separator_line(beginning);
        let separator = named.unwrap_or_else(|| {
            // The one that makes the most sense of it; the comma where none does.
            let score = |separator: &Separator| {
                let plan = Self { separator: *separator, ..plan.clone() }.with_columns_of(beginning);
                let records = plan.records(beginning, LOOKED_AT);
                let width = if plan.width > 0 { plan.width } else { records.first().map_or(0, Vec::len) };
                let alike = records.iter().filter(|record| record.len() == width).count();
                (plan.preset.is_some(), plan.email.is_some(), width > 1, alike, width)
            };
            Separator::ALL.into_iter().rev().max_by_key(score).unwrap_or_default()
        });
        Self { separator, ..plan }.with_columns_of(beginning)
    }

    /// The same with separator and encoding as they are, and the columns guessed anew; as those of a preset, where one is
    /// set.
    #[must_use]
    pub fn with_columns_of(mut self, beginning: &[u8]) -> Self {
        self.ends_with_cr = !beginning.contains(&b'\n') && beginning.contains(&b'\r');
        (self.skipped, self.has_header, self.width) = (0, false, 0);
        let numbered = self.numbered(beginning, LOOKED_AT);
        // An address names no column: where one comes first, the file begins with somebody.
        let is_address = |field: &String| field.contains('@') && !field.contains([' ', ',', ';', '\t']);
        let first = numbered.iter().position(|(_, fields)| fields.iter().any(is_address));
        let before = &numbered[..first.unwrap_or(numbered.len()).min(TITLES)];
        let before: Vec<_> = before.iter().filter(|(_, fields)| !is_separator_line(fields)).collect();
        let names_email = |fields: &[String]| position(fields, EMAIL).is_some();
        // Names that nobody knows stand right above the first address; where there is none, in the first line.
        let above = if first.is_some_and(|first| first <= TITLES) { before.last() } else { before.first() };
        let header = before.iter().find(|(_, fields)| names_email(fields)).or(above).copied();
        let none = Vec::new();
        let names = header.map_or(&none, |(_, fields)| fields);
        if let Some((number, fields)) = header {
            // Spreadsheets write empty cells at the end, below which half a value could stand.
            let named = fields.iter().rposition(|name| !name.trim().is_empty()).map_or(0, |last| last + 1);
            (self.has_header, self.skipped, self.width) = (true, number - 1, named);
        } else if let Some((number, _)) = numbered.iter().find(|(_, fields)| !is_separator_line(fields)) {
            self.skipped = number - 1;
        }
        if !self.has_header {
            self.width = commonest(numbered.iter().map(|(_, fields)| fields.len()));
        }
        self.preset = self.preset.or_else(|| Preset::of_header(names));
        let address = first.and_then(|first| numbered[first].1.iter().position(is_address));
        self.email = position(names, EMAIL).or(address);
        self.consented_at = self
            .preset
            .and_then(|preset| position(names, preset.consented_at()))
            .or_else(|| position(names, CONSENTED_AT));
        (self.source, self.locale) = (position(names, SOURCE), position(names, LOCALE));
        let known =
            |(column, name): (usize, &String)| Some(StateColumn { column, means: Means::of_column(name)? });
        let (email, source, locale) = (self.email, self.source, self.locale);
        let is_free = |state: &StateColumn| ![email, source, locale].contains(&Some(state.column));
        self.states = names.iter().enumerate().filter_map(known).filter(is_free).collect();
        self.ignored = Vec::new();
        self
    }

    /// Columns that look like a state, by their names or by what stands in them, and of which nobody has said yet whether
    /// they are one.
    #[must_use]
    pub fn asked(&self, beginning: &[u8]) -> Vec<usize> {
        let records = self.records(beginning, LOOKED_AT);
        let names = self.names(beginning);
        // Below a header what goes beyond it is a bad line anyway.
        let longest = records.iter().map(Vec::len).max().unwrap_or_default();
        let width = if self.has_header { self.width } else { longest };
        let behind = records.iter().skip(usize::from(self.has_header));
        (0..width)
            .filter(|column| {
                if self.uses(*column) || self.ignored.contains(column) {
                    return false;
                }
                let name = names.get(*column).map_or("", String::as_str);
                let plain = plain(name);
                let is_passed = self.preset.is_some_and(|preset| preset.passed().contains(&plain.as_str()));
                if is_passed || states::says_nothing(&plain) {
                    return false;
                }
                let values = behind.clone().filter_map(|record| record.get(*column)).map(String::as_str);
                states::sounds_like_one(name)
                    || states::are_like_states(values.clone())
                    || values.clone().any(|value| states::says_no(value) || states::is_no(value))
            })
            .collect()
    }

    /// Whether something is read from a column.
    #[must_use]
    pub fn uses(&self, column: usize) -> bool {
        [self.email, self.consented_at, self.source, self.locale].contains(&Some(column))
            || self.states.iter().any(|state| state.column == column)
    }

    /// The columns of a file that names them as ours do, or as those of a known service.
    ///
    /// # Errors
    /// The name of a column that is missing.
    pub fn by_name(mut self, beginning: &[u8]) -> Result<Self, &'static str> {
        let header = self.names(beginning);
        let find = |name: &str| header.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
        let is_service = self.preset.is_some();
        let of = |name, guessed: Option<usize>| find(name).or(guessed.filter(|_| is_service));
        self.email = of("email", self.email);
        self.consented_at = of("consented_at", self.consented_at);
        self.source = find("consent_source");
        self.locale = of("locale", self.locale);
        self.email.ok_or("email")?;
        if self.consented_at.is_none() && self.consented_at_of_all.is_none() {
            return Err("consented_at");
        }
        if self.source.is_none() && self.source_of_all.is_empty() {
            return Err("consent_source");
        }
        Ok(self)
    }

    /// The names of the columns, where the file names them.
    #[must_use]
    pub fn names(&self, beginning: &[u8]) -> Vec<String> {
        if !self.has_header {
            return Vec::new();
        }
        self.records(beginning, 1).into_iter().next().unwrap_or_default()
    }

    /// The first lines, field by field, for somebody to see which column is which.
    #[must_use]
    pub fn preview(&self, beginning: &[u8], lines: usize) -> Vec<Vec<String>> {
        self.records(beginning, lines)
    }

    fn records(&self, beginning: &[u8], most: usize) -> Vec<Vec<String>> {
        self.numbered(beginning, most).into_iter().map(|(_, fields)| fields).collect()
    }

    fn numbered(&self, beginning: &[u8], most: usize) -> Vec<(u64, Vec<String>)> {
        let mut reader = Lines::new(beginning, self, 0);
        let mut shown = Vec::new();
        while shown.len() < most
            && let Ok(Some(line)) = reader.read()
        {
            if line.number > self.skipped {
                shown.push((line.number, line.fields(self)));
            }
        }
        shown
    }
}

/// The first of these names that a column has.
fn position(header: &[String], names: &[&str]) -> Option<usize> {
    let header: Vec<String> = header.iter().map(|name| plain(name)).collect();
    names.iter().find_map(|name| header.iter().position(|field| field == name))
}

/// What Excel writes before a file to say what separates its columns: `sep=;`.
fn separator_line(beginning: &[u8]) -> Option<Separator> {
    let beginning = beginning.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(beginning);
    let beginning = beginning.strip_prefix(b"\"").unwrap_or(beginning);
    let byte = *beginning.get(4).filter(|_| beginning[..4].eq_ignore_ascii_case(b"sep="))?;
    Separator::ALL.into_iter().find(|separator| separator.byte() == byte)
}

fn is_separator_line(fields: &[String]) -> bool {
    fields.first().is_some_and(|first| first.to_lowercase().starts_with("sep="))
        && fields.iter().skip(1).all(String::is_empty)
}

/// The most frequent of some lengths; the longer one of two that are as frequent.
fn commonest(lengths: impl Iterator<Item = usize>) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for length in lengths {
        *counts.entry(length).or_insert(0_usize) += 1;
    }
    counts.into_iter().max_by_key(|(length, count)| (*count, *length)).map_or(0, |(length, _)| length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::import::encoding::Scan;

    fn guess(text: &[u8]) -> Plan {
        let mut scan = Scan::default();
        scan.take(text);
        Plan::guess(text, scan.end(), Locale::De, TimeZone::default())
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

    #[test]
    fn a_title_and_a_line_for_excel_are_no_header() {
        let plan = guess(
            "sep=;\r\nNewsletter-Liste 2025;;\r\n\r\nName;E-Mail;Datum\r\nMia;mia@example.org;01.03.25\r\n"
                .as_bytes(),
        );
        assert_eq!(
            (plan.separator, plan.skipped, plan.has_header, plan.width),
            (Separator::Semicolon, 3, true, 3)
        );
        assert_eq!((plan.email, plan.consented_at), (Some(1), Some(2)));
        let plan = guess(b"Strasse und Adresse;E-Mail;Adresse\rx;mia@example.org;y\r");
        assert_eq!((plan.ends_with_cr, plan.email, plan.separator), (true, Some(1), Separator::Semicolon));
    }

    /// One header of each service, in the order of [`Preset::ALL`], with the columns that tell a state.
    const EXPORTS: [(&str, &[&str]); 10] = [
        ("email,locale,state,confirmed_at,state_changed_at,id,consented_at,consent_source", &["state"]),
        (
            "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LAST_CHANGED,UNSUB_TIME,UNSUB_REASON,LEID,EUID,NOTES,TAGS",
            &["UNSUB_TIME"],
        ),
        (
            "CONTACT ID;EMAIL;FIRSTNAME;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME",
            &["EMAIL_BLACKLISTED"],
        ),
        (
            "Email;Registered;Activated;Deactivated;Bounced;Source;Status",
            &["Activated", "Deactivated", "Bounced", "Status"],
        ),
        ("email;firstname;lastname;status;activated;deleted;created_on", &["status", "activated", "deleted"]),
        ("uuid,email,name,attributes,status,created_at,updated_at", &["status"]),
        ("Email,First name,Last name,External ID,Status,Data", &["Status"]),
        (
            "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels",
            &["subscribed_to_emails", "deleted_at"],
        ),
        (
            "id,email,confirmed,blacklisted,optedin,bouncecount,entered,modified,uniqid,htmlemail,disabled,foreignkey",
            &["confirmed", "blacklisted", "disabled"],
        ),
        ("Name,Email,Last activity,Status", &["Status"]),
    ];

    #[test]
    fn invariant_11_every_column_of_a_known_service_that_tells_a_state_is_read() {
        for (preset, (header, told)) in Preset::ALL.into_iter().zip(EXPORTS) {
            let plan = guess(format!("{header}\n").as_bytes());
            assert_eq!(plan.preset, Some(preset), "{header}");
            let names = plan.names(header.as_bytes());
            let read: Vec<&str> = plan.states.iter().map(|state| names[state.column].as_str()).collect();
            assert_eq!(read, told, "{header}");
            assert!(plan.email.is_some() && plan.asked(header.as_bytes()).is_empty(), "{header}");
        }
    }

    #[test]
    fn invariant_11_what_looks_like_a_state_is_asked_about() {
        let file = b"email,Mailings erlaubt,Newsletter,Notiz\nmia@example.org,wer weiss,ja,x y\nb@example.org,,nein,\n";
        assert_eq!(guess(file).asked(file), [1, 2]);
        let bare = b"mia@example.org,unsubscribed\n";
        assert_eq!(guess(bare).asked(bare), [1]);
    }
}
