//! What a text looks like depends on besides its words.

use std::fmt;

use crate::domain::{calendar_event::CalendarEvent, hosted::Hosted, locale::Locale};

/// What the parts of a mail need beside the Markdown.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The colour of links and buttons.
    pub accent: &'a str,
    /// How large pictures are, as far as it is known.
    pub hosted: &'a Hosted,
    /// The language of the mail.
    pub locale: Locale,
    /// The address of an event's calendar file, where it has one.
    pub calendar: &'a dyn Fn(&CalendarEvent) -> Option<String>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("accent", &self.accent).finish_non_exhaustive()
    }
}
