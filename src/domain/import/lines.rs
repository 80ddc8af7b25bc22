//! A subscriber file, line by line: CSV in whatever shape a spreadsheet writes it.

use std::io::Read;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};

use crate::domain::{
    address::{AddressError, EmailAddress},
    locale::Locale,
};

use super::{Row, plan::Plan};

/// Who decides whether something is an address: the door of the room that has the last word on it.
pub type ParseAddress = fn(&str) -> Result<EmailAddress, AddressError>;

/// Characters a source may have.
const LONGEST_SOURCE: usize = 500;

/// Lines of a file, or of a piece of it.
pub struct Lines<R> {
    reader: Reader<R>,
    record: ByteRecord,
    /// How many lines of the file came before these.
    before: u64,
}

/// A line that is not blank.
pub struct Line<'a> {
    /// Its number in the file, counted from 1.
    pub number: u64,
    /// The last line of it, where a quoted field goes on over several.
    until: u64,
    record: &'a ByteRecord,
}

/// Why a line cannot come in. Each says what to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// No address.
    #[error("email: {0}")]
    Email(AddressError),
    /// No time, or none in the past.
    #[error(
        "consented_at must be a time in the past, such as 2025-03-01, 01.03.2025 or 2025-03-01T10:00:00Z"
    )]
    ConsentedAt,
    /// No source.
    #[error("consent_source is empty: say where this person agreed")]
    NoSource,
    /// A source that is a story.
    #[error("consent_source is longer than 500 characters")]
    LongSource,
    /// A source that no database takes.
    #[error("consent_source holds a control character")]
    OddSource,
    /// Another language.
    #[error("locale must be de or en")]
    Locale,
    /// Bytes that are no text.
    #[error("the line is not UTF-8; save the file as UTF-8")]
    NotText,
    /// A field that goes on over several lines: none of ours does. A quote that nobody closed has swallowed other
    /// people's lines, and their addresses must not end up in this one's proof.
    #[error("a quote that opens here is not closed before line {until}; nobody from these lines came in")]
    OpenQuote {
        /// Where it ends.
        until: u64,
    },
}

impl LineProblem {
    /// Its name in tables of texts.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Email(AddressError::Empty) => "email_empty",
            Self::Email(AddressError::TooLong) => "email_too_long",
            Self::Email(AddressError::NoAt) => "email_no_at",
            Self::Email(AddressError::TwoAt) => "email_two_at",
            Self::Email(AddressError::Spaces) => "email_spaces",
            Self::Email(AddressError::Domain) => "email_domain",
            Self::Email(AddressError::Local) => "email_local",
            Self::Email(AddressError::Invalid) => "email_invalid",
            Self::ConsentedAt => "consented_at",
            Self::NoSource => "no_source",
            Self::LongSource => "long_source",
            Self::OddSource => "odd_source",
            Self::Locale => "locale",
            Self::NotText => "not_text",
            Self::OpenQuote { .. } => "open_quote",
        }
    }
}

impl<R: Read> Lines<R> {
    /// Reads on behind so many lines. What is read has to end with a line end, so that lines can be counted by theirs.
    pub fn new(source: R, separator: u8, before: u64) -> Self {
        let reader = ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .delimiter(separator)
            // With Windows line ends the carriage return stays with the last field, which is trimmed.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(source);
        Self { reader, record: ByteRecord::new(), before }
    }

    /// The next line that is not blank.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn read(&mut self) -> csv::Result<Option<Line<'_>>> {
        loop {
            let begin = self.reader.position().line();
            if !self.reader.read_byte_record(&mut self.record)? {
                return Ok(None);
            }
            if self.record.iter().all(|field| field.trim_ascii().is_empty()) {
                continue;
            }
            // The reader stands behind the record's line end; a quoted field may have had line ends of its own.
            let within = self.record.iter().flatten().filter(|byte| **byte == b'\n').count() as u64;
            let number = (self.reader.position().line() - 1).saturating_sub(within);
            let number = self.before + if within > 0 { number.max(begin) } else { number };
            return Ok(Some(Line { number, until: number + within, record: &self.record }));
        }
    }

    /// How many bytes have been read as lines.
    pub fn bytes_read(&self) -> u64 {
        self.reader.position().byte()
    }
}

impl Line<'_> {
    /// What it says of somebody, or what is wrong with it.
    ///
    /// # Errors
    /// [`LineProblem`].
    pub fn row(&self, plan: &Plan, parse: ParseAddress, now: DateTime<Utc>) -> Result<Row, LineProblem> {
        if self.until > self.number {
            return Err(LineProblem::OpenQuote { until: self.until });
        }
        let field = |column: usize| self.field(plan, column);
        let email = parse(&field(plan.email.unwrap_or(usize::MAX))?).map_err(LineProblem::Email)?;
        let consented_at = match plan.consented_at {
            Some(column) => time(&field(column)?),
            None => plan.consented_at_of_all,
        };
        let consented_at = consented_at.filter(|at| *at <= now && at.year() >= 1900);
        let consented_at = consented_at.ok_or(LineProblem::ConsentedAt)?;
        let source = match plan.source {
            Some(column) => field(column)?,
            None => plan.source_of_all.clone(),
        };
        checked_source(&source)?;
        let locale = match plan.locale.map(field).transpose()?.unwrap_or_default().as_str() {
            "" => plan.locale_of_all,
            tag => Locale::from_tag(tag).ok_or(LineProblem::Locale)?,
        };
        Ok(Row { line: self.number, email, locale, consented_at, source })
    }

    /// Every field, as text; what is none is marked as such.
    #[must_use]
    pub fn fields(&self, plan: &Plan) -> Vec<String> {
        self.record.iter().map(|bytes| plan.encoding.shown(bytes).trim().to_owned()).collect()
    }

    fn field(&self, plan: &Plan, column: usize) -> Result<String, LineProblem> {
        let bytes = self.record.get(column).unwrap_or_default();
        Ok(plan.encoding.text(bytes).ok_or(LineProblem::NotText)?.trim().to_owned())
    }
}

/// Whether a text may stand in the record as the source of a consent.
///
/// # Errors
/// [`LineProblem`] says why not.
pub fn checked_source(source: &str) -> Result<(), LineProblem> {
    if source.is_empty() {
        Err(LineProblem::NoSource)
    } else if source.chars().count() > LONGEST_SOURCE {
        Err(LineProblem::LongSource)
    } else if source.chars().any(char::is_control) {
        Err(LineProblem::OddSource)
    } else {
        Ok(())
    }
}

/// A day or a moment, as programs and as German spreadsheets write it; where no zone is named, in UTC.
#[must_use]
pub fn time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(exact) = DateTime::parse_from_rfc3339(text) {
        return Some(exact.to_utc());
    }
    let day = ["%Y-%m-%d", "%d.%m.%Y"].iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok());
    if let Some(day) = day {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_programs_and_german_spreadsheets_write_them() {
        let read = |text: &str| time(text).map(|at| at.to_rfc3339());
        let day = Some("2025-03-01T00:00:00+00:00".to_owned());
        assert_eq!(
            (read("2025-03-01"), read("01.03.2025"), read("1.3.2025")),
            (day.clone(), day.clone(), day)
        );
        let moment = Some("2025-03-01T09:05:00+00:00".to_owned());
        for text in ["2025-03-01T10:05:00+01:00", "2025-03-01 09:05", "01.03.2025 09:05", "1.3.2025 9:05:00"]
        {
            assert_eq!(read(text), moment, "{text}");
        }
        for text in ["", "gestern", "03/01/2025", "32.03.2025", "45717"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
