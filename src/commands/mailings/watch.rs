//! Watching a mailing: a bar, the counts, and the rate once there is one.

use std::{collections::VecDeque, time::Duration};

use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::{
    commands::output,
    domain::{
        ids::MailingId,
        mailing::{Counts, Mailing, MailingState},
    },
};

use super::{look, word};

/// Shows how a mailing goes, once a second, until it is done or cancelled.
pub async fn watch(pool: &PgPool, id: MailingId) -> anyhow::Result<()> {
    let mut seen: VecDeque<(Instant, i64)> = VecDeque::new();
    loop {
        let (mailing, counts) = look(&mut *pool.acquire().await?, id).await?;
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

/// One line: bar, state, counts, rate.
pub fn summary(mailing: &Mailing, counts: &Counts, rate: Option<f64>) -> String {
    let waiting = counts.pending + counts.claimed + counts.transmitting;
    let rate = rate.map(|rate| format!(", {rate:.0}/s")).unwrap_or_default();
    let reason = mailing.pause_reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!(
        "{} {}{reason}: {} of {} accepted, {waiting} waiting, {} rejected, {} unknown, {} skipped{rate}",
        bar(ended(counts), mailing.audience),
        word(mailing),
        counts.accepted,
        mailing.audience,
        counts.rejected,
        counts.unknown,
        counts.skipped
    )
}

fn bar(done: i64, of: i64) -> String {
    const WIDTH: i64 = 24;
    let full = (done * WIDTH).checked_div(of).unwrap_or(0).clamp(0, WIDTH);
    let part = |letter: &str, count: i64| letter.repeat(usize::try_from(count).unwrap_or(0));
    format!("[{}{}]", part("#", full), part(".", WIDTH - full))
}
