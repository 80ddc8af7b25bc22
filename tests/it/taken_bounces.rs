//! What comes back about mails, taken in: whose it is, what follows from it, and that no order of arrival makes a
//! difference.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use rundbrief::{
    app::take_bounce::{self, Addressee, Recognition, Taken},
    config::BounceAddress,
    domain::{
        address::EmailAddress,
        bounce::{BounceKind, Consequence},
        ids::{DeliveryId, SubscriberId},
        mailing::MailingState,
        staff::Role,
        subscriber::{self, SubscriberState},
        suppression::{self, SuppressionReason},
        token::access_token,
    },
    mail::{message::message_id, return_path::ReturnPaths},
};

use crate::{
    bounces::samples::report,
    harness::{
        App, TestApp,
        program::Program,
        smtp::{Action, Phase, behave},
    },
};

const BOUNCE_ADDRESS: &str = "bounces@news.example.org";
pub const HARD: &str = "Final-Recipient: rfc822;s1@example.org\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 <s1@example.org> unknown";
pub const SOFT: &str = "Final-Recipient: rfc822;s1@example.org\nAction: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 mailbox full";
pub const POLICY: &str = "Final-Recipient: rfc822;s1@example.org\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 554 5.7.1 looks like spam";
const DELAYED: &str = "Final-Recipient: rfc822;s1@example.org\nAction: delayed\nStatus: 4.4.1\nDiagnostic-Code: smtp; 451 4.4.1 no answer";

pub async fn app() -> TestApp {
    App::new().setting("BOUNCE_ADDRESS", BOUNCE_ADDRESS).without_worker().start().await
}

pub fn recognition(app: &TestApp) -> Recognition {
    let keys = app.config.secret_keys.clone();
    let return_paths = ReturnPaths::of_setting(&keys, app.config.bounce_address.as_ref()).unwrap();
    Recognition { keys, return_paths, public_url: app.config.public_url.clone() }
}

pub fn return_path(app: &TestApp, id: DeliveryId) -> String {
    recognition(app).return_paths.unwrap().of(id).as_str().to_owned()
}

/// A report that is addressed to the return path of this mail.
pub fn about(app: &TestApp, id: DeliveryId, fields: &str) -> String {
    report(fields).replace("bounces@brief.example.org", &return_path(app, id))
}

/// Subscribers who each got a copy of one mailing.
pub async fn copies(app: &TestApp, n: usize) -> Vec<DeliveryId> {
    app.subscribers(n).await;
    let mailing = app.trigger().await;
    sqlx::query("update subscribers set state_changed_at = now() - interval '1 day'")
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query("update mailings set state = 'cancelled', finished_at = now()")
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query_scalar(
        "insert into deliveries (kind, mailing_id, subscriber_id, due_at, finished_at, state, attempts)
         select 'mailing', $1, id, now(), now(), 'accepted', 1 from subscribers returning id",
    )
    .bind(mailing.0)
    .fetch_all(&app.pool)
    .await
    .unwrap()
    .into_iter()
    .map(DeliveryId)
    .collect()
}

fn complaint(app: &TestApp, id: DeliveryId) -> String {
    complaint_to(&return_path(app, id))
}

/// A complaint about the mail with this return path.
pub fn complaint_to(path: &str) -> String {
    format!(
        "From: feedback@provider.example\nTo: abuse@example.org\nSubject: complaint\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: text/plain\n\n\
         A complaint.\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: P/1\nVersion: 1\n\
         Original-Mail-From: {path}\n\n--b\nContent-Type: message/rfc822\n\nReturn-Path: <{path}>\nSubject: Neues\n\nText\n--b--\n",
    )
}

fn auto_reply(app: &TestApp, id: DeliveryId) -> String {
    format!(
        "From: s1@example.org\nTo: {}\nSubject: Abwesenheit\nAuto-Submitted: auto-replied\n\nIch bin bis Montag nicht da.\n",
        return_path(app, id)
    )
}

pub async fn take(app: &TestApp, message: &str) -> Taken {
    let message = message.as_bytes().to_vec();
    take_bounce::take_bounce(&app.pool, &recognition(app), Addressee::Anybody, message, Utc::now())
        .await
        .unwrap()
}

