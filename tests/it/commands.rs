//! The command line: output, refusals, and exit codes.

use rundbrief::domain::publication::Content;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, program::Program};

const PUBLICATION: &str = include_str!("../../publication.example.toml");

/// The names of an object's fields, sorted.
fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_lists_every_problem_at_once_and_shows_no_secret() {
    let program = Program::alone()
        .setting("DATABASE_URL", "mysql://localhost/x")
        .setting("PUBLIC_URL", "ftp://brief.example.org")
        .setting("SECRET_KEY", "Z2VoZWlt")
        .setting("LISTEN_ADDR", "here")
        .setting("SMTP_CONNECTIONS", "many")
        .setting("SMTP_TIMEOUT", "0")
        .setting("SEND_RATE", "-1")
        .setting("KEEP_IP_DAYS", "long")
        .setting("TRUSTED_PROXIES", "10.0.0.0/99")
        .setting("EMAIL_TEMPLATES_DIR", "no-such-folder");
    // SMTP_URL is not set at all.
    let names = [
        "DATABASE_URL",
        "PUBLIC_URL",
        "SECRET_KEY",
        "SMTP_URL",
        "LISTEN_ADDR",
        "SMTP_CONNECTIONS",
        "SMTP_TIMEOUT",
        "SEND_RATE",
        "KEEP_IP_DAYS",
        "TRUSTED_PROXIES",
        "EMAIL_TEMPLATES_DIR",
    ];
    let commands: [&[&str]; 3] = [&["serve"], &["worker"], &["mailings", "trigger", "x", "--yes"]];
    for command in commands {
        let ran = program.run(command).await;
        let told = ran.refused(2);
        let problems: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("  - ")).collect();
        let named: Vec<&str> = problems.iter().filter_map(|line| line.split(' ').next()).collect();
        for name in names {
            assert_eq!(named.iter().filter(|known| **known == name).count(), 1, "{name} in {told}");
        }
        assert_eq!(problems.len(), names.len(), "{told}");
        assert!(!told.contains("Z2VoZWlt"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_is_told_and_exits_1() {
    let program = Program::alone().setting("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing");
    let ran = program.run(&["updates", "list"]).await;
    assert!(ran.refused(1).contains("the database that DATABASE_URL names cannot be reached"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_exits_2_and_prints_no_result() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let id = Uuid::now_v7().to_string();
    let wrong: [&[&str]; 15] = [
        &[],
        &["dance"],
        &["mailings"],
        &["updates", "add"],
        &["serve", "--fast"],
        &["updates", "add", "no-such-file.md"],
        &["publication", "apply", "no-such-file.toml"],
        &["subscribers", "import", "no-such-file.csv"],
        &["subscribers", "show", "nobody"],
        &["subscribers", "erase", "a@b@example.org", "--yes"],
        &["mailings", "status", "17"],
        &["mailings", "status", &id, "--watch", "--json"],
        &["mailings", "trigger", "x", "--at", "tomorrow", "--yes"],
        &["mailings", "test", "x", "--to", "nobody"],
        &["--env-file", "no-such-file", "migrate"],
    ];
    for arguments in wrong {
        let ran = program.run(arguments).await;
        assert!(ran.refused(2).len() > 10, "{arguments:?} is refused without a word: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_means_one_value_so_it_cannot_be_watched() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    let update = app.update("Neues").await.to_string();
    let both = ["mailings", "trigger", &update, "--yes", "--json", "--watch"];
    Program::beside(&app).run(&both).await.refused(2);
    assert_eq!(app.count("select count(*) from mailings").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn help_and_version_are_results() {
    let program = Program::alone();
    let help = program.run(&["--help"]).await;
    for command in ["serve", "worker", "migrate", "demo", "publication", "updates", "mailings", "subscribers"]
    {
        assert!(help.done().contains(&format!("\n  {command} ")), "{command} in {help:?}");
    }
    assert!(program.run(&["--version"]).await.done().starts_with("rundbrief "));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_from_a_file_and_the_environment_wins() {
    let app = App::new().without_worker().start().await;
    let list = ["updates", "list", "--json"];
    let program = Program::alone();
    assert!(program.run(&list).await.refused(2).contains("DATABASE_URL"));
    program.file(".env", format!("DATABASE_URL='{}'\n", app.config.database_url));
    assert_eq!(program.run(&list).await.json(), json!([]));
    let program = program.setting("DATABASE_URL", "mysql://localhost/x");
    assert!(program.run(&list).await.refused(2).contains("DATABASE_URL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_publication_is_a_new_version_and_an_unchanged_one_is_not() {
    let app = App::new().without_publication().without_worker().start().await;
    let program = Program::beside(&app);
    let show = ["publication", "show", "--json"];
    assert!(program.run(&show).await.refused(1).contains("publication apply"));

    let apply = ["publication", "apply", "publication.toml", "--json"];
    program.file("publication.toml", PUBLICATION);
    let first = program.run(&apply).await.json();
    assert_eq!(first, json!({ "version": 1, "changed": true, "missing": [] }));
    let again = program.run(&apply).await.json();
    assert_eq!(again, json!({ "version": 1, "changed": false, "missing": [] }));

    let changed = PUBLICATION.replace("jederzeit mit Wirkung", "stets mit Wirkung");
    assert_ne!(changed, PUBLICATION);
    program.file("publication.toml", &changed);
    let second = program.run(&apply).await.json();
    assert_eq!(second, json!({ "version": 2, "changed": true, "missing": [] }));

    let shown = program.run(&show).await.json();
    assert_eq!(fields(&shown), ["applied_at", "content", "version"]);
    assert_eq!((&shown["version"], &shown["content"]["name"]), (&json!(2), &json!("LOK Lausitz")));
    let consent = shown["content"]["texts"]["de"]["consent"].as_str().unwrap();
    assert!(consent.contains("stets mit Wirkung"), "{consent}");
    let old = "select count(*) from publications
               where version = 1 and content #>> '{texts,de,consent}' like '%jederzeit mit Wirkung%'";
    assert_eq!(app.count(old).await, 1, "version 1 says what it said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_keeps_less_is_applied_only_when_that_is_said() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    for days in [200, 30] {
        let line = format!("retention = {{ mailing_days = {days}, proof_years = 3 }}\ntime_zone =");
        program.file(&format!("{days}.toml"), PUBLICATION.replacen("time_zone =", &line, 1));
    }
    program.run(&["publication", "apply", "200.toml"]).await.done();
    let refused = program.run(&["publication", "apply", "30.toml"]).await;
    let told = refused.refused(2);
    for expected in ["mailing_days = 200", "mailing_days = 30", "--yes"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    program.run(&["publication", "apply", "30.toml", "--yes"]).await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_publication_show_prints_can_be_applied_again() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let shown = program.run(&["publication", "show"]).await;
    assert_eq!(Content::parse(shown.done()).unwrap(), Content::parse(PUBLICATION).unwrap());
    program.file("shown.toml", shown.done());
    let applied = program.run(&["publication", "apply", "shown.toml"]).await;
    assert!(applied.done().contains("Nothing has changed"), "{applied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_publication_file_is_told_with_its_line_and_nothing_is_applied() {
    let app = App::new().without_publication().without_worker().start().await;
    let program = Program::beside(&app);
    let cases = [
        ("name = \"N\"\nprivcy_url = \"https://www.example.org\"\n", "line 2", "privcy_url"),
        ("name = \"N\"\n\n[sender]\nadress = \"a@example.org\"\n", "line 4", "adress"),
        ("name = \"N\"\nlocale = de\n", "line 2", ""),
        ("name = \"N\"\n\naccent = \"#ffcc00\"\n", "line 3", "4.5:1"),
        ("name = \"N\"\n[sender]\naddress = \"nobody\"\n", "sender.address", "@"),
    ];
    for (file, place, problem) in cases {
        program.file("publication.toml", file);
        let ran = program.run(&["publication", "apply", "publication.toml"]).await;
        let told = ran.refused(1);
        assert!(told.contains("publication.toml was not applied"), "{told}");
        assert!(told.contains(place) && told.contains(problem), "{file:?} gave {told}");
    }
    assert_eq!(app.count("select count(*) from publications").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_publication_is_taken_and_what_is_missing_is_listed() {
    let app = App::new().without_publication().without_worker().start().await;
    let program = Program::beside(&app);
    program.file("publication.toml", "name = \"N\"\n[texts.de]\nimprint = \"I\"\n");
    let missing = [
        "sender.name",
        "sender.address",
        "privacy_url",
        "texts.de.consent",
        "texts.en.imprint",
        "texts.en.consent",
    ];
    let applied = program.run(&["publication", "apply", "publication.toml", "--json"]).await.json();
    assert_eq!(applied, json!({ "version": 1, "changed": true, "missing": missing }));
    let told = program.run(&["publication", "apply", "publication.toml"]).await;
    assert!(told.done().contains("Nothing has changed"), "{told:?}");
    assert!(missing.iter().all(|field| told.stderr.contains(field)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_update_is_a_draft_and_prints_its_id_and_slug() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let file = "---\ntitle: Über 14 Projekt-Pitches\nteaser: Ein Satz.\ndate: 2026-12-16\n\
        link: https://www.example.org/a\nimage: https://www.example.org/a.jpg\nimage_alt: Ein Saal\n\
        image_credit: \"Foto: Projekt\"\nlocale: de\n---\n\nEin **Absatz**.\n";
    program.file("update.md", file);
    let added = program.run(&["updates", "add", "update.md", "--json"]).await.json();
    assert_eq!(fields(&added), ["id", "slug"]);
    assert_eq!(added["slug"], "ueber-14-projekt-pitches");
    let id = Uuid::parse_str(added["id"].as_str().unwrap()).unwrap();
    assert_eq!(id.get_version_num(), 7);

    let again = program.run(&["updates", "add", "update.md"]).await;
    assert!(again.done().contains("ueber-14-projekt-pitches-2"), "{again:?}");

    let list = program.run(&["updates", "list", "--json"]).await.json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2);
    let first = list.iter().find(|update| update["id"] == added["id"]).expect("the first one");
    let expected = json!({
        "id": added["id"], "slug": "ueber-14-projekt-pitches", "state": "draft", "locale": "de",
        "title": "Über 14 Projekt-Pitches", "teaser": "Ein Satz.", "body": "Ein **Absatz**.",
        "dated": "2026-12-16", "link": "https://www.example.org/a", "image": "https://www.example.org/a.jpg",
        "image_alt": "Ein Saal", "image_credit": "Foto: Projekt", "created_at": first["created_at"],
        "changed_at": first["created_at"], "changed_by": null, "version": 1,
    });
    assert_eq!(first, &expected);
    assert_eq!(app.count("select count(*) from deliveries").await, 0, "adding sends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_an_update_file_is_told_with_its_line_and_nothing_is_added() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let cases = [
        ("# Hallo\n", 1, "begin with"),
        ("---\ntitle: A\nimage: https://example.org/a.jpg\n---\nText\n", 3, "image_alt"),
        ("---\ntitle: A\ntitel: B\n---\nText\n", 3, "titel"),
        ("---\ntitle: A\ndate: 16.12.2026\n---\nText\n", 3, "2026-12-16"),
        ("---\ntitle: A\nlocale: fr\n---\nText\n", 3, "de or en"),
        ("---\ntitle: A\n---\n\nText\n\n![](https://example.org/a.png)\n", 7, "image has no text"),
        ("---\ntitle: A\n---\nText mit\n[Link](javascript:alert(1))\n", 5, "https://"),
        ("---\r\ntitle: A\r\n---\r\nText\r\n\r\n![x](a.png)\r\n", 6, "https://"),
    ];
    for (file, line, problem) in cases {
        program.file("update.md", file);
        let ran = program.run(&["updates", "add", "update.md", "--json"]).await;
        let told = ran.refused(1);
        assert!(told.contains(&format!("update.md was not added: line {line}:")), "{file:?} gave {told}");
        assert!(told.contains(problem), "{file:?} gave {told}");
    }
    assert_eq!(program.run(&["updates", "list", "--json"]).await.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_whose_mail_would_be_cut_off_for_its_size_is_refused() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    // Short as Markdown; as HTML each of these lines is ten times as long.
    program.file("update.md", format!("---\ntitle: A\n---\n\n{}", "- a\n".repeat(12_000)));
    let ran = program.run(&["updates", "add", "update.md"]).await;
    assert!(ran.refused(1).contains("too long"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_migrate_one_database_at_once() {
    let database = crate::harness::database::empty().await;
    let programs: Vec<Program> =
        (0..4).map(|_| Program::alone().setting("DATABASE_URL", database.url())).collect();
    let (a, b, c, d) = tokio::join!(
        programs[0].run(&["migrate"]),
        programs[1].run(&["migrate"]),
        programs[2].run(&["migrate"]),
        programs[3].run(&["migrate"]),
    );
    for ran in [a, b, c, d] {
        assert_eq!(ran.done(), "The database is up to date.\n");
    }
    assert_eq!(programs[0].run(&["updates", "list", "--json"]).await.done(), "[]\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_line_of_settings_is_told_without_what_it_holds() {
    for (line, told) in [
        ("SECRET_KEY=geheim def \"ghi", "at SECRET_KEY"),
        ("geheim def \"ghi", "cannot be read: put"),
        ("geheim=def ghi \"", "cannot be read: put"),
    ] {
        let program = Program::alone();
        program.file("bad.env", format!("{line}\nDATABASE_URL=postgres://nobody@127.0.0.1:1/x\n"));
        let ran = program.run(&["--env-file", "bad.env", "updates", "list"]).await;
        let error = ran.refused(2);
        assert!(error.contains(told) && !error.contains("geheim"), "{ran:?}");
    }
}
