//! The relay closes the connection, silently or with 421.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Run, first_time, five_percent, recipients};
use crate::harness::{
    App,
    smtp::{Action, Behaviour, Phase, behave},
};

/// Two in a hundred: often enough for a line to end, seldom enough to be in the middle of its work.
fn every_fiftieth(n: usize) -> bool {
    n % 50 == 9
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_cut_at_rcpt_put_off_five_percent() {
    let relay = first_time(Phase::Rcpt, five_percent, Action::Cut);
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.assert_the_second_try_works(five_percent, None, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_cut_in_the_middle_of_the_mail_put_off_five_percent() {
    let cut = first_time(Phase::Body, five_percent, Action::Cut);
    let relay = Behaviour { texts_kept: 1, ..cut };
    // A quarter of the people, because their mails are fifty times as large as others.
    let run = Run::begin_large(App::new().relay(relay).start().await, recipients() / 4).await;
    run.assert_the_second_try_works(five_percent, None, "").await;
    let size = run.app.relay.accepted()[0].data.len();
    assert!(size > 200_000, "a mail of {size} bytes may be on its way as a whole when the line is cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_cut_after_the_final_dot_leave_these_unknown_and_no_others() {
    let relay = first_time(Phase::Dot, five_percent, Action::Cut);
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.assert_only_these_are_unknown(five_percent).await;
    // The relay has them: a second try would have been a second copy.
    run.assert_delivered_to(|_| true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_after_every_fifty_messages_costs_nobody_a_try() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let relay = behave(move |phase, _| {
        let enough = phase == Phase::Mail && count.fetch_add(1, Ordering::Relaxed) % 50 == 49;
        if enough { Action::Reply("421 4.7.0 enough for this line") } else { Action::Go }
    });
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.assert_everybody_gets_it().await;
    run.assert_tried_once().await;
    let turned_away = asked.load(Ordering::Relaxed) / 50;
    assert!(turned_away >= run.audience / 50, "lines ended {turned_away} times only");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_at_rcpt_puts_off_one_and_the_others_go_over_a_new_line() {
    let relay = first_time(Phase::Rcpt, every_fiftieth, Action::Reply("421 4.3.2 shutting down"));
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.assert_the_second_try_works(every_fiftieth, Some(421), "shutting down").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_after_the_final_dot_puts_off_one_and_the_others_go_over_a_new_line() {
    let relay = first_time(Phase::Dot, every_fiftieth, Action::Reply("421 4.3.2 shutting down"));
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.assert_the_second_try_works(every_fiftieth, Some(421), "shutting down").await;
}
