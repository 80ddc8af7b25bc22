//! Erasure (Art. 17 DSGVO): only a keyed fingerprint of the address remains, and imports do not bring it back.

use std::time::Duration;

use axum::http::Method;
use chrono::Utc;
use rundbrief::domain::{
    address::EmailAddress,
    mailing::{self, MailingState},
    staff::Role,
    suppression::{self, SuppressionReason},
    token::access_token,
};
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::harness::{
    App, ON_THEIR_WAY, TestApp, http,
    program::Program,
    smtp::{Action, Phase, behave},
};

/// Whoever reads the database must not find this part of it.
const NEEDLE: &str = "loeschmich";
const ADDRESS: &str = "Qx7.Loeschmich@example.org";

/// The tables of which a row holds the needle in any column, in whatever case; bytes are looked into too.
async fn tables_that_know(app: &TestApp) -> Vec<String> {
    let query = "select table_name::text from information_schema.tables
                 where table_schema = 'public' and table_type = 'BASE TABLE' order by 1";
    let tables: Vec<String> = sqlx::query_scalar(query).fetch_all(&app.pool).await.unwrap();
    let mut found = Vec::new();
    for table in tables {
        // A row as text holds every column: jsonb and arrays as they are, bytea in hex.
        let query = format!(
            "select count(*) from \"{table}\" row_of where row_of::text ilike '%' || $1::text || '%'
                 or row_of::text ilike '%' || encode(convert_to(substr($1::text, 2), 'UTF8'), 'hex') || '%'"
        );
        let rows: i64 =
            sqlx::query_scalar(AssertSqlSafe(query)).bind(NEEDLE).fetch_one(&app.pool).await.unwrap();
        if rows > 0 {
            found.push(table);
        }
    }
    found
}

/// Waits until every mail that was queued has been taken, and `n` in all.
async fn all_sent(app: &TestApp, n: usize) {
    app.relay.wait_for(n).await;
    app.wait_for_count("select count(*) from deliveries where state <> 'accepted'", 0).await;
}

