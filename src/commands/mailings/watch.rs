//! `mailings status --watch`: a progress bar, the counts, and the rate.

use std::{collections::VecDeque, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    commands::output,
    db::Pool,
    domain::{
        ids::MailingId,
        mailing::{Counts, Failure, Mailing, MailingState},
        queue::delivery::DeliveryState,
    },
};

use super::{progress, word};

/// Shows the progress once a second, until the mailing is done or cancelled.
pub async fn watch(pool: &Pool, id: MailingId) -> anyhow::Result<()> {
    let mut seen: VecDeque<(Instant, i64)> = VecDeque::new();
    loop {
        let (mailing, counts) = progress(pool, id).await?;
        let now = Instant::now();
        seen.push_back((now, ended(&counts)));
        // The rate is that of the last five seconds: an average over all would hide that it has stopped.
        while seen.front().is_some_and(|(at, _)| now - *at > Duration::from_secs(5)) {
            seen.pop_front();
        }
        output::progress(&summary(&mailing, &counts, rate(&seen)));
        if matches!(mailing.state, MailingState::Done | MailingState::Cancelled) {
            output::line("");
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn ended(counts: &Counts) -> i64 {
    counts.accepted + counts.rejected + counts.unknown + counts.skipped
}

fn rate(seen: &VecDeque<(Instant, i64)>) -> Option<f64> {
    let ((first_at, first), (last_at, last)) = (seen.front()?, seen.back()?);
    let seconds = (*last_at - *first_at).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    (seconds > 0.5).then(|| (last - first) as f64 / seconds)
}

/// The time left at this rate. What waits for another attempt is not counted: the rate does not decide when it is sent.
fn time_left(mailing: &Mailing, counts: &Counts, rate: Option<f64>) -> Option<String> {
    let rate = rate.filter(|rate| *rate > 0.0 && mailing.state == MailingState::Sending)?;
    let waiting = counts.pending + counts.claimed + counts.transmitting - counts.put_off;
    #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
    let seconds = (waiting.max(0) as f64 / rate).ceil();
    let (count, unit) = match seconds {
        ..90.0 => (seconds, "s"),
        ..5400.0 => ((seconds / 60.0).ceil(), "min"),
        _ => ((seconds / 3600.0).ceil(), "h"),
    };
    (waiting > 0).then(|| format!("about {count:.0} {unit} left"))
}

/// One line: bar, state, counts; rate and time left where a rate was measured.
pub fn summary(mailing: &Mailing, counts: &Counts, rate: Option<f64>) -> String {
    if mailing.is_waiting_to_begin() {
        return format!("{}: it has not begun, and nothing was sent", word(mailing));
    }
    if mailing.state == MailingState::Done && mailing.audience == 0 {
        return "done: nobody was subscribed when it began, so nothing was sent".into();
    }
    let waiting = counts.pending + counts.claimed + counts.transmitting;
    let left = time_left(mailing, counts, rate).map(|left| format!(", {left}")).unwrap_or_default();
    let rate = rate.map(|rate| format!(", {rate:.0}/s")).unwrap_or_default();
    let reason = mailing.pause_reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!(
        "{} {}{reason}: {} of {} accepted, {waiting} waiting, {} rejected, {} unknown, {} skipped{rate}{left}",
        bar(ended(counts), mailing.audience),
        word(mailing),
        counts.accepted,
        mailing.audience,
        counts.rejected,
        counts.unknown,
        counts.skipped
    )
}

/// What went wrong, a line for each reply of the relay.
pub fn failures(failures: &[Failure]) -> Vec<String> {
    failures
        .iter()
        .map(|failure| {
            let state = match failure.state {
                DeliveryState::Pending => "waits",
                state => state.name(),
            };
            let code = failure.smtp_code.map(|code| format!("{code} ")).unwrap_or_default();
            format!("{:>9} {state:8}  {code}{}", failure.count, failure.reply)
        })
        .collect()
}

fn bar(done: i64, of: i64) -> String {
    const WIDTH: i64 = 24;
    let full = (done * WIDTH).checked_div(of).unwrap_or(0).clamp(0, WIDTH);
    let part = |letter: &str, count: i64| letter.repeat(usize::try_from(count).unwrap_or(0));
    format!("[{}{}]", part("#", full), part(".", WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailing(state: MailingState) -> Mailing {
        let now = chrono::Utc::now();
        Mailing {
            id: MailingId::new(),
            update_id: crate::domain::ids::UpdateId::new(),
            update: "u".into(),
            state,
            subject: "s".into(),
            audience: 1000,
            triggered_at: now,
            scheduled_at: None,
            begun_at: Some(now),
            paused_at: None,
            pause_kind: None,
            pause_reason: None,
            finished_at: None,
        }
    }

    #[test]
    fn time_left_is_told_only_when_a_rate_was_measured_and_for_what_the_rate_applies_to() {
        let counts = Counts { pending: 900, put_off: 300, accepted: 100, ..Counts::default() };
        let left = |state, rate| time_left(&mailing(state), &counts, rate);
        assert_eq!(left(MailingState::Sending, None), None);
        assert_eq!(left(MailingState::Sending, Some(0.0)), None);
        assert_eq!(left(MailingState::Paused, Some(10.0)), None);
        assert_eq!(left(MailingState::Sending, Some(10.0)).as_deref(), Some("about 60 s left"));
        assert_eq!(left(MailingState::Sending, Some(1.0)).as_deref(), Some("about 10 min left"));
        assert_eq!(left(MailingState::Sending, Some(0.1)).as_deref(), Some("about 2 h left"));
        let only_put_off = Counts { pending: 300, put_off: 300, ..Counts::default() };
        assert_eq!(time_left(&mailing(MailingState::Sending), &only_put_off, Some(5.0)), None);
    }
}
