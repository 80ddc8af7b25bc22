//! Importing lists on the staff pages: which files are accepted, how they are read, that nobody is imported twice or
//! brought back, and that a crash costs nothing.

use std::time::Duration;

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use rundbrief::domain::{
    address::EmailAddress,
    consent::{self, ConsentEvent, ConsentMethod},
    retention,
    staff::Role,
    suppression::{self, SuppressionReason},
};
use tokio::time::sleep;

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, Member},
    http,
    program::Program,
};

const START: &str = "/staff/subscribers/import";

struct Desk {
    app: TestApp,
    admin: Member,
}

impl Desk {
    async fn new() -> Self {
        let app = App::new().without_worker().start().await;
        let admin = app.member("ada@example.org", Role::Admin).await;
        Self { app, admin }
    }

    async fn browser(&self) -> Browser<'_> {
        self.app.browser_of(&self.admin).await
    }

    /// Sends a file as a browser does.
    async fn upload(&self, name: &str, file: &[u8]) -> Answer {
        let browser = self.browser().await;
        let cookie = format!("__Host-rundbrief={}", browser.cookie("__Host-rundbrief"));
        let headers = [
            ("accept-language", "de"),
            ("content-type", "multipart/form-data; boundary=XBOUNDARYX"),
            ("sec-fetch-site", "same-origin"),
            ("cookie", cookie.as_str()),
        ];
        let mut body = format!(
            "--XBOUNDARYX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: text/csv\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--XBOUNDARYX--\r\n");
        http::send(self.app.address, Method::POST, START, &headers, body).await
    }

    /// Uploads a file that is taken; answers the path of its import.
    async fn taken(&self, file: impl AsRef<[u8]>) -> String {
        let answer = self.upload("liste.csv", file.as_ref()).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.header("location").to_owned()
    }

    /// Waits until an import has come so far; answers its page.
    async fn wait_for(&self, path: &str, state: &str) -> Answer {
        let browser = self.browser().await;
        for _ in 0..1200 {
            let status = browser.get(&format!("{path}/status")).await;
            let status: serde_json::Value = serde_json::from_str(&status.body).unwrap();
            if status["state"] == state {
                return browser.get(path).await;
            }
            assert_ne!(status["state"], "failed", "{status}");
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} does not come to {state}: {}", browser.get(path).await.body);
    }

    /// Uploads, tries out, and brings in; answers the counts of the dry run and of the import.
    async fn import(&self, file: impl AsRef<[u8]>, plan: &[(&str, &str)]) -> [[i64; 5]; 2] {
        let path = self.taken(file).await;
        let browser = self.browser().await;
        let checked = browser.post(&format!("{path}/check"), plan).await;
        assert_eq!(checked.status, 303, "{}", checked.body);
        let dry = counts(&self.wait_for(&path, "checked").await);
        let run = browser.post(&format!("{path}/run"), &[("vouched", "yes")]).await;
        assert_eq!(run.status, 303);
        [dry, counts(&self.wait_for(&path, "done").await)]
    }

    /// What is logged of imports.
    async fn actions(&self) -> Vec<String> {
        let all = self.app.actions().await;
        all.into_iter().filter(|action| action.starts_with("import_")).collect()
    }

    async fn addresses(&self) -> Vec<String> {
        sqlx::query_scalar("select email from subscribers where state = 'active' order by email")
            .fetch_all(&self.app.pool)
            .await
            .unwrap()
    }

    async fn events(&self, email: &str) -> Vec<ConsentEvent> {
        let email = EmailAddress::parse(email).unwrap().normalized();
        consent::of_address(&mut self.app.pool.acquire().await.unwrap(), &email).await.unwrap()
    }
}

/// New, known, left, suppressed, bad, as the page tells.
fn counts(page: &Answer) -> [i64; 5] {
    let from = page.body.find("<dl class=\"counts\">").unwrap_or_else(|| panic!("{}", page.body));
    let numbers: Vec<i64> = page.body[from..]
        .split("<dd>")
        .skip(1)
        .take(5)
        .map(|part| part.split('<').next().unwrap().replace('.', "").parse().unwrap())
        .collect();
    numbers.try_into().unwrap()
}

