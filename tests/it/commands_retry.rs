//! `mailings retry`, and the reasons that `mailings status` shows. The relay's own log says who has how many copies.

use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use rundbrief::domain::{
    ids::{MailingId, SubscriberId},
    mailing::{Counts, MailingState},
};
use serde_json::json;
use uuid::Uuid;

use crate::harness::{
    App, TestApp,
    mail::Mail,
    program::{Program, Ran},
    smtp::{Action, Behaviour, Phase, behave},
};

/// Every mailing here goes to so many people, `s1@example.org` and so on.
const EVERYBODY: usize = 20;
const FIVE: [&str; 5] =
    ["s4@example.org", "s8@example.org", "s12@example.org", "s16@example.org", "s20@example.org"];
const TWO: [&str; 2] = ["s7@example.org", "s13@example.org"];

/// Everybody was tried once, and nothing is on its way any more.
const TRIED: &str = "select count(*) from deliveries where attempts = 1 and state in ('accepted', 'rejected', 'unknown', 'pending')";

fn well() -> Behaviour {
    behave(|_, _| Action::Go)
}

/// A relay that refuses five for good.
fn refusing() -> Behaviour {
    behave(|phase, to| match phase {
        Phase::Rcpt if FIVE.contains(&to) => Action::Reply("550 5.1.1 no such user"),
        _ => Action::Go,
    })
}

/// A relay that takes the mails to two, and ends the line without saying so.
fn cutting() -> Behaviour {
    behave(|phase, to| match phase {
        Phase::Dot if TWO.contains(&to) => Action::Cut,
        _ => Action::Go,
    })
}

/// A mailing that is done; from now on its relay is well.
async fn done(relay: Behaviour) -> (TestApp, Program, MailingId, Counts) {
    let app = App::new().relay(relay).start().await;
    app.subscribers(EVERYBODY).await;
    let id = app.trigger().await;
    let counts = app.wait_for_state(id, MailingState::Done).await;
    app.relay.set(well());
    let program = Program::beside(&app);
    (app, program, id, counts)
}

async fn retry(program: &Program, id: MailingId, options: &[&str]) -> Ran {
    let id = id.to_string();
    program.run(&[&["mailings", "retry", &id][..], options].concat()).await
}

