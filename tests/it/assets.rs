//! The style sheets, scripts and the icon: kept for a year, and never an old one after an upgrade.

use axum::http::Method;

use crate::harness::{App, TestApp};

const A_YEAR: &str = "public, max-age=31536000, immutable";

/// The addresses of files that a page names.
fn named(page: &str) -> Vec<String> {
    page.split('"').filter(|part| part.starts_with("/assets/")).map(str::to_owned).collect()
}

async fn app() -> TestApp {
    App::new().without_worker().start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_names_its_files_by_addresses_that_are_kept_for_a_year() {
    let app = App::new().setting("CAPTCHA", "always").without_worker().start().await;
    let mut seen = 0;
    for path in ["/", "/staff/login"] {
        for address in named(&app.get(path).await.body) {
            let file = app.get(&address).await;
            assert_eq!((file.status.as_u16(), file.header("cache-control")), (200, A_YEAR), "{address}");
            assert_eq!(address.split('.').count(), 3, "a hash in {address}");
            seen += 1;
        }
    }
    assert_eq!(
        seen, 8,
        "the icon and the sheet of each, two sheets of the staff pages, and both scripts of the proof of work"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_alone_stays_good_for_other_sites_and_is_soon_asked_about_again() {
    let app = app().await;
    let script = app.get("/assets/embed.js").await;
    assert_eq!((script.status.as_u16(), script.header("cache-control")), (200, "public, max-age=300"));
    assert_eq!(script.header("cross-origin-resource-policy"), "cross-origin");
    let tag = script.header("etag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"another\", {tag}")] {
        let again = app.request(Method::GET, "/assets/embed.js", &[("if-none-match", &known)], "").await;
        assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""), "{known}");
        assert_eq!(again.header("etag"), tag);
    }
    let other = app.request(Method::GET, "/assets/embed.js", &[("if-none-match", "\"another\"")], "").await;
    assert_eq!((other.status.as_u16(), other.body == script.body), (200, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_another_version_gets_what_there_is_and_keeps_it_nowhere() {
    let app = app().await;
    let other = app.get("/assets/rundbrief.0123456789ab.css").await;
    assert_eq!((other.status.as_u16(), other.header("cache-control")), (200, "no-store"));
    assert_eq!(other.body, app.get("/assets/rundbrief.css").await.body);
    for nothing in ["rundbrief.0123456789ab.js", "rundbrief.0123.css", "other.0123456789ab.css", "rundbrief"]
    {
        assert_eq!(app.get(&format!("/assets/{nothing}")).await.status, 404, "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_box_on_other_sites_takes_its_solver_by_such_an_address_too() {
    let app = app().await;
    let words: serde_json::Value = serde_json::from_str(&app.get("/embed/box").await.body).unwrap();
    let solver = words["solver"].as_str().unwrap();
    let path = &solver[solver.find("/assets/").unwrap()..];
    assert!(path.starts_with("/assets/captcha-solver."), "{solver}");
    assert_eq!(app.get(path).await.header("cache-control"), A_YEAR);
}
