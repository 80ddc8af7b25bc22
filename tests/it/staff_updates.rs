//! Writing updates on the staff pages: automatic saving, several authors, history, preview.

use axum::http::Method;
use rundbrief::domain::{ids::UpdateId, staff::Role, update};
use serde_json::Value;

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, Member},
    program::Program,
};

/// Begins an update; answers its page.
async fn begin(browser: &Browser<'_>) -> String {
    let begun = browser.post("/staff/updates", &[]).await;
    assert_eq!(begun.status, 303);
    begun.header("location").to_owned()
}

fn id_of(path: &str) -> UpdateId {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

/// Saves as our script does.
async fn save(browser: &Browser<'_>, path: &str, version: i32, fields: &[(&str, &str)]) -> (u16, Value) {
    let version = version.to_string();
    let mut form = vec![("version", version.as_str()), ("locale", "de")];
    form.extend(fields);
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let headers = [("sec-fetch-site", "same-origin"), ("accept", "application/json")];
    let answer = browser.send(Method::POST, path, &headers, &form).await;
    (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap_or_default())
}

async fn saved(app: &TestApp, path: &str) -> update::Update {
    let id = id_of(path).to_string();
    update::find(&mut app.pool.acquire().await.unwrap(), &id).await.unwrap().unwrap()
}

async fn two(app: &TestApp) -> (Member, Member) {
    (app.member("ada@example.org", Role::Editor).await, app.member("ben@example.org", Role::Editor).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_saved_before_it_is_finished_and_says_what_is_missing() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let path = begin(&browser).await;
    let missing = ["Der Titel fehlt noch.", "Der Text fehlt noch."];
    let page = browser.get(&path).await;
    assert!(!missing.iter().any(|what| page.body.contains(what)), "nobody has left out anything yet");
    let (_, answer) = save(&browser, &path, 1, &[("teaser", "Am See.")]).await;
    assert_eq!(
        (&answer["unfinished"]["title"], &answer["unfinished"]["body"]),
        (&missing[0].into(), &missing[1].into())
    );
    let page = browser.get(&path).await;
    assert!(missing.iter().all(|what| page.body.contains(what)), "{}", page.body);
    let fields =
        [("title", "Zwei Tage am See"), ("body", "![](https://example.org/a.png)"), ("link", "example.org")];
    let (status, answer) = save(&browser, &path, 2, &fields).await;
    assert_eq!((status, &answer["version"]), (200, &Value::from(3)));
    let unfinished = answer["unfinished"].as_object().unwrap();
    assert_eq!(unfinished.keys().collect::<Vec<_>>(), ["body", "link"]);
    assert!(unfinished["body"].as_str().unwrap().contains("was es zeigt"), "{unfinished:?}");
    let update = saved(&app, &path).await;
    assert_eq!((update.slug.as_str(), update.link.as_deref()), ("zwei-tage-am-see", Some("example.org")));
    assert_eq!(update.changed_by.as_deref(), Some("Ada Muster"));
    assert_eq!(app.actions().await, ["member_added", "password_set", "update_begun", "update_saved"]);
    let list = browser.get("/staff/updates").await;
    assert!(list.body.contains("Zwei Tage am See") && list.body.contains("Ada Muster"), "{}", list.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_unfinished_can_be_sent_by_any_way() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    app.subscribers(3).await;
    let path = begin(&browser).await;
    save(
        &browser,
        &path,
        1,
        &[("title", "Fast fertig"), ("image", "https://example.org/a.jpg"), ("body", "Text")],
    )
    .await;
    let refused = Program::beside(&app).run(&["mailings", "trigger", "fast-fertig", "--yes"]).await;
    assert!(refused.refused(1).contains("image_alt (missing)"), "{refused:?}");
    assert_eq!(app.count("select count(*) from mailings").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_at_once_see_each_other_and_no_text_is_lost() {
    let app = App::new().without_worker().start().await;
    let (ada, ben) = two(&app).await;
    let (one, other) = (app.browser_of(&ada).await, app.browser_of(&ben).await);
    let path = begin(&one).await;
    one.post(&format!("{path}/here"), &[]).await;
    assert!(other.get(&path).await.body.contains("hat dieses Update auch gerade offen"));
    other.post(&format!("{path}/here"), &[]).await;
    let here = one.post(&format!("{path}/here"), &[]).await;
    let here: Value = serde_json::from_str(&here.body).unwrap();
    assert_eq!(
        here["others"],
        serde_json::json!(["Ada Muster"]),
        "the other one; members of tests share a name"
    );

    assert_eq!(save(&one, &path, 1, &[("title", "Von Ada"), ("body", "Adas Text")]).await.0, 200);
    let (status, answer) = save(&other, &path, 1, &[("title", "Von Ben"), ("body", "Bens Text")]).await;
    assert_eq!(status, 409, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("gespeichert"), "{answer}");
    assert_eq!(saved(&app, &path).await.body, "Adas Text");

    // Both texts are on the page, and the one that was not taken is in the history.
    let fields = [
        ("version", "1"),
        ("locale", "de"),
        ("title", "Von Ben"),
        ("body", "Bens <b>Text</b>"),
        ("link", "https://example.org/bens"),
    ];
    let conflict = other.post(&path, &fields).await;
    assert_eq!(conflict.status, 409);
    for text in ["Adas Text", "Bens &lt;b&gt;Text&lt;/b&gt;", "Meine Fassung speichern"] {
        assert!(conflict.body.contains(text), "{text} in {}", conflict.body);
    }
    let link = "<dd class=\"address\">https://example.org/bens</dd>";
    let page = conflict.body.replace("&#x2F;", "/");
    assert!(page.contains(link), "what has no text of its own is named where it differs: {page}");
    assert!(
        page.contains("Adresse dieses Updates auf der Website") && !page.contains("Was zeigt das Bild"),
        "{page}"
    );
    let history = other.get(&format!("{path}/history")).await;
    assert!(history.body.contains("nicht übernommen"), "{}", history.body);
    // Deciding for one's own is a save like any other, made from what was seen.
    let version = conflict.field("version");
    let fields =
        [("version", version.as_str()), ("locale", "de"), ("title", "Von Ben"), ("body", "Bens Text")];
    assert_eq!(other.post(&path, &fields).await.status, 303);
    assert_eq!(saved(&app, &path).await.body, "Bens Text");
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_texts_can_be_seen_and_brought_back() {
    let app = App::new().without_worker().start().await;
    let (ada, ben) = two(&app).await;
    let (one, other) = (app.browser_of(&ada).await, app.browser_of(&ben).await);
    let path = begin(&one).await;
    save(&one, &path, 1, &[("title", "T"), ("body", "Erster Entwurf")]).await;
    save(&one, &path, 2, &[("title", "T"), ("body", "Erste Fassung")]).await;
    save(&other, &path, 3, &[("title", "T"), ("body", "Zweite Fassung")]).await;
    let entries: Vec<(i64, String)> = sqlx::query_as("select id, body from update_versions order by id")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    let texts: Vec<&str> = entries.iter().map(|(_, body)| body.as_str()).collect();
    assert_eq!(texts, ["Erste Fassung", "Zweite Fassung"], "one entry for each sitting");
    let entry = format!("{path}/history/{}", entries[0].0);
    assert!(one.get(&entry).await.body.contains("Erste Fassung"));
    // Somebody has saved since the page was opened: nothing is done unseen.
    assert!(
        one.post(&entry, &[("version", "3")]).await.header("location").ends_with("update_changed_meanwhile")
    );
    assert_eq!(
        other.post(&entry, &[("version", "4")]).await.header("location"),
        format!("{path}?done=update_restored")
    );
    assert_eq!(saved(&app, &path).await.body, "Erste Fassung");
    let kept = app.count("select count(*) from update_versions where body = 'Zweite Fassung'").await;
    assert_eq!(kept, 1, "what was there before is still to be had");
    assert!(app.actions().await.contains(&"update_restored".to_owned()));
    // An entry of another update opens nothing.
    let elsewhere = begin(&one).await;
    assert_eq!(one.get(&format!("{elsewhere}/history/{}", entries[0].0)).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_came_by_command_is_in_the_history_too() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let id = app.update_with_body("Aus einer Datei", "Der Text der Datei").await;
    let path = format!("/staff/updates/{id}");
    save(&browser, &path, 1, &[("title", "Aus einer Datei"), ("body", "Geändert")]).await;
    assert!(browser.get(&format!("{path}/history")).await.body.contains("4 Wörter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_is_the_mail_that_the_code_which_sends_makes() {
    let app = App::new().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    app.subscriber("maria@example.org").await;
    let id = app.update_with_body("Zwei Tage am See", "Ein **fetter** Satz.").await;
    let path = format!("/staff/updates/{id}");
    let (html, text) =
        (browser.get(&format!("{path}/mail.html")).await, browser.get(&format!("{path}/mail.txt")).await);
    app.trigger_update(id).await;
    let mail = app.mail(1).await;
    let own = ["/unsubscribe/", "/manage/"].map(|prefix| mail.link(prefix));
    let common = |part: &str, preview: bool| {
        let mut part = part.trim_end().replace("\r\n", "\n");
        for link in &own {
            let prefix = &link[..=link.rfind('/').unwrap()];
            let at = part.find(prefix).unwrap() + prefix.len();
            let token = if preview { part[at..at + 43].to_owned() } else { link[prefix.len()..].to_owned() };
            part = part.replace(&token, "OWN");
        }
        part
    };
    assert_eq!(common(&text.body, true), common(&mail.text, false));
    let sent = common(&mail.html, false).replace("@media (prefers-color-scheme:dark)", "@media not all");
    assert_eq!(common(&html.body, true), sent);
    let policy = |answer: &Answer| answer.header("content-security-policy").to_owned();
    assert!(
        policy(&html).contains("sandbox") && policy(&html).contains("frame-ancestors 'self'"),
        "{}",
        policy(&html)
    );
    let dark = browser.get(&format!("{path}/mail.html?look=dark&images=off")).await;
    assert!(dark.body.contains("@media all") && !policy(&dark).contains("img-src"), "{}", policy(&dark));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_type_runs_nowhere() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let path = begin(&browser).await;
    let evil = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";
    let fields =
        ["title", "teaser", "image", "image_alt", "image_credit", "link", "body"].map(|name| (name, evil));
    assert_eq!(save(&browser, &path, 1, &fields).await.0, 200);
    let entry: i64 =
        sqlx::query_scalar("select max(id) from update_versions").fetch_one(&app.pool).await.unwrap();
    for page in
        ["", "/history", &format!("/history/{entry}"), "/mail.html"].map(|more| format!("{path}{more}"))
    {
        let answer = browser.get(&page).await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(!answer.body.contains("<script>alert") && !answer.body.contains("<img src=x"), "{page}");
    }
    assert!(!browser.get("/staff/updates").await.body.contains("<script>alert"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_wiped_out_by_a_slip_stays_in_the_history() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let path = begin(&browser).await;
    let text = "Ein langer Absatz über die Werkstatt. ".repeat(20);
    save(&browser, &path, 1, &[("title", "Werkstatt"), ("body", &text)]).await;
    save(&browser, &path, 2, &[("title", "Werkstatt"), ("body", "")]).await;
    save(&browser, &path, 3, &[("title", "Werkstatt"), ("body", "x")]).await;
    let kept = "select count(*) from update_versions where length(body) > 700";
    assert_eq!(app.count(kept).await, 1);
    assert_eq!(app.count("select count(*) from update_versions where body = 'x'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_can_be_deleted_and_what_was_sent_cannot() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    app.subscribers(1).await;
    let draft = begin(&browser).await;
    save(&browser, &draft, 1, &[("title", "Weg damit"), ("body", "x")]).await;
    assert!(
        browser.post(&format!("{draft}/delete"), &[]).await.header("location").ends_with("update_deleted")
    );
    assert_eq!(browser.get(&draft).await.status, 404);
    assert_eq!(save(&browser, &draft, 2, &[("title", "Doch nicht")]).await.0, 404);
    let sent = app.update("Verschickt").await;
    app.trigger_update(sent).await;
    let kept = browser.post(&format!("/staff/updates/{sent}/delete"), &[]).await;
    assert!(kept.header("location").ends_with("update_kept"), "{kept:?}");
    assert_eq!(app.count("select count(*) from updates").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_text_can_be_saved_and_odd_characters_do_no_harm() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let path = begin(&browser).await;
    let long = "Für ä ".repeat(6_000);
    assert_eq!(save(&browser, &path, 1, &[("title", "Lang"), ("body", &long)]).await.0, 200);
    assert_eq!(saved(&app, &path).await.body, long.trim_end());
    let odd = "a\u{0}b\u{1}\u{2}\u{1}c\r\nd\u{7}";
    assert_eq!(save(&browser, &path, 2, &[("title", "Odd\u{1}\nTitle"), ("body", odd)]).await.0, 200);
    let update = saved(&app, &path).await;
    assert_eq!((update.title.as_str(), update.body.as_str()), ("Odd  Title", "abc\nd"));
}
