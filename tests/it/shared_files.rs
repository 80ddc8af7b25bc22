//! Files that readers download: uploaded by staff, offered in mails, kept as long as a mail may point at them.

use axum::http::Method;
use chrono::{TimeDelta, Utc};
use rundbrief::{
    app::{images::store::Store, retention::remove_unused_files},
    domain::{mailing::MailingState, staff::Role},
};
use serde_json::Value;

use crate::harness::{App, TestApp, browser::Browser};

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n";

async fn editor(app: &TestApp) -> Browser<'_> {
    let member = app.member("eva@example.org", Role::Editor).await;
    app.browser_of(&member).await
}

/// Uploads a file as the script does; answers the status and what it is told.
async fn share(browser: &Browser<'_>, name: &str, file: &[u8]) -> (u16, Value) {
    let answer = browser.upload("/staff/files", file, &[("filename", name)], true).await;
    (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap())
}

fn path_of(told: &Value) -> String {
    let url = told["url"].as_str().unwrap();
    url.strip_prefix("https://brief.example.org").unwrap_or_else(|| panic!("{url}")).to_owned()
}

fn body(url: &str) -> String {
    format!("Kommen Sie.\n\n::: datei\nTitel: Das Programm\nAdresse: {url}\n:::")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_upload_is_downloaded_under_its_name_and_opens_nothing() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let (status, told) = share(&browser, "Programm Frühjahr.PDF", PDF).await;
    assert_eq!(
        (status, &told["title"], &told["label"]),
        (201, &"Programm Frühjahr".into(), &"PDF, 1\u{a0}KB".into())
    );
    assert_eq!(app.actions().await.last().unwrap(), "file_shared");

    let path = path_of(&told);
    assert!(path.starts_with("/files/") && path.contains(".pdf"), "{path}");
    let file = app.get(&path).await;
    assert_eq!((file.status.as_u16(), file.body.as_bytes()), (200, PDF));
    assert_eq!(file.header("content-type"), "application/pdf");
    assert_eq!(file.header("content-length"), PDF.len().to_string());
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"Programm Fr_hjahr.pdf\"; filename*=UTF-8''Programm%20Fr%C3%BChjahr.pdf"
    );
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(file.header("content-security-policy"), "sandbox; default-src 'none'");
    let tag = file.header("etag").to_owned();
    let again = browser.send(Method::GET, &path, &[("if-none-match", tag.as_str())], "").await;
    assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));

    // The same file is the same one; under another name it is another.
    assert_eq!(share(&browser, "Programm Frühjahr.pdf", PDF).await.1["id"], told["id"]);
    assert_ne!(share(&browser, "Programm Herbst.pdf", PDF).await.1["id"], told["id"]);
    for nobodys in ["/files/aaaaaaaaaaaaaaaaaaaaaaaaaa.pdf", "/files/x.pdf", &path.replace(".pdf", ".docx")] {
        assert_eq!(app.get(nobodys).await.status, 404, "{nobodys}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_broke_off_goes_on_where_it_ended() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    // Longer than one piece of the store.
    let lines: Vec<String> = (0..30_000).map(|line| format!("{line:07}\n")).collect();
    let file = format!("%PDF-1.7\n{}%%EOF\n", lines.concat());
    let (status, told) = share(&browser, "lang.pdf", file.as_bytes()).await;
    assert_eq!(status, 201, "{told}");
    let path = path_of(&told);
    let whole = app.get(&path).await;
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let tag = whole.header("etag").to_owned();
    let rest = [("range", "bytes=100000-"), ("if-range", tag.as_str())];
    let rest = app.request(Method::GET, &path, &rest, "").await;
    assert_eq!((rest.status.as_u16(), rest.header("content-range")), (206, "bytes 100000-240014/240015"));
    assert_eq!(rest.body, file[100_000..]);
    let beyond = app.request(Method::GET, &path, &[("range", "bytes=240015-")], "").await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */240015"));
    let other = [("range", "bytes=100000-"), ("if-range", "\"another edition\"")];
    let other = app.request(Method::GET, &path, &other, "").await;
    assert_eq!((other.status.as_u16(), other.body.len()), (200, file.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_is_called_does_not_say_what_it_is() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let cases: [(&str, &[u8], &str); 5] = [
        ("a.pdf", b"<html><script>alert(1)</script>", "Dieses Dateiformat nehmen wir nicht an."),
        ("a.pdf", b"%PDF-1.7 half of it", "beschädigt oder unvollständig"),
        ("a.doc", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1....", "altes Office-Format"),
        ("a.docx", b"PK\x03\x04....", "beschädigt oder unvollständig"),
        ("a.pdf", b"", "Bitte wählen Sie eine Datei aus."),
    ];
    for (name, file, told) in cases {
        let (status, answer) = share(&browser, name, file).await;
        assert_eq!(status, 422, "{name}: {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(told), "{name}: {answer}");
        let page = browser.upload("/staff/files", file, &[("filename", name)], false).await;
        assert!(
            page.status == 422 && page.body.contains(told) && page.body.contains("aria-invalid"),
            "{}",
            page.body
        );
    }
    let (status, told) = share(&browser, "rechnung.exe", PDF).await;
    assert_eq!((status, told["title"].as_str()), (201, Some("rechnung")));
    assert!(path_of(&told).contains(".pdf"));
    assert_eq!(app.count("select count(*) from shared_files").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_more_than_twenty_megabytes_is_refused_with_how_many_there_may_be() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let of = |bytes: usize| [b"%PDF-1.7\n".as_slice(), &vec![b' '; bytes - 15], b"\n%%EOF"].concat();
    let (status, _) = share(&browser, "just.pdf", &of(20 * 1024 * 1024)).await;
    assert_eq!(status, 201);
    let (status, told) = share(&browser, "large.pdf", &of(20 * 1024 * 1024 + 1)).await;
    assert_eq!(status, 413, "{told}");
    assert!(told["detail"].as_str().unwrap().contains("20\u{a0}MB"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_says_what_a_file_is_and_how_large_in_both_parts() {
    let app = App::new().start().await;
    app.subscriber("anna@example.org").await;
    let browser = editor(&app).await;
    let (_, told) = share(&browser, "programm.pdf", PDF).await;
    let update = app.update_with_body("Werkstatt", &body(told["url"].as_str().unwrap())).await;
    let mailing = app.trigger_update(update).await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let mail = app.mail(1).await;
    let url = told["url"].as_str().unwrap();
    assert!(mail.text.contains(&format!("Das Programm (PDF, 1\u{a0}KB):\r\n{url}")), "{}", mail.text);
    let html = &mail.html;
    assert!(
        html.contains(&format!("<a href=\"{url}\"")) && html.contains(">PDF, 1\u{a0}KB</span>"),
        "{html}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_stays_as_long_as_something_points_at_it_and_goes_when_nothing_does() {
    let app = App::new().without_worker().start().await;
    app.subscriber("anna@example.org").await;
    let browser = editor(&app).await;
    let (_, unused) = share(&browser, "unused.pdf", PDF).await;
    let (_, in_draft) = share(&browser, "draft.pdf", PDF).await;
    let (_, sent) = share(&browser, "sent.pdf", PDF).await;
    let remove = async |told: &Value| {
        browser.post(&format!("/staff/files/{}/remove", told["id"].as_str().unwrap()), &[]).await
    };
    app.update_with_body("Entwurf", &body(in_draft["url"].as_str().unwrap())).await;
    let update = app.update_with_body("Gesendet", &body(sent["url"].as_str().unwrap())).await;
    app.trigger_update(update).await;
    sqlx::query("update updates set body = 'nichts mehr' where id = $1")
        .bind(update)
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query("delete from update_versions where update_id = $1")
        .bind(update)
        .execute(&app.pool)
        .await
        .unwrap();
    for used in [&in_draft, &sent] {
        let answer = remove(used).await;
        assert!(
            answer.status == 409 && answer.body.contains("Diese Datei wird verwendet"),
            "{}",
            answer.body
        );
    }
    let page = browser.get("/staff/files").await.body;
    assert!(
        page.contains("verschickt") && page.contains("nicht verwendet") && page.contains("Entwurf"),
        "{page}"
    );

    let store = Store::new(&app.config.image_store);
    let removed_after = async |days| {
        remove_unused_files(&app.pool, &store, Utc::now() + TimeDelta::days(days)).await.unwrap()
    };
    assert_eq!(removed_after(29).await, 0);
    assert_eq!(removed_after(31).await, 1);
    assert_eq!(app.get(&path_of(&unused)).await.status, 404);
    assert_eq!(remove(&unused).await.status, 303, "it is gone, which is what was wanted");
    for kept in [&in_draft, &sent] {
        assert_eq!(app.get(&path_of(kept)).await.status, 200);
    }
    sqlx::query("update updates set body = 'nichts mehr'").execute(&app.pool).await.unwrap();
    sqlx::query("delete from update_versions").execute(&app.pool).await.unwrap();
    assert_eq!(remove(&in_draft).await.header("location"), "/staff/files?done=file_removed");
    assert_eq!(app.get(&path_of(&in_draft)).await.status, 404);
    assert_eq!(app.get(&path_of(&sent)).await.status, 200, "mails that are out point at it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_or_a_picture_that_is_gone_is_found_before_an_update_is_sent() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let (_, told) = share(&browser, "programm.pdf", PDF).await;
    let there = told["url"].as_str().unwrap();
    let gone = "https://brief.example.org/files/aaaaaaaaaaaaaaaaaaaaaaaaaa.pdf";
    let picture = "https://brief.example.org/images/aaaaaaaaaaaaaaaaaaaaaaaaaa.jpg";
    let text = format!("{}\n\n{}\n\n![Zwei Menschen]({picture})", body(there), body(gone));
    let update = app.update_with_body("Werkstatt", &text).await;
    let page = browser.get(&format!("/staff/updates/{update}/preflight")).await.body;
    assert!(page.contains(gone) && page.contains(picture), "{page}");
    assert!(!page.contains(there), "{page}");

    // In the link of the update, and at a page of it, it is there too, and in use.
    let at_a_page = format!("{there}#page=2");
    let update = app.update_with_body("Plan", &format!("[Seite 2]({at_a_page})")).await;
    sqlx::query("update updates set link = $2 where id = $1")
        .bind(update)
        .bind(there)
        .execute(&app.pool)
        .await
        .unwrap();
    let page = browser.get(&format!("/staff/updates/{update}/preflight")).await.body;
    assert!(!page.contains(there), "{page}");
    sqlx::query("update updates set body = 'Text'").execute(&app.pool).await.unwrap();
    let remove = format!("/staff/files/{}/remove", told["id"].as_str().unwrap());
    assert_eq!(browser.post(&remove, &[]).await.status, 409, "the link leads there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_uploaded_again_is_there_again_and_stays_for_another_month() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let (_, told) = share(&browser, "programm.pdf", PDF).await;
    share(&browser, "anders.pdf", PDF).await;
    let path = path_of(&told);
    // Taken out of the store by hand.
    std::fs::remove_file(app.images.0.join(path.trim_start_matches('/'))).unwrap();
    assert_eq!(app.get(&path).await.status, 404);
    sqlx::query("update shared_files set created_at = created_at - interval '40 days'")
        .execute(&app.pool)
        .await
        .unwrap();
    let (status, again) = share(&browser, "programm.pdf", PDF).await;
    assert_eq!((status, &again["id"]), (201, &told["id"]));
    assert_eq!(app.get(&path).await.status, 200);
    let store = Store::new(&app.config.image_store);
    assert_eq!(remove_unused_files(&app.pool, &store, Utc::now()).await.unwrap(), 1, "the other one");
    assert_eq!(app.get(&path).await.status, 200);
}
