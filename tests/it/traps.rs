//! The traps for programs that fill in forms: they get the answer that everybody gets, and nothing is kept. The field
//! that nobody sees is in `pages`.

use axum::http::Method;
use chrono::{TimeDelta, Utc};
use rundbrief::{config::SecretKeys, domain::token};
use serde_json::Value;

use crate::harness::{Answer, App, TestApp};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Sends the form with this time of showing, as a browser and as a program.
async fn sign_up(app: &TestApp, shown: &str) -> [Answer; 2] {
    let form = format!("email=maria%40example.org&locale=de&shown={shown}");
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
async fn a_form_that_comes_back_at_once_gets_the_usual_answer_and_leaves_nothing_behind() {
    let app = App::new().without_worker().start().await;
    let before = app.whole_database().await;
    let from_page = app.get("/").await.field("shown");
    let shown: Value = serde_json::from_str(&app.get("/embed/box").await.body).unwrap();
    let trapped = [sign_up(&app, &from_page).await, sign_up(&app, shown["shown"].as_str().unwrap()).await];
    assert_eq!(app.whole_database().await, before);

    let usual = sign_up(&app, &shown_before(&app, TimeDelta::seconds(3))).await;
    assert_eq!(signups(&app).await, 2);
    let seen = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("date");
        (answer.status, format!("{headers:?}"), answer.body.clone())
    };
    for trapped in trapped {
        assert_eq!(trapped.each_ref().map(seen), usual.each_ref().map(seen));
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
        let [page, program] = sign_up(&app, &shown).await;
        assert_eq!((page.status.as_u16(), program.status.as_u16()), (303, 202), "{what}");
        assert_eq!(signups(&app).await, before + 2, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_it_takes_at_least_can_be_set_and_turned_off() {
    for (seconds, after, kept) in [("0", 0, 2), ("20", 19, 0), ("20", 21, 2)] {
        let app = App::new().without_worker().setting("FORM_SECONDS", seconds).start().await;
        sign_up(&app, &shown_before(&app, TimeDelta::seconds(after))).await;
        assert_eq!(signups(&app).await, kept, "{after} of {seconds} seconds");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_mistake_nobody_has_to_type_slowly_again() {
    let app = App::new().without_worker().start().await;
    let shown = shown_before(&app, TimeDelta::seconds(30));
    let mistake = app.post("/subscribe", &format!("email=maria%40example&shown={shown}")).await;
    assert_eq!((mistake.status.as_u16(), mistake.field("shown")), (422, shown.clone()));
    assert_eq!(sign_up(&app, &mistake.field("shown")).await[0].status, 303);
    assert_eq!(signups(&app).await, 2);
    // What is not ours does not go on, and a form that told no time is not given one.
    for sent in ["", "made-up"] {
        let mistake = app.post("/subscribe", &format!("email=maria%40example&shown={sent}")).await;
        assert!(!mistake.body.contains("name=\"shown\""), "{}", mistake.body);
    }
}
