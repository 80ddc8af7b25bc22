//! An event that readers of a mail may put into their calendars.
//!
//! The link to its calendar file holds all of it, signed: what a mail shows and what its link gives can never differ, for
//! as long as the mail is kept; and nobody else can make our service hand out events of theirs.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};

use crate::{config::SecretKeys, domain::publication::TimeZone};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarEvent {
    pub title: String,
    /// May be empty.
    pub place: String,
    pub day: NaiveDate,
    /// On the clocks of its place; nothing where it takes the whole day, or days.
    pub begin: Option<NaiveTime>,
    pub last_day: NaiveDate,
    pub end: Option<NaiveTime>,
}

/// When an event is, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Whole days: the first one, and the one behind the last.
    Days(NaiveDate, NaiveDate),
    /// From one moment to another, if it is known when it ends.
    Moments(DateTime<Utc>, Option<DateTime<Utc>>),
}

/// Purpose of the signature.
const PURPOSE: &str = "calendar event";
/// Bytes of the signature in a link: half of SHA-256, the least RFC 2104 §5 allows.
const TAG: usize = 16;
/// Bytes of an event in a link, at most: more than the longest title and place that a text may have.
const MOST: usize = 1_800;

impl CalendarEvent {
    /// When it is, by the clocks of a time zone. Nothing for a time that a clock skips or shows twice when it is changed.
    #[must_use]
    pub fn when(&self, zone: TimeZone) -> Option<When> {
        let moment = |at: NaiveDateTime| zone.0.from_local_datetime(&at).single().map(|at| at.to_utc());
        let Some(begin) = self.begin else {
            return Some(When::Days(self.day, self.last_day.checked_add_days(Days::new(1))?));
        };
        let end = match self.end {
            Some(end) => Some(moment(self.last_day.and_time(end))?),
            None => None,
        };
        Some(When::Moments(moment(self.day.and_time(begin))?, end))
    }

    /// What a link holds of it. Nothing where it has no certain time, or is too long for a link.
    #[must_use]
    pub fn token(&self, zone: TimeZone, keys: &SecretKeys) -> Option<String> {
        self.when(zone)?;
        let time =
            |time: Option<NaiveTime>| time.map(|time| time.format("%H:%M").to_string()).unwrap_or_default();
        let day = |day: NaiveDate| day.format("%Y-%m-%d").to_string();
        let fields = [
            zone.0.name(),
            &day(self.day),
            &time(self.begin),
            &day(self.last_day),
            &time(self.end),
            &self.title,
            &self.place,
        ];
        let text = fields.join("\n");
        let bytes = [&keys.sign(PURPOSE, text.as_bytes())[..TAG], text.as_bytes()].concat();
        (text.len() <= MOST).then(|| URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The event of a link that one of our keys has signed.
    #[must_use]
    pub fn of_token(token: &str, keys: &SecretKeys) -> Option<(Self, TimeZone)> {
        if token.len() > (MOST + TAG) * 4 / 3 + 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, text) = bytes.split_at_checked(TAG)?;
        if !keys.verify(PURPOSE, text, tag) {
            return None;
        }
        let fields: Vec<&str> = str::from_utf8(text).ok()?.split('\n').collect();
        let [zone, day, begin, last_day, end, title, place] = fields.as_slice() else { return None };
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").ok();
        let event = Self {
            title: (*title).to_owned(),
            place: (*place).to_owned(),
            day: day.parse().ok()?,
            begin: time(begin),
            last_day: last_day.parse().ok()?,
            end: time(end),
        };
        Some((event, TimeZone(zone.parse().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn keys(byte: u8) -> SecretKeys {
        SecretKeys::parse(&STANDARD.encode([byte; 32])).unwrap()
    }

    fn event(day: &str, begin: &str, end: &str) -> CalendarEvent {
        let day = day.parse().unwrap();
        CalendarEvent {
            title: "Werkstatt; Bauen, Essen".into(),
            place: "Altmarkt 21, Cottbus".into(),
            day,
            begin: begin.parse().ok(),
            last_day: day,
            end: end.parse().ok(),
        }
    }

    fn moments(event: &CalendarEvent) -> String {
        match event.when(TimeZone::default()) {
            Some(When::Moments(begin, end)) => format!("{begin} {}", end.unwrap()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_event_is_at_the_moment_that_its_clocks_show() {
        // Clocks go back on 25 October 2026 at 3, and forward on 28 March 2027 at 2.
        for (day, begin, end, expected) in [
            ("2026-10-24", "14:00:00", "16:30:00", "2026-10-24 12:00:00 UTC 2026-10-24 14:30:00 UTC"),
            ("2026-10-25", "01:30:00", "04:00:00", "2026-10-24 23:30:00 UTC 2026-10-25 03:00:00 UTC"),
            ("2027-03-28", "01:30:00", "03:30:00", "2027-03-28 00:30:00 UTC 2027-03-28 01:30:00 UTC"),
            ("2027-03-29", "14:00:00", "16:30:00", "2027-03-29 12:00:00 UTC 2027-03-29 14:30:00 UTC"),
            ("2026-10-25", "02:30:00", "04:00:00", "None"),
            ("2027-03-28", "02:30:00", "04:00:00", "None"),
        ] {
            assert_eq!(moments(&event(day, begin, end)), expected, "{day} {begin}");
        }
        let days = event("2026-12-31", "", "").when(TimeZone::default());
        assert_eq!(days, Some(When::Days("2026-12-31".parse().unwrap(), "2027-01-01".parse().unwrap())));
    }

    #[test]
    fn a_link_holds_the_whole_event_and_nobody_else_can_write_one() {
        for event in [event("2026-12-16", "14:00:00", "16:30:00"), event("2026-12-16", "", "")] {
            let token = event.token(TimeZone::default(), &keys(7)).unwrap();
            assert_eq!(CalendarEvent::of_token(&token, &keys(7)), Some((event, TimeZone::default())));
            assert_eq!(CalendarEvent::of_token(&token, &keys(8)), None);
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            assert_eq!(CalendarEvent::of_token(&URL_SAFE_NO_PAD.encode(bytes), &keys(7)), None);
        }
        let long = CalendarEvent { title: "ä".repeat(1_000), ..event("2026-12-16", "", "") };
        assert_eq!(long.token(TimeZone::default(), &keys(7)), None);
        for text in ["", "x", "AAAA", &"A".repeat(10_000)] {
            assert_eq!(CalendarEvent::of_token(text, &keys(7)), None);
        }
    }
}
