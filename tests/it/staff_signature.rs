//! Whether the relay's signature covers what one-click unsubscribe needs, read from a received mail.

use rundbrief::domain::{
    signature_seen::{SignatureVerdict, latest},
    staff::Role,
};

use crate::harness::{App, TestApp, browser::Browser, program::Program};

const UNSEEN: &str = "ist noch nicht bekannt";
const LINE: &str = "SignHeaders *,+List-Unsubscribe-Post";
/// What many signers cover of a test mail unless told otherwise, and what they should.
const DEFAULT: &str = "From:Reply-To:Subject:Date:To:List-Id:List-Help:List-Unsubscribe";
const WHOLE: &str = "From:Reply-To:Subject:Date:To:List-Id:List-Help:List-Unsubscribe:List-Unsubscribe-Post";

/// A test mail of the service, as it stands in the mailbox it arrived in.
async fn arrived(app: &TestApp, covered: &str, result: &str) -> String {
    let update = app.update("Werkstatt").await.to_string();
    let before = app.relay.accepted_count();
    Program::beside(app).run(&["mailings", "test", &update, "--to", "ich@example.org"]).await.done();
    let mail = app.mail(before + 1).await.source;
    format!(
        "Delivered-To: ich@example.org\r\nReceived: by mx.example.org; Wed, 16 Dec 2026 09:00:02 +0000\r\n\
         Authentication-Results: mx.example.org;\r\n       dkim={result} header.i=@lok-lausitz.example header.s=m1\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; d=lok-lausitz.example; s=m1;\r\n\th={covered};\r\n\tbh=AA==; b=QQ==\r\n{mail}"
    )
}

/// How often it was noted in the audit log that a mail was looked at.
async fn noted(app: &TestApp) -> usize {
    app.actions().await.iter().filter(|action| *action == "signature_seen").count()
}

