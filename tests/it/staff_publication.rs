//! The publication on the staff pages: every change is a new version, and legal texts change only after their
//! difference was shown.

use rundbrief::domain::{
    publication::{self, Publication},
    staff::Role,
};

use crate::harness::{Answer, App, TestApp, browser::Browser};

async fn admin(app: &TestApp) -> Browser<'_> {
    let ada = app.member("ada@example.org", Role::Admin).await;
    app.browser_of(&ada).await
}

async fn current(app: &TestApp) -> Publication {
    publication::current(&mut app.pool.acquire().await.unwrap()).await.unwrap().unwrap()
}

/// The fields of a form as the page shows them.
fn fields(page: &Answer) -> Vec<(String, String)> {
    let unescaped = |text: &str| {
        let text =
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'");
        text.replace("&#39;", "'").replace("&#x2F;", "/").replace("&amp;", "&")
    };
    let mut fields = Vec::new();
    let form = page
        .body
        .split("<form class=\"form\" method=\"post\" action=\"/staff/publication\">")
        .nth(1)
        .unwrap();
    let form = form.split("</form>").next().unwrap();
    for tag in form.split("<input ").skip(1) {
        let tag = tag.split('>').next().unwrap();
        let value =
            |name: &str| tag.split(&format!("{name}=\"")).nth(1).map(|rest| rest.split('"').next().unwrap());
        // What the script sends by itself has no name: it is not the form's.
        let Some(name) = value("name") else { continue };
        fields.push((name.to_owned(), unescaped(value("value").unwrap_or_default())));
    }
    for area in form.split("<textarea ").skip(1) {
        let name = area.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
        let text = area.split_once('>').unwrap().1.split("</textarea>").next().unwrap();
        fields.push((name.to_owned(), unescaped(text)));
    }
    for select in form.split("<select ").skip(1) {
        let name = select.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
        let chosen = select.split(" selected").next().unwrap().rsplit("value=\"").next().unwrap();
        fields.push((name.to_owned(), chosen.split('"').next().unwrap().to_owned()));
    }
    fields
}

