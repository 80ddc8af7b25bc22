//! An address from the keyboard to the mailbox: no browser rewrites it, the next page shows it with a way to correct
//! it, and scripts may send it in any form encoding.

use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, App, TestApp};

/// Signs up and follows to the page that says so.
async fn told(app: &TestApp, email: &str) -> Answer {
    let answer = app.sign_up(email).await;
    assert!(answer.leads_to_mailbox("de"), "{:?}", answer.headers);
    app.get(answer.header("location")).await
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn no_field_lets_a_browser_rewrite_an_address() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["src/web", "docs", "email_templates"] {
        files(&root.join(folder), &mut all);
    }
    all.push(root.join("README.md"));
    let mut typed = 0;
    for path in all {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let plain = text.replace(['"', '\'', ' '], "");
        for banned in ["type=email", "type:email"] {
            assert!(
                !plain.contains(banned),
                "{}: a field of this kind turns straße into strasse",
                path.display()
            );
        }
        for field in
            text.split('<').filter(|tag| tag.starts_with("input") && tag.contains("inputmode=\"email\""))
        {
            typed += 1;
            let field = field.split('>').next().unwrap();
            for told in ["autocapitalize=\"none\"", "autocorrect=\"off\"", "spellcheck=\"false\""] {
                assert!(field.contains(told) || field.contains("{%"), "{}: {field}", path.display());
            }
        }
    }
    assert!(typed >= 5, "{typed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_with_special_characters_is_kept_and_shown_as_it_was_typed() {
    let app = App::new().start().await;
    let page = told(&app, "x@straße.example").await;
    assert!(page.body.contains("<strong class=\"address\">x@straße.example</strong>"), "{}", page.body);
    assert!(page.body.contains("required value=\"x@straße.example\""), "{}", page.body);
    assert_eq!(app.relay.wait_for(1).await[0].to, ["x@xn--strae-oqa.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_address_back_with_a_form_to_correct_it() {
    let app = App::new().start().await;
    let page = told(&app, "maria@example.org").await;
    assert_eq!(page.heading(), "Bitte sehen Sie in Ihr Postfach");
    assert!(page.body.contains("<strong class=\"address\">maria@example.org</strong>"), "{}", page.body);
    assert!(!page.body.contains("Meinten Sie"), "{}", page.body);
    assert!(page.body.contains("gilt die E\u{2011}Mail von vorhin noch"), "{}", page.body);
    assert!(page.body.contains("value=\"maria@example.org\""), "{}", page.body);
    assert_eq!(page.form_action(), "/subscribe");
    // The form is one like any other: with the text it stands for.
    assert_eq!((page.field("consent_version").as_str(), page.field("locale").as_str()), ("1", "de"));
    assert!(page.body.contains("id=\"consent\""), "{}", page.body);
    // The other language shows the same address, and a second look changes nothing.
    let other = page.body.split("href=\"?lang=en").nth(1).unwrap().split('"').next().unwrap();
    let english = app.get(&format!("/check-mailbox?lang=en{}", other.replace("&amp;", "&"))).await;
    assert_eq!(english.heading(), "Please check your mailbox");
    assert!(english.body.contains("maria@example.org") && english.body.contains("Correct the address"));
    assert_eq!(app.count("select count(*) from signups").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_miss_of_a_big_provider_is_asked_about_and_corrected_with_one_press() {
    let app = App::new().start().await;
    let page = told(&app, "Maria.M@gmial.com").await;
    let asked = "Meinten Sie <strong class=\"address\">Maria.M@gmail.com</strong>?";
    assert!(page.body.contains(asked), "{}", page.body);
    assert!(page.body.contains("<strong class=\"address\">Maria.M@gmial.com</strong>"), "{}", page.body);
    assert!(page.body.contains("value=\"Maria.M@gmail.com\""), "{}", page.body);
    let corrected =
        app.post(&page.form_action(), "email=Maria.M%40gmail.com&locale=de&consent_version=1").await;
    assert!(corrected.leads_to_mailbox("de"));
    let accepted = app.relay.wait_for(2).await;
    let to: Vec<&String> = accepted.iter().flat_map(|mail| &mail.to).collect();
    assert!(to.iter().any(|to| *to == "Maria.M@gmail.com"), "{to:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_the_page_does_not_show_the_email_address_and_nobody_can_make_one() {
    let app = App::new().without_worker().start().await;
    let answer = app.sign_up("maria@example.org").await;
    let location = answer.header("location");
    assert!(
        !location.contains("maria") && !location.contains("example") && !location.contains('@'),
        "{location}"
    );
    for made_up in ["/check-mailbox?lang=de&to=x", "/check-mailbox?lang=de&to=", "/check-mailbox?lang=de"] {
        let page = app.get(made_up).await;
        assert_eq!((page.status.as_u16(), page.heading()), (200, "Bitte sehen Sie in Ihr Postfach"));
        assert!(
            page.body.contains("Adresse noch einmal eingeben") && !page.body.contains("<form"),
            "{}",
            page.body
        );
    }
    let page = app.get(location).await;
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(
        page.header("referrer-policy"),
        "same-origin",
        "no other site is told the address of the page"
    );
    assert!(page.body.contains("<meta name=\"robots\" content=\"noindex\">"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_told_of_a_near_miss_too() {
    let app = App::new().without_worker().start().await;
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
    for (email, expected) in [
        ("maria%40gmx.ed", json!({ "status": "check_mailbox", "suggestion": "maria@gmx.de" })),
        ("maria%40gmx.at", json!({ "status": "check_mailbox" })),
    ] {
        let answer = app.request(Method::POST, "/subscribe", &headers, &format!("email={email}")).await;
        assert_eq!(answer.status, 202);
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_with_a_near_miss_is_asked_about_too() {
    let app = App::new().start().await;
    app.sign_up("maria@example.org").await;
    app.confirm(&app.mail(1).await.link("/confirm/")).await;
    app.post(&app.mail(2).await.link("/manage/"), "action=access").await;
    let data = app.mail(3).await.link("/data/");
    let page = app.post(&format!("{data}/address"), "email=maria%40t-online.d").await;
    let asked = "Meinten Sie <strong class=\"address\">maria@t-online.de</strong>?";
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains(asked) && page.body.contains(&format!("href=\"{data}?lang=de\"")),
        "{}",
        page.body
    );
}

/// A form as `FormData` sends it (RFC 7578).
fn multipart(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(part).collect::<String>() + "--b--\r\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_may_send_form_data_and_json() {
    let app = App::new().without_worker().start().await;
    let fields = [("email", "maria@example.org"), ("locale", "en"), ("consent_version", "1")];
    let data = multipart(&fields);
    let object = json!({ "email": "maria@example.org", "locale": "en", "consent_version": 1, "page": null })
        .to_string();
    for (media_type, body) in [
        ("multipart/form-data; boundary=b", data.as_str()),
        ("application/json", &object),
        ("Application/JSON; charset=utf-8", &object),
        (
            "application/x-www-form-urlencoded; charset=UTF-8",
            "email=maria%40example.org&locale=en&consent_version=1",
        ),
    ] {
        for (more, status) in [
            (("accept", "application/json"), 202),
            (("accept", "text/html"), 303),
            // As `fetch` asks by itself. It could not follow us to a page of ours.
            (("sec-fetch-mode", "cors"), 202),
        ] {
            let headers = [("content-type", media_type), more];
            let answer = app.request(Method::POST, "/subscribe", &headers, body).await;
            assert_eq!(answer.status, status, "{media_type} {more:?}: {}", answer.body);
        }
    }
    let recorded = "select count(*) from signups where email = 'maria@example.org' and locale = 'en'";
    assert_eq!(app.count(recorded).await, 12);
    // A mistake is told, and too much is refused, however it comes.
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let mistake = app.request(Method::POST, "/subscribe", &headers, &multipart(&[("email", "maria")])).await;
    assert_eq!(mistake.status, 422);
    let large = multipart(&[("email", "maria@example.org"), ("page", &"x".repeat(20_000))]);
    assert_eq!(app.request(Method::POST, "/subscribe", &headers, &large).await.status, 413);
    // An empty body is no form; a script reads which ones there are.
    let headers =
        [("content-type", "text/plain;charset=UTF-8"), ("sec-fetch-mode", "cors"), ("accept", "*/*")];
    let refused = app.request(Method::POST, "/subscribe", &headers, "email=maria%40example.org").await;
    let problem: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((refused.status.as_u16(), &problem["status"]), (415, &json!(415)));
    assert!(problem["detail"].as_str().unwrap().contains("multipart/form-data"), "{problem}");
    assert_eq!(app.count("select count(*) from signups").await, 12);
}
