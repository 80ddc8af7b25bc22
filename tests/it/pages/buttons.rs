//! Buttons: each press works once, and every further press shows the same page.

use axum::http::Method;
use rundbrief::domain::{
    ids::SubscriberId,
    token::{LinkPurpose, subscriber_token},
};

use super::{FORM, confirm_link, seen};
use crate::harness::{Answer, App, TestApp};

const MULTIPART: (&str, &str) = ("content-type", "multipart/form-data; boundary=b");

/// Presses a button twice; the second page is the first one, letter for letter but for the moment that is signed in the
/// form to sign up again.
async fn press_twice(app: &TestApp, path: &str, form: &str) -> Answer {
    // An error page shows the id of its request; here both have the same.
    let headers = [FORM, ("accept-language", "de"), ("x-request-id", "press")];
    let press = async || app.request(Method::POST, path, &headers, form).await;
    let (first, second) = (press().await, press().await);
    let comparable = |answer: &Answer| (answer.status, without_moment(&answer.body));
    assert_eq!(comparable(&second), comparable(&first), "{path} {form}");
    first
}

fn without_moment(page: &str) -> String {
    let Some((before, rest)) = page.split_once("name=\"again\" value=\"") else { return page.to_owned() };
    format!("{before}{}", rest.trim_start_matches(|c| c != '"'))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_button_pressed_twice_shows_the_same_friendly_page() {
    let app = App::new().without_worker().start().await;
    let yes = confirm_link(&app, "maria@example.org").await;
    let confirmed = press_twice(&app, &yes, "action=confirm").await;
    assert_eq!(seen(&confirmed), (200, "Sie sind angemeldet"));
    assert_eq!(app.get(&yes).await.body, confirmed.body);
    // Leaving is what unsubscribe is for; the page says that the subscription stands, and offers to leave.
    let stands = press_twice(&app, &yes, "action=decline").await;
    assert_eq!(seen(&stands), (200, "Diese Adresse ist angemeldet"));
    assert!(!stands.body.contains("Schön, dass Sie dabei sind"), "{}", stands.body);
    assert!(stands.form_action().starts_with("/unsubscribe/"), "{}", stands.body);
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 1);
    assert_eq!(app.count("select count(*) from consent_events where kind = 'confirmed'").await, 1);
    assert_eq!(app.count("select count(*) from deliveries where kind = 'welcome'").await, 1);

    let no = confirm_link(&app, "anna@example.org").await;
    assert_eq!(seen(&press_twice(&app, &no, "action=decline").await), (200, "Die Anmeldung ist beendet"));
    for ended in [press_twice(&app, &no, "action=confirm").await, app.get(&no).await] {
        assert_eq!(seen(&ended), (410, "Diese Anmeldung ist beendet"));
        assert!(ended.body.contains("href=\"/?lang=de\">Neu anmelden</a>"), "{}", ended.body);
    }
    assert_eq!(app.count("select count(*) from consent_events where kind = 'declined'").await, 1);
    assert_eq!(app.count("select count(*) from subscribers").await, 1);

    let (_, leave) = confirmed.body.split_once("href=\"/unsubscribe/").unwrap();
    let leave = format!("/unsubscribe/{}", leave.split_once('"').unwrap().0);
    // Only the first answer offers to undo it, so these two differ in that.
    let left = app.post(&leave, "").await;
    assert_eq!(seen(&left), (200, "Sie sind abgemeldet"));
    assert_eq!(app.count("select count(*) from consent_events where kind = 'withdrawn'").await, 1);
    assert_eq!(app.count("select count(*) from subscribers where state = 'unsubscribed'").await, 1);

    let back = press_twice(&app, &left.form_action(), "").await;
    assert_eq!(seen(&back), (200, "Sie sind wieder angemeldet"));
    app.post(&leave, "").await;
    assert_eq!(seen(&press_twice(&app, &leave, "").await), (200, "Sie sind abgemeldet"));
    assert_eq!(app.count("select count(*) from consent_events where kind = 'withdrawn'").await, 2);
    app.confirm(&confirm_link(&app, "maria@example.org").await).await;
    assert_eq!(app.count("select count(*) from consent_events where method = 'undo'").await, 1);
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unsubscribe_page_masks_the_address_and_has_one_button() {
    let app = App::new().without_worker().start().await;
    let page = app.get(&app.unsubscribe_path(app.subscriber("maria.muster@example.org").await)).await;
    assert!(page.body.contains("<strong class=\"address\">m…r@example.org</strong>"), "{}", page.body);
    assert!(!page.body.contains("maria.muster") && !page.body.contains("<input"), "{}", page.body);
    assert_eq!((page.body.matches("<button").count(), page.body.matches("<form").count()), (1, 1));
    // What its button does, it does.
    assert_eq!(seen(&app.post(&page.form_action(), "").await), (200, "Sie sind abgemeldet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_click_post_works_in_any_encoding_without_a_cookie_every_time() {
    let app = App::new().without_worker().start().await;
    let part =
        "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let requests: [(&[(&str, &str)], &str); 3] =
        [(&[FORM], "List-Unsubscribe=One-Click"), (&[MULTIPART], part), (&[], "List-Unsubscribe=One-Click")];
    for (n, (headers, body)) in requests.into_iter().enumerate() {
        let path = app.unsubscribe_path(app.subscriber(&format!("s{n}@example.org")).await);
        for _ in 0..3 {
            let answer = app.request(Method::POST, &path, headers, body).await;
            assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (200, ""), "{headers:?}");
        }
    }
    assert_eq!(app.count("select count(*) from subscribers where state = 'unsubscribed'").await, 3);
    assert_eq!(
        app.count("select count(*) from consent_events where kind = 'withdrawn' and method = 'one_click'")
            .await,
        3
    );

    // Whose record was erased is no longer known, and gets no mail: that is what the link is for.
    let erased = subscriber_token(&app.config.secret_keys, LinkPurpose::Unsubscribe, SubscriberId::new());
    let answer = app.post(&format!("/unsubscribe/{erased}"), "List-Unsubscribe=One-Click").await;
    assert_eq!(seen(&answer), (200, "Sie sind abgemeldet"));
}
