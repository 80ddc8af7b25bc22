//! The page of a mailing: progress, pause, resume, cancel, report, retry.

use std::{collections::BTreeSet, time::Duration};

use rundbrief::domain::{
    actor::Actor,
    consent::ConsentMethod,
    ids::MailingId,
    mailing::{self, MailingState, PauseKind},
    staff::Role,
    subscriber,
};

use crate::harness::{
    App, TestApp,
    browser::{Browser, Member},
    smtp::{Action, Phase, behave},
};

/// The value that the page shows at a place the script keeps up to date.
fn live(page: &str, name: &str) -> String {
    let mark = format!("data-live=\"{name}\">");
    let from = page.find(&mark).unwrap_or_else(|| panic!("no {name} in {page}")) + mark.len();
    page[from..from + page[from..].find('<').unwrap()].to_owned()
}

async fn editor(app: &TestApp) -> Member {
    app.member("mia@example.org", Role::Editor).await
}

async fn press(browser: &Browser<'_>, id: MailingId, button: &str) -> String {
    let answer = browser.post(&format!("/staff/mailings/{id}/{button}"), &[]).await;
    let to = answer.header("location").to_owned();
    to.split_once("?done=").unwrap_or_else(|| panic!("{button}: {}", answer.body)).1.to_owned()
}

