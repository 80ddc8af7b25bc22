//! Mailings through a failing relay, in exact numbers.
//!
//! The subscribers are `s1@example.org` … `sN@example.org`, and the relay decides by the number, so the outcome of each
//! is known beforehand. The relay's log must show exactly one copy for everybody who is to get one.
//!
//! N is 400. `make test-faults` sets it to 8,000 with `RUNDBRIEF_FAULT_RECIPIENTS`.

mod about_us;
mod broken_lines;
mod getting_in;
mod odd_replies;
mod refusals;
mod slow_relay;

use std::{
    collections::HashSet,
    env,
    sync::Mutex,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use rundbrief::domain::{
    ids::MailingId,
    mailing::{Counts, MailingState},
};
use tokio::time::sleep;

use crate::harness::{
    TestApp,
    smtp::{Action, Behaviour, Phase, behave},
};

/// Picks people by their number.
type Chosen = fn(usize) -> bool;

/// Where a limit of time is what counts, few people are enough.
const FEW: usize = 20;

fn five_percent(n: usize) -> bool {
    n % 20 == 7
}

fn thirty_percent(n: usize) -> bool {
    n % 10 < 3
}

fn the_third(n: usize) -> bool {
    n == 3
}

/// How many people there are.
fn recipients() -> usize {
    asked_for().unwrap_or(400)
}

/// Whether this is the full run, which may take minutes.
fn is_full_run() -> bool {
    asked_for().is_some()
}

fn asked_for() -> Option<usize> {
    let number = env::var("RUNDBRIEF_FAULT_RECIPIENTS").ok().filter(|number| !number.is_empty())?;
    Some(number.parse().expect("RUNDBRIEF_FAULT_RECIPIENTS is a number"))
}

/// The number in `s7@example.org`; nothing where the relay knows no recipient yet.
fn number(address: &str) -> Option<usize> {
    address.strip_prefix('s')?.strip_suffix("@example.org")?.parse().ok()
}

/// A relay that does this at one phase when it meets one of the chosen for the first time, and goes along with
/// everything else.
fn first_time(phase: Phase, chosen: Chosen, action: Action) -> Behaviour {
    first_time_each(phase, move |n| chosen(n).then_some(action))
}

/// As [`first_time`], with something of their own for each.
fn first_time_each(
    phase: Phase,
    action: impl Fn(usize) -> Option<Action> + Send + Sync + 'static,
) -> Behaviour {
    let met = Mutex::new(HashSet::new());
    behave(move |now, to| {
        let Some(n) = number(to).filter(|_| now == phase) else { return Action::Go };
        match action(n) {
            Some(action) if met.lock().unwrap().insert(n) => action,
            _ => Action::Go,
        }
    })
}

/// A mailing under way.
struct Run {
    app: TestApp,
    id: MailingId,
    audience: usize,
    begun: DateTime<Utc>,
}

impl Run {
    /// Triggers a mailing to this many people.
    async fn begin(app: TestApp, audience: usize) -> Self {
        Self::begin_with(app, audience, "Ein *Absatz*.").await
    }

    /// As [`Run::begin`], with a mail of some 280 KB: more than may be on its way when the relay stops reading.
    async fn begin_large(app: TestApp, audience: usize) -> Self {
        // Each of these letters is two bytes in the update, and six in both parts of the mail.
        Self::begin_with(app, audience, &"äöü ".repeat(7_100)).await
    }

    async fn begin_with(app: TestApp, audience: usize, body: &str) -> Self {
        app.subscribers(audience).await;
        let update = app.update_with_body("Neues aus der Werkstatt", body).await;
        let begun = Utc::now();
        let id = app.trigger_update(update).await;
        Self { app, id, audience, begun }
    }

    /// The chosen, by their numbers, in order.
    fn chosen(&self, chosen: impl Fn(usize) -> bool) -> Vec<usize> {
        (1..=self.audience).filter(|n| chosen(*n)).collect()
    }

    /// How many the chosen are.
    fn many(&self, chosen: impl Fn(usize) -> bool) -> i64 {
        i64::try_from(self.chosen(chosen).len()).unwrap()
    }

    fn everybody(&self) -> i64 {
        self.many(|_| true)
    }

    async fn state(&self) -> MailingState {
        self.app.status(self.id).await.0.state
    }

    async fn counts(&self) -> Counts {
        self.app.status(self.id).await.1
    }

    /// Waits until something is so; panics after half a minute, in the full run after five.
    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let patience = Duration::from_secs(if is_full_run() { 300 } else { 30 });
        let begun = Instant::now();
        while !is_so().await {
            let status = self.app.status(self.id).await;
            assert!(begun.elapsed() < patience, "not {what} after {patience:?}: {status:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until everybody has ended or been put off.
    async fn rest(&self) -> Counts {
        const AT_REST: &str = "select count(*) from deliveries
             where finished_at is not null or (state = 'pending' and attempts > 0)";
        self.until("at rest", async || self.app.count(AT_REST).await == self.everybody()).await;
        self.counts().await
    }

    /// Waits until the mailing is done. Nobody may be missing then.
    async fn done(&self) -> Counts {
        self.until("done", async || self.state().await == MailingState::Done).await;
        let (mailing, counts) = self.app.status(self.id).await;
        let ended = counts.accepted + counts.rejected + counts.unknown + counts.skipped;
        assert_eq!((ended, mailing.audience), (self.everybody(), self.everybody()), "{counts:?}");
        counts
    }

    /// The numbers of those whose delivery is in this state, in order.
    async fn those_in_state(&self, state: &str) -> Vec<usize> {
        let addresses: Vec<String> = sqlx::query_scalar(
            "select s.email from deliveries d join subscribers s on s.id = d.subscriber_id
             where d.state::text = $1",
        )
        .bind(state)
        .fetch_all(&self.app.pool)
        .await
        .unwrap();
        let mut numbers: Vec<usize> = addresses.iter().filter_map(|address| number(address)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// By the relay's log, exactly the chosen have a copy, and each of them one.
    fn assert_delivered_to(&self, chosen: impl Fn(usize) -> bool) {
        let mut delivered = self.app.relay.sink_count_per_recipient();
        for n in 1..=self.audience {
            let copies = delivered.remove(&format!("s{n}@example.org")).unwrap_or(0);
            assert_eq!(copies, usize::from(chosen(n)), "copies for s{n}@example.org");
        }
        assert!(delivered.is_empty(), "nobody else has one: {delivered:?}");
    }

    /// Everybody waits, and the relay was tried with nobody.
    async fn assert_nobody_tried(&self) {
        let counts = self.counts().await;
        assert_eq!(counts.pending + counts.claimed, self.everybody(), "{counts:?}");
        assert_eq!(self.app.count("select count(*) from deliveries where attempts > 0").await, 0);
        assert_eq!(self.app.relay.accepted_count(), 0);
    }

    /// No try counted but the one that worked.
    async fn assert_tried_once(&self) {
        assert_eq!(self.app.count("select count(*) from deliveries where attempts <> 1").await, 0);
    }

    /// Exactly the chosen wait: tried once, with this reply kept, and due again in a minute.
    async fn assert_put_off(&self, chosen: Chosen, code: Option<i16>, words: &str) {
        let waiting: Vec<(String, i16, Option<i16>, String, DateTime<Utc>)> = sqlx::query_as(
            "select s.email, d.attempts, d.smtp_code, coalesce(d.smtp_text, ''), b.due_at
             from deliveries d
             join subscribers s on s.id = d.subscriber_id
             join batches b on b.id = d.batch_id
             where d.state = 'pending'",
        )
        .fetch_all(&self.app.pool)
        .await
        .unwrap();
        let due = self.begun + TimeDelta::seconds(60)..=Utc::now() + TimeDelta::seconds(70);
        for (address, attempts, smtp_code, text, due_at) in &waiting {
            assert!(number(address).is_some_and(chosen), "{address} waits");
            assert_eq!((*attempts, *smtp_code), (1, code), "{address}: {text}");
            assert!(!text.is_empty() && text.contains(words), "{address}: {text}");
            assert!(due.contains(due_at), "{address} is due at {due_at}");
        }
        assert_eq!(waiting.len(), self.chosen(chosen).len());
    }

    /// Everybody else has got it while the chosen wait; when they are due, they get it too.
    async fn assert_the_second_try_works(&self, chosen: Chosen, code: Option<i16>, words: &str) {
        let counts = self.rest().await;
        let waiting = self.many(chosen);
        assert!(waiting > 0);
        assert_eq!(
            counts,
            Counts {
                accepted: self.everybody() - waiting,
                pending: waiting,
                put_off: waiting,
                ..Counts::default()
            }
        );
        self.assert_put_off(chosen, code, words).await;
        self.assert_delivered_to(|n| !chosen(n));
        self.app.let_all_be_due().await;
        self.assert_everybody_gets_it().await;
        assert_eq!(self.app.count("select count(*) from deliveries where attempts = 2").await, waiting);
    }

    /// In the end everybody has got it.
    async fn assert_everybody_gets_it(&self) {
        let counts = self.done().await;
        assert_eq!(counts, Counts { accepted: self.everybody(), ..Counts::default() });
        self.assert_delivered_to(|_| true);
    }

    /// In the end these, and only these, are unknown, everybody else has got it, and nothing more is sent.
    async fn assert_only_these_are_unknown(&self, chosen: Chosen) {
        let counts = self.done().await;
        let unknown = self.many(chosen);
        assert_eq!(counts, Counts { accepted: self.everybody() - unknown, unknown, ..Counts::default() });
        assert_eq!(self.those_in_state("unknown").await, self.chosen(chosen));
        let sent = self.app.relay.accepted_count();
        self.app.let_all_be_due().await;
        sleep(Duration::from_millis(500)).await;
        assert_eq!((self.app.relay.accepted_count(), self.counts().await), (sent, counts));
    }
}