/// The plan of a file with our own names.
const OURS: &[(&str, &str)] = &[
    ("separator", "comma"),
    ("encoding", "utf8"),
    ("email", "0"),
    ("consented_at", "1"),
    ("source", "2"),
    ("locale_of_all", "de"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_list_comes_in_with_its_proof_and_its_file_is_gone() {
    let desk = Desk::new().await;
    let file = "email,consented_at,consent_source\nmia@example.org,2025-03-01,Messe\notto@example.org,01.04.2025,\"Tag, der offenen Tür\"\n";
    assert_eq!(desk.import(file, OURS).await, [[2, 0, 0, 0, 0]; 2]);
    assert_eq!(desk.addresses().await, ["mia@example.org", "otto@example.org"]);
    let otto = desk.events("otto@example.org").await;
    assert_eq!((otto.len(), otto[0].method), (1, ConsentMethod::Import));
    assert_eq!(otto[0].source.as_deref(), Some("Tag, der offenen Tür"));
    assert_eq!(otto[0].consented_at, Some("2025-04-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap()));
    assert_eq!(desk.app.count("select count(*) from import_pieces").await, 0);
    assert_eq!(desk.actions().await, ["import_uploaded", "import_checked", "import_started"]);

    // Whoever asks when Otto agreed is told the day of the list, and no time that nobody wrote.
    let id: uuid::Uuid = sqlx::query_scalar("select id from subscribers where email = 'otto@example.org'")
        .fetch_one(&desk.app.pool)
        .await
        .unwrap();
    let page = desk.browser().await.get(&format!("/staff/subscribers/{id}")).await;
    assert!(page.body.contains("<dt>Eingewilligt (laut Liste)</dt><dd>01.04.2025</dd>"), "{}", page.body);
    assert!(page.body.contains("Eingewilligt: 01.04.2025"), "{}", page.body);
    assert!(!page.body.contains("01.04.2025, "), "no time of day: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_excel_writes_is_understood_and_what_it_lacks_is_said_once_for_all() {
    let desk = Desk::new().await;
    let file =
        b"Name;E-Mail-Adresse\r\nM\xFCller, Mia;mia@example.org\r\n\"Otto; der II.\";otto@example.org\r\n";
    let path = desk.taken(file).await;
    let browser = desk.browser().await;
    let page = browser.get(&path).await;
    for part in [
        "Müller, Mia",
        "Otto; der II.",
        "<option value=\"semicolon\" selected>",
        "<option value=\"windows1252\" selected>",
        "<option value=\"1\" selected>E-Mail-Adresse</option>",
    ] {
        assert!(page.body.contains(part), "{part} is missing in {}", page.body);
    }
    let plan = |day: &'static str, source: &'static str| {
        vec![
            ("separator", "semicolon"),
            ("encoding", "windows1252"),
            ("email", "1"),
            ("day", day),
            ("source_of_all", source),
            ("locale_of_all", "en"),
        ]
    };
    let check = format!("{path}/check");
    for (day, source, field) in [
        ("", "Büro", "day-error"),
        ("2999-01-01", "Büro", "day-error"),
        ("2025-03-01", " ", "source_of_all-error"),
        ("2025-03-01", "\u{7}", "source_of_all-error"),
    ] {
        let refused = browser.post(&check, &plan(day, source)).await;
        assert_eq!(refused.status, 422, "{day} {source:?}");
        assert!(refused.body.contains(&format!("id=\"{field}\"")), "{day} {source:?}");
    }
    let none = browser
        .post(&check, &[("email", "77"), ("separator", "semicolon"), ("encoding", "windows1252")])
        .await;
    assert!(none.status == 422 && none.body.contains("id=\"email-error\""));
    assert_eq!(browser.post(&check, &plan("2025-03-01", "Messe „Süd“")).await.status, 303);
    desk.wait_for(&path, "checked").await;
    assert_eq!(desk.addresses().await, Vec::<String>::new(), "a dry run brings nobody in");
    let unvouched = browser.post(&format!("{path}/run"), &[]).await;
    assert!(unvouched.status == 422 && unvouched.body.contains("id=\"vouched-error\""));
    assert_eq!(browser.post(&format!("{path}/run"), &[("vouched", "yes")]).await.status, 303);
    desk.wait_for(&path, "done").await;
    let mia = desk.events("mia@example.org").await;
    assert_eq!(mia[0].source.as_deref(), Some("Messe „Süd“"));
    let english = "select count(*) from subscribers where locale = 'en'";
    assert_eq!(desk.app.count(english).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_can_be_shown_in_another_way_before_anything_is_read() {
    let desk = Desk::new().await;
    let path = desk.taken("email;note\nmia@example.org;a,b,c,d\n").await;
    let browser = desk.browser().await;
    let check = format!("{path}/check");
    let shown =
        browser.post(&check, &[("action", "preview"), ("separator", "comma"), ("encoding", "utf8")]).await;
    assert_eq!(shown.status, 200);
    assert!(shown.body.contains("email;note</th>"), "{}", shown.body);
    // Chosen and sent at once: the columns are others now, so they are shown first.
    let again =
        browser.post(&check, &[("action", "check"), ("separator", "semicolon"), ("email", "0")]).await;
    assert!(again.status == 200 && again.body.contains("<th scope=\"col\">note</th>"));
    assert_eq!(desk.app.count("select count(*) from imports where state = 'uploaded'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_never_brings_back_who_left_or_must_not_be_mailed() {
    let desk = Desk::new().await;
    desk.app.subscriber("da@example.org").await;
    let left = desk.app.subscriber("weg@example.org").await;
    desk.app.post(&desk.app.unsubscribe_path(left), "").await;
    desk.app.subscriber("voll@example.org").await;
    sqlx::query("update subscribers set state = 'bounced' where email = 'voll@example.org'")
        .execute(&desk.app.pool)
        .await
        .unwrap();
    let never = EmailAddress::parse("nie@example.org").unwrap().normalized();
    let mut db = desk.app.pool.acquire().await.unwrap();
    let keys = &desk.app.config.secret_keys;
    suppression::add(&mut db, keys, &never, SuppressionReason::Erased, Utc::now()).await.unwrap();
    drop(db);
    let file = "email,consented_at,consent_source\nDA@example.org,2025-03-01,Messe\nWEG@example.org,2025-03-01,Messe\n\
        voll@example.org,2025-03-01,Messe\nNie@example.org,2025-03-01,Messe\nneu@example.org,2025-03-01,Messe\n\
        NEU@example.org,2025-03-01,Messe\nkaputt,2025-03-01,Messe\n";
    assert_eq!(desk.import(file, OURS).await, [[1, 2, 2, 1, 1]; 2]);
    assert_eq!(desk.addresses().await, ["da@example.org", "neu@example.org"]);
    assert_eq!(desk.import(file, OURS).await[0], [0, 3, 2, 1, 1], "and once more");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_told_by_number_and_can_be_taken_along() {
    let desk = Desk::new().await;
    let file = b"email,consented_at,consent_source\n\nnobody,2025-03-01,Messe\na@example.org,gestern,Messe\n\
        b@example.org,2025-03-01,\nc@example.org,2025-03-01,Me\x07sse\nd@example.org,2025-03-01,\"a\nb\"\n\
        e@example.org,2025-03-01,Messe\n<script>alert(1)</script>,2025-03-01,Messe\n=cmd|x,1,2";
    let path = desk.taken(file).await;
    let browser = desk.browser().await;
    browser.post(&format!("{path}/check"), OURS).await;
    let page = desk.wait_for(&path, "checked").await;
    assert_eq!(counts(&page), [1, 0, 0, 0, 7]);
    assert!(page.body.contains("Zeile 3") && !page.body.contains("<script>alert"));
    let listed = browser.get(&format!("{path}/problems.csv")).await;
    assert!(listed.header("content-disposition").starts_with("attachment"));
    let body = listed.body.trim_start_matches('\u{FEFF}');
    let mut reader = csv::Reader::from_reader(body.as_bytes());
    let lines: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
    assert_eq!(lines, ["3", "4", "5", "6", "7", "10", "11"]);
    assert!(!body.contains("cmd"), "nothing of the file stands in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_list_is_refused_with_the_way_out_and_nothing_stays() {
    let desk = Desk::new().await;
    let cases: [(&str, &[u8], &str); 4] = [
        ("leer.csv", b" \r\n", "Die Datei ist leer"),
        ("mappe.xlsx", b"PK\x03\x04\x14\0\x06\0", "Tabellen-Datei"),
        ("bild.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "keine Textdatei"),
        ("", b"email", "wählen Sie eine Datei"),
    ];
    for (name, file, told) in cases {
        let answer = desk.upload(name, file).await;
        assert_eq!(answer.status, 422, "{name}");
        let error =
            answer.body.split("id=\"file-error\">").nth(1).unwrap_or_else(|| panic!("{}", answer.body));
        assert!(error.split('<').next().unwrap().contains(told), "{name}: {}", &error[..200]);
    }
    assert_eq!(desk.app.count("select count(*) from imports").await, 0);
    assert_eq!(desk.actions().await, Vec::<String>::new());
    // Cut off in the middle: a body that ends before its boundary.
    let browser = desk.browser().await;
    let cookie = format!("__Host-rundbrief={}", browser.cookie("__Host-rundbrief"));
    let headers = [("content-type", "multipart/form-data; boundary=X"), ("cookie", cookie.as_str())];
    let cut = "--X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nemail\na@example.org";
    let answer = http::send(desk.app.address, Method::POST, START, &headers, cut.to_owned()).await;
    assert_eq!(answer.status, 422);
    assert_eq!(desk.app.count("select count(*) from imports").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_large_is_told_so_and_nothing_of_it_stays() {
    let desk = Desk::new().await;
    let file = vec![b'a'; 101 * 1024 * 1024];
    let answer = desk.upload("riesig.csv", &file).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("größer als 100 MB"), "{}", answer.body);
    assert_eq!(desk.app.count("select count(*) from imports").await, 0);
    assert_eq!(desk.app.count("select count(*) from import_pieces").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_needs_a_login_before_a_byte_of_it_is_kept() {
    let desk = Desk::new().await;
    let headers = [("content-type", "multipart/form-data; boundary=X")];
    let body = "--X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nemail\n\r\n--X--\r\n";
    let answer = http::send(desk.app.address, Method::POST, START, &headers, body).await;
    assert_eq!(answer.header("location"), "/staff/login");
    assert_eq!(desk.app.count("select count(*) from imports").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_that_is_never_closed_and_a_line_without_end_stop_the_dry_run() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let head = "email,consented_at,consent_source\nmia@example.org,2025-03-01,Messe\n";
    let mut open = format!("{head}otto@example.org,2025-03-01,\"Messe\n");
    while open.len() < 700_000 {
        open.push_str("anna@example.org,2025-03-01,Messe\n");
    }
    let commas = format!("{head}{}\n", ",".repeat(3 * 1024 * 1024));
    for (file, told) in [(open, "Ab Zeile 3 fehlt ein schließendes"), (commas, "Zeile 3 ist länger als")] {
        let path = desk.taken(&file).await;
        browser.post(&format!("{path}/check"), OURS).await;
        for _ in 0..400 {
            if browser.get(&path).await.body.contains("Die Datei lässt sich nicht lesen") {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        let page = browser.get(&path).await;
        assert!(page.body.contains(told), "{}", page.body);
        assert!(!page.body.contains("aufgenommen"), "nobody was: {}", page.body);
        let run = browser.post(&format!("{path}/run"), &[("vouched", "yes")]).await;
        assert_eq!(run.status, 303);
        assert_eq!(desk.app.count("select count(*) from imports where state = 'failed'").await, 1);
        sqlx::query("delete from imports").execute(&desk.app.pool).await.unwrap();
    }
    assert_eq!(desk.addresses().await, Vec::<String>::new());
}

/// A list of so many people, with lines of different lengths, some blank, some quoted.
fn long_list(n: usize) -> String {
    let mut file = String::from("email,consented_at,consent_source,note\r\n");
    for number in 0..n {
        let note = "ü".repeat(number % 40);
        file.push_str(&format!("p{number}@example.org,2025-03-01,\"Messe, Halle {number}\",{note}\r\n"));
        if number % 1000 == 0 {
            file.push_str("\r\n");
        }
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_longer_than_what_is_read_at_once_comes_in_line_by_line_once() {
    let desk = Desk::new().await;
    let file = long_list(30_000);
    assert!(file.len() > 4 * 512 * 1024);
    assert_eq!(desk.import(&file, OURS).await, [[30_000, 0, 0, 0, 0]; 2]);
    let sources = "select count(distinct source) from consent_events where method = 'import'";
    assert_eq!(desk.app.count(sources).await, 30_000, "each with its own line's source");
    let lines = "select next_line from imports";
    assert_eq!(desk.app.count(lines).await, 30_000 + 30 + 1 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_bring_in_each_line_once() {
    let desk = Desk::new().await;
    let beside: Vec<Program> =
        (0..2).map(|_| Program::beside(&desk.app).setting("LISTEN_ADDR", "127.0.0.1:0")).collect();
    let running: Vec<_> = beside.iter().map(|program| program.start(&["serve", "--no-worker"])).collect();
    assert_eq!(desk.import(long_list(20_000), OURS).await, [[20_000, 0, 0, 0, 0]; 2]);
    assert_eq!(desk.app.count("select count(*) from consent_events where method = 'import'").await, 20_000);
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_an_import_that_is_killed_in_the_middle_goes_on_where_it_stood() {
    let mut desk = Desk::new().await;
    let path = desk.taken(long_list(40_000)).await;
    desk.browser().await.post(&format!("{path}/check"), OURS).await;
    desk.wait_for(&path, "checked").await;
    desk.browser().await.post(&format!("{path}/run"), &[("vouched", "yes")]).await;
    desk.app.stop().await;
    let under_way = "select count(*) from imports where state = 'importing'";
    let before = desk.app.count("select next_byte from imports").await;
    let mut deaths = 0;
    for _ in 0..40 {
        let program = Program::beside(&desk.app).setting("LISTEN_ADDR", "127.0.0.1:0");
        let running = program.start(&["serve", "--no-worker"]);
        let began = desk.app.count("select next_byte from imports").await;
        for _ in 0..200 {
            sleep(Duration::from_millis(20)).await;
            if desk.app.count("select next_byte from imports").await > began {
                break;
            }
        }
        running.signal("KILL");
        running.ended().await;
        if desk.app.count(under_way).await == 0 {
            break;
        }
        deaths += 1;
        let (added, subscribers) = (
            desk.app.count("select added from imports").await,
            desk.app.count("select count(*) from subscribers").await,
        );
        assert_eq!(added, subscribers, "what was counted is what came in");
    }
    assert!(deaths >= 2, "it was killed in the middle: {deaths}, from {before}");
    assert_eq!(desk.app.count("select count(*) from imports where state = 'done'").await, 1);
    assert_eq!(desk.app.count("select count(*) from subscribers").await, 40_000);
    assert_eq!(desk.app.count("select count(*) from consent_events where method = 'import'").await, 40_000);
    assert_eq!(desk.app.count("select added + known from imports").await, 40_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_can_be_ended_and_ended_ones_stay_so() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let path = desk.taken("email\nmia@example.org\n").await;
    let answer = browser.post(&format!("{path}/cancel"), &[]).await;
    assert_eq!(answer.header("location"), format!("{path}?done=import_cancelled"));
    assert_eq!(desk.app.count("select count(*) from import_pieces").await, 0);
    assert_eq!(browser.get(&path).await.heading(), "Abgebrochen");
    for (what, notice) in [("check", "import_over"), ("cancel", "import_over")] {
        let again = browser.post(&format!("{path}/{what}"), OURS).await;
        assert_eq!(again.header("location"), format!("{path}?done={notice}"));
    }
    browser.post(&format!("{path}/run"), &[("vouched", "yes")]).await;
    assert_eq!(desk.app.count("select count(*) from imports where state = 'cancelled'").await, 1);
    assert_eq!(desk.actions().await, ["import_uploaded", "import_cancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_nobody_brings_in_is_gone_after_a_week_and_its_report_after_three_months() {
    let desk = Desk::new().await;
    let path = desk.taken("email\nmia@example.org\n").await;
    let later = async |days: i64| {
        let mut db = desk.app.pool.acquire().await.unwrap();
        retention::staff_leftovers(&mut db, Utc::now() + TimeDelta::days(days)).await.unwrap();
    };
    later(6).await;
    assert_eq!(desk.app.count("select count(*) from import_pieces").await, 1);
    later(8).await;
    assert_eq!(desk.app.count("select count(*) from import_pieces").await, 0);
    assert_eq!(desk.browser().await.get(&path).await.heading(), "Abgebrochen");
    later(91).await;
    assert_eq!(desk.app.count("select count(*) from imports").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_cells_of_a_file_stay_text() {
    let desk = Desk::new().await;
    let evil = "<img src=x onerror=alert(1)>";
    let file = format!("email,{evil}\nmia@example.org,{evil}\n");
    let answer = desk.upload(&format!("{evil}.csv").replace('"', ""), file.as_bytes()).await;
    let path = answer.header("location").to_owned();
    let browser = desk.browser().await;
    let mut plan = OURS.to_vec();
    plan.retain(|(name, _)| !["consented_at", "source"].contains(name));
    plan.extend([("day", "2025-03-01"), ("source_of_all", evil)]);
    let pages = [
        browser.get(START).await,
        browser.get(&path).await,
        browser
            .post(
                &format!("{path}/check"),
                &[("source_of_all", evil), ("separator", "comma"), ("encoding", "utf8")],
            )
            .await,
    ];
    browser.post(&format!("{path}/check"), &plan).await;
    let checked = desk.wait_for(&path, "checked").await;
    browser.post(&format!("{path}/run"), &[("vouched", "yes")]).await;
    let done = desk.wait_for(&path, "done").await;
    let row = browser.get("/staff/subscribers?q=mia").await;
    let id: uuid::Uuid =
        sqlx::query_scalar("select id from subscribers").fetch_one(&desk.app.pool).await.unwrap();
    let one = browser.get(&format!("/staff/subscribers/{id}")).await;
    assert!(one.body.contains("onerror"), "the source is shown");
    for page in pages.iter().chain([&checked, &done, &row, &one, &browser.get("/staff/audit").await]) {
        assert!(!page.body.contains("<img"), "{}", page.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_cannot_go_on_is_ended_and_keeps_no_other_waiting() {
    let desk = Desk::new().await;
    let broken = desk.taken("email\nmia@example.org\n").await;
    let id = broken.rsplit('/').next().unwrap().to_owned();
    sqlx::query(
        "update imports set state = 'checking', plan = '{\"separator\": \"pipe\"}' where id = $1::text::uuid",
    )
    .bind(&id)
    .execute(&desk.app.pool)
    .await
    .unwrap();
    desk.app
        .wait_for_count("select count(*) from imports where state = 'failed' and failure = 'internal'", 1)
        .await;
    assert_eq!(desk.app.count("select count(*) from import_pieces").await, 0);
    let file = "email,consented_at,consent_source\notto@example.org,2025-03-01,Messe\n";
    sqlx::query("update imports set plan = '{}'").execute(&desk.app.pool).await.unwrap();
    assert_eq!(desk.import(file, OURS).await, [[1, 0, 0, 0, 0]; 2]);
    assert!(desk.browser().await.get(&broken).await.body.contains("Das liegt an uns"));
}

/// What the page says of groups that few lists have.
fn group(page: &Answer, label: &str) -> Option<String> {
    let (_, behind) = page.body.split_once(&format!("<dt>{label}</dt><dd>"))?;
    behind.split('<').next().map(str::to_owned)
}

async fn states(desk: &Desk) -> Vec<(String, String)> {
    sqlx::query_as("select email, state::text from subscribers order by email")
        .fetch_all(&desk.app.pool)
        .await
        .unwrap()
}

const OF_ALL: &[(&str, &str)] = &[("day", "2025-03-01"), ("source_of_all", "früherer Newsletter")];

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_who_left_elsewhere_comes_in_as_that_and_never_active() {
    let desk = Desk::new().await;
    desk.app.subscriber("da@example.org").await;
    let file = "E-Mail;Name;Status\na@example.org;A;Aktiv\nb@example.org;B;Abgemeldet\nc@example.org;C;cleaned\n\
        d@example.org;D;Marked as spam\ne@example.org;E;wartet\nf@example.org;F;vielleicht\ng@example.org;G;\n\
        da@example.org;Da;unsubscribed\n";
    let path = desk.taken(file).await;
    let browser = desk.browser().await;
    let shown = browser.get(&path).await;
    assert!(
        shown.body.contains("name=\"state_2\"") && shown.body.contains("value=\"words\" selected"),
        "{}",
        shown.body
    );
    let mut plan =
        vec![("separator", "semicolon"), ("encoding", "utf8"), ("email", "0"), ("state_2", "words")];
    plan.extend_from_slice(OF_ALL);
    assert_eq!(browser.post(&format!("{path}/check"), &plan).await.status, 303);
    let checked = desk.wait_for(&path, "checked").await;
    browser.post(&format!("{path}/run"), &[("vouched", "yes")]).await;
    for page in [checked, desk.wait_for(&path, "done").await] {
        assert_eq!(counts(&page), [1, 0, 0, 0, 2], "{}", page.body);
        for label in [
            "laut Liste abgemeldet",
            "laut Liste unzustellbar",
            "laut Liste beschwert",
            "nie bestätigt, bleiben draußen",
            "hier angemeldet, laut Liste nicht: unverändert",
        ] {
            assert_eq!(group(&page, label).as_deref(), Some("1"), "{label}");
        }
        assert!(page.body.contains("Zeile 7") && page.body.contains("Zeile 9"), "{}", page.body);
    }
    let state = |email: &str, state: &str| (email.to_owned(), state.to_owned());
    let expected = [
        state("a@example.org", "active"),
        state("b@example.org", "unsubscribed"),
        state("c@example.org", "bounced"),
        state("d@example.org", "complained"),
        state("da@example.org", "active"),
    ];
    assert_eq!(states(&desk).await, expected);
    let b = desk.events("b@example.org").await;
    assert_eq!((b.len(), b[0].method), (1, ConsentMethod::Import));
    assert_eq!(b[0].source.as_deref(), Some("früherer Newsletter"));
    assert_eq!(serde_json::to_value(b[0].kind).unwrap(), "listed_unsubscribed", "nobody saw a withdrawal");
    assert_eq!(desk.app.count("select count(*) from suppressions").await, 0, "a list saw it, not we");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_what_looks_like_a_state_is_asked_about_before_the_dry_run() {
    let desk = Desk::new().await;
    let path =
        desk.taken("email,Mailings erlaubt,Newsletter\na@example.org,x y,ja\nb@example.org,z,nein\n").await;
    let browser = desk.browser().await;
    let check = format!("{path}/check");
    let mut plan = vec![("separator", "comma"), ("encoding", "utf8"), ("email", "0"), ("state_1", "ignore")];
    plan.extend_from_slice(OF_ALL);
    let refused = browser.post(&check, &plan).await;
    assert!(refused.status == 422 && refused.body.contains("id=\"states-error\""), "{}", refused.body);
    plan.extend([("state_2", "subscribed"), ("away", "leave_out")]);
    assert_eq!(browser.post(&check, &plan).await.status, 303);
    let page = desk.wait_for(&path, "checked").await;
    assert_eq!(counts(&page), [1, 0, 0, 0, 0]);
    assert_eq!(group(&page, "laut Liste abgemeldet, bleiben draußen").as_deref(), Some("1"));
    browser.post(&format!("{path}/run"), &[("vouched", "yes")]).await;
    desk.wait_for(&path, "done").await;
    assert_eq!(states(&desk).await, [("a@example.org".to_owned(), "active".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_one_odd_byte_is_one_bad_line_and_changes_no_address() {
    let desk = Desk::new().await;
    let mut file = "email,consented_at,consent_source,note\n".to_owned().into_bytes();
    for number in 0..10 {
        file.extend(format!("p{number}@müller.example,2025-03-01,Messe,ü\n").into_bytes());
    }
    file.extend(b"q@example.org,2025-03-01,Messe,S\xFCd\n");
    assert_eq!(desk.import(&file, OURS).await, [[10, 0, 0, 0, 1]; 2]);
    assert_eq!(desk.addresses().await[0], "p0@xn--mller-kva.example");
    let plan: Vec<(&str, &str)> = OURS
        .iter()
        .copied()
        .map(|(name, value)| (name, if name == "encoding" { "windows1252" } else { value }))
        .collect();
    let path = desk.taken(&file).await;
    let browser = desk.browser().await;
    browser.post(&format!("{path}/check"), &plan).await;
    assert_eq!(browser.post(&format!("{path}/check"), &plan).await.status, 303);
    let page = desk.wait_for(&path, "checked").await;
    assert_eq!(counts(&page), [1, 0, 0, 0, 10], "not even when somebody chooses it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spreadsheets_and_people_write_is_read() {
    let desk = Desk::new().await;
    let text = "sep=;\r\nListe 2025;;;\r\n\r\nName;E-Mail;Eingewilligt am;Sprache\r\n\
        \"Müller\nMia\";Mia <mia@example.org>;01.03.25; \"Deutsch\"\r\nOtto; \"otto@example.org\" ;1.3.2025 14:05;English;;\r\n\
        Anna;a@example.org; b@example.org;\r\nx;c@example.org d@example.org;01.03.25;de\r\n";
    let file: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let path = desk.taken(&file).await;
    let browser = desk.browser().await;
    let shown = browser.get(&path).await;
    assert!(shown.body.contains("<option value=\"1\" selected>E-Mail</option>"), "{}", shown.body);
    let plan = [
        ("separator", "semicolon"),
        ("encoding", "utf8"),
        ("email", "1"),
        ("consented_at", "2"),
        ("locale", "3"),
        ("source_of_all", "Messe"),
    ];
    assert_eq!(browser.post(&format!("{path}/check"), &plan).await.status, 303);
    let checked = desk.wait_for(&path, "checked").await;
    assert_eq!(counts(&checked), [2, 0, 0, 0, 2], "{}", checked.body);
    assert!(checked.body.contains("Zeile 8") && checked.body.contains("Zeile 9"), "{}", checked.body);
    browser.post(&format!("{path}/run"), &[("vouched", "yes")]).await;
    desk.wait_for(&path, "done").await;
    let otto = desk.events("otto@example.org").await;
    assert_eq!(otto[0].consented_at, Some("2025-03-01T13:05:00Z".parse::<DateTime<Utc>>().unwrap()));
    assert_eq!(desk.app.count("select count(*) from subscribers where locale = 'en'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_an_export_comes_back_by_page_as_it_was() {
    let desk = Desk::new().await;
    let file = "email,locale,state,confirmed_at,state_changed_at,id,consented_at,consent_source\n\
        '=1@example.org,en,active,,,,2025-03-01,Messe; '=Süd\nb@example.org,de,unsubscribed,,,,2025-03-01T09:00:00.123456+00:00,'@Stand\n\
        c@example.org,de,bounced,,,,,\nd@example.org,en,complained,,,,2024-01-02,Liste\n";
    let plan = [
        ("separator", "comma"),
        ("encoding", "utf8"),
        ("email", "0"),
        ("locale", "1"),
        ("state_2", "words"),
        ("consented_at", "6"),
        ("source", "7"),
    ];
    assert_eq!(desk.import(file, &plan).await, [[1, 0, 0, 0, 0]; 2]);
    let answer = desk.browser().await.post("/staff/subscribers/export.csv", &[]).await;
    let mut exported: Vec<Vec<String>> = csv::Reader::from_reader(answer.body.as_bytes())
        .records()
        .map(|row| [0, 1, 2, 6, 7].map(|at| row.as_ref().unwrap()[at].to_owned()).to_vec())
        .collect();
    exported.sort();
    let expected = [
        ["'=1@example.org", "en", "active", "2025-03-01", "Messe; '=Süd"],
        ["b@example.org", "de", "unsubscribed", "2025-03-01T09:00:00.123456+00:00", "'@Stand"],
        ["c@example.org", "de", "bounced", "", ""],
        ["d@example.org", "en", "complained", "2024-01-02", "Liste"],
    ];
    assert_eq!(exported, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_the_dry_run_counts_what_the_import_does_across_a_long_list() {
    let desk = Desk::new().await;
    desk.app.subscriber("da@example.org").await;
    // Longer than what is read at once: what stands at its end must hold for its beginning.
    let mut file = String::from("email,consented_at,consent_source,status\n");
    let line = |address: &str, state: &str| format!("{address},2025-03-01,Messe,{state}\n");
    file.push_str(&line("weg@example.org", "active"));
    file.push_str(&line("zweimal@example.org", "active"));
    file.push_str(&line("spam@example.org", "unsubscribed"));
    file.push_str(&line("wieder@example.org", "pending"));
    for number in 0..4_500 {
        file.push_str(&line(&format!("p{number}@example.org"), "active"));
    }
    file.push_str(&line("WEG@example.org", "unsubscribed"));
    file.push_str(&line("zweimal@example.org", "active"));
    file.push_str(&line("spam@example.org", "complained"));
    file.push_str(&line("wieder@example.org", "active"));
    file.push_str(&line("da@example.org", "bounced"));
    let plan = [OURS, &[("state_3", "words")]].concat();
    for leaves_out in [true, false] {
        let mut plan = plan.clone();
        if leaves_out {
            plan.push(("away", "leave_out"));
        }
        let path = desk.taken(&file).await;
        let browser = desk.browser().await;
        browser.post(&format!("{path}/check"), &plan).await;
        let dry = desk.wait_for(&path, "checked").await;
        let counted = "select count(*) from import_people where import_id in (select id from imports where state = 'checked')";
        assert_eq!(desk.app.count(counted).await, 4_505);
        let actives = "select count(*) from subscribers where state = 'active'";
        let before = desk.app.count(actives).await;
        browser.post(&format!("{path}/run"), &[("vouched", "yes")]).await;
        let done = desk.wait_for(&path, "done").await;
        assert_eq!(counts(&dry), counts(&done));
        for label in [
            "laut Liste abgemeldet",
            "laut Liste beschwert",
            "laut Liste abgemeldet, bleiben draußen",
            "nie bestätigt, bleiben draußen",
            "hier angemeldet, laut Liste nicht: unverändert",
        ] {
            assert_eq!(group(&dry, label), group(&done, label), "{label}");
        }
        if leaves_out {
            assert_eq!(counts(&done), [4_502, 1, 0, 0, 0]);
            assert_eq!(group(&done, "laut Liste abgemeldet, bleiben draußen").as_deref(), Some("4"));
            assert_eq!(desk.app.count(actives).await, before + 4_502);
        } else {
            assert_eq!(counts(&done), [0, 4_503, 2, 0, 0]);
            assert_eq!(group(&done, "laut Liste abgemeldet").as_deref(), Some("1"));
            assert_eq!(group(&done, "laut Liste beschwert").as_deref(), Some("1"));
        }
        let weg = "select count(*) from subscribers where email_normalized = 'weg@example.org' and state = 'active'";
        assert_eq!(desk.app.count(weg).await, 0);
        assert_eq!(desk.app.count("select count(*) from import_people").await, 0, "forgotten with the file");
    }
    let ever = "select count(*) from consent_events where kind = 'confirmed' and email_normalized in ('weg@example.org', 'spam@example.org')";
    assert_eq!(desk.app.count(ever).await, 0, "they were not active for a moment");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_every_question_can_be_answered_on_the_page() {
    let desk = Desk::new().await;
    // Asked about beyond what is shown, and because of a value further down.
    let mut header: Vec<String> = (0..70).map(|column| format!("c{column}")).collect();
    (header[0], header[60]) = ("email".to_owned(), "Notizen".to_owned());
    let mut file = header.join(";") + "\n";
    for number in 0..20 {
        let mut row = vec![String::new(); 70];
        row[0] = format!("p{number}@example.org");
        if number == 15 {
            row[60] = "hat sich telefonisch abgemeldet".to_owned();
        }
        file.push_str(&(row.join(";") + "\n"));
    }
    let path = desk.taken(&file).await;
    let browser = desk.browser().await;
    let page = browser.get(&path).await;
    assert!(page.body.contains("id=\"samples_60\">hat sich telefonisch abgemeldet"), "{}", page.body);
    let mut plan = vec![("separator", "semicolon"), ("encoding", "utf8"), ("email", "0")];
    plan.extend_from_slice(OF_ALL);
    let refused = browser.post(&format!("{path}/check"), &plan).await;
    assert!(refused.status == 422 && refused.body.contains("id=\"states-error\""), "{}", refused.body);
    plan.push(("state_60", "remarks"));
    assert_eq!(browser.post(&format!("{path}/check"), &plan).await.status, 303);
    let page = desk.wait_for(&path, "checked").await;
    assert_eq!(counts(&page), [19, 0, 0, 0, 0]);
    assert_eq!(group(&page, "laut Liste abgemeldet").as_deref(), Some("1"));

    // Further down than anybody has looked: told, and answered by editing.
    let mut file = String::from("email,Bemerkung\n");
    for number in 0..300 {
        file.push_str(&format!("q{number}@example.org,ruft zurück\n"));
    }
    file.push_str("z@example.org,bitte nicht mehr anschreiben\n");
    let path = desk.taken(&file).await;
    let mut plan = vec![("separator", "comma"), ("encoding", "utf8"), ("email", "0"), ("state_1", "")];
    plan.extend_from_slice(OF_ALL);
    assert_eq!(browser.post(&format!("{path}/check"), &plan).await.status, 303);
    let page = desk.wait_for(&path, "checked").await;
    assert_eq!(counts(&page), [300, 0, 0, 0, 1]);
    let edited = browser.get(&format!("{path}?edit")).await;
    assert!(edited.body.contains("name=\"state_1\""), "{}", edited.body);
    plan[3] = ("state_1", "remarks");
    assert_eq!(browser.post(&format!("{path}/check"), &plan).await.status, 303);
    assert_eq!(counts(&desk.wait_for(&path, "checked").await), [300, 0, 0, 0, 0]);

    let wide = vec!["x"; 1_200].join(";") + "\n";
    let path = desk.taken(format!("email;{wide}a@example.org;{wide}")).await;
    let mut plan = vec![("separator", "semicolon"), ("encoding", "utf8"), ("email", "0")];
    plan.extend_from_slice(OF_ALL);
    let refused = browser.post(&format!("{path}/check"), &plan).await;
    assert!(refused.status == 422 && refused.body.contains("mehr als 1000 Spalten"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_a_date_that_is_no_consent_is_not_chosen_by_itself() {
    let desk = Desk::new().await;
    let file = "EMAIL;EMAIL_BLACKLISTED;ADDED_TIME;MODIFIED_TIME\na@example.org;no;2025-03-01 10:00:00;\n";
    let path = desk.taken(file).await;
    let browser = desk.browser().await;
    let page = browser.get(&path).await;
    assert!(page.body.contains("<option value=\"brevo\" selected>"), "{}", page.body);
    let chosen = page.body.split("id=\"consented_at\"").nth(1).unwrap();
    assert!(!chosen[..chosen.find("</select>").unwrap()].contains("selected"), "{}", page.body);
    let plan = [("separator", "semicolon"), ("encoding", "utf8"), ("email", "0"), ("source_of_all", "Brevo")];
    let refused = browser.post(&format!("{path}/check"), &plan).await;
    assert!(refused.status == 422 && refused.body.contains("id=\"day-error\""), "{}", refused.body);
    // "Not known" stays what was chosen.
    let none = [("action", "preview"), ("separator", "semicolon"), ("encoding", "utf8"), ("preset", "")];
    let shown = browser.post(&format!("{path}/check"), &none).await;
    assert!(!shown.body.contains("<option value=\"brevo\" selected>"), "{}", shown.body);
    // Another service means other columns: they are shown before anything is read.
    let other = [&plan[..], &[("action", "check"), ("preset", "ghost"), ("day", "2025-01-02")]].concat();
    let shown = browser.post(&format!("{path}/check"), &other).await;
    assert!(
        shown.status == 200 && shown.body.contains("<option value=\"ghost\" selected>"),
        "{}",
        shown.body
    );

    let answer = desk.upload("unsubscribed_members_export_1.csv", b"Email\na@example.org\n").await;
    let path = answer.header("location").to_owned();
    let mut plan = vec![("separator", "comma"), ("encoding", "utf8"), ("email", "0")];
    plan.extend_from_slice(OF_ALL);
    let refused = browser.post(&format!("{path}/check"), &plan).await;
    assert!(refused.status == 422 && refused.body.contains("id=\"everybody-error\""), "{}", refused.body);
    plan.push(("everybody", "left"));
    assert_eq!(browser.post(&format!("{path}/check"), &plan).await.status, 303);
    let page = desk.wait_for(&path, "checked").await;
    assert_eq!(group(&page, "laut Liste abgemeldet").as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_a_heading_over_those_who_left_stops_the_dry_run() {
    let desk = Desk::new().await;
    let path = desk.taken("E-Mail;Name\nin@example.org;Mia\n;\nAbgemeldet:;\nout@example.org;Otto\n").await;
    let mut plan = vec![("separator", "semicolon"), ("encoding", "utf8"), ("email", "0")];
    plan.extend_from_slice(OF_ALL);
    let browser = desk.browser().await;
    assert_eq!(browser.post(&format!("{path}/check"), &plan).await.status, 303);
    let failed = "select count(*) from imports where state = 'failed' and failure = 'others_below'";
    desk.app.wait_for_count(failed, 1).await;
    let page = browser.get(&path).await;
    assert!(page.body.contains("Zeile 4 klingt wie eine Überschrift"), "{}", page.body);
    assert_eq!(desk.app.count("select count(*) from import_people").await, 0);
    assert_eq!(desk.addresses().await, Vec::<String>::new());
}
