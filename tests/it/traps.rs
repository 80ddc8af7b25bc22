//! Signup forms that look automated are asked for one more press, or for a proof of work in the background. They are
//! never dropped, because a person's form may look like that too (invariant 9).

use axum::http::Method;
use chrono::{TimeDelta, Utc};
use rundbrief::{config::SecretKeys, domain::token};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::harness::{
    Answer, App, TestApp,
    captcha::{challenge, solve},
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Sends the form with this more in it, as a browser and as a program.
async fn sign_up(app: &TestApp, more: (&str, &str)) -> [Answer; 2] {
    let form = form(&[("email", "maria@example.org"), ("locale", "de"), more]);
    let send =
        async |accept| app.request(Method::POST, "/subscribe", &[FORM, ("accept", accept)], &form).await;
    [send("text/html").await, send("application/json").await]
}

fn shown_before(app: &TestApp, time: TimeDelta) -> String {
    token::shown_token(&app.config.secret_keys, Utc::now() - time)
}

async fn signups(app: &TestApp) -> i64 {
    app.count("select count(*) from signups").await
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_a_form_that_looks_like_a_programs_is_asked_for_one_more_press_and_then_taken() {
    let app = App::new().start().await;
    let at_once = app.get("/").await.field("shown");
    let in_box: Value = serde_json::from_str(&app.get("/embed/box").await.body).unwrap();
    for (n, more) in [
        ("shown", at_once.as_str()),
        ("shown", in_box["shown"].as_str().unwrap()),
        ("rb_extra", "Maria Muster"),
        // In forms that were copied from us earlier.
        ("homepage", "https://maria.example"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("o'brien{n}@straße.example");
        let page = "https://www.lok-lausitz.example/aktuelles?a=1&b=2";
        let fields =
            [("email", email.as_str()), ("locale", "en"), ("page", page), ("consent_version", "1"), more];
        let asked = app.post("/subscribe", &form(&fields)).await;
        assert_eq!((asked.status.as_u16(), asked.heading()), (403, "Please press once more"), "{more:?}");
        assert_eq!(signups(&app).await, i64::try_from(n).unwrap(), "nothing is kept yet");
        assert_eq!(asked.body.matches("<button").count(), 1);
        assert!(!asked.body.contains("<script") && !asked.body.contains('{'), "{}", asked.body);
        // All that was typed goes on, and nothing that was suspicious.
        let kept = ["email", "locale", "page", "consent_version"].map(|name| (name, asked.field(name)));
        let kept: Vec<(&str, String)> = kept
            .into_iter()
            .map(|(name, value)| (name, value.replace("&#39;", "'").replace("&#x27;", "'")))
            .collect();
        assert_eq!(kept[0].1, email);
        assert!(!asked.body.contains("rb_extra") && !asked.body.contains("name=\"shown\""), "{}", asked.body);
        let again: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let taken = app.post(&asked.form_action(), &form(&again)).await;
        assert!(taken.leads_to_mailbox("en"), "{:?}", taken.headers);
        app.relay.wait_for(n + 1).await;
    }
    let recorded = "select count(*) from signups where locale = 'en'
        and form_page = 'https://www.lok-lausitz.example/aktuelles?a=1&b=2'";
    assert_eq!(app.count(recorded).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_asked_for_a_proof_of_work_and_then_taken_also_where_none_is_asked_of_others() {
    for mode in ["adaptive", "off"] {
        // So long that it is not over before the form is sent a second time, on whatever machine.
        let app =
            App::new().setting("CAPTCHA", mode).setting("FORM_SECONDS", "60").without_worker().start().await;
        let shown = shown_before(&app, TimeDelta::milliseconds(300));
        for more in [("rb_extra", "x"), ("shown", &shown)] {
            let before = signups(&app).await;
            let [_, asked] = sign_up(&app, more).await;
            assert_eq!(
                (asked.status.as_u16(), asked.header("content-type")),
                (403, "application/problem+json")
            );
            let solution = solve(&challenge(&asked).unwrap());
            assert_eq!(signups(&app).await, before);
            // The script sends the same again, with the solution.
            let fields = form(&[("email", "maria@example.org"), more, ("captcha", &solution)]);
            let headers = [FORM, ("accept", "application/json")];
            let taken = app.request(Method::POST, "/subscribe", &headers, &fields).await;
            assert_eq!(taken.status, 202, "{}", taken.body);
            let replayed = app.request(Method::POST, "/subscribe", &headers, &fields).await;
            assert_eq!(replayed.status, 403, "a solution is good for one");
            assert_eq!(signups(&app).await, before + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_took_its_time_or_does_not_say_is_taken() {
    let app = App::new().without_worker().start().await;
    let foreign = SecretKeys::parse("CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=").unwrap();
    let now = Utc::now();
    for (what, shown) in [
        ("two seconds", shown_before(&app, TimeDelta::milliseconds(2_001))),
        ("a day", shown_before(&app, TimeDelta::days(1))),
        ("another process's clock is ahead", shown_before(&app, -TimeDelta::seconds(5))),
        ("nothing", String::new()),
        ("made up", "x".repeat(32)),
        ("of a foreign key", token::shown_token(&foreign, now)),
    ] {
        let before = signups(&app).await;
        let [page, program] = sign_up(&app, ("shown", &shown)).await;
        assert_eq!((page.status.as_u16(), program.status.as_u16()), (303, 202), "{what}");
        assert_eq!(signups(&app).await, before + 2, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_it_takes_at_least_can_be_set_and_turned_off() {
    for (seconds, after, statuses) in [("0", 0, [303, 202]), ("60", 19, [403, 403]), ("20", 21, [303, 202])] {
        let app = App::new().without_worker().setting("FORM_SECONDS", seconds).start().await;
        let answers = sign_up(&app, ("shown", &shown_before(&app, TimeDelta::seconds(after)))).await;
        assert_eq!(answers.map(|answer| answer.status.as_u16()), statuses, "{after} of {seconds} seconds");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_mistake_nobody_has_to_type_slowly_again() {
    let app = App::new().without_worker().start().await;
    let shown = shown_before(&app, TimeDelta::seconds(30));
    let mistake = app.post("/subscribe", &format!("email=maria%40example&shown={shown}")).await;
    assert_eq!((mistake.status.as_u16(), mistake.field("shown")), (422, shown.clone()));
    assert_eq!(sign_up(&app, ("shown", &mistake.field("shown"))).await[0].status, 303);
    assert_eq!(signups(&app).await, 2);
    // What is not ours does not go on, and a form that told no time is not given one.
    for sent in ["", "made-up"] {
        let mistake = app.post("/subscribe", &format!("email=maria%40example&shown={sent}")).await;
        assert!(!mistake.body.contains("name=\"shown\""), "{}", mistake.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fills_in_forms_for_people_is_told_to_leave_the_trap_alone() {
    let app = App::new().without_worker().start().await;
    let script = app.get("/assets/embed.js").await.body;
    let page = app.get("/").await.body;
    let snippets = app.get("/embed").await.body.replace("&quot;", "\"");
    for (text, traps) in [(&page, 1), (&snippets, 4)] {
        assert_eq!(text.matches("name=\"rb_extra\"").count(), traps);
        for told in ["autocomplete=\"off\"", "data-1p-ignore", "data-lpignore=\"true\"", "data-bwignore"] {
            assert!(text.matches(told).count() >= traps, "{told}: {text}");
        }
    }
    for told in ["rb_extra", "autocomplete: \"off\"", "data-1p-ignore", "data-lpignore", "data-bwignore"] {
        assert!(script.contains(told), "{told}");
    }
    assert!(!script.contains("homepage") && !page.contains("homepage"));
}
