//! A subscriber file, line by line: what each line says of somebody, or what is wrong with it.

use std::{borrow::Cow, io::Read};

use chrono::{DateTime, Utc};

use crate::domain::{
    address::{AddressError, EmailAddress},
    csv::as_it_was,
    locale::Locale,
};

use super::{
    Row,
    address_field::without_name,
    dates::{self, DateProblem},
    plan::{Encoding, Plan},
    presets::Preset,
    records::{Oddity, ReadError, Record, Records},
    states::{self, Listed},
};

/// Characters a source may have.
const LONGEST_SOURCE: usize = 500;

/// Lines of a file, or of a piece of it.
pub struct Lines<R>(Records<R>);

/// A line that is not blank.
pub struct Line {
    /// Its number in the file, counted from 1.
    pub number: u64,
    record: Record,
}

/// What a line comes to.
#[derive(Debug, Clone)]
pub enum Said {
    /// Somebody to be brought in, as what the list says.
    Row(Row),
    /// Somebody who never confirmed: there is no consent to bring in.
    NeverConfirmed,
}

/// Why a line cannot come in. Each says what to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// No address.
    #[error("email: {0}")]
    Email(AddressError),
    /// Several addresses in one field.
    #[error("email: there are several addresses in one field; give each person a line")]
    SeveralAddresses,
    /// No time.
    #[error(
        "consented_at must be a time in the past, such as 2025-03-01, 01.03.2025 or 2025-03-01T10:00:00Z"
    )]
    ConsentedAt,
    /// A day as spreadsheets count them.
    #[error(
        "consented_at is a number, as spreadsheets count days; format the column as a date and save the list again"
    )]
    CountedDay,
    /// The date says when a row was made, and not that somebody agreed.
    #[error(
        "the list says when this person was added by somebody else, and not that they agreed; give a day for those of whom no column says it"
    )]
    RowMade,
    /// A time to come.
    #[error("consented_at lies in the future")]
    Future,
    /// Day and month could change places.
    #[error("consented_at can be read in two ways; write it as 2025-03-01 or 01.03.2025")]
    AmbiguousDate,
    /// No source.
    #[error("consent_source is empty: say where this person agreed")]
    NoSource,
    /// A source that is a story.
    #[error("consent_source is longer than 500 characters")]
    LongSource,
    /// A source that no database takes.
    #[error("consent_source holds a control character or a line break")]
    OddSource,
    /// Another language.
    #[error("locale must be {}", Locale::every_tag())]
    Locale,
    /// A state that is not known, or none.
    #[error("the state {0:?} is not known; nobody becomes active by a word that nobody understands")]
    State(String),
    /// A column that is not read says that somebody left.
    #[error("column {column} says {value:?}; say whether it holds the state of each person")]
    StateElsewhere {
        /// Counted from 1.
        column: usize,
        /// What stands there.
        value: String,
    },
    /// Bytes that are no text, or not certainly.
    #[error("the line is not in the encoding of the file (UTF-8, if nothing else was said)")]
    NotText,
    /// Letters beyond ASCII in an address of a file that is not UTF-8.
    #[error(
        "the address has a letter such as ä, and the file is not UTF-8, so it is not certain which; save the list as UTF-8"
    )]
    AddressEncoding,
    /// More fields than columns.
    #[error(
        "the line has {fields} fields, and the header names {width} columns; is a separator missing its quotes?"
    )]
    TooMany {
        /// What it has.
        fields: usize,
        /// What it should have.
        width: usize,
    },
    /// Fewer fields than columns.
    #[error(
        "the line has {fields} fields, and the header names {width} columns; does it go on in the next line?"
    )]
    TooFew {
        /// What it has.
        fields: usize,
        /// What it should have.
        width: usize,
    },
    /// Nobody knows where a field ends.
    #[error(
        "a quote stands in the middle of a field; put the whole field in quotes and write each quote in it twice"
    )]
    StrayQuote,
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
            Self::SeveralAddresses => "several_addresses",
            Self::ConsentedAt => "consented_at",
            Self::CountedDay => "counted_day",
            Self::RowMade => "row_made",
            Self::Future => "future",
            Self::AmbiguousDate => "ambiguous_date",
            Self::NoSource => "no_source",
            Self::LongSource => "long_source",
            Self::OddSource => "odd_source",
            Self::Locale => "locale",
            Self::State(_) => "state",
            Self::StateElsewhere { .. } => "state_elsewhere",
            Self::NotText => "not_text",
            Self::AddressEncoding => "address_encoding",
            Self::TooMany { .. } => "too_many",
            Self::TooFew { .. } => "too_few",
            Self::StrayQuote => "stray_quote",
            Self::OpenQuote { .. } => "open_quote",
        }
    }
}

