//! When an event is: the dates and times of day that people write in its fields.

use chrono::{Datelike as _, NaiveDate, NaiveTime, Weekday};

use crate::domain::{calendar_event::CalendarEvent, locale::Locale};

use super::directive::{Directive, Key};

/// Why an event has no certain time: the field to mend, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclear {
    pub line: usize,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is no date that can be read for certain.
    Date(String),
    /// It is no time of day.
    Time(String),
    /// The date falls on another weekday than was written.
    Weekday(NaiveDate),
    /// It ends before it begins, or at the same moment.
    Order,
    /// It ends at a time and begins at none.
    NoBegin,
}

/// The event that a block tells of. Nothing where it has no title or no date, which is told elsewhere.
///
/// # Errors
/// Everything that is unclear.
pub fn read(directive: &Directive) -> Result<Option<CalendarEvent>, Vec<Unclear>> {
    let mut unclear = Vec::new();
    let day = directive.field(Key::Date).and_then(|field| {
        date(&field.value).map_err(|why| unclear.push(Unclear { line: field.line, why })).ok()
    });
    let begin = directive.field(Key::Begin).and_then(|field| {
        let time = time(&field.value);
        if time.is_none() {
            unclear.push(Unclear { line: field.line, why: Why::Time(field.value.clone()) });
        }
        time
    });
    let end = directive.field(Key::End).and_then(|field| {
        end(&field.value).map_err(|why| unclear.push(Unclear { line: field.line, why })).ok()
    });
    let (last_day, end) = end.unwrap_or((None, None));
    let last_day = last_day.or(day);
    let line = directive.field(Key::End).map_or(directive.line, |field| field.line);
    if let (Some(day), Some(last_day)) = (day, last_day) {
        let is_backwards =
            last_day < day || (last_day == day && begin.zip(end).is_some_and(|(begin, end)| end <= begin));
        if is_backwards {
            unclear.push(Unclear { line, why: Why::Order });
        }
    }
    // When it ends on that day is not known, so a calendar could only leave the day out.
    if begin.is_some() && end.is_none() && last_day != day {
        let text = directive.get(Key::End).unwrap_or_default().to_owned();
        unclear.push(Unclear { line, why: Why::Time(text) });
    }
    if end.is_some() && directive.field(Key::Begin).is_none() {
        unclear.push(Unclear { line, why: Why::NoBegin });
    }
    if !unclear.is_empty() {
        return Err(unclear);
    }
    let place = directive.get(Key::Place).unwrap_or_default().to_owned();
    let title = directive.get(Key::Title).map(str::to_owned);
    Ok(title.zip(day).map(|(title, day)| {
        let last_day = last_day.unwrap_or(day);
        CalendarEvent { title, place, day, begin, last_day, end }
    }))
}

const WEEKDAYS: [(Weekday, &[&str]); 7] = [
    (Weekday::Mon, &["montag", "mo", "monday", "mon"]),
    (Weekday::Tue, &["dienstag", "di", "tuesday", "tue"]),
    (Weekday::Wed, &["mittwoch", "mi", "wednesday", "wed"]),
    (Weekday::Thu, &["donnerstag", "do", "thursday", "thu"]),
    (Weekday::Fri, &["freitag", "fr", "friday", "fri"]),
    (Weekday::Sat, &["samstag", "sonnabend", "sa", "saturday", "sat"]),
    (Weekday::Sun, &["sonntag", "so", "sunday", "sun"]),
];

/// `16.12.2026`, `16. Dezember 2026`, `December 16, 2026`, `2026-12-16`, each with or without its weekday.
fn date(text: &str) -> Result<NaiveDate, Why> {
    let plain = text.to_lowercase().replace(',', " ");
    let plain = plain.trim();
    let (first, behind) = plain.split_once(' ').unwrap_or((plain, ""));
    let named = first.trim_end_matches('.');
    let weekday = WEEKDAYS.iter().find(|(_, names)| names.contains(&named)).map(|(weekday, _)| *weekday);
    let date = day(if weekday.is_some() { behind.trim() } else { plain });
    let date = date.ok_or_else(|| Why::Date(text.to_owned()))?;
    if weekday.is_some_and(|weekday| weekday != date.weekday()) {
        return Err(Why::Weekday(date));
    }
    Ok(date)
}

fn day(text: &str) -> Option<NaiveDate> {
    let parts: Vec<&str> = text.split(['.', ' ']).filter(|part| !part.is_empty()).collect();
    let date = match parts.as_slice() {
        [iso] if iso.len() == 10 && iso.starts_with(|c: char| c.is_ascii_digit()) => iso.parse().ok()?,
        [day, number, year] if text.contains('.') && is_number(number) => {
            NaiveDate::from_ymd_opt(whole_year(year)?, number.parse().ok()?, short(day)?)?
        }
        [day, name, year] if is_number(day) => {
            NaiveDate::from_ymd_opt(whole_year(year)?, month(name)?, short(day)?)?
        }
        [name, day, year] => NaiveDate::from_ymd_opt(whole_year(year)?, month(name)?, short(day)?)?,
        _ => return None,
    };
    (1900..=2999).contains(&date.year()).then_some(date)
}

