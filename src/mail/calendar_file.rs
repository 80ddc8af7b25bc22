//! The calendar file of an event (RFC 5545), which a mail links to.

use chrono::DateTime;
use icalendar::{Calendar, Component as _, Event, EventLike as _, Property};

use crate::domain::{
    calendar_event::{CalendarEvent, When},
    publication::TimeZone,
};

/// The file of an event, always the same bytes. Its moments are those of UTC: every calendar puts them on its own clocks,
/// and none has to know our time zone's rules. `uid` makes it known again when it is added twice. Nothing where the clocks of
/// the time zone do not show the time once.
#[must_use]
pub fn calendar_file(event: &CalendarEvent, zone: TimeZone, uid: &str) -> Option<String> {
    let mut entry = Event::new();
    // When the entry was made is not known, and it is never made anew.
    entry.uid(uid).timestamp(DateTime::UNIX_EPOCH).summary(&event.title);
    if !event.place.is_empty() {
        entry.location(&event.place);
    }
    match event.when(zone)? {
        When::Days(first, behind) => {
            entry.starts(first).ends(behind);
        }
        When::Moments(begin, end) => {
            entry.starts(begin);
            if let Some(end) = end {
                entry.ends(end);
            }
        }
    }
    let mut calendar = Calendar::empty();
    for (name, value) in
        [("VERSION", "2.0"), ("PRODID", "-//Rundbrief//Rundbrief//EN"), ("METHOD", "PUBLISH")]
    {
        calendar.append_property(Property::new(name, value));
    }
    calendar.push(entry);
    Some(calendar.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(day: &str, begin: &str, end: &str) -> String {
        let day = day.parse().unwrap();
        let event = CalendarEvent {
            title: "Werkstatt; Bauen, Essen\\Trinken: gemeinsam mit den Auszubildenden aus der Oberlausitz"
                .into(),
            place: "Altmarkt 21, Cottbus".into(),
            day,
            begin: begin.parse().ok(),
            last_day: day,
            end: end.parse().ok(),
        };
        calendar_file(&event, TimeZone::default(), "a@example.org").unwrap()
    }

    #[test]
    fn the_file_has_the_moments_of_the_clocks_on_its_day_and_no_text_breaks_it() {
        let winter = file("2026-12-16", "14:00:00", "16:30:00");
        assert!(winter.lines().all(|line| line.len() <= 75), "{winter}");
        assert_eq!(winter.matches("\r\n").count(), winter.matches('\n').count());
        let unfolded = winter.replace("\r\n ", "");
        let lines: Vec<&str> = unfolded.lines().collect();
        for line in [
            "BEGIN:VCALENDAR",
            "UID:a@example.org",
            "DTSTART:20261216T130000Z",
            "DTEND:20261216T153000Z",
            "LOCATION:Altmarkt 21\\, Cottbus",
            "SUMMARY:Werkstatt\\; Bauen\\, Essen\\\\Trinken: gemeinsam mit den Auszubildenden aus der Oberlausitz",
            "END:VCALENDAR",
        ] {
            assert!(lines.contains(&line), "{line} in {unfolded}");
        }
        let summer = file("2027-06-16", "14:00:00", "16:30:00");
        assert!(
            summer.contains("DTSTART:20270616T120000Z") && summer.contains("DTEND:20270616T143000Z"),
            "{summer}"
        );
        let day = file("2026-12-16", "", "");
        assert!(day.contains("DTSTART;VALUE=DATE:20261216"), "{day}");
        assert!(day.contains("DTEND;VALUE=DATE:20261217"), "{day}");
    }
}
