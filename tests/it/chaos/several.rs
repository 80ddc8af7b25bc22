//! Several workers on one database: killed and restarted at random, within one rate, and faster together.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use super::{Dice, PATIENCE, more_than, report, slow, thousands, trial::Trial, without_worker};
use crate::harness::{
    App, TestApp,
    process::{self, Process},
    smtp::{Action, Behaviour, Phase, behave},
};

/// How the leases of killed workers end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leases {
    /// After thirty seconds, by themselves.
    RunOut,
    /// At once, by our hand.
    CutShort,
}

/// Processes on one database: first those that run `worker`, then those that run `serve`.
struct Fleet<'a> {
    app: &'a TestApp,
    workers: usize,
    members: Vec<Process>,
}

impl<'a> Fleet<'a> {
    /// Starts so many of each.
    async fn start(app: &'a TestApp, workers: usize, serves: usize) -> Self {
        let mut fleet = Self { app, workers, members: Vec::new() };
        for place in 0..workers + serves {
            let member = fleet.member(place).await;
            fleet.members.push(member);
        }
        fleet
    }

    async fn member(&self, place: usize) -> Process {
        if place < self.workers { process::worker(self.app, &[]) } else { process::serve(self.app).await }
    }

    /// Kills one at random and starts another in its place, again and again until the relay has taken `until` mails;
    /// answers how many died.
    async fn disturb(&mut self, until: usize, pauses: &RangeInclusive<u64>, leases: Leases) -> usize {
        let mut dice = Dice::new();
        let mut deaths = 0;
        let begun = Instant::now();
        while self.app.relay.accepted_count() < until {
            sleep(dice.millis(pauses.clone())).await;
            let place = dice.below(self.members.len());
            let log = self.members.remove(place).kill_9().await;
            if leases == Leases::CutShort {
                cut_leases_short(self.app, &log).await;
            }
            let another = self.member(place).await;
            self.members.insert(place, another);
            deaths += 1;
            assert!(begun.elapsed() < Duration::from_mins(10), "nothing gets done any more");
        }
        deaths
    }

    /// Ends all of them; answers how many messages each of them had brought to the relay.
    async fn end(self) -> Vec<usize> {
        let mut brought = Vec::new();
        for member in self.members {
            brought.push(member.end().await.matches("accepted by the relay").count());
        }
        brought
    }
}

