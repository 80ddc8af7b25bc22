//! The consent proof: complete, printable, and a change is detected.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::harness::{App, TestApp, program::Program};

const ADDRESS: &str = "Maria.Muster@example.org";

/// A service where somebody signed up, confirmed and left.
async fn journey() -> TestApp {
    let app = App::new().start().await;
    app.sign_up(ADDRESS).await;
    let confirmation = app.mail(1).await;
    app.wait_for_count("select count(*) from consent_events where kind = 'mail_accepted'", 1).await;
    let link = confirmation.link("/confirm/");
    let page = app.get(&link).await;
    let form = format!("action=confirm&opened={}", page.field("opened"));
    assert_eq!(app.post(&link, &form).await.status, 200);
    let welcome = app.mail(2).await;
    app.post(&welcome.link("/unsubscribe/"), "List-Unsubscribe=One-Click").await;
    app
}

/// Writes the proof in this form; answers its text.
async fn proof(program: &Program, file: &str) -> String {
    program.run(&["subscribers", "show", ADDRESS, "--proof", file]).await.done();
    std::fs::read_to_string(program.dir().join(file)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_holds_everything_that_proves_the_consent_and_its_end() {
    let app = journey().await;
    let program = Program::beside(&app);
    let page = proof(&program, "proof.html").await;
    let consent = app.get("/?lang=de").await.body;
    let text = "Ja, ich möchte den Newsletter von LOK Lausitz";
    assert!(consent.contains(text));
    for part in [
        ADDRESS,
        "Anmeldung angefordert",
        text,
        "Bestätigungsmail vom Mailserver angenommen",
        "Message-ID",
        "@brief.example.org&gt;",
        "Link in der Mail geöffnet",
        "„Ja, anmelden“ gedrückt",
        "Einwilligung widerrufen",
        "Abmeldeknopf des Mailprogramms (RFC 8058)",
        "https://brief.example.org/",
    ] {
        assert!(page.contains(part), "{part} is missing in\n{page}");
    }
    program.run(&["subscribers", "verify-proof", "proof.html"]).await.done();
    insta::assert_snapshot!("proof_page", without_what_changes(&page));
}

/// The page without times, hashes and ids, which are others each time.
fn without_what_changes(page: &str) -> String {
    let (visible, _) = page.split_once("<script").unwrap();
    let mut out = String::new();
    for word in visible.split_inclusive(|c: char| c.is_whitespace() || "<>&;".contains(c)) {
        let core = word.trim_end_matches(|c: char| c.is_whitespace() || "<>&;".contains(c));
        let is_hash = core.len() == 64 && core.chars().all(|c| c.is_ascii_hexdigit());
        let is_time =
            ["0000-00-00,", "00:00:00"].contains(&core.replace(|c: char| c.is_ascii_digit(), "0").as_str());
        let is_id = core.ends_with("@brief.example.org");
        let end = &word[core.len()..];
        match (is_hash, is_time, is_id) {
            (true, ..) => out.push_str("[hash]"),
            (_, true, _) => out.push_str("[time]"),
            (.., true) => out.push_str("[id]@brief.example.org"),
            _ => out.push_str(core),
        }
        out.push_str(end);
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_record_shows_and_so_does_a_changed_page() {
    let app = journey().await;
    let program = Program::beside(&app);
    let json = proof(&program, "proof.json").await;
    let whole = program.run(&["subscribers", "verify-proof", "proof.json", "--json"]).await.json();
    assert_eq!((&whole["whole"], &whole["problem"]), (&true.into(), &Value::Null));

    let mut changed: Value = serde_json::from_str(&json).unwrap();
    changed["events"][2]["event"]["at"] = "2020-01-01T00:00:00Z".into();
    program.file("changed.json", changed.to_string());
    let told = program.run(&["subscribers", "verify-proof", "changed.json"]).await;
    assert!(told.refused(1).contains("event 3"), "where it was changed");

    let page = proof(&program, "proof.html").await;
    program.file("changed.html", page.replace("Einwilligung widerrufen", "Einwilligung bestätigt"));
    let told = program.run(&["subscribers", "verify-proof", "changed.html"]).await;
    assert!(told.refused(1).contains("the page around it"), "what is shown was changed");

    let other = Program::beside(&app).setting("SECRET_KEY", &STANDARD.encode([8; 32]));
    other.file("proof.json", &json);
    assert!(other.run(&["subscribers", "verify-proof", "proof.json"]).await.refused(1).contains("seal"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_stays_text_on_the_page() {
    let app = App::new().without_worker().start().await;
    let form = "email=a%40example.org&page=https%3A%2F%2Fexample.org%2F%3C%2Fscript%3E%3Cimg%20src%3Dx%3E";
    assert_eq!(app.post("/subscribe", form).await.status, 303);
    let program = Program::beside(&app);
    program.run(&["subscribers", "show", "a@example.org", "--proof", "p.html"]).await.done();
    let page = std::fs::read_to_string(program.dir().join("p.html")).unwrap();
    assert_eq!(page.matches("</script>").count(), 1);
    assert!(!page.contains("<img"));
    program.run(&["subscribers", "verify-proof", "p.html"]).await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_use_is_told() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let none = program.run(&["subscribers", "show", "nobody@example.org", "--proof", "p.html"]).await;
    assert!(none.refused(1).contains("nothing is recorded"));
    app.sign_up("a@example.org").await;
    let pdf = program.run(&["subscribers", "show", "a@example.org", "--proof", "p.pdf"]).await;
    assert!(pdf.refused(2).contains(".html"));
    program.file("other.html", "<p>no proof</p>");
    let other = program.run(&["subscribers", "verify-proof", "other.html"]).await;
    assert!(other.refused(1).contains("no consent proof"));
}
