//! The findings of the preflight as staff see them.

use rundbrief::{
    domain::{locale::Locale, mailing::MailingState, staff::Role},
    mail::preflight::Code,
    web::Renderer,
};

use crate::harness::{Answer, App, TestApp, program::Program};

async fn preflight(app: &TestApp, update: impl std::fmt::Display, lang: &str) -> Answer {
    let email = format!("e{}@example.org", app.count("select count(*) from staff").await);
    let member = app.member(&email, Role::Editor).await;
    app.browser_of(&member).await.get(&format!("/staff/updates/{update}/preflight?lang={lang}")).await
}

#[test]
fn everything_that_can_be_found_has_its_words_and_a_way_to_mend_it_in_both_languages() {
    let pages = Renderer::load().unwrap();
    for code in Code::ALL {
        for locale in Locale::ALL {
            for key in ["text", "fix"] {
                let text = pages.text(locale, &format!("staff.finding.{}", code.as_str()), key);
                assert!(
                    text.ends_with(['.', '?', '}', ')']) && text.len() > 15,
                    "{} {key} {locale}",
                    code.as_str()
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_what_is_wrong_where_and_how_to_mend_it() {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let body = "Mehr [hier](https://brief.example.org/).\n\nIntern: [der Plan](http://192.168.1.5/plan).\n\n### Zu tief";
    let update = app.update_with_body("Werkstatt", body).await;
    let page = preflight(&app, update, "de").await;
    assert_eq!((page.status.as_u16(), page.heading()), (200, "Prüfung vor dem Versand"));
    for expected in [
        "Das muss vor dem Versand behoben werden",
        "Dieser Link führt in ein internes Netz oder auf einen einzelnen Rechner: http://192.168.1.5/plan",
        "Nehmen Sie die öffentliche Adresse der Seite.",
        "Der Linktext „hier“ sagt nicht, wohin es geht.",
        "Ein Link ist unverschlüsselt: http://192.168.1.5/plan",
        "Die Überschrift „Zu tief“ überspringt eine Ebene.",
        "Zeile 3",
        "Das wird die erste Aussendung, an 3 Abonnements.",
        &format!("href=\"/staff/updates/{update}?line=3&amp;words=http%3A%2F%2F192.168.1.5%2Fplan#body\""),
    ] {
        assert!(page.body.contains(expected), "{expected} is not in {}", page.body);
    }
    assert!(
        page.body.find("Zeile 3").unwrap() < page.body.find("erste Aussendung").unwrap(),
        "the worst first"
    );
    let english = preflight(&app, update, "en").await;
    assert!(english.body.contains("The link text “hier” does not say where it leads."), "{}", english.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_an_update_is_no_markup_on_the_page() {
    let app = App::new().without_worker().start().await;
    let attack = "<script>alert(1)</script>";
    let body = format!("[{attack}](http://192.168.1.5/{attack})\n\n### {attack}\n\n**{attack}**");
    let update = app.update_with_body("A <b>B</b>", &body).await;
    let page = preflight(&app, update, "de").await.body;
    assert!(!page.contains("<script>alert") && !page.contains("<b>B"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_that_has_changed_much_is_told_and_so_is_a_second_time() {
    let app = App::new().start().await;
    let empty = preflight(&app, app.update("Keiner").await, "de").await.body;
    assert!(empty.contains("Niemand würde diese Aussendung bekommen."));
    app.subscribers(10).await;
    let first = app.update("Erstes").await;
    let mailing = app.trigger_update(first).await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let again = preflight(&app, first, "de").await.body;
    assert!(again.contains("schon verschickt"), "{again}");

    let next = app.update("Zweites").await;
    let unusual = ["sind es nur", "Wurde etwas importiert?"];
    let same = preflight(&app, next, "de").await.body;
    assert!(!unusual.iter().any(|word| same.contains(word)) && !same.contains("schon verschickt"));
    sqlx::query("update subscribers set state = 'unsubscribed' where email < 's4'")
        .execute(&app.pool)
        .await
        .unwrap();
    let fell = preflight(&app, next, "de").await.body;
    assert!(fell.contains("Diesmal sind es nur 6 Abonnements, beim letzten Mal waren es 10."), "{fell}");
    sqlx::query("update subscribers set state = 'active'").execute(&app.pool).await.unwrap();
    for n in 0..3 {
        app.subscriber(&format!("neu{n}@example.org")).await;
    }
    let rose = preflight(&app, next, "de").await.body;
    assert!(rose.contains("Diesmal sind es 13 Abonnements, beim letzten Mal waren es 10."), "{rose}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_publication_the_page_says_so() {
    let app = App::new().without_worker().without_publication().start().await;
    let page = preflight(&app, app.update("Eins").await, "de").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Der Newsletter hat noch keinen Namen und keinen Absender"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_finds_the_same_and_fails_when_something_must_be_corrected() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    app.update_with_body("Gut", "Ein Absatz.").await;
    app.update_with_body("Schlecht", "Intern: [der Plan](http://192.168.1.5/plan).").await;
    let good = Program::beside(&app).run(&["mailings", "check", "gut"]).await;
    assert!(good.done().contains("warning: This address is only an example"), "{good:?}");
    let bad = Program::beside(&app).run(&["mailings", "check", "schlecht", "--json"]).await;
    assert_eq!(bad.code, Some(1), "{bad:?}");
    let told: serde_json::Value = serde_json::from_str(&bad.stdout).unwrap();
    let first = (&told[0]["code"], &told[0]["level"], &told[0]["line"]);
    assert_eq!(first, (&"link_private".into(), &"error".into(), &1.into()));
}