fn is_number(text: &str) -> bool {
    (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn short(text: &str) -> Option<u32> {
    is_number(text).then(|| text.parse().ok())?
}

/// With two figures it could be another century.
fn whole_year(text: &str) -> Option<i32> {
    (text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn month(name: &str) -> Option<u32> {
    let of = |locale: Locale| {
        let language = locale.language();
        let at = |names: &[&str; 12]| names.iter().position(|known| known.to_lowercase() == name);
        at(&language.months).or_else(|| at(&language.short_months))
    };
    u32::try_from(Locale::ALL.into_iter().find_map(of)? + 1).ok()
}

/// `14 Uhr`, `14:30`, `14.30 Uhr`, `14 Uhr 30`, `2 pm`.
fn time(text: &str) -> Option<NaiveTime> {
    let lower = text.to_lowercase();
    let lower = lower.trim();
    let afternoon = [("am", 0), ("a.m.", 0), ("pm", 12), ("p.m.", 12)]
        .into_iter()
        .find_map(|(half, hours)| Some((lower.strip_suffix(half)?.trim_end(), hours)));
    let (clock, half) = afternoon.map_or((lower, None), |(clock, hours)| (clock, Some(hours)));
    let clock = clock.strip_suffix("uhr").or_else(|| clock.strip_suffix('h')).unwrap_or(clock).trim_end();
    let (hour, minute) = [" uhr ", ":", "."]
        .into_iter()
        .find_map(|sign| clock.split_once(sign))
        .map_or((clock, None), |(hour, minute)| (hour, Some(minute)));
    let minute = match minute {
        None => 0,
        Some(minute) if minute.len() == 2 => short(minute)?,
        Some(_) => return None,
    };
    let hour = short(hour)?;
    let hour = match half {
        None => hour,
        Some(hours) if (1..=12).contains(&hour) => hour % 12 + hours,
        Some(_) => return None,
    };
    NaiveTime::from_hms_opt(hour, minute, 0)
}

/// A time of day, a date, or both.
fn end(text: &str) -> Result<(Option<NaiveDate>, Option<NaiveTime>), Why> {
    if let Some(time) = time(text) {
        return Ok((None, Some(time)));
    }
    let whole = match date(text) {
        Err(Why::Date(_)) => Why::Date(text.to_owned()),
        found => return found.map(|date| (Some(date), None)),
    };
    for (at, _) in text.match_indices(' ') {
        let (day, clock) = text.split_at(at);
        if let Some(time) = time(clock) {
            match date(day.trim_end_matches([',', ' '])) {
                Err(Why::Date(_)) => {}
                found => return found.map(|date| (Some(date), Some(time))),
            }
        }
    }
    Err(if text.contains(char::is_whitespace) && text.len() > 8 { whole } else { Why::Time(text.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_people_write_them() {
        let expected = NaiveDate::from_ymd_opt(2026, 12, 16).unwrap();
        for text in [
            "16.12.2026",
            "16. 12. 2026",
            "16. Dezember 2026",
            "16. Dez. 2026",
            "Mittwoch, 16.12.2026",
            "Mi, 16. Dezember 2026",
            "Mi. 16.12.2026",
            "2026-12-16",
            "16 December 2026",
            "December 16, 2026",
            "Wednesday, 16 December 2026",
        ] {
            assert_eq!(date(text), Ok(expected), "{text}");
        }
        for text in [
            "16.12.26",
            "12/16/2026",
            "16.12.",
            "31.02.2026",
            "morgen",
            "",
            "16.12.2026 14 Uhr",
            "16 12 2026",
        ] {
            assert_eq!(date(text), Err(Why::Date(text.into())), "{text}");
        }
        assert_eq!(date("Dienstag, 16.12.2026"), Err(Why::Weekday(expected)));
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let at = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0);
        for (text, expected) in [
            ("14 Uhr", at(14, 0)),
            ("14", at(14, 0)),
            ("14:30", at(14, 30)),
            ("14.30 Uhr", at(14, 30)),
            ("14 Uhr 30", at(14, 30)),
            ("9:05", at(9, 5)),
            ("2 pm", at(14, 0)),
            ("12:30 am", at(0, 30)),
            ("25 Uhr", None),
            ("14:3", None),
            ("14–16 Uhr", None),
            ("mittags", None),
            ("14 pm", None),
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
    }

    #[test]
    fn an_end_is_a_time_a_date_or_both() {
        let day = NaiveDate::from_ymd_opt(2026, 12, 18);
        let at = NaiveTime::from_hms_opt(16, 0, 0);
        assert_eq!(end("16 Uhr"), Ok((None, at)));
        assert_eq!(end("18.12.2026"), Ok((day, None)));
        for both in ["18.12.2026, 16 Uhr", "18. Dezember 2026 16:00", "Fr, 18.12.2026, 16 Uhr"] {
            assert_eq!(end(both), Ok((day, at)), "{both}");
        }
        assert_eq!(end("spät"), Err(Why::Time("spät".into())));
        assert_eq!(end("Mo, 18.12.2026, 16 Uhr"), Err(Why::Weekday(day.unwrap())));
    }
}
