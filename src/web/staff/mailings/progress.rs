//! How a mailing goes, in numbers and words: the same on the page, in what its script is told, and for screen readers.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    domain::{
        locale::Locale,
        mailing::{MailingState, Overview, PauseKind, Progress},
        publication::TimeZone,
    },
    web::{renderer::Renderer, staff::formats::planned_time},
};

/// The time that a rate is measured over: an average over all would hide that it has stopped.
const WINDOW: Duration = Duration::from_secs(10);
/// What is shorter is no measurement.
const MEASURED: Duration = Duration::from_secs(3);

/// How many deliveries ended lately.
#[derive(Debug, Default)]
pub struct Rate(VecDeque<(Instant, i64)>);

impl Rate {
    /// Takes how many had ended at this moment; answers how many a second that makes, once there is enough to go by.
    pub fn observe(&mut self, now: Instant, ended: i64) -> Option<f64> {
        // Sent again: what had ended has not.
        if self.0.back().is_some_and(|(_, before)| ended < *before) {
            self.0.clear();
        }
        self.0.push_back((now, ended));
        while self.0.len() > 2 && self.0.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.0.pop_front();
        }
        let ((first_at, first), (last_at, last)) = (self.0.front()?, self.0.back()?);
        let span = *last_at - *first_at;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        (span >= MEASURED).then(|| (last - first) as f64 / span.as_secs_f64())
    }
}

/// What the page has to look like: it is made anew when this changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Scheduled,
    Overdue,
    Running,
    Paused,
    /// Cancelled; what was on its way then still ends.
    Ending,
    Over,
}

impl From<&Progress> for Phase {
    fn from(progress: &Progress) -> Self {
        match progress.state {
            MailingState::Scheduled => Self::Scheduled,
            MailingState::Preparing | MailingState::Sending => Self::Running,
            MailingState::Paused if progress.pause_kind == Some(PauseKind::Overdue) => Self::Overdue,
            MailingState::Paused => Self::Paused,
            MailingState::Done | MailingState::Cancelled if progress.is_over() => Self::Over,
            MailingState::Done | MailingState::Cancelled => Self::Ending,
        }
    }
}

/// What the word for where a mailing stands depends on.
pub struct MailingStanding {
    state: MailingState,
    has_grace: bool,
    is_taken_back: bool,
    pause_kind: Option<PauseKind>,
    scheduled_at: Option<DateTime<Utc>>,
}

impl From<&Overview> for MailingStanding {
    fn from(mailing: &Overview) -> Self {
        Self {
            state: mailing.state,
            has_grace: mailing.has_grace,
            is_taken_back: mailing.taken_back_at.is_some(),
            pause_kind: mailing.pause_kind,
            scheduled_at: mailing.scheduled_at,
        }
    }
}

impl From<&Progress> for MailingStanding {
    fn from(progress: &Progress) -> Self {
        Self {
            state: progress.state,
            has_grace: progress.has_grace,
            is_taken_back: false,
            pause_kind: progress.pause_kind,
            scheduled_at: progress.scheduled_at,
        }
    }
}

impl MailingStanding {
    /// The key of its word. One that can still be taken back is not merely planned, one that was taken back not merely
    /// cancelled, and one that has not begun in time not merely paused.
    pub fn key(&self) -> &'static str {
        match self.state {
            MailingState::Scheduled if self.has_grace => "starting",
            MailingState::Scheduled => "scheduled",
            MailingState::Preparing => "preparing",
            MailingState::Sending => "sending",
            MailingState::Paused if self.pause_kind == Some(PauseKind::Overdue) => "overdue",
            MailingState::Paused => "paused",
            MailingState::Done => "done",
            MailingState::Cancelled if self.is_taken_back => "taken_back",
            MailingState::Cancelled => "cancelled",
        }
    }

    /// Its word, with the time where it waits for one: `Geplant Mo, 30.11., 8:00`.
    pub fn words(&self, pages: &Renderer, locale: Locale, zone: TimeZone) -> String {
        let at = self.scheduled_at.map(|at| planned_time(locale, zone, at, Utc::now()));
        pages.text(locale, "staff.mailing_state", self.key()).replace("{at}", &at.unwrap_or_default())
    }
}

/// What of a mailing stands fixed on its page until the page is made anew: when it begins, and which words it has.
fn plan(progress: &Progress) -> String {
    let at = progress.scheduled_at.map(|at| at.timestamp_micros()).unwrap_or_default();
    format!("{at}.{}", progress.frozen_at.timestamp_micros())
}

/// How a mailing goes, as its page shows it and its events tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgressView {
    phase: Phase,
    /// Where it stands, in words.
    state: String,
    kind: Option<PauseKind>,
    plan: String,
    ended: i64,
    /// One at least, for the bar.
    audience: i64,
    percent: i64,
    sentence: String,
    /// How fast it goes; nothing while that is not measured, or nothing goes.
    rate: Option<String>,
    /// How long it takes at this rate.
    left: Option<String>,
    accepted: String,
    waiting: String,
    rejected: String,
    unknown: String,
    skipped: String,
    /// How many wait for another try; empty where none do.
    put_off: String,
}

