//! `subscribers import` and `subscribers export`: what is imported, what is never brought back, and the exported file.

use std::{fs, time::Instant};

use chrono::{DateTime, Utc};
use rundbrief::domain::{
    address::EmailAddress,
    consent::{self, ConsentEvent, ConsentKind, ConsentMethod},
    suppression::{self, SuppressionReason},
};
use serde_json::{Value, json};

use crate::harness::{
    App, TestApp,
    program::{Program, Ran},
};

async fn import(program: &Program, file: impl AsRef<[u8]>) -> Ran {
    program.file("list.csv", file);
    program.run(&["subscribers", "import", "list.csv", "--json"]).await
}

fn summary(added: u64, known: u64, left: u64, suppressed: u64, bad: u64) -> Value {
    json!({ "added": added, "known": known, "left": left, "suppressed": suppressed, "bad": bad })
}

/// The numbers of the lines that were told to be bad, with what was said of them.
fn told(ran: &Ran) -> Vec<(u64, &str)> {
    let lines = ran.stderr.lines().filter_map(|line| line.strip_prefix("line ")?.split_once(": "));
    lines.map(|(number, problem)| (number.parse().expect("a number"), problem)).collect()
}

async fn events(app: &TestApp, email: &str) -> Vec<ConsentEvent> {
    let email = EmailAddress::parse(email).unwrap().normalized();
    consent::of_address(&mut app.pool.acquire().await.unwrap(), &email).await.unwrap()
}