impl From<DateProblem> for LineProblem {
    fn from(problem: DateProblem) -> Self {
        match problem {
            DateProblem::Unreadable => Self::ConsentedAt,
            DateProblem::Counted => Self::CountedDay,
            DateProblem::Ambiguous => Self::AmbiguousDate,
            DateProblem::Future => Self::Future,
        }
    }
}

impl<R: Read> Lines<R> {
    /// Reads on behind so many lines, with the separator and line ends of a plan.
    pub fn new(source: R, plan: &Plan, before: u64) -> Self {
        Self(Records::new(source, plan.separator.byte(), plan.line_end(), before))
    }

    /// The next line that is not blank.
    ///
    /// # Errors
    /// When the source cannot be read, or a line has no end.
    pub fn read(&mut self) -> Result<Option<Line>, ReadError> {
        Ok(self.0.read()?.map(|record| Line { number: record.number, record }))
    }

    /// How many bytes have been read as lines.
    pub fn bytes_read(&self) -> u64 {
        self.0.bytes_read()
    }
}

impl Line {
    /// What it says of somebody, or what is wrong with it.
    ///
    /// # Errors
    /// [`LineProblem`].
    pub fn said(&self, plan: &Plan, now: DateTime<Utc>) -> Result<Said, LineProblem> {
        self.is_certain(plan)?;
        let field = |column: usize| self.field(plan, column);
        let email = address(&field(plan.email.unwrap_or(usize::MAX))?)?;
        let listed = self.listed(plan)?;
        if listed == Listed::NeverConfirmed {
            return Ok(Said::NeverConfirmed);
        }
        let is_active = listed == Listed::Active;
        let of_all = plan.consented_at_of_all.filter(|at| *at <= now);
        let only_row = plan.consented_at_with.map(field).transpose()?.is_some_and(|with| with.is_empty());
        let consented_at = match plan.consented_at.map(field).transpose()?.as_deref() {
            None | Some("") => of_all,
            Some(_) if only_row && is_active && of_all.is_none() => return Err(LineProblem::RowMade),
            Some(_) if only_row => of_all,
            Some(text) => Some(dates::past(text, plan.time_zone, now)?),
        };
        // A list may no longer know when somebody agreed who has left.
        if is_active && consented_at.is_none() {
            return Err(LineProblem::ConsentedAt);
        }
        let source = match plan.source {
            Some(column) => field(column)?,
            None => plan.source_of_all.clone(),
        };
        match checked_source(&source) {
            Err(LineProblem::NoSource) if !is_active => {}
            checked => checked?,
        }
        let locale = match plan.locale.map(field).transpose()?.unwrap_or_default().as_str() {
            "" => plan.locale_of_all,
            text => language(text).ok_or(LineProblem::Locale)?,
        };
        self.is_whole(plan)?;
        Ok(Said::Row(Row { line: self.number, email, locale, listed, consented_at, source }))
    }

    /// Whether it is a heading over other lines, such as "Abgemeldet:", which none of those below repeats.
    #[must_use]
    pub fn heads_others(&self, plan: &Plan) -> bool {
        let fields = plan.fields_of(&self.record);
        let mut filled = fields.iter().filter(|field| !field.is_empty());
        let only = filled.next().filter(|_| filled.next().is_none());
        only.is_some_and(|text| !text.contains('@') && states::file_tells_of_leaving(text))
    }