/// That everybody pressed confirm, a year ago.
pub async fn agreed(app: &TestApp) {
    sqlx::query(
        "insert into consent_events (at, kind, method, email, email_normalized)
         select now() - interval '1 year', 'confirmed', 'button', email, email_normalized from subscribers",
    )
    .execute(&app.pool)
    .await
    .unwrap();
}

/// A subscriber who is active since a year, and the only one.
pub async fn reader(app: &TestApp) -> SubscriberId {
    app.subscribers(1).await;
    sqlx::query_scalar("update subscribers set state_changed_at = now() - interval '1 year' returning id")
        .fetch_one(&app.pool)
        .await
        .map(SubscriberId)
        .unwrap()
}

/// Their copy of a mailing, taken by the relay so many days ago.
pub async fn copy(app: &TestApp, reader: SubscriberId, days: i64) -> DeliveryId {
    let mailing = app.trigger().await;
    sqlx::query("update mailings set state = 'cancelled', finished_at = now() where id = $1")
        .bind(mailing.0)
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query_scalar(
        "insert into deliveries (kind, mailing_id, subscriber_id, due_at, finished_at, state, attempts)
         values ('mailing', $1, $2, $3, $3, 'accepted', 1) returning id",
    )
    .bind(mailing.0)
    .bind(reader.0)
    .bind(Utc::now() - Duration::days(days))
    .fetch_one(&app.pool)
    .await
    .map(DeliveryId)
    .unwrap()
}

async fn state(app: &TestApp, reader: SubscriberId) -> SubscriberState {
    subscriber::by_id(&mut app.pool.acquire().await.unwrap(), reader).await.unwrap().unwrap().state
}