async fn page(browser: &Browser<'_>, id: MailingId) -> String {
    let answer = browser.get(&format!("/staff/mailings/{id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// A relay that refuses two and cuts the line to one, whatever is between.
fn troubled(phase: Phase, to: &str) -> Action {
    match phase {
        Phase::Rcpt if ["s4@example.org", "s8@example.org"].contains(&to) => {
            Action::Reply("550 5.1.1 <b>no such user</b> as info@example.net")
        }
        Phase::Dot if to == "s7@example.org" => Action::Cut,
        _ => Action::Go,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_tells_what_the_relay_accepted_and_what_not_by_reply_and_with_addresses() {
    let app = App::new().relay(behave(troubled)).start().await;
    app.subscribers(20).await;
    let id = app.trigger_update(app.update("Neues <i>hier</i>").await).await;
    app.wait_for_state(id, MailingState::Done).await;
    let browser = app.browser_of(&editor(&app).await).await;
    let masked = page(&browser, id).await;
    assert!(masked.contains("s…@example.org") && !masked.contains("s4@"), "for editors: {masked}");
    assert!(!masked.contains("no such user") && !masked.contains("info@"), "for editors: {masked}");
    assert!(masked.contains("Dieses Postfach gibt es nicht"), "in our words: {masked}");
    assert!(masked.contains("<code>550 5.1.1</code>"), "with the codes behind: {masked}");
    let browser = app.browser_of(&app.member("admin@example.org", Role::Admin).await).await;
    let report = page(&browser, id).await;
    for (name, count) in [("accepted", "17"), ("rejected", "2"), ("unknown", "1"), ("skipped", "0")] {
        assert_eq!(live(&report, name), count, "{name}");
    }
    for shown in [
        "hat 17 von 20 angenommen",
        "Dieses Postfach gibt es nicht",
        "<code>550</code>",
        "s4@example.org",
        "s8@example.org",
        "s7@example.org",
        "Technik (am Server)",
    ] {
        assert!(report.contains(shown), "{shown}: {report}");
    }
    assert!(report.contains("&lt;b&gt;no such user") && !report.contains("<b>no such"), "{report}");
    assert!(!report.contains("<i>hier") && report.contains("Neues &lt;i&gt;hier"));
    assert!(!report.contains("s5@example.org"), "who has it is nobody's trouble");
    assert!(!report.contains("http-equiv") && !report.contains("data-events"), "nothing changes any more");
    let english = browser.get(&format!("/staff/mailings/{id}?lang=en")).await.body;
    for word in ["zugestellt", "Zugestellt", "delivered", "Delivered"] {
        assert!(!report.contains(word) && !english.contains(word), "nobody knows that: {word}");
    }
}

/// The ways in which relays quote whom they refuse.
const SPELLINGS: [&str; 10] = [
    "<{local}@{domain}>: no",
    "no such user {LOCAL}",
    "{local}={domain} is unknown",
    "see https://mx.example/{local}%40{domain}",
    "{local} at {domain}",
    "bounces+{local}={domain}@relay.example",
    "\"{local}\"@{domain}",
    "rfc822;{LOCAL}@{DOMAIN}",
    "SRS0=x=y={domain}={local}@relay.example",
    "{local} (at) {domain}",
];

/// Refuses each recipient in another spelling; the number stands in the address.
fn quotes(phase: Phase, to: &str) -> Action {
    let (local, domain) = to.split_once('@').unwrap_or_default();
    match local.strip_prefix("erika.geheim").and_then(|n| n.parse::<usize>().ok()) {
        Some(n) if phase == Phase::Rcpt => {
            let said = SPELLINGS[n]
                .replace("{local}", local)
                .replace("{domain}", domain)
                .replace("{LOCAL}", &local.to_uppercase())
                .replace("{DOMAIN}", &domain.to_uppercase());
            Action::Reply(Box::leak(format!("550 5.1.1 {said}").into_boxed_str()))
        }
        _ => Action::Go,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_relay_quotes_is_masked_in_every_spelling_where_it_is_stored_and_shown() {
    let app = App::new().relay(behave(quotes)).start().await;
    app.subscribers(3).await;
    for n in 0..SPELLINGS.len() {
        // Several domains would make it a run about us, with ten that are equal.
        app.subscriber(&format!("erika.geheim{n}@example.org")).await;
    }
    let id = app.trigger().await;
    app.wait_for_state(id, MailingState::Done).await;
    let stored: Vec<String> =
        sqlx::query_scalar("select smtp_text from deliveries where state = 'rejected' order by id")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(stored.len(), SPELLINGS.len(), "{stored:?}");
    for text in &stored {
        assert!(!text.to_lowercase().contains("geheim") && text.contains('…'), "{text}");
    }
    let boss = app.browser_of(&app.member("admin@example.org", Role::Admin).await).await;
    let mia = app.browser_of(&editor(&app).await).await;
    let report = page(&mia, id).await;
    assert!(!report.to_lowercase().contains("geheim"), "for editors: {report}");
    assert!(report.contains("Dieses Postfach gibt es nicht"), "{report}");
    assert_eq!(
        report.matches("<code>550 5.1.1</code>").count(),
        1,
        "in our words they are one group: {report}"
    );
    let file = mia.post(&format!("/staff/mailings/{id}/report.csv"), &[]).await.body;
    assert!(!file.to_lowercase().contains("geheim"), "{file}");

    // An earlier version stored what the relay said as it was.
    sqlx::query(
        "update deliveries set smtp_text = '5.1.1 no such user erika.geheim1' where state = 'rejected'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let file = mia.post(&format!("/staff/mailings/{id}/report.csv"), &[]).await.body;
    assert!(!file.to_lowercase().contains("geheim"), "{file}");
    assert!(!page(&mia, id).await.to_lowercase().contains("geheim"));
    let file = boss.post(&format!("/staff/mailings/{id}/report.csv"), &[]).await.body;
    let line = file.lines().find(|line| line.contains("erika.geheim1@")).unwrap();
    assert!(line.contains("no such user e…1"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_and_unknown_ones_are_sent_again_after_it_was_said_what_that_means() {
    let app = App::new().relay(behave(troubled)).start().await;
    app.subscribers(20).await;
    let id = app.trigger().await;
    app.wait_for_state(id, MailingState::Done).await;
    app.relay.set(behave(|_, _| Action::Go));
    let browser = app.browser_of(&editor(&app).await).await;
    let path = format!("/staff/mailings/{id}/retry");

    let before = app.whole_database().await;
    let ask = browser.get(&format!("{path}?what=unknown")).await;
    assert!(
        ask.body.contains("ein zweites Mal") && ask.body.contains("1 E\u{2011}Mail noch einmal senden"),
        "{}",
        ask.body
    );
    let ask = browser.get(&format!("{path}?what=rejected")).await;
    assert!(ask.body.contains("2 E\u{2011}Mails noch einmal senden"), "{}", ask.body);
    assert_eq!(app.whole_database().await, before);
    for what in ["", "accepted", "skipped"] {
        let answer = browser.post(&path, &[("what", what)]).await;
        assert!(answer.header("location").ends_with("?done=nothing_to_retry"), "{what}");
    }
    assert_eq!(app.relay.accepted_count(), 18, "with the one that nobody knows of");

    let again = browser.post(&path, &[("what", "rejected")]).await;
    assert!(again.header("location").ends_with("?done=retried"), "{}", again.body);
    app.wait_for_count("select count(*) from deliveries where state = 'accepted'", 19).await;
    app.wait_for_state(id, MailingState::Done).await;
    let again = browser.post(&path, &[("what", "unknown")]).await;
    assert!(again.header("location").ends_with("?done=retried"));
    app.wait_for_count("select count(*) from deliveries where state = 'accepted'", 20).await;
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!((counts.accepted, counts.rejected, counts.unknown), (20, 0, 0));
    let copies = app.relay.sink_count_per_recipient();
    assert_eq!((copies["s4@example.org"], copies["s7@example.org"], copies["s1@example.org"]), (1, 2, 1));
    assert_eq!(app.actions().await.iter().filter(|action| *action == "mailing_retried").count(), 2);
    let again = browser.post(&path, &[("what", "unknown")]).await;
    assert!(again.header("location").ends_with("?done=nothing_to_retry"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_everybody_is_refused_alike_somebody_reads_the_words_and_may_let_them_stand() {
    let gone = behave(|phase, _| match phase {
        Phase::Rcpt => Action::Reply("550 5.1.1 no such user <info@example.org>"),
        _ => Action::Go,
    });
    let app = App::new().relay(gone).start().await;
    app.subscribers(20).await;
    sqlx::query("update subscribers set email = replace(email, '@', '@' || left(id::text, 1) || '.'), email_normalized = replace(email_normalized, '@', '@' || left(id::text, 1) || '.')")
        .execute(&app.pool)
        .await
        .unwrap();
    let id = app.trigger().await;
    let browser = app.browser_of(&editor(&app).await).await;
    let path = format!("/staff/mailings/{id}/refusals");
    let early = browser.post(&path, &[]).await;
    assert!(early.header("location").ends_with("?done=no_refusals"), "nothing to decide yet");
    app.wait_for_state(id, MailingState::Paused).await;
    app.wait_for_count("select count(*) from deliveries where state = 'rejected'", 0).await;
    assert!(page(&browser, id).await.contains(&path));

    let before = app.whole_database().await;
    let ask = browser.get(&path).await;
    assert!(ask.body.contains("5.1.1 no such user") && !ask.body.contains("info@"), "{}", ask.body);
    assert!(ask.body.contains("Ablehnungen gelten lassen und fortsetzen"), "{}", ask.body);
    assert_eq!(app.whole_database().await, before);

    let accepted = browser.post(&path, &[]).await;
    assert!(accepted.header("location").ends_with("?done=refusals_accepted"), "{}", accepted.body);
    let counts = app.wait_for_state(id, MailingState::Done).await;
    assert_eq!((counts.rejected, counts.accepted), (20, 0));
    assert!(app.actions().await.iter().any(|action| action == "refusals_accepted"));
    assert!(!page(&browser, id).await.contains(&path));
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_resuming_and_cancelling_do_what_their_words_say() {
    let slow = |phase: Phase, _: &str| match phase {
        Phase::Mail => Action::Delay(Duration::from_millis(60)),
        _ => Action::Go,
    };
    let app = App::new().setting("SMTP_CONNECTIONS", "1").relay(behave(slow)).start().await;
    app.subscribers(400).await;
    let id = app.trigger().await;
    let browser = app.browser_of(&editor(&app).await).await;
    app.wait_for_state(id, MailingState::Sending).await;
    app.relay.wait_for(3).await;
    let running = page(&browser, id).await;
    assert!(running.contains("/assets/staff-mailing.") && running.contains("content=\"5\""), "{running}");
    assert!(running.contains("Was gerade übertragen wird, geht noch hinaus"), "{running}");
    let at = |part: &str| running.find(part).unwrap_or_else(|| panic!("{part} in {running}"));
    assert!(at("<progress") < at("/pause\"") && at("/pause\"") < at("class=\"tiles\""), "beside the bar");

    assert_eq!(press(&browser, id, "pause").await, "mailing_paused");
    app.wait_for_count("select coalesce(sum(cardinality(transmitting)), 0)::bigint from batches", 0).await;
    let held = app.relay.accepted_count();
    let paused = page(&browser, id).await;
    assert!(
        paused.contains("Jemand hat die Aussendung angehalten") && !paused.contains("paused by staff"),
        "{paused}"
    );
    assert_eq!(live(&paused, "accepted"), held.to_string());
    assert_eq!(live(&paused, "waiting"), (400 - held).to_string());
    assert_eq!(press(&browser, id, "pause").await, "mailing_changed");
    assert_eq!(press(&browser, id, "take-back").await, "too_late");

    assert_eq!(press(&browser, id, "resume").await, "mailing_resumed");
    assert_eq!(press(&browser, id, "resume").await, "mailing_changed");
    app.relay.wait_for(held + 3).await;
    assert_eq!(press(&browser, id, "cancel").await, "mailing_cancelled");
    assert_eq!(press(&browser, id, "cancel").await, "mailing_changed");
    app.wait_for_count("select count(*) from batches", 0).await;
    let (_, counts) = app.status(id).await;
    assert_eq!(counts.accepted + counts.skipped + counts.unknown, 400, "{counts:?}");
    assert!(counts.skipped > 300, "{counts:?}");
    let over = page(&browser, id).await;
    assert_eq!(live(&over, "skipped"), counts.skipped.to_string());
    assert!(
        over.contains("abgebrochen") && !over.contains("/resume\"") && !over.contains("/pause\""),
        "{over}"
    );
    let wanted = ["mailing_paused", "mailing_resumed", "mailing_cancelled"];
    let actions = app.actions().await;
    assert_eq!(&actions[actions.len() - 3..], wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_paused_itself_says_why_and_what_to_do_in_words_for_people() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let id = app.trigger().await;
    let browser = app.browser_of(&editor(&app).await).await;
    let mut db = app.pool.acquire().await.unwrap();
    for (kind, told) in [
        (PauseKind::Login, "Benutzername oder Passwort"),
        (PauseKind::Sender, "Absenderadresse der Publikation"),
        (PauseKind::Policy, "nicht an den Empfängerinnen und Empfängern"),
        (PauseKind::Unreachable, "Sie müssen nichts tun"),
    ] {
        let now = chrono::Utc::now();
        mailing::pause(&mut db, id, kind, "421 <script>away</script>", now).await.unwrap();
        let paused = page(&browser, id).await;
        assert!(paused.contains(told) && paused.contains("421 &lt;script&gt;away"), "{told}: {paused}");
        assert!(!paused.contains("<script>away"));
        assert!(
            paused.contains("/resume\"") && paused.contains("/pause\""),
            "it may be held, so that it does not go on by itself"
        );
        assert_eq!(press(&browser, id, "resume").await, "mailing_resumed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_comes_as_a_file_that_no_spreadsheet_runs_and_that_is_logged() {
    let app = App::new().relay(behave(troubled)).start().await;
    // More than are read at once.
    app.subscribers(1_500).await;
    app.subscriber("=cmd|calc@example.org").await;
    let id = app.trigger().await;
    app.wait_for_state(id, MailingState::Done).await;
    let path = format!("/staff/mailings/{id}/report.csv");
    let masked = app.browser_of(&editor(&app).await).await.post(&path, &[]).await;
    let rows = masked.body.lines().skip(1);
    assert!(
        rows.clone().all(|row| row.contains("…") && row.contains("@example.org,")),
        "an editor's has no address"
    );
    assert_eq!(rows.count(), 1_501);
    assert!(
        masked.body.contains("Dieses Postfach gibt es nicht") && !masked.body.contains("info@"),
        "nor what the relay says, but what it means"
    );
    let browser = app.browser_of(&app.member("admin@example.org", Role::Admin).await).await;
    let file = browser.post(&path, &[]).await;
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    assert!(file.header("content-disposition").starts_with("attachment; filename=\"report-20"));
    let text = file.body.strip_prefix('\u{feff}').expect("Excel needs the mark");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().unwrap().iter().collect::<Vec<_>>().join(",");
    assert_eq!(head, "email,state,attempts,smtp_code,smtp_text,finished_at,came_back");
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let addresses: BTreeSet<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!((rows.len(), addresses.len()), (1_501, 1_501), "everybody, each once");
    assert!(addresses.contains("'=cmd|calc@example.org"), "nothing that runs");
    let of = |state: &str| rows.iter().filter(|row| &row[1] == state).count();
    assert_eq!((of("accepted"), of("rejected"), of("unknown")), (1_498, 2, 1));
    let refused = rows.iter().find(|row| &row[0] == "s4@example.org").unwrap();
    assert_eq!((&refused[3], &refused[4]), ("550", "5.1.1 <b>no such user</b> as info@example.net"));
    assert_eq!(app.actions().await.last().unwrap(), "report_downloaded");
    let told = "select count(*) from events e join mailings m on m.id::text = e.ids ->> 'mailing'
        where e.kind = 'report_taken' and e.actor = 'member'";
    assert_eq!(app.count(told).await, 2, "the editor's and the admin's");
    assert_eq!(browser.get(&path).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_got_it_and_left_within_seven_days_counts_as_having_left_because_of_it() {
    let app = App::new().start().await;
    app.subscribers(10).await;
    let id = app.trigger().await;
    app.wait_for_state(id, MailingState::Done).await;
    let stranger = app.subscriber("later@example.org").await;
    let browser = app.browser_of(&editor(&app).await).await;
    assert!(page(&browser, id).await.contains("niemand"));
    let ids: Vec<uuid::Uuid> =
        sqlx::query_scalar("select id from subscribers where email like 's_@%' order by email limit 4")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    let now = chrono::Utc::now();
    for (n, id) in ids.iter().chain([&stranger.0]).enumerate() {
        let mut transaction = app.pool.begin().await.unwrap();
        // The fourth leaves on the eighth day.
        let at = if n == 3 { now + mailing::LEFT_WITHIN } else { now };
        let subscriber = rundbrief::domain::ids::SubscriberId(*id);
        subscriber::unsubscribe(
            &mut transaction,
            &Actor::Subscriber(subscriber),
            subscriber,
            ConsentMethod::Button,
            at,
        )
        .await
        .unwrap();
        if n == 2 {
            let page = "https://brief.example.org/unsubscribe";
            let by = Actor::Subscriber(subscriber);
            let undone =
                subscriber::undo_unsubscribe(&mut transaction, &by, subscriber, at, page, at).await.unwrap();
            assert_eq!(undone, subscriber::Resubscribed::Active);
        }
        transaction.commit().await.unwrap();
    }
    let report = page(&browser, id).await;
    assert!(report.contains("<dt>Abbestellt</dt><dd>2 Personen"), "{report}");
    let mut db = app.pool.acquire().await.unwrap();
    mailing::keep_counts(&mut db, id).await.unwrap();
    sqlx::query("delete from deliveries").execute(&app.pool).await.unwrap();
    let report = page(&browser, id).await;
    assert!(
        report.contains("<dt>Abbestellt</dt><dd>2 Personen") && report.contains("hat 10 von 10 angenommen"),
        "{report}"
    );
    assert!(report.contains("ist inzwischen gelöscht") && !report.contains("report.csv"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_shows_every_mailing_on_one_page_or_another_also_those_by_command() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    let mut wanted = BTreeSet::new();
    for n in 0..60 {
        wanted.insert(app.trigger_update(app.update(&format!("Neues {n}")).await).await.to_string());
    }
    // Some at the very same moment.
    sqlx::query("update mailings set triggered_at = date_trunc('minute', triggered_at)")
        .execute(&app.pool)
        .await
        .unwrap();
    let browser = app.browser_of(&editor(&app).await).await;
    let (mut seen, mut next, mut pages) = (Vec::new(), "/staff/mailings".to_owned(), 0);
    loop {
        let page = browser.get(&next).await;
        pages += 1;
        let links = page.body.split("href=\"/staff/mailings/").skip(1);
        seen.extend(links.map(|rest| rest[..36].to_owned()));
        let Some((_, rest)) = page.body.split_once("/staff/mailings?before=") else { break };
        next = format!("/staff/mailings?before={}", &rest[..36]);
    }
    assert_eq!((pages, seen.len()), (3, 60));
    assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), wanted);
    assert!(browser.get("/staff/mailings").await.body.contains("von Technik (am Server)"));
    let answer = browser.get("/staff/mailings?before=nonsense").await;
    assert_eq!(answer.status, 200);
}
