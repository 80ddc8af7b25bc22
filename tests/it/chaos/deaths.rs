//! Kills one after the other: workers that are killed, stopped and suspended, and a database that is stopped.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rundbrief::commands::demo::postgres::Cluster;
use tokio::{process::Command, time::sleep};

use super::{Dice, more_than, slow, thousands, trial::Trial, without_worker};
use crate::harness::{App, TestApp, database::scratch, process};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn invariant_2_a_hundred_workers_killed_at_random_moments_lose_nobody_and_double_nobody() {
    const DEATHS: usize = 100;
    const CONNECTIONS: usize = 8;
    let mut dice = Dice::new();
    let app = without_worker(slow(8), CONNECTIONS).await;
    let trial = Trial::begin(&app, 20_000).await;
    for _ in 0..DEATHS {
        let before = app.relay.accepted_count();
        let worker = process::worker(&app, &[]);
        // Most die while they send, some while they begin: over the fan-out, a recovery, their first claim.
        if dice.below(5) > 0 {
            more_than(&app, before).await;
        }
        sleep(dice.millis(5..=150)).await;
        worker.kill_9().await;
        lines_are_closed(&app).await;
        let_all_leases_run_out(&app).await;
    }
    trial.still_runs().await;
    let _last = process::worker(&app, &[]);
    trial
        .judge(&format!("{DEATHS} × kill -9 of a worker, 20,000 recipients"), DEATHS, DEATHS * CONNECTIONS)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn invariant_2_postgres_stopped_at_once_twenty_times_loses_nobody_and_doubles_nobody() {
    const DEATHS: usize = 20;
    const CONNECTIONS: usize = 8;
    let mut dice = Dice::new();
    let dir = scratch("quit");
    let mut cluster = Cluster::start(&dir).await.unwrap();
    cluster.create_database("rundbrief").await.unwrap();
    let app = App::new()
        .relay(slow(8))
        .setting("DATABASE_URL", &cluster.url("rundbrief"))
        .setting("SMTP_CONNECTIONS", &CONNECTIONS.to_string())
        .without_worker()
        .start()
        .await;
    let trial = Trial::begin(&app, 20_000).await;
    let worker = process::worker(&app, &[]);
    for _ in 0..DEATHS {
        more_than(&app, app.relay.accepted_count() + 50).await;
        sleep(dice.millis(5..=500)).await;
        stop_at_once(&dir).await;
        // Its watchdog has seen it end.
        cluster.stop().await;
        sleep(dice.millis(0..=1_500)).await;
        cluster = Cluster::start(&dir).await.unwrap();
    }
    trial.still_runs().await;
    trial
        .judge(
            &format!("{DEATHS} × immediate stop of Postgres, 20,000 recipients"),
            DEATHS,
            DEATHS * CONNECTIONS,
        )
        .await;
    drop(worker);
    drop(app);
    cluster.stop().await;
    fs::remove_dir_all(dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn invariant_2_a_worker_asleep_past_its_lease_sends_nothing_that_another_took() {
    const CONNECTIONS: usize = 4;
    let app = without_worker(slow(10), CONNECTIONS).await;
    let trial = Trial::begin(&app, 20_000).await;
    let sleeper = process::worker(&app, &[]);
    more_than(&app, 500).await;
    sleeper.signal("STOP");
    let other = process::worker(&app, &[]);
    // The lease is the real one: thirty seconds, and up to five more until somebody looks.
    sleep(Duration::from_secs(40)).await;
    trial.still_runs().await;
    sleeper.signal("CONT");
    trial.judge("SIGSTOP for 40 s, past the lease, then SIGCONT, 20,000 recipients", 1, CONNECTIONS).await;
    assert!(other.end().await.contains("took over from a worker that died"), "somebody took over");
    let log = sleeper.end().await;
    assert!(log.contains("beginning anew"), "the sleeper was fenced off");
    assert!(log.matches("the worker is ready").count() > 1, "and went on as a new worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_in_full_flight_leaves_nothing_unknown_and_another_worker_ends_the_mailing() {
    end_in_full_flight(2_000, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; make test-chaos"]
async fn ten_workers_ended_in_full_flight_leave_nothing_unknown() {
    end_in_full_flight(20_000, 10).await;
}

/// Ends so many workers in the middle of one mailing, one after the other; another one ends the mailing.
async fn end_in_full_flight(audience: usize, ends: usize) {
    let mut dice = Dice::new();
    let app = without_worker(slow(8), 4).await;
    let trial = Trial::begin(&app, audience).await;
    for _ in 0..ends {
        let before = app.relay.accepted_count();
        let worker = process::worker(&app, &[]);
        more_than(&app, before + 50).await;
        sleep(dice.millis(5..=150)).await;
        let asked = Instant::now();
        worker.end().await;
        assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
        // It gave back what it held, and nobody has to wait for its lease.
        assert_eq!(app.count("select count(*) from batches where claimed_by is not null").await, 0);
        assert_eq!(app.on_their_way().await, 0);
        assert_eq!(app.count("select count(*) from workers").await, 0);
    }
    trial.still_runs().await;
    let _other = process::worker(&app, &[]);
    let what = format!("{ends} × SIGTERM in full flight, {} recipients", thousands(audience));
    trial.judge(&what, ends, 0).await;
}

/// Waits until the relay has read what a dead worker's connections still held: it may be a whole message.
async fn lines_are_closed(app: &TestApp) {
    while app.relay.connections().open > 0 {
        sleep(Duration::from_millis(2)).await;
    }
}

/// Lets the leases run out now rather than in half a minute: no worker lives.
async fn let_all_leases_run_out(app: &TestApp) {
    sqlx::query("update workers set lease_until = now() - interval '1 second'")
        .execute(&app.pool)
        .await
        .unwrap();
}

/// Stops the server in this folder as `pg_ctl stop -m immediate` does: nothing is tidied up, and the next start begins
/// with a recovery. Returns when it has ended.
async fn stop_at_once(dir: &Path) {
    let pid_file = fs::read_to_string(dir.join("data/postmaster.pid")).expect("the server runs");
    let pid: u32 = pid_file.lines().next().unwrap().trim().parse().expect("its first line is its process");
    // The shell has `kill` built in, wherever the program of that name is.
    let stop = format!("kill -QUIT {pid} && while kill -0 {pid} 2>/dev/null; do sleep 0.05; done");
    let stopped = Command::new("/bin/sh").args(["-c", &stop]).status().await.unwrap();
    assert!(stopped.success(), "{stop}");
}
