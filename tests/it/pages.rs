//! The public pages: contents, languages, headers, and error pages.

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
async fn hosts_below_ours_are_bound_to_tls_only_where_the_service_has_a_host_of_its_own_or_somebody_says_so()
{
    let (alone, all) = ("max-age=31536000", "max-age=31536000; includeSubDomains");
    for (url, setting, expected) in [
        ("https://brief.example.org", "", all),
        ("https://brief.example.org", "off", alone),
        ("https://example.org", "", alone),
        ("https://example.org", "on", all),
        ("http://127.0.0.1:8080", "on", ""),
    ] {
        let app = App::new().without_worker().setting("PUBLIC_URL", url).setting("HSTS_SUBDOMAINS", setting);
        let answer = app.start().await.get("/").await;
        assert_eq!(answer.header("strict-transport-security"), expected, "{url} {setting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_says_to_try_again_leads_to_no_other_site() {
    let app = App::new().without_worker().setting("REQUESTS_PER_CLIENT", "1");
    let app = app.setting("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let client = [("x-forwarded-for", "192.0.2.7"), ("accept-language", "de")];
    assert_eq!(app.request(Method::GET, "/", &client, "").await.status, 200);
    for path in ["//evil.example/x", "///evil.example", "//evil.example/../check-mailbox"] {
        let page = app.request(Method::GET, path, &client, "").await;
        assert_eq!(page.status, 429);
        assert!(page.body.contains("href=\"/\"") && !page.body.contains("evil"), "{path}: {}", page.body);
    }
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
            let hsts = answer.header("strict-transport-security");
            assert_eq!(hsts, "max-age=31536000; includeSubDomains", "{method} {path}");
            assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{method} {path}");
            let is_token = tokens.contains(path);
            let referrer = if is_token { "no-referrer" } else { "same-origin" };
            assert_eq!(answer.header("referrer-policy"), referrer, "{method} {path}");
            assert_eq!(answer.header("x-robots-tag"), if is_token { "noindex" } else { "" });
            let is_asset = path.starts_with("/assets/") && answer.status == 200;
            let caching = if is_asset { "public, max-age=300" } else { "no-store" };
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
    // On a phone the button is seen at once; who sends it stands below.
    assert!(at("newsletter@<wbr>lok-lausitz.example") > at("<button"));
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

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_the_api_is_answered_with_problem_details() {
    let app = App::new().without_worker().start().await;
    let browser = [("accept", "text/html"), ("accept-language", "en")];
    for (method, path) in
        [(Method::GET, "/api/"), (Method::GET, "/api/v1/updates"), (Method::POST, "/api/v1/mailings")]
    {
        let refused = app.request(method, path, &browser, "").await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("content-type")),
            (404, "application/problem+json"),
            "{path}"
        );
        let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(problem["status"], 404);
        assert_eq!(problem["instance"], refused.header("x-request-id"));
    }
    assert_eq!(
        app.request(Method::GET, "/apis", &browser, "").await.header("content-type"),
        "text/html; charset=utf-8"
    );
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
    for (sent, version, content) in [(shown.as_str(), 1, &old), ("2", 2, &new)] {
        let form = format!("email=maria%40example.org&consent_version={sent}&locale=de");
        assert_eq!(app.post("/subscribe", &form).await.status, 303);
        let sha256 = content.consent_sha256(Locale::De).to_vec();
        assert_eq!(recorded_text(&app).await, (Some(version), Some(sha256), version), "sent {sent}");
    }
    for sent in ["99", "-1", "", "x"] {
        let form = format!("email=maria%40example.org&consent_version={sent}&locale=de");
        assert_eq!(app.post("/subscribe", &form).await.status, 303);
        assert_eq!(recorded_text(&app).await, (None, None, 2), "nobody knows what was read: {sent}");
    }
}

/// Version and SHA-256 of the text that the newest event says was shown, and the version of its signup.
async fn recorded_text(app: &TestApp) -> (Option<i32>, Option<Vec<u8>>, i32) {
    sqlx::query_as(
        "select e.publication_version, e.consent_text_sha256, s.publication_version
         from consent_events e join signups s on s.id = e.signup_id order by e.id desc limit 1",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_up_by_a_form_without_our_text_reads_it_before_confirming() {
    let app = App::new().start().await;
    let consent = &sample().texts[&Locale::De].consent;
    let first_line = consent.lines().next().unwrap().trim();
    // Each gets a mail that asks, and a welcome.
    for (nth, form, reads_it) in [
        (1, "email=maria%40example.org&locale=de", true),
        (3, "email=jan%40example.org&locale=de&consent_version=1", false),
    ] {
        app.post("/subscribe", form).await;
        let link = app.mail(nth).await.link("/confirm/");
        let page = app.get(&link).await;
        assert_eq!(page.body.contains(first_line), reads_it, "{form}: {}", page.body);
        // With a link alone nobody knows whether the page was seen.
        app.post(&link, "action=confirm").await;
        app.mail(nth + 1).await;
        let version = recorded_text(&app).await.0;
        assert_eq!(version, (!reads_it).then_some(1), "{form}");
    }
    app.post("/subscribe", "email=lea%40example.org&locale=de").await;
    let link = app.mail(5).await.link("/confirm/");
    let opened = app.get(&link).await.field("opened");
    app.post(&link, &format!("action=confirm&opened={opened}")).await;
    assert_eq!(recorded_text(&app).await.0, Some(1), "read on the page, and agreed to there");
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