    /// Whether its fields are certainly those that somebody has written.
    fn is_certain(&self, plan: &Plan) -> Result<(), LineProblem> {
        let (until, fields) = (self.record.until, &self.record.fields);
        let uses_several_lines = || {
            let mut used = fields.iter().enumerate().filter(|(column, _)| plan.uses(*column));
            used.any(|(_, field)| field.trim_ascii().contains(&b'\n'))
        };
        match self.record.oddity {
            Some(Oddity::OpenQuote) => return Err(LineProblem::OpenQuote { until }),
            _ if uses_several_lines() => return Err(LineProblem::OpenQuote { until }),
            Some(Oddity::StrayQuote) => return Err(LineProblem::StrayQuote),
            None => {}
        }
        // One byte in another encoding: who knows what it did to the others.
        // A file of a Mac or of DOS looks the same, and its letters are others: an address must not depend on which it is.
        let is_foreign = |column: Option<usize>, is_odd: fn(&u8) -> bool| {
            let field = column.and_then(|column| fields.get(column));
            plan.encoding == Encoding::Windows1252 && field.is_some_and(|field| field.iter().any(is_odd))
        };
        let rare = |byte: &u8| matches!(byte, 0x81 | 0x83 | 0x86..=0x90 | 0x98..=0x9f);
        if is_foreign(plan.email, |byte| !byte.is_ascii()) {
            return Err(LineProblem::AddressEncoding);
        }
        if is_foreign(plan.source, rare) {
            return Err(LineProblem::NotText);
        }
        if plan.encoding == Encoding::Utf8 && fields.iter().any(|field| str::from_utf8(field).is_err()) {
            return Err(LineProblem::NotText);
        }
        let more = fields.iter().skip(plan.width);
        if plan.width > 0 && more.clone().any(|field| !field.trim_ascii().is_empty()) {
            return Err(LineProblem::TooMany { fields: fields.len(), width: plan.width });
        }
        Ok(())
    }

    /// Whether nothing that counts is cut off. Spreadsheets leave empty cells at the end away; but the last field that is
    /// there may be half of one when it is free text, and a state that is not there is none.
    fn is_whole(&self, plan: &Plan) -> Result<(), LineProblem> {
        let fields = self.record.fields.len();
        let is_half = plan.source.is_some_and(|source| source + 1 == fields) || plan.source >= Some(fields);
        if fields < plan.width && is_half {
            return Err(LineProblem::TooFew { fields, width: plan.width });
        }
        Ok(())
    }

    /// The worst that the list says.
    fn listed(&self, plan: &Plan) -> Result<Listed, LineProblem> {
        let mut worst = plan.listed_as.unwrap_or(Listed::Active);
        for state in &plan.states {
            let value = self.field(plan, state.column)?;
            let fields = self.record.fields.len();
            if state.column >= fields && plan.width > 0 {
                // A date in a column that has it for few may be an empty cell at the end; a word may not.
                let read = state.means.read("").ok_or(LineProblem::TooFew { fields, width: plan.width })?;
                worst = worst.max(read);
                continue;
            }
            let read = state.means.read(&value);
            worst = worst.max(read.ok_or_else(|| LineProblem::State(value.chars().take(60).collect()))?);
        }
        let elsewhere = |(column, bytes): (usize, &Vec<u8>)| {
            let value = plan.encoding.text(bytes)?;
            let value = value.trim();
            let shown = || value.chars().take(60).collect();
            plan.tells_in(column, value)
                .then(|| LineProblem::StateElsewhere { column: column + 1, value: shown() })
        };
        match self.record.fields.iter().enumerate().find_map(elsewhere) {
            Some(problem) if worst == Listed::Active => Err(problem),
            _ => Ok(worst),
        }
    }

    fn field(&self, plan: &Plan, column: usize) -> Result<String, LineProblem> {
        let bytes = self.record.fields.get(column).map(Vec::as_slice).unwrap_or_default();
        let text = plan.encoding.text(bytes).ok_or(LineProblem::NotText)?;
        let text = text.trim();
        let is_ours = plan.preset == Some(Preset::Rundbrief);
        Ok(if is_ours { as_it_was(text) } else { Cow::Borrowed(text) }.into_owned())
    }
}

/// The address in a field.
fn address(text: &str) -> Result<EmailAddress, LineProblem> {
    EmailAddress::parse(without_name(text)).map_err(|problem| {
        let several = text.matches('@').count() > 1 && text.contains([';', ',', ' ', '/', '|', '\n']);
        if several { LineProblem::SeveralAddresses } else { LineProblem::Email(problem) }
    })
}

/// A language by its tag or its name, such as `de-DE`, `Deutsch` or `German (Austria)`.
fn language(text: &str) -> Option<Locale> {
    let word = text.split([' ', '(', ',']).next().unwrap_or_default().to_lowercase();
    let by_name = Locale::ALL.into_iter().find(|locale| locale.language().names.contains(&word.as_str()));
    by_name.or_else(|| Locale::from_tag(&word))
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
