//! The relay refuses everybody because of us: no recipient is rejected, confirmations wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use rundbrief::domain::{
    ids::SubscriberId,
    mailing::{self, Counts, MailingError, MailingState, PauseKind, Retry},
};
use tokio::time::sleep;

use super::{Run, number};
use crate::harness::{
    App, TestApp, process,
    smtp::{Action, Behaviour, Phase, behave},
};

const EVERYBODY: usize = 60;

/// A relay that takes this many mails and then says this at a phase.
fn enough_after(most: usize, phase: Phase, reply: &'static str) -> Behaviour {
    let asked = AtomicUsize::new(0);
    behave(move |now, _| {
        let is_over = now == phase && asked.fetch_add(1, Ordering::Relaxed) >= most;
        if is_over { Action::Reply(reply) } else { Action::Go }
    })
}

/// A mailing to people at this many domains.
async fn mailing_over(domains: usize, people: usize, app: TestApp) -> Run {
    app.subscribers(people).await;
    sqlx::query(
        "update subscribers set email = 's' || n || '@d' || n % $1 || '.example.org',
             email_normalized = 's' || n || '@d' || n % $1 || '.example.org'
         from (select id as of, row_number() over (order by id) as n from subscribers) numbered where of = id",
    )
    .bind(i64::try_from(domains).unwrap())
    .execute(&app.pool)
    .await
    .unwrap();
    let begun = Utc::now();
    let id = app.trigger().await;
    Run { app, id, audience: people, begun }
}

async fn begin(domains: usize, people: usize, relay: Behaviour) -> Run {
    mailing_over(domains, people, App::new().relay(relay).start().await).await
}

impl Run {
    async fn is_paused_for(&self, kind: PauseKind, words: &str) -> Counts {
        self.until("paused", async || self.state().await == MailingState::Paused).await;
        let paused = self.app.status(self.id).await.0;
        assert_eq!(paused.pause_kind, Some(kind));
        let reason = paused.pause_reason.unwrap();
        assert!(reason.contains(words) && !reason.contains("<x@"), "{reason}");
        // Whatever was on its way, and whatever had been booked, has come back by now.
        self.until("nobody rejected", async || {
            let counts = self.counts().await;
            counts.rejected == 0 && counts.transmitting == 0
        })
        .await;
        sleep(Duration::from_millis(500)).await;
        let counts = self.counts().await;
        assert_eq!((counts.rejected, counts.unknown, counts.skipped), (0, 0, 0), "{counts:?}");
        assert_eq!(counts.accepted + counts.pending + counts.claimed, self.everybody(), "{counts:?}");
        counts
    }

    async fn mended_and_resumed(&self) {
        self.app.relay.set(behave(|_, _| Action::Go));
        self.resumed().await;
    }

    async fn resumed(&self) {
        mailing::resume(&mut self.app.pool.acquire().await.unwrap(), self.id, Utc::now()).await.unwrap();
    }

    async fn refusals_accepted(&self) -> Result<i64, MailingError> {
        let mut transaction = self.app.pool.begin().await.unwrap();
        let booked = mailing::accept_refusals(&mut transaction, self.id, Utc::now()).await?;
        transaction.commit().await.unwrap();
        Ok(booked)
    }

