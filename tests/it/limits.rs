//! Limits on signups: the form cannot be used against somebody else's mailbox, and does not reveal that a limit was
//! met.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::http::Method;
use chrono::Utc;
use rundbrief::domain::{signup::limits, staff::Role};

use crate::harness::{
    Answer, App, TestApp, process,
    program::Program,
    smtp::{Action, Phase, behave},
};

/// A service without the guard that would ask for a proof of work before a limit is reached.
fn unguarded() -> App {
    App::new().setting("CAPTCHA", "off")
}

/// The same behind a proxy on this machine, which says where visitors come from.
fn behind_proxy() -> App {
    unguarded().setting("TRUSTED_PROXIES", "127.0.0.1")
}

/// Sends the form as a visitor with this IP address; the proxy has put it behind what the visitor had written.
async fn sign_up_from(app: &TestApp, forwarded: &str, email: &str) -> Answer {
    let headers = [
        ("accept-language", "de"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-forwarded-for", forwarded),
    ];
    let form = format!("email={}&locale=de", email.replace('@', "%40"));
    app.request(Method::POST, "/subscribe", &headers, &form).await
}

/// Waits until every signup's mail has been decided about; answers how many were sent.
async fn sent(app: &TestApp) -> usize {
    app.wait_for_count("select count(*) from deliveries where state = 'pending' and smtp_text is null", 0)
        .await;
    let accepted = app.count("select count(*) from deliveries where state = 'accepted'").await;
    assert_eq!(usize::try_from(accepted).unwrap(), app.relay.accepted_count());
    app.relay.accepted_count()
}

/// Makes everything that was asked for older.
async fn time_passes(app: &TestApp, interval: &str) {
    sqlx::query("update signups set requested_at = requested_at - $1::text::interval, expires_at = expires_at - $1::text::interval")
        .bind(interval)
        .execute(&app.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_within_ten_minutes_sends_nothing_more() {
    let app = unguarded().start().await;
    for _ in 0..3 {
        assert_eq!(app.sign_up("Maria@example.org").await.status, 303);
    }
    assert_eq!(app.sign_up("maria@EXAMPLE.org").await.status, 303, "the same mailbox");
    assert_eq!(sent(&app).await, 1);
    time_passes(&app, "11 minutes").await;
    app.sign_up("maria@example.org").await;
    assert_eq!(sent(&app).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_gets_three_confirmation_mails_a_day_and_five_a_week() {
    let app = unguarded().start().await;
    for mails in [1, 2, 3, 3] {
        app.sign_up("maria@example.org").await;
        assert_eq!(sent(&app).await, mails);
        time_passes(&app, "11 minutes").await;
    }
    time_passes(&app, "25 hours").await;
    for mails in [4, 5, 5] {
        app.sign_up("maria@example.org").await;
        assert_eq!(sent(&app).await, mails);
        time_passes(&app, "11 minutes").await;
    }
    time_passes(&app, "8 days").await;
    app.sign_up("maria@example.org").await;
    assert_eq!(sent(&app).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_confirmed_and_left_may_come_back_at_once() {
    let app = unguarded().start().await;
    app.sign_up("maria@example.org").await;
    let confirmation = app.mail(1).await;
    app.confirm(&confirmation.link("/confirm/")).await;
    let welcome = app.mail(2).await;
    app.post(&welcome.link("/unsubscribe/"), "").await;
    app.sign_up("maria@example.org").await;
    assert!(app.mail(3).await.text.contains("/confirm/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_sends_so_many_signups_an_hour_whatever_it_claims_to_be() {
    let app = behind_proxy().setting("SIGNUPS_PER_CLIENT", "2").start().await;
    for n in 0..5 {
        // Only the last hop was written by the proxy.
        let forwarded = format!("198.51.100.{n}, 192.0.2.7");
        assert_eq!(sign_up_from(&app, &forwarded, &format!("a{n}@example.org")).await.status, 303);
    }
    assert_eq!(sent(&app).await, 2);
    sign_up_from(&app, "192.0.2.8", "b@example.org").await;
    assert_eq!(sent(&app).await, 3, "the neighbour is somebody else");
    time_passes(&app, "61 minutes").await;
    sign_up_from(&app, "192.0.2.7", "c@example.org").await;
    assert_eq!(sent(&app).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_address_within_a_network_does_not_help() {
    let app =
        behind_proxy().setting("SIGNUPS_PER_CLIENT", "2").setting("SIGNUPS_PER_RANGE", "3").start().await;
    for n in 0..4 {
        sign_up_from(&app, &format!("2001:db8:1:2::{n}"), &format!("a{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 2, "one /64");
    for n in 0..4 {
        sign_up_from(&app, &format!("2001:db8:9:{n}::1"), &format!("b{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 2 + 3, "one /48");
    for n in 0..4 {
        sign_up_from(&app, &format!("192.0.2.{n}"), &format!("c{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 2 + 3 + 3, "one /24");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_cannot_use_up_what_is_there_for_a_mail_domain_or_for_everybody() {
    let app = behind_proxy()
        .setting("SIGNUPS_PER_CLIENT", "2")
        .setting("SIGNUPS_PER_DOMAIN", "4")
        .setting("SIGNUPS_IN_ALL", "6")
        .start()
        .await;
    for n in 0..12 {
        sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await;
        // One after the other: what has not been judged yet counts until it is.
        sent(&app).await;
    }
    sign_up_from(&app, "198.51.100.1", "honest@example.org").await;
    assert_eq!(sent(&app).await, 2 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_before_the_at_lead_to_the_same_mailbox() {
    let app = unguarded().start().await;
    app.sign_up("maria@example.org").await;
    for n in 0..3 {
        app.sign_up(&format!("maria+{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_nobody_named_everybody_gets_their_mail() {
    let app = unguarded().setting("SIGNUPS_PER_CLIENT", "1").start().await;
    for n in 0..3 {
        sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_does_not_count_as_mail() {
    let app = unguarded().setting("SIGNUPS_IN_ALL", "1").start().await;
    app.sign_up("somebody@example.org").await;
    for _ in 0..5 {
        app.sign_up("maria@example.org").await;
        assert_eq!(sent(&app).await, 1);
        time_passes(&app, "11 minutes").await;
    }
    time_passes(&app, "61 minutes").await;
    app.sign_up("maria@example.org").await;
    assert_eq!(sent(&app).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_so_many_signups_for_one_mail_domain_wait_for_staff() {
    let app = unguarded().setting("SIGNUPS_PER_DOMAIN", "2").start().await;
    for n in 0..4 {
        app.sign_up(&format!("a{n}@Example.org")).await;
    }
    app.sign_up("b@example.net").await;
    assert_eq!(sent(&app).await, 3);
    let status = Program::beside(&app).run(&["signups", "status", "--json"]).await.json();
    assert_eq!(status["held"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_waits_for_staff_who_let_it_go_or_drop_it() {
    let app = unguarded().setting("SIGNUPS_IN_ALL", "2").start().await;
    let program = Program::beside(&app);
    for n in 0..5 {
        assert_eq!(app.sign_up(&format!("a{n}@example.org")).await.status, 303);
    }
    assert_eq!(sent(&app).await, 2);
    let status = program.run(&["signups", "status", "--json"]).await.json();
    assert_eq!((&status["held"], &status["last_hour"]["signups"]), (&3.into(), &5.into()));
    assert!(status["since"].is_string());

    let asked = program.run(&["signups", "release"]).await;
    assert!(asked.refused(2).contains("use --yes"), "nobody was there to be asked");
    assert_eq!(program.run(&["signups", "release", "--yes", "--json"]).await.json()["released"], 3);
    app.relay.wait_for(5).await;
    assert_eq!(program.run(&["signups", "status", "--json"]).await.json()["held"], 0);

    app.sign_up("b@example.org").await;
    assert_eq!(sent(&app).await, 5);
    assert_eq!(program.run(&["signups", "drop", "--yes", "--json"]).await.json()["dropped"], 1);
    let actions = app.actions().await;
    assert_eq!(actions, ["wave_released", "wave_dropped"]);
    assert_eq!(app.count("select count(*) from deliveries where state = 'skipped'").await, 1);
    assert_eq!(app.count("select count(*) from batches").await, 0);
    // When the hour is over, signups are answered as ever.
    time_passes(&app, "61 minutes").await;
    app.sign_up("c@example.org").await;
    app.relay.wait_for(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_signup_ends_with_its_time() {
    let app = unguarded().setting("SIGNUPS_IN_ALL", "1").start().await;
    app.sign_up("a@example.org").await;
    app.sign_up("b@example.org").await;
    assert_eq!(sent(&app).await, 1);
    time_passes(&app, "8 days").await;
    sqlx::query("update batches set due_at = now()").execute(&app.pool).await.unwrap();
    app.wait_for_count("select count(*) from deliveries where state = 'skipped'", 1).await;
    assert_eq!(app.relay.accepted_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_over_all_processes() {
    let app = behind_proxy().without_worker().setting("SIGNUPS_PER_CLIENT", "7").start().await;
    for n in 0..40 {
        sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await;
    }
    let limit = [("SIGNUPS_PER_CLIENT", "7")];
    let workers =
        [process::worker(&app, &limit), process::worker(&app, &limit), process::worker(&app, &limit)];
    assert_eq!(sent(&app).await, 7);
    for worker in workers {
        worker.end().await;
    }
}

/// The page behind the answer to a signup, without the address that it shows back.
async fn told(app: &TestApp, from: &str, email: &str) -> String {
    let answer = sign_up_from(app, from, email).await;
    assert!(answer.leads_to_mailbox("de"));
    let location = answer.header("location").to_owned();
    let token = location.split("&to=").nth(1).unwrap();
    app.get(&location).await.body.replace(email, "").replace(token, "")
}

const WAITS: &str = "Unser Büro sieht sie durch";

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_the_answer_tells_of_the_network_and_of_no_address() {
    let app = behind_proxy().setting("SIGNUPS_PER_CLIENT", "1").start().await;
    let first = told(&app, "192.0.2.7", "a@example.org").await;
    assert!(!first.contains(WAITS));
    // Known or new, asked for moments ago or not: the same.
    for email in ["a@example.org", "b@example.org"] {
        assert_eq!(
            told(&app, "192.0.2.8", "other@example.org").await.contains(WAITS),
            email == "b@example.org"
        );
        let again = told(&app, "192.0.2.7", email).await;
        assert!(again.contains(WAITS), "{again}");
        assert!(!again.contains("unterwegs"), "it says of no mail that it is on its way: {again}");
    }
    assert_eq!(told(&app, "192.0.2.9", "a@example.org").await, first, "this address had its mail");
    assert_eq!(told(&app, "192.0.2.10", "new@example.org").await, first);
    // Scripts are told the same.
    let headers = [
        ("accept", "application/json"),
        ("accept-language", "de"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-forwarded-for", "192.0.2.7"),
    ];
    let answer = app.request(Method::POST, "/subscribe", &headers, "email=c%40example.org").await;
    assert!(answer.status == 202 && answer.body.contains(WAITS), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_what_a_network_sent_too_much_waits_for_staff_and_goes_when_they_say_so() {
    let app = behind_proxy().setting("SIGNUPS_PER_CLIENT", "2").start().await;
    for n in 0..4 {
        sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await;
    }
    assert_eq!(sent(&app).await, 2);
    let program = Program::beside(&app);
    let status = program.run(&["signups", "status", "--json"]).await.json();
    assert_eq!((&status["held"], &status["reasons"][0]["reason"]), (&2.into(), &"network".into()));
    let others = program.run(&["signups", "release", "--reason", "domain", "--yes", "--json"]).await.json();
    assert_eq!(others["released"], 0);
    let released =
        program.run(&["signups", "release", "--reason", "network", "--yes", "--json"]).await.json();
    assert_eq!(released["released"], 2);
    assert_eq!(app.relay.wait_for(4).await.len(), 4);
    assert_eq!(app.actions().await, ["wave_released"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_what_a_mailbox_asked_for_too_often_waits_for_staff_once() {
    let app = unguarded().setting("CONFIRMATIONS_A_DAY", "1").start().await;
    for _ in 0..4 {
        app.sign_up("maria@example.org").await;
        assert_eq!(sent(&app).await, 1);
        time_passes(&app, "11 minutes").await;
    }
    let program = Program::beside(&app);
    let status = program.run(&["signups", "status", "--json"]).await.json();
    assert_eq!((&status["held"], &status["reasons"][0]["reason"]), (&1.into(), &"mailbox".into()));
    program.run(&["signups", "release", "--yes"]).await.done();
    app.relay.wait_for(2).await;
    assert_eq!(sent(&app).await, 2, "one more, and not three");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_what_is_held_and_admins_let_it_go_or_drop_it() {
    let app =
        behind_proxy().setting("SIGNUPS_PER_CLIENT", "1").setting("SIGNUPS_PER_DOMAIN", "3").start().await;
    for n in 0..3 {
        sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await;
        sent(&app).await;
    }
    for n in 0..4 {
        sign_up_from(&app, &format!("192.0.2.1{n}"), &format!("b{n}@example.org")).await;
        sent(&app).await;
    }
    assert_eq!(sent(&app).await, 1 + 2);
    let admin = app.member("admin@example.org", Role::Admin).await;
    let editor = app.member("editor@example.org", Role::Editor).await;
    let (admin, editor) = (app.browser_of(&admin).await, app.browser_of(&editor).await);
    assert!(editor.get("/staff").await.body.contains("href=\"/staff/signups\">4 Anmeldungen warten"));
    let seen = editor.get("/staff/signups").await;
    for words in ["Viele aus demselben Netz", "Viele beim selben Mailanbieter", "2 warten", "a…@example.org"]
    {
        assert!(seen.body.contains(words), "{words}: {}", seen.body);
    }
    assert!(
        !seen.body.contains("/staff/signups/drop") && !seen.body.contains("a1@example.org"),
        "{}",
        seen.body
    );

    let page = admin.get("/staff/signups").await;
    let until = page.field("until");
    // What comes after somebody looked is not decided about.
    sign_up_from(&app, "192.0.2.7", "late@example.org").await;
    sent(&app).await;
    let network = [("reason", "network"), ("until", until.as_str())];
    let unsure = admin.post("/staff/signups/drop", &network).await;
    assert_eq!(unsure.status, 422, "it wants a tick");
    let released = admin.post("/staff/signups/release", &network).await;
    assert_eq!(released.header("location"), "/staff/signups?done=signups_released");
    app.relay.wait_for(5).await;
    assert_eq!(sent(&app).await, 5);
    let domain = [("reason", "domain"), ("until", until.as_str()), ("sure", "1")];
    assert_eq!(admin.post("/staff/signups/drop", &domain).await.status, 303);
    let left = Program::beside(&app).run(&["signups", "status", "--json"]).await.json();
    assert_eq!((&left["held"], &left["reasons"][0]["reason"]), (&1.into(), &"network".into()));
    let actions = app.actions().await;
    assert!(actions.ends_with(&["wave_released".into(), "wave_dropped".into()]), "{actions:?}");
    assert_eq!(sent(&app).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_whoever_was_told_to_look_into_the_mailbox_is_seen_by_staff_when_the_mail_was_refused() {
    let refuses = behave(|phase, to| match phase {
        Phase::Rcpt if to.starts_with("gone") => Action::Reply("550 5.1.1 <gone@example.org>: no such user"),
        _ => Action::Go,
    });
    let app = unguarded().relay(refuses).start().await;
    for address in ["gone@example.org", "maria@example.org"] {
        app.sign_up(address).await;
    }
    app.wait_for_count("select count(*) from deliveries where state = 'rejected'", 1).await;
    app.relay.wait_for(1).await;
    let admin = app.member("admin@example.org", Role::Admin).await;
    let editor = app.member("editor@example.org", Role::Editor).await;
    let (admin, editor) = (app.browser_of(&admin).await, app.browser_of(&editor).await);
    assert!(editor.get("/staff").await.body.contains("Eine Bestätigungsmail ging nicht hinaus"));
    let seen = editor.get("/staff/signups").await.body;
    assert!(seen.contains("g…e@example.org") && seen.contains("<code>550 5.1.1</code>"), "{seen}");
    assert!(seen.contains("Dieses Postfach gibt es nicht"), "in our words: {seen}");
    assert!(!seen.contains("gone@") && !seen.contains("/staff/signups/again"), "{seen}");
    let seen = admin.get("/staff/signups").await.body;
    assert!(seen.contains("5.1.1") && seen.contains("no such user") && !seen.contains("gone@"), "{seen}");

    // The relay has mended it.
    app.relay.set(behave(|_, _| Action::Go));
    let until = admin.get("/staff/signups").await.field("until");
    for _ in 0..2 {
        let again = admin.post("/staff/signups/again", &[("until", until.as_str())]).await;
        assert_eq!(again.header("location"), "/staff/signups?done=signups_released");
    }
    app.relay.wait_for(2).await;
    assert_eq!(sent(&app).await, 2, "once, however often it is pressed");
    assert!(!admin.get("/staff").await.body.contains("ging nicht hinaus"));
    let actions = app.actions().await;
    assert_eq!(
        actions.iter().filter(|action| *action == "confirmations_sent_again").count(),
        1,
        "{actions:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spellings_of_one_mailbox_get_one_mail() {
    let app = unguarded().start().await;
    for email in [
        "mariamuster@gmail.com",
        "maria.muster@gmail.com",
        "m.a.r.i.a.muster@gmail.com",
        "MariaMuster@googlemail.com",
        "mariamuster+a@gmail.com",
        "maria.muster+b@googlemail.com",
    ] {
        app.sign_up(email).await;
    }
    assert_eq!(sent(&app).await, 1);
    // Where dots count they are two people.
    app.sign_up("maria.muster@gmx.de").await;
    app.sign_up("mariamuster@gmx.de").await;
    assert_eq!(sent(&app).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_the_relay_refused_does_not_count() {
    let refused = Arc::new(AtomicUsize::new(0));
    let once = Arc::clone(&refused);
    let relay = behave(move |phase, _| {
        if phase == Phase::Rcpt && once.fetch_add(1, Ordering::SeqCst) == 0 {
            Action::Reply("550 5.1.1 no such mailbox")
        } else {
            Action::Go
        }
    });
    let app = unguarded().setting("CONFIRMATIONS_A_DAY", "1").relay(relay).start().await;
    app.sign_up("maria@example.org").await;
    app.wait_for_count("select count(*) from deliveries where state = 'rejected'", 1).await;
    app.sign_up("maria@example.org").await;
    app.relay.wait_for(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_signup_came_from_is_no_address_and_is_forgotten() {
    let app = behind_proxy().without_worker().start().await;
    sign_up_from(&app, "192.0.2.77", "a@example.org").await;
    let known = "select count(*) from signups where client_hmac is not null and range_hmac is not null";
    assert_eq!(app.count(known).await, 1);
    assert!(!app.whole_database().await.contains("192.0.2.77"));
    let mut db = app.pool.acquire().await.unwrap();
    assert_eq!(limits::forget_places(&mut db, Utc::now()).await.unwrap(), 0);
    time_passes(&app, "121 minutes").await;
    assert_eq!(limits::forget_places(&mut db, Utc::now()).await.unwrap(), 1);
    assert_eq!(app.count(known).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_limit_kept_back_is_told_in_the_record() {
    let app = unguarded().start().await;
    app.sign_up("maria@example.org").await;
    app.sign_up("maria@example.org").await;
    assert_eq!(sent(&app).await, 1);
    let shown =
        Program::beside(&app).run(&["subscribers", "show", "maria@example.org", "--json"]).await.json();
    let skipped = shown["deliveries"].as_array().unwrap().iter().find(|sent| sent["state"] == "skipped");
    assert_eq!(skipped.unwrap()["smtp_text"], "a mail went to this address moments ago");
}