async fn suppressed(app: &TestApp) -> Option<SuppressionReason> {
    let address = EmailAddress::parse("s1@example.org").unwrap().normalized();
    let mut db = app.pool.acquire().await.unwrap();
    suppression::find(&mut db, &app.config.secret_keys, &address).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_sender_of_every_mail_names_its_delivery() {
    let app = App::new().setting("BOUNCE_ADDRESS", BOUNCE_ADDRESS).start().await;
    app.sign_up("eva@example.org").await;
    app.confirm(&app.mail(1).await.link("/confirm/")).await;
    app.mail(2).await;
    app.subscribers(20).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let paths = recognition(&app).return_paths.unwrap();
    let named: BTreeSet<DeliveryId> =
        app.relay.accepted().iter().map(|mail| paths.read(&mail.from).expect(&mail.from)).collect();
    let all: Vec<i64> =
        sqlx::query_scalar("select id from deliveries order by id").fetch_all(&app.pool).await.unwrap();
    assert_eq!(named.into_iter().map(|id| id.0).collect::<Vec<_>>(), all);
    assert_eq!(all.len(), 23);
    let mail = app.mail(3).await;
    assert!(!mail.header("From").unwrap().contains("bounces+"), "readers see the sender as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_does_not_exist_gets_no_more_mail_and_what_was_accepted_stays_so() {
    let app = app().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 0).await;
    let taken = take(&app, &about(&app, sent, HARD)).await;
    assert_eq!(
        (taken.kind, taken.is_recognised, taken.consequence),
        (BounceKind::Hard, true, Consequence::Bounced)
    );
    assert_eq!(state(&app, reader).await, SubscriberState::Bounced);
    assert_eq!(suppressed(&app).await, None, "its owner may sign up again");
    assert_eq!(app.count("select count(*) from deliveries where state = 'accepted'").await, 1);
    assert_eq!(app.count("select count(*) from events where kind = 'subscriber_bounced'").await, 1);
    let again = take(&app, &about(&app, sent, HARD)).await;
    assert_eq!((again.is_known, again.consequence), (true, Consequence::None));
    assert_eq!(app.count("select count(*) from bounces").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_mailing_too() {
    let app = app().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 1).await;
    let waiting = copy(&app, reader, 0).await;
    sqlx::query("update mailings set state = 'sending', finished_at = null")
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query(
        "with queued as (insert into batches (due_at, size, mailing_id)
                         select now(), 1, mailing_id from deliveries where id = $1 returning id)
         update deliveries set state = 'pending', finished_at = null, attempts = 0, batch_id = (select id from queued) where id = $1",
    )
    .bind(waiting.0)
    .execute(&app.pool)
    .await
    .unwrap();
    take(&app, &about(&app, sent, HARD)).await;
    assert_eq!(app.count("select count(*) from deliveries where state = 'skipped'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_is_given_up_after_three_mailings_over_two_weeks_and_not_before() {
    let app = app().await;
    let reader = reader(&app).await;
    for (days, expected) in [
        (28, SubscriberState::Active),
        (20, SubscriberState::Active),
        (15, SubscriberState::Active),
        (13, SubscriberState::Bounced),
    ] {
        let sent = copy(&app, reader, days).await;
        take(&app, &about(&app, sent, SOFT)).await;
        // Of one mailing it counts once, however many reports come.
        take(&app, &about(&app, sent, &SOFT.replace("full", "still full"))).await;
        assert_eq!(state(&app, reader).await, expected, "{days} days ago");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_often_and_how_long_is_a_setting_of_the_publication() {
    let app = app().await;
    let reader = reader(&app).await;
    sqlx::query(
        r#"insert into publications (applied_at, content, content_sha256)
           select now(), content || '{"bounces": {"soft_mailings": 2, "soft_days": 5}}', sha256('x') from publications limit 1"#,
    )
    .execute(&app.pool)
    .await
    .unwrap();
    for (days, expected) in
        [(20, SubscriberState::Active), (16, SubscriberState::Active), (15, SubscriberState::Bounced)]
    {
        let sent = copy(&app, reader, days).await;
        take(&app, &about(&app, sent, SOFT)).await;
        assert_eq!(state(&app, reader).await, expected, "{days} days ago");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_arrives_ends_the_run() {
    let app = app().await;
    let reader = reader(&app).await;
    let old = copy(&app, reader, 40).await;
    take(&app, &about(&app, old, SOFT)).await;
    let second = copy(&app, reader, 30).await;
    take(&app, &about(&app, second, SOFT)).await;
    copy(&app, reader, 25).await;
    let third = copy(&app, reader, 10).await;
    take(&app, &about(&app, third, SOFT)).await;
    assert_eq!(state(&app, reader).await, SubscriberState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_ends_it_for_good_whatever_else_is_known() {
    for before in [SubscriberState::Active, SubscriberState::Unsubscribed, SubscriberState::Bounced] {
        let app = app().await;
        let reader = reader(&app).await;
        let sent = copy(&app, reader, 0).await;
        sqlx::query("update subscribers set state = $1").bind(before).execute(&app.pool).await.unwrap();
        let taken = take(&app, &complaint(&app, sent)).await;
        assert_eq!(
            (taken.kind, taken.consequence),
            (BounceKind::Complaint, Consequence::Complained),
            "{before:?}"
        );
        assert_eq!(state(&app, reader).await, SubscriberState::Complained);
        assert_eq!(suppressed(&app).await, Some(SuppressionReason::Complained));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_us_or_says_nothing_for_good_changes_nobody() {
    let app = app().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 0).await;
    for (message, kind) in [
        (about(&app, sent, POLICY), BounceKind::Policy),
        (about(&app, sent, DELAYED), BounceKind::Delayed),
        (auto_reply(&app, sent), BounceKind::AutoReply),
        (
            format!("From: x@example.org\nTo: {}\nSubject: Hallo\n\nDanke!\n", return_path(&app, sent)),
            BounceKind::Unrecognised,
        ),
    ] {
        let taken = take(&app, &message).await;
        assert_eq!((taken.kind, taken.is_recognised, taken.consequence), (kind, true, Consequence::None));
    }
    assert_eq!(state(&app, reader).await, SubscriberState::Active);
    assert_eq!(app.count("select count(*) from bounces").await, 4);
    let kept = "select count(*) from bounces where kind in ('delayed', 'auto_reply') and report is not null";
    assert_eq!(app.count(kept).await, 0, "what somebody writes in their absence is nothing to keep");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nobody_changes_and_the_message_waits_for_a_person() {
    let app = app().await;
    let reader = reader(&app).await;
    let (sent, other) = (copy(&app, reader, 0).await, copy(&app, reader, 1).await);
    let path = return_path(&app, sent);
    let forged = format!("{}{}{}", &path[..40], if &path[40..41] == "a" { "b" } else { "a" }, &path[41..]);
    for message in [
        report(HARD),
        report(HARD).replace("bounces@brief.example.org", &forged),
        report(HARD).replace("bounces@brief.example.org", &format!("{path}, {}", return_path(&app, other))),
    ] {
        let taken = take(&app, &message).await;
        assert_eq!((taken.is_recognised, taken.consequence), (false, Consequence::None), "{message}");
    }
    assert_eq!(state(&app, reader).await, SubscriberState::Active);
    assert_eq!(
        app.count("select count(*) from bounces where delivery_id is null and report is not null").await,
        3
    );
    // Of a mail that is not on record any more no words are kept: no erasure would find them.
    let gone = take(&app, &about(&app, DeliveryId(999_999), HARD)).await;
    assert_eq!((gone.is_recognised, gone.consequence), (true, Consequence::None));
    assert_eq!(app.count("select count(*) from bounces where report is not null").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_id_of_ours_counts_together_with_the_address_and_neither_alone() {
    let app = App::new().without_worker().start().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 0).await;
    let mailing: uuid::Uuid =
        sqlx::query_scalar("select mailing_id from deliveries").fetch_one(&app.pool).await.unwrap();
    let id = message_id(sent, mailing, &app.config.public_url);
    let ours = |fields: &str| report(fields).replace("<019ad.update@brief.example.org>", &id);
    for message in [ours(&HARD.replace("s1@", "s2@")), report(HARD)] {
        assert!(!take(&app, &message).await.is_recognised);
    }
    assert_eq!(take(&app, &ours(HARD)).await.consequence, Consequence::Bounced);
    assert_eq!(state(&app, reader).await, SubscriberState::Bounced);
}

/// Puts a list into every order that it can have.
fn orders<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    if list.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 0..list.len() {
        let mut rest = list.to_vec();
        let chosen = rest.remove(first);
        all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, chosen.clone());
            order
        }));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_12_a_bounce_twice_late_or_out_of_order_leaves_the_state_that_once_in_order_would() {
    let app = app().await;
    let reader = reader(&app).await;
    let mut copies = Vec::new();
    for days in [30, 20, 10, 1] {
        copies.push(copy(&app, reader, days).await);
    }
    let soft = |at: usize| about(&app, copies[at], SOFT);
    let cases = [
        (vec![soft(1), soft(2), soft(3)], SubscriberState::Bounced),
        (vec![soft(0), soft(1), soft(2)], SubscriberState::Active),
        (vec![soft(2), soft(3), about(&app, copies[1], POLICY)], SubscriberState::Active),
        (vec![soft(0), about(&app, copies[3], HARD), auto_reply(&app, copies[2])], SubscriberState::Bounced),
        (
            vec![about(&app, copies[0], HARD), complaint(&app, copies[1]), soft(3)],
            SubscriberState::Complained,
        ),
    ];
    for (messages, expected) in cases {
        for order in orders(&messages) {
            sqlx::query(
                "update subscribers set state = 'active', state_changed_at = now() - interval '1 year'",
            )
            .execute(&app.pool)
            .await
            .unwrap();
            sqlx::query("truncate bounces").execute(&app.pool).await.unwrap();
            sqlx::query("delete from suppressions").execute(&app.pool).await.unwrap();
            for message in order.iter().chain(&order) {
                take(&app, message).await;
            }
            assert_eq!(state(&app, reader).await, expected, "{order:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_bounce_says_nothing_of_somebody_who_came_back_moved_left_or_is_erased() {
    let app = app().await;
    let reader = reader(&app).await;
    let old = copy(&app, reader, 20).await;
    let since = |days: i64| Utc::now() - Duration::days(days);
    let set = async |state: SubscriberState, changed: DateTime<Utc>| {
        sqlx::query("update subscribers set state = $1, state_changed_at = $2")
            .bind(state)
            .bind(changed)
            .execute(&app.pool)
            .await
            .unwrap();
        sqlx::query("truncate bounces").execute(&app.pool).await.unwrap();
    };
    set(SubscriberState::Active, since(10)).await;
    assert_eq!(
        take(&app, &about(&app, old, HARD)).await.consequence,
        Consequence::None,
        "signed up again since"
    );
    set(SubscriberState::Unsubscribed, since(30)).await;
    assert_eq!(take(&app, &about(&app, old, HARD)).await.consequence, Consequence::None);
    assert_eq!(state(&app, reader).await, SubscriberState::Unsubscribed, "who has left stays so");
    set(SubscriberState::Active, since(300)).await;
    sqlx::query("insert into former_addresses (subscriber_id, email_normalized, left_at) values ($1, 'old@example.org', $2)")
        .bind(reader.0)
        .bind(since(5))
        .execute(&app.pool)
        .await
        .unwrap();
    for message in [about(&app, old, HARD), complaint(&app, old)] {
        assert_eq!(take(&app, &message).await.consequence, Consequence::None, "it went to another address");
    }
    let program = Program::beside(&app);
    take(&app, &about(&app, old, HARD)).await;
    program.run(&["subscribers", "erase", "s1@example.org", "--yes"]).await.done();
    assert_eq!(
        app.count("select count(*) from bounces where subscriber_id is not null or report is not null").await,
        0
    );
    let late = take(&app, &about(&app, old, &HARD.replace("unknown", "gone"))).await;
    assert_eq!((late.is_recognised, late.consequence), (true, Consequence::None));
    let words = "select count(*) from bounces where report is not null or diagnostic is not null or recipients <> '{}'";
    assert_eq!(app.count(words).await, 0, "no erasure would find them again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_relay_refuses_at_once_goes_by_the_same_rules() {
    let app = App::new()
        .relay(behave(|phase, line| match (phase, line) {
            (Phase::Rcpt, line) if line.contains("s1@") => Action::Reply("550 5.1.1 no such user"),
            (Phase::Rcpt, line) if line.contains("s2@") => {
                Action::Reply("554 5.6.0 content rejected as spam")
            }
            (Phase::Rcpt, line) if line.contains("s3@") => Action::Reply("552 5.2.2 mailbox full"),
            (Phase::Rcpt, line) if line.contains("s4@") => Action::Reply("550 no"),
            _ => Action::Go,
        }))
        .start()
        .await;
    app.subscribers(6).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let judge = async |minutes: i64| {
        let now = Utc::now() + Duration::minutes(minutes);
        while take_bounce::judge_refusal(&app.pool, &app.config.secret_keys, now).await.unwrap() {}
    };
    judge(9).await;
    assert_eq!(
        app.count("select count(*) from bounces").await,
        0,
        "a run of equal refusals would be about us"
    );
    let in_run = "insert into refusals (delivery_id, attempt, worker_id, reply, in_run)
                  select id, 1, 1, 'x', true from deliveries where state = 'rejected'
                  on conflict (delivery_id) do update set in_run = true";
    sqlx::query(in_run).execute(&app.pool).await.unwrap();
    judge(11).await;
    assert_eq!(app.count("select count(*) from bounces").await, 0, "as long as nothing was accepted since");
    sqlx::query("delete from refusals").execute(&app.pool).await.unwrap();
    judge(11).await;
    judge(12).await;
    let bounced: Vec<String> = sqlx::query_scalar("select email from subscribers where state = 'bounced'")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    assert_eq!(bounced, ["s1@example.org"]);
    let kinds: Vec<String> = sqlx::query_scalar(
        "select split_part(s.email, '@', 1) || ' ' || b.kind || ' ' || b.way from bounces b join subscribers s on s.id = b.subscriber_id order by 1",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(kinds, ["s1 hard reply", "s2 policy reply", "s3 soft reply", "s4 unrecognised reply"]);
    assert_eq!(app.count("select count(*) from refused_deliveries").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_command_messages_are_taken_listed_and_somebody_is_made_active_again() {
    let app = app().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 0).await;
    let program = Program::beside(&app);
    program.file("one.eml", about(&app, sent, HARD));
    program.file("two.eml", "Subject: Hallo\n\nWas ist das?\n");
    let taken = program.run(&["bounces", "take", "one.eml", "two.eml", "one.eml"]).await;
    let lines: Vec<&str> = taken.done().lines().collect();
    assert!(lines[0].contains("hard") && lines[0].ends_with("the subscriber gets no more mail"), "{lines:?}");
    assert!(lines[1].ends_with("it waits for you under unrecognised"), "{lines:?}");
    assert!(lines[2].ends_with("it was taken in before"), "{lines:?}");
    let missing = program.run(&["bounces", "take", "missing.eml", "two.eml"]).await;
    assert!(
        missing.code == Some(75) && missing.stderr.contains("1 of 2 could not be taken in"),
        "{missing:?}"
    );
    let listed = program.run(&["bounces", "list", "--kind", "hard", "--json"]).await.json();
    assert_eq!((&listed[0]["address"], &listed[0]["status"]), (&"s…@example.org".into(), &"5.1.1".into()));
    assert!(!listed.to_string().contains("s1@example.org"));
    program.run(&["bounces", "list", "--kind", "weird"]).await.refused(2);
    let waiting = program.run(&["bounces", "list", "--kind", "unrecognised", "--json"]).await.json();
    let shown = program.run(&["bounces", "show", &waiting[0]["id"].to_string()]).await;
    assert!(shown.done().contains("Was ist das?"));
    // A mail server keeps what it could not hand over.
    let away = Program::beside(&app).setting("DATABASE_URL", "postgres://127.0.0.1:1/nothing");
    away.file("one.eml", "Subject: x\n\ny\n");
    away.run(&["bounces", "take", "one.eml"]).await.refused(75);

    program.run(&["subscribers", "reactivate", "s1@example.org", "--reason", " "]).await.refused(2);
    program.run(&["subscribers", "reactivate", "s2@example.org", "--reason", "x"]).await.refused(1);
    let unproven =
        program.run(&["subscribers", "reactivate", "s1@example.org", "--reason", "sie rief an"]).await;
    assert!(unproven.refused(1).contains("not on record"));
    agreed(&app).await;
    program.run(&["subscribers", "reactivate", "s1@example.org", "--reason", "sie rief an"]).await.done();
    assert_eq!(state(&app, reader).await, SubscriberState::Active);
    assert_eq!(app.actions().await.last().unwrap(), "subscriber_reactivated");
    let again = program.run(&["subscribers", "reactivate", "s1@example.org", "--reason", "x"]).await;
    assert!(again.refused(1).contains("nothing to undo"));
    take(&app, &about(&app, sent, &HARD.replace("unknown", "no"))).await;
    assert_eq!(
        state(&app, reader).await,
        SubscriberState::Active,
        "what was sent before says nothing any more"
    );
}

/// How many reports come in while the service is killed; `make bounces` has more.
pub fn reports() -> usize {
    std::env::var("RUNDBRIEF_BOUNCE_REPORTS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

/// So many reports that addresses do not exist are recorded, each once, and have had their consequence.
pub async fn each_counted_once(app: &TestApp, reports: usize) {
    let all = i64::try_from(reports).unwrap();
    let recorded: (i64, i64) = sqlx::query_as("select count(*), count(distinct delivery_id) from bounces")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(recorded, (all, all));
    assert_eq!(app.count("select count(*) from subscribers where state = 'bounced'").await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_the_command_takes_each_report_once() {
    let app = app().await;
    let sent = copies(&app, reports()).await;
    let program = Program::beside(&app);
    let files: Vec<String> = (0..sent.len()).map(|number| format!("{number}.eml")).collect();
    for (file, id) in files.iter().zip(&sent) {
        program.file(file, about(&app, *id, HARD));
    }
    let command: Vec<&str> =
        ["bounces", "take"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let part = sent.len() / 7;
    for kill in 1..=6 {
        let running = program.start(&command);
        app.wait_for_at_least("select count(*) from bounces", i64::try_from(part * kill).unwrap()).await;
        running.signal("KILL");
        assert_eq!(running.ended().await.code, None, "it was killed in the middle");
    }
    program.run(&command).await.done();
    each_counted_once(&app, sent.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_back_is_shown_to_staff_and_to_whoever_it_is_about() {
    let app = app().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 0).await;
    take(&app, &about(&app, sent, SOFT)).await;
    let admin = app.member("eva@example.org", Role::Admin).await;
    let page = app.browser_of(&admin).await.get(&format!("/staff/subscribers/{}", reader.0)).await.body;
    assert!(page.contains("Das Postfach war voll") && page.contains("552 5.2.2 mailbox full"), "{page}");
    let token = access_token(
        &app.config.secret_keys,
        reader,
        &EmailAddress::parse("s1@example.org").unwrap().normalized(),
        Utc::now(),
    );
    let own = app.get(&format!("/data/{token}?lang=de")).await.body;
    assert!(
        own.contains("Das Postfach war voll") && own.contains("gemeldet vom empfangenden Mailserver"),
        "{own}"
    );
    let shown = Program::beside(&app).run(&["subscribers", "show", "s1@example.org", "--json"]).await.json();
    assert_eq!(
        (&shown["bounces"][0]["kind"], &shown["bounces"][0]["status"]),
        (&"soft".into(), &"5.2.2".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_bounces_count_for_the_address_of_now_and_not_where_the_copy_arrived_after_all() {
    let app = app().await;
    let reader = reader(&app).await;
    for days in [40, 30, 20] {
        let sent = copy(&app, reader, days).await;
        sqlx::query("insert into former_addresses (subscriber_id, email_normalized, left_at) values ($1, 'old@example.org', now() - interval '25 days') on conflict do nothing")
            .bind(reader.0)
            .execute(&app.pool)
            .await
            .unwrap();
        take(&app, &about(&app, sent, SOFT)).await;
    }
    assert_eq!(state(&app, reader).await, SubscriberState::Active, "two of them came from another address");
    // As the relay's reply to a copy that was sent again and taken.
    for days in [15, 3] {
        let sent = copy(&app, reader, days).await;
        take(&app, &about(&app, sent, SOFT)).await;
        if days == 15 {
            sqlx::query("update bounces set way = 'reply' where delivery_id = $1")
                .bind(sent.0)
                .execute(&app.pool)
                .await
                .unwrap();
        }
    }
    assert_eq!(state(&app, reader).await, SubscriberState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_that_comes_back_ends_its_signup_and_a_complaint_about_it_all_further_ones() {
    for (is_complaint, suppressed_after) in [(false, None), (true, Some(SuppressionReason::Complained))] {
        let app = App::new().setting("BOUNCE_ADDRESS", BOUNCE_ADDRESS).start().await;
        app.sign_up("s1@example.org").await;
        let link = app.mail(1).await.link("/confirm/");
        app.wait_for_count("select count(*) from deliveries where state = 'accepted'", 1).await;
        let id = DeliveryId(app.count("select id from deliveries").await);
        let message = if is_complaint { complaint(&app, id) } else { about(&app, id, HARD) };
        assert!(take(&app, &message).await.is_recognised);
        assert!(app.get(&link).await.heading().contains("abgelaufen"), "its link opens nothing any more");
        assert_eq!(suppressed(&app).await, suppressed_after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_report_keeps_it_from_being_recorded_and_nobody_fills_the_table() {
    let app = app().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 0).await;
    let odd = HARD.replace("unknown", "s1 un\0known\u{1b}[31m").replace("5.1.1\n", "5.1.1\0\n");
    assert_eq!(take(&app, &about(&app, sent, &odd)).await.consequence, Consequence::Bounced);
    let said: String =
        sqlx::query_scalar("select diagnostic from bounces").fetch_one(&app.pool).await.unwrap();
    assert!(!said.contains(char::is_control) && !said.contains("s1@"), "{said:?}");
    for number in 0..20 {
        take(&app, &about(&app, sent, &POLICY.replace("spam", &format!("spam {number}")))).await;
    }
    assert_eq!(app.count("select count(*) from bounces where kind = 'policy'").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_complained_is_not_made_active_by_staff() {
    let app = app().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 0).await;
    take(&app, &complaint(&app, sent)).await;
    let program = Program::beside(&app);
    program.run(&["subscribers", "reactivate", "s1@example.org", "--reason", "x"]).await.refused(1);
}

#[test]
fn an_address_with_no_room_for_a_token_is_refused_at_the_start() {
    let address = BounceAddress { local: "b".repeat(24), domain: format!("{}.de", "a".repeat(60)) };
    let keys = rundbrief::config::SecretKeys::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
    let path = ReturnPaths::new(keys, &address).unwrap().of(DeliveryId(i64::MAX));
    assert_eq!(path.parts().0.len(), 64);
}
