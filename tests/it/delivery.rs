//! The outcomes of deliveries, also when the relay misbehaves.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use chrono::Utc;
use rundbrief::domain::{
    ids::MailingId,
    mailing::{self, Counts, MailingState, PauseKind},
    queue::send_budget,
};

use crate::harness::{
    App, TestApp,
    smtp::{Action, Behaviour, Phase, SecondHello, behave},
};

/// The relay does this at one phase for the address `s1@example.org`, and goes along with everybody else.
fn odd_one(phase: Phase, action: Action) -> Behaviour {
    behave(move |now, to| if now == phase && to == "s1@example.org" { action } else { Action::Go })
}

/// A mailing to three people through this relay, until nothing moves any more.
async fn mailing_to_three(relay: Behaviour) -> (TestApp, MailingId, Counts) {
    let app = App::new().relay(relay).start().await;
    app.subscribers(3).await;
    let id = app.trigger().await;
    app.wait_for_count(
        "select count(*) from deliveries where state in ('accepted', 'rejected', 'unknown') or attempts > 0",
        3,
    )
    .await;
    app.wait_for_count("select count(*) from batches where claimed_by is not null", 0).await;
    let (_, counts) = app.status(id).await;
    (app, id, counts)
}

async fn odd_delivery(app: &TestApp) -> (String, Option<i16>, Option<String>, f64) {
    sqlx::query_as(
        "select d.state::text, d.smtp_code, d.smtp_text, extract(epoch from d.due_at - now())::float8
         from deliveries d join subscribers s on s.id = d.subscriber_id where s.email = 's1@example.org'",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_450_at_rcpt_waits_a_minute_and_the_others_are_sent() {
    let (app, id, counts) =
        mailing_to_three(odd_one(Phase::Rcpt, Action::Reply("450 4.2.1 mailbox busy"))).await;
    assert_eq!((counts.accepted, counts.pending), (2, 1));
    let (state, code, text, due_in) = odd_delivery(&app).await;
    assert_eq!((state.as_str(), code), ("pending", Some(450)));
    assert!(text.unwrap().contains("mailbox busy"));
    assert!((30.0..70.0).contains(&due_in), "due in {due_in} s");

    app.relay.set(behave(|_, _| Action::Go));
    app.let_all_be_due().await;
    assert_eq!(app.wait_for_state(id, MailingState::Done).await.accepted, 3);
    assert_eq!(app.relay.accepted_count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_550_at_rcpt_rejects_one_and_the_mailing_is_done() {
    let (app, id, counts) =
        mailing_to_three(odd_one(Phase::Rcpt, Action::Reply("550 5.1.1 no such user"))).await;
    assert_eq!((counts.accepted, counts.rejected), (2, 1));
    assert_eq!(odd_delivery(&app).await.1, Some(550));
    app.wait_for_state(id, MailingState::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_451_after_the_final_dot_is_tried_again() {
    let (app, _, counts) = mailing_to_three(odd_one(Phase::Dot, Action::Reply("451 4.3.0 try later"))).await;
    assert_eq!((counts.accepted, counts.pending), (2, 1));
    assert_eq!(odd_delivery(&app).await.1, Some(451));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_cut_at_rcpt_is_tried_again() {
    let (app, _, counts) = mailing_to_three(odd_one(Phase::Rcpt, Action::Cut)).await;
    assert_eq!((counts.accepted, counts.pending, counts.unknown), (2, 1, 0));
    assert_eq!(app.relay.accepted_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_cut_after_the_final_dot_is_unknown_and_not_sent_again_by_itself() {
    let (app, id, counts) = mailing_to_three(odd_one(Phase::Dot, Action::Cut)).await;
    assert_eq!((counts.accepted, counts.unknown), (2, 1));
    app.wait_for_state(id, MailingState::Done).await;
    // The relay has it: a second try would have been a second copy.
    assert_eq!(app.relay.sink_count_per_recipient()["s1@example.org"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_never_answers_the_final_dot_leaves_one_unknown() {
    let relay = odd_one(Phase::Dot, Action::Silence);
    let app = App::new().relay(relay).setting("SMTP_TIMEOUT", "1").start().await;
    app.subscribers(3).await;
    let id = app.trigger().await;
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!((counts.accepted, counts.unknown), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_refused_while_data_is_taken_anyway_gets_nothing() {
    // RFC 2920 §3.1: with pipelining, DATA may be answered with 354 although no recipient was taken.
    let relay =
        Behaviour { data_anyway: true, ..odd_one(Phase::Rcpt, Action::Reply("550 5.1.1 no such user")) };
    let (app, _, counts) = mailing_to_three(relay).await;
    assert_eq!((counts.accepted, counts.rejected), (2, 1));
    assert_eq!(app.relay.accepted_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_ends_its_lines_after_one_message_gets_everything_over_new_ones() {
    // With one connection every second MAIL is the second of its line: relays limit messages a line like that.
    let mails = AtomicUsize::new(0);
    let relay = behave(move |phase, _| {
        let second = phase == Phase::Mail && mails.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if second { Action::Reply("421 4.7.0 enough for this line") } else { Action::Go }
    });
    let app = App::new().relay(relay).setting("SMTP_CONNECTIONS", "1").start().await;
    app.subscribers(20).await;
    let begun = Instant::now();
    let id = app.trigger().await;
    assert_eq!(app.wait_for_state(id, MailingState::Done).await.accepted, 20);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "the relay was not taken for dead: {:?}",
        begun.elapsed()
    );
    assert_eq!(app.count("select count(*) from deliveries where attempts <> 1").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_reply_that_no_database_takes_stops_nothing() {
    let (app, id, counts) =
        mailing_to_three(odd_one(Phase::Dot, Action::Reply("2\u{0}50 \u{7}\u{1b}[31mred"))).await;
    assert_eq!((counts.accepted, counts.unknown), (2, 1));
    app.wait_for_state(id, MailingState::Done).await;
    assert!(!odd_delivery(&app).await.2.unwrap().contains(char::is_control));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_answers_byte_by_byte_is_waited_for() {
    let (_, _, counts) =
        mailing_to_three(odd_one(Phase::Dot, Action::Trickle(Duration::from_millis(5)))).await;
    assert_eq!(counts.accepted, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_pipelining_is_spoken_to_line_by_line() {
    let relay = Behaviour { keywords: vec!["8BITMIME"], ..behave(|_, _| Action::Go) };
    let (_, _, counts) = mailing_to_three(relay).await;
    assert_eq!(counts.accepted, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_our_sender_pauses_the_mailing_and_rejects_nobody() {
    let relay =
        behave(|phase, _| if phase == Phase::Mail { Action::Reply("550 5.7.1 not you") } else { Action::Go });
    let app = App::new().relay(relay).start().await;
    app.subscribers(3).await;
    let id = app.trigger().await;
    app.wait_for_state(id, MailingState::Paused).await;
    let (mailing, counts) = app.status(id).await;
    assert_eq!(mailing.pause_kind, Some(PauseKind::Sender));
    assert!(mailing.pause_reason.unwrap().contains("not you"));
    assert_eq!((counts.rejected, counts.accepted), (0, 0));

    app.relay.set(behave(|_, _| Action::Go));
    mailing::resume(&mut app.pool.acquire().await.unwrap(), id, Utc::now()).await.unwrap();
    assert_eq!(app.wait_for_state(id, MailingState::Done).await.accepted, 3);
    assert_eq!(app.relay.accepted_count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_our_login_pauses_the_mailing_and_says_so() {
    let login = Some(("user".to_owned(), "right".to_owned()));
    let relay = Behaviour { credentials: login, ..behave(|_, _| Action::Go) };
    // A relay of its own address, because the login stands in SMTP_URL.
    let server = crate::harness::smtp::SmtpServer::start_with(relay).await;
    let url = format!("smtp://user:wrong@{}?tls=none", server.addr());
    let app = App::new().setting("SMTP_URL", &url).start().await;
    app.subscribers(2).await;
    let id = app.trigger().await;
    app.wait_for_state(id, MailingState::Paused).await;
    assert_eq!(app.status(id).await.0.pause_kind, Some(PauseKind::Login));
    assert_eq!(server.accepted_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_login_is_let_in() {
    let login = Some(("user".to_owned(), "p@ss word".to_owned()));
    let server = crate::harness::smtp::SmtpServer::start_with(Behaviour {
        credentials: login,
        ..behave(|_, _| Action::Go)
    })
    .await;
    let url = format!("smtp://user:p%40ss%20word@{}?tls=none", server.addr());
    let app = App::new().setting("SMTP_URL", &url).start().await;
    app.sign_up("maria@example.org").await;
    server.wait_for(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_in_clear_where_tls_is_required() {
    let server = crate::harness::smtp::SmtpServer::start().await;
    let app = App::new().setting("SMTP_URL", &format!("smtp://{}?tls=required", server.addr())).start().await;
    app.sign_up("maria@example.org").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        (server.accepted_count(), app.count("select count(*) from deliveries where state = 'pending'").await),
        (0, 1)
    );
    assert!(server.connections().opened >= 1, "it was tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_takes_only_two_connections_gets_everything_over_two() {
    let relay = Behaviour { max_connections: 2, ..behave(|_, _| Action::Go) };
    let app = App::new().relay(relay).setting("SMTP_CONNECTIONS", "8").start().await;
    app.subscribers(300).await;
    let id = app.trigger().await;
    assert_eq!(app.wait_for_state(id, MailingState::Done).await.accepted, 300);
    assert_eq!(app.relay.connections().most, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_down_is_asked_a_bounded_number_of_times() {
    let app = App::new()
        .relay(behave(|phase, _| if phase == Phase::Connect { Action::Cut } else { Action::Go }))
        .start()
        .await;
    app.subscribers(50).await;
    app.trigger().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let opened = app.relay.connections().opened;
    // Eight senders may run into it once; after that one look at 1, 2 and 4 seconds, each tried by up to eight.
    assert!((1..=40).contains(&opened), "{opened} connections in six seconds");
    assert_eq!(app.count("select count(*) from deliveries where attempts > 0").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_overtakes_a_mailing_under_way() {
    let app = App::new().setting("SEND_RATE", "20").setting("SMTP_CONNECTIONS", "4").start().await;
    app.subscribers(200).await;
    app.trigger().await;
    app.relay.wait_for(5).await;
    let asked = Instant::now();
    app.sign_up("maria@example.org").await;
    app.wait_for_count(
        "select count(*) from deliveries where kind = 'confirmation' and state = 'accepted'",
        1,
    )
    .await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(app.relay.accepted_count() < 150, "the mailing was still under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_send_rate_holds_for_all_workers_together() {
    let mut first = App::new().setting("SEND_RATE", "50").start().await;
    let database = first.settings.iter().find(|(name, _)| *name == "DATABASE_URL").unwrap().1.clone();
    let relay = first.relay.url();
    let second = App::new()
        .setting("SEND_RATE", "50")
        .setting("DATABASE_URL", &database)
        .setting("SMTP_URL", &relay)
        .start()
        .await;
    first.subscribers(200).await;
    let id = first.trigger().await;
    first.wait_for_state(id, MailingState::Done).await;
    let accepted = first.relay.accepted();
    let seconds = (accepted[199].at - accepted[0].at).as_secs_f64();
    let rate = 199.0 / seconds;
    // A busy machine is slower; nothing makes it faster.
    assert!(rate < 55.0, "{rate} a second");
    drop(second);
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_clock_that_was_set_back_does_not_hold_up_what_has_a_send_rate() {
    let app = App::new().setting("SEND_RATE", "20").start().await;
    sqlx::query("update send_budget set handed_out_to = now() + interval '1 year'")
        .execute(&app.pool)
        .await
        .unwrap();
    app.sign_up("maria@example.org").await;
    app.relay.wait_for(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_send_budget_is_handed_out_one_second_ahead_and_no_further() {
    let app = App::new().without_worker().start().await;
    let mut db = app.pool.acquire().await.unwrap();
    // Nobody else takes of it, and a slow machine only leaves more of it: so ten seconds' worth is too much at once.
    let second = Duration::from_secs(1);
    let mut begins = Vec::new();
    for _ in 0..10 {
        begins.extend(send_budget::reserve(&mut db, second).await.unwrap());
    }
    assert!((1..10).contains(&begins.len()), "{begins:?}");
    assert!(begins.iter().all(|begin| *begin <= second), "{begins:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_mailing_stops_and_goes_on_where_it_stopped() {
    let app = App::new().setting("SEND_RATE", "100").start().await;
    app.subscribers(300).await;
    let id = app.trigger().await;
    app.relay.wait_for(20).await;
    mailing::pause(&mut app.pool.acquire().await.unwrap(), id, PauseKind::Staff, "lunch", Utc::now())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let at_rest = app.relay.accepted_count();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(app.relay.accepted_count(), at_rest);
    assert!(at_rest < 300);
    mailing::resume(&mut app.pool.acquire().await.unwrap(), id, Utc::now()).await.unwrap();
    assert_eq!(app.wait_for_state(id, MailingState::Done).await.accepted, 300);
    assert!(app.relay.sink_count_per_recipient().values().all(|count| *count == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_mailing_skips_what_had_not_been_sent_and_the_counts_add_up() {
    let app = App::new().setting("SEND_RATE", "100").start().await;
    app.subscribers(300).await;
    let id = app.trigger().await;
    app.relay.wait_for(20).await;
    let mut transaction = app.pool.begin().await.unwrap();
    mailing::cancel(&mut transaction, id, Utc::now()).await.unwrap();
    transaction.commit().await.unwrap();
    app.wait_for_count("select count(*) from batches", 0).await;
    let (mailing, counts) = app.status(id).await;
    assert_eq!(mailing.state, MailingState::Cancelled);
    assert_eq!(counts.accepted + counts.skipped, mailing.audience);
    assert_eq!(usize::try_from(counts.accepted).unwrap(), app.relay.accepted_count());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_takes_nothing_of_the_send_rate() {
    let app = App::new().setting("SEND_RATE", "1").start().await;
    app.subscribers(120).await;
    let id = app.trigger().await;
    app.relay.wait_for(2).await;
    let mut transaction = app.pool.begin().await.unwrap();
    mailing::cancel(&mut transaction, id, Utc::now()).await.unwrap();
    transaction.commit().await.unwrap();
    // At one a second this would take two minutes, four times as long as is waited for it.
    app.wait_for_count("select count(*) from batches", 0).await;
    let (_, counts) = app.status(id).await;
    assert_eq!(counts.accepted + counts.skipped, 120);
    assert!(app.relay.accepted_count() < 30, "{} went out", app.relay.accepted_count());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_subscribers_get_one_copy_each_with_their_own_link() {
    let app = App::new().start().await;
    app.subscribers(10_000).await;
    app.sign_up("unconfirmed@example.org").await;
    let left = app.subscriber("left@example.org").await;
    app.post(&app.unsubscribe_path(left), "").await;
    let id = app.trigger().await;
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(counts.accepted, 10_000);
    let copies: Vec<_> =
        app.relay.accepted().into_iter().filter(|mail| mail.to != ["unconfirmed@example.org"]).collect();
    let mut links: Vec<String> = copies
        .iter()
        .map(|copy| crate::harness::mail::Mail::parse(&copy.data).link("/unsubscribe/"))
        .collect();
    let to: std::collections::HashSet<&String> = copies.iter().flat_map(|copy| &copy.to).collect();
    links.sort();
    links.dedup();
    assert_eq!((copies.len(), to.len(), links.len()), (10_000, 10_000, 10_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_in_full_flight_ends_within_ten_seconds_and_leaves_nothing_half_done() {
    let slow =
        behave(
            |phase, _| {
                if phase == Phase::Dot { Action::Delay(Duration::from_millis(20)) } else { Action::Go }
            },
        );
    let mut app = App::new().relay(slow).start().await;
    app.subscribers(2_000).await;
    app.trigger().await;
    app.relay.wait_for(50).await;
    let asked = Instant::now();
    app.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(app.count("select count(*) from deliveries where state = 'unknown'").await, 0);
    assert_eq!(app.count("select count(*) from batches where claimed_by is not null").await, 0);
    assert_eq!(app.on_their_way().await, 0);
    let accepted = app.count("select count(*) from deliveries where state = 'accepted'").await;
    assert_eq!(usize::try_from(accepted).unwrap(), app.relay.accepted_count());
    assert_eq!(app.count("select count(*) from workers").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_of_a_cancelled_mailing_is_skipped() {
    let (app, id, counts) =
        mailing_to_three(odd_one(Phase::Rcpt, Action::Reply("450 4.2.1 mailbox busy"))).await;
    assert_eq!(counts.pending, 1);
    // As if the 450 had come just after the cancelling.
    sqlx::query("update mailings set state = 'cancelled', finished_at = now() where id = $1")
        .bind(id.0)
        .execute(&app.pool)
        .await
        .unwrap();
    app.wait_for_count("select count(*) from deliveries where state = 'skipped'", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_that_waits_for_the_relay_goes_on_under_a_worker_that_reaches_it() {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let id = app.trigger().await;
    // Paused by a worker that is gone: the one that begins now has never seen the relay down.
    sqlx::query("update mailings set state = 'paused', paused_at = now(), pause_kind = 'unreachable', pause_reason = 'x'")
        .execute(&app.pool)
        .await
        .unwrap();
    let _worker = crate::harness::process::worker(&app, &[]);
    assert_eq!(app.wait_for_state(id, MailingState::Done).await.accepted, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn being_turned_away_at_mail_does_not_count_as_a_try() {
    let relay =
        behave(|phase, _| if phase == Phase::Mail { Action::Reply("451 4.3.2 not now") } else { Action::Go });
    let app = App::new().relay(relay).start().await;
    app.sign_up("maria@example.org").await;
    app.wait_for_count(
        "select count(*) from deliveries where smtp_text is not null and state = 'pending'",
        1,
    )
    .await;
    assert_eq!(app.count("select count(*) from deliveries where attempts > 0").await, 0);
    app.relay.set(behave(|_, _| Action::Go));
    app.relay.wait_for(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_rate_claims_little_ahead() {
    let app = App::new().setting("SEND_RATE", "1").start().await;
    app.subscribers(600).await;
    app.trigger().await;
    app.relay.wait_for(2).await;
    let held = app.count("select count(*) from batches where claimed_by is not null").await;
    assert_eq!(held, 1, "batches held at one message a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_wants_a_login_only_at_rcpt_pauses_the_mailing_and_counts_no_try() {
    let wants_login = Action::Reply("530 5.7.0 authentication required");
    let relay = behave(move |phase, _| if phase == Phase::Rcpt { wants_login } else { Action::Go });
    let app = App::new().relay(relay).start().await;
    app.subscribers(50).await;
    let id = app.trigger().await;
    app.wait_for_state(id, MailingState::Paused).await;
    let (mailing, counts) = app.status(id).await;
    assert_eq!(mailing.pause_kind, Some(PauseKind::Login));
    assert!(mailing.pause_reason.unwrap().contains("authentication required"));
    assert_eq!((counts.rejected, counts.unknown), (0, 0));
    app.wait_for_count("select count(*) from deliveries where attempts > 0", 0).await;
}

/// A relay that wants a login, and an app that has it.
async fn with_login(relay: Behaviour) -> TestApp {
    let login = Some(("user".to_owned(), "password".to_owned()));
    App::new().relay(Behaviour { credentials: login, ..relay }).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_says_ehlo_after_the_login() {
    for second_hello in [SecondHello::Refuse, SecondHello::Forget] {
        for keywords in [vec!["PIPELINING", "8BITMIME"], vec!["8BITMIME"], vec!["pipelining"], vec![]] {
            let app = with_login(Behaviour { keywords, second_hello, ..behave(|_, _| Action::Go) }).await;
            app.subscribers(20).await;
            app.sign_up("maria@example.org").await;
            let id = app.trigger().await;
            assert_eq!(app.wait_for_state(id, MailingState::Done).await.accepted, 20);
            app.relay.wait_for(21).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_is_read_however_the_relay_writes_it() {
    for offers_login in ["auth login", "AUTH=LOGIN PLAIN", "AUTH CRAM-MD5 LOGIN", "Auth Plain"] {
        let app = with_login(Behaviour { offers_login, ..behave(|_, _| Action::Go) }).await;
        app.sign_up("maria@example.org").await;
        app.relay.wait_for(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_not_offered_is_named_with_what_is() {
    for (offers_login, words) in [
        ("AUTH CRAM-MD5 GSSAPI", "it offers AUTH CRAM-MD5 GSSAPI, and we can do PLAIN and LOGIN"),
        ("STARTTLS", "only after STARTTLS"),
        ("SMTPUTF8", "no AUTH in its reply to EHLO"),
    ] {
        let app = with_login(Behaviour { offers_login, ..behave(|_, _| Action::Go) }).await;
        app.subscribers(2).await;
        let id = app.trigger().await;
        app.wait_for_state(id, MailingState::Paused).await;
        let mailing = app.status(id).await.0;
        assert_eq!(mailing.pause_kind, Some(PauseKind::Login));
        let reason = mailing.pause_reason.unwrap();
        assert!(reason.contains(words), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_knows_no_ehlo_is_greeted_with_helo() {
    // The test relay treats HELO as it does EHLO, so this one refuses every other greeting.
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    let relay = Behaviour {
        keywords: vec![],
        ..behave(move |phase, _| match phase {
            Phase::Ehlo if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => {
                Action::Reply("502 5.5.1 what?")
            }
            _ => Action::Go,
        })
    };
    let app = App::new().relay(relay).setting("SMTP_CONNECTIONS", "1").start().await;
    app.sign_up("maria@example.org").await;
    app.relay.wait_for(1).await;
    assert!(asked.load(Ordering::Relaxed) >= 2);
}
