//! A mailing under way: confirmations overtake it, and people who unsubscribe are left out of the rest.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::Method;
use rundbrief::domain::{
    ids::{MailingId, SubscriberId},
    mailing::MailingState,
};
use sqlx::PgPool;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{
    chaos::{Dice, report, thousands},
    harness::{
        App, has_begun, http,
        smtp::{Action, Behaviour, Phase, behave},
    },
};

/// How soon the relay has a confirmation mail, whatever else is under way.
const SOON: Duration = Duration::from_secs(2);

/// Signups while a mailing runs.
struct Burst {
    /// `SEND_RATE`.
    rate: &'static str,
    /// How long the relay takes for each recipient.
    pause: Duration,
    audience: usize,
    signups: usize,
    /// The time between two signups.
    interval: Duration,
}

impl Burst {
    /// Lets people sign up one after the other, from the trigger on; answers how long each waited from the press of the
    /// button until the relay had the mail, the shortest first.
    async fn waits(&self) -> Vec<Duration> {
        let app = App::new().relay(slow(self.pause)).setting("SEND_RATE", self.rate).start().await;
        app.subscribers(self.audience).await;
        app.trigger().await;
        let mut pressed = HashMap::new();
        for n in 0..self.signups {
            let email = format!("new{n}@example.org");
            pressed.insert(email.clone(), Instant::now());
            assert_eq!(app.sign_up(&email).await.status, 303);
            sleep(self.interval).await;
        }
        let runs = app.count("select count(*) from mailings where state = 'sending'").await == 1;
        assert!(runs, "the mailing is over after {} mails", app.relay.accepted_count());
        let all = i64::try_from(self.signups).unwrap();
        app.wait_for_count(
            "select count(*) from deliveries where kind = 'confirmation' and state = 'accepted'",
            all,
        )
        .await;
        let accepted = app.relay.accepted();
        assert!(accepted.len() > self.signups, "copies of the mailing were sent, too");
        let mut waits: Vec<Duration> = accepted
            .iter()
            .filter_map(|mail| Some(mail.at.duration_since(*pressed.get(&mail.to[0])?)))
            .collect();
        assert_eq!(waits.len(), self.signups);
        waits.sort_unstable();
        waits
    }

    /// With numbers that count: prints and asserts how long 99 of 100 waited at most.
    async fn measure(&self) {
        let waits = self.waits().await;
        let (half, most) = (percentile(&waits, 50), percentile(&waits, 99));
        let rate = if self.rate == "0" { "unlimited" } else { self.rate };
        report(&format!(
            "* {} confirmations during a mailing to {}, SEND_RATE {rate}: p50 {half:.0?}, p99 {most:.0?}, longest {:.0?}",
            self.signups,
            thousands(self.audience),
            waits[waits.len() - 1]
        ));
        assert!(most <= SOON, "{waits:?}");
    }
}

/// A relay that takes its time for each recipient, and none for the final dot: what has come there, it has.
fn slow(pause: Duration) -> Behaviour {
    let pause = Action::Delay(pause);
    let relay = behave(move |phase, _| if phase == Phase::Rcpt { pause } else { Action::Go });
    Behaviour { texts_kept: 0, ..relay }
}

