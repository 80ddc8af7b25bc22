//! The relay is slow, or sends nothing.
//!
//! With `SMTP_TIMEOUT=1` the reply to a command may take a second and the others in proportion (RFC 5321 §4.5.3.2):
//! DATA 0.4 s, taking more of the content 0.6 s, the reply after the final dot 2 s.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rundbrief::domain::mailing::Counts;
use tokio::time::sleep;

use super::{FEW, Run, first_time, first_time_each, is_full_run, recipients, the_third};
use crate::harness::{
    App, TestApp,
    smtp::{Action, Behaviour, Phase, behave},
};

/// A service that waits a second for a reply. It has one line only, so that nobody else goes on in its place.
async fn impatient(relay: Behaviour) -> TestApp {
    App::new().relay(relay).setting("SMTP_TIMEOUT", "1").setting("SMTP_CONNECTIONS", "1").start().await
}

/// The relay does this at one phase, once for the third; the mailing goes to few.
async fn with_the_third(phase: Phase, action: Action) -> Run {
    Run::begin(impatient(first_time(phase, the_third, action)).await, FEW).await
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_of_one_byte_at_a_time_are_waited_for() {
    // In the full run one byte a second, as such a relay would.
    let (pause, patience) =
        if is_full_run() { (Duration::from_secs(1), "60") } else { (Duration::from_millis(25), "5") };
    let trickle = Some(Action::Trickle(pause));
    let at_rcpt = first_time_each(Phase::Rcpt, move |n| trickle.filter(|_| n == 3));
    let at_data = first_time_each(Phase::Data, move |n| trickle.filter(|_| n == 5));
    let at_dot = first_time_each(Phase::Dot, move |n| trickle.filter(|_| n == 7));
    let relay = behave(move |phase, to| match phase {
        Phase::Rcpt => (at_rcpt.decide)(phase, to),
        Phase::Data => (at_data.decide)(phase, to),
        _ => (at_dot.decide)(phase, to),
    });
    let run =
        Run::begin(App::new().relay(relay).setting("SMTP_TIMEOUT", patience).start().await, recipients())
            .await;
    run.assert_everybody_gets_it().await;
    run.assert_tried_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_at_rcpt_that_takes_too_long_byte_by_byte_puts_off_one() {
    let run = with_the_third(Phase::Rcpt, Action::Trickle(Duration::from_millis(250))).await;
    run.assert_the_second_try_works(the_third, None, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_after_the_final_dot_that_takes_too_long_byte_by_byte_leaves_one_unknown() {
    let run = with_the_third(Phase::Dot, Action::Trickle(Duration::from_millis(250))).await;
    run.assert_only_these_are_unknown(the_third).await;
    run.assert_delivered_to(|_| true);
}

/// A relay that falls silent before any mail could begin was not tried with anybody; once it is well, everybody gets
/// the mailing.
async fn silent_before_any_mail(silent: Phase) {
    let login = Some(("user".to_owned(), "password".to_owned()));
    let relay = Behaviour {
        credentials: login.clone(),
        ..behave(move |phase, _| if phase == silent { Action::Silence } else { Action::Go })
    };
    let run = Run::begin(impatient(relay).await, FEW).await;
    run.until("tried", async || run.app.relay.connections().opened > 0).await;
    // Longer than it is waited for.
    sleep(Duration::from_millis(1_300)).await;
    run.assert_nobody_tried().await;
    run.app.relay.set(Behaviour { credentials: login, ..behave(|_, _| Action::Go) });
    run.assert_everybody_gets_it().await;
    run.assert_tried_once().await;
    let opened = run.app.relay.connections().opened;
    assert!(opened <= 8, "{opened} lines for one that works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_gives_no_greeting_costs_nobody_a_try() {
    silent_before_any_mail(Phase::Connect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_answer_ehlo_costs_nobody_a_try() {
    silent_before_any_mail(Phase::Ehlo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_answer_the_login_costs_nobody_a_try() {
    silent_before_any_mail(Phase::Auth).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_answer_mail_holds_up_one_and_the_others_go_on() {
    let mails = AtomicUsize::new(0);
    let relay = behave(move |phase, _| {
        let third = phase == Phase::Mail && mails.fetch_add(1, Ordering::Relaxed) == 2;
        if third { Action::Silence } else { Action::Go }
    });
    let run = Run::begin(impatient(relay).await, FEW).await;
    let counts = run.rest().await;
    assert_eq!(counts, Counts { accepted: run.everybody() - 1, pending: 1, put_off: 1, ..Counts::default() });
    assert_eq!(run.app.relay.accepted_count(), FEW - 1);
    run.app.let_all_be_due().await;
    run.assert_everybody_gets_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_answer_rcpt_holds_up_one_and_the_others_go_on() {
    let run = with_the_third(Phase::Rcpt, Action::Silence).await;
    run.assert_the_second_try_works(the_third, None, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_answer_data_holds_up_one_and_the_others_go_on() {
    let run = with_the_third(Phase::Data, Action::Silence).await;
    run.assert_the_second_try_works(the_third, None, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stops_reading_in_the_middle_of_a_mail_holds_up_one_and_the_others_go_on() {
    let stop = Action::Delay(Duration::from_secs(20));
    let app = impatient(first_time(Phase::Body, the_third, stop)).await;
    let run = Run::begin_large(app, FEW).await;
    run.assert_the_second_try_works(the_third, None, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_answer_the_final_dot_leaves_one_unknown_and_the_others_go_on() {
    let run = with_the_third(Phase::Dot, Action::Silence).await;
    run.assert_only_these_are_unknown(the_third).await;
    // It has the mail, and just does not say so.
    run.assert_delivered_to(|_| true);
}
