//! Events in updates: the calendar file that a mail links to.

use axum::http::Method;
use rundbrief::domain::mailing::{self, MailingState};

use crate::harness::{App, TestApp};

fn body(day: &str) -> String {
    format!(
        "Kommen Sie.\n\n::: termin\nTitel: Werkstatt; Bauen, Essen\nDatum: {day}\nBeginn: 14 Uhr\nEnde: 16.30 Uhr\n\
         Ort: Altmarkt 21, Cottbus\n:::"
    )
}

/// The path of the calendar file in a mail.
fn path_in(html: &str) -> String {
    let at = html.find("/calendar/").unwrap_or_else(|| panic!("{html}"));
    html[at..].split('"').next().unwrap().to_owned()
}

async fn unfolded(app: &TestApp, path: &str) -> String {
    app.get(path).await.body.replace("\r\n ", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_keeps_the_very_event_it_was_sent_with_and_every_copy_has_the_same_link() {
    let app = App::new().start().await;
    app.subscriber("anna@example.org").await;
    app.subscriber("otto@example.org").await;
    let update = app.update_with_body("Werkstatt", &body("Mittwoch, 16.12.2026")).await;
    let mailing = app.trigger_update(update).await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let (first, second) = (app.mail(1).await, app.mail(2).await);
    assert_eq!(first.link("/calendar/"), second.link("/calendar/"));

    // What is written afterwards, and another time zone, change nothing of it.
    sqlx::query("update updates set body = $1").bind(body("17.12.2026")).execute(&app.pool).await.unwrap();
    let frozen = mailing::content(&mut app.pool.acquire().await.unwrap(), mailing).await.unwrap();
    let path = path_in(&frozen.body_html);
    assert!(first.link("/calendar/").ends_with(&path), "{path}");
    let file = unfolded(&app, &path).await;
    for line in [
        "DTSTART:20261216T130000Z",
        "DTEND:20261216T153000Z",
        "SUMMARY:Werkstatt\\; Bauen\\, Essen",
        "LOCATION:Altmarkt 21\\, Cottbus",
    ] {
        assert!(file.lines().any(|other| other == line), "{line} in {file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_file_can_be_kept_does_nothing_and_nobody_else_can_make_one() {
    let app = App::new().without_worker().start().await;
    let update = app.update_with_body("Werkstatt", &body("28.03.2027")).await;
    let mailing = app.trigger_update(update).await;
    let frozen = mailing::content(&mut app.pool.acquire().await.unwrap(), mailing).await.unwrap();
    let path = path_in(&frozen.body_html);
    let before = app.whole_database().await;
    let answer = app.get(&path).await;
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("content-type", "text/calendar; charset=utf-8"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(answer.header("set-cookie").is_empty());
    // The clocks went forward in the night before.
    assert!(answer.body.contains("DTSTART:20270328T120000Z"), "{}", answer.body);
    assert_eq!(app.get(&path).await.body, answer.body, "always the same bytes");
    let head = app.request(Method::HEAD, &path, &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    let (begin, end) = path.split_at(path.len() - 10);
    let other = format!("{begin}{}", end.replace(|c: char| c.is_ascii_lowercase(), "x"));
    for nothing in [other.as_str(), "/calendar/x.ics", "/calendar/.ics", path.trim_end_matches(".ics")] {
        assert_eq!(app.get(nothing).await.status, 404, "{nothing}");
    }
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_certain_time_has_no_file_and_stands_there_as_it_was_typed() {
    let app = App::new().without_worker().start().await;
    let update = app.update_with_body("Werkstatt", &body("Dienstag, 16.12.2026")).await;
    let member = app.member("eva@example.org", rundbrief::domain::staff::Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let mail = browser.get(&format!("/staff/updates/{update}/mail.html")).await.body;
    assert!(!mail.contains("/calendar/") && mail.contains("Dienstag, 16.12.2026"), "{mail}");
    let page = browser.get(&format!("/staff/updates/{update}/preflight?lang=de")).await.body;
    for told in ["Das muss vor dem Versand behoben werden", "Es ist Mittwoch, 16. Dezember 2026.", "Zeile 5"]
    {
        assert!(page.contains(told), "{told} in {page}");
    }
}
