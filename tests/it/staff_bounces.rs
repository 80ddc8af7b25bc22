//! What came back, on the staff pages: what waits and what becomes of it, the report of a mailing, reactivating somebody.

use chrono::{Duration, Utc};
use rundbrief::{
    app::follow_mailbox,
    domain::{
        address::EmailAddress,
        ids::MailingId,
        staff::Role,
        suppression::{self, SuppressionReason},
    },
};

use crate::{
    harness::{TestApp, browser::Browser, program::Program},
    taken_bounces::{HARD, POLICY, SOFT, about, agreed, app, copies, copy, reader, take},
};

async fn admin(app: &TestApp) -> Browser<'_> {
    app.browser_of(&app.member("boss@example.org", Role::Admin).await).await
}

async fn page(browser: &Browser<'_>, mailing: MailingId) -> String {
    browser.get(&format!("/staff/mailings/{mailing}")).await.body
}

async fn newest(app: &TestApp) -> i64 {
    sqlx::query_scalar("select max(id) from bounces").fetch_one(&app.pool).await.unwrap()
}

/// A report as a server of old writes it, that names the address and nothing of ours.
const WITHOUT_TOKEN: &str = "From: MAILER-DAEMON@example.org\nTo: bounces@news.example.org\nSubject: failure <b>notice</b>\n\n\
    Hi. This is the qmail-send program at example.org.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\
    This is a permanent error; I've given up. Sorry it didn't work out.\n\n<s1@example.org>:\nSorry, no mailbox here by that name. (#5.1.1)\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_says_whose_a_message_is_and_what_follows_is_what_would_have_followed_by_itself() {
    let app = app().await;
    let sent = copies(&app, 2).await[0];
    let boss = admin(&app).await;
    assert!(boss.get("/staff/bounces").await.body.contains("Nichts wartet."));
    take(&app, WITHOUT_TOKEN).await;
    let id = newest(&app).await;
    let start = boss.get("/staff").await.body;
    assert!(
        start.contains("niemandem sicher zuzuordnen") && start.contains("href=\"/staff/bounces\""),
        "{start}"
    );
    let list = boss.get("/staff/bounces").await.body;
    assert!(list.contains("1 Nachricht wartet.") && list.contains(&format!("/staff/bounces/{id}")), "{list}");
    let page = boss.get(&format!("/staff/bounces/{id}")).await.body;
    assert!(page.contains("This is the qmail-send program") && page.contains("&lt;b&gt;notice"), "{page}");
    assert!(!page.contains("<b>notice"), "{page}");
    assert!(page.contains("value=\"s1@example.org\"") && !page.contains("value=\"complaint\""), "{page}");
    assert!(!page.contains(" checked"), "what it says is for a person to read: {page}");

    let assign = format!("/staff/bounces/{id}/assign");
    // Somebody else has typed the address into the form since: that mail is newer.
    app.sign_up_unsent("s1@example.org").await;
    sqlx::query("update deliveries set state = 'accepted', finished_at = now(), batch_id = null where signup_id is not null")
        .execute(&app.pool)
        .await
        .unwrap();
    for (email, kind, told) in [
        ("s1@example.org", "", "id=\"kind-error\">Bitte wählen Sie, was"),
        ("s1@example.org", "complaint", "id=\"kind-error\">Bitte wählen Sie, was"),
        ("kein Postfach", "hard", "id=\"email-error\""),
        ("fremd@example.org", "hard", "in den 90 Tagen vor der Nachricht keine"),
        ("s2@example.org", "hard", "Die Nachricht nennt diese Adresse nicht"),
    ] {
        let answer = boss.post(&assign, &[("email", email), ("kind", kind)]).await;
        assert_eq!(answer.status, 422, "{email} {kind}");
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
        assert_eq!(app.count("select count(*) from subscribers where state <> 'active'").await, 0);
    }
    let answer = boss.post(&assign, &[("email", "S1@example.org"), ("kind", "hard")]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/staff/bounces?done=bounce_assigned_bounced")
    );
    assert_eq!(app.count("select count(*) from subscribers where state = 'bounced'").await, 1);
    let of: i64 = sqlx::query_scalar("select delivery_id from bounces").fetch_one(&app.pool).await.unwrap();
    assert_eq!(of, sent.0);
    assert_eq!(app.count("select count(*) from bounces where recipients <> '{}'").await, 0);
    assert_eq!(app.actions().await.last().unwrap(), "bounce_assigned");
    let log = boss.get("/staff/audit").await.body;
    assert!(log.contains("Bedeutung: Die Adresse gibt es nicht") && log.contains("s…@example.org"), "{log}");
    assert!(boss.get("/staff/bounces").await.body.contains("Nichts wartet."));
    let again = boss.post(&assign, &[("email", "s1@example.org"), ("kind", "hard")]).await;
    assert_eq!(again.header("location"), "/staff/bounces?done=bounce_known");
    // The same message again is known, and does not wait again.
    assert!(take(&app, WITHOUT_TOKEN).await.is_known);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_aside_waits_no_more_and_what_came_since_stays() {
    let app = app().await;
    let boss = admin(&app).await;
    for n in 0..3 {
        take(&app, &format!("Subject: Angebot {n}\n\nKaufen Sie\n")).await;
    }
    boss.post(&format!("/staff/bounces/{}/ignore", newest(&app).await), &[]).await;
    assert!(boss.get("/staff/bounces").await.body.contains("2 Nachrichten warten."));
    let list = boss.get("/staff/bounces").await.body;
    let ids = list.split("name=\"ids\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    take(&app, "Subject: Frage\n\nWann?\n").await;
    let untold = boss.post("/staff/bounces/ignore", &[("ids", &ids)]).await;
    assert!(
        untold.status == 422 && untold.body.contains("<details open>"),
        "it wants a tick: {}",
        untold.body
    );
    boss.post("/staff/bounces/ignore", &[("ids", &ids), ("sure", "1")]).await;
    let list = boss.get("/staff/bounces").await.body;
    assert!(list.contains("1 Nachricht wartet.") && list.contains("Frage"), "{list}");
    assert!(list.contains("Beiseitegelegt</h2>") && list.contains("Angebot 1"), "{list}");
    assert_eq!(app.count("select count(*) from bounces where ignored_at is not null").await, 3);
    assert_eq!(app.actions().await.last().unwrap(), "bounces_ignored");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_mailing_tells_what_came_back_and_accepted_stays_accepted() {
    let app = app().await;
    let sent = copies(&app, 8).await;
    sqlx::query(
        "update subscribers set email = replace(email, '@example.org', '@gmx.de') where email like 's8@%'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let id: MailingId =
        sqlx::query_scalar("select id from mailings").fetch_one(&app.pool).await.map(MailingId).unwrap();
    sqlx::query(
        "update mailings set state = 'done', begun_at = now(), fan_out_done_at = now(), audience = 8",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let calm = page(&admin(&app).await, id).await;
    assert!(!calm.contains("Was später zurückkam"), "{calm}");
    for number in [0, 1] {
        take(&app, &about(&app, sent[number], HARD)).await;
    }
    // Twice about the same copy, in other words.
    take(&app, &about(&app, sent[0], &HARD.replace("unknown", "no such user"))).await;
    take(&app, &about(&app, sent[2], SOFT)).await;
    for copy in &sent[3..8] {
        take(&app, &about(&app, *copy, POLICY)).await;
    }
    let unsigned = POLICY
        .replace("554 5.7.1 looks like spam", "550-5.7.26 not authenticated")
        .replace("5.7.1", "5.7.26");
    for copy in &sent[3..5] {
        take(&app, &about(&app, *copy, &unsigned)).await;
    }
    let shown = page(&admin(&app).await, id).await;
    for told in [
        "Was später zurückkam",
        "2 E\u{2011}Mails kamen zurück",
        "1 Postfach war voll",
        "Wer uns abgelehnt hat",
        "GMX",
        "554 5.7.1 looks like spam",
        "Sperrliste",
        "Das muss die Technik richten.",
        "SPF, DKIM und DMARC",
        "550-5.7.26 not authenticated",
        "8 von 8 angenommen",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let mia = app.browser_of(&app.member("mia@example.org", Role::Editor).await).await;
    let file = mia.post(&format!("/staff/mailings/{id}/report.csv"), &[]).await.body;
    assert_eq!(file.matches(",hard\n").count(), 2, "{file}");
    assert_eq!(file.matches(",policy\n").count(), 5, "{file}");
    let shown = page(&mia, id).await;
    assert!(shown.contains("GMX") && !shown.contains("looks like spam"), "words are for admins: {shown}");
    // Five refusals in a week are worth a look, by one provider.
    let boss = admin(&app).await;
    assert!(!boss.get("/staff").await.body.contains("in den letzten sieben Tagen"), "four and one");
    sqlx::query("update subscribers set email = replace(email, '@example.org', '@gmx.de')")
        .execute(&app.pool)
        .await
        .unwrap();
    assert!(boss.get("/staff").await.body.contains("GMX hat in den letzten sieben Tagen 5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_works_again_is_reactivated_with_a_reason() {
    let app = app().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 1).await;
    take(&app, &about(&app, sent, HARD)).await;
    let boss = admin(&app).await;
    let path = format!("/staff/subscribers/{}", reader.0);
    let page = boss.get(&path).await.body;
    let bounce = format!("/staff/bounces/{}", newest(&app).await);
    assert!(page.contains(&bounce) && page.contains("nur selbst wiederkommen"), "{page}");
    boss.post(&format!("{path}/reactivate"), &[("reason", "sie rief an")]).await;
    assert_eq!(app.count("select count(*) from subscribers where state = 'bounced'").await, 1, "no consent");
    agreed(&app).await;
    let message = boss.get(&bounce).await.body;
    assert!(message.contains("Final-Recipient: rfc822;s1@example.org"), "{message}");
    assert!(message.contains(&path) && !message.contains("/assign"), "{message}");
    let refused = boss.post(&format!("{path}/reactivate"), &[("reason", "  ")]).await;
    assert!(refused.status == 422 && refused.body.contains("woher Sie wissen"), "{}", refused.body);
    let done = boss.post(&format!("{path}/reactivate"), &[("reason", "sie rief an")]).await;
    assert_eq!(done.header("location"), format!("{path}?done=subscriber_reactivated"));
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 1);
    assert!(!boss.get(&path).await.body.contains("reactivate"));
    let again = boss.post(&format!("{path}/reactivate"), &[("reason", "noch einmal")]).await;
    assert_eq!(again.header("location"), format!("{path}?done=subscriber_not_reactivated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_cannot_be_read_is_told_on_the_start_page_of_admins() {
    let app = app().await;
    for minutes in [60, 50, 40, 30, 20, 10, 0] {
        follow_mailbox::is_wanted(&app.pool, Utc::now() - Duration::minutes(minutes)).await.unwrap();
    }
    follow_mailbox::was_read(&app.pool, Utc::now() - Duration::hours(1)).await.unwrap();
    follow_mailbox::was_not_read(&app.pool, "the server refuses the login", Utc::now()).await.unwrap();
    let boss = admin(&app).await;
    let start = boss.get("/staff").await.body;
    assert!(
        start.contains("Das Postfach für zurückgekommene") && start.contains("refuses the login"),
        "{start}"
    );
    let mia = app.browser_of(&app.member("mia@example.org", Role::Editor).await).await;
    assert!(!mia.get("/staff").await.body.contains("refuses the login"));
    follow_mailbox::was_read(&app.pool, Utc::now()).await.unwrap();
    assert!(!boss.get("/staff").await.body.contains("refuses the login"));
}

/// A complaint that names nothing of ours but the address.
const COMPLAINT: &str = "From: feedback@provider.example\nTo: bounces@news.example.org\nSubject: complaint\nMIME-Version: 1.0\n\
    Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: text/plain\n\nA complaint.\n\n\
    --b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: P/1\nVersion: 1\n\
    Original-Rcpt-To: s1@example.org\n\n--b\nContent-Type: message/rfc822\n\nSubject: Neues\nTo: s1@example.org, s2@example.org\n\nText\n--b--\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_is_assigned_only_by_who_means_it_and_an_erasure_reaches_it() {
    let app = app().await;
    copies(&app, 2).await;
    let boss = admin(&app).await;
    take(&app, COMPLAINT).await;
    let assign = format!("/staff/bounces/{}/assign", newest(&app).await);
    let sent = [("email", "s1@example.org"), ("kind", "complaint")];
    let asked = boss.post(&assign, &sent).await;
    assert!(asked.status == 422 && asked.body.contains("nie wieder etwas"), "{}", asked.body);
    let done = boss.post(&assign, &[sent[0], sent[1], ("sure", "1")]).await;
    assert_eq!(done.header("location"), "/staff/bounces?done=bounce_assigned_complained");
    assert_eq!(app.count("select count(*) from subscribers where state = 'complained'").await, 1);
    let holds =
        "select count(*) from bounces where position('s1@example.org' in encode(report, 'escape')) > 0";
    assert_eq!(app.count(holds).await, 1);
    let program = Program::beside(&app);
    program.run(&["subscribers", "erase", "s1@example.org", "--yes"]).await.done();
    assert_eq!(app.count(holds).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_reactivated_who_has_withdrawn_or_is_suppressed() {
    let app = app().await;
    let reader = reader(&app).await;
    let sent = copy(&app, reader, 1).await;
    take(&app, &about(&app, sent, HARD)).await;
    agreed(&app).await;
    let boss = admin(&app).await;
    let path = format!("/staff/subscribers/{}", reader.0);
    let reactivate = format!("{path}/reactivate");
    let refused = async || {
        assert!(!boss.get(&path).await.body.contains(&reactivate));
        boss.post(&reactivate, &[("reason", "sie rief an")]).await;
        assert_eq!(app.count("select count(*) from subscribers where state = 'bounced'").await, 1);
    };
    let address = EmailAddress::parse("s1@example.org").unwrap().normalized();
    let (keys, reason) = (&app.config.secret_keys, SuppressionReason::Complained);
    let mut db = app.pool.acquire().await.unwrap();
    suppression::add(&mut db, keys, &address, reason, Utc::now()).await.unwrap();
    refused().await;
    sqlx::query("delete from suppressions").execute(&app.pool).await.unwrap();
    assert!(boss.get(&path).await.body.contains(&reactivate), "nothing else stands in the way");
    sqlx::query(
        "insert into consent_events (at, kind, method, email, email_normalized)
         select now(), 'withdrawn', 'button', email, email_normalized from subscribers",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    refused().await;
}
