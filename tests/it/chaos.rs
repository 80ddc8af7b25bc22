//! Kills and restarts at random moments. The relay's own log decides what was delivered, not our tables.
//!
//! The large versions take minutes: `make test-chaos` runs them and prints their table. The small ones are here or in
//! `deaths` and run with all other tests. `CHAOS_SEED=…` repeats the random choices of an earlier run; how the
//! processes race cannot be repeated.

mod deaths;
mod dice;
mod several;
mod trial;

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::harness::{
    App, TestApp,
    smtp::{Action, Behaviour, Phase, behave},
};

pub use self::{
    dice::Dice,
    trial::{report, thousands},
};

/// How long nothing may move: longer than a lease and the search for what it leaves behind.
const PATIENCE: Duration = Duration::from_secs(90);

/// A relay that thinks about each message for so long before it says yes: then a mailing lasts, and a death finds
/// messages on every connection that the relay has and the worker does not know of.
fn slow(millis: u64) -> Behaviour {
    let pause = Action::Delay(Duration::from_millis(millis));
    let relay = behave(move |phase, _| if phase == Phase::Dot { pause } else { Action::Go });
    Behaviour { texts_kept: 0, ..relay }
}

/// A service with this relay, whose workers the test starts itself, with so many connections each.
async fn without_worker(relay: Behaviour, connections: usize) -> TestApp {
    let connections = connections.to_string();
    App::new().relay(relay).setting("SMTP_CONNECTIONS", &connections).without_worker().start().await
}

/// Waits until the relay has taken more than `n` mails.
async fn more_than(app: &TestApp, n: usize) {
    let came = async {
        while app.relay.accepted_count() <= n {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = timeout(PATIENCE, came).await.is_ok();
    assert!(in_time, "more than {n} mails were expected, {} came", app.relay.accepted_count());
}
