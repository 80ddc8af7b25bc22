//! Replies of several lines, barely legal replies, and lines that are not replies.

use super::{Run, first_time_each, five_percent, number, recipients};
use crate::harness::{
    App,
    smtp::{Action, Phase, behave},
};

/// A line longer than a reply's may be (RFC 5321 §4.5.3.1.5), beginning like this.
fn long_line(begin: &str) -> &'static str {
    format!("{begin}{}", "x".repeat(600 - begin.len())).leak()
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_of_several_lines_are_read_to_their_end() {
    let relay = behave(|phase, _| match phase {
        Phase::Connect => Action::Reply("220-relay.test ESMTP\r\n220-no advertising\r\n220 ready"),
        Phase::Mail => Action::Reply("250-2.1.0 this sender\r\n250 2.1.0 is welcome"),
        Phase::Rcpt => Action::Reply("250-2.1.5 this\r\n250-2.1.5 recipient\r\n250 2.1.5 too"),
        Phase::Data => Action::Reply("354-go ahead\r\n354 end with a dot"),
        Phase::Dot => Action::Reply("250-2.0.0 taken\r\n250 2.0.0 queued as 7F"),
        Phase::Quit => Action::Reply("221-2.0.0 good\r\n221 2.0.0 bye"),
        // The reply to EHLO always has several.
        Phase::Ehlo | Phase::Auth | Phase::Body => Action::Go,
    });
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.assert_everybody_gets_it().await;
    run.assert_tried_once().await;
    assert_eq!(
        run.app.count("select count(*) from deliveries where smtp_text like '%taken%queued as 7F%'").await,
        run.everybody()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_alone_and_a_line_too_long_say_what_their_code_says() {
    // RFC 5321 §4.2.1: a client that goes by the code alone takes both.
    let long = long_line("250 ");
    let odd_reply = move |phase: Phase, n: usize| match (phase, n % 20) {
        (Phase::Rcpt | Phase::Dot, 7) => Some("250"),
        (Phase::Data, 8) => Some("354"),
        (Phase::Rcpt, 9) | (Phase::Dot, 10) => Some(long),
        (Phase::Dot, 11) => Some("250-\r\n250"),
        _ => None,
    };
    let relay = behave(move |phase, to| {
        let reply = number(to).and_then(|n| odd_reply(phase, n));
        reply.map_or(Action::Go, Action::Reply)
    });
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.assert_everybody_gets_it().await;
    run.assert_tried_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_at_rcpt_that_is_none_puts_off_five_percent() {
    let kinds = [
        Action::Reply("hello"),
        Action::Reply("99 x"),
        Action::Reply(long_line("")),
        Action::Torn("250 2.1.5 o"),
    ];
    let relay = first_time_each(Phase::Rcpt, move |n| five_percent(n).then(|| kinds[n / 20 % kinds.len()]));
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.assert_the_second_try_works(five_percent, None, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_after_the_final_dot_that_is_none_leaves_five_percent_unknown() {
    // This relay has taken the mail when what it says begins with a 2.
    let kinds = [
        (Action::Reply("hello"), false),
        (Action::Reply("25 taken"), true),
        (Action::Reply(long_line("")), false),
        (Action::Torn("250 2.0.0 take"), true),
    ];
    let kind = move |n: usize| five_percent(n).then(|| kinds[n / 20 % kinds.len()]);
    let relay = first_time_each(Phase::Dot, move |n| kind(n).map(|(action, _)| action));
    let run = Run::begin(App::new().relay(relay).start().await, recipients()).await;
    run.assert_only_these_are_unknown(five_percent).await;
    run.assert_delivered_to(|n| kind(n).is_none_or(|(_, is_taken)| is_taken));
}