/// Signs up, confirms, gets welcome, mailing and test, signs up again, leaves, signs up once more and declines.
async fn full_history(app: &TestApp, program: &Program) {
    app.sign_up(ADDRESS).await;
    let confirmation = app.mail(1).await;
    all_sent(app, 1).await;
    app.confirm(&confirmation.link("/confirm/")).await;
    let welcome = app.mail(2).await;
    all_sent(app, 2).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let update = app.update("Probe").await.to_string();
    program.run(&["mailings", "test", &update, "--to", ADDRESS]).await.done();
    all_sent(app, 5).await;
    app.sign_up(&ADDRESS.to_lowercase()).await;
    all_sent(app, 6).await;
    app.post(&welcome.link("/unsubscribe/"), "").await;
    app.sign_up(ADDRESS).await;
    let second = app.mail(7).await;
    all_sent(app, 7).await;
    let page = app.get(&second.link("/confirm/")).await;
    app.post(&page.form_action(), &format!("action=decline&opened={}", page.field("opened"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_erasure_nothing_names_the_address_and_the_counts_of_past_mailings_stay() {
    // A relay that repeats the address in its answers, as many do.
    let relay = behave(|phase, to| {
        let is_about = to.to_lowercase().contains(NEEDLE);
        match phase {
            Phase::Dot if is_about => Action::Reply("250 2.0.0 queued for <Qx7.Loeschmich@example.org>"),
            _ => Action::Go,
        }
    });
    let settings = App::new().setting("KEEP_IP_DAYS", "7").setting("CONFIRMATION_REPEAT_MINUTES", "0");
    let app = settings.relay(relay).start().await;
    app.subscriber("anna@example.org").await;
    let program = Program::beside(&app);
    full_history(&app, &program).await;
    assert_eq!(
        tables_that_know(&app).await,
        ["consent_events", "deliveries", "signups", "subscribers"],
        "the search finds what is there"
    );
    let list = program.run(&["mailings", "list", "--json"]).await.json();
    let mailing = list[0]["id"].as_str().unwrap();
    let before = program.run(&["mailings", "status", mailing, "--json"]).await.json();
    assert_eq!((&before["audience"], &before["accepted"]), (&json!(2), &json!(2)));
    let events = app.count("select count(*) from consent_events").await;

    let unasked = program.run(&["subscribers", "erase", ADDRESS]).await;
    assert!(unasked.refused(2).contains("--yes"), "{unasked:?}");
    assert_eq!(app.count("select count(*) from consent_events").await, events);

    let erase = ["subscribers", "erase", "qx7.LOESCHMICH@EXAMPLE.org", "--yes", "--json"];
    let erased = program.run(&erase).await.json();
    assert_eq!(
        erased,
        json!({ "subscriber": true, "signups": 3, "consent_events": events, "former_addresses": 0 })
    );
    assert!(tables_that_know(&app).await.is_empty(), "{:?}", tables_that_know(&app).await);
    let after = program.run(&["mailings", "status", mailing, "--json"]).await.json();
    assert_eq!(after, before);

    let normalized = EmailAddress::parse(ADDRESS).unwrap().normalized();
    let hmac = suppression::address_hmac(&app.config.secret_keys, &normalized);
    let recorded: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "select kind::text, address_hmac from consent_events
         union all select reason::text, address_hmac from suppressions",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(recorded, vec![("erased".to_owned(), hmac.to_vec()); 2]);
    assert_eq!(app.count("select count(*) from subscribers").await, 1, "Anna stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_does_not_bring_an_erased_address_back_and_its_owner_does() {
    let app = App::new().start().await;
    let program = Program::beside(&app);
    app.subscriber(ADDRESS).await;
    program.run(&["subscribers", "erase", ADDRESS, "--yes"]).await.done();

    program.file("list.csv", format!("email,consented_at,consent_source\n{ADDRESS},2025-03-01,Messe\n"));
    let imported = program.run(&["subscribers", "import", "list.csv", "--json"]).await.json();
    assert_eq!(imported, json!({ "added": 0, "known": 0, "left": 0, "suppressed": 1, "bad": 0 }));
    assert!(tables_that_know(&app).await.is_empty(), "an import leaves no trace of whom it passed over");
    let shown = program.run(&["subscribers", "show", ADDRESS, "--json"]).await.json();
    assert_eq!((&shown["subscriber"], &shown["suppressed"]), (&json!(null), &json!("erased")));

    app.sign_up(ADDRESS).await;
    let mail = app.mail(1).await;
    let mut db = app.pool.acquire().await.unwrap();
    let normalized = EmailAddress::parse(ADDRESS).unwrap().normalized();
    let suppressed = suppression::find(&mut db, &app.config.secret_keys, &normalized).await.unwrap();
    assert_eq!(suppressed, Some(SuppressionReason::Erased), "asking alone changes nothing");
    app.confirm(&mail.link("/confirm/")).await;
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 1);
    assert_eq!(app.count("select count(*) from suppressions").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_erased_address_is_skipped_and_the_counts_add_up() {
    let app = App::new().without_worker().start().await;
    app.subscriber(ADDRESS).await;
    app.subscriber("anna@example.org").await;
    let mailing = app.trigger().await;
    let mut transaction = app.pool.begin().await.unwrap();
    mailing::fan_out(&mut transaction, Utc::now()).await.unwrap();
    transaction.commit().await.unwrap();

    let program = Program::beside(&app);
    program.run(&["subscribers", "erase", ADDRESS, "--yes"]).await.done();
    let (_, counts) = app.status(mailing).await;
    assert_eq!((counts.pending, counts.skipped), (1, 1));
    assert!(tables_that_know(&app).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_on_its_way_during_the_erasure_leaves_nothing_behind_either() {
    // The relay takes its time, and then speaks of the address.
    let relay = behave(|phase, to| match phase {
        Phase::Body if to == ADDRESS => Action::Delay(Duration::from_secs(4)),
        Phase::Dot if to == ADDRESS => Action::Reply("550 5.1.1 <Qx7.Loeschmich@example.org> unknown"),
        _ => Action::Go,
    });
    let app = App::new().relay(relay).start().await;
    app.subscriber(ADDRESS).await;
    let mailing = app.trigger().await;
    app.wait_for_count(ON_THEIR_WAY, 1).await;
    let program = Program::beside(&app);
    program.run(&["subscribers", "erase", ADDRESS, "--yes"]).await.done();
    assert_eq!(app.status(mailing).await.1.transmitting, 1, "the erasure came while it was on its way");
    let counts = app.wait_for_state(mailing, MailingState::Done).await;
    assert_eq!(counts.rejected, 1, "{counts:?}");
    assert!(tables_that_know(&app).await.is_empty(), "{:?}", tables_that_know(&app).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_nobody_knew_can_be_erased_too() {
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app);
    let erased = program.run(&["subscribers", "erase", ADDRESS, "--yes", "--json"]).await.json();
    assert_eq!(
        erased,
        json!({ "subscriber": false, "signups": 0, "consent_events": 0, "former_addresses": 0 })
    );
    program.file("list.csv", format!("email,consented_at,consent_source\n{ADDRESS},2025-03-01,Messe\n"));
    let imported = program.run(&["subscribers", "import", "list.csv", "--json"]).await.json();
    assert_eq!(imported["suppressed"], 1);
}

/// What takes an address out of a column, or why none gets in.
enum Holds {
    /// It can hold one, and this takes it out.
    ErasedBy(&'static str),
    /// It holds none, because.
    Nothing(&'static str),
    /// Staff write it, or it is of staff: no subscriber's address gets in but by their hand, which erasure says.
    Staff(&'static str),
}
use Holds::{ErasedBy, Nothing, Staff};

/// Every column that can hold text or bytes.
#[rustfmt::skip]
const COLUMNS: &[(&str, &str, Holds)] = &[
    ("accepted_refusals", "reply", Nothing("the relay's words with the recipient masked")),
    ("audit_log", "action", Nothing("a fixed word")),
    ("audit_log", "details", Nothing("numbers and fixed words; addresses of tests are masked")),
    ("audit_log", "staff_email", Staff("who did it, for three years; erasure says that the account stays")),
    ("audit_log", "subject", Nothing("people are masked, files too; else a member, an update's slug or a mailing's subject")),
    ("bounce_mailbox", "problem", Nothing("the server's words, not about a message; addresses are masked")),
    ("bounces", "diagnostic", ErasedBy("the words of a report or a reply; addresses are masked, and they go")),
    ("bounces", "digest", Nothing("SHA-256 of a message, or of a delivery's number")),
    ("bounces", "recipients", ErasedBy("of what is about nobody for certain; the row goes")),
    ("bounces", "remote_mta", ErasedBy("the name of a server, which may be a person's own; it goes")),
    ("bounces", "report", ErasedBy("the message as it came; it goes, and after 90 days in any case")),
    ("bounces", "status", Nothing("an enhanced status code")),
    ("bounces", "way", Nothing("a fixed word")),
    ("database_memory", "database_oid", Nothing("a number of the server's")),
    ("database_memory", "held_for", Nothing("a fixed word")),
    ("database_memory", "system_identifier", Nothing("a number of the server's")),
    ("database_memory", "timeline", Nothing("a number of the server's")),
    ("database_memory", "written_by", Nothing("a number of the server's")),
    ("events", "actor", Nothing("a fixed word")),
    ("events", "ids", Nothing("ids, of rows that are gone after an erasure")),
    ("events", "kind", Nothing("a fixed word")),
    ("events", "txid", Nothing("a number of the server's")),
    ("import_people", "address", Nothing("half of a SHA-256; goes with its list all the same")),
    ("review_links", "made_by", Staff("the name of who made the link; 30 days after its end")),
    ("review_remarks", "name", Staff("how a reviewer called themselves; 30 days after the link's end")),
    ("review_remarks", "remark", Staff("what a reviewer wrote about a draft; 30 days after the link's end")),
    ("update_checks", "done_by", Staff("the name of who looked; goes with the update")),
    ("update_checks", "item", Staff("what staff look at before they send")),
    ("update_templates", "body", Staff("what staff wrote")),
    ("update_templates", "changed_by", Staff("the name of who changed it")),
    ("update_templates", "checklist", Staff("what staff look at before they send")),
    ("update_templates", "image", Staff("the address of a picture")),
    ("update_templates", "image_alt", Staff("what staff say of a picture")),
    ("update_templates", "image_credit", Staff("who made a picture, as staff say")),
    ("update_templates", "locale", Nothing("a language tag")),
    ("update_templates", "name", Staff("what staff called it")),
    ("update_templates", "teaser", Staff("what staff wrote")),
    ("update_templates", "title", Staff("what staff wrote")),
    ("secret_keys", "fingerprint", Nothing("a keyed HMAC of a fixed text")),
    ("workers", "relay", Nothing("a fixed word")),
    ("colleagues", "email", ErasedBy("test_recipient::forget")),
    ("colleagues", "email_normalized", ErasedBy("test_recipient::forget")),
    ("colleagues", "name", ErasedBy("test_recipient::forget")),
    ("confirm_tokens", "token_sha256", Nothing("SHA-256 of random bytes")),
    ("consent_events", "address_hmac", Nothing("a keyed HMAC of it")),
    ("consent_events", "client_ip", Nothing("an IP address, while it is kept; goes with its event")),
    ("consent_events", "consent_locale", Nothing("a language tag")),
    ("consent_events", "consent_text_sha256", Nothing("SHA-256 of a text of ours")),
    ("consent_events", "email", ErasedBy("consent::erase")),
    ("consent_events", "email_normalized", ErasedBy("consent::erase")),
    ("consent_events", "form_page", ErasedBy("consent::erase")),
    ("consent_events", "message_id", Nothing("made of the delivery's number")),
    ("consent_events", "smtp_text", ErasedBy("consent::erase; the recipient is masked in it before")),
    ("consent_events", "source", ErasedBy("consent::erase")),
    ("deliveries", "address", ErasedBy("withdrawal::forget_address")),
    ("deliveries", "smtp_text", ErasedBy("withdrawal::forget_subscriber; the recipient is masked in it before")),
    ("former_addresses", "email_normalized", ErasedBy("its own statement, and the subscriber it belongs to")),
    ("images", "alt", Staff("what staff say of a picture")),
    ("images", "credit", Staff("who made a picture, as staff say")),
    ("images", "extension", Nothing("one of two endings")),
    ("images", "name", Nothing("made of random bytes; what the file was called is not kept")),
    ("images", "upload_sha256", Nothing("SHA-256 of a picture")),
    ("import_pieces", "bytes", ErasedBy("upload::remove_lists_with")),
    ("import_problems", "problem", Nothing("a fixed word; no text of the line")),
    ("imports", "failure", Nothing("a fixed word")),
    ("imports", "file_name", Nothing("addresses are masked when it comes")),
    ("imports", "plan", Staff("columns by number, and where everybody agreed, in the words of staff")),
    ("imports", "staff_email", Staff("who uploaded it, for three months")),
    ("leave_answers", "form", Nothing("random bytes")),
    ("mailings", "body_html", Staff("what staff wrote; recipients are put in when it is sent")),
    ("mailings", "body_text", Staff("what staff wrote; recipients are put in when it is sent")),
    ("mailings", "kept_counts", Nothing("numbers alone")),
    ("mailings", "locale", Nothing("a language tag")),
    ("mailings", "pause_reason", Nothing("the relay's words with the recipient masked")),
    ("mailings", "subject", Staff("what staff wrote")),
    ("orphaned_objects", "key", Nothing("made of random bytes")),
    ("publication_drafts", "content", Staff("the project's own words and addresses, for a day")),
    ("publications", "content", Staff("the project's own words and addresses")),
    ("publications", "content_sha256", Nothing("SHA-256 of the above")),
    ("refusals", "reply", ErasedBy("withdrawal::forget_subscriber")),
    ("signatures_seen", "missing", Nothing("names of headers")),
    ("signatures_seen", "relay", Nothing("host and port of the relay")),
    ("signatures_seen", "selector", Nothing("a label, without an @")),
    ("signatures_seen", "sender_domain", Nothing("the part behind the @ of the publication's sender")),
    ("signatures_seen", "signing_domain", Nothing("a domain, without an @")),
    ("shared_files", "extension", Nothing("one of seven endings")),
    ("shared_files", "name", Nothing("made of random bytes")),
    ("shared_files", "title", Staff("what staff called a file")),
    ("shared_files", "upload_sha256", Nothing("SHA-256 of a file")),
    ("signups", "client_hmac", Nothing("a keyed HMAC of it")),
    ("signups", "email", ErasedBy("erase_one, and address_change::forget")),
    ("signups", "email_normalized", ErasedBy("erase_one, and address_change::forget")),
    ("signups", "form_page", ErasedBy("erase_one, and address_change::forget")),
    ("signups", "locale", Nothing("a language tag")),
    ("signups", "mailbox", ErasedBy("erase_one, and address_change::forget")),
    ("signups", "range_hmac", Nothing("a keyed HMAC of it")),
    ("spent_challenges", "challenge_sha256", Nothing("SHA-256 of random bytes")),
    ("staff", "email", Staff("an account; erasure says that it stays")),
    ("staff", "email_normalized", Staff("an account; erasure says that it stays")),
    ("staff", "name", Staff("an account; erasure says that it stays")),
    ("staff", "password_hash", Nothing("an Argon2id hash")),
    ("staff", "totp_sealed", Nothing("random bytes, encrypted")),
    ("staff_links", "token_sha256", Nothing("SHA-256 of random bytes")),
    ("staff_login_throttle", "bucket", Nothing("a keyed HMAC of it")),
    ("staff_notices", "by_name", Staff("the name of a member, for a week")),
    ("staff_notices", "client", Nothing("browser and system by name")),
    ("staff_notices", "what", Nothing("a fixed word")),
    ("staff_recovery_codes", "code_hmac", Nothing("a keyed HMAC of it")),
    ("staff_sessions", "client", Nothing("browser and system by name")),
    ("staff_sessions", "token_sha256", Nothing("SHA-256 of random bytes")),
    ("subscribers", "email", ErasedBy("erasure::erase_one")),
    ("subscribers", "email_normalized", ErasedBy("erasure::erase_one")),
    ("subscribers", "locale", Nothing("a language tag")),
    ("suppressions", "address_hmac", Nothing("a keyed HMAC of it")),
    ("update_editors", "name", Staff("the name of a member")),
    ("update_versions", "body", Staff("what staff wrote")),
    ("update_versions", "image", Staff("what staff wrote")),
    ("update_versions", "image_alt", Staff("what staff wrote")),
    ("update_versions", "image_credit", Staff("what staff wrote")),
    ("update_versions", "link", Staff("what staff wrote")),
    ("update_versions", "locale", Nothing("a language tag")),
    ("update_versions", "saved_by_name", Staff("the name of a member")),
    ("update_versions", "teaser", Staff("what staff wrote")),
    ("update_versions", "title", Staff("what staff wrote")),
    ("updates", "body", Staff("what staff wrote")),
    ("updates", "changed_by", Staff("the name of a member")),
    ("updates", "image", Staff("what staff wrote")),
    ("updates", "image_alt", Staff("what staff wrote")),
    ("updates", "image_credit", Staff("what staff wrote")),
    ("updates", "link", Staff("what staff wrote")),
    ("updates", "locale", Nothing("a language tag")),
    ("updates", "slug", Staff("made of the title")),
    ("updates", "teaser", Staff("what staff wrote")),
    ("updates", "title", Staff("what staff wrote")),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_column_says_what_removes_an_address_from_it() {
    let app = App::new().without_worker().start().await;
    let there: Vec<(String, String)> = sqlx::query_as(
        "select c.table_name::text, c.column_name::text from information_schema.columns c
         join information_schema.tables t using (table_schema, table_name)
         where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name <> '_sqlx_migrations'
           -- Enumerations, numbers, times, ids and booleans hold none; whatever else there is may.
           and c.data_type not in ('uuid', 'boolean', 'smallint', 'integer', 'bigint', 'real', 'double precision', 'date',
                                   'timestamp with time zone', 'interval')
           and not (c.data_type = 'USER-DEFINED' and exists (
                        select from pg_type e where e.typname = c.udt_name and e.typtype = 'e'))
           and not (c.data_type = 'ARRAY' and c.udt_name in ('_int2', '_int4', '_int8', '_uuid'))
         order by 1, 2",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    let listed: Vec<(String, String)> =
        COLUMNS.iter().map(|(table, column, _)| ((*table).to_owned(), (*column).to_owned())).collect();
    for column in &there {
        assert!(
            listed.contains(column),
            "{column:?} is new: say in COLUMNS what takes an address out of it; all: {there:?}"
        );
    }
    for column in &listed {
        assert!(there.contains(column), "{column:?} is not there any more");
    }
    for (table, column, holds) in COLUMNS {
        let (ErasedBy(why) | Nothing(why) | Staff(why)) = holds;
        assert!(why.len() > 10, "{table}.{column} says why");
    }
}

/// The columns that hold the needle, in whatever case, in UTF-8 or as bytes.
async fn columns_that_know(app: &TestApp) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for (table, column, _) in COLUMNS {
        let query = format!(
            "select count(*) from \"{table}\" where \"{column}\"::text ilike '%' || $1::text || '%'
                 or \"{column}\"::text ilike '%' || encode(convert_to(substr($1::text, 2), 'UTF8'), 'hex') || '%'"
        );
        let rows: i64 =
            sqlx::query_scalar(AssertSqlSafe(query)).bind(NEEDLE).fetch_one(&app.pool).await.unwrap();
        if rows > 0 {
            found.push((*table, *column));
        }
    }
    found
}

/// Puts the address wherever one can stand, also as earlier versions left it.
async fn everywhere(app: &TestApp, program: &Program) {
    full_history(app, program).await;
    let page = format!("email={ADDRESS}&page=https%3A%2F%2Flok-lausitz.example%2F%3Fmail%3D{ADDRESS}");
    app.post("/subscribe", &page).await;
    let admin = app.member("boss@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let colleague = [("name", "Qx7 Loeschmich"), ("email", ADDRESS)];
    assert_eq!(browser.post("/staff/colleagues", &colleague).await.status, 303);
    let list = format!(
        "email,consented_at,consent_source\nanna2@example.org,2025-03-01,Messe\n{ADDRESS},2025-03-01,x\n"
    );
    let name = format!("{ADDRESS}.csv");
    let cookie = format!("__Host-rundbrief={}", browser.cookie("__Host-rundbrief"));
    let headers = [
        ("content-type", "multipart/form-data; boundary=XBOUNDARYX"),
        ("sec-fetch-site", "same-origin"),
        ("cookie", cookie.as_str()),
    ];
    let body = format!(
        "--XBOUNDARYX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: text/csv\r\n\r\n\
         {list}\r\n--XBOUNDARYX--\r\n"
    );
    let answer = http::send(app.address, Method::POST, "/staff/subscribers/import", &headers, body).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    program.file(&name, list);
    program.run(&["subscribers", "import", &name]).await.done();
    for statement in [
        "insert into former_addresses (email_normalized, subscriber_id, left_at)
         select lower($1), id, now() from subscribers where email = 'anna@example.org'",
        "update deliveries set smtp_text = 'to ' || $1 where subscriber_id = (select id from subscribers where email = $1)",
        "insert into consent_events (at, kind, method, email, email_normalized, smtp_code, smtp_text, source, message_id)
         values (now(), 'mail_accepted', 'relay', $1, lower($1), 250, 'queued for ' || $1, 'told by ' || $1, 'x')",
        "insert into refusals (delivery_id, attempt, worker_id, reply)
         select id, 1, 1, 'no such user ' || $1 from deliveries
         where kind = 'mailing' and subscriber_id = (select id from subscribers where email = $1)",
        "insert into bounces (received_at, kind, way, delivery_id, subscriber_id, diagnostic, remote_mta, report, digest)
         select now(), 'hard', 'report', d.id, s.id, 'unknown: ' || $1, 'mx of ' || $1, convert_to('To: ' || $1, 'UTF8'), sha256('1')
         from subscribers s join deliveries d on d.subscriber_id = s.id where s.email = $1 limit 1",
        "insert into bounces (received_at, kind, way, recipients, report, digest)
         values (now(), 'hard', 'report', array[lower($1)], convert_to('To: ' || $1, 'UTF8'), sha256('2')),
                (now(), 'unrecognised', 'report', '{}', convert_to('To: ' || $1, 'UTF8'), sha256('3'))",
    ] {
        let done = sqlx::query(statement).bind(ADDRESS).execute(&app.pool).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_removes_the_address_from_every_column_that_can_hold_one() {
    let settings = App::new().setting("CONFIRMATION_REPEAT_MINUTES", "0");
    let app = settings.start().await;
    app.subscriber("anna@example.org").await;
    let program = Program::beside(&app);
    everywhere(&app, &program).await;
    let erased_by: Vec<(&str, &str)> = COLUMNS
        .iter()
        .filter(|(.., holds)| matches!(holds, ErasedBy(_)))
        .map(|(table, column, _)| (*table, *column))
        .collect();
    assert_eq!(columns_that_know(&app).await, erased_by, "these hold it, and no other does");

    let erased = program.run(&["subscribers", "erase", ADDRESS, "--yes", "--json"]).await;
    assert!(erased.stderr.contains("backups of the database"), "{erased:?}");
    assert!(erased.stderr.contains("log of your relay") && erased.stderr.contains("delivered"), "{erased:?}");
    let erased = erased.json();
    assert_eq!((&erased["colleagues"], &erased["lists"]), (&json!(1), &json!(1)), "{erased}");
    assert_eq!(columns_that_know(&app).await, [], "nothing names it any more");
    assert!(tables_that_know(&app).await.is_empty());
    // Whoever uploaded the list reads why it is gone.
    let boss = app.member("boss2@example.org", Role::Admin).await;
    let id: uuid::Uuid = sqlx::query_scalar("select id from imports").fetch_one(&app.pool).await.unwrap();
    let page = app.browser_of(&boss).await.get(&format!("/staff/subscribers/import/{id}")).await.body;
    assert!(page.contains("über den inzwischen alles gelöscht wurde"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_place_that_erases_says_what_it_cannot_reach() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let id = app.subscriber("ada@example.org").await;
    let page = app.browser_of(&ada).await.get(&format!("/staff/subscribers/{id}/erase")).await.body;
    for out_of_reach in
        ["schon zugestellt", "Protokoll des Mailservers", "Sicherungskopien", "das Konto auf diesen Seiten"]
    {
        assert!(page.contains(out_of_reach), "{out_of_reach}: {page}");
    }
    let address = EmailAddress::parse("ada@example.org").unwrap().normalized();
    let token = access_token(&app.config.secret_keys, id, &address, Utc::now());
    let own = app.get(&format!("/data/{token}/erase")).await.body;
    for out_of_reach in ["in einem Postfach", "Protokoll des Mailservers", "Sicherungskopien"] {
        assert!(own.contains(out_of_reach), "{out_of_reach}: {own}");
    }
    let program = Program::beside(&app);
    let erased = program.run(&["subscribers", "erase", "ada@example.org", "--yes", "--json"]).await;
    assert!(erased.stderr.contains("A staff account has this address"), "{erased:?}");
    assert_eq!(erased.json()["staff_account_stays"], json!(true));
    assert_eq!(app.count("select count(*) from staff").await, 1);
}
