//! Showing an update to somebody without a login: the link, what is behind it, and their remarks.

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use rundbrief::{
    app::retention::{self, Extent},
    domain::staff::Role,
};

use crate::harness::{Answer, App, TestApp, browser::Browser};

const BODY: &str = "Am **16. Dezember** steht die Tür offen.";

/// Makes a link to an update; answers it as a path.
async fn link(browser: &Browser<'_>, update: &str) -> String {
    let made = browser.post(&format!("{update}/review"), &[]).await;
    assert!(
        made.header("location").ends_with("/review?done=review_link_made"),
        "{}",
        made.header("location")
    );
    shown_links(&browser.get(&format!("{update}/review")).await).remove(0)
}

/// The links that still work, newest first, as paths.
fn shown_links(page: &Answer) -> Vec<String> {
    let values = page.body.split("class=\"copy\"").skip(1);
    let urls = values.map(|rest| rest.split("value=\"").nth(1).unwrap().split('"').next().unwrap());
    urls.map(|url| url[url.find("/review/").unwrap()..].to_owned()).collect()
}

fn remark_form(name: &str, remark: &str) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("name", name).append_pair("remark", remark).finish()
}

async fn leave(app: &TestApp, link: &str, name: &str, remark: &str) -> Answer {
    app.post(link, &remark_form(name, remark)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_link_sees_the_very_mail_and_their_remarks_stand_beside_the_text() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let update = format!("/staff/updates/{}", app.update_with_body("Offene Werkstatt", BODY).await);
    let link = link(&browser, &update).await;

    let page = app.get(&link).await;
    assert_eq!((page.status.as_u16(), page.heading()), (200, "Zur Ansicht"));
    assert!(page.body.contains("Ada Muster") && page.body.contains("Offene Werkstatt"), "{}", page.body);
    assert_eq!((page.header("x-robots-tag"), page.header("cache-control")), ("noindex", "no-store"));
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert!(page.header("content-security-policy").contains("frame-src 'self'"));
    for (view, file) in [("desk", "mail.html"), ("phone", "mail.html"), ("text", "mail.txt")] {
        let page = app.get(&format!("{link}?view={view}")).await;
        assert!(page.body.contains(&format!("src=\"{link}/{file}?")), "{view}: {}", page.body);
    }
    let as_staff_see_it = browser.get(&format!("{update}/mail.html")).await;
    let html = app.get(&format!("{link}/mail.html")).await;
    assert!(html.body.contains("<strong>16. Dezember</strong>"), "{}", html.body);
    // Staff choose whether it is dark; here the reader's system does.
    let lit = html.body.replace("@media (prefers-color-scheme:dark)", "@media not all");
    assert_eq!(lit, as_staff_see_it.body);
    let text = app.get(&format!("{link}/mail.txt")).await;
    assert_eq!(text.body, browser.get(&format!("{update}/mail.txt")).await.body);
    for part in [&html, &text] {
        let policy = part.header("content-security-policy");
        assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(part.header("x-robots-tag"), "noindex");
    }

    let left = leave(&app, &link, "Bela <b>Chef</b>", "Das Jahr fehlt:\r\n<script>2026</script>").await;
    assert_eq!(left.status, 303);
    assert!(left.header("location").starts_with(&link), "asking for the page again leaves no second one");
    let thanked = app.get(left.header("location").split('#').next().unwrap()).await;
    assert!(thanked.body.contains("Ihre Anmerkung ist gespeichert"), "{}", thanked.body);
    assert!(!app.get(&link).await.body.contains("Ihre Anmerkung ist gespeichert"));
    let start = browser.get("/staff").await.body;
    assert!(start.contains("Eine Anmerkung zu „Offene Werkstatt“ wartet auf Sie."), "{start}");
    for page in
        [app.get(&link).await, browser.get(&update).await, browser.get(&format!("{update}/review")).await]
    {
        assert!(page.body.contains("Bela &lt;b&gt;Chef") && !page.body.contains("<b>Chef"), "{}", page.body);
        assert!(
            page.body.contains("Das Jahr fehlt:<br>") && !page.body.contains("<script>2026"),
            "{}",
            page.body
        );
    }
    // A second link shows none of it: what one reviewer wrote is not for all others.
    let other = self::link(&browser, &update).await;
    assert!(!app.get(&other).await.body.contains("Das Jahr fehlt"));

    let page = browser.get(&update).await;
    let action =
        page.body.split("action=\"/staff/remarks/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let done = browser.post(&format!("/staff/remarks/{action}"), &[("back", "editor")]).await;
    assert_eq!(done.header("location"), format!("{update}?done=remark_done"), "where it was pressed");
    let again = browser.post(&format!("/staff/remarks/{action}"), &[]).await;
    assert_eq!(again.header("location"), format!("{update}/review?done=remark_done"));
    assert!(app.get(&link).await.body.contains(", erledigt</p>"), "who wrote it sees that");
    assert!(!browser.get("/staff").await.body.contains("wartet auf Sie."));
    assert!(!browser.get(&update).await.body.contains("Das Jahr fehlt"), "it is put aside");
    assert!(
        browser.get(&format!("{update}/review")).await.body.contains("Das Jahr fehlt"),
        "and still there"
    );
    let actions = app.actions().await;
    let of_review: Vec<_> = actions.iter().filter(|action| action.starts_with("re")).collect();
    assert_eq!(of_review, ["review_link_made", "review_link_made", "remark_done"]);
    let told: Vec<String> =
        sqlx::query_scalar("select kind || ' by ' || actor from events where kind like 're%' order by seq")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(
        told,
        [
            "review_link_made by member",
            "remark_left by visitor",
            "review_link_made by member",
            "remark_done by member"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_link_is_told_when_the_mail_has_gone_out() {
    let app = App::new().start().await;
    app.subscriber("anna@example.org").await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let id = app.update_with_body("Offene Werkstatt", BODY).await;
    let link = link(&app.browser_of(&ada).await, &format!("/staff/updates/{id}")).await;
    assert!(!app.get(&link).await.body.contains("Versand"));
    app.trigger_update(id).await;
    app.wait_for_count("select count(*) from mailings where begun_at is not null", 1).await;
    assert!(app.get(&link).await.body.contains("Ein Versand dieser E\u{2011}Mail hat"));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_1_looking_at_an_update_behind_a_link_changes_nothing() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let link = link(&browser, &format!("/staff/updates/{}", app.update("Offene Werkstatt").await)).await;
    let before = app.whole_database().await;
    for path in [
        link.clone(),
        format!("{link}?view=text&lang=en"),
        format!("{link}/mail.html"),
        format!("{link}/mail.txt"),
    ] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(app.request(method, &path, &[], "").await.status, 200, "{path}");
        }
    }
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_after_seven_days_and_when_staff_end_it() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let update = format!("/staff/updates/{}", app.update("Offene Werkstatt").await);
    let old = link(&browser, &update).await;
    sqlx::query("update review_links set made_at = made_at - interval '7 days', expires_at = expires_at - interval '7 days'")
        .execute(&app.pool)
        .await
        .unwrap();
    let revoked = link(&browser, &update).await;
    let page = browser.get(&format!("{update}/review")).await;
    assert_eq!(
        shown_links(&page),
        std::slice::from_ref(&revoked),
        "one that has ended is named, and not shown"
    );
    let action = page.body.split("action=\"/staff/review-links/").nth(1).unwrap().split('"').next().unwrap();
    for _ in 0..2 {
        let ended = browser.post(&format!("/staff/review-links/{action}"), &[]).await;
        assert!(ended.header("location").ends_with("done=review_link_revoked"));
    }
    let ends = app.actions().await.into_iter().filter(|action| action == "review_link_revoked").count();
    assert_eq!(ends, 1, "ending it twice is one deed");
    let before = app.whole_database().await;
    for link in [&old, &revoked] {
        for path in [link.clone(), format!("{link}/mail.html"), format!("{link}/mail.txt")] {
            let answer = app.get(&path).await;
            assert_eq!((answer.status.as_u16(), answer.heading()), (410, "Dieser Link gilt nicht mehr"));
        }
        assert_eq!(leave(&app, link, "Bela", "Zu spät").await.status, 410);
    }
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_remark_is_told_and_what_was_typed_stays() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let link = link(&browser, &format!("/staff/updates/{}", app.update("Offene Werkstatt").await)).await;
    let long = "x".repeat(2_001);
    for (name, remark, told) in [
        ("", "Bitte kürzer.", "Bitte geben Sie Ihren Namen an"),
        ("Bela", " \r\n", "Bitte schreiben Sie, was anders sein soll"),
        ("Bela", &long, "Bitte schreiben Sie, was anders sein soll"),
    ] {
        let refused = leave(&app, &link, name, remark).await;
        assert_eq!(refused.status, 422);
        assert!(refused.body.contains(told), "{}", refused.body);
        assert!(
            refused.body.contains("Bitte kürzer.") || refused.body.contains("value=\"Bela\""),
            "{}",
            refused.body
        );
    }
    assert_eq!(app.count("select count(*) from review_remarks").await, 0);
    sqlx::query(
        "insert into review_remarks (id, link_id, made_at, name, remark)
         select gen_random_uuid(), id, now(), 'Bela', 'Nummer ' || n from review_links, generate_series(1, 99) n",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    assert_eq!(leave(&app, &link, "Bela", "Nummer 100").await.status, 303);
    let full = leave(&app, &link, "Bela", "Nummer 101").await;
    assert!(full.status == 422 && full.body.contains("schon 100 Anmerkungen"), "{}", full.body);
    assert_eq!(app.count("select count(*) from review_remarks").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_has_twenty_links_that_work_and_no_more() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let update = format!("/staff/updates/{}", app.update("Offene Werkstatt").await);
    for _ in 0..20 {
        link(&browser, &update).await;
    }
    let full = browser.post(&format!("{update}/review"), &[]).await;
    assert!(full.header("location").ends_with("done=review_links_full"));
    assert_eq!(app.count("select count(*) from review_links").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_remarks_go_with_their_draft_and_thirty_days_after_their_end() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let (deleted, kept) = (app.update("Weg damit").await, app.update("Bleibt").await);
    for update in [deleted, kept] {
        let link = link(&browser, &format!("/staff/updates/{update}")).await;
        assert_eq!(leave(&app, &link, "Bela", "Gut so.").await.status, 303);
    }
    let gone = browser.post(&format!("/staff/updates/{deleted}/delete"), &[]).await;
    assert!(gone.header("location").ends_with("update_deleted"));
    assert_eq!(app.count("select count(*) from review_remarks").await, 1);
    let over: DateTime<Utc> =
        sqlx::query_scalar("select expires_at from review_links").fetch_one(&app.pool).await.unwrap();
    for (days, left) in [(29, 1), (30, 0)] {
        let (keys, now) = (&app.config.secret_keys, over + TimeDelta::days(days));
        retention::delete_expired(&app.pool, keys, 0, Extent::Hourly, now).await.unwrap();
        assert_eq!(app.count("select count(*) from review_remarks").await, left, "{days} days after its end");
    }
}