    async fn retried(&self) {
        let mut transaction = self.app.pool.begin().await.unwrap();
        mailing::retry(&mut transaction, self.id, Retry::Rejected, None, Utc::now()).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// In the end everybody has exactly one copy.
    async fn everybody_gets_one(&self) {
        let counts = self.done().await;
        assert_eq!(counts, Counts { accepted: self.everybody(), ..Counts::default() });
        let copies = self.app.relay.sink_count_per_recipient();
        assert!(copies.values().all(|copies| *copies == 1), "{copies:?}");
        assert!(copies.len() >= self.audience);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_pauses_and_rejects_nobody() {
    let relay = enough_after(20, Phase::Rcpt, "550 5.4.5 Daily sending quota exceeded");
    let run = begin(7, EVERYBODY, relay).await;
    let counts = run.is_paused_for(PauseKind::Policy, "550 5.4.5 Daily sending quota exceeded").await;
    assert_eq!(counts.accepted, 20);
    run.mended_and_resumed().await;
    run.everybody_gets_one().await;
    run.assert_tried_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_about_us_pause_at_once_with_the_relays_words() {
    for (phase, reply, kind, words) in [
        (
            Phase::Rcpt,
            "554 5.7.1 <x@d.example.org>: Relay access denied",
            PauseKind::Policy,
            "Relay access denied",
        ),
        (Phase::Rcpt, "554 relay denied", PauseKind::Policy, "554 relay denied"),
        (Phase::Rcpt, "454 4.7.1 Relay access denied", PauseKind::Policy, "454 4.7.1"),
        (Phase::Dot, "550 5.7.1 Message rejected as spam", PauseKind::Policy, "rejected as spam"),
        (
            Phase::Dot,
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            PauseKind::Sender,
            "5.7.60",
        ),
        (Phase::Data, "530 5.7.57 Client not authenticated to send mail", PauseKind::Login, "5.7.57"),
        (Phase::Mail, "550 5.4.5 Daily user sending limit exceeded", PauseKind::Policy, "5.4.5"),
        (Phase::Connect, "554 IP=192.0.2.1 - None/bad reputation", PauseKind::Policy, "bad reputation"),
    ] {
        // All at one domain: these replies need no run.
        let run = begin(1, 30, enough_after(0, phase, reply)).await;
        let counts = run.is_paused_for(kind, words).await;
        assert_eq!(counts.accepted, 0, "{reply}");
        assert_eq!(run.app.count("select count(*) from deliveries where attempts > 0").await, 0, "{reply}");
        run.mended_and_resumed().await;
        run.everybody_gets_one().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_waits_for_a_relay_that_refuses_us_and_goes_by_itself() {
    let app = App::new().relay(enough_after(0, Phase::Rcpt, "554 relay denied")).start().await;
    app.sign_up("maria@example.org").await;
    app.wait_for_count("select count(*) from deliveries where smtp_text like '%relay denied%'", 1).await;
    // Another try or two is refused as well.
    sleep(Duration::from_secs(7)).await;
    assert_eq!(app.count("select count(*) from deliveries where state = 'pending'").await, 1);
    app.relay.set(behave(|_, _| Action::Go));
    app.relay.wait_for(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_confirmation_that_is_refused_holds_up_no_other() {
    let relay = behave(|phase, to| {
        let refused = phase == Phase::Rcpt && to.starts_with("strict");
        if refused { Action::Reply("550 5.7.1 not from outside the organisation") } else { Action::Go }
    });
    let app = App::new().relay(relay).start().await;
    app.sign_up("strict@example.org").await;
    app.wait_for_count("select count(*) from deliveries where smtp_code = 550", 1).await;
    app.sign_up("maria@example.com").await;
    app.relay.wait_for(1).await;
    app.wait_for_count("select count(*) from deliveries where state = 'pending'", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_refusal_for_everybody_is_about_us_whatever_it_says() {
    for reply in ["550 go away", "550 5.1.1 User unknown in local recipient table"] {
        let run = begin(7, EVERYBODY, enough_after(0, Phase::Rcpt, reply)).await;
        run.is_paused_for(PauseKind::Policy, reply).await;
        let refused = run.app.count("select count(*) from deliveries where smtp_code = 550").await;
        assert!((10..=25).contains(&refused), "{refused} were refused before it was noticed");
        // Let go on while nothing is mended, it stops again, when a few others have been asked.
        run.resumed().await;
        run.until("tried again", async || {
            run.app.count("select count(*) from deliveries where smtp_code = 550").await > refused
                || run.state().await == MailingState::Paused
        })
        .await;
        run.is_paused_for(PauseKind::Policy, reply).await;
        let again = run.app.count("select count(*) from deliveries where smtp_code = 550").await;
        assert!(again <= refused + 6, "{again} instead of {refused}");
        run.mended_and_resumed().await;
        run.everybody_gets_one().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_whoever_was_refused_and_left_meanwhile_gets_nothing() {
    let run = begin(5, 30, enough_after(0, Phase::Rcpt, "550 go away")).await;
    run.is_paused_for(PauseKind::Policy, "550 go away").await;
    let refused: (uuid::Uuid, String) = sqlx::query_as(
        "select s.id, s.email from refusals r join deliveries d on d.id = r.delivery_id
         join subscribers s on s.id = d.subscriber_id limit 1",
    )
    .fetch_one(&run.app.pool)
    .await
    .unwrap();
    run.app.post(&run.app.unsubscribe_path(SubscriberId(refused.0)), "").await;
    run.mended_and_resumed().await;
    let counts = run.done().await;
    assert_eq!((counts.accepted, counts.skipped, counts.rejected), (29, 1, 0));
    assert!(!run.app.relay.sink_count_per_recipient().contains_key(&refused.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_workers_were_refused_comes_back_as_well() {
    let run = begin(7, 200, enough_after(0, Phase::Rcpt, "550 go away")).await;
    let others = [process::worker(&run.app, &[]), process::worker(&run.app, &[])];
    run.is_paused_for(PauseKind::Policy, "550 go away").await;
    // Also what was just on its way with them.
    sleep(Duration::from_secs(6)).await;
    run.is_paused_for(PauseKind::Policy, "550 go away").await;
    run.mended_and_resumed().await;
    run.everybody_gets_one().await;
    drop(others);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_that_ended_with_such_a_run_is_not_done() {
    let run = begin(5, 10, enough_after(0, Phase::Dot, "554 no")).await;
    run.is_paused_for(PauseKind::Policy, "554 no").await;
    run.mended_and_resumed().await;
    run.everybody_gets_one().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_not_lost_with_the_worker_that_met_it() {
    let met = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&met);
    let relay = behave(move |phase, to| match phase {
        Phase::Rcpt if to.starts_with('s') && count.fetch_add(1, Ordering::Relaxed) >= 6 => Action::Silence,
        Phase::Rcpt => Action::Reply("550 go away"),
        _ => Action::Go,
    });
    let run = mailing_over(4, 12, App::new().relay(relay).without_worker().start().await).await;
    let worker = process::worker(&run.app, &[("SMTP_CONNECTIONS", "1")]);
    run.until("six refused", async || run.counts().await.rejected == 6).await;
    worker.kill_9().await;
    sqlx::query("update workers set lease_until = now() - interval '1 second'")
        .execute(&run.app.pool)
        .await
        .unwrap();
    run.app.relay.set(enough_after(0, Phase::Rcpt, "550 go away"));
    let _worker = process::worker(&run.app, &[("SMTP_CONNECTIONS", "1")]);
    // The one that was on its way when the worker died is unknown, as ever; six and five make a run only together.
    run.until("paused", async || run.state().await == MailingState::Paused).await;
    run.until("nobody rejected", async || run.counts().await.rejected == 0).await;
    let counts = run.counts().await;
    assert!(counts.unknown <= 1 && counts.accepted == 0, "{counts:?}");
    assert_eq!(counts.pending + counts.claimed + counts.unknown, 12, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_gone_are_rejected_where_others_are_accepted() {
    let relay = behave(|phase, to| {
        let n: usize = to.trim_start_matches('s').split('@').next().unwrap_or_default().parse().unwrap_or(0);
        let is_gone = phase == Phase::Rcpt && !n.is_multiple_of(3);
        if is_gone { Action::Reply("550 5.1.1 no such user") } else { Action::Go }
    });
    let run = begin(7, EVERYBODY, relay).await;
    let counts = run.done().await;
    assert_eq!((counts.accepted, counts.rejected), (20, 40));
    run.assert_tried_once().await;
    // What was noted of the last ones is gone with the next acceptance.
    run.app.sign_up("maria@example.org").await;
    run.app.wait_for_count("select count(*) from refusals", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_addresses_that_are_gone_ends_when_a_person_lets_the_refusals_stand() {
    let run = begin(7, 30, enough_after(0, Phase::Rcpt, "550 5.1.1 no such user")).await;
    run.is_paused_for(PauseKind::Policy, "no such user").await;
    let noted = run.app.count("select count(*) from refusals").await;
    // Somebody reads the words first; meanwhile the breaker was reset for a trial.
    sleep(Duration::from_secs(7)).await;
    let booked = run.refusals_accepted().await.unwrap();
    assert!((10..=noted).contains(&booked), "{booked} of {noted}");
    // The others are told the same, and that is no run any more: a longer one would be.
    let counts = run.done().await;
    assert_eq!(
        (counts.rejected, counts.accepted, counts.unknown, counts.skipped),
        (30, 0, 0, 0),
        "{counts:?}"
    );
    // Tried again later, what was let stand does not pause it a second time either.
    run.retried().await;
    assert_eq!(run.done().await.rejected, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_let_stand_by_mistake_cost_a_hundred_and_the_mailing_pauses_again() {
    let run = begin(7, 400, enough_after(0, Phase::Rcpt, "550 go away")).await;
    run.is_paused_for(PauseKind::Policy, "550 go away").await;
    let booked = run.refusals_accepted().await.unwrap();
    run.until("paused again", async || run.state().await == MailingState::Paused).await;
    // The hundred have come back; what a person let stand has not.
    run.until("they are back", async || run.counts().await.rejected == booked).await;
    run.mended_and_resumed().await;
    let counts = run.done().await;
    assert_eq!((counts.rejected, counts.accepted, counts.unknown), (booked, 400 - booked, 0));
    run.retried().await;
    assert_eq!(run.done().await.accepted, 400);
    assert!(run.app.relay.sink_count_per_recipient().values().all(|copies| *copies == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_mailing_that_waits_for_such_a_run_can_have_its_refusals_let_stand() {
    let run = begin(1, 20, enough_after(0, Phase::Rcpt, "554 relay denied")).await;
    run.is_paused_for(PauseKind::Policy, "relay denied").await;
    let refused = run.refusals_accepted().await.unwrap_err();
    assert!(matches!(refused, MailingError::NoRefusals), "{refused:?}");
    assert_eq!(run.state().await, MailingState::Paused);
    assert_eq!(run.counts().await.rejected, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn some_addresses_that_are_gone_in_a_row_do_not_pause_a_resumed_mailing_again() {
    // The first fifteen are gone, and of the others every second.
    let relay = behave(|phase, to| {
        let n: usize = to.trim_start_matches('s').split('@').next().unwrap_or_default().parse().unwrap_or(0);
        let is_gone = phase == Phase::Rcpt && (n <= 15 || n.is_multiple_of(2));
        if is_gone { Action::Reply("550 5.1.1 no such user") } else { Action::Go }
    });
    let app = App::new().relay(relay).setting("SMTP_CONNECTIONS", "2").start().await;
    let run = mailing_over(7, EVERYBODY, app).await;
    run.is_paused_for(PauseKind::Policy, "no such user").await;
    run.resumed().await;
    let counts = run.done().await;
    assert_eq!((counts.accepted, counts.rejected, counts.unknown), (22, 38, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_domain_that_is_gone_is_no_run() {
    let gone = enough_after(0, Phase::Rcpt, "550 5.1.2 no such domain");
    let run = begin(1, 30, gone).await;
    assert_eq!(run.done().await.rejected, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_provider_takes_for_spam_stops_the_mailing_once() {
    let relay = behave(|phase, to| {
        let refused = phase == Phase::Dot && to.ends_with("@d0.example.org");
        if refused { Action::Reply("550 5.7.1 content looks like spam") } else { Action::Go }
    });
    let run = begin(4, 40, relay).await;
    run.is_paused_for(PauseKind::Policy, "looks like spam").await;
    run.resumed().await;
    // From here on it is clear whom the provider means; the others get theirs, and these are tried later.
    run.until("everybody else has it", async || run.counts().await.accepted == 30).await;
    let counts = run.counts().await;
    assert_eq!((counts.rejected, counts.unknown), (0, 0), "{counts:?}");
}

/// A relay that says this while more than `most` connections are open.
fn bears(most: usize, phase: Phase, reply: &'static str) -> Behaviour {
    let busy = Arc::new(AtomicUsize::new(0));
    let at_dot = Arc::clone(&busy);
    behave(move |now, _| {
        if now == phase && busy.load(Ordering::Relaxed) >= most {
            return Action::Reply(reply);
        }
        match now {
            Phase::Data => {
                busy.fetch_add(1, Ordering::Relaxed);
                Action::Delay(Duration::from_millis(20))
            }
            Phase::Dot => {
                at_dot.fetch_sub(1, Ordering::Relaxed);
                Action::Go
            }
            _ => Action::Go,
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_gets_too_much_gets_less_and_nobody_waits_for_hours() {
    for (phase, reply) in [
        (Phase::Rcpt, "451 4.7.1 too many connections at once"),
        (Phase::Mail, "450 4.7.1 Error: too much mail from 192.0.2.1"),
        (Phase::Rcpt, "421 4.7.0 Too many concurrent SMTP connections"),
        (Phase::Rcpt, "454 Throttling failure: Maximum sending rate exceeded."),
    ] {
        let run = begin(7, EVERYBODY, bears(2, phase, reply)).await;
        run.everybody_gets_one().await;
        run.assert_tried_once().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_alone_gets_too_much_does_not_hold_up_the_others() {
    let relay = behave(|phase, to| {
        let busy = phase == Phase::Rcpt && number(to) == Some(3);
        if busy { Action::Reply("451 4.7.1 too many messages") } else { Action::Go }
    });
    let app = App::new().relay(relay).setting("SMTP_CONNECTIONS", "2").start().await;
    let run = Run::begin(app, 20).await;
    run.until("all the others have it", async || run.counts().await.accepted == 19).await;
    assert_eq!(run.counts().await.rejected, 0);
}
