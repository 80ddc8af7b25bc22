//! Using a text again: copies of sent updates, templates, and their checklists.

use rundbrief::domain::{mailing::MailingState, staff::Role};

use crate::harness::{Answer, App, TestApp, browser::Browser};

async fn update_at(app: &TestApp, location: &str) -> (String, String, Option<String>) {
    let id = location.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    sqlx::query_as("select title, body, link from updates where id::text = $1")
        .bind(id)
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

/// The path that a form or link of a page leads to, by how it begins and ends.
fn path_in(page: &Answer, start: &str, end: &str) -> String {
    let rest = page.body.split(&format!("\"{start}")).skip(1).find_map(|rest| {
        let path = rest.split('"').next()?;
        path.ends_with(end).then(|| format!("{start}{path}"))
    });
    rest.unwrap_or_else(|| panic!("{start}…{end} in {}", page.body))
}

async fn warnings(browser: &Browser<'_>, update: &str) -> String {
    browser.get(&format!("{update}/preflight")).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sent_update_is_used_again_without_its_date_and_page() {
    let app = App::new().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let sent = app.update_with_body("Neues im Oktober", "Viel **Neues**.").await;
    sqlx::query(
        "update updates set dated = '2026-10-31', link = 'https://example.org/oktober' where id = $1",
    )
    .bind(sent.0)
    .execute(&app.pool)
    .await
    .unwrap();
    let list = browser.get("/staff/updates").await;
    assert!(!list.body.contains("/copy\""), "a draft is opened, and not used again");
    app.subscribers(1).await;
    let mailing = app.trigger_update(sent).await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let list = browser.get("/staff/updates").await;
    let copied = browser.post(&path_in(&list, "/staff/updates/", "/copy"), &[]).await;
    assert!(copied.header("location").ends_with("?done=update_copied"), "{}", copied.header("location"));
    let copy = update_at(&app, copied.header("location")).await;
    assert_eq!(copy, ("Neues im Oktober".into(), "Viel **Neues**.".into(), None));
    let dated = app.count("select count(*) from updates where dated is not null").await;
    assert_eq!((dated, app.count("select count(*) from updates where state = 'draft'").await), (1, 1));
    assert_eq!(app.actions().await.last().map(String::as_str), Some("update_begun"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_on_the_checklist_of_a_template_is_asked_before_sending() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let first = format!("/staff/updates/{}", app.update_with_body("Monatsbrief", "Viel **Neues**.").await);
    let asked = browser.get(&format!("{first}/template")).await;
    assert!(asked.body.contains("value=\"Monatsbrief\""), "its title is proposed: {}", asked.body);
    let made = browser.post(&format!("{first}/template"), &[("name", "Monatsbrief")]).await;
    let template = made.header("location").split('?').next().unwrap().to_owned();
    let fields = [
        ("name", "Monatsbrief"),
        ("title", "Neues im …"),
        ("body", "Viel **Neues**."),
        ("locale", "de"),
        ("checklist", "Förderzeile\r\n\r\nBildnachweis"),
    ];
    let stored = browser.post(&template, &fields).await;
    assert!(stored.header("location").ends_with("?done=template_stored"), "{}", stored.body);
    let list = browser.get("/staff/updates").await;
    let begun = browser.post(&path_in(&list, "/staff/templates/", "/begin"), &[]).await;
    assert_eq!(update_at(&app, begun.header("location")).await.0, "Neues im …");
    let update = begun.header("location").split('?').next().unwrap().to_owned();
    let before = warnings(&browser, &update).await;
    assert!(before.contains("„Förderzeile“ ist auf der Checkliste noch offen"), "{before}");
    assert!(before.contains(&format!("{update}#checklist")));

    let ticked =
        browser.post(&format!("{update}/checks"), &[("done", "1"), ("done", "99"), ("done", "x")]).await;
    assert!(ticked.header("location").ends_with("#checklist"));
    let after = warnings(&browser, &update).await;
    assert!(!after.contains("„Förderzeile“") && after.contains("„Bildnachweis“"), "{after}");
    assert!(browser.get(&update).await.body.contains("Ada Muster"), "who has looked is named");
    browser.post(&format!("{update}/checks"), &[("done", "1")]).await;
    let ticks = app.actions().await.into_iter().filter(|action| action == "checklist_ticked").count();
    assert_eq!(ticks, 1, "the same ticks once more are no deed");
    browser.post(&format!("{update}/checks"), &[]).await;
    assert!(warnings(&browser, &update).await.contains("„Förderzeile“"), "a tick can be taken back");

    // Later changes of the template, and its end, leave what was begun as it is.
    let removed = browser.post(&format!("{template}/remove"), &[]).await;
    assert!(removed.header("location").ends_with("?done=template_removed"));
    assert_eq!(browser.get(&template).await.status, 404);
    assert!(warnings(&browser, &update).await.contains("„Förderzeile“"));
    let copied = browser.post(&format!("{update}/copy"), &[]).await;
    let copy = copied.header("location").split('?').next().unwrap().to_owned();
    assert!(warnings(&browser, &copy).await.contains("„Bildnachweis“"), "a copy brings its checklist along");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_template_is_told_at_its_field_and_nothing_is_lost() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let update = format!("/staff/updates/{}", app.update("Offene Werkstatt").await);
    let nameless = browser.post(&format!("{update}/template"), &[("name", " ")]).await;
    assert!(nameless.status == 422 && nameless.body.contains("Bitte geben Sie der Vorlage einen Namen"));
    for name in ["Eins", "Zwei"] {
        assert_eq!(browser.post(&format!("{update}/template"), &[("name", name)]).await.status, 303);
    }
    let taken = browser.post(&format!("{update}/template"), &[("name", "eins")]).await;
    assert!(taken.status == 422 && taken.body.contains("So heißt schon eine andere Vorlage"));
    let list = browser.get("/staff/templates").await;
    let one = path_in(&list, "/staff/templates/", "/begin").replace("/begin", "");
    let long = format!("Förderzeile\n{}", "x".repeat(201));
    let refused =
        browser.post(&one, &[("name", "Eins"), ("body", "Mein **Text**."), ("checklist", &long)]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Zeile 2 passt nicht") && refused.body.contains("Mein **Text**."));
    sqlx::query(
        "insert into update_templates (id, name, locale, title, teaser, body, changed_at, changed_by)
         select gen_random_uuid(), 'Nummer ' || n, 'de', '', '', '', now(), 'Ada' from generate_series(1, 98) n",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let full = browser.post(&format!("{update}/template"), &[("name", "Noch eine")]).await;
    assert!(full.status == 422 && full.body.contains("Mehr als 100 Vorlagen"), "{}", full.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_a_template_is_in_use() {
    let app = App::new().without_worker().start().await;
    let mut db = app.pool.acquire().await.unwrap();
    sqlx::query(
        "insert into update_templates (id, name, locale, title, teaser, body, changed_at, changed_by)
         values (gen_random_uuid(), 'Monatsbrief', 'de', '', '', '![Ein Baum](/images/aaaaaaaaaaaaaaaaaaaaaaaaaa.jpg)', now(), 'Ada')",
    )
    .execute(&mut *db)
    .await
    .unwrap();
    let uses = rundbrief::domain::text_use::of(&mut db, "/images/").await.unwrap();
    let of = &uses["aaaaaaaaaaaaaaaaaaaaaaaaaa"];
    assert!(of[0].is_template && of[0].title == "Monatsbrief", "{of:?}");
}