/// What the relay's log holds when everybody has one copy, but these so many.
fn one_each_but(these: &[&str], copies: usize) -> HashMap<String, usize> {
    (1..=EVERYBODY)
        .map(|n| format!("s{n}@example.org"))
        .map(|address| {
            let copies = if these.contains(&address.as_str()) { copies } else { 1 };
            (address, copies)
        })
        .filter(|(_, copies)| *copies > 0)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_relay_refused_is_sent_again_and_nobody_gets_two() {
    let (app, program, id, counts) = done(refusing()).await;
    assert_eq!(counts, Counts { accepted: 15, rejected: 5, ..Counts::default() });

    let retried = retry(&program, id, &["--state", "rejected", "--yes", "--json"]).await.json();
    assert_eq!(retried, json!({ "id": id, "retried": 5 }));
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(counts, Counts { accepted: 20, ..Counts::default() });
    assert_eq!(app.relay.sink_count_per_recipient(), one_each_but(&[], 0));
    assert_eq!(app.count("select count(*) from deliveries where attempts = 2").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_again_is_rejected_again_and_can_be_tried_once_more() {
    let (app, program, id, _) = done(refusing()).await;
    app.relay.set(refusing());
    for _ in 0..2 {
        let ran = retry(&program, id, &["--state", "rejected", "--yes"]).await;
        assert!(ran.done().contains("5 deliveries wait again"), "{ran:?}");
        let counts = app.wait_for_state(id, MailingState::Done).await;
        assert_eq!(counts, Counts { accepted: 15, rejected: 5, ..Counts::default() });
    }
    assert_eq!(app.relay.sink_count_per_recipient(), one_each_but(&FIVE, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_copies_are_sent_again_under_the_same_message_id_on_request() {
    let (app, program, id, counts) = done(cutting()).await;
    assert_eq!(counts, Counts { accepted: 18, unknown: 2, ..Counts::default() });
    assert_eq!(app.relay.sink_count_per_recipient(), one_each_but(&[], 0), "the relay has them all");

    let retried = retry(&program, id, &["--state", "unknown", "--yes", "--json"]).await.json();
    assert_eq!(retried, json!({ "id": id, "retried": 2 }));
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(counts, Counts { accepted: 20, ..Counts::default() });
    assert_eq!(app.relay.sink_count_per_recipient(), one_each_but(&TWO, 2));

    let accepted = app.relay.accepted();
    for address in TWO {
        let names: Vec<String> = accepted
            .iter()
            .filter(|mail| mail.to == [address])
            .map(|mail| Mail::parse(&mail.data).header("Message-ID").unwrap())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(names[0], names[1], "a mail program recognises the second copy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_meanwhile_is_skipped_and_who_was_erased_is_left_alone() {
    let (app, program, id, _) = done(refusing()).await;
    let [left, erased, ..] = FIVE;
    let subscriber: Uuid = sqlx::query_scalar("select id from subscribers where email = $1")
        .bind(left)
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(app.post(&app.unsubscribe_path(SubscriberId(subscriber)), "").await.status, 200);
    program.run(&["subscribers", "erase", erased, "--yes"]).await.done();

    let again = ["--state", "rejected", "--yes", "--json"];
    let retried = retry(&program, id, &again).await.json();
    assert_eq!(retried["retried"], 4, "all but the one of whom nothing is left");
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(counts, Counts { accepted: 18, rejected: 1, skipped: 1, ..Counts::default() });
    assert_eq!(app.relay.sink_count_per_recipient(), one_each_but(&[left, erased], 0));

    // Of the one who is still counted as rejected there is nobody left to send to.
    let ran = retry(&program, id, &again).await;
    assert!(ran.refused(1).contains("there is nothing to try again"), "{ran:?}");
    assert_eq!(app.status(id).await.0.state, MailingState::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_nothing_to_send_says_so_and_changes_nothing() {
    let (app, program, id, counts) = done(well()).await;
    assert_eq!(counts, Counts { accepted: 20, ..Counts::default() });
    let before = app.whole_database().await;
    for state in ["rejected", "unknown"] {
        let told = format!(
            "nothing of this mailing that is {state} can be sent again; there is nothing to try again"
        );
        // Nobody has to be asked about nothing.
        for options in [vec!["--state", state], vec!["--state", state, "--yes"]] {
            let ran = retry(&program, id, &options).await;
            assert!(ran.refused(1).contains(&told), "{options:?}: {ran:?}");
        }
    }
    let ran = retry(&program, id, &["--state", "accepted", "--yes"]).await;
    assert!(ran.refused(2).contains("rejected, unknown"), "{ran:?}");
    let ran = retry(&program, MailingId::new(), &["--state", "unknown", "--yes"]).await;
    assert!(ran.refused(1).contains("there is no mailing with this id"), "{ran:?}");
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_yes_and_without_a_terminal_nothing_is_changed() {
    let (refused, cut) = (refusing(), cutting());
    let relay = behave(move |phase, to| match (refused.decide)(phase, to) {
        Action::Go => (cut.decide)(phase, to),
        action => action,
    });
    let (app, program, id, counts) = done(relay).await;
    assert_eq!(counts, Counts { accepted: 13, rejected: 5, unknown: 2, ..Counts::default() });
    let before = app.whole_database().await;
    for (state, price) in [("rejected", "it may do so again"), ("unknown", "gets it a second time")] {
        for options in [vec!["--state", state], vec!["--state", state, "--json"]] {
            let ran = retry(&program, id, &options).await;
            let told = ran.refused(2);
            assert!(told.contains(price) && told.contains("--yes"), "{options:?}: {told}");
        }
    }
    assert_eq!(app.whole_database().await, before);
    assert_eq!(app.relay.sink_count_per_recipient(), one_each_but(&FIVE, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_that_waits_for_its_time_or_was_cancelled_cannot_be_tried_again() {
    // One is refused, and one is put off, so that the mailing is not done before it is cancelled.
    let relay = behave(|phase, to| match (phase, to) {
        (Phase::Rcpt, "s1@example.org") => Action::Reply("550 5.1.1 no such user"),
        (Phase::Rcpt, "s2@example.org") => Action::Reply("450 4.2.1 mailbox busy"),
        _ => Action::Go,
    });
    let app = App::new().relay(relay).start().await;
    app.subscribers(3).await;
    let program = Program::beside(&app);

    let update = app.update("Später").await.to_string();
    let at = (Utc::now() + TimeDelta::hours(1)).to_rfc3339();
    let triggered =
        program.run(&["mailings", "trigger", &update, "--yes", "--json", "--at", &at]).await.json();
    let planned: MailingId = triggered["id"].as_str().unwrap().parse().unwrap();
    let ran = retry(&program, planned, &["--state", "rejected", "--yes"]).await;
    assert!(ran.refused(1).contains("the mailing is scheduled and cannot be tried again"), "{ran:?}");
    assert_eq!(app.status(planned).await.0.state, MailingState::Scheduled);

    let id = app.trigger().await;
    app.wait_for_count(TRIED, 3).await;
    program.run(&["mailings", "cancel", &id.to_string()]).await.done();
    app.wait_for_count("select count(*) from batches", 0).await;
    for state in ["rejected", "unknown"] {
        let ran = retry(&program, id, &["--state", state, "--yes"]).await;
        assert!(ran.refused(1).contains("the mailing is cancelled and cannot be tried again"), "{ran:?}");
    }
    let (mailing, counts) = app.status(id).await;
    assert_eq!(mailing.state, MailingState::Cancelled);
    assert_eq!(counts, Counts { accepted: 1, rejected: 1, skipped: 1, ..Counts::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_gives_each_reason_once_with_its_count_and_nobodys_address() {
    // Relays like to quote the address, each time another one.
    let relay = behave(|phase, to| {
        let reply = |text: &str| Action::Reply(text.replace("WHO", to).leak());
        match phase {
            Phase::Rcpt if FIVE.contains(&to) => reply("550 5.1.1 <WHO>: no such user"),
            Phase::Rcpt if TWO.contains(&to) => reply("552 5.2.2 WHO is over quota"),
            Phase::Rcpt if to == "s3@example.org" => reply("450 4.2.1 <WHO>: mailbox busy"),
            _ => Action::Go,
        }
    });
    let app = App::new().relay(relay).start().await;
    app.subscribers(EVERYBODY).await;
    let id = app.trigger().await;
    app.wait_for_count(TRIED, 20).await;

    let program = Program::beside(&app);
    let id = id.to_string();
    let status = program.run(&["mailings", "status", &id, "--json"]).await.json();
    let group = |state: &str, code: i16, reply: &str, count: i64| json!({ "state": state, "smtp_code": code, "reply": reply, "count": count });
    let groups = json!([
        group("rejected", 550, "5.1.1 <…>: no such user", 5),
        group("rejected", 552, "5.2.2 … is over quota", 2),
        group("pending", 450, "4.2.1 <…>: mailbox busy", 1),
    ]);
    assert_eq!(status["failures"], groups);
    assert!(!status.to_string().contains("@example.org"), "{status}");

    let human = program.run(&["mailings", "status", &id]).await;
    let lines: Vec<&str> = human.done().lines().collect();
    assert!(lines[1].contains("12 of 20 accepted, 1 waiting, 7 rejected"), "{human:?}");
    assert_eq!(
        lines[2..],
        [
            "        5 rejected  550 5.1.1 <…>: no such user",
            "        2 rejected  552 5.2.2 … is over quota",
            "        1 waits     450 4.2.1 <…>: mailbox busy",
        ]
    );
    assert!(!human.stdout.contains("@example.org"), "{human:?}");
}
