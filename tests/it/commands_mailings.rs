//! `mailings` on the command line: preview, test, trigger, status, pause, resume, cancel.

use std::{fs, time::Duration};

use chrono::{TimeDelta, Utc};
use rundbrief::{
    app::{
        App as Deeds,
        control_mailing::reschedule_mailing,
        send_mailing::{self, Objection, Order, Ordered, SendError},
    },
    domain::{
        actor::Actor,
        ids::MailingId,
        mailing::{Begin, MailingError, MailingState, start_time::StartTimeError},
    },
};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::harness::{
    App, TestApp,
    mail::Mail,
    program::Program,
    smtp::{Action, Phase, behave},
};

const COUNTS: [&str; 7] =
    ["pending", "claimed", "transmitting", "accepted", "rejected", "unknown", "skipped"];

/// The names of an object's fields, sorted.
fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn id_of(triggered: &Value) -> MailingId {
    triggered["id"].as_str().expect("an id").parse().expect("a UUID")
}

async fn status(program: &Program, id: MailingId) -> Value {
    program.run(&["mailings", "status", &id.to_string(), "--json"]).await.json()
}

/// The seven counts of a status, which must all be there.
fn counts(status: &Value) -> Vec<i64> {
    COUNTS.iter().map(|name| status[name].as_i64().expect("a whole number")).collect()
}

