//! Days and moments as people, spreadsheets and services write them.
//!
//! A day alone is kept as a day: its midnight in UTC (`consent::day_alone`). So is a time of exactly midnight without a
//! zone, which is how spreadsheets write a day. Another time without a zone is read in the time zone of the publication.
//! What can be read in two ways is not read.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};

use crate::domain::publication::TimeZone;

/// Why something is no date that can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateProblem {
    /// No date is seen in it.
    Unreadable,
    /// A number, as spreadsheets count days, in two ways that differ by four years.
    Counted,
    /// Day and month could change places.
    Ambiguous,
    /// It has not come yet.
    Future,
}

/// Reads a date that lies in the past.
///
/// # Errors
/// [`DateProblem`]
pub fn past(text: &str, zone: TimeZone, now: DateTime<Utc>) -> Result<DateTime<Utc>, DateProblem> {
    let at = match read(text, zone, now)? {
        When::Day(day) if day > now.with_timezone(&zone.0).date_naive() => return Err(DateProblem::Future),
        When::Day(day) => day.and_time(NaiveTime::MIN).and_utc(),
        When::Moment(at) if at > now => return Err(DateProblem::Future),
        When::Moment(at) => at,
    };
    if at.date_naive() <= earliest() {
        return Err(DateProblem::Unreadable);
    }
    Ok(at)
}

/// Databases and spreadsheets write the beginning of their time where there is no date; nobody agreed to mail by then.
fn earliest() -> NaiveDate {
    NaiveDate::from_ymd_opt(1970, 1, 2).unwrap_or_default()
}

/// What a cell of a state column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InState {
    /// A date in some way, even in two.
    Date,
    /// The beginning of a calendar, which stands for none.
    Zero,
    /// No date.
    None,
}

/// Whether this is a date.
#[must_use]
pub fn in_state(text: &str) -> InState {
    let day = match read(text, TimeZone::default(), DateTime::UNIX_EPOCH) {
        Err(DateProblem::Unreadable | DateProblem::Counted) => return InState::None,
        Err(_) => return InState::Date,
        Ok(When::Day(day)) => day,
        Ok(When::Moment(at)) => at.date_naive(),
    };
    if day <= earliest() { InState::Zero } else { InState::Date }
}

enum When {
    Day(NaiveDate),
    Moment(DateTime<Utc>),
}

fn read(text: &str, zone: TimeZone, now: DateTime<Utc>) -> Result<When, DateProblem> {
    let text = text.trim();
    if text.len() > 60 {
        return Err(DateProblem::Unreadable);
    }
    if let Ok(exact) = DateTime::parse_from_rfc3339(text) {
        return Ok(When::Moment(exact.to_utc()));
    }
    if text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Seconds since 1970: what CleverReach writes.
        let seconds = text.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        return seconds.map(When::Moment).ok_or(DateProblem::Unreadable);
    }
    // 2000 to 2099, as Excel counts.
    let whole = text.split(['.', ',']).next().unwrap_or_default();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',');
    if is_number && whole.len() == 5 && whole.parse().is_ok_and(|days: u32| (36_526..73_051).contains(&days))
    {
        return Err(DateProblem::Counted);
    }
    let (day, rest) = day_first(text, now)?;
    let rest = rest.trim_start_matches([',', ' ', 'T', 't']).trim_end_matches("Uhr").trim();
    if rest.is_empty() {
        return Ok(When::Day(day));
    }
    let (time, offset) = time_of_day(rest).ok_or(DateProblem::Unreadable)?;
    if let Some(offset) = offset {
        let at = offset.from_local_datetime(&day.and_time(time)).single().ok_or(DateProblem::Unreadable)?;
        return Ok(When::Moment(at.to_utc()));
    }
    if time == NaiveTime::MIN {
        return Ok(When::Day(day));
    }
    // Twice or never on the days when clocks change: then the day alone is certain.
    Ok(zone
        .0
        .from_local_datetime(&day.and_time(time))
        .single()
        .map_or(When::Day(day), |at| When::Moment(at.to_utc())))
}

