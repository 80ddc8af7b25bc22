//! An event as readers see it: its day and its times, and where its calendar file is.

use chrono::NaiveTime;

use crate::domain::{calendar_event::CalendarEvent, locale::Locale};

use super::{
    appointment,
    directive::{Directive, Key},
    surroundings::Surroundings,
};

/// When it is, in lines. What cannot be read for certain stands there as it was typed.
pub fn when(directive: &Directive, locale: Locale) -> Vec<String> {
    match appointment::read(directive) {
        Ok(Some(event)) => written(&event, locale),
        _ => [Key::Date, Key::Begin, Key::End]
            .iter()
            .filter_map(|key| directive.get(*key).map(str::to_owned))
            .collect(),
    }
}

/// The address of its calendar file.
pub fn calendar(directive: &Directive, around: &Surroundings<'_>) -> Option<String> {
    (around.calendar)(&appointment::read(directive).ok().flatten()?)
}

fn written(event: &CalendarEvent, locale: Locale) -> Vec<String> {
    let language = locale.language();
    let day = |day: chrono::NaiveDate| language.time(language.long_date, day.and_time(NaiveTime::MIN));
    let clock = |time: NaiveTime| language.time(language.clock, event.day.and_time(time));
    if event.last_day != event.day {
        let with = |date, time: Option<NaiveTime>| match time {
            Some(time) => format!("{}, {}", day(date), clock(time)),
            None => day(date),
        };
        return vec![format!("{} –", with(event.day, event.begin)), with(event.last_day, event.end)];
    }
    let times = event.begin.map(|begin| match event.end {
        None => clock(begin),
        Some(end) => {
            let bare = |time: NaiveTime| time.format("%-H:%M").to_string();
            language.clock_range.replace("{begin}", &bare(begin)).replace("{end}", &bare(end))
        }
    });
    std::iter::once(day(event.day)).chain(times).collect()
}
