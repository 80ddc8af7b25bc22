//! Invariant 4, measured: the time of the answer to a signup says nothing about the address.

use std::time::{Duration, Instant};

use chrono::Utc;
use rundbrief::domain::{
    address::EmailAddress,
    suppression::{self, SuppressionReason},
};

use crate::harness::App;

/// Requests for each kind of address.
const REQUESTS: usize = 1_000;

/// What an address may be, and what is sent in the form.
const KINDS: [&str; 5] = ["new", "waiting", "active", "left", "suppressed"];

/// A quantile of sorted times.
fn quantile(times: &[Duration], percent: usize) -> Duration {
    times[times.len() * percent / 100]
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_the_time_of_the_answer_is_the_same_for_every_address() {
    // So many that the hour's signups are counted, and are no surge yet.
    let app = App::new().without_worker().setting("SIGNUPS_IN_ALL", "1000000").start().await;
    app.subscriber("active@example.org").await;
    let left = app.subscriber("left@example.org").await;
    app.post(&app.unsubscribe_path(left), "").await;
    app.sign_up("waiting@example.org").await;
    let suppressed = EmailAddress::parse("suppressed@example.org").unwrap().normalized();
    let keys = &app.config.secret_keys;
    let mut db = app.pool.acquire().await.unwrap();
    suppression::add(&mut db, keys, &suppressed, SuppressionReason::Complained, Utc::now()).await.unwrap();
    drop(db);

    // One after the other in turn, so that whatever else the machine does meets all of them alike.
    let mut times = KINDS.map(|_| Vec::with_capacity(REQUESTS));
    for round in 0..REQUESTS {
        for turn in 0..KINDS.len() {
            let kind = (round + turn) % KINDS.len();
            let email = match KINDS[kind] {
                "new" => format!("new{round}@example.org"),
                known => format!("{known}@example.org"),
            };
            let begun = Instant::now();
            assert_eq!(app.sign_up(&email).await.status, 303);
            times[kind].push(begun.elapsed());
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    for percent in [25, 50, 75] {
        let by_kind = times.each_ref().map(|times| quantile(times, percent));
        let (shortest, longest) = (by_kind.iter().min().unwrap(), by_kind.iter().max().unwrap());
        assert!(
            longest.as_secs_f64() < 1.2 * shortest.as_secs_f64(),
            "{percent} of a hundred answers take up to {by_kind:?} for {KINDS:?}"
        );
    }
}