/// The check before a mailing of an update.
async fn preflight(app: &TestApp, browser: &Browser<'_>) -> String {
    let update = app.update("Prüfling").await;
    browser.get(&format!("/staff/updates/{update}/preflight")).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preflight_reports_the_signature_until_it_covers_everything() {
    let app = App::new().start().await;
    let editor = app.member("editor@example.org", Role::Editor).await;
    let browser = app.browser_of(&editor).await;
    let before = preflight(&app, &browser).await;
    assert!(before.contains(UNSEEN) && before.contains("href=\"/staff/signature\""), "{before}");
    assert!(!before.contains(LINE), "nobody knows yet that something is wrong");
    let page = browser.get("/staff/signature").await.body;
    assert!(
        page.contains("Noch nichts") && page.contains(LINE) && page.contains("dkim_sign_headers"),
        "{page}"
    );

    let first = arrived(&app, DEFAULT, "pass").await;
    let answer = browser.post("/staff/signature", &[("head", &first)]).await;
    assert_eq!(answer.header("location"), "/staff/signature?done=signature_seen");
    let page = browser.get("/staff/signature").await.body;
    assert!(page.contains("lässt aus: List-Unsubscribe-Post"), "{page}");
    assert!(page.contains("m1._domainkey.lok-lausitz.example"), "{page}");
    let warned = preflight(&app, &browser).await;
    assert!(warned.contains(LINE) && !warned.contains(UNSEEN), "{warned}");
    assert!(warned.contains("lässt eine Kopfzeile aus: List-Unsubscribe-Post."), "{warned}");

    let second = arrived(&app, WHOLE, "pass").await;
    browser.post("/staff/signature", &[("head", &second)]).await;
    let page = browser.get("/staff/signature").await.body;
    assert!(page.contains("Alles richtig: Die Unterschrift von lok-lausitz.example"), "{page}");
    let clear = preflight(&app, &browser).await;
    assert!(!clear.contains("/staff/signature"), "{clear}");

    // Somebody finds the first mail again.
    let old = first.replace("\r\nDate: ", "\r\nDate: Wed, 16 Dec 2020 09:00:00 +0000\r\nX-Date: ");
    let answer = browser.post("/staff/signature", &[("head", &old)]).await;
    assert_eq!(answer.header("location"), "/staff/signature?done=signature_older");
    assert!(!preflight(&app, &browser).await.contains("/staff/signature"));

    let mut db = app.pool.acquire().await.unwrap();
    let relay = app.config.smtp.authority();
    let seen = latest(&mut db, "lok-lausitz.example", &relay).await.unwrap().unwrap();
    assert_eq!(seen.verdict, SignatureVerdict::Right);
    assert_eq!(
        latest(&mut db, "lok-lausitz.example", "other:25").await.unwrap(),
        None,
        "another relay may sign otherwise"
    );
    drop(db);
    assert_eq!(noted(&app).await, 2);
    assert!(!app.whole_database().await.contains("mx.example.org"), "the text is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_signature_is_a_warning_and_an_unverified_one_a_note() {
    let app = App::new().start().await;
    let editor = app.member("editor@example.org", Role::Editor).await;
    let browser = app.browser_of(&editor).await;
    for (covered, result, expected) in [
        (WHOLE, "temperror", "stand in der geprüften E\u{2011}Mail nicht"),
        (WHOLE, "fail", "die der Empfänger nicht anerkannt hat"),
        ("", "pass", "lässt eine Kopfzeile aus: List-Unsubscribe, List-Unsubscribe-Post."),
    ] {
        let mail = arrived(&app, covered, result).await;
        browser.post("/staff/signature", &[("head", &mail)]).await;
        let page = preflight(&app, &browser).await;
        assert!(page.contains(expected), "{result}: {page}");
    }
    let unsigned = arrived(&app, WHOLE, "none").await.replace("DKIM-Signature:", "X-Signature:");
    browser.post("/staff/signature", &[("head", &unsigned)]).await;
    assert!(preflight(&app, &browser).await.contains("ohne gültig geschriebene DKIM-Unterschrift"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_received_mail_of_ours_says_anything_about_the_signature() {
    let app = App::new().start().await;
    let editor = app.member("editor@example.org", Role::Editor).await;
    let browser = app.browser_of(&editor).await;
    let mail = arrived(&app, WHOLE, "pass").await;
    for (head, expected) in [
        (String::new(), "nicht der vollständige Kopf"),
        ("<script>alert(1)</script>".to_owned(), "nicht der vollständige Kopf"),
        (mail.replace("Received:", "X-Received:"), "noch nirgends angekommen"),
        (mail.replace("newsletter@lok-lausitz.example", "a@example.com"), "anderen Absender"),
        (
            mail.replace("<rundbrief.brief.example.org>", "<rundbrief.other.example>"),
            "eines anderen Newsletters",
        ),
    ] {
        let answer = browser.post("/staff/signature", &[("head", &head)]).await;
        assert_eq!(answer.status, 422, "{expected}");
        assert!(answer.body.contains(expected) && !answer.body.contains("<script>alert"), "{}", answer.body);
    }
    assert_eq!(app.count("select count(*) from signatures_seen").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_reads_the_same_and_fails_while_something_has_to_be_corrected() {
    let app = App::new().start().await;
    let program = Program::beside(&app);
    program.file("default.eml", arrived(&app, DEFAULT, "pass").await);
    program.file("whole.eml", arrived(&app, WHOLE, "pass").await);
    let ran = program.run(&["mailings", "signature", "default.eml"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("leaves out: List-Unsubscribe-Post") && ran.stderr.contains(LINE), "{ran:?}");
    let ran = program.run(&["mailings", "signature", "whole.eml", "--json"]).await.json();
    assert_eq!((ran["verdict"].as_str(), ran["selector"].as_str()), (Some("right"), Some("m1")));
    program.file("none.eml", "Hallo");
    assert!(
        program
            .run(&["mailings", "signature", "none.eml"])
            .await
            .refused(1)
            .contains("tells nothing about the signature")
    );
    program.run(&["mailings", "signature", "no-such-file"]).await.refused(2);
    assert_eq!(noted(&app).await, 2);
}
