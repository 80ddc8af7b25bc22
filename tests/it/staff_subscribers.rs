//! Subscribers on the staff pages: search, one subscriber, adding, unsubscribing, erasure, export.

use axum::http::Method;
use rundbrief::domain::{
    address::EmailAddress,
    ids::SubscriberId,
    staff::Role,
    subscriber::{
        SubscriberState,
        search::{self, Needle, Search},
    },
};

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, Member},
    program::Program,
};

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

    async fn log(&self) -> Vec<(String, String)> {
        log(&self.app).await
    }
}

/// What is logged of subscribers.
async fn log(app: &TestApp) -> Vec<(String, String)> {
    let query = "select action, subject from audit_log where action not in ('member_added', 'password_set') order by id";
    sqlx::query_as(query).fetch_all(&app.pool).await.unwrap()
}

/// The addresses that a page lists, in its order.
fn listed(page: &Answer) -> Vec<String> {
    let rows = page.body.split("<p class=\"row-title address\">").skip(1);
    rows.map(|row| row.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()).collect()
}

fn query(pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("/staff/subscribers?{query}")
}

async fn find(browser: &Browser<'_>, typed: &str) -> Vec<String> {
    let mut found = listed(&browser.get(&query(&[("q", typed)])).await);
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_found_by_the_beginning_of_the_address_the_last_name_or_the_domain() {
    let desk = Desk::new().await;
    for email in ["mia.krause@example.org", "Krause@web.example", "info@krausen.example", "otto@example.org"]
    {
        desk.app.subscriber(email).await;
    }
    desk.app.subscriber("post@büro.example").await;
    let browser = desk.browser().await;
    assert_eq!(find(&browser, "mia.k").await, ["mia.krause@example.org"]);
    let all = ["Krause@web.example", "info@krausen.example", "mia.krause@example.org"];
    assert_eq!(find(&browser, " KRAUSE").await, all);
    assert_eq!(find(&browser, "@example.o").await, ["mia.krause@example.org", "otto@example.org"]);
    assert_eq!(find(&browser, "krause@ex").await, ["mia.krause@example.org"]);
    assert_eq!(find(&browser, "büro.example").await, ["post@büro.example"]);
    for name in ["Mia Krause", "Krause, Mia", "Mia von Krause"] {
        assert_eq!(find(&browser, name).await, all, "{name}");
    }
    assert_eq!(find(&browser, "Otto Müller <otto@example.org>").await, ["otto@example.org"]);
    desk.app.subscriber("j.mueller@example.org").await;
    assert_eq!(find(&browser, "Jo Müller").await, ["j.mueller@example.org"]);
    assert_eq!(find(&browser, "rause").await, Vec::<String>::new());
    let none = browser.get(&query(&[("q", "rause")])).await;
    assert!(none.body.contains("Dazu gibt es kein Abonnement."));
    let part = browser.get(&query(&[("q", "mia"), ("part", "list")])).await;
    assert!(!part.body.contains("<html") && part.body.contains("1 Abonnement<"), "{}", part.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_has_no_meaning_of_its_own() {
    let desk = Desk::new().await;
    for email in ["50%@example.org", "a_b@example.org", "axb@example.org", "o'neill@example.org"] {
        desk.app.subscriber(email).await;
    }
    let browser = desk.browser().await;
    assert_eq!(find(&browser, "50%").await, ["50%@example.org"]);
    assert_eq!(find(&browser, "a_").await, ["a_b@example.org"]);
    assert_eq!(find(&browser, "%").await, Vec::<String>::new());
    for odd in ["\\", "'", "\"><script>alert(1)</script>", "\0", "\u{10ffff}", "(.*)", &"ü".repeat(5000)] {
        let page = browser.get(&query(&[("q", odd)])).await;
        assert_eq!(page.status, 200, "{odd:?}");
        assert!(!page.body.contains("<script>alert"));
    }
    for odd in
        ["after=1.2.3", "after=0.99999999999999999.x", "month=2026-13", "month=%00", "state=all", "q=%FF"]
    {
        let page = browser.get(&format!("/staff/subscribers?{odd}")).await;
        assert_eq!(page.status, 200, "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_narrowed_by_state_and_by_the_month_of_the_publications_time() {
    let desk = Desk::new().await;
    for (email, at, state) in [
        // In Berlin it is October already.
        ("a@example.org", "2025-09-30 22:30:00+00", "active"),
        ("b@example.org", "2025-10-31 22:59:00+00", "unsubscribed"),
        ("c@example.org", "2025-10-31 23:00:00+00", "active"),
    ] {
        desk.app.subscriber(email).await;
        sqlx::query("update subscribers set confirmed_at = $2::text::timestamptz, state = $3::text::subscriber_state where email = $1")
            .bind(email)
            .bind(at)
            .bind(state)
            .execute(&desk.app.pool)
            .await
            .unwrap();
    }
    let browser = desk.browser().await;
    let found = async |pairs: &[(&str, &str)]| listed(&browser.get(&query(pairs)).await);
    assert_eq!(found(&[]).await, ["c@example.org", "b@example.org", "a@example.org"]);
    assert_eq!(found(&[("month", "2025-10")]).await, ["b@example.org", "a@example.org"]);
    assert_eq!(found(&[("state", "active")]).await, ["c@example.org", "a@example.org"]);
    assert_eq!(found(&[("month", "2025-10"), ("state", "unsubscribed")]).await, ["b@example.org"]);
    assert_eq!(
        found(&[("q", "example.org"), ("month", "2025-10"), ("state", "active")]).await,
        ["a@example.org"]
    );
    let page = browser.get(&query(&[("month", "2025-10")])).await;
    assert!(page.body.contains("<option value=\"2025-10\" selected>Oktober 2025</option>"), "{}", page.body);
}

/// Goes through all pages of a search.
async fn through(browser: &Browser<'_>, first: &str, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let (mut all, mut path) = (Vec::new(), first.to_owned());
    for number in 0..20 {
        let page = browser.get(&path).await;
        all.extend(listed(&page));
        let Some(end) = page.body.find("\">Weitere</a>") else { return all };
        let begin = page.body[..end].rfind("href=\"").unwrap() + 6;
        path = page.body[begin..end].replace("&amp;", "&");
        between(number).await;
    }
    panic!("the pages do not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_everybody_once_also_while_others_come_and_go() {
    let desk = Desk::new().await;
    desk.app.subscribers(130).await;
    let browser = desk.browser().await;
    let expected: std::collections::BTreeSet<String> =
        (1..=130).map(|n| format!("s{n}@example.org")).collect();
    for first in [query(&[]), query(&[("state", "active")]), query(&[("q", "s")]), query(&[("q", "example")])]
    {
        let seen = through(&browser, &first, async |number| {
            desk.app.subscriber(&format!("new{number}@elsewhere.example")).await;
        })
        .await;
        let old: Vec<&String> = seen.iter().filter(|email| expected.contains(*email)).collect();
        assert_eq!(old.len(), 130, "{first}: everybody once");
        assert_eq!(old.into_iter().cloned().collect::<std::collections::BTreeSet<_>>(), expected, "{first}");
    }
    // The last one shown is erased before the next page is asked for.
    let page = browser.get(&query(&[])).await;
    let last = listed(&page).pop().unwrap();
    let end = page.body.find("\">Weitere</a>").unwrap();
    let next = page.body[page.body[..end].rfind("href=\"").unwrap() + 6..end].replace("&amp;", "&");
    sqlx::query("delete from subscribers where email = $1").bind(last).execute(&desk.app.pool).await.unwrap();
    assert_eq!(
        listed(&browser.get(&next).await).len(),
        50,
        "the newest-first order needs nobody to go on behind"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_reads_no_more_of_the_indexes_than_it_shows() {
    let app = App::new().without_worker().start().await;
    sqlx::query(
        "insert into subscribers (id, email, email_normalized, locale, state, created_at, confirmed_at, state_changed_at)
         select gen_random_uuid(), e, e, 'de', 'active', now(), now() - n * interval '1 second', now()
         from (select n, 'mia.krause' || n || '@example.org' as e from generate_series(1, 30000) n) x",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    sqlx::query("vacuum analyze subscribers").execute(&app.pool).await.unwrap();
    let mut db = app.pool.begin().await.unwrap();
    let searches = [
        Search { text: Needle::parse("m"), ..Search::default() },
        Search { text: Needle::parse("krause"), ..Search::default() },
        Search {
            text: Needle::parse("example.org"),
            state: Some(SubscriberState::Active),
            ..Search::default()
        },
        Search { text: Needle::parse("nobody"), ..Search::default() },
        Search::default(),
        Search { state: Some(SubscriberState::Active), ..Search::default() },
        Search { state: Some(SubscriberState::Complained), ..Search::default() },
    ];
    for search in &searches {
        let first = search::page(&mut db, search, None, 50).await.unwrap();
        if let Some(next) = first.next {
            let second = search::page(&mut db, search, Some(next), 50).await.unwrap();
            assert_eq!(second.subscribers.len(), 50);
        }
    }
    let (sequential, fetched): (i64, i64) = sqlx::query_as(
        "select seq_scan, coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relname = 'subscribers'",
    )
    .fetch_one(&mut *db)
    .await
    .unwrap();
    assert_eq!(sequential, 0, "never through the whole table");
    // Seven searches with two pages each at most, 51 rows of an index and 50 of the table each; and not 30,000.
    assert!(fetched < 4_000, "{fetched} rows were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_counted_up_to_a_thousand() {
    let desk = Desk::new().await;
    desk.app.subscribers(1_000).await;
    let browser = desk.browser().await;
    assert!(browser.get(&query(&[])).await.body.contains("1.000 Abonnements<"));
    desk.app.subscriber("one@example.org").await;
    assert!(browser.get(&query(&[])).await.body.contains("mehr als 1.000 Abonnements<"));
    assert!(browser.get(&query(&[("q", "s"), ("lang", "en")])).await.body.contains("1,000 subscribers<"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_to_enter_somebody_is_led_to_where_it_is_said_who_asked_how() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let page = browser.get("/staff/subscribers").await.body;
    assert!(page.contains("href=\"/staff/phone\">Jemanden eintragen</a>"), "{page}");
    assert!(!page.contains("/staff/subscribers/add"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_page_tells_everything_of_somebody_and_keeps_what_they_typed_as_text() {
    let app = App::new().start().await;
    let admin = app.member("ada@example.org", Role::Admin).await;
    let form = "email=mia%40example.org&locale=de&page=https%3A%2F%2Fexample.org%2F%3Cscript%3Ealert%281%29";
    assert_eq!(app.post("/subscribe", form).await.status, 303);
    let link = app.mail(1).await.link("/confirm/");
    app.confirm(&link).await;
    app.mail(2).await;
    let browser = app.browser_of(&admin).await;
    let row = browser.get("/staff/subscribers?q=mia").await.body;
    let id = row.split("/staff/subscribers/").find(|part| part.contains("mia@")).unwrap()[..36].to_owned();
    app.wait_for_count("select count(*) from deliveries where state = 'accepted'", 2).await;
    let page = browser.get(&format!("/staff/subscribers/{id}")).await;
    assert_eq!(page.status, 200);
    for part in [
        "mia@example.org",
        "Anmeldung angefragt",
        "Bestätigungsmail verschickt",
        "Link in der E\u{2011}Mail geöffnet",
        "Einwilligung bestätigt",
        "Ja, ich möchte den Newsletter von LOK Lausitz",
        "Begrüßung",
        "vom Mailserver angenommen",
    ] {
        assert!(page.body.contains(part), "{part} is missing in {}", page.body);
    }
    assert!(!page.body.contains("<script>"), "what was sent as page stays text");
    assert_eq!(log(&app).await, [], "a look is not logged");
    for nobody in ["x", "0193a2b1-0000-7000-8000-000000000000"] {
        assert_eq!(browser.get(&format!("/staff/subscribers/{nobody}")).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proof_is_the_one_of_the_command_and_taking_it_is_logged() {
    let desk = Desk::new().await;
    let token = desk.app.sign_up_unsent("mia@example.org").await;
    desk.app.confirm(&format!("/confirm/{}", token.reveal())).await;
    let id: uuid::Uuid =
        sqlx::query_scalar("select id from subscribers").fetch_one(&desk.app.pool).await.unwrap();
    let browser = desk.browser().await;
    let program = Program::beside(&desk.app);
    for form in ["html", "json"] {
        let proof = browser.post(&format!("/staff/subscribers/{id}/proof"), &[("form", form)]).await;
        assert_eq!(proof.status, 200);
        let disposition = proof.header("content-disposition");
        assert!(disposition.starts_with("attachment;") && !disposition.contains("mia"), "{disposition}");
        let file = format!("proof.{form}");
        program.file(&file, &proof.body);
        program.run(&["subscribers", "verify-proof", &file]).await.done();
    }
    let masked = EmailAddress::parse("mia@example.org").unwrap().masked();
    assert_eq!(desk.log().await, vec![("proof_downloaded".to_owned(), masked); 2]);
    let none = desk.app.subscriber("ohne@example.org").await;
    assert_eq!(browser.post(&format!("/staff/subscribers/{none}/proof"), &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_to_leave_is_unsubscribed_once_with_who_asked_how_and_who_did_it() {
    let desk = Desk::new().await;
    let id = desk.app.subscriber("mia@example.org").await;
    let browser = desk.browser().await;
    let path = format!("/staff/subscribers/{id}");
    assert!(browser.get(&path).await.body.contains("action=\"/staff/phone/ask\""));
    let asked =
        browser.post("/staff/phone/ask", &[("email", "mia@example.org"), ("what", "unsubscribe")]).await;
    assert!(asked.body.contains("action=\"/staff/phone/unsubscribe\""), "{}", asked.body);
    let form = [("email", "mia@example.org"), ("channel", "letter")];
    let answer = browser.post("/staff/phone/unsubscribe", &form).await;
    assert_eq!(answer.header("location"), "/staff/phone?done=unsubscribed");
    assert_eq!(browser.post("/staff/phone/unsubscribe", &form).await.status, 409);
    let page = browser.get(&path).await.body;
    assert!(page.contains("abgemeldet</span>") && page.contains("Brief"), "{page}");
    let masked = EmailAddress::parse("mia@example.org").unwrap().masked();
    // The second one was told how the address stands.
    let logged =
        ["subscriber_unsubscribed", "address_looked_up"].map(|what| (what.to_owned(), masked.clone()));
    assert_eq!(desk.log().await, logged);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_says_first_what_it_means_and_leaves_no_address_behind() {
    let desk = Desk::new().await;
    let id = desk.app.subscriber("verschwunden@example.org").await;
    let browser = desk.browser().await;
    let path = format!("/staff/subscribers/{id}/erase");
    let page = browser.get(&path).await;
    for part in ["verschwunden@example.org", "Das ist dann weg", "Das bleibt", "nicht rückgängig"] {
        assert!(page.body.contains(part), "{part}");
    }
    assert_eq!(desk.app.count("select count(*) from subscribers").await, 1, "a look erases nobody");
    let answer = browser.post(&path, &[]).await;
    assert_eq!(answer.header("location"), "/staff/subscribers?done=subscriber_erased");
    assert!(!desk.app.whole_database().await.contains("verschwunden"), "not in the audit log either");
    assert_eq!(desk.log().await[0].0, "subscriber_erased");
    assert_eq!(browser.post(&path, &[]).await.status, 404, "gone is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_streamed_whole_harmless_to_spreadsheets_and_logged() {
    let desk = Desk::new().await;
    desk.app.subscribers(12_000).await;
    let dangerous: Vec<SubscriberId> = vec![
        desk.app.subscriber("=1+1@example.org").await,
        desk.app.subscriber("+49@example.org").await,
        desk.app.subscriber("-a@example.org").await,
    ];
    let browser = desk.browser().await;
    let answer = browser.post("/staff/subscribers/export.csv", &[]).await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\"subscribers-20"));
    assert_eq!(answer.header("content-length"), "", "nobody holds the whole of it");
    let mut reader = csv::Reader::from_reader(answer.body.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 12_003);
    for field in rows.iter().flatten() {
        assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field}");
    }
    for id in dangerous {
        let row = rows.iter().find(|row| row[5] == id.to_string()).unwrap();
        assert!(row[0].starts_with('\''));
    }
    assert_eq!(answer.body, Program::beside(&desk.app).run(&["subscribers", "export"]).await.done());
    let logged: i64 = sqlx::query_scalar(
        "select (details ->> 'subscribers')::bigint from audit_log where action = 'subscribers_exported'",
    )
    .fetch_one(&desk.app.pool)
    .await
    .unwrap();
    assert_eq!(logged, 12_003);
    let told = "select count(distinct actor) from events where kind = 'subscribers_exported' and ids = '{}'";
    assert_eq!(desk.app.count(told).await, 2, "by the page and by the command");
    let get = browser.send(Method::GET, "/staff/subscribers/export.csv", &[], "").await;
    assert_eq!(get.status, 405, "no link in a mail takes the list");
    let page = browser.get("/staff/audit").await;
    assert!(
        page.body.contains("alle Abonnements heruntergeladen") && page.body.contains("Abonnements: 12.003")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_stops_reading_an_export_holds_up_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let desk = Desk::new().await;
    desk.app.subscribers(60_000).await;
    let browser = desk.browser().await;
    let cookie = format!("__Host-rundbrief={}", browser.cookie("__Host-rundbrief"));
    let mut readers = Vec::new();
    // As many as the pool has connections, and more.
    for _ in 0..24 {
        let mut line = tokio::net::TcpStream::connect(desk.app.address).await.unwrap();
        let request = format!(
            "POST /staff/subscribers/export.csv HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\ncontent-length: 0\r\n\r\n"
        );
        line.write_all(request.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        line.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        readers.push(line);
    }
    assert_eq!(browser.get("/staff/subscribers?q=s1").await.status, 200, "there are connections for others");
}
