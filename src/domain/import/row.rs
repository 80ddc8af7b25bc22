//! What a line of a list says once it is checked.

use chrono::{DateTime, Utc};

use crate::domain::{address::EmailAddress, locale::Locale};

use super::states::Listed;

/// One line of a subscriber file, checked.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its line in the file, counted from 1.
    pub line: u64,
    pub email: EmailAddress,
    /// The language to write in.
    pub locale: Locale,
    /// What the list says of its owner; never that they did not confirm.
    pub listed: Listed,
    /// When its owner agreed. Only of those who are not to be mailed it may be unknown.
    pub consented_at: Option<DateTime<Utc>>,
    /// Where and how, in the importer's words.
    pub source: String,
}