/// Every subscriber's address and state.
async fn subscribers(app: &TestApp) -> Vec<(String, String)> {
    let query = "select email, state::text from subscribers order by email";
    sqlx::query_as(query).fetch_all(&app.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_told_by_number_and_the_others_come_in() {
    let app = App::new().without_worker().start().await;
    let mut file = b"email,consented_at,consent_source,locale\n\
        a@example.org,2025-03-01,Messe,de\n\
        nobody,2025-03-01,Messe,de\n\
        b@example.org,gestern,Messe,de\n\
        c@example.org,2999-01-01,Messe,de\n\
        d@example.org,2025-03-01,,de\n\
        e@example.org,2025-03-01,Messe,fr\n\
        f@example.org\n"
        .to_vec();
    file.extend(b"g@example.org,2025-03-01,M\xFCnchen,de\n"); // Latin-1
    file.extend("h@example.org,2025-03-01,\"Messe,\nHalle 3\",de\n".as_bytes()); // what is quoted goes on
    file.extend("@example.org,2025-03-01,Messe,de\nz@example.org,2025-03-01,Messe,EN".as_bytes());
    let ran = import(&Program::beside(&app), file).await;
    assert_eq!(ran.json(), summary(2, 0, 0, 0, 9));
    let expected = [
        (3, "email: "),
        (4, "consented_at "),
        (5, "consented_at "),
        (6, "consent_source "),
        (7, "locale "),
        (8, "consented_at "),
        (9, ""),
        (10, "a quote that opens here is not closed"),
        (12, "email: "),
    ];
    let told = told(&ran);
    assert_eq!(told.len(), expected.len(), "{ran:?}");
    for ((line, problem), (expected_line, word)) in told.into_iter().zip(expected) {
        assert_eq!(line, expected_line, "{ran:?}");
        assert!(problem.starts_with(word) && !problem.is_empty(), "line {line}: {problem}");
    }
    let active = |email: &str| (email.to_owned(), "active".to_owned());
    let expected = [active("a@example.org"), active("z@example.org")];
    assert_eq!(subscribers(&app).await, expected);
    assert_eq!(app.count("select count(*) from subscribers where locale = 'en'").await, 1);
    assert_eq!(app.count("select count(*) from deliveries").await, 0, "an import sends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_that_is_never_closed_puts_nobody_into_somebody_elses_proof() {
    let app = App::new().without_worker().start().await;
    let file = "email,consented_at,consent_source\n\
        a@example.org,2025-03-01,Messe\n\
        b@example.org,2025-03-01,\"Messe\n\
        c@example.org,2025-03-01,Messe\n";
    let ran = import(&Program::beside(&app), file).await;
    assert_eq!(ran.json(), summary(1, 0, 0, 0, 1));
    assert_eq!(told(&ran)[0].0, 3);
    assert_eq!(subscribers(&app).await.len(), 1);
    assert_eq!(app.count("select count(*) from consent_events where source like '%@%'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_counted_right_with_windows_line_ends() {
    let app = App::new().without_worker().start().await;
    let file = "email,consented_at,consent_source\r\na@example.org,2025-03-01,Messe\r\nnobody,2025-03-01,Messe\r\n\
        b@example.org,2025-03-01,Messe\r\nkaputt,2025-03-01,Messe\r\n";
    let ran = import(&Program::beside(&app), file).await;
    assert_eq!(ran.json(), summary(2, 0, 0, 0, 2));
    let numbers: Vec<u64> = told(&ran).into_iter().map(|(line, _)| line).collect();
    assert_eq!(numbers, [3, 5], "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_counted_right_behind_blank_ones() {
    let app = App::new().without_worker().start().await;
    let file =
        "email,consented_at,consent_source\n\na@example.org,2025-03-01,Messe\n\n\nnobody,2025-03-01,Messe\n";
    let ran = import(&Program::beside(&app), file).await;
    assert_eq!(ran.json(), summary(1, 0, 0, 0, 1));
    let numbers: Vec<u64> = told(&ran).into_iter().map(|(line, _)| line).collect();
    assert_eq!(numbers, [6], "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_no_database_takes_is_a_bad_line_and_no_end() {
    let app = App::new().without_worker().start().await;
    let file = "email,consented_at,consent_source\na@example.org,2025-03-01,Me\0sse\nb@example.org,2025-03-01,Messe\nc@example.org,-9999-01-01,Messe\n";
    let ran = import(&Program::beside(&app), file).await;
    assert_eq!(ran.json(), summary(1, 0, 0, 0, 2));
    assert_eq!((told(&ran)[0].0, told(&ran)[1].0), (2, 4), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_never_brings_back_who_left_or_must_not_be_mailed() {
    let app = App::new().without_worker().start().await;
    app.subscriber("da@example.org").await;
    let left = app.subscriber("weg@example.org").await;
    app.post(&app.unsubscribe_path(left), "").await;
    app.subscriber("voll@example.org").await;
    let bounced = "update subscribers set state = 'bounced' where email = 'voll@example.org'";
    sqlx::query(bounced).execute(&app.pool).await.unwrap();
    let no_more = EmailAddress::parse("nie@example.org").unwrap().normalized();
    let (keys, reason) = (&app.config.secret_keys, SuppressionReason::Complained);
    suppression::add(&mut app.pool.acquire().await.unwrap(), keys, &no_more, reason, Utc::now())
        .await
        .unwrap();

    let file = "email,consented_at,consent_source\nDa@example.org,2025-03-01,Messe\nWEG@Example.org,2025-03-01,Messe\n\
        voll@example.org,2025-03-01,Messe\nNie@example.org,2025-03-01,Messe\nneu@example.org,2025-03-01,Messe\n";
    let state = |email: &str, state: &str| (email.to_owned(), state.to_owned());
    let expected = [
        state("da@example.org", "active"),
        state("neu@example.org", "active"),
        state("voll@example.org", "bounced"),
        state("weg@example.org", "unsubscribed"),
    ];
    assert_eq!(import(&Program::beside(&app), file).await.json(), summary(1, 1, 2, 1, 0));
    assert_eq!(subscribers(&app).await, expected);
    let recorded: Vec<ConsentKind> =
        events(&app, "weg@example.org").await.iter().map(|event| event.kind).collect();
    assert_eq!(recorded, [ConsentKind::Withdrawn]);
    assert_eq!(events(&app, "nie@example.org").await.len(), 0);

    // A new key in front of the old one forgets nobody.
    let old =
        app.settings.iter().find(|(name, _)| *name == "SECRET_KEY").map(|(_, key)| key.clone()).unwrap();
    let rotated = format!("3q2+7wA5m8h1YkPzX0sVtq4LcRb2nWf6GdJuEoKi7TY=,{old}");
    let program = Program::beside(&app).setting("SECRET_KEY", &rotated);
    assert_eq!(import(&program, file).await.json(), summary(0, 2, 2, 1, 0));
    assert_eq!(subscribers(&app).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_comes_in_with_its_date_and_source() {
    let app = App::new().without_worker().start().await;
    // As a spreadsheet writes it: byte order mark, Windows line ends, columns in an order of its own, some more of them.
    let file = "\u{FEFF}Name,Consent_Source, Consented_At ,EMAIL\r\n\
        Maria,\"Tag der offenen Tür, Liste 3\",2025-03-01T10:00:00+01:00, Maria@straße.de \r\n\
        Anna,Messe,2025-03-02,anna@example.org\r\nAnna,Messe,2025-03-03,ANNA@example.org\r\n";
    let ran = import(&Program::beside(&app), file).await;
    assert_eq!(ran.json(), summary(2, 1, 0, 0, 0), "the second Anna is known by then");

    let maria = events(&app, "maria@xn--strae-oqa.de").await;
    assert_eq!(maria.len(), 1);
    assert_eq!((maria[0].kind, maria[0].method), (ConsentKind::Confirmed, ConsentMethod::Import));
    assert_eq!(maria[0].email.as_deref(), Some("Maria@xn--strae-oqa.de"));
    assert_eq!(maria[0].source.as_deref(), Some("Tag der offenen Tür, Liste 3"));
    let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
    assert_eq!(maria[0].consented_at, Some(at("2025-03-01T09:00:00Z")));
    let anna = events(&app, "anna@example.org").await;
    assert_eq!((anna.len(), anna[0].consented_at), (1, Some(at("2025-03-02T00:00:00Z"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_the_needed_columns_is_refused_as_a_whole() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let cases = [
        ("", "email"),
        ("mail,consented_at,consent_source\na@example.org,2025-03-01,Messe\n", "email"),
        ("email,consent_source\na@example.org,Messe\n", "consented_at"),
        ("email,consented_at\na@example.org,2025-03-01\n", "consent_source"),
        ("email;consented_at;consent_source\na@example.org;2025-03-01;Messe\n", "email"),
    ];
    for (file, column) in cases {
        let ran = import(&program, file).await;
        assert!(ran.refused(2).contains(&format!("{column} is missing")), "{file:?} gave {ran:?}");
    }
    assert!(subscribers(&app).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_lines_come_in_within_a_minute() {
    let app = App::new().without_worker().start().await;
    let mut file = String::from("email,consented_at,consent_source\n");
    for n in 0..20_000 {
        file.push_str("person");
        file.push_str(&n.to_string());
        file.push_str("@example.org,2025-03-01,Messe\n");
    }
    file.push_str("PERSON0@example.org,2025-03-01,Messe\n");
    let began = Instant::now();
    let ran = import(&Program::beside(&app), file).await;
    assert_eq!(ran.json(), summary(20_000, 1, 0, 0, 0));
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 20_000);
    let recorded = "select count(distinct subscriber_id) from consent_events where method = 'import'";
    assert_eq!(app.count(recorded).await, 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_tells_people_what_came_of_it() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    program.file("list.csv", "email,consented_at,consent_source\na@example.org,2025-03-01,Messe\nnobody,,\n");
    let ran = program.run(&["subscribers", "import", "list.csv"]).await;
    assert!(
        ran.done().contains("1 added, 0 already subscribed") && ran.done().contains("1 bad lines"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_everybody_and_nothing_that_a_spreadsheet_would_run() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let header = "email,locale,state,confirmed_at,state_changed_at,id,consented_at,consent_source";
    assert_eq!(program.run(&["subscribers", "export"]).await.done().trim_end(), header);

    let emails = ["+49@example.org", "-a@example.org", "=1+1@example.org", "anna@example.org"];
    let mut list = String::from("email,consented_at,consent_source,locale\n");
    for email in emails {
        list.push_str(email);
        list.push_str(",2025-03-01,Messe,en\n");
    }
    assert_eq!(import(&program, list).await.json(), summary(4, 0, 0, 0, 0));
    let gone = app.subscriber("otto@example.org").await;
    app.post(&app.unsubscribe_path(gone), "").await;

    let printed = program.run(&["subscribers", "export"]).await;
    program.run(&["subscribers", "export", "--out", "out.csv"]).await.done();
    assert_eq!(fs::read_to_string(program.dir().join("out.csv")).unwrap(), printed.done());
    let mut reader = csv::Reader::from_reader(printed.done().as_bytes());
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), header);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row of CSV")).collect();
    for field in rows.iter().flatten() {
        assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field}");
    }
    let mut exported: Vec<(&str, &str, &str)> =
        rows.iter().map(|row| (row[0].trim_start_matches('\''), &row[1], &row[2])).collect();
    exported.sort_unstable();
    let mut expected: Vec<(&str, &str, &str)> = emails
        .iter()
        .map(|email| (*email, "en", "active"))
        .chain([("otto@example.org", "de", "unsubscribed")])
        .collect();
    expected.sort_unstable();
    assert_eq!(exported, expected);
    for row in &rows {
        let email: Option<String> =
            sqlx::query_scalar("select email from subscribers where id = $1::text::uuid")
                .bind(&row[5])
                .fetch_optional(&app.pool)
                .await
                .unwrap();
        assert_eq!(email.as_deref(), Some(row[0].trim_start_matches('\'')));
        assert!(
            DateTime::parse_from_rfc3339(&row[3]).is_ok() && DateTime::parse_from_rfc3339(&row[4]).is_ok()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_the_command_reads_who_left_elsewhere_or_refuses() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let file = "email,consented_at,consent_source,Kontaktart\na@example.org,2025-03-01,Messe,aktiv\n\
        b@example.org,2025-03-01,Messe,abgemeldet\nc@example.org,,,Bounced\nd@example.org,2025-03-01,Messe,pending\n\
        e@example.org,2025-03-01,Messe,?\nb@example.org,2025-03-01,Messe,aktiv\na@example.org,,,Complained\n";
    assert!(import(&program, file).await.refused(2).contains("Kontaktart may say who has left"));
    let named = file.replace("Kontaktart", "Opt-in");
    let refused = import(&program, named.clone()).await;
    assert!(refused.refused(2).contains("--state-column"), "{refused:?}");
    program.file("list.csv", named);
    let ran = program.run(&["subscribers", "import", "list.csv", "--json", "--state-column", "Opt-in"]).await;
    let expected = json!({ "added": 0, "known": 0, "left": 2, "suppressed": 0, "bad": 1, "listed_unsubscribed": 1,
        "listed_bounced": 1, "listed_complained": 1, "never_confirmed": 1 });
    assert_eq!(ran.json(), expected, "the worst counts that a list says of somebody");
    let state = |email: &str, state: &str| (email.to_owned(), state.to_owned());
    let expected = [
        state("a@example.org", "complained"),
        state("b@example.org", "unsubscribed"),
        state("c@example.org", "bounced"),
    ];
    assert_eq!(subscribers(&app).await, expected);

    // Where it only stands far down, where nobody has looked before reading.
    let mut long = String::from("email,consented_at,consent_source,Notiz\n");
    for number in 0..300 {
        long.push_str(&format!("p{number}@example.org,2025-03-01,Messe,Rückruf\n"));
    }
    long.push_str("z@example.org,2025-03-01,Messe,Unsubscribed\n");
    let ran = import(&program, long).await;
    assert_eq!(ran.json(), summary(300, 0, 0, 0, 1));
    assert!(told(&ran)[0].1.starts_with("column 4 says"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_the_export_of_a_known_service_is_read() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let file = "EMAIL;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME\na@example.org;;no;yes;2025-03-01 10:00:00\n\
        b@example.org;;yes;no;2025-03-01 10:00:00\n";
    program.file("brevo.csv", file);
    let ran = program
        .run(&["subscribers", "import", "brevo.csv", "--json", "--source", "Brevo", "--leave-out"])
        .await;
    assert!(ran.refused(2).contains("brevo does not say for certain when"), "{ran:?}");
    assert!(subscribers(&app).await.is_empty());
    let said = ["--source", "Brevo", "--leave-out", "--consented-at", "2025-02-01"];
    let ran = program.run(&[&["subscribers", "import", "brevo.csv", "--json"][..], &said].concat()).await;
    assert_eq!(
        ran.json(),
        json!({ "added": 1, "known": 0, "left": 0, "suppressed": 0, "bad": 0, "left_out": 1 })
    );
    assert_eq!(subscribers(&app).await, [("a@example.org".to_owned(), "active".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_an_export_comes_back_as_it_was() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let file = "email,consented_at,consent_source,locale,state\n\
        =1+1@example.org,2025-03-01,\"Messe; =Süd, Halle 3\",en,active\n\
        weg@example.org,2025-03-01T10:00:00.123456+01:00,@Stand,de,unsubscribed\n\
        voll@example.org,,,de,bounced\nspam@example.org,2024-01-02,'Liste,en,complained\n";
    assert_eq!(import(&program, file).await.json()["added"], 1);
    app.subscriber("hier@example.org").await;
    let first = program.run(&["subscribers", "export"]).await.done().to_owned();

    let other = App::new().without_worker().start().await;
    let there = Program::beside(&other);
    let ran = import(&there, &first).await;
    assert_eq!((ran.json()["added"].clone(), ran.json()["bad"].clone()), (json!(2), json!(0)), "{ran:?}");
    let second = there.run(&["subscribers", "export"]).await.done().to_owned();
    // Address, language, state, and the consent; not when this service first saw it.
    let told = |export: &str| -> Vec<Vec<String>> {
        let mut reader = csv::Reader::from_reader(export.as_bytes());
        let mut rows: Vec<Vec<String>> = reader
            .records()
            .map(|row| [0, 1, 2, 6, 7].map(|at| row.as_ref().unwrap()[at].to_owned()).to_vec())
            .collect();
        rows.sort();
        rows
    };
    assert_eq!(told(&first), told(&second));
    assert!(first.contains("Messe; '=Süd, Halle 3") && first.contains("'@Stand"), "{first}");
    let source = &events(&other, "=1+1@example.org").await[0].source;
    assert_eq!(source.as_deref(), Some("Messe; =Süd, Halle 3"));
    assert_eq!(other.count("select count(*) from suppressions").await, 0, "a list saw it, not we");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_that_a_row_was_made_is_no_consent() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    for (name, file) in [
        (
            "listmonk",
            "uuid,email,name,attributes,status,created_at,updated_at\nu,a@example.org,A,{},enabled,2025-03-01 10:00:00 +0000 UTC,\n",
        ),
        (
            "ghost",
            "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels\n1,a@example.org,A,,true,false,,2025-03-01T10:00:00.000Z,,\n",
        ),
        (
            "phplist",
            "id\tEmail\tIs this subscriber confirmed\tIs this subscriber blacklisted\tEntered\tList Membership\n1\ta@example.org\t1\t0\t2025-03-01 10:00:00\tNews; \n",
        ),
        ("cleverreach", "Email;Registered;Activated;Deactivated\na@example.org;1740819900;1740819900;0\n"),
        (
            "brevo",
            "EMAIL;EMAIL_BLACKLISTED;ADDED_TIME;MODIFIED_TIME\na@example.org;no;2025-03-01 10:00:00;\n",
        ),
    ] {
        program.file("list.csv", file);
        let ran = program.run(&["subscribers", "import", "list.csv", "--json", "--source", "x"]).await;
        let told = ran.refused(2);
        assert!(
            told.contains(&format!("an export of {name}")) && told.contains("--consented-at-column"),
            "{name}: {ran:?}"
        );
    }
    assert!(subscribers(&app).await.is_empty());

    // Said in words, it is taken.
    let named = ["--source", "Brevo", "--consented-at-column", "added_time"];
    let ran = program.run(&[&["subscribers", "import", "list.csv", "--json"][..], &named].concat()).await;
    assert_eq!(ran.json(), summary(1, 0, 0, 0, 0));
    let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
    assert_eq!(events(&app, "a@example.org").await[0].consented_at, Some(at("2025-03-01T09:00:00Z")));

    // Mailchimp writes CONFIRM_TIME also when somebody was imported there; those who filled in a form have OPTIN_TIME.
    let file = "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,LEID,EUID\n\
        form@example.org,,2,2025-03-01 09:00:00,192.0.2.1,2025-03-01 09:05:00,1,a\n\
        added@example.org,,2,,,2025-04-01 09:05:00,2,b\n";
    program.file("mailchimp.csv", file);
    let import = ["subscribers", "import", "mailchimp.csv", "--json", "--source", "Mailchimp"];
    let ran = program.run(&import).await;
    assert_eq!(ran.json(), summary(1, 0, 0, 0, 1));
    assert!(told(&ran)[0].1.contains("added by somebody else"), "{ran:?}");
    let form = events(&app, "form@example.org").await;
    assert_eq!(form[0].consented_at, Some(at("2025-03-01T08:05:00Z")));
    let ran = program.run(&[&import[..], &["--consented-at", "2024-01-02"]].concat()).await;
    assert_eq!(ran.json(), summary(1, 1, 0, 0, 0), "a day for those of whom the list says none");
    let added = events(&app, "added@example.org").await;
    assert_eq!(added[0].consented_at, Some(at("2024-01-02T00:00:00Z")));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_a_file_named_after_those_who_left_is_asked_about() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let file = "email,consented_at,consent_source\na@example.org,2025-03-01,Messe\n";
    program.file("abmeldungen.csv", file);
    let import = ["subscribers", "import", "abmeldungen.csv", "--json"];
    assert!(program.run(&import).await.refused(2).contains("--everybody left"));
    let ran = program.run(&[&import[..], &["--everybody", "left"]].concat()).await;
    assert_eq!(ran.json()["listed_unsubscribed"], 1, "{ran:?}");
    assert_eq!(subscribers(&app).await, [("a@example.org".to_owned(), "unsubscribed".to_owned())]);

    // Of those who are not to be mailed nobody needs to know when they agreed.
    program.file("blacklist.csv", "email\nb@example.org\n");
    let ran =
        program.run(&["subscribers", "import", "blacklist.csv", "--json", "--everybody", "complained"]).await;
    assert_eq!(ran.json()["listed_complained"], 1, "{ran:?}");
}

/// Lists as people and services write them: a file, what is said of it, and what that comes to. Whoever is called `out` may
/// have left.
const LISTS: &[(&str, &[&str], Result<usize, &str>)] = &[
    ("email,Tags\nin@x.org,VIP\nout@x.org,\"VIP, abgemeldet\"", &[], Err("Tags may say")),
    ("email,Tags\nin@x.org,VIP\nout@x.org,\"VIP, abgemeldet\"", &["--state-column", "Tags:remarks"], Ok(1)),
    ("email,Notiz\nin@x.org,ruft an\nout@x.org,möchte keine Mails mehr", &[], Err("Notiz may say")),
    (
        "email,Notiz\nin@x.org,ruft an\nout@x.org,\"Anruf:\nabgemeldet\"",
        &["--state-column", "Notiz:remarks"],
        Ok(1),
    ),
    ("email,Bemerkung\nin@x.org,\nout@x.org,verstorben", &[], Err("Bemerkung may say")),
    ("email,Abgemeldet am\nin@x.org,\nout@x.org,01.02.2025", &[], Ok(1)),
    ("email,Abgemeldet am\nin@x.org,-\nout@x.org,45717", &[], Ok(1)),
    ("email,opt_out\nin@x.org,0\nout@x.org,1", &[], Ok(1)),
    ("email,OPT-OUT \nin@x.org,Nein \nout@x.org, JA ", &[], Ok(1)),
    ("email,Newsletter\nin@x.org,ja\nout@x.org,nein", &[], Err("Newsletter may say")),
    ("email,Newsletter\nin@x.org,Ja\nout@x.org,Nein", &["--state-column", "newsletter:subscribed"], Ok(1)),
    ("email,DOI bestätigt\nin@x.org,ja\nout@x.org,nein", &[], Ok(1)),
    ("email,DOI bestätigt\nin@x.org,2025-03-01T10:00:00Z\nout@x.org,", &[], Ok(1)),
    ("email,global_unsubscribe\nin@x.org,false\nout@x.org,true", &[], Ok(1)),
    ("email,suppressed\nin@x.org,no\nout@x.org,YES", &[], Ok(1)),
    ("email,Inactive\nin@x.org,\nout@x.org,x", &[], Ok(1)),
    ("email,STATUS\nin@x.org,SUBSCRIBED \nout@x.org, Cleaned ", &[], Ok(1)),
    ("email,status\nin@x.org,active\nout@x.org,1", &[], Ok(1)),
    ("email,unsubscribed_at\nin@x.org,NULL\nout@x.org,2025-03-01T10:00:00Z", &[], Ok(1)),
    ("email,DSGVO-Einwilligung\nin@x.org,ja\nout@x.org,widerrufen", &[], Err("DSGVO-Einwilligung may say")),
    ("email,gdpr\nin@x.org,granted\nout@x.org,denied", &[], Err("gdpr may say")),
    ("email,Status,bounced\nin@x.org,aktiv,0\nout@x.org,aktiv,1", &[], Ok(1)),
    ("email,Status,Gesperrt am\nin@x.org,aktiv,0000-00-00\nout@x.org,aktiv,1.3.25 10:05", &[], Ok(1)),
    ("email,raus\nin@x.org,\nout@x.org,x", &[], Err("raus may say")),
    ("email,Rückläufer\nin@x.org,\nout@x.org,ja", &[], Err("Rückläufer may say")),
    ("email,E-Mail erwünscht\nin@x.org,1\nout@x.org,0", &[], Err("E-Mail erwünscht may say")),
    (
        "email,Ende der Mitgliedschaft\nin@x.org,\nout@x.org,31.12.2024",
        &[],
        Err("Ende der Mitgliedschaft may say"),
    ),
    ("email,Sperrvermerk\nin@x.org,\nout@x.org,Umzug", &[], Err("Sperrvermerk may say")),
    ("email,Abo\nin@x.org,läuft\nout@x.org,beendet", &[], Err("Abo may say")),
    ("email,Name\nin@x.org,Mia\n\nAbgemeldet:,\nout@x.org,Otto", &[], Err("line 4 sounds like a heading")),
    ("email,unsubscribe_reason\nin@x.org,\nout@x.org,too many", &[], Err("unsubscribe_reason may say")),
    ("sep=;\nemail;Status;Tel\nin@x.org;Aktiv;1\nout@x.org;Abgemeldet;2", &[], Ok(1)),
    ("email\tStatus\nin@x.org\tAktiv\nout@x.org\tAbgemeldet", &["--separator", "tab"], Ok(1)),
    // Nothing to ask about.
    (
        "id,email,Vorname,Nachname,Ort,Land,Firma,Sprache,Anrede,Geburtstag,Telefon\n\
         1,in@x.org,Neu,Junk,Left,NO,Active AG,de,Frau,1.1.1970,0\n2,in2@x.org,Jo,Nein,Bad,NO,Valid e.V.,en,m,,1",
        &[],
        Ok(2),
    ),
    (
        "uuid,email,name,attributes,status,created_at,updated_at\n\
         u,in@x.org,A,\"{\"\"city\"\": \"\"Bonn\"\"}\",enabled,2025,\nv,out@x.org,A,{},blocklisted,2025,",
        &[],
        Ok(1),
    ),
    (
        "id\tEmail\tIs this subscriber confirmed\tIs this subscriber blacklisted\tNumber of bounces\tEntered\tList Membership\n\
         1\tin@x.org\t1\t0\t3\t2025-01-01 10:00:00\tNews; \n2\tout@x.org\t1\t0\t0\t2025-01-01 10:00:00\tNo Lists\n\
         3\tout2@x.org\t0\t0\t0\t2025-01-01 10:00:00\tNews; \n4\tout3@x.org\t1\t1\t0\t2025-01-01 10:00:00\tNews; ",
        &[],
        Ok(1),
    ),
    (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers,gift_id\n\
         1,in@x.org,A,,true,false,,2025-01-01T10:00:00.000Z,,VIP,Free,\n2,out@x.org,B,,false,false,,2025-01-01T10:00:00.000Z,,,,",
        &[],
        Ok(1),
    ),
    (
        "Email,First name,Last name,Data,Status,External ID\nin@x.org,A,B,,active,\nout@x.org,A,B,,unreachable,\nout2@x.org,A,B,,unsubscribed,",
        &[],
        Ok(1),
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_nobody_becomes_active_of_whom_a_list_could_say_that_they_left() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let mut number = 0;
    for (list, said, expected) in LISTS {
        number += 1;
        // Others each time: nobody forgets.
        let list = list.replace("@x.org", &format!("@l{number}.example"));
        let bytes = if number % 2 == 0 {
            list.as_bytes().to_vec()
        } else {
            [0xFEFF].into_iter().chain(list.encode_utf16()).flat_map(u16::to_le_bytes).collect()
        };
        program.file("list.csv", bytes);
        let of_all =
            ["subscribers", "import", "list.csv", "--json", "--source", "x", "--consented-at", "2025-01-02"];
        let ran = program.run(&[&of_all[..], said].concat()).await;
        match expected {
            Err(told) => assert!(
                ran.refused(2).contains(told),
                "{list}
{ran:?}"
            ),
            Ok(added) => assert_eq!(
                ran.json()["added"],
                *added,
                "{list}
{ran:?}"
            ),
        }
        let out = "select count(*) from subscribers where state = 'active' and email like 'out%'";
        assert_eq!(app.count(out).await, 0, "{list}");
    }
}