/// The day that a text begins with, and what stands behind it.
fn day_first(text: &str, now: DateTime<Utc>) -> Result<(NaiveDate, &str), DateProblem> {
    let unreadable = DateProblem::Unreadable;
    if !text.starts_with(|c: char| c.is_ascii_digit())
        || text.find(char::is_alphabetic).is_some_and(|at| is_month_at(text, at))
    {
        return named_month(text).ok_or(unreadable);
    }
    let (first, sign, rest) = number(text).ok_or(unreadable)?;
    let (second, again, rest) = number(rest.trim_start_matches(' ')).ok_or(unreadable)?;
    if sign != again {
        return Err(unreadable);
    }
    let rest = rest.trim_start_matches(' ');
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (third, rest) = rest.split_at(digits);
    let is_year_first = first.len() == 4;
    let (year, a, b) = if is_year_first { (first, second, third) } else { (third, first, second) };
    if a.len() > 2 || b.len() > 2 || b.is_empty() {
        return Err(unreadable);
    }
    let (year, a, b): (i32, u32, u32) = (
        century(year, now).ok_or(unreadable)?,
        a.parse().map_err(|_| unreadable)?,
        b.parse().map_err(|_| unreadable)?,
    );
    let date = |month, day| NaiveDate::from_ymd_opt(year, month, day).ok_or(unreadable);
    let day = match sign {
        '-' | '/' | '.' if is_year_first => date(a, b),
        '.' => date(b, a),
        // Germans, Britons and Americans mean different days by the same signs.
        '/' | '-' if a > 12 || a == b => date(b, a),
        '/' | '-' if b > 12 => date(a, b),
        _ => Err(if a <= 12 && b <= 12 && a > 0 && b > 0 { DateProblem::Ambiguous } else { unreadable }),
    }?;
    Ok((day, rest))
}

/// Digits, and the one sign behind them.
fn number(text: &str) -> Option<(&str, char, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    let sign = rest.chars().next().filter(|sign| ['.', '-', '/'].contains(sign))?;
    (!number.is_empty() && number.len() <= 4).then_some((number, sign, &rest[1..]))
}

/// A year with four figures, or with two, of the last hundred years.
fn century(year: &str, now: DateTime<Utc>) -> Option<i32> {
    use chrono::Datelike as _;
    let number: i32 = year.parse().ok()?;
    match year.len() {
        4 => Some(number),
        // A consent of 1970 or before by electronic mail there is not.
        2 if number <= (now.year() % 100).max(0) || now == DateTime::UNIX_EPOCH => Some(2000 + number),
        2 if number > 70 => Some(1900 + number),
        2 => Some(2000 + number),
        _ => None,
    }
}

const MONTHS: [(&str, u32); 33] = [
    ("januar", 1),
    ("jänner", 1),
    ("jan", 1),
    ("january", 1),
    ("februar", 2),
    ("february", 2),
    ("feb", 2),
    ("märz", 3),
    ("maerz", 3),
    ("mär", 3),
    ("mrz", 3),
    ("march", 3),
    ("mar", 3),
    ("april", 4),
    ("apr", 4),
    ("mai", 5),
    ("may", 5),
    ("juni", 6),
    ("june", 6),
    ("jun", 6),
    ("juli", 7),
    ("july", 7),
    ("jul", 7),
    ("august", 8),
    ("aug", 8),
    ("september", 9),
    ("sept", 9),
    ("sep", 9),
    ("oktober", 10),
    ("october", 10),
    ("okt", 10),
    ("oct", 10),
    ("november", 11),
];

fn month(word: &str) -> Option<u32> {
    let word = word.trim_end_matches('.').to_lowercase();
    MONTHS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number).or(match word.as_str() {
        "nov" => Some(11),
        "dezember" | "december" | "dez" | "dec" => Some(12),
        _ => None,
    })
}

fn is_month_at(text: &str, at: usize) -> bool {
    month(text[at..].split(|c: char| !c.is_alphabetic()).next().unwrap_or_default()).is_some()
}

/// `1. März 2025`, `1 March 2025`, `March 1, 2025`.
fn named_month(text: &str) -> Option<(NaiveDate, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() < 3 {
        rest = rest.trim_start_matches([' ', ',', '.', '-']);
        let end = rest.find([' ', ',', '.', '-', 'T']).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        rest = behind;
    }
    let (day, month) = match (month(parts[0]), month(parts[1])) {
        (Some(month), None) => (parts[1], month),
        (None, Some(month)) => (parts[0], month),
        _ => return None,
    };
    let year = (parts[2].len() == 4).then_some(parts[2])?;
    Some((NaiveDate::from_ymd_opt(year.parse().ok()?, month, day.parse().ok()?)?, rest))
}

