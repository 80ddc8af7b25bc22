//! How a file is read: what separates its columns, in which encoding, which column holds what, and what holds for all
//! lines. Guessed from its beginning, and then decided by whoever brings it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{locale::Locale, publication::TimeZone};

pub use super::encoding::Encoding;
use super::{
    address_field,
    columns::{self, position},
    presets::Preset,
    records::{Record, Records},
    states::{self, Listed, Means, plain},
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
    /// A column without which that date only says when the row was made.
    pub consented_at_with: Option<usize>,
    /// The column that says where.
    pub source: Option<usize>,
    /// The column of the language.
    pub locale: Option<usize>,
    /// Columns that say whether somebody is to be mailed.
    pub states: Vec<StateColumn>,
    /// Columns that sound like a state, and are not to be read as one.
    pub ignored: Vec<usize>,
    /// Columns that say nothing of a state, by their names.
    pub silent: Vec<usize>,
    /// Columns about who somebody is and where, by their names: only what is said in so many words counts there.
    pub about_person: Vec<usize>,
    /// What the list says of everybody in it, such as a file of those who have left.
    pub listed_as: Option<Listed>,
    /// Those who left, bounced or complained are left out, and not kept as such.
    pub leaves_out: bool,
    /// When everybody agreed of whom no column says it.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
        self.into()
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Records of the beginning that are looked at.
pub const LOOKED_AT: usize = 200;
/// Records before which the header stands.
const TITLES: usize = 8;
/// Columns that a list may have.
pub const MOST_COLUMNS: usize = 1_000;

impl Plan {
    /// What the beginning of a file looks like. `encoding` is of the whole file.
    #[must_use]
    pub fn guess(beginning: &[u8], encoding: Encoding, locale: Locale, time_zone: TimeZone) -> Self {
        let plan = Self { encoding, locale_of_all: locale, time_zone, ..Self::default() };
        let named = separator_line(beginning);
        let separator = named.unwrap_or_else(|| {
            // The one that makes the most sense of it; the comma where none does.
            let score = |separator: &Separator| {
                let plan = Self { separator: *separator, ..plan.clone() }.with_service_of(beginning);
                let records = plan.records(beginning, LOOKED_AT);
                let width = if plan.width > 0 { plan.width } else { records.first().map_or(0, Vec::len) };
                let alike = records.iter().filter(|record| record.len() == width).count();
                (plan.preset.is_some(), plan.email.is_some(), width > 1, alike, width)
            };
            Separator::ALL.into_iter().rev().max_by_key(score).unwrap_or_default()
        });
        Self { separator, ..plan }.with_service_of(beginning)
    }

    /// The same, with the service seen by the columns, and those guessed anew.
    #[must_use]
    pub fn with_service_of(mut self, beginning: &[u8]) -> Self {
        self.preset = None;
        let plan = self.with_columns_of(beginning);
        match Preset::of_header(&plan.names(beginning)) {
            Some(preset) => Self { preset: Some(preset), ..plan }.with_columns_of(beginning),
            None => plan,
        }
    }

    /// The same with separator, encoding and service as they are, and the columns guessed anew.
    #[must_use]
    pub fn with_columns_of(mut self, beginning: &[u8]) -> Self {
        self.ends_with_cr = !beginning.contains(&b'\n') && beginning.contains(&b'\r');
        (self.skipped, self.has_header, self.width) = (0, false, 0);
        let numbered = self.numbered(beginning, LOOKED_AT);
        // An address names no column: where one comes first, the file begins with somebody.
        let is_address = |field: &String| address_field::holds_addresses(field);
        let first = numbered.iter().position(|(_, fields)| fields.iter().any(is_address));
        let before = &numbered[..first.unwrap_or(numbered.len()).min(TITLES)];
        let before: Vec<_> = before.iter().filter(|(_, fields)| !is_separator_line(fields)).collect();
        let names_email = |fields: &[String]| position(fields, columns::EMAIL).is_some();
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
        let address = first.and_then(|first| numbered[first].1.iter().position(is_address));
        self.email = position(names, columns::EMAIL).or(address);
        (self.source, self.locale) = (position(names, columns::SOURCE), position(names, columns::LOCALE));
        self.with_date_of(names).with_states_of(names)
    }

    /// With the column that says when somebody agreed: as the service says, otherwise by its name.
    fn with_date_of(mut self, names: &[String]) -> Self {
        let of_service = self.preset.and_then(|preset| position(names, preset.consented_at()));
        self.consented_at = of_service.or_else(|| position(names, columns::CONSENTED_AT));
        self.consented_at_with = self
            .preset
            .and_then(|preset| position(names, preset.consented_at_with()))
            .filter(|column| of_service.is_some_and(|date| date != *column));
        self
    }

    /// With the columns that say, or do not say, whether somebody is to be mailed.
    fn with_states_of(mut self, names: &[String]) -> Self {
        let (email, source, locale) = (self.email, self.source, self.locale);
        let preset = self.preset;
        (self.states, self.ignored) = (Vec::new(), Vec::new());
        (self.silent, self.about_person) = (Vec::new(), Vec::new());
        for (column, name) in names.iter().enumerate() {
            let plain = plain(name);
            let is_passed = preset.is_some_and(|preset| preset.passed().contains(&plain.as_str()));
            let means = preset.and_then(|preset| preset.means(&plain)).or_else(|| columns::means(name));
            if is_passed || columns::says_nothing(&plain) {
                self.silent.push(column);
            } else if columns::is_about_person(&plain) {
                self.about_person.push(column);
            } else if let Some(means) = means
                && ![email, source, locale].contains(&Some(column))
            {
                self.states.push(StateColumn { column, means });
            }
        }
        self
    }

    /// Columns that look like a state, by their names or by what stands in them, and of which nobody has said yet whether
    /// they are one.
    #[must_use]
    pub fn asked(&self, beginning: &[u8]) -> Vec<usize> {
        let records = self.records(beginning, LOOKED_AT);
        let names = self.names(beginning);
        let behind = records.iter().skip(usize::from(self.has_header));
        (0..self.columns_in(&records))
            .filter(|column| {
                if self.uses(*column) || self.ignored.contains(column) || self.silent.contains(column) {
                    return false;
                }
                let values = || behind.clone().filter_map(|record| record.get(*column)).map(String::as_str);
                let is_person = self.about_person.contains(column);
                names.get(*column).is_some_and(|name| columns::sounds_like_state(name))
                    || (!is_person && states::are_like_states(values()))
                    || values().any(|value| self.tells_in(*column, value))
            })
            .collect()
    }

    /// Whether a value tells of leaving, in a column that is not read as a state.
    #[must_use]
    pub fn tells_in(&self, column: usize, value: &str) -> bool {
        let tells = || states::tells_of_leaving(value).is_some();
        if self.uses(column) || self.ignored.contains(&column) || self.silent.contains(&column) {
            false
        } else if self.about_person.contains(&column) {
            tells()
        } else {
            states::says_no(value) || states::is_no(value) || tells()
        }
    }

    /// How many columns there are at the beginning.
    #[must_use]
    pub fn columns(&self, beginning: &[u8]) -> usize {
        self.columns_in(&self.records(beginning, LOOKED_AT))
    }

    fn columns_in(&self, records: &[Vec<String>]) -> usize {
        // Below a header what goes beyond it is a bad line anyway.
        let longest = records.iter().map(Vec::len).max().unwrap_or_default();
        if self.has_header { self.width } else { longest }
    }

    /// Whether nobody in the list is to be mailed: then no consent is needed.
    #[must_use]
    pub fn is_of_others(&self) -> bool {
        self.listed_as.is_some_and(|listed| listed != Listed::Active)
    }

    /// Whether the name of a file tells of leaving, while nothing in it says of whom, and nobody has said so yet.
    #[must_use]
    pub fn asks_of_everybody(&self, file_name: &str) -> bool {
        self.listed_as.is_none() && self.states.is_empty() && states::file_tells_of_leaving(file_name)
    }

    /// Whether something is read from a column.
    #[must_use]
    pub fn uses(&self, column: usize) -> bool {
        [self.email, self.consented_at, self.source, self.locale].contains(&Some(column))
            || self.states.iter().any(|state| state.column == column)
    }

    /// The columns of a file that names them as ours do, or as those of a known service. The column of the date may be
    /// named; no other is taken for it than `consented_at` and what the service says holds it.
    ///
    /// # Errors
    /// The name of a column that is missing.
    pub fn by_name(mut self, beginning: &[u8], date: Option<usize>) -> Result<Self, &'static str> {
        let header = self.names(beginning);
        let find = |name: &str| header.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
        let of_service = |column: Option<usize>| column.filter(|_| self.preset.is_some());
        let named = date.or_else(|| find("consented_at"));
        let known = self.preset.and_then(|preset| position(&header, preset.consented_at()));
        self.email = find("email").or(of_service(self.email));
        self.locale = find("locale").or(of_service(self.locale));
        self.source = find("consent_source");
        self.consented_at_with = self.consented_at_with.filter(|_| named.is_none());
        self.consented_at = named.or(known);
        self.email.ok_or("email")?;
        if self.is_of_others() {
            return Ok(self);
        }
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
        let mut reader = Records::new(beginning, self.separator.byte(), self.line_end(), 0);
        let mut found = Vec::new();
        while found.len() < most
            && let Ok(Some(record)) = reader.read()
        {
            if record.number > self.skipped {
                found.push((record.number, self.fields_of(&record)));
            }
        }
        found
    }

    /// Every field of a record, as text; what is no text is marked as such.
    pub(super) fn fields_of(&self, record: &Record) -> Vec<String> {
        record.fields.iter().map(|bytes| self.encoding.lossy(bytes).trim().to_owned()).collect()
    }

    /// What lines end with.
    pub(super) fn line_end(&self) -> u8 {
        if self.ends_with_cr { b'\r' } else { b'\n' }
    }
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
        scan.feed(text);
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
        assert_eq!((plan.email, plan.consented_at), (Some(1), None), "a date of what?");
        let plan = guess(b"Strasse und Adresse;E-Mail;Adresse\rx;mia@example.org;y\r");
        assert_eq!((plan.ends_with_cr, plan.email, plan.separator), (true, Some(1), Separator::Semicolon));
    }

    /// Exports as the services write them: header, the columns that tell a state, the column of the consent's date.
    const EXPORTS: [(Preset, &str, &[&str], Option<&str>); 15] = [
        (
            Preset::Rundbrief,
            "email,locale,state,confirmed_at,state_changed_at,id,consented_at,consent_source",
            &["state"],
            Some("consented_at"),
        ),
        (
            Preset::Mailchimp,
            "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS",
            &[],
            Some("CONFIRM_TIME"),
        ),
        (
            Preset::Mailchimp,
            "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LAST_CHANGED,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,LEID,EUID,NOTES,TAGS",
            &["UNSUB_TIME"],
            Some("CONFIRM_TIME"),
        ),
        (
            Preset::Mailchimp,
            "Email Address,First Name,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,LEID,EUID",
            &["CLEAN_TIME"],
            None,
        ),
        (
            Preset::Brevo,
            "CONTACT ID;EMAIL;FIRSTNAME;LASTNAME;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME",
            &["EMAIL_BLACKLISTED"],
            None,
        ),
        (
            Preset::CleverReach,
            "Email;Registered;Activated;Deactivated;Bounced;Source;Status",
            &["Activated", "Deactivated", "Bounced", "Status"],
            None,
        ),
        (
            Preset::CleverReach,
            "E-Mail;Registrierungsdatum;Aktivierungsdatum;Deaktivierungsdatum;Quelle",
            &["Aktivierungsdatum", "Deaktivierungsdatum"],
            None,
        ),
        (
            Preset::Rapidmail,
            "email;firstname;lastname;status;created;created_ip;activated;activated_ip;deleted",
            &["status", "deleted"],
            Some("activated"),
        ),
        (Preset::Listmonk, "uuid,email,name,attributes,status,created_at,updated_at", &["status"], None),
        (Preset::Keila, "Email,First name,Last name,Data,Status,External ID", &["Status"], None),
        (
            Preset::Ghost,
            "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers,gift_id",
            &["subscribed_to_emails", "deleted_at"],
            None,
        ),
        (
            Preset::PhpList,
            "id\tEmail\tIs this subscriber confirmed\tIs this subscriber blacklisted\tDid this subscriber manually confirm\tNumber of bounces\tEntered\tLast Modified\tUnique ID\tSend this subscriber HTML emails\tRSS Frequency\tIs this account disabled?\tAdditional data\tForeign Key\tList Membership",
            &[
                "Is this subscriber confirmed",
                "Is this subscriber blacklisted",
                "Is this account disabled?",
                "List Membership",
            ],
            None,
        ),
        (
            Preset::PhpList,
            "id,email,confirmed,blacklisted,optedin,bouncecount,entered,modified,uniqid,htmlemail,disabled,foreignkey",
            &["confirmed", "blacklisted", "disabled"],
            None,
        ),
        (
            Preset::PhpList,
            "id,Email,Is this user confirmed,Is this user blacklisted,Did this user manually confirm,Number of bounces,Entered",
            &["Is this user confirmed", "Is this user blacklisted"],
            None,
        ),
        (Preset::Sendy, "Name,Email,Last activity,Status", &["Status"], None),
    ];

    #[test]
    fn invariant_11_an_export_of_a_known_service_is_read_as_the_service_means_it() {
        for (preset, header, told, date) in EXPORTS {
            let plan = guess(format!("{header}\n").as_bytes());
            assert_eq!(plan.preset, Some(preset), "{header}");
            let names = plan.names(header.as_bytes());
            let read: Vec<&str> = plan.states.iter().map(|state| names[state.column].as_str()).collect();
            assert_eq!(read, told, "{header}");
            assert_eq!(plan.consented_at.map(|column| names[column].as_str()), date, "{header}");
            assert!(plan.email.is_some() && plan.asked(header.as_bytes()).is_empty(), "{header}");
        }
        assert!(Preset::ALL.iter().all(|preset| EXPORTS.iter().any(|(known, ..)| known == preset)));
    }

    #[test]
    fn no_service_is_seen_where_somebody_has_said_that_it_is_none() {
        let file = b"Name,Email,Last activity,Status,created_at\n";
        let plan = guess(file);
        assert_eq!(plan.preset, Some(Preset::Sendy));
        assert_eq!(Plan { preset: None, ..plan }.with_columns_of(file).preset, None);
    }

    #[test]
    fn a_first_line_with_an_address_is_somebody_and_names_no_columns() {
        for file in [
            "Mia <mia@example.org>\nOtto <otto@example.org>\n",
            "\"Müller, Mia\" <mia@example.org>;x\n",
            "mia@example.org; m@example.org\n",
            "mailto:mia@example.org\n",
        ] {
            let plan = guess(file.as_bytes());
            assert!(!plan.has_header && plan.skipped == 0, "{file}");
        }
        let plan = guess("Fragen an info@example.org\nName;E-Mail\nMia;mia@example.org\n".as_bytes());
        assert_eq!((plan.has_header, plan.skipped, plan.email), (true, 1, Some(1)));
    }

    #[test]
    fn what_is_about_somebodys_person_is_not_asked_about() {
        let file = "id,E-Mail,Vorname,Nachname,Ort,Land,Firma,Sprache,Anrede,Telefon\n\
            1,a@example.org,Neu,Junk,Left,NO,Bounce GmbH,de,Frau,0\n"
            .as_bytes();
        assert_eq!(guess(file).asked(file), [6], "one of these words could mean it");
        let file =
            "id,E-Mail,Vorname,Nachname,Ort,Land,Firma,Sprache\n1,a@example.org,Neu,Junk,Left,NO,X AG,de\n"
                .as_bytes();
        assert_eq!(guess(file).asked(file), Vec::<usize>::new());
    }

    #[test]
    fn invariant_11_remarks_and_tags_that_tell_of_leaving_are_asked_about() {
        let file = "email,Notiz,Tags,Firma\na@example.org,,VIP,X\nb@example.org,hat sich am 3.4. abgemeldet,\"VIP, unsubscribed\",X\n";
        assert_eq!(guess(file.as_bytes()).asked(file.as_bytes()), [1, 2]);
    }

    #[test]
    fn invariant_11_what_looks_like_a_state_is_asked_about() {
        let file = b"email,Mailings erlaubt,Newsletter,Notiz\nmia@example.org,wer weiss,ja,x y\nb@example.org,,nein,\n";
        assert_eq!(guess(file).asked(file), [1, 2]);
        let bare = b"mia@example.org,unsubscribed\n";
        assert_eq!(guess(bare).asked(bare), [1]);
    }
}
