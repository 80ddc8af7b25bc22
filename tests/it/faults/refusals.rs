//! The relay refuses some recipients, temporarily or permanently.

use rundbrief::domain::mailing::Counts;

use super::{Chosen, Run, first_time, five_percent, recipients, thirty_percent};
use crate::harness::{
    App,
    smtp::{Action, Phase},
};

/// The chosen are refused for now, once.
async fn refused_for_now(phase: Phase, chosen: Chosen, reply: &'static str) -> Run {
    let relay = first_time(phase, chosen, Action::Reply(reply));
    Run::begin(App::new().relay(relay).start().await, recipients()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn five_percent_refused_for_now_at_rcpt_get_it_later() {
    let run = refused_for_now(Phase::Rcpt, five_percent, "450 4.2.1 mailbox busy").await;
    run.assert_the_second_try_works(five_percent, Some(450), "mailbox busy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_percent_refused_for_now_at_rcpt_get_it_later() {
    let run = refused_for_now(Phase::Rcpt, thirty_percent, "450 4.7.1 greylisted").await;
    run.assert_the_second_try_works(thirty_percent, Some(450), "greylisted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_percent_refused_for_now_at_data_get_it_later() {
    let run = refused_for_now(Phase::Data, five_percent, "451 4.3.0 no room at the moment").await;
    run.assert_the_second_try_works(five_percent, Some(451), "no room").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_percent_refused_for_now_after_the_final_dot_get_it_later() {
    let run = refused_for_now(Phase::Dot, five_percent, "451 4.3.0 try later").await;
    run.assert_the_second_try_works(five_percent, Some(451), "try later").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_percent_refused_for_good_at_rcpt_are_rejected_and_nobody_else() {
    let relay = first_time(Phase::Rcpt, five_percent, Action::Reply("550 5.1.1 no such user"));
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    let counts = run.done().await;
    let rejected = run.many(five_percent);
    assert_eq!(counts, Counts { accepted: run.everybody() - rejected, rejected, ..Counts::default() });
    assert_eq!(run.those_in_state("rejected").await, run.chosen(five_percent));
    assert_eq!(
        run.app
            .count(
                "select count(*) from deliveries where smtp_code = 550 and smtp_text like '%no such user%'"
            )
            .await,
        rejected
    );
    run.assert_tried_once().await;
    run.assert_delivered_to(|n| !five_percent(n));
}