/// A time of day, with a zone if one is named.
fn time_of_day(text: &str) -> Option<(NaiveTime, Option<FixedOffset>)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(text.len());
    let (clock, mut rest) = text.split_at(end);
    let mut time = ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .find_map(|form| {
            NaiveDateTime::parse_from_str(&format!("2000-01-01 {clock}"), &format!("%Y-%m-%d {form}")).ok()
        })?
        .time();
    rest = rest.trim();
    let lower = rest.to_lowercase();
    for (half, is_afternoon) in [("am", false), ("pm", true)] {
        if lower.starts_with(half) {
            use chrono::{TimeDelta, Timelike as _};
            if !(1..=12).contains(&time.hour()) {
                return None;
            }
            let hour = time.hour() % 12 + if is_afternoon { 12 } else { 0 };
            time = time.with_hour(hour)? + TimeDelta::zero();
            rest = rest[2..].trim();
        }
    }
    if rest.is_empty() || rest == "Uhr" {
        return Some((time, None));
    }
    // "+0100", "+01:00", "UTC", "Z", and both, as Go writes it: "+0000 UTC".
    let utc = FixedOffset::east_opt(0);
    if ["z", "utc", "gmt"].contains(&rest.to_lowercase().as_str()) {
        return Some((time, utc));
    }
    let number = rest.split(' ').next().unwrap_or_default();
    let exact =
        DateTime::parse_from_str(&format!("2000-01-01 00:00:00 {number}"), "%Y-%m-%d %H:%M:%S %#z").ok()?;
    Some((time, Some(*exact.offset())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<String, DateProblem> {
        let now = "2026-11-29T12:00:00Z".parse().expect("a time");
        past(text, TimeZone::default(), now).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    #[test]
    fn days_are_read_as_people_and_services_write_them() {
        for text in [
            "2025-03-01",
            "01.03.2025",
            "1.3.2025",
            "01.03.25",
            "1.3.25",
            "1. 3. 2025",
            "2025/03/01",
            "2025-03-01 00:00:00",
            "01.03.2025 00:00",
            "1. März 2025",
            "1 March 2025",
            "March 1, 2025",
        ] {
            assert_eq!(at(text).as_deref(), Ok("2025-03-01T00:00:00Z"), "{text}");
        }
        assert_eq!(at("12/31/2024").as_deref(), Ok("2024-12-31T00:00:00Z"));
        assert_eq!(at("31/12/2024").as_deref(), Ok("2024-12-31T00:00:00Z"));
    }

    #[test]
    fn a_time_without_a_zone_is_the_publications() {
        for text in [
            "2025-03-01T10:05:00+01:00",
            "2025-03-01T09:05:00Z",
            "2025-03-01 10:05",
            "2025-03-01T10:05:00",
            "2025-03-01 10:05:00.000",
            "01.03.2025 10:05",
            "1.3.2025, 10:05 Uhr",
            "2025-03-01 09:05:00 +0000 UTC",
            "2025-03-01 09:05:00 UTC",
            "2025-03-01 10:05:00+0100",
            "1.3.25 10:05",
            "March 1, 2025 10:05 am",
            "1740819900",
        ] {
            assert_eq!(at(text).as_deref(), Ok("2025-03-01T09:05:00Z"), "{text}");
        }
        assert_eq!(at("03/13/2025 2:05 PM").as_deref(), Ok("2025-03-13T13:05:00Z"));
        assert_eq!(at("2025-10-26 02:30").as_deref(), Ok("2025-10-26T00:00:00Z"), "this hour came twice");
    }

    #[test]
    fn invariant_11_what_can_be_read_in_two_ways_is_not_read() {
        for text in ["03/01/2025", "1/2/25", "03-01-2025"] {
            assert_eq!(at(text), Err(DateProblem::Ambiguous), "{text}");
        }
        for text in ["45717", "45717.4201", "45717,42"] {
            assert_eq!(at(text), Err(DateProblem::Counted), "{text}");
        }
        for text in ["2999-01-01", "30.11.2026", "2026-11-29T13:00:00Z"] {
            assert_eq!(at(text), Err(DateProblem::Future), "{text}");
        }
        for text in [
            "",
            "gestern",
            "32.03.2025",
            "12345678",
            "-9999-01-01",
            "0000-00-00",
            "01.03.2025 25:00",
            "1.3.",
            "2025",
            "01.03.2025 abc",
            "ä",
        ] {
            assert_eq!(at(text), Err(DateProblem::Unreadable), "{text}");
        }
    }
}