async fn nothing_is_queued(app: &TestApp) {
    assert_eq!(app.count("select count(*) from mailings").await, 0);
    assert_eq!(app.count("select count(*) from deliveries").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_the_exact_mail_in_a_file_and_sends_nothing() {
    let app = App::new().start().await;
    app.subscribers(1).await;
    let program = Program::beside(&app);
    let update = app.update("Grüße aus der Werkstatt").await.to_string();

    let written = program.run(&["mailings", "preview", &update, "--json"]).await.json();
    assert_eq!(fields(&written), ["bytes", "file", "subject"]);
    assert_eq!(written["file"], "gruesse-aus-der-werkstatt.eml");
    let bytes = fs::read(program.dir().join("gruesse-aus-der-werkstatt.eml")).unwrap();
    assert_eq!(written["bytes"], bytes.len());
    let mail = Mail::parse(&bytes);
    assert_eq!(
        (mail.subject.as_str(), &written["subject"]),
        ("Grüße aus der Werkstatt", &json!(mail.subject))
    );
    assert!(mail.source.is_ascii());
    assert!(!mail.source.replace("\r\n", "").contains(['\r', '\n']), "every line ends in CRLF");
    assert!(mail.html.contains("<em>Absatz</em>") && mail.text.contains("Ein Absatz."), "{}", mail.text);

    let named = program.run(&["mailings", "preview", &update, "--out", "andere.eml"]).await;
    assert!(named.done().contains("andere.eml"), "{named:?}");
    assert!(program.dir().join("andere.eml").is_file());

    // Its unsubscribe link may be pressed by whoever looks at it.
    assert_eq!(app.post(&mail.link("/unsubscribe/"), "").await.status, 200);
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 1);
    nothing_is_queued(&app).await;
    assert_eq!(app.relay.connections().opened, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_one_address_and_says_so_in_its_subject() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let program = Program::beside(&app);
    let update = app.update("Neues").await.to_string();
    let queued =
        program.run(&["mailings", "test", &update, "--to", "Redaktion@straße.de", "--json"]).await.json();
    assert_eq!(queued["to"], "Redaktion@xn--strae-oqa.de");
    let mail = app.mail(1).await;
    assert_eq!(mail.subject, "[Test] Neues");
    assert_eq!(mail.header("To").unwrap(), "<Redaktion@xn--strae-oqa.de>");
    app.wait_for_count("select count(*) from deliveries where kind = 'test' and state = 'accepted'", 1).await;
    assert_eq!(app.count("select count(*) from deliveries").await, 1);
    assert_eq!(app.count("select count(*) from mailings").await, 0);
    assert_eq!(app.count("select count(*) from updates where state = 'draft'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_without_yes_shows_what_would_happen_and_sends_nothing_unasked() {
    let app = App::new().start().await;
    app.subscribers(2).await;
    let update = app.update("Neues").await.to_string();
    let ran = Program::beside(&app).run(&["mailings", "trigger", &update]).await;
    let told = ran.refused(2);
    for fact in ["Neues", "LOK Lausitz <newsletter@lok-lausitz.example>", "2 active subscribers", "--yes"] {
        assert!(told.contains(fact), "{fact} in {told}");
    }
    nothing_is_queued(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_prints_the_warnings_and_sends_nothing_that_has_to_be_corrected() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let program = Program::beside(&app);
    let bad =
        app.update_with_body("Schlecht", "Intern: [der Plan](http://192.168.1.5/plan).").await.to_string();
    let ran = program.run(&["mailings", "trigger", &bad, "--yes", "--json"]).await;
    let told = ran.refused(1);
    assert!(told.contains("error (line 1): ") && told.contains("has to be corrected"), "{told}");
    nothing_is_queued(&app).await;

    let vague =
        app.update_with_body("Mit Hinweis", "Mehr [hier](https://brief.example.org/).").await.to_string();
    let ran = program.run(&["mailings", "trigger", &vague, "--yes", "--json"]).await;
    assert_eq!(ran.json()["audience"], 2);
    assert!(ran.stderr.contains("warning (line 1): The link text “hier”"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_sent_once_unless_it_is_said_twice() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let program = Program::beside(&app);
    let update = app.update("Neues").await.to_string();
    let trigger = ["mailings", "trigger", &update, "--yes", "--json"];

    let triggered = program.run(&trigger).await.json();
    assert_eq!(fields(&triggered), ["audience", "id"]);
    assert_eq!(triggered["audience"], 3);
    let id = id_of(&triggered);
    app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(app.count("select count(*) from updates where state = 'published'").await, 1);

    let again = program.run(&trigger).await;
    let told = again.refused(1);
    assert!(told.contains(&id.to_string()) && told.contains("--again"), "{told}");
    assert_eq!(app.count("select count(*) from mailings").await, 1);

    let meant = [&trigger[..], &["--again"]].concat();
    let second = id_of(&program.run(&meant).await.json());
    app.wait_for_state(second, MailingState::Done).await;
    let per_address = app.relay.sink_count_per_recipient();
    assert_eq!((per_address.len(), per_address.values().sum::<usize>()), (3, 6));
    assert!(per_address.values().all(|copies| *copies == 2), "{per_address:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_door_asks_no_mailing_is_planned_for_a_time_that_passed_or_is_more_than_a_year_ahead() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let deeds = Deeds::new(app.pool.clone(), &app.config, app.composer());
    let update = app.update("Neues").await;
    let now = Utc::now();
    let shown = send_mailing::situation(&deeds, update, now).await.unwrap().unwrap();
    let versions = Some(shown.draft.versions());
    let order = |at| Order { update, versions, at: Some(at), again: false, page: None };
    for (at, why) in [
        (now, StartTimeError::Passed),
        (now - TimeDelta::days(1), StartTimeError::Passed),
        (now + TimeDelta::days(367), StartTimeError::TooFar),
    ] {
        let refused = send_mailing::send_mailing(&deeds, &Actor::Command, &order(at), now).await.unwrap_err();
        assert!(matches!(refused, SendError::StartTime(told) if told == why), "{at}: {refused:?}");
    }
    assert_eq!(app.count("select count(*) from mailings").await, 0);
    let in_a_week = order(now + TimeDelta::days(7));
    let planned = send_mailing::send_mailing(&deeds, &Actor::Command, &in_a_week, now).await.unwrap();
    let Ordered::Now { mailing, .. } = planned else { panic!("{planned:?}") };
    for at in [now, now + TimeDelta::days(367)] {
        let moved = reschedule_mailing(&app.pool, &Actor::Command, mailing, Begin::At(at), now).await;
        assert!(matches!(moved, Err(MailingError::StartTime(_))), "{at}: {moved:?}");
    }
    let later = Begin::At(now + TimeDelta::days(8));
    reschedule_mailing(&app.pool, &Actor::Command, mailing, later, now).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_since_it_was_shown_is_not_sent_by_command_either_also_beside_another_mailing() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let deeds = Deeds::new(app.pool.clone(), &app.config, app.composer());
    let update = app.update("Neues").await;
    for (open, again) in [(0, false), (1, true)] {
        let shown = send_mailing::situation(&deeds, update, Utc::now()).await.unwrap().unwrap();
        let order = Order { update, versions: Some(shown.draft.versions()), at: None, again, page: None };
        sqlx::query("update updates set version = version + 1, title = title || '!' where id = $1")
            .bind(update.0)
            .execute(&app.pool)
            .await
            .unwrap();
        let refused =
            send_mailing::send_mailing(&deeds, &Actor::Command, &order, Utc::now()).await.unwrap_err();
        let SendError::Refused(refused) = refused else { panic!("{refused:?}") };
        assert_eq!(refused.1, [Objection::Changed]);
        assert_eq!(app.count("select count(*) from mailings").await, open);
        app.trigger_update(update).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_triggers_at_the_same_time_one_is_refused() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    let (one, other) = (Program::beside(&app), Program::beside(&app));
    let update = app.update("Neues").await.to_string();
    let trigger = ["mailings", "trigger", &update, "--yes", "--json"];
    let (first, second) = tokio::join!(one.run(&trigger), other.run(&trigger));
    let mut codes = [first.code, second.code];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(1)], "{first:?} {second:?}");
    assert_eq!(app.count("select count(*) from mailings").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_with_an_incomplete_publication_and_what_is_missing_is_listed() {
    let app = App::new().without_publication().without_worker().start().await;
    app.subscribers(1).await;
    let program = Program::beside(&app);
    let update = app.update("Neues").await.to_string();
    let commands: [&[&str]; 3] = [
        &["mailings", "preview", &update],
        &["mailings", "test", &update, "--to", "a@example.org"],
        &["mailings", "trigger", &update, "--yes", "--json"],
    ];
    for command in commands {
        let ran = program.run(command).await;
        assert!(ran.refused(1).contains("there is no publication yet"), "{ran:?}");
    }
    program.file("publication.toml", "name = \"N\"\n[sender]\nname = \"N\"\n[texts.de]\nconsent = \"Ja\"\n");
    program.run(&["publication", "apply", "publication.toml"]).await.done();
    let missing =
        ["sender.address", "privacy_url", "texts.de.imprint", "texts.en.imprint", "texts.en.consent"];
    for command in commands {
        let ran = program.run(command).await;
        let told = ran.refused(1);
        let listed: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("  - ")).collect();
        assert_eq!(listed, missing, "{told}");
    }
    nothing_is_queued(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_to_nobody_is_refused() {
    let app = App::new().without_worker().start().await;
    let left = app.subscriber("left@example.org").await;
    app.post(&app.unsubscribe_path(left), "").await;
    let update = app.update("Neues").await.to_string();
    let ran = Program::beside(&app).run(&["mailings", "trigger", &update, "--yes"]).await;
    assert!(ran.refused(1).contains("no active subscribers"), "{ran:?}");
    nothing_is_queued(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seven_counts_add_up_to_the_audience_while_it_is_sending_and_when_it_is_done() {
    let relay = behave(|phase, to| match (phase, to) {
        (Phase::Rcpt, "s1@example.org") => Action::Reply("550 5.1.1 no such user"),
        (Phase::Rcpt, "s2@example.org") => Action::Reply("450 4.2.1 mailbox busy"),
        _ => Action::Go,
    });
    let app = App::new().relay(relay).start().await;
    app.subscribers(5).await;
    let program = Program::beside(&app);
    let update = app.update("Neues").await.to_string();
    let id = id_of(&program.run(&["mailings", "trigger", &update, "--yes", "--json"]).await.json());
    let tried =
        "select count(*) from deliveries where attempts = 1 and state in ('accepted', 'rejected', 'pending')";
    app.wait_for_count(tried, 5).await;

    let under_way = status(&program, id).await;
    assert_eq!((&under_way["id"], &under_way["state"]), (&json!(id), &json!("sending")));
    assert_eq!((&under_way["audience"], counts(&under_way)), (&json!(5), vec![1, 0, 0, 3, 1, 0, 0]));
    let human = program.run(&["mailings", "status", &id.to_string()]).await;
    assert!(
        human.done().contains("3 of 5 accepted, 1 waiting, 1 rejected, 0 unknown, 0 skipped"),
        "{human:?}"
    );

    let skip = "update subscribers set state = 'unsubscribed' where email = 's2@example.org'";
    sqlx::query(skip).execute(&app.pool).await.unwrap();
    app.let_all_be_due().await;
    app.wait_for_state(id, MailingState::Done).await;
    let done = status(&program, id).await;
    assert_eq!((&done["state"], counts(&done)), (&json!("done"), vec![0, 0, 0, 3, 1, 0, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_ends_with_the_mailing_and_shows_how_it_went() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let program = Program::beside(&app);
    let update = app.update("Neues").await.to_string();
    let ran = program.run(&["mailings", "trigger", &update, "--yes", "--watch"]).await;
    let last = ran.done().trim_end().lines().last().unwrap();
    assert!(last.contains("] done: 3 of 3 accepted, 0 waiting, 0 rejected, 0 unknown, 0 skipped"), "{ran:?}");
    let list = program.run(&["mailings", "list", "--json"]).await.json();
    let again = program.run(&["mailings", "status", list[0]["id"].as_str().unwrap(), "--watch"]).await;
    assert!(again.done().contains("[########################] done: 3 of 3 accepted"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_mailing_waits_for_its_time() {
    let app = App::new().start().await;
    app.subscribers(2).await;
    let program = Program::beside(&app);
    let update = app.update("Neues").await.to_string();
    let at = |hours| (Utc::now() + TimeDelta::hours(hours)).to_rfc3339();

    let past = program.run(&["mailings", "trigger", &update, "--yes", "--json", "--at", &at(-1)]).await;
    assert!(past.refused(2).contains("--at"), "{past:?}");
    nothing_is_queued(&app).await;

    let planned =
        program.run(&["mailings", "trigger", &update, "--yes", "--json", "--at", &at(1)]).await.json();
    let id = id_of(&planned);
    assert_eq!(planned["audience"], 2);
    sleep(Duration::from_secs(1)).await;
    let waiting = status(&program, id).await;
    assert_eq!((&waiting["state"], &waiting["audience"]), (&json!("scheduled"), &json!(2)));
    assert_eq!(counts(&waiting), vec![0; 7]);
    assert_eq!(app.relay.accepted_count(), 0);
    let ran = program.run(&["mailings", "pause", &id.to_string()]).await;
    assert!(ran.refused(1).contains("the mailing is scheduled and cannot be paused"), "{ran:?}");

    let due = "update mailings set scheduled_at = now() - interval '1 second'";
    sqlx::query(due).execute(&app.pool).await.unwrap();
    assert_eq!(app.wait_for_state(id, MailingState::Done).await.accepted, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_is_paused_resumed_and_cancelled_and_a_wrong_moment_is_explained() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let program = Program::beside(&app);
    let update = app.update("Neues").await.to_string();
    let id = id_of(&program.run(&["mailings", "trigger", &update, "--yes", "--json"]).await.json());
    // What is asked for, what it answers (nothing: it does it), and the state afterwards.
    let steps = [
        ("resume", Some("the mailing is being prepared and cannot be resumed"), "preparing"),
        ("pause", None, "paused"),
        ("pause", Some("the mailing is paused and cannot be paused"), "paused"),
        ("resume", None, "preparing"),
        ("pause", None, "paused"),
        ("cancel", None, "cancelled"),
        ("cancel", Some("the mailing is cancelled and cannot be cancelled"), "cancelled"),
        ("pause", Some("the mailing is cancelled and cannot be paused"), "cancelled"),
        ("resume", Some("the mailing is cancelled and cannot be resumed"), "cancelled"),
    ];
    for (verb, problem, state) in steps {
        let ran = program.run(&["mailings", verb, &id.to_string()]).await;
        match problem {
            None => assert!(!ran.done().is_empty(), "{verb} says what it did"),
            Some(problem) => assert!(ran.refused(1).contains(problem), "{verb}: {ran:?}"),
        }
        let now = status(&program, id).await;
        assert_eq!(now["state"], state, "after {verb}: {now}");
        assert_eq!(now["pause_kind"] == "staff", state == "paused", "after {verb}: {now}");
    }
    // A cancelled mailing does not stand in the way of a new one.
    program.run(&["mailings", "trigger", &update, "--yes", "--json"]).await.json();
}

#[tokio::test(flavor = "multi_thread")]
async fn mailings_are_listed_newest_first() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let program = Program::beside(&app);
    assert_eq!(program.run(&["mailings", "list", "--json"]).await.json(), json!([]));
    let mut ids = Vec::new();
    for title in ["Erstens", "Zweitens"] {
        let update = app.update(title).await.to_string();
        let triggered = program.run(&["mailings", "trigger", &update, "--yes", "--json"]).await.json();
        ids.insert(0, triggered["id"].clone());
    }
    let list = program.run(&["mailings", "list", "--json"]).await.json();
    let listed: Vec<&Value> = list.as_array().unwrap().iter().map(|mailing| &mailing["id"]).collect();
    assert_eq!(listed, ids.iter().collect::<Vec<_>>());
    let newest = &list[0];
    assert_eq!((&newest["subject"], &newest["update"]), (&json!("Zweitens"), &json!("zweitens")));
    assert_eq!((&newest["state"], &newest["audience"]), (&json!("preparing"), &json!(2)));
    let human = program.run(&["mailings", "list"]).await;
    let first = human.done().lines().next().unwrap();
    assert!(first.contains(ids[0].as_str().unwrap()) && first.contains("Zweitens"), "{human:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_said_to_be_so() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    let program = Program::beside(&app);
    let nobody = Uuid::now_v7().to_string();
    for verb in ["status", "pause", "resume", "cancel"] {
        let ran = program.run(&["mailings", verb, &nobody]).await;
        assert!(ran.refused(1).contains("there is no mailing with this id"), "{verb}: {ran:?}");
    }
    let commands: [&[&str]; 4] = [
        &["mailings", "preview", "nichts"],
        &["mailings", "test", "nichts", "--to", "a@example.org"],
        &["mailings", "trigger", "nichts", "--yes"],
        &["mailings", "trigger", &nobody, "--yes"],
    ];
    for command in commands {
        let ran = program.run(command).await;
        assert!(ran.refused(1).contains(&format!("there is no update \"{}\"", command[2])), "{ran:?}");
    }
    nothing_is_queued(&app).await;
}
