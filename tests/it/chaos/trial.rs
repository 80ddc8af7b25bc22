//! A mailing under chaos, and the check of its result.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use rundbrief::domain::ids::MailingId;
use tokio::time::sleep;

use super::PATIENCE;
use crate::harness::TestApp;

/// A mailing that has to survive whatever happens to its workers.
pub struct Trial<'a> {
    app: &'a TestApp,
    mailing: MailingId,
    audience: usize,
    begun: Instant,
}

impl<'a> Trial<'a> {
    /// Triggers a mailing to so many fresh subscribers.
    pub async fn begin(app: &'a TestApp, audience: usize) -> Self {
        app.subscribers(audience).await;
        let mailing = app.trigger().await;
        Self { app, mailing, audience, begun: Instant::now() }
    }

    /// Asserts that the mailing is not over yet, so that everything before this did meet it.
    pub async fn still_runs(&self) {
        let (state, delivered) = (self.state().await, self.app.relay.accepted_count());
        let runs = matches!(state.as_str(), "preparing" | "sending") && delivered < self.audience;
        assert!(runs, "it came too late to show anything: the mailing is {state}, {delivered} are delivered");
    }

    /// Waits for the end of the mailing, prints its row of the table, and asserts that
    ///
    /// - delivered, rejected, unknown and skipped together are the audience: nobody is lost;
    /// - the relay took no address twice;
    /// - it has everything that we call accepted, and nothing that we call rejected or skipped;
    /// - no more are `unknown` than this.
    pub async fn judge(self, what: &str, deaths: usize, unknown_at_most: usize) {
        self.wait_for_its_end().await;
        let seconds = self.begun.elapsed().as_secs();
        // A copy too many would be a late one.
        sleep(Duration::from_secs(1)).await;
        let delivered = self.app.relay.sink_count_per_recipient();
        let twice = delivered.values().filter(|copies| **copies > 1).count();
        let states = self.states().await;
        let count = |wanted: &str| states.values().filter(|state| state.as_str() == wanted).count();
        let unknown = count("unknown");
        report(&format!(
            "| {what} | {deaths} | {} | {} | {unknown} | {} | {} | {twice} | {seconds} |",
            count("accepted"),
            count("rejected"),
            count("skipped"),
            delivered.len()
        ));

        assert_eq!(twice, 0, "addresses got two copies");
        assert_eq!(states.len(), self.audience, "subscribers were lost");
        for (email, state) in &states {
            let has_it = delivered.contains_key(email);
            let is_right = match state.as_str() {
                "accepted" => has_it,
                "rejected" | "skipped" => !has_it,
                state => state == "unknown",
            };
            assert!(is_right, "{email} is {state}, and in the relay's log: {has_it}");
        }
        let strangers = delivered.keys().filter(|email| !states.contains_key(*email)).count();
        assert_eq!(strangers, 0, "addresses outside the audience got a copy");
        assert!(unknown <= unknown_at_most, "{unknown} are unknown, {unknown_at_most} may be");
    }

    async fn wait_for_its_end(&self) {
        let (mut delivered, mut since) = (0, Instant::now());
        while self.state().await != "done" {
            let now = self.app.relay.accepted_count();
            if now > delivered {
                (delivered, since) = (now, Instant::now());
            }
            let moves = since.elapsed() < PATIENCE;
            assert!(moves, "nothing moves any more: {:?}", self.app.status(self.mailing).await);
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn state(&self) -> String {
        sqlx::query_scalar("select state::text from mailings where id = $1")
            .bind(self.mailing.0)
            .fetch_one(&self.app.pool)
            .await
            .unwrap()
    }

    /// Every subscriber's address, with what became of its copy.
    async fn states(&self) -> HashMap<String, String> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "select s.email, coalesce(d.state::text, 'left out')
             from subscribers s left join deliveries d on d.subscriber_id = s.id and d.mailing_id = $1",
        )
        .bind(self.mailing.0)
        .fetch_all(&self.app.pool)
        .await
        .unwrap();
        let count = rows.len();
        let states: HashMap<String, String> = rows.into_iter().collect();
        assert_eq!(states.len(), count, "somebody has two deliveries");
        states
    }
}

/// Prints a line of what `make test-chaos` came to, on a line of its own.
#[allow(clippy::print_stdout, reason = "the table is what these tests are run for")]
pub fn report(line: &str) {
    println!("\n{line}");
}

/// A number under a million as people write it: 20,000.
pub fn thousands(n: usize) -> String {
    if n < 1_000 { n.to_string() } else { format!("{},{:03}", n / 1_000, n % 1_000) }
}