/// What so many of a hundred stay within.
fn percentile(sorted: &[Duration], of_100: usize) -> Duration {
    sorted[(sorted.len() * of_100).div_ceil(100) - 1]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_confirmation_overtakes_a_mailing_to_a_slow_relay() {
    let burst = Burst {
        rate: "0",
        pause: Duration::from_millis(10),
        audience: 5_000,
        signups: 20,
        interval: Duration::from_millis(150),
    };
    let waits = burst.waits().await;
    assert!(waits.iter().all(|wait| *wait <= SOON), "{waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_confirmation_overtakes_a_mailing_at_twenty_a_second() {
    let burst = Burst {
        rate: "20",
        pause: Duration::from_millis(10),
        audience: 5_000,
        signups: 20,
        interval: Duration::from_millis(250),
    };
    let waits = burst.waits().await;
    assert!(waits.iter().all(|wait| *wait <= SOON), "{waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn two_hundred_confirmations_overtake_a_mailing_to_a_hundred_thousand() {
    let burst = Burst {
        rate: "0",
        pause: Duration::from_millis(1),
        audience: 100_000,
        signups: 200,
        interval: Duration::from_millis(100),
    };
    burst.measure().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn two_hundred_confirmations_overtake_a_mailing_to_a_hundred_thousand_at_twenty_a_second() {
    let burst = Burst {
        rate: "20",
        pause: Duration::from_millis(1),
        audience: 100_000,
        signups: 200,
        interval: Duration::from_millis(150),
    };
    burst.measure().await;
}

/// People who leave at the same time, at most.
const AT_ONCE: usize = 32;

/// A message to somebody who has left may come this long after the answer: it was marked before, and had to get here.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// A mailing as the relay sees it: who has been named to it, and how far down the list that is.
struct Front {
    positions: HashMap<String, usize>,
    named: Vec<OnceLock<Instant>>,
    furthest: AtomicUsize,
}

impl Front {
    /// Of a mailing to these, in this order.
    fn of(everybody: &[(Uuid, String)]) -> Arc<Self> {
        let positions =
            everybody.iter().enumerate().map(|(position, (_, email))| (email.clone(), position)).collect();
        let named = everybody.iter().map(|_| OnceLock::new()).collect();
        Arc::new(Self { positions, named, furthest: AtomicUsize::new(0) })
    }

    /// A relay that takes its time for each recipient and notes when they were named.
    fn relay(self: &Arc<Self>) -> Behaviour {
        let front = Arc::clone(self);
        let relay = behave(move |phase, to| {
            if phase != Phase::Rcpt {
                return Action::Go;
            }
            if let Some(position) = front.positions.get(to) {
                // Only the first time counts.
                let _ = front.named[*position].set(Instant::now());
                front.furthest.fetch_max(*position, Ordering::Relaxed);
            }
            Action::Delay(Duration::from_millis(15))
        });
        Behaviour { texts_kept: 0, ..relay }
    }
}

/// Somebody who leaves when the mailing is about to get there.
struct Leaver {
    id: SubscriberId,
    path: String,
    position: usize,
    /// How many others it still has before it.
    lead: usize,
}

/// Somebody who has left.
struct Left {
    position: usize,
    /// When the answer was there.
    answered: Instant,
    /// Whether the copy had been marked as begun when somebody looked right after that.
    had_begun: bool,
}

impl Leaver {
    async fn leave(self, address: SocketAddr, pool: &PgPool, mailing: MailingId, front: &Front) -> Left {
        while front.furthest.load(Ordering::Relaxed) + self.lead < self.position {
            sleep(Duration::from_millis(1)).await;
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer =
            http::send(address, Method::POST, &self.path, &headers, "List-Unsubscribe=One-Click").await;
        let answered = Instant::now();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let had_begun = has_begun(pool, mailing, self.id).await;
        Left { position: self.position, answered, had_begun }
    }
}

/// Has one of `every` so many subscribers leave in the moments before, while and after their copy is sent. Asserts that
/// nobody got a copy that began after the answer; answers how many had left in time, and how many too late.
async fn race(audience: usize, every: usize) -> (usize, usize) {
    let app = App::new().start().await;
    app.subscribers(audience).await;
    // The order in which they are written to.
    let everybody: Vec<(Uuid, String)> =
        sqlx::query_as("select id, email from subscribers order by id").fetch_all(&app.pool).await.unwrap();
    let front = Front::of(&everybody);
    app.relay.set(front.relay());
    let composer = app.composer();
    let mut dice = Dice::new();
    let leavers: Vec<Leaver> = everybody
        .iter()
        .enumerate()
        .step_by(every)
        .map(|(position, (id, _))| {
            let id = SubscriberId(*id);
            // Half of them cut it fine.
            let furthest = if dice.below(2) == 0 { 12 } else { 150 };
            let path = format!("/unsubscribe/{}", composer.own_tokens(id).unsubscribe);
            Leaver { id, path, position, lead: dice.below(furthest) }
        })
        .collect();
    let mailing = app.trigger().await;
    let leaving = leave_together(leavers, app.address, &app.pool, mailing, &front);
    let left = timeout(Duration::from_mins(3), leaving).await.expect("everybody has left in time");
    let counts = app.wait_for_state(mailing, MailingState::Done).await;

    let mut in_time = 0;
    for Left { position, answered, had_begun } in left {
        let email = &everybody[position].1;
        if let Some(named) = front.named[position].get() {
            assert!(had_begun, "{email} had left before its copy was begun");
            let late = named.saturating_duration_since(answered);
            assert!(late < ON_ITS_WAY, "{email} was named to the relay {late:?} after the answer");
        } else {
            in_time += 1;
        }
    }
    let delivered = app.relay.sink_count_per_recipient();
    assert!(delivered.values().all(|copies| *copies == 1), "somebody got two copies");
    assert_eq!(delivered.len(), audience - in_time);
    let whole = |n: i64| usize::try_from(n).unwrap();
    assert_eq!((whole(counts.skipped), whole(counts.accepted)), (in_time, delivered.len()), "{counts:?}");
    (in_time, audience.div_ceil(every) - in_time)
}

/// Has all of them leave, a few at a time, in their order.
async fn leave_together(
    leavers: Vec<Leaver>,
    address: SocketAddr,
    pool: &PgPool,
    mailing: MailingId,
    front: &Arc<Front>,
) -> Vec<Left> {
    let waiting = Arc::new(Mutex::new(leavers.into_iter()));
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (waiting, pool, front) = (Arc::clone(&waiting), pool.clone(), Arc::clone(front));
        // A function, so that nobody holds the lock while leaving.
        let next = move || waiting.lock().unwrap().next();
        tasks.spawn(async move {
            let mut left = Vec::new();
            while let Some(leaver) = next() {
                left.push(leaver.leave(address, &pool, mailing, &front).await);
            }
            left
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_an_unsubscribe_answered_during_a_mailing_holds_for_every_message_that_begins_later() {
    let (in_time, too_late) = race(1_500, 3).await;
    assert!(in_time >= 50 && too_late >= 50, "no race: {in_time} left in time, {too_late} too late");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn invariant_3_five_thousand_leave_a_mailing_to_twenty_thousand() {
    let (in_time, too_late) = race(20_000, 4).await;
    report(&format!(
        "* 5,000 of 20,000 leave during a mailing, {AT_ONCE} at a time: {in_time} in time and skipped, {too_late} too late and sent"
    ));
    assert!(in_time >= 500 && too_late >= 500, "no race: {in_time} left in time, {too_late} too late");
}