impl ProgressView {
    /// Times are told on the clocks of `zone`.
    pub fn of(
        pages: &Renderer,
        locale: Locale,
        zone: TimeZone,
        progress: &Progress,
        rate: Option<f64>,
    ) -> Self {
        let text = |key: &str| pages.text(locale, "staff.progress", key);
        let plural = |key: &str, count: i64| pages.plural(locale, "staff.progress", key, count);
        let shown = |n: i64| locale.number(n);
        let counts = &progress.counts;
        let sentence = text("sentence")
            .replace("{ended}", &shown(progress.ended()))
            .replace("{audience}", &shown(progress.audience))
            .replace("{accepted}", &shown(counts.accepted));
        let rate = rate.filter(|_| progress.state == MailingState::Sending);
        let left = rate.and_then(|rate| time_left(progress, rate));
        let left = left.map(|(count, unit)| plural(unit, count));
        Self {
            phase: Phase::from(progress),
            state: MailingStanding::from(progress).words(pages, locale, zone),
            kind: progress.pause_kind,
            plan: plan(progress),
            ended: progress.ended(),
            audience: progress.audience.max(1),
            percent: percent(progress),
            sentence,
            rate: rate.map(|rate| rate_text(locale, rate, text)),
            left,
            accepted: shown(counts.accepted),
            waiting: shown(progress.waiting()),
            rejected: shown(counts.rejected),
            unknown: shown(counts.unknown),
            skipped: shown(counts.skipped),
            put_off: if counts.put_off > 0 { plural("put_off", counts.put_off) } else { String::new() },
        }
    }
}

/// A hundred only when all have ended.
fn percent(progress: &Progress) -> i64 {
    (progress.ended() * 100).checked_div(progress.audience).unwrap_or(0).clamp(0, 100)
}

fn rate_text<'a>(locale: Locale, rate: f64, text: impl Fn(&str) -> &'a str) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a rate for people")]
    let (key, count) =
        if rate >= 1.0 { ("rate", rate.round() as i64) } else { ("rate_slow", (rate * 60.0).round() as i64) };
    text(key).replace("{count}", &locale.number(count))
}

/// How long it takes at this rate, and the key of the text with the unit. What waits for another try is not counted: when
/// that goes out is not a matter of the rate.
fn time_left(progress: &Progress, rate: f64) -> Option<(i64, &'static str)> {
    let waiting = (progress.waiting() - progress.counts.put_off).max(0);
    if waiting == 0 || rate <= 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "an estimate for people"
    )]
    let seconds = (waiting as f64 / rate).ceil().min(1e9) as i64;
    Some(match seconds {
        ..90 => (seconds, "left_second"),
        90..5400 => ((seconds + 59) / 60, "left_minute"),
        _ => ((seconds + 3599) / 3600, "left_hour"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::MailingId, mailing::Counts};

    fn sending(counts: Counts) -> Progress {
        let (id, state, frozen_at) = (MailingId::new(), MailingState::Sending, Utc::now());
        let (scheduled_at, has_grace, pause_kind) = (None, false, None);
        Progress { id, state, audience: 2000, scheduled_at, has_grace, frozen_at, pause_kind, counts }
    }

    #[test]
    fn a_rate_is_told_once_it_was_measured_and_begins_anew_after_a_retry() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(rate.observe(at(0), 0), None);
        assert_eq!(rate.observe(at(2), 100), None);
        assert_eq!(rate.observe(at(4), 200), Some(50.0));
        assert_eq!(rate.observe(at(20), 200), Some(0.0), "it has stopped");
        assert_eq!(rate.observe(at(21), 150), None);
    }

    #[test]
    fn time_left_is_told_of_what_the_rate_applies_to() {
        let left = |counts, rate| time_left(&sending(counts), rate);
        let counts = Counts { pending: 900, put_off: 300, ..Counts::default() };
        assert_eq!(left(counts, 0.0), None);
        assert_eq!(left(counts, 10.0), Some((60, "left_second")));
        assert_eq!(left(counts, 1.0), Some((10, "left_minute")));
        assert_eq!(left(counts, 0.1), Some((2, "left_hour")));
        assert_eq!(left(Counts { pending: 300, put_off: 300, ..Counts::default() }, 5.0), None);
    }

    #[test]
    fn a_hundred_percent_are_all() {
        assert_eq!(percent(&sending(Counts { accepted: 1999, pending: 1, ..Counts::default() })), 99);
        assert_eq!(percent(&sending(Counts { accepted: 1900, skipped: 100, ..Counts::default() })), 100);
        let nobody = Progress { audience: 0, ..sending(Counts::default()) };
        assert_eq!(percent(&nobody), 0);
    }
}
