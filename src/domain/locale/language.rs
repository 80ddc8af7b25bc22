//! How a language writes numbers and times, and what it is called.

use chrono::{Datelike, NaiveDateTime};

/// What a language needs besides its texts. Patterns of times are those of [`chrono::format::strftime`], in which `%B`, `%b`,
/// `%A` and `%a` are the names that stand here.
pub struct Language {
    /// What it calls itself.
    pub own_name: &'static str,
    /// What lists of subscribers call it besides its tag, in lower case.
    pub names: &'static [&'static str],
    /// Stands between thousands.
    pub thousands: char,
    /// Before the tenths of a number.
    pub decimal: char,
    /// From January on: `%B`.
    pub months: [&'static str; 12],
    /// From January on: `%b`.
    pub short_months: [&'static str; 12],
    /// From Monday on: `%A`.
    pub weekdays: [&'static str; 7],
    /// From Monday on: `%a`.
    pub short_weekdays: [&'static str; 7],
    /// A day in a sentence.
    pub date: &'static str,
    /// A day with its weekday.
    pub long_date: &'static str,
    /// A time of day.
    pub clock: &'static str,
    /// From one time of day to another, as `{begin}` and `{end}`.
    pub clock_range: &'static str,
    /// A moment in a sentence.
    pub date_and_time: &'static str,
    /// A day in a table.
    pub short_date: &'static str,
    /// A moment to come, this year.
    pub planned: &'static str,
    /// A moment to come, in another year.
    pub planned_with_year: &'static str,
    /// Subject of a mail that asks for help.
    pub help: &'static str,
    /// Before a telephone number, an e-mail address, the place of an event.
    pub phone: &'static str,
    pub email: &'static str,
    pub place: &'static str,
    /// The link to the calendar file of an event.
    pub save_event: &'static str,
}

impl Language {
    /// A number with a mark between its thousands.
    #[must_use]
    pub fn number(&self, number: i64) -> String {
        let digits = number.unsigned_abs().to_string();
        let mut text = if number < 0 { "-".to_owned() } else { String::new() };
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(self.thousands);
            }
            text.push(digit);
        }
        text
    }

    /// A time by one of the patterns.
    #[must_use]
    pub fn time(&self, pattern: &str, at: NaiveDateTime) -> String {
        let pattern = pattern
            .replace("%B", self.months[at.month0() as usize])
            .replace("%b", self.short_months[at.month0() as usize])
            .replace("%A", self.weekdays[at.weekday().num_days_from_monday() as usize])
            .replace("%a", self.short_weekdays[at.weekday().num_days_from_monday() as usize]);
        at.format(&pattern).to_string()
    }
}