/// Lets the leases of a dead process run out now. It had one for each time its log says that it was ready; the other
/// processes live on and keep theirs.
async fn cut_leases_short(app: &TestApp, log: &str) {
    let workers: Vec<i64> = log
        .lines()
        .filter(|line| line.contains("the worker is ready"))
        .filter_map(|line| line.split_whitespace().find_map(|word| word.strip_prefix("worker=")))
        .map(|id| id.parse().expect("workers are numbered"))
        .collect();
    sqlx::query("update workers set lease_until = now() - interval '1 second' where id = any($1)")
        .bind(workers)
        .execute(&app.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_three_workers_killed_and_restarted_at_random_lose_nobody_and_double_nobody() {
    const CONNECTIONS: usize = 2;
    let app = without_worker(slow(8), CONNECTIONS).await;
    let trial = Trial::begin(&app, 2_000).await;
    let mut fleet = Fleet::start(&app, 3, 0).await;
    let deaths = fleet.disturb(1_200, &(100..=400), Leases::CutShort).await;
    trial.still_runs().await;
    assert!(deaths > 1, "only {deaths} died");
    trial.judge("3 × worker, killed and restarted, 2,000 recipients", deaths, deaths * CONNECTIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn invariant_2_six_processes_killed_and_restarted_at_random_share_fifty_thousand() {
    const CONNECTIONS: usize = 4;
    let app = without_worker(slow(25), CONNECTIONS).await;
    let trial = Trial::begin(&app, 50_000).await;
    let mut fleet = Fleet::start(&app, 4, 2).await;
    let deaths = fleet.disturb(25_000, &(500..=2_500), Leases::RunOut).await;
    trial.still_runs().await;
    assert!(deaths >= 10, "only {deaths} died");
    let what = "4 × worker and 2 × serve, killed and restarted, 50,000 recipients";
    trial.judge(what, deaths, deaths * CONNECTIONS).await;
    // Whoever lived to the end had a part in the second half: at least a quarter of a fair one.
    let brought = fleet.end().await;
    let all: usize = brought.iter().sum();
    report(&format!("* of these, the six that lived to the end brought {brought:?}"));
    assert!(brought.iter().all(|part| part * brought.len() * 4 >= all), "{brought:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_send_rate_holds_for_two_processes_together() {
    let app = App::new().setting("SEND_RATE", "100").without_worker().start().await;
    let _fleet = together(&app, 2, 0).await;
    more_than(&app, 650).await;
    let (least, most) = least_and_most(&times(&app), Duration::from_secs(1), Duration::from_secs(5));
    // That it is not much less is seen where nothing else runs (`make test-chaos`).
    assert!(least > 0 && most <= 550, "{least} to {most} in five seconds, 500 is the limit");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn the_send_rate_holds_over_any_ten_seconds_for_six_processes_together() {
    let app = App::new().setting("SEND_RATE", "100").without_worker().start().await;
    let _fleet = together(&app, 4, 2).await;
    more_than(&app, 4_400).await;
    let (least, most) = least_and_most(&times(&app), Duration::from_secs(2), Duration::from_secs(10));
    report(&format!("* SEND_RATE=100, 4 × worker and 2 × serve: {least} to {most} in any 10 s"));
    assert!(least >= 950 && most <= 1_050, "{least} to {most} in ten seconds, 1,000 is the limit");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn the_send_rate_holds_over_any_ten_seconds_for_six_processes_that_are_killed_and_restarted() {
    let app = App::new().setting("SEND_RATE", "100").without_worker().start().await;
    let mut fleet = together(&app, 4, 2).await;
    let deaths = fleet.disturb(4_400, &(2_000..=4_000), Leases::RunOut).await;
    let (least, most) = least_and_most(&times(&app), Duration::from_secs(2), Duration::from_secs(10));
    report(&format!(
        "* SEND_RATE=100, 4 × worker and 2 × serve, {deaths} killed and restarted: {least} to {most} in any 10 s"
    ));
    assert!(least >= 950 && most <= 1_050, "{least} to {most} in ten seconds, 1,000 is the limit");
}

/// Processes that begin a mailing all at the same time. It is so large that nobody runs out of it.
async fn together(app: &TestApp, workers: usize, serves: usize) -> Fleet<'_> {
    let fleet = Fleet::start(app, workers, serves).await;
    let all = i64::try_from(workers + serves).unwrap();
    app.wait_for_count("select count(*) from workers", all).await;
    app.subscribers(9_000).await;
    app.trigger().await;
    fleet
}

/// When the relay took its mails, in order.
fn times(app: &TestApp) -> Vec<Instant> {
    let mut times: Vec<Instant> = app.relay.accepted().iter().map(|mail| mail.at).collect();
    times.sort_unstable();
    times
}

/// The least and the most that came in any stretch of this length, the first `warm_up` left out.
///
/// Stretches that begin with a mail hold the most, those that begin right behind one the least.
fn least_and_most(times: &[Instant], warm_up: Duration, length: Duration) -> (usize, usize) {
    let (from, last) = (times[0] + warm_up, times[times.len() - 1]);
    let counts: Vec<usize> = times
        .iter()
        .enumerate()
        .filter(|(_, begin)| **begin >= from && **begin + length <= last)
        .map(|(place, begin)| times.partition_point(|time| *time < *begin + length) - place)
        .collect();
    let most = *counts.iter().max().expect("it went on for long enough");
    let least = counts.iter().min().expect("it went on for long enough") - 1;
    (least, most)
}

#[test]
fn the_least_and_the_most_are_found_wherever_they_lie() {
    let begin = Instant::now();
    let at = |millis: &[u64]| -> Vec<Instant> {
        millis.iter().map(|millis| begin + Duration::from_millis(*millis)).collect()
    };
    let second = Duration::from_secs(1);
    let even: Vec<u64> = (0..50).map(|n| n * 100).collect();
    assert_eq!(least_and_most(&at(&even), Duration::ZERO, second), (9, 10));
    let hole: [u64; 8] = [0, 100, 200, 1_900, 1_950, 1_960, 3_000, 4_000];
    assert_eq!(least_and_most(&at(&hole), Duration::ZERO, second), (0, 3));
    assert_eq!(least_and_most(&at(&hole), second * 2, second), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_raises_the_rate_when_the_relay_is_slow() {
    raise_the_rate(2_000, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn a_second_worker_raises_the_rate_when_the_relay_is_slow_for_longer() {
    raise_the_rate(5_000, Duration::from_secs(15)).await;
}

/// A relay that takes 20 ms for every reply that a message needs.
fn twenty_millis_a_reply() -> Behaviour {
    let pause = Action::Delay(Duration::from_millis(20));
    let relay = behave(move |phase, _| match phase {
        Phase::Mail | Phase::Rcpt | Phase::Data | Phase::Dot => pause,
        _ => Action::Go,
    });
    Behaviour { texts_kept: 0, ..relay }
}

/// Measures for so long with one worker, then with two.
async fn raise_the_rate(audience: usize, length: Duration) {
    const CONNECTIONS: usize = 4;
    let app = without_worker(twenty_millis_a_reply(), CONNECTIONS).await;
    app.subscribers(audience).await;
    app.trigger().await;
    let _first = process::worker(&app, &[]);
    let alone = rate(&app, CONNECTIONS, length).await;
    let _second = process::worker(&app, &[]);
    let together = rate(&app, CONNECTIONS * 2, length).await;
    let recipients = thousands(audience);
    report(&format!(
        "* a relay with 20 ms a reply, {recipients} recipients: {alone:.1} mails a second with one worker, {together:.1} with two"
    ));
    assert!(app.relay.accepted_count() < audience, "both had something to send all the time");
    assert!(together >= 1.6 * alone, "{alone:.1} mails a second with one worker, {together:.1} with two");
}

/// Waits until so many connections are at work; answers how many mails a second come over them.
async fn rate(app: &TestApp, connections: usize, length: Duration) -> f64 {
    let all_open = async {
        while app.relay.connections().open < connections {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, all_open).await.is_ok(), "{:?}", app.relay.connections());
    sleep(Duration::from_millis(300)).await;
    let (begun, before) = (Instant::now(), app.relay.accepted_count());
    sleep(length).await;
    let came = u32::try_from(app.relay.accepted_count() - before).unwrap();
    f64::from(came) / begun.elapsed().as_secs_f64()
}
