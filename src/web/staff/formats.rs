//! Times as people read and type them.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeZone as _, Utc, offset::LocalResult};

use crate::domain::{
    locale::Locale,
    mailing::start_time::{self, StartTimeError},
    publication::TimeZone,
};

/// A moment to come, with its weekday: `Mo, 30.11., 8:00` or `Mon, 30 Nov, 8:00`; the year where it is not this one.
pub fn planned_time(locale: Locale, zone: TimeZone, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let (at, now) = (at.with_timezone(&zone.0), now.with_timezone(&zone.0));
    let language = locale.language();
    let pattern = if at.year() == now.year() { language.planned } else { language.planned_with_year };
    language.time(pattern, at.naive_local())
}

/// Why a date and a time are no moment at which a mailing can begin: the field to mend, and the key of what to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMoment(pub &'static str, pub &'static str);

/// Whether a date has a year that a calendar here shows. Beyond, times cannot be stored, and near the ends of what
/// [`NaiveDate`] knows they cannot be reckoned with.
pub fn is_of_our_era(date: NaiveDate) -> bool {
    (1..=9999).contains(&date.year())
}

/// The moment that a date and a time of day mean on the clocks of a time zone.
///
/// Twice a year a clock is put forward or back: what it skips is no moment, and what it shows twice would be two.
///
/// # Errors
/// [`NoMoment`], also for a moment at which no mailing can begin.
pub fn moment(zone: TimeZone, date: &str, time: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, NoMoment> {
    let date: NaiveDate = date.trim().parse().map_err(|_| NoMoment("date", "when_date"))?;
    if !is_of_our_era(date) {
        return Err(NoMoment("date", "when_date"));
    }
    let time = time.trim();
    // Browsers send the seconds when there are any.
    let time = NaiveTime::parse_from_str(time, "%H:%M")
        .or_else(|_| NaiveTime::parse_from_str(time, "%H:%M:%S"))
        .map_err(|_| NoMoment("time", "when_time"))?;
    let at = match zone.0.from_local_datetime(&date.and_time(time)) {
        LocalResult::Single(at) => at.to_utc(),
        LocalResult::None => return Err(NoMoment("time", "when_skipped")),
        LocalResult::Ambiguous(..) => return Err(NoMoment("time", "when_twice")),
    };
    start_time::check(at, now).map(|()| at).map_err(|error| match error {
        StartTimeError::Passed => {
            let today = now.with_timezone(&zone.0).date_naive();
            NoMoment(if date < today { "date" } else { "time" }, "when_past")
        }
        StartTimeError::TooFar => NoMoment("date", "when_far"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_time_has_its_weekday_on_the_publications_clocks_and_its_year_where_that_is_another() {
        let now: DateTime<Utc> = "2026-11-29T16:00:00Z".parse().unwrap();
        let shown = |locale, at: &str| planned_time(locale, TimeZone::default(), at.parse().unwrap(), now);
        assert_eq!(shown(Locale::De, "2026-11-30T07:00:00Z"), "Mo, 30.11., 8:00");
        assert_eq!(shown(Locale::En, "2026-11-30T07:00:00Z"), "Mon, 30 Nov, 8:00");
        // The last hour of the year by UTC is the first of the next one in Berlin.
        assert_eq!(shown(Locale::De, "2026-12-31T23:05:00Z"), "Fr, 1.1.2027, 0:05");
        assert_eq!(shown(Locale::En, "2027-01-03T13:30:00Z"), "Sun, 3 Jan 2027, 14:30");
        assert_eq!(shown(Locale::De, "2026-12-05T11:00:00Z"), "Sa, 5.12., 12:00");
    }

    #[test]
    fn a_time_on_the_clock_is_one_moment_or_told_why_not() {
        let now: DateTime<Utc> = "2026-10-01T10:00:00Z".parse().unwrap();
        let then = |date: &str, time: &str| moment(TimeZone::default(), date, time, now);
        assert_eq!(then("2026-10-02", "09:00").unwrap().to_rfc3339(), "2026-10-02T07:00:00+00:00");
        assert_eq!(then("2026-12-16", "09:00:00").unwrap().to_rfc3339(), "2026-12-16T08:00:00+00:00");
        // Clocks go back on 25 October 2026 at 3, and forward on 28 March 2027 at 2.
        assert_eq!(then("2026-10-25", "01:59").unwrap().to_rfc3339(), "2026-10-24T23:59:00+00:00");
        assert_eq!(then("2026-10-25", "02:30"), Err(NoMoment("time", "when_twice")));
        assert_eq!(then("2026-10-25", "03:00").unwrap().to_rfc3339(), "2026-10-25T02:00:00+00:00");
        assert_eq!(then("2027-03-28", "02:30"), Err(NoMoment("time", "when_skipped")));
        assert_eq!(then("2027-03-28", "03:00").unwrap().to_rfc3339(), "2027-03-28T01:00:00+00:00");
        assert_eq!(then("2026-10-01", "11:59"), Err(NoMoment("time", "when_past")));
        assert_eq!(then("2026-10-01", "12:00"), Err(NoMoment("time", "when_past")), "it is now");
        assert_eq!(then("2026-09-30", "12:00"), Err(NoMoment("date", "when_past")));
        assert_eq!(then("2027-10-03", "12:00"), Err(NoMoment("date", "when_far")));
        assert_eq!(then("16.12.2026", "12:00"), Err(NoMoment("date", "when_date")));
        assert_eq!(then("2026-12-16", "noon"), Err(NoMoment("time", "when_time")));
    }
}
