//! A subscriber file: CSV with a header, read line by line.

use std::{
    fs::File,
    io::{Chain, Read},
    path::Path,
};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};

use crate::{
    commands::Usage,
    domain::{import::Row, locale::Locale},
    mail::envelope,
};

/// An open file, behind its header.
pub struct SubscriberFile {
    /// With a line end behind the last line, so that lines can be counted by their ends.
    reader: Reader<Chain<File, &'static [u8]>>,
    record: ByteRecord,
    email: usize,
    consented_at: usize,
    consent_source: usize,
    locale: Option<usize>,
}

impl SubscriberFile {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Self, Usage> {
        let unreadable =
            |error: &dyn std::fmt::Display| Usage(format!("{} cannot be read: {error}", path.display()));
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            // With Windows line ends the carriage return stays with the last field, which is trimmed.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(file.chain(&b"\n"[..]));
        let headers = reader.byte_headers().map_err(|error| unreadable(&error))?.clone();
        let find = |name: &str| {
            headers.iter().position(|header| {
                let header = String::from_utf8_lossy(header);
                header.trim_start_matches('\u{FEFF}').trim().eq_ignore_ascii_case(name)
            })
        };
        let required = |name: &str| {
            find(name).ok_or_else(|| {
                Usage(format!(
                    "the first line must name the columns email, consented_at and consent_source, separated by commas; {name} is missing"
                ))
            })
        };
        Ok(Self {
            email: required("email")?,
            consented_at: required("consented_at")?,
            consent_source: required("consent_source")?,
            locale: find("locale"),
            record: ByteRecord::new(),
            reader,
        })
    }

    /// The next line that is not blank, by its number, with what it says or what is wrong with it.
    pub fn next(
        &mut self,
        default_locale: Locale,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<(u64, Result<Row, String>)>> {
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
            let line = self.reader.position().line() - 1 - within;
            if within > 0 {
                // No field of ours has several lines. A quote that nobody closed has swallowed other people's, and
                // their addresses must not end up in this one's proof.
                let line = line.max(begin);
                let problem = format!(
                    "a quote that opens here is not closed before line {}; nobody from these lines came in",
                    line + within
                );
                return Ok(Some((line, Err(problem))));
            }
            return Ok(Some((line, self.row(line, default_locale, now))));
        }
    }

    fn row(&self, line: u64, default_locale: Locale, now: DateTime<Utc>) -> Result<Row, String> {
        let email = envelope::parse(self.field(self.email)?).map_err(|error| format!("email: {error}"))?;
        let consented_at = time(self.field(self.consented_at)?)
            .filter(|at| *at <= now && at.year() >= 1900)
            .ok_or("consented_at must be a time in the past, such as 2025-03-01 or 2025-03-01T10:00:00Z")?;
        let source = self.field(self.consent_source)?;
        if source.is_empty() {
            return Err("consent_source is empty: say where this person agreed".into());
        }
        if source.chars().count() > 500 {
            return Err("consent_source is longer than 500 characters".into());
        }
        if source.chars().any(char::is_control) {
            return Err("consent_source holds a control character".into());
        }
        let locale = match self.locale.map(|column| self.field(column)).transpose()?.unwrap_or_default() {
            "" => default_locale,
            tag => Locale::from_tag(tag).ok_or("locale must be de or en")?,
        };
        Ok(Row { line, email, locale, consented_at, source: source.to_owned() })
    }

    fn field(&self, column: usize) -> Result<&str, String> {
        let bytes = self.record.get(column).unwrap_or_default();
        let text =
            str::from_utf8(bytes).map_err(|_| "the line is not UTF-8; save the file as UTF-8".to_owned())?;
        Ok(text.trim())
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let exact = DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
    exact.or_else(|| text.parse::<NaiveDate>().ok().map(|date| date.and_time(NaiveTime::MIN).and_utc()))
}
