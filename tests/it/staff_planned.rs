//! Planned mailings: shown as planned on every page, moved, given a newer text, held when hours late; their audience is
//! fixed when they begin.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rundbrief::domain::{
    actor::Actor,
    consent::ConsentMethod,
    ids::{MailingId, UpdateId},
    mailing::{self, FanOut, MailingError, MailingState, OVERDUE_AFTER, PauseKind},
    staff::Role,
    subscriber,
};

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, Member},
    mail::Mail,
    process,
    program::Program,
};

async fn editor(app: &TestApp) -> Member {
    app.member("mia@example.org", Role::Editor).await
}

/// A day to come, and how a mailing of eight o'clock is told there.
fn in_two_days() -> (String, String) {
    let now = Utc::now().with_timezone(&chrono_tz::Europe::Berlin);
    let day = now.date_naive() + TimeDelta::days(2);
    let weekday = ["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"][day.weekday().num_days_from_monday() as usize];
    let year = if day.year() == now.year() { String::new() } else { day.year().to_string() };
    (day.to_string(), format!("Geplant {weekday}, {}.{}.{year}, 8:00", day.day(), day.month()))
}

/// Plans an update for that day, from the page that sends; answers the mailing.
async fn plan(browser: &Browser<'_>, update: UpdateId) -> MailingId {
    let path = format!("/staff/updates/{update}/send");
    let page = browser.get(&path).await;
    let mut fields = ["form", "version", "shown"].map(|name| (name, page.field(name))).to_vec();
    for name in ["warnings", "after"] {
        if page.body.contains(&format!("name=\"{name}\"")) {
            fields.push((name, page.field(name)));
        }
    }
    fields.extend([("again", "1".into()), ("when", "later".into())]);
    fields.extend([("date", in_two_days().0), ("time", "08:00".into())]);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = browser.post(&path, &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let id = answer.header("location").strip_prefix("/staff/mailings/").unwrap();
    id.split('?').next().unwrap().parse().unwrap()
}

/// Lets its time come, so long ago.
async fn let_it_be_due(app: &TestApp, late: TimeDelta) {
    sqlx::query("update mailings set scheduled_at = $1 where state = 'scheduled'")
        .bind(Utc::now() - late)
        .execute(&app.pool)
        .await
        .unwrap();
}

/// Whom the relay got copies for.
fn recipients(app: &TestApp) -> BTreeSet<String> {
    app.relay.sink_count_per_recipient().into_keys().collect()
}

async fn leave(app: &TestApp, email: &str) {
    let id = sqlx::query_scalar("select id from subscribers where email = $1").bind(email);
    let id = rundbrief::domain::ids::SubscriberId(id.fetch_one(&app.pool).await.unwrap());
    let mut leaving = app.pool.begin().await.unwrap();
    subscriber::unsubscribe(&mut leaving, &Actor::Subscriber(id), id, ConsentMethod::Button, Utc::now())
        .await
        .unwrap();
    leaving.commit().await.unwrap();
}

async fn save(browser: &Browser<'_>, update: UpdateId, version: &str, title: &str, body: &str) {
    let fields = [("version", version), ("locale", "de"), ("title", title), ("body", body)];
    let saved = browser.post(&format!("/staff/updates/{update}"), &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_is_told_as_planned_everywhere_with_its_time_and_what_can_be_done_until_then() {
    let app = App::new().start().await;
    app.subscribers(12).await;
    let update = app.update("Werkstatt").await;
    let browser = app.browser_of(&editor(&app).await).await;
    let id = plan(&browser, update).await;
    let told = in_two_days().1;
    let english = told.replace("Geplant", "Planned").split(',').next().unwrap().to_owned();
    let english = [
        ("Mo", "Mon"),
        ("Di", "Tue"),
        ("Mi", "Wed"),
        ("Do", "Thu"),
        ("Fr", "Fri"),
        ("Sa", "Sat"),
        ("So", "Sun"),
    ]
    .iter()
    .find_map(|(german, name)| english.strip_suffix(german).map(|rest| format!("{rest}{name}, ")))
    .unwrap();
    let wrong = [
        "Verschickt<",
        "schon verschickt",
        "gerade unterwegs",
        "noch unterwegs",
        "beginnt gleich",
        "angenommen</dt>",
        ">läuft<",
        "wird gerade verschickt",
    ];
    let mail = format!("/staff/mailings/{id}/mail.html");
    let (back, time) = (format!("/staff/mailings/{id}/take-back"), format!("/staff/mailings/{id}#new-time"));
    let (own_time, own) = (format!("/staff/mailings/{id}/time"), format!("/staff/mailings/{id}"));
    let text = format!("/staff/mailings/{id}/text");
    for (path, ways) in [
        ("/staff".to_owned(), vec![&mail, &back, &time]),
        ("/staff/updates".to_owned(), vec![&own]),
        (format!("/staff/updates/{update}"), vec![&mail, &back, &time, &text]),
        (format!("/staff/updates/{update}/send"), vec![&mail, &back, &time, &text]),
        ("/staff/mailings".to_owned(), vec![&own]),
        (own.clone(), vec![&mail, &back, &own_time]),
    ] {
        let page = browser.get(&format!("{path}?lang=de")).await.body.replace("&#x2F;", "/");
        assert!(page.contains(&told), "{path}: {page}");
        for word in wrong {
            assert!(!page.contains(word), "{path} says {word}: {page}");
        }
        for way in ways {
            assert!(page.contains(&format!("\"{way}\"")), "{path} has no {way}: {page}");
        }
        if !path.ends_with("updates") {
            assert!(page.contains("derzeit 12 Personen"), "{path}: {page}");
        }
        let page = browser.get(&format!("{path}?lang=en")).await.body;
        assert!(page.contains(&english), "{path} without {english}: {page}");
    }
    browser.get("/staff?lang=de").await;
    assert!(browser.get("/staff/updates").await.body.contains(&format!("{told}</a>")));
    let send = browser.get(&format!("/staff/updates/{update}/send")).await;
    assert!(send.body.contains("schon geplant") && !send.body.contains("button-send"), "{}", send.body);
    let frozen = browser.get(&mail).await;
    assert!(frozen.body.contains("Werkstatt") && frozen.status == 200);

    // By command.
    let program = Program::beside(&app);
    let berlin = app.status(id).await.0.scheduled_at.unwrap().with_timezone(&chrono_tz::Europe::Berlin);
    let at = berlin.format("%-d %B %Y, %H:%M (Europe/Berlin)").to_string();
    for command in [vec!["mailings", "list"], vec!["mailings", "status", &id.to_string()]] {
        let said = program.run(&command).await;
        assert!(said.done().contains(&at), "{at}: {said:?}");
    }
    let said = program.run(&["mailings", "status", &id.to_string()]).await;
    assert!(
        said.done().contains("now that is 12 people") && said.done().contains("has not begun"),
        "{said:?}"
    );
    assert!(program.run(&["updates", "list"]).await.done().contains("planned"));
    let again = program.run(&["mailings", "trigger", &update.to_string(), "--yes"]).await;
    assert!(again.refused(1).contains("planned already"), "{again:?}");

    // Nothing of it was sent, and it cannot be deleted.
    assert_eq!(app.relay.accepted_count(), 0);
    let kept = browser.post(&format!("/staff/updates/{update}/delete"), &[]).await;
    assert!(kept.header("location").ends_with("update_kept"));
    let twice = browser.post(&format!("/staff/updates/{update}/send"), &[("form", "x")]).await;
    assert!(twice.header("location").ends_with("?done=planned_before"));

    browser.post(&back, &[]).await;
    for path in ["/staff/updates", "/staff"] {
        assert!(!browser.get(path).await.body.contains("Geplant M"), "{path}");
    }
    assert!(browser.get("/staff/updates").await.body.contains("Entwurf"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_was_sent_and_is_planned_again_tells_both() {
    let app = App::new().start().await;
    app.subscribers(2).await;
    let update = app.update("Werkstatt").await;
    let first = app.trigger_update(update).await;
    app.wait_for_state(first, MailingState::Done).await;
    let browser = app.browser_of(&editor(&app).await).await;
    plan(&browser, update).await;
    let told = in_two_days().1;
    let list = browser.get("/staff/updates").await.body;
    assert!(list.contains("Verschickt<") && list.contains(&told), "{list}");
    let page = browser.get(&format!("/staff/updates/{update}")).await.body;
    assert!(page.contains("wurde schon verschickt") && page.contains(&told), "{page}");
    let start = browser.get("/staff").await.body;
    assert!(
        start.contains(&told) && start.contains("begonnen am"),
        "the plan, and the last one beside it: {start}"
    );

    // Another one by command meanwhile: it is newer, and the plan is still told.
    let ran = ["mailings", "trigger", &update.to_string(), "--yes", "--again", "--json"];
    let second = Program::beside(&app).run(&ran).await.json();
    let second = second["id"].as_str().unwrap().parse().unwrap();
    app.wait_for_state(second, MailingState::Done).await;
    for path in ["/staff/updates".to_owned(), format!("/staff/updates/{update}/send")] {
        assert!(browser.get(&path).await.body.contains(&told), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_under_way_paused_or_cancelled_is_told_as_that() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let update = app.update("Werkstatt").await;
    let id = app.trigger_update(update).await;
    let browser = app.browser_of(&editor(&app).await).await;
    let pages = async || {
        let list = browser.get("/staff/updates").await.body;
        let editor = browser.get(&format!("/staff/updates/{update}")).await.body;
        let send = browser.get(&format!("/staff/updates/{update}/send")).await.body;
        (list, editor, send)
    };
    let (list, editor, send) = pages().await;
    assert!(list.contains("Wird gerade verschickt") && !list.contains("Verschickt<"), "{list}");
    assert!(editor.contains("wird gerade verschickt") && !editor.contains("schon verschickt"), "{editor}");
    assert!(send.contains("gerade unterwegs"), "{send}");
    browser.post(&format!("/staff/mailings/{id}/pause"), &[]).await;
    let (list, editor, send) = pages().await;
    assert!(list.contains("angehalten") && editor.contains("angehalten") && send.contains("angehalten"));
    browser.post(&format!("/staff/mailings/{id}/cancel"), &[]).await;
    let (list, editor, send) = pages().await;
    assert!(list.contains("Aussendung abgebrochen") && !list.contains("Verschickt<"), "{list}");
    assert!(editor.contains("wurde abgebrochen") && !editor.contains("schon verschickt"), "{editor}");
    assert!(send.contains("wurde abgebrochen") && !send.contains("schon einmal gesendet"), "{send}");
    let page = browser.get(&format!("/staff/mailings/{id}")).await.body;
    assert!(page.contains("bevor jemand an der Reihe war"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_who_confirms_until_it_begins_gets_it_and_who_leaves_does_not() {
    let app = App::new().start().await;
    for email in
        ["bleibt@example.org", "geht@example.org", "geht-und-kommt@example.org", "zieht-um@example.org"]
    {
        app.subscriber(email).await;
    }
    let moves = app.subscriber("zieht-um@example.org").await;
    let browser = app.browser_of(&editor(&app).await).await;
    let id = plan(&browser, app.update("Neues").await).await;
    assert_eq!(app.status(id).await.0.audience, 4);

    // What happens between.
    app.sign_up("neu@example.org").await;
    let link = app.mail(1).await.link("/confirm/");
    assert_eq!(app.confirm(&link).await.status, 200);
    app.wait_for_count("select count(*) from deliveries where kind = 'welcome' and state = 'accepted'", 1)
        .await;
    leave(&app, "geht@example.org").await;
    leave(&app, "geht-und-kommt@example.org").await;
    app.subscriber("geht-und-kommt@example.org").await;
    let program = Program::beside(&app);
    program.file("list.csv", "email,consented_at,consent_source\nliste@example.org,2025-03-01,Messe\n");
    program.run(&["subscribers", "import", "list.csv"]).await.done();
    sqlx::query("update subscribers set email = 'ist-umgezogen@example.org', email_normalized = 'ist-umgezogen@example.org' where id = $1")
        .bind(moves.0)
        .execute(&app.pool)
        .await
        .unwrap();
    app.sign_up("wartet-noch@example.org").await;
    let before = app.relay.wait_for(3).await.len();

    let_it_be_due(&app, TimeDelta::seconds(1)).await;
    let counts = app.wait_for_state(id, MailingState::Done).await;
    let got: BTreeSet<String> =
        app.relay.wait_for(before + 5).await[before..].iter().map(|mail| mail.to[0].clone()).collect();
    let wanted = ["bleibt", "geht-und-kommt", "ist-umgezogen", "neu", "liste"]
        .map(|name| format!("{name}@example.org"));
    assert_eq!(got, BTreeSet::from(wanted));
    assert_eq!((counts.accepted, counts.skipped), (5, 0), "who left before is nobody it left out");
    assert_eq!(app.status(id).await.0.audience, 5);
    let report = browser.get(&format!("/staff/mailings/{id}")).await.body;
    assert!(report.contains("hat 5 von 5 angenommen"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_the_audience_is_fixed_when_it_begins_however_late_it_is_written() {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let browser = app.browser_of(&editor(&app).await).await;
    let id = plan(&browser, app.update("Neues").await).await;
    app.subscriber("rechtzeitig@example.org").await;
    leave(&app, "s3@example.org").await;
    let_it_be_due(&app, TimeDelta::seconds(1)).await;
    let mut db = app.pool.acquire().await.unwrap();
    mailing::begin_due(&mut db, Utc::now()).await.unwrap();
    assert_eq!(app.status(id).await.0.state, MailingState::Preparing);
    // It has begun, and nothing of it is written yet.
    app.subscriber("zu-spaet@example.org").await;
    leave(&app, "s2@example.org").await;
    let mut transaction = app.pool.begin().await.unwrap();
    assert_eq!(mailing::fan_out(&mut transaction, Utc::now()).await.unwrap(), FanOut::Complete(id));
    transaction.commit().await.unwrap();
    let (mailing, counts) = app.status(id).await;
    assert_eq!((mailing.audience, counts.pending, counts.skipped), (3, 2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_mailings_the_one_that_began_first_goes_first_whatever_was_planned_before() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    let browser = app.browser_of(&editor(&app).await).await;
    let planned = plan(&browser, app.update("Geplant").await).await;
    let at_once = app.trigger().await;
    let_it_be_due(&app, TimeDelta::seconds(1)).await;
    let mut db = app.pool.acquire().await.unwrap();
    mailing::begin_due(&mut db, Utc::now()).await.unwrap();
    for _ in 0..2 {
        let mut transaction = app.pool.begin().await.unwrap();
        mailing::fan_out(&mut transaction, Utc::now()).await.unwrap();
        transaction.commit().await.unwrap();
    }
    assert_eq!(mailing::sending(&mut db).await.unwrap(), [at_once, planned]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_that_begins_with_nobody_there_is_done_and_says_so() {
    let app = App::new().start().await;
    app.subscribers(2).await;
    let update = app.update("Neues").await;
    let browser = app.browser_of(&editor(&app).await).await;
    let id = plan(&browser, update).await;
    leave(&app, "s1@example.org").await;
    leave(&app, "s2@example.org").await;
    let_it_be_due(&app, TimeDelta::seconds(1)).await;
    app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(app.status(id).await.0.audience, 0);
    for path in ["/staff".to_owned(), format!("/staff/mailings/{id}")] {
        let page = browser.get(&path).await.body;
        assert!(page.contains("hatte niemand den Newsletter abonniert"), "{path}: {page}");
    }
    let list = browser.get("/staff/updates").await.body;
    assert!(list.contains("An niemanden gegangen") && !list.contains("Verschickt<"), "{list}");
    let said = Program::beside(&app).run(&["mailings", "status", &id.to_string()]).await;
    assert!(said.done().contains("nobody was subscribed when it began"), "{said:?}");
}

/// The page that takes a text over, and its fields with the tick.
async fn text_page(browser: &Browser<'_>, id: MailingId) -> (Answer, Vec<(&'static str, String)>) {
    let page = browser.get(&format!("/staff/mailings/{id}/text")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let mut fields = Vec::new();
    for name in ["version", "frozen", "warnings"] {
        if page.body.contains(&format!("name=\"{name}\"")) {
            fields.push((name, page.field(name)));
        }
    }
    (page, fields)
}

async fn take(browser: &Browser<'_>, id: MailingId, fields: &[(&'static str, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(&format!("/staff/mailings/{id}/text"), &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_text_gets_into_a_planned_mailing_only_when_somebody_has_seen_and_taken_it() {
    let app = App::new().start().await;
    app.subscribers(2).await;
    let update = app.update("Alter Titel").await;
    let (mia, jonas) = (editor(&app).await, app.member("jonas@example.org", Role::Editor).await);
    let (browser, other) = (app.browser_of(&mia).await, app.browser_of(&jonas).await);
    let id = plan(&browser, update).await;
    let (page, _) = text_page(&browser, id).await;
    assert!(
        page.body.contains("nichts zu übernehmen") && !page.body.contains("button-send"),
        "{}",
        page.body
    );

    let body = "Mehr steht [hier](https://brief.example.org/).";
    save(&browser, update, "1", "Neuer Titel", body).await;
    let editor_page = browser.get(&format!("/staff/updates/{update}")).await.body;
    assert!(editor_page.contains("Ansehen und übernehmen"), "{editor_page}");
    assert!(editor_page.contains("hat den Text vom"), "{editor_page}");
    let own = browser.get(&format!("/staff/mailings/{id}")).await.body;
    assert!(own.contains("sieht inzwischen anders aus") && own.contains("Alter Titel"), "{own}");
    let frozen = async || browser.get(&format!("/staff/mailings/{id}/mail.html")).await.body;
    assert!(frozen().await.contains("Alter Titel"));

    // The page shows the new mail and what the check says; nothing is done by looking.
    let (page, fields) = text_page(&browser, id).await;
    assert!(page.body.contains("Neuer Titel") && page.body.contains("Der Linktext „hier“"), "{}", page.body);
    assert!(!page.body.contains("eingeplant"), "that it is planned is no warning about the text");
    assert!(frozen().await.contains("Alter Titel"));
    let unticked = take(&browser, id, &fields[..2]).await;
    assert!(unticked.status == 422 && unticked.body.contains("id=\"warnings-error\""), "{}", unticked.body);
    // Somebody saves while the page is open: what was not seen is not taken.
    save(&other, update, "2", "Noch neuer", body).await;
    let stale = take(&browser, id, &fields).await;
    assert!(
        stale.status == 422 && stale.body.contains("seit Sie diese Seite geöffnet haben"),
        "{}",
        stale.body
    );
    assert!(frozen().await.contains("Alter Titel"));
    assert_eq!(take(&browser, id, &[]).await.status, 422);

    let (_, fields) = text_page(&browser, id).await;
    for _ in 0..2 {
        let taken = take(&browser, id, &fields).await;
        assert!(taken.header("location").ends_with("?done=text_taken"), "{}", taken.body);
    }
    assert!(frozen().await.contains("Noch neuer"));
    let actions = app.actions().await;
    assert_eq!(actions.iter().filter(|action| *action == "mailing_text_taken").count(), 1, "pressed twice");
    let list = browser.get("/staff/mailings").await.body;
    assert!(list.contains("Noch neuer") && list.contains(&in_two_days().1), "at the same time as before");

    // What goes out is what was taken, and not what was written since.
    save(&browser, update, "3", "Viel zu spät", body).await;
    let (_, late) = text_page(&browser, id).await;
    let_it_be_due(&app, TimeDelta::seconds(1)).await;
    app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(Mail::parse(&app.relay.wait_for(2).await[0].data).header("Subject").unwrap(), "Noch neuer");
    let told = take(&browser, id, &late).await;
    assert!(told.header("location").ends_with("?done=too_late_for_text"), "{}", told.body);
    let told = browser.get(told.header("location")).await.body;
    assert!(told.contains("wurde nicht übernommen"), "{told}");
    let page = browser.get(&format!("/staff/mailings/{id}/text")).await;
    assert!(page.header("location").ends_with("?done=too_late_for_text"));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_two_replace_the_text_the_second_is_told_about_the_first() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let update = app.update("Eins").await;
    let browser = app.browser_of(&editor(&app).await).await;
    let id = plan(&browser, update).await;
    let mut db = app.pool.acquire().await.unwrap();
    let mut content = mailing::content(&mut db, id).await.unwrap();
    let shown = mailing::overview(&mut db, id).await.unwrap().unwrap().frozen_at;
    save(&browser, update, "1", "Zwei", "Text").await;
    let (_, fields) = text_page(&browser, id).await;
    "Drei".clone_into(&mut content.subject);
    mailing::replace_text(&mut db, id, shown, &content, Utc::now()).await.unwrap();
    let again = mailing::replace_text(&mut db, id, shown, &content, Utc::now()).await;
    assert!(matches!(again, Err(MailingError::TextChanged)), "{again:?}");
    let second = take(&browser, id, &fields).await;
    assert!(second.status == 422 && second.body.contains("Jemand anderes"), "{}", second.body);
    assert_eq!(mailing::content(&mut db, id).await.unwrap().subject, "Drei");
    let (_, fields) = text_page(&browser, id).await;
    assert!(take(&browser, id, &fields).await.header("location").ends_with("text_taken"));
    assert_eq!(mailing::content(&mut db, id).await.unwrap().subject, "Zwei");
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_a_text_and_beginning_at_the_same_moment_are_one_before_the_other() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    let browser = app.browser_of(&editor(&app).await).await;
    for round in 0..10 {
        let id = plan(&browser, app.update(&format!("Alt {round}")).await).await;
        let_it_be_due(&app, TimeDelta::seconds(1)).await;
        let mut db = app.pool.acquire().await.unwrap();
        let shown = mailing::overview(&mut db, id).await.unwrap().unwrap().frozen_at;
        let mut content = mailing::content(&mut db, id).await.unwrap();
        content.subject = format!("Neu {round}");
        let pool = app.pool.clone();
        let taking = tokio::spawn(async move {
            let mut transaction = pool.begin().await.unwrap();
            let taken = mailing::replace_text(&mut transaction, id, shown, &content, Utc::now()).await;
            transaction.commit().await.unwrap();
            taken
        });
        mailing::begin_due(&mut db, Utc::now()).await.unwrap();
        let begun_with = mailing::content(&mut db, id).await.unwrap().subject;
        match taking.await.unwrap() {
            Ok(()) => {
                assert_eq!(begun_with, format!("Neu {round}"), "it began with the words that were taken");
            }
            Err(MailingError::WrongState { .. }) => assert_eq!(begun_with, format!("Alt {round}")),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(mailing::content(&mut db, id).await.unwrap().subject, begun_with);
        assert_eq!(app.status(id).await.0.state, MailingState::Preparing);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_that_has_not_begun_does_not_count_for_the_usual_audience() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    let browser = app.browser_of(&editor(&app).await).await;
    plan(&browser, app.update("Geplant").await).await;
    for n in 0..9 {
        app.subscriber(&format!("neu{n}@example.org")).await;
    }
    let next = app.update("Anderes").await;
    let page = browser.get(&format!("/staff/updates/{next}/preflight")).await.body;
    assert!(page.contains("Das wird die erste Aussendung, an 10 Abonnements."), "{page}");
    assert!(!page.contains("beim letzten Mal"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_a_text_that_was_taken_over_is_kept_as_one_that_goes_out() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let update = app.update("Eins").await;
    let browser = app.browser_of(&editor(&app).await).await;
    let id = plan(&browser, update).await;
    let name = "a".repeat(26);
    sqlx::query(
        "insert into images (id, name, extension, width, height, small_width, small_height, bytes, alt, credit,
             upload_sha256, created_at)
         values (gen_random_uuid(), $1, 'jpg', 1, 1, 1, 1, 1, '', '', sha256('x'), now())",
    )
    .bind(&name)
    .execute(&app.pool)
    .await
    .unwrap();
    let picture = format!("Text\n\n![Zwei Menschen](https://brief.example.org/images/{name}.jpg)");
    save(&browser, update, "1", "Eins", &picture).await;
    let kept = "select count(*) from images where kept_since is not null";
    assert_eq!(app.count(kept).await, 0);
    let (_, fields) = text_page(&browser, id).await;
    assert!(take(&browser, id, &fields).await.header("location").ends_with("text_taken"));
    assert_eq!(app.count(kept).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_cannot_be_sent_does_not_replace_the_old_one() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let update = app.update("Eins").await;
    let browser = app.browser_of(&editor(&app).await).await;
    let id = plan(&browser, update).await;
    for (version, body, told) in
        [("1", "Intern: [der Plan](http://192.168.1.5/plan).", "behoben"), ("2", "", "noch nicht fertig")]
    {
        save(&browser, update, version, "Zwei", body).await;
        let (page, _) = text_page(&browser, id).await;
        assert!(page.body.contains(told) && !page.body.contains("button-send"), "{}", page.body);
        let fields = [("version", "2.1".to_owned()), ("frozen", "0".to_owned())];
        assert_eq!(take(&browser, id, &fields).await.status, 422);
    }
    assert_eq!(app.count("select count(*) from mailings where subject = 'Eins'").await, 1);
}

/// A mailing that was planned, and that the service finds hours late.
async fn overdue(app: &TestApp, browser: &Browser<'_>, title: &str) -> (UpdateId, MailingId) {
    let update = app.update(title).await;
    let id = plan(browser, update).await;
    let_it_be_due(app, OVERDUE_AFTER + TimeDelta::minutes(1)).await;
    app.wait_for_state(id, MailingState::Paused).await;
    (update, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_that_is_hours_late_asks_before_it_begins_and_tells_so_everywhere() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let browser = app.browser_of(&editor(&app).await).await;
    let (update, id) = overdue(&app, &browser, "Werkstatt").await;
    let path = format!("/staff/mailings/{id}");
    for path in ["/staff", "/staff/updates", "/staff/mailings", &format!("/staff/updates/{update}"), &path] {
        let page = browser.get(path).await.body;
        assert!(page.contains("berfällig") || page.contains("hat nicht begonnen"), "{path}: {page}");
        assert!(!page.contains("should have") && !page.contains("Der Mailserver sagt"), "{path}: {page}");
    }
    let page = browser.get(&path).await.body;
    for shown in [
        "mehr als sechs Stunden",
        "Jetzt verschicken, an derzeit 3 Personen",
        "/time\"",
        "/take-back\"",
        "/mail.html",
    ] {
        assert!(page.replace("&#x2F;", "/").contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("/pause\"") && !page.contains("/cancel\""), "{page}");
    let start = browser.get("/staff").await.body;
    assert!(start.contains("Bitte ansehen") && start.contains("Bitte entscheiden Sie"), "{start}");

    // So is one that was to be sent at once.
    sqlx::query("update mailings set has_grace = true").execute(&app.pool).await.unwrap();
    let editor_page = browser.get(&format!("/staff/updates/{update}")).await.body;
    assert!(editor_page.contains("Überfällig seit"), "{editor_page}");
    assert!(browser.get(&path).await.body.contains("/time\""), "it can be moved");

    let (program, text) = (Program::beside(&app), id.to_string());
    let status = program.run(&["mailings", "status", &text, "--json"]).await.json();
    assert_eq!((&status["state"], &status["pause_kind"]), (&"paused".into(), &"overdue".into()));
    let human = program.run(&["mailings", "status", &text]).await;
    assert!(
        human.done().contains("it should have begun at") && human.done().contains("mailings resume"),
        "{human:?}"
    );
    assert!(program.run(&["mailings", "list"]).await.done().contains("it should have begun at"));
    assert!(program.run(&["updates", "list"]).await.done().contains("overdue"));

    // Nobody holds it as one that has begun, and a relay that answers does not let it go.
    let mut db = app.pool.acquire().await.unwrap();
    for kind in [PauseKind::Staff, PauseKind::Unreachable] {
        let paused = mailing::pause(&mut db, id, kind, "x", Utc::now()).await;
        assert!(matches!(paused, Err(MailingError::WrongState { .. })), "{paused:?}");
    }
    assert!(mailing::resume_unreachable(&mut db).await.unwrap().is_empty());
    assert_eq!(app.count("select count(*) from deliveries").await, 0);
    assert_eq!(app.relay.accepted_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_mailing_is_sent_moved_or_taken_back_by_a_person() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let browser = app.browser_of(&editor(&app).await).await;

    // Sent now: to who is there now.
    let (_, sent) = overdue(&app, &browser, "Eins").await;
    app.subscriber("neu@example.org").await;
    let answer = browser.post(&format!("/staff/mailings/{sent}/resume"), &[]).await;
    assert!(answer.header("location").ends_with("?done=mailing_begun"));
    assert_eq!(app.wait_for_state(sent, MailingState::Done).await.accepted, 4);
    assert_eq!(recipients(&app).len(), 4);

    // Moved: it waits again, and begins at its new time.
    let (_, moved) = overdue(&app, &browser, "Zwei").await;
    let time = [("date", in_two_days().0), ("time", "08:00".to_owned())];
    let time = time.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = browser.post(&format!("/staff/mailings/{moved}/time"), &time).await;
    assert!(answer.header("location").ends_with("?done=mailing_rescheduled"));
    let (mailing, _) = app.status(moved).await;
    assert_eq!((mailing.state, mailing.pause_kind), (MailingState::Scheduled, None));
    assert!(browser.get("/staff/updates").await.body.contains(&in_two_days().1));
    let_it_be_due(&app, TimeDelta::seconds(1)).await;
    app.wait_for_state(moved, MailingState::Done).await;

    // Taken back: it never began, and its update is a draft.
    let (update, back) = overdue(&app, &browser, "Drei").await;
    let answer = browser.post(&format!("/staff/mailings/{back}/take-back"), &[]).await;
    assert!(answer.header("location").ends_with("?done=taken_back"));
    assert_eq!(app.status(back).await.0.state, MailingState::Cancelled);
    let delete = browser.post(&format!("/staff/updates/{update}/delete"), &[]).await;
    assert!(delete.header("location").ends_with("update_deleted"));

    // The same by command.
    let program = Program::beside(&app);
    let (_, sent) = overdue(&app, &browser, "Vier").await;
    let said = program.run(&["mailings", "resume", &sent.to_string()]).await;
    assert!(said.done().contains("begins now"), "{said:?}");
    app.wait_for_state(sent, MailingState::Done).await;
    let (_, back) = overdue(&app, &browser, "Fünf").await;
    let said = program.run(&["mailings", "cancel", &back.to_string()]).await;
    assert!(said.done().contains("nothing was sent"), "{said:?}");
    let actions = app.actions().await;
    for (action, count) in [("mailing_begun", 2), ("mailing_taken_back", 2), ("mailing_cancelled", 0)] {
        assert_eq!(actions.iter().filter(|done| *done == action).count(), count, "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_less_than_six_hours_late_begins_by_itself() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let browser = app.browser_of(&editor(&app).await).await;
    let id = plan(&browser, app.update("Neues").await).await;
    let due = app.status(id).await.0.scheduled_at.unwrap();
    let mut db = app.pool.acquire().await.unwrap();
    let state_at = async |db: &mut sqlx::PgConnection, now: DateTime<Utc>| {
        mailing::hold_overdue(db, now).await.unwrap();
        mailing::begin_due(db, now).await.unwrap();
        app.status(id).await.0.state
    };
    assert_eq!(state_at(&mut db, due - TimeDelta::seconds(1)).await, MailingState::Scheduled);
    // A clock that ran ahead by hours makes it ask, and never begin.
    mailing::begin_due(&mut db, due + OVERDUE_AFTER + TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(app.status(id).await.0.state, MailingState::Scheduled);
    assert_eq!(state_at(&mut db, due + OVERDUE_AFTER).await, MailingState::Preparing);
    let begun = mailing::overview(&mut db, id).await.unwrap().unwrap().begun_at.unwrap();
    assert_eq!(
        begun.timestamp_micros(),
        (due + OVERDUE_AFTER).timestamp_micros(),
        "when it began, not when it was due"
    );

    // Of several workers that find one late, each leaves it alone.
    let late = plan(&browser, app.update("Spät").await).await;
    let_it_be_due(&app, OVERDUE_AFTER + TimeDelta::minutes(1)).await;
    let workers = [process::worker(&app, &[]), process::worker(&app, &[])];
    app.wait_for_state(late, MailingState::Paused).await;
    app.wait_for_state(id, MailingState::Done).await;
    assert_eq!(app.status(late).await.0.state, MailingState::Paused);
    for worker in workers {
        worker.end().await;
    }
    assert_eq!(app.relay.accepted_count(), 2);
}
