//! The public pages: what they say, in which language, with which headers, and what they do when all is not well.

use axum::http::Method;
use chrono::Utc;
use rundbrief::domain::{
    locale::Locale,
    publication::{self, Applied, Content},
};

use crate::harness::{Answer, App, TestApp};

mod buttons;
mod refusals;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("accept", "application/json");

fn sample() -> Content {
    Content::parse(include_str!("../../publication.example.toml")).unwrap()
}

async fn apply(app: &TestApp, content: &Content) -> Applied {
    publication::apply(&mut app.pool.acquire().await.unwrap(), content, Utc::now()).await.unwrap()
}

/// A confirm link of a fresh signup.
async fn confirm_link(app: &TestApp, email: &str) -> String {
    format!("/confirm/{}", app.sign_up_unsent(email).await.reveal())
}

/// Status and heading: what a visitor sees first.
fn seen(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.heading())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_there_in_german_and_english() {
    let app = App::new().without_worker().start().await;
    let too_much = format!("page={}", "x".repeat(20_000));
    for (lang, of_two, error) in [("de", 0, "Fehler: "), ("en", 1, "Error: ")] {
        let confirm = confirm_link(&app, &format!("confirms-{lang}@example.org")).await;
        let decline = confirm_link(&app, &format!("declines-{lang}@example.org")).await;
        let late = confirm_link(&app, &format!("late-{lang}@example.org")).await;
        sqlx::query("update signups set expires_at = now() - interval '1 second' where email like 'late-%'")
            .execute(&app.pool)
            .await
            .unwrap();
        let id = app.subscriber(&format!("leaves-{lang}@example.org")).await;
        let leave = app.unsubscribe_path(id);
        #[rustfmt::skip]
        let visits: [(Method, &str, &str, u16, [&str; 2]); 17] = [
            (Method::GET, "/", "", 200, ["Newsletter abonnieren", "Subscribe to our newsletter"]),
            (Method::POST, "/subscribe", "email=x", 422, ["Newsletter abonnieren", "Subscribe to our newsletter"]),
            (Method::GET, "/check-mailbox", "", 200, ["Bitte sehen Sie in Ihr Postfach", "Please check your mailbox"]),
            (Method::GET, &confirm, "", 200, ["Möchten Sie den Newsletter bekommen?", "Would you like the newsletter?"]),
            (Method::POST, &confirm, "action=confirm", 200, ["Sie sind angemeldet", "You are subscribed"]),
            (Method::POST, &decline, "action=decline", 200, ["Die Anmeldung ist beendet", "The signup has ended"]),
            (Method::GET, &decline, "", 410, ["Diese Anmeldung ist beendet", "This signup has ended"]),
            (Method::GET, &late, "", 410, ["Dieser Link ist abgelaufen", "This link has expired"]),
            (Method::GET, "/confirm/x", "", 404, ["Dieser Link passt nicht", "This link does not fit"]),
            (Method::GET, &leave, "", 200, ["Newsletter abbestellen", "Unsubscribe from the newsletter"]),
            (Method::POST, &leave, "", 200, ["Sie sind abgemeldet", "You are unsubscribed"]),
            (Method::GET, &leave, "", 200, ["Sie sind abgemeldet", "You are unsubscribed"]),
            // The button in the answer to the leaving.
            (Method::POST, "", "", 200, ["Sie sind wieder angemeldet", "You are subscribed again"]),
            (Method::GET, "/nowhere", "", 404, ["Diese Seite gibt es nicht", "This page does not exist"]),
            (Method::DELETE, "/", "", 405, ["So geht es hier nicht weiter", "This is not the way in"]),
            (Method::POST, "/subscribe", &too_much, 413, ["Das war zu viel auf einmal", "That was too much at once"]),
            (Method::POST, &confirm, "action=dance", 400, ["Die Anfrage kam unvollständig an", "The request arrived incomplete"]),
        ];
        let mut undo = String::new();
        for (method, path, body, status, headings) in visits {
            let path = &if path.is_empty() { undo.clone() } else { path.to_owned() };
            let heading = headings[of_two];
            let answer = app.request(method, path, &[("accept-language", lang), FORM], body).await;
            let page = &answer.body;
            if page.contains("/resubscribe/") {
                undo = answer.form_action();
            }
            assert_eq!(seen(&answer), (status, heading), "{path}");
            assert!(answer.header("content-type").starts_with("text/html"), "{path}");
            assert!(page.contains(&format!("<html lang=\"{lang}\">")), "{page}");
            let error = if status == 422 { error } else { "" };
            assert!(page.contains(&format!("<title>{error}{heading} – LOK Lausitz</title>")), "{page}");
            assert_eq!(page.matches("<h1").count(), 1, "{page}");
            // No script, no placeholder that was not filled in, no style that the CSP would refuse.
            assert!(!page.contains("<script") && !page.contains('{') && !page.contains(" style="), "{page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_decides_the_language_then_the_browser_then_the_publication() {
    let app = App::new().without_worker().start().await;
    let mut english = sample();
    english.locale = Locale::En;
    for (query, browser, german_publication, english_publication) in [
        ("?lang=en", "de", "en", "en"),
        ("?lang=de", "en", "de", "de"),
        ("?lang=fr", "en", "en", "en"),
        ("", "en-GB,en;q=0.9,de;q=0.5", "en", "en"),
        ("", "fr, de-AT;q=0.8, en;q=0.5", "de", "de"),
        ("", "fr", "de", "en"),
        ("?lang=", "*", "de", "en"),
    ] {
        for (content, expected) in [(&sample(), german_publication), (&english, english_publication)] {
            apply(&app, content).await;
            for path in ["/", "/check-mailbox", "/nowhere", "/confirm/x"] {
                let headers = [("accept-language", browser)];
                let page = app.request(Method::GET, &format!("{path}{query}"), &headers, "").await;
                let lang = format!("<html lang=\"{expected}\">");
                assert!(page.body.contains(&lang), "{path}{query} for {browser}: {}", page.body);
            }
        }
    }
    // The language that the form was shown in goes on, whatever the browser says.
    let answer = app.post("/subscribe", "email=maria%40example.org&locale=en").await;
    assert!(answer.leads_to_mailbox("en"), "{:?}", answer.headers);
    assert_eq!(app.count("select count(*) from signups where locale = 'en'").await, 1);
    assert!(app.post("/subscribe", "email=maria&locale=en").await.body.contains("<html lang=\"en\">"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_security_headers() {
    let app = App::new().without_worker().start().await;
    let confirm = confirm_link(&app, "maria@example.org").await;
    let leave = app.unsubscribe_path(app.subscriber("anna@example.org").await);
    let tokens =
        [confirm.as_str(), leave.as_str(), "/confirm/x", "/unsubscribe/x", "/resubscribe/x", "/confirm/"];
    let others = ["/", "/check-mailbox", "/subscribe", "/nowhere", "/health/live", "/assets/rundbrief.css"];
    for path in tokens.iter().chain(&others) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            let answer = app.request(method.clone(), path, &[FORM], "").await;
            let csp = answer.header("content-security-policy");
            for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"] {
                assert!(csp.contains(part), "{method} {path}: {csp}");
            }
            assert!(!csp.contains("unsafe") && !csp.contains("script-src"), "{csp}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{method} {path}");
            assert!(answer.header("strict-transport-security").starts_with("max-age="), "{method} {path}");
            let is_token = tokens.contains(path);
            let referrer = if is_token { "no-referrer" } else { "same-origin" };
            assert_eq!(answer.header("referrer-policy"), referrer, "{method} {path}");
            assert_eq!(answer.header("x-robots-tag"), if is_token { "noindex" } else { "" });
            let is_asset = path.starts_with("/assets/") && answer.status == 200;
            let caching = if is_asset { "public, max-age=3600" } else { "no-store" };
            assert_eq!(answer.header("cache-control"), caching, "{method} {path}");
            assert_eq!(answer.header("set-cookie"), "", "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signup_page_says_what_one_agrees_to_before_its_button() {
    let app = App::new().without_worker().start().await;
    let page = app.get("/").await;
    let at = |text: &str| page.body.find(text).expect(text);
    let consent = sample().texts(Locale::De).consent;
    assert!(
        at("<label for=\"email\">")
            < at(
                "<input id=\"email\" name=\"email\" type=\"text\" inputmode=\"email\" autocomplete=\"email\""
            )
    );
    assert!(at(&consent) < at("<button"));
    assert!(at("newsletter@<wbr>lok-lausitz.example") < at("<button"));
    assert_eq!(page.body.matches("<button").count(), 1);
    assert_eq!(page.form_action(), "/subscribe");
    assert_eq!(page.field("locale"), "de");
    assert_eq!(page.field("page"), "https://brief.example.org/");
    assert_eq!(page.field("consent_version"), "1");
    assert!(page.body.contains("href=\"https://www.lok-lausitz.example/datenschutz\""));
    assert!(page.body.contains("href=\"#imprint\"") && page.body.contains("id=\"imprint\""));
    assert!(page.body.contains("Beispielstraße 1<br>"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_json_for_what_people_get_as_pages() {
    let app = App::new().without_worker().start().await;
    let headers = [FORM, JSON, ("accept-language", "en")];
    let taken = app.request(Method::POST, "/subscribe", &headers, "email=maria%40example.org").await;
    assert_eq!((taken.status.as_u16(), taken.header("content-type")), (202, "application/json"));
    assert_eq!(taken.body, r#"{"status":"check_mailbox"}"#);
    assert_eq!(app.count("select count(*) from signups where locale = 'en'").await, 1);
    for (path, form, status) in
        [("/subscribe", "email=", 422), ("/confirm/x", "action=confirm", 404), ("/nowhere", "", 404)]
    {
        let refused = app.request(Method::POST, path, &headers, form).await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("content-type")),
            (status, "application/problem+json")
        );
        let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }
}

/// The page that was recorded for the last signup and in its consent event.
async fn recorded_page(app: &TestApp) -> String {
    let (signup, event): (String, String) = sqlx::query_as(
        "select s.form_page, e.form_page from signups s join consent_events e on e.signup_id = s.id
         order by e.id desc limit 1",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(signup, event);
    signup
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_the_form_stood_on_is_recorded() {
    let app = App::new().without_worker().start().await;
    let long = format!("https://www.example.org/{}", "x".repeat(500));
    let (site, other) = ("https://www.example.org/aktuelles?a=1", "https://other.example/");
    for (page, referer, recorded) in [
        (site, other, site),
        ("", other, other),
        ("javascript:alert(1)", other, other),
        ("aktuelles", other, other),
        (long.as_str(), other, other),
        ("", "about:client", "https://brief.example.org/"),
    ] {
        let page: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
        let form = format!("email=maria%40example.org&page={page}");
        let answer = app.request(Method::POST, "/subscribe", &[FORM, ("referer", referer)], &form).await;
        assert_eq!(answer.status, 303);
        assert_eq!(recorded_page(&app).await, recorded, "{page} from {referer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_control_character_of_a_form_page_is_recorded_or_stops_the_signup() {
    let app = App::new().without_worker().start().await;
    for control in ["%00", "%0D%0ABcc%3A", "%1B%5B31m", "%C2%85"] {
        let form = format!("email=maria%40example.org&page=https%3A%2F%2Fwww.example.org%2Fa{control}b");
        assert_eq!(seen(&app.post("/subscribe", &form).await), (303, ""), "{control}");
        let recorded = recorded_page(&app).await;
        assert!(!recorded.chars().any(char::is_control), "{control}: {recorded:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consent_text_is_recorded_as_it_was_shown() {
    let app = App::new().without_worker().start().await;
    let (old, mut new) = (sample(), sample());
    let shown = app.get("/").await.field("consent_version");
    new.texts.get_mut(&Locale::De).unwrap().consent = "Ja, anders.".to_owned();
    assert_eq!(apply(&app, &new).await, Applied::New(2));
    assert_eq!(app.get("/").await.field("consent_version"), "2");
    for (sent, version, content) in [
        (shown.as_str(), 1, &old),
        ("2", 2, &new),
        ("99", 2, &new),
        ("-1", 2, &new),
        ("", 2, &new),
        ("x", 2, &new),
    ] {
        let form = format!("email=maria%40example.org&consent_version={sent}&locale=de");
        assert_eq!(app.post("/subscribe", &form).await.status, 303);
        let recorded: (i32, Vec<u8>, String, i32) = sqlx::query_as(
            "select e.publication_version, e.consent_text_sha256, e.consent_locale, s.publication_version
             from consent_events e join signups s on s.id = e.signup_id order by e.id desc limit 1",
        )
        .fetch_one(&app.pool)
        .await
        .unwrap();
        let sha256 = content.consent_sha256(Locale::De).to_vec();
        assert_eq!(recorded, (version, sha256, "de".to_owned(), version), "sent {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logos_of_project_and_funders_stand_on_every_page_and_its_policy_lets_them_in() {
    let app = App::new().without_worker().start().await;
    let logos = "[logo]\nurl = \"https://www.lok-lausitz.example/logo.png\"\nalt = \"Das Logo\"\nwidth = 180\nheight = 48\n\
        [[funding_logos]]\nurl = \"https://cdn.example.org/land.png\"\nalt = \"Ein Land & \\\"ein\\\" Bund\"\nwidth = 90\nheight = 40\n";
    let file = format!("{}\n{logos}", include_str!("../../publication.example.toml"));
    let content = Content::parse(&file).unwrap();
    apply(&app, &content).await;
    let pictures = "img-src 'self' https://cdn.example.org https://www.lok-lausitz.example;";
    for path in ["/", "/check-mailbox", "/embed", "/nowhere", "/confirm/not-ours"] {
        let page = app.get(path).await;
        assert!(page.body.contains("alt=\"Das Logo\""), "{}", page.body);
        assert!(page.body.contains("alt=\"Ein Land &amp; &quot;ein&quot; Bund\""), "{}", page.body);
        assert!(page.header("content-security-policy").contains(pictures), "{path}: {:?}", page.headers);
        assert!(!page.header("content-security-policy").contains("unsafe"), "{path}");
    }
}