async fn send(browser: &Browser<'_>, fields: &[(String, String)], changed: &[(&str, &str)]) -> Answer {
    let mut all: Vec<(&str, &str)> = fields
        .iter()
        .filter(|(name, _)| changed.iter().all(|(other, _)| other != name))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    all.extend(changed);
    browser.post("/staff/publication", &all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_what_the_page_shows_changes_nothing() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let before = current(&app).await;
    let page = browser.get("/staff/publication").await;
    let saved = send(&browser, &fields(&page), &[]).await;
    assert_eq!(saved.header("location"), "/staff/publication?done=publication_changed", "{}", saved.body);
    assert_eq!(current(&app).await, before);
    assert!(!app.actions().await.contains(&"publication_changed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_a_new_version_and_stands_in_the_audit_log() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let page = browser.get("/staff/publication").await;
    let logo = [
        ("funder_1_url", "https://www.example.org/land.png"),
        ("funder_1_alt", "Land \"Brandenburg\" & <Bund>"),
        ("funder_1_width", "160"),
        ("funder_1_height", "56"),
        ("accent", "#0B5D4E"),
        ("allowed_origins", "https://www.example.org/\r\n\r\nhttps://example.org"),
    ];
    assert_eq!(send(&browser, &fields(&page), &logo).await.status, 303);
    let after = current(&app).await;
    assert_eq!((after.version, after.content.funding_logos.len()), (2, 1));
    let origins: Vec<String> =
        after.content.origins().iter().map(|origin| origin.as_str().to_owned()).collect();
    assert_eq!(origins, ["https://www.example.org", "https://example.org"]);
    let details: String =
        sqlx::query_scalar("select details::text from audit_log where action = 'publication_changed'")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert!(details.contains("funder_1_alt") && details.contains("\"version\": 2"), "{details}");
    let page = browser.get("/staff/publication").await;
    assert!(page.body.contains("Land &quot;Brandenburg&quot; &amp; &lt;Bund&gt;"), "{}", page.body);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("img-src 'self' https://www.example.org blob:"), "the logos are seen: {policy}");
    let log = browser.get("/staff/audit?action=publication_changed").await;
    assert!(log.body.contains("Logo eines Förderers (1)") && !log.body.contains("funder_1"), "{}", log.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legal_text_is_changed_only_by_somebody_who_has_seen_the_difference() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let page = browser.get("/staff/publication").await;
    let old = current(&app).await.content.texts[&rundbrief::domain::locale::Locale::De].consent.clone();
    let new = old.replace("jederzeit", "immer");
    let asked = send(&browser, &fields(&page), &[("de_consent", &new)]).await;
    assert_eq!((asked.status.as_u16(), asked.heading()), (200, "Rechtliche Angaben ändern?"));
    assert!(
        asked.body.contains("<del>jederzeit</del>") && asked.body.contains("<ins>immer</ins>"),
        "{}",
        asked.body
    );
    assert_eq!(current(&app).await.version, 1, "nothing counts yet");
    // The answer to another text than the one that was shown is no answer.
    let other = send(&browser, &fields(&asked), &[("de_consent", "Ja zu allem.")]).await;
    assert_eq!(other.heading(), "Rechtliche Angaben ändern?");
    assert_eq!(current(&app).await.version, 1);
    assert_eq!(send(&browser, &fields(&asked), &[]).await.status, 303);
    let after = current(&app).await;
    assert_eq!(after.content.texts[&rundbrief::domain::locale::Locale::De].consent, new);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_changed_only_by_somebody_who_has_seen_what_that_deletes() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let page = browser.get("/staff/publication").await;
    let asked = send(&browser, &fields(&page), &[("mailing_days", "30"), ("proof_years", "2")]).await;
    assert_eq!(asked.heading(), "Rechtliche Angaben ändern?");
    for expected in ["<del>90</del><ins>30</ins>", "<del>3</del><ins>2</ins>", "nicht zurückholen"] {
        assert!(asked.body.contains(expected), "{expected}: {}", asked.body);
    }
    let other = send(&browser, &fields(&asked), &[("mailing_days", "7"), ("soft_days", "6")]).await;
    assert_eq!(other.heading(), "Rechtliche Angaben ändern?", "another time than the one that was shown");
    assert_eq!(send(&browser, &fields(&asked), &[]).await.status, 303);
    let retention = current(&app).await.content.retention;
    assert_eq!((retention.mailing_days, retention.proof_years), (30, 2));
    let page = browser.get("/staff/publication").await;
    assert!(page.body.contains("name=\"mailing_days\" type=\"text\" value=\"30\""), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_at_their_fields_and_nothing_typed_is_lost() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let page = browser.get("/staff/publication").await;
    for (field, typed, told) in [
        ("name", " ", "Der Name fehlt"),
        ("website", "javascript:alert(1)", "beginnt mit https://"),
        ("accent", "#ffcc00", "Die nächste, die geht, ist #907300"),
        ("accent", "gelb", "keine Farbe"),
        ("time_zone", "Mitteleuropa", "gibt es nicht"),
        ("sender_address", "niemand", "keine E\u{2011}Mail-Adresse"),
        ("allowed_origins", "https://a.example/pfad", "„https://a.example/pfad“ ist keine Website"),
        ("logo_url", "https://a.example/l.png", "fehlt, was darauf steht"),
        ("mailing_days", "3", "7 bis 730 Tage"),
        ("proof_years", "viele", "1 bis 10 Jahre"),
        ("soft_mailings", "1", "2 bis 20 Aussendungen"),
        ("soft_days", "90", "Wählen Sie weniger Tage"),
    ] {
        let answer = send(&browser, &fields(&page), &[(field, typed), ("de_teaser", "Getippt <b>")]).await;
        assert_eq!(answer.status, 422, "{field}");
        assert!(answer.body.contains(told), "{field}: {}", answer.body);
        assert!(answer.body.contains("Getippt &lt;b&gt;"), "{field}");
    }
    assert_eq!(current(&app).await.version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_mistakes_are_listed_at_the_top_each_with_the_way_to_its_field() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let page = browser.get("/staff/publication").await;
    let typed = [("website", "www"), ("accent", "gelb"), ("funder_1_url", "https://a.example/l.png")];
    let answer = send(&browser, &fields(&page), &typed).await;
    for (field, name) in [
        ("website", "Website des Projekts"),
        ("accent", "Farbe für Seiten"),
        ("funder_1", "Logo eines Förderers (1)"),
    ] {
        let link = format!("<a href=\"#{field}\">{name}");
        assert!(answer.body.contains(&link), "{link}: {}", answer.body);
        assert_eq!(answer.body.matches(&format!(" id=\"{field}\"")).count(), 1, "{field}");
    }
    assert_eq!(answer.body.matches(" autofocus").count(), 1, "the list has the focus");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_colour_is_that_of_pages_and_box_and_without_one_pages_keep_theirs() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let sheet = |page: &str| {
        let link = page.split('"').find(|part| part.starts_with("/assets/accent-"));
        link.map(str::to_owned)
    };
    let page = browser.get("/staff/publication").await;
    assert!(fields(&page).contains(&("accent".to_owned(), String::new())), "{}", page.body);
    assert_eq!(sheet(&app.get("/").await.body), None);

    assert_eq!(send(&browser, &fields(&page), &[("accent", "#8B1E3F")]).await.status, 303);
    let address = sheet(&app.get("/").await.body).expect("a style sheet of its own");
    let css = app.get(&address).await;
    assert_eq!((css.status.as_u16(), css.header("content-type")), (200, "text/css; charset=utf-8"));
    assert!(css.header("cache-control").contains("immutable"), "{:?}", css.headers);
    assert!(
        css.body.contains("--accent: #8b1e3f") && css.body.contains("--stamp-near: #8b1e3f"),
        "{}",
        css.body
    );
    assert!(app.get("/embed/box").await.body.contains("\"accent\":\"#8b1e3f\""));
    assert_eq!(app.get("/assets/accent-ffcc00.0123456789ab.css").await.status, 404, "too pale to be read");

    let page = browser.get("/staff/publication").await;
    assert_eq!(send(&browser, &fields(&page), &[("accent", "")]).await.status, 303);
    assert_eq!(sheet(&app.get("/").await.body), None, "and back");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_at_once_do_not_write_over_each_other() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let page = browser.get("/staff/publication").await;
    assert_eq!(send(&browser, &fields(&page), &[("de_teaser", "Erste")]).await.status, 303);
    let late = send(&browser, &fields(&page), &[("de_teaser", "Zweite")]).await;
    assert_eq!(late.status, 422);
    assert!(late.body.contains("Inzwischen hat jemand") && late.body.contains("Zweite"), "{}", late.body);
    assert_eq!(current(&app).await.version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mail_and_page_can_be_seen_as_the_publication_makes_it_look() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let look = browser.get("/staff/publication/look").await;
    let shown: Vec<&str> =
        look.body.split("show=").skip(1).map(|rest| rest.split('&').next().unwrap()).collect();
    let mut shown: Vec<String> = shown.iter().map(|show| show.replace("%2F", "/")).collect();
    shown.sort();
    shown.dedup();
    assert_eq!(shown.iter().filter(|show| show.starts_with("mails/")).count(), 9, "{shown:?}");
    // Every public page that is a page of its own.
    let templates = std::fs::read_dir("src/web/templates").unwrap();
    let names = templates.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // The one for reviewers is about a mail, and those are there.
    let parts = ["layout", "captcha_scripts", "box_form", "box_script", "proof", "review", "staff"];
    for name in names.map(|name| name.trim_end_matches(".html").to_owned()) {
        let is_shown = shown.contains(&format!("pages/{name}"));
        assert!(is_shown || parts.contains(&name.as_str()), "{name} has no sample");
    }
    for show in &shown {
        let page = browser.get(&format!("/staff/publication/look?show={show}&language=en")).await;
        let frame = format!("src=\"/staff/publication/current/{show}?lang=en&amp;look=light\"");
        assert!(page.body.replace("&#x2F;", "/").contains(&frame), "{frame}: {}", page.body);
        for lang in ["de", "en"] {
            let seen = browser.get(&format!("/staff/publication/current/{show}?lang={lang}")).await;
            assert_eq!(seen.status, 200, "{show}");
            assert!(seen.body.contains("Musterträger"), "{show}: {}", seen.body);
            assert!(seen.body.contains(&format!("lang=\"{lang}\"")), "{show}");
            let policy = seen.header("content-security-policy");
            assert!(policy.contains("sandbox") && policy.contains("frame-ancestors 'self'"), "{policy}");
            assert!(!policy.contains("script-src"), "{policy}");
        }
    }
    for nothing in ["current/mails/nothing", "current/pages/staff", "other/pages/signup", "draft/../x"] {
        assert_eq!(browser.get(&format!("/staff/publication/{nothing}")).await.status, 404, "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_can_be_looked_at_before_it_is_saved_by_nobody_else_and_for_a_day() {
    let app = App::new().without_worker().start().await;
    let browser = admin(&app).await;
    let before = current(&app).await;
    let page = browser.get("/staff/publication").await;
    let mut typed = fields(&page);
    for (name, value) in &mut typed {
        match name.as_str() {
            "de_heading" => *value = "Post aus der <b>Lausitz</b>".into(),
            "funder_1_url" => *value = "https://logos.example.org/land.png".into(),
            "funder_1_alt" => *value = "Land".into(),
            "funder_1_width" | "funder_1_height" => *value = "60".into(),
            "mailing_days" => *value = "44".into(),
            _ => {}
        }
    }
    let typed: Vec<(&str, &str)> =
        typed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let led = browser.post("/staff/publication/preview", &typed).await;
    assert_eq!(led.header("location"), "/staff/publication/look?of=draft", "{}", led.body);
    let look = browser.get(led.header("location")).await;
    assert!(look.body.contains("noch nicht gespeichert"), "{}", look.body);
    let signup = browser.get("/staff/publication/draft/pages/signup").await;
    assert!(signup.body.contains("Post aus der &lt;b&gt;Lausitz"), "{}", signup.body);
    assert!(signup.header("content-security-policy").contains("img-src 'self' https://logos.example.org"));
    let mail = browser.get("/staff/publication/draft/mails/update").await;
    assert!(mail.body.contains("logos.example.org"), "{}", mail.body);
    assert!(mail.body.contains("/assets/sample.svg\""), "a picture that there is: {}", mail.body);
    assert_eq!(browser.get("/assets/sample.svg").await.header("content-type"), "image/svg+xml");
    let data = browser.get("/staff/publication/draft/pages/data").await;
    assert!(data.body.contains("nach 44 Tagen"), "{}", data.body);

    let copied = browser.get("/staff/publication/draft/pages/embed").await;
    assert_eq!(copied.status, 404, "a form that is copied names a version, and there is none");

    // It counts nowhere, and is nobody else's.
    assert_eq!(current(&app).await, before);
    assert!(!app.get("/").await.body.contains("Post aus der"));
    let other = app.member("other@example.org", Role::Admin).await;
    let other = app.browser_of(&other).await;
    let led = other.get("/staff/publication/look?of=draft").await;
    assert_eq!(led.header("location"), "/staff/publication/look");
    let own: Vec<(&str, &str)> = typed
        .iter()
        .map(|(name, value)| (*name, if *name == "de_heading" { "Eigenes" } else { *value }))
        .collect();
    other.post("/staff/publication/preview", &own).await;
    let seen = other.get("/staff/publication/draft/pages/signup").await.body;
    assert!(seen.contains("Eigenes") && !seen.contains("Post aus der"), "{seen}");
    assert!(!app.actions().await.contains(&"publication_changed".to_owned()));

    // A mistake is told, and nothing typed is lost.
    let wrong = browser.post("/staff/publication/preview", &[("name", ""), ("de_heading", "Hier")]).await;
    assert!(wrong.status == 422 && wrong.body.contains("value=\"Hier\""), "{}", wrong.body);

    // It lives for a day, or until something is saved.
    sqlx::query("update publication_drafts set made_at = made_at - interval '25 hours'")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(browser.get("/staff/publication/look?of=draft").await.status, 303);
    publication::draft::forget(&mut app.pool.acquire().await.unwrap(), chrono::Utc::now()).await.unwrap();
    assert_eq!(app.count("select count(*) from publication_drafts").await, 0);
    browser.post("/staff/publication/preview", &typed).await;
    let saved = send(&browser, &fields(&browser.get("/staff/publication").await), &[]).await;
    assert_eq!(saved.status, 303);
    assert_eq!(app.count("select count(*) from publication_drafts").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_publication_the_page_makes_the_first_one() {
    let app = App::new().without_worker().without_publication().start().await;
    let browser = admin(&app).await;
    let page = browser.get("/staff/publication").await;
    assert_eq!(send(&browser, &fields(&page), &[("name", "Rundbrief")]).await.status, 303);
    let made = current(&app).await;
    assert_eq!((made.version, made.content.name.as_str()), (1, "Rundbrief"));
    let page = browser.get("/staff/publication").await;
    assert!(
        page.body.contains("Adresse der Datenschutzhinweise") && page.body.contains("Impressum auf Deutsch")
    );
}
