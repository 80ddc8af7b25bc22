//! Sending from the staff pages: what the page shows, test mails, sending once however often it is pressed, and taking
//! back.

use chrono::{TimeDelta, Utc};
use rundbrief::domain::{
    ids::{MailingId, UpdateId},
    mailing::{self, MailingError, MailingState},
    staff::Role,
    update::{self, UpdateState},
};

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, Member},
    mail::Mail,
};

fn page_of(update: UpdateId) -> String {
    format!("/staff/updates/{update}/send")
}

/// The fields of the form that sends now, as the page has them, with a tick for the warnings.
fn fields(page: &Answer) -> Vec<(&'static str, String)> {
    let mut fields = ["form", "version", "shown", "when"].map(|name| (name, page.field(name))).to_vec();
    if page.body.contains("name=\"after\"") {
        fields.push(("after", page.field("after")));
    }
    if page.body.contains("name=\"warnings\"") {
        fields.push(("warnings", page.field("warnings")));
    }
    fields
}

async fn press(browser: &Browser<'_>, update: UpdateId, fields: &[(&'static str, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(&page_of(update), &fields).await
}

/// Opens the page and presses the button.
async fn send(browser: &Browser<'_>, update: UpdateId) -> Answer {
    let page = browser.get(&page_of(update)).await;
    assert_eq!(page.status, 200, "{}", page.body);
    press(browser, update, &fields(&page)).await
}

/// The mailing that an answer leads to.
fn led_to(answer: &Answer) -> MailingId {
    let to = answer.header("location");
    let id = to.strip_prefix("/staff/mailings/").unwrap_or_else(|| panic!("{to}: {}", answer.body));
    id.split('?').next().unwrap().parse().unwrap()
}

/// The update that an answer leads to.
fn led_to_update(answer: &Answer) -> UpdateId {
    answer.header("location").strip_prefix("/staff/updates/").unwrap().parse().unwrap()
}

/// Lets the time to take it back be over.
async fn let_grace_end(app: &TestApp) {
    sqlx::query("update mailings set scheduled_at = now() where state = 'scheduled'")
        .execute(&app.pool)
        .await
        .unwrap();
}

async fn editor(app: &TestApp) -> Member {
    app.member("mia@example.org", Role::Editor).await
}

async fn state_of(app: &TestApp, id: UpdateId) -> UpdateState {
    let mut db = app.pool.acquire().await.unwrap();
    update::find(&mut db, &id.to_string()).await.unwrap().unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn one_page_shows_subject_sender_mail_and_how_many_and_its_button_says_what_it_does() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1234).await;
    let update = app.update("Werkstatt <script>alert(1)</script> & mehr").await;
    let browser = app.browser_of(&editor(&app).await).await;
    let page = browser.get(&page_of(update)).await;
    for shown in [
        "An 1.234 Personen senden",
        "Für derzeit 1.234 Personen planen",
        "Werkstatt &lt;script&gt;alert(1)&lt;&#x2F;script&gt; &amp; mehr",
        "Ein Satz vorweg.",
        "(Europe",
    ] {
        let shown = shown.replace("(Europe", "Europe");
        let found = page.body.contains(&shown) || page.body.contains(&shown.replace("&#x2F;", "/"));
        assert!(found, "{shown}: {}", page.body);
    }
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    let english = browser.get(&format!("{}?lang=en", page_of(update))).await;
    assert!(english.body.contains("Send to 1,234 people"));

    let mail = browser.get(&format!("/staff/updates/{update}/mail.html")).await;
    let policy = mail.header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src http: https:",
        "frame-ancestors 'self'",
        "; sandbox",
    ] {
        assert!(policy.contains(rule), "{rule}: {policy}");
    }
    assert!(!policy.contains("script-src"), "{policy}");
    assert!(
        mail.body.contains("/unsubscribe/") && !mail.body.contains('\u{1}'),
        "with links, that are nobody's"
    );
    assert!(!mail.body.contains("<script>alert"));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_can_be_sent_the_page_says_what_to_do_and_has_no_button() {
    let app = App::new().without_worker().start().await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    let browser = app.browser_of(&member).await;
    let page = browser.get(&page_of(update)).await;
    assert!(page.body.contains("Noch hat niemand den Newsletter abonniert"), "{}", page.body);
    assert!(!page.body.contains("button-send"));
    let pressed = browser.post(&page_of(update), &[("form", &uuid::Uuid::now_v7().to_string())]).await;
    assert_eq!(pressed.status, 422);

    app.subscribers(3).await;
    let unfinished = led_to_update(&browser.post("/staff/updates", &[]).await);
    let page = browser.get(&page_of(unfinished)).await;
    assert!(page.body.contains("noch nicht fertig") && !page.body.contains("button-send"), "{}", page.body);
    let incomplete = rundbrief::domain::publication::Content::parse("name = \"N\"\n").unwrap();
    let mut db = app.pool.acquire().await.unwrap();
    rundbrief::domain::publication::apply(&mut db, &incomplete, Utc::now()).await.unwrap();
    let page = browser.get(&page_of(update)).await;
    assert!(
        page.body.contains("<code>sender.address</code>") && !page.body.contains("button-send"),
        "{}",
        page.body
    );
    let test = browser.post(&format!("/staff/updates/{update}/test"), &[("own", "1")]).await;
    assert_eq!(test.status, 422);
    assert_eq!(app.count("select count(*) from mailings").await, 0);
    assert_eq!(app.count("select count(*) from deliveries").await, 0);

    let app = App::new().without_worker().without_publication().start().await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    let page = app.browser_of(&member).await.get(&page_of(update)).await;
    assert!(
        page.body.contains("Der Newsletter hat noch keinen Namen und keinen Absender")
            && !page.body.contains("button-send"),
        "{}",
        page.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_a_reload_and_the_back_button_send_once() {
    let app = App::new().start().await;
    app.subscribers(5).await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    let browser = app.browser_of(&member).await;
    let form = fields(&browser.get(&page_of(update)).await);
    let clicks: Vec<_> = (0..6).map(|_| press(&browser, update, &form)).collect();
    let mut led = Vec::new();
    for answer in futures_all(clicks).await {
        assert_eq!(answer.header("location").find('?'), None, "all to the same, without a word of trouble");
        led.push(led_to(&answer));
    }
    led.dedup();
    let [mailing] = led[..] else { panic!("{led:?}") };
    let_grace_end(&app).await;
    app.wait_for_state(mailing, MailingState::Done).await;
    assert_eq!(led_to(&press(&browser, update, &form).await), mailing, "also when all is over");
    assert_eq!(app.count("select count(*) from mailings").await, 1);
    let copies = app.relay.sink_count_per_recipient();
    assert!(copies.len() == 5 && copies.values().all(|copies| *copies == 1), "{copies:?}");
    assert_eq!(app.actions().await.iter().filter(|action| *action == "mailing_sent").count(), 1);
}

/// All at once.
async fn futures_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_ready = true;
        for (future, result) in &mut pinned {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => is_ready = false,
                }
            }
        }
        if is_ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pinned.into_iter().map(|(_, result)| result.unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_colleagues_at_once_one_sends_and_the_other_is_led_to_that_mailing() {
    let app = App::new().without_worker().start().await;
    app.subscribers(5).await;
    let (mia, jonas) = (editor(&app).await, app.member("jonas@example.org", Role::Editor).await);
    let browsers = [app.browser_of(&mia).await, app.browser_of(&jonas).await];
    for round in 0..8 {
        let update = app.update(&format!("Neues {round}")).await;
        let forms = [
            fields(&browsers[0].get(&page_of(update)).await),
            fields(&browsers[1].get(&page_of(update)).await),
        ];
        let pressed = vec![press(&browsers[0], update, &forms[0]), press(&browsers[1], update, &forms[1])];
        let answers = futures_all(pressed).await;
        assert_eq!(led_to(&answers[0]), led_to(&answers[1]));
        let told: Vec<bool> =
            answers.iter().map(|a| a.header("location").ends_with("?done=sent_before")).collect();
        assert_eq!(told.iter().filter(|told| **told).count(), 1, "{told:?}");
        let second = told.iter().position(|told| *told).unwrap();
        let page = browsers[second].get(answers[second].header("location")).await;
        assert!(
            page.body.contains("von Ada Muster") && page.body.contains("nichts doppelt"),
            "{}",
            page.body
        );
        let send_page = browsers[second].get(&page_of(update)).await;
        assert!(send_page.body.contains("geht gleich hinaus") && !send_page.body.contains("button-send"));
    }
    assert_eq!(app.count("select count(*) from mailings").await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_in_time_was_never_sent_and_can_be_sent_as_if_nothing_had_happened() {
    let app = App::new().start().await;
    app.subscribers(5).await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    let browser = app.browser_of(&member).await;
    let first = led_to(&send(&browser, update).await);
    let page = browser.get(&format!("/staff/mailings/{first}")).await;
    assert!(
        page.body.contains("Noch ist nichts gesendet") && page.body.contains("data-seconds"),
        "{}",
        page.body
    );
    assert!(page.body.contains("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>"));
    assert!(page.body.contains("beginnt gleich"), "{}", page.body);
    for other in ["/staff", "/staff/mailings"] {
        assert!(browser.get(other).await.body.contains("beginnt gleich"), "{other}");
    }
    assert_eq!(state_of(&app, update).await, UpdateState::Published);
    let (scheduled, _) = app.status(first).await;
    let ahead = scheduled.scheduled_at.unwrap() - scheduled.triggered_at;
    assert_eq!(ahead, TimeDelta::seconds(30));

    let back = browser.post(&format!("/staff/mailings/{first}/take-back"), &[]).await;
    assert!(back.header("location").ends_with("?done=taken_back"));
    let_grace_end(&app).await;
    let page = browser.get(back.header("location")).await;
    assert!(page.body.contains("Zurückgenommen. Es wurde nichts gesendet."), "{}", page.body);
    assert_eq!(state_of(&app, update).await, UpdateState::Draft);
    assert_eq!(app.count("select count(*) from deliveries").await, 0);
    assert!(browser.get("/staff/mailings").await.body.contains("zurückgenommen"));

    let page = browser.get(&page_of(update)).await;
    assert!(!page.body.contains("name=\"again\""), "nobody is asked whether it should go out again");
    let second = led_to(&press(&browser, update, &fields(&page)).await);
    assert_ne!(first, second);
    let_grace_end(&app).await;
    app.wait_for_state(second, MailingState::Done).await;
    assert_eq!(app.relay.accepted_count(), 5);
    let actions = app.actions().await;
    assert_eq!(&actions[actions.len() - 3..], ["mailing_sent", "mailing_taken_back", "mailing_sent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_whose_every_mailing_was_taken_back_can_be_deleted_and_one_under_way_cannot() {
    let app = App::new().without_worker().start().await;
    app.subscribers(2).await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    let browser = app.browser_of(&member).await;
    let mailing = led_to(&send(&browser, update).await);
    let delete = async || {
        let answer = browser.post(&format!("/staff/updates/{update}/delete"), &[]).await;
        answer.header("location").to_owned()
    };
    assert!(delete().await.ends_with("?done=update_kept"));
    browser.post(&format!("/staff/mailings/{mailing}/take-back"), &[]).await;
    let again = led_to(&send(&browser, update).await);
    assert!(delete().await.ends_with("?done=update_kept"), "of two mailings one is under way");
    browser.post(&format!("/staff/mailings/{again}/take-back"), &[]).await;
    assert!(delete().await.ends_with("/staff/updates?done=update_deleted"));
    assert_eq!(app.count("select count(*) from updates").await, 0);
    assert_eq!(app.count("select count(*) from mailings").await, 0);
    assert_eq!(browser.get(&format!("/staff/mailings/{mailing}")).await.status, 404);
    let actions = app.actions().await;
    assert_eq!(actions.iter().filter(|action| *action == "mailing_taken_back").count(), 2, "the log stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_back_and_beginning_at_the_same_moment_are_one_or_the_other() {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let member = editor(&app).await;
    let browser = app.browser_of(&member).await;
    let (mut back, mut begun) = (0, 0);
    for round in 0..20 {
        let id = led_to(&send(&browser, app.update(&format!("Neues {round}")).await).await);
        let due = Utc::now() + TimeDelta::seconds(31);
        let (taker, mover) = (app.pool.clone(), app.pool.clone());
        let taken = tokio::spawn(async move {
            let mut transaction = taker.begin().await.unwrap();
            let taken = mailing::take_back(&mut transaction, id, due).await;
            transaction.commit().await.unwrap();
            taken
        });
        let moved = tokio::spawn(async move {
            mailing::begin_due(&mut mover.acquire().await.unwrap(), due).await.unwrap();
        });
        let taken = taken.await.unwrap();
        moved.await.unwrap();
        let (mailing, _) = app.status(id).await;
        match taken {
            Ok(()) => {
                assert_eq!(mailing.state, MailingState::Cancelled);
                back += 1;
            }
            Err(MailingError::WrongState { .. }) => {
                assert_eq!(mailing.state, MailingState::Preparing);
                let late = browser.post(&format!("/staff/mailings/{id}/take-back"), &[]).await;
                assert!(late.header("location").ends_with("?done=too_late"));
                let page = browser.get(late.header("location")).await;
                assert!(page.body.contains("zu spät") && page.body.contains("/pause\""), "{}", page.body);
                begun += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(back + begun, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_an_update_again_needs_a_tick_and_that_nobody_else_has_done_so_meanwhile() {
    let app = App::new().start().await;
    app.subscribers(4).await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    let browser = app.browser_of(&member).await;
    let first = led_to(&send(&browser, update).await);
    let_grace_end(&app).await;
    app.wait_for_state(first, MailingState::Done).await;

    let page = browser.get(&page_of(update)).await;
    assert!(
        page.body.contains("schon einmal gesendet")
            && page.body.contains(&format!("/staff/mailings/{first}"))
    );
    let mut form = fields(&page);
    let answer = press(&browser, update, &form).await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.body.contains("id=\"again-error\"") && answer.body.contains("href=\"#again\""),
        "{}",
        answer.body
    );
    form.push(("again", "1".into()));
    let other = fields(&browser.get(&page_of(update)).await);
    let second = led_to(&press(&browser, update, &form).await);
    assert_ne!(first, second);
    let_grace_end(&app).await;
    app.wait_for_state(second, MailingState::Done).await;
    assert_eq!(app.relay.accepted_count(), 8);

    // A page from before the second one, ticked as well: that one was about the first.
    let other: Vec<_> = other.into_iter().chain([("again", "1".to_owned())]).collect();
    let answer = press(&browser, update, &other).await;
    assert_eq!(led_to(&answer), second);
    assert!(answer.header("location").ends_with("?done=sent_before"));
    assert_eq!(app.count("select count(*) from mailings").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_need_a_tick_that_counts_for_what_stood_on_the_page_and_for_nothing_found_since() {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let body = "Mehr steht [hier](https://brief.example.org/).";
    let (update, member) = (app.update_with_body("Neues", body).await, editor(&app).await);
    let browser = app.browser_of(&member).await;
    let page = browser.get(&page_of(update)).await;
    assert!(page.body.contains("Es soll so hinausgehen."), "{}", page.body);
    let ticked = fields(&page);
    let unticked: Vec<_> = ticked.iter().filter(|(name, _)| *name != "warnings").cloned().collect();
    assert_eq!(unticked.len() + 1, ticked.len());

    let answer = press(&browser, update, &unticked).await;
    assert_eq!(answer.status, 422);
    for expected in ["id=\"warnings-error\"", "href=\"#warnings\"", "setzen Sie bitte den Haken"] {
        assert!(answer.body.contains(expected), "{expected}: {}", answer.body);
    }
    let later = [
        &unticked[..3],
        &[("when", "later".to_owned()), ("date", "2999-01-01".into()), ("time", "09:00".into())],
    ]
    .concat();
    let answer = press(&browser, update, &later).await;
    assert!(
        answer.body.contains("id=\"later-warnings-error\"") && !answer.body.contains("id=\"warnings-error\"")
    );

    // The check finds something else while the page is open.
    sqlx::query("update updates set teaser = '' where id = $1")
        .bind(update.0)
        .execute(&app.pool)
        .await
        .unwrap();
    let answer = press(&browser, update, &ticked).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Inzwischen hat die Prüfung etwas anderes gefunden"), "{}", answer.body);
    let ticked = format!("value=\"{}\" checked", answer.field("warnings"));
    assert!(!answer.body.contains(&ticked), "the tick was for other warnings");
    assert_eq!(app.count("select count(*) from mailings").await, 0);

    led_to(&press(&browser, update, &fields(&answer)).await);
    let admin = app.member("admin@example.org", Role::Admin).await;
    let log = app.browser_of(&admin).await.get("/staff/audit").await;
    assert!(log.body.contains("Hinweise der Prüfung: "), "{}", log.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_colleague_has_changed_since_the_page_was_shown_does_not_go_out_unseen() {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let (mia, jonas) = (editor(&app).await, app.member("jonas@example.org", Role::Editor).await);
    let browser = app.browser_of(&mia).await;
    let update = app.update("Neues").await;
    let form = fields(&browser.get(&page_of(update)).await);
    let other = app.browser_of(&jonas).await;
    let text = [("version", "1"), ("title", "Ganz anderes"), ("body", "Noch nicht fertig"), ("locale", "de")];
    let saved = other.post(&format!("/staff/updates/{update}"), &text).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let answer = press(&browser, update, &form).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("seit Sie diese Seite geöffnet haben"), "{}", answer.body);
    assert!(answer.body.contains("Ganz anderes"), "and what it is now is shown");
    assert_eq!(app.count("select count(*) from mailings").await, 0);
    led_to(&press(&browser, update, &fields(&answer)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_was_sent_leads_to_its_mailing_also_when_its_time_has_passed_since() {
    let app = App::new().without_worker().start().await;
    app.subscribers(3).await;
    let browser = app.browser_of(&editor(&app).await).await;
    let update = app.update("Neues").await;
    let form = fields(&browser.get(&page_of(update)).await);
    let planned_for = |day: TimeDelta| {
        let mut form: Vec<_> = form.iter().filter(|(name, _)| *name != "when").cloned().collect();
        form.push(("when", "later".into()));
        form.push(("date", (Utc::now() + day).format("%Y-%m-%d").to_string()));
        form.push(("time", "09:00".into()));
        form
    };
    let planned = led_to(&press(&browser, update, &planned_for(TimeDelta::days(2))).await);
    let again = press(&browser, update, &planned_for(TimeDelta::days(-2))).await;
    assert_eq!(again.header("location"), format!("/staff/mailings/{planned}"));
    assert_eq!(app.count("select count(*) from mailings").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_number_of_people_has_changed_since_the_page_was_shown_it_asks_again() {
    let app = App::new().without_worker().start().await;
    app.subscribers(10).await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    let browser = app.browser_of(&member).await;
    let form = fields(&browser.get(&page_of(update)).await);
    for n in 0..5 {
        app.subscriber(&format!("neu{n}@example.org")).await;
    }
    let answer = press(&browser, update, &form).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("standen 10, jetzt sind es 15"), "{}", answer.body);
    assert!(answer.body.contains("An 15 Personen senden"));
    assert_eq!(app.count("select count(*) from mailings").await, 0);
    let mailing = led_to(&press(&browser, update, &fields(&answer)).await);
    assert_eq!(app.status(mailing).await.0.audience, 15);

    let without_form = vec![("version", "1.1".to_owned()), ("shown", "15".to_owned())];
    for (name, form) in [("no form", without_form), ("nothing", Vec::new())] {
        let other = app.update("Anderes").await;
        assert_eq!(press(&browser, other, &form).await.status, 422, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_can_be_planned_on_the_publications_clocks_moved_and_taken_back() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    let browser = app.browser_of(&member).await;
    let page = browser.get(&page_of(update)).await;
    let plan = async |date: &str, time: &str| {
        let [form, version, warnings] = ["form", "version", "warnings"].map(|name| page.field(name));
        let fields = [
            ("form", form.as_str()),
            ("version", &version),
            ("shown", "3"),
            ("when", "later"),
            ("date", date),
            ("time", time),
            ("warnings", &warnings),
        ];
        browser.post(&page_of(update), &fields).await
    };
    let next_year = Utc::now() + TimeDelta::days(200);
    // The last Sundays of March and October, when clocks change.
    let last_sunday = |month: u32| {
        use chrono::{Datelike, NaiveDate, Weekday};
        let candidates = [Utc::now().date_naive(), next_year.date_naive()].map(|day| day.year());
        let sundays = candidates
            .into_iter()
            .flat_map(|year| (25..=31).filter_map(move |day| NaiveDate::from_ymd_opt(year, month, day)));
        let today = Utc::now().date_naive();
        let coming = |day: &NaiveDate| day.weekday() == Weekday::Sun && *day > today;
        sundays.filter(coming).min().unwrap().to_string()
    };
    for (date, time, field, told) in [
        ("", "09:00", "date", "einen Tag"),
        ("2026-12-16", "neun", "time", "eine Uhrzeit"),
        ("2020-01-01", "09:00", "date", "Vergangenheit"),
        ("2999-01-01", "09:00", "date", "mehr als ein Jahr"),
        (&last_sunday(3), "02:30", "time", "werden vorgestellt"),
    ] {
        let answer = plan(date, time).await;
        assert_eq!(answer.status, 422, "{date} {time}");
        let error = format!("id=\"{field}-error\"");
        assert!(answer.body.contains(&error) && answer.body.contains(told), "{date} {time}: {}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{time}\"")), "nothing has to be typed again");
    }
    assert_eq!(app.count("select count(*) from mailings").await, 0);

    let day = next_year.date_naive();
    let mailing = led_to(&plan(&day.to_string(), "09:05").await);
    let path = format!("/staff/mailings/{mailing}");
    let page = browser.get(&path).await;
    assert!(
        page.body.contains("09:05 Uhr (Europe/Berlin)")
            || page.body.contains("09:05 Uhr (Europe&#x2F;Berlin)"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("data-seconds"));
    let at = app.status(mailing).await.0.scheduled_at.unwrap();
    let berlin = at.with_timezone(&chrono_tz::Europe::Berlin);
    assert_eq!(berlin.format("%Y-%m-%d %H:%M").to_string(), format!("{day} 09:05"));

    let wrong = browser.post(&format!("{path}/time"), &[("date", "2020-01-01"), ("time", "09:00")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("id=\"date-error\"") && wrong.body.contains("value=\"2020-01-01\""));
    let moved = browser.post(&format!("{path}/time"), &[("date", &day.to_string()), ("time", "10:15")]).await;
    assert!(moved.header("location").ends_with("?done=mailing_rescheduled"));
    assert!(browser.get(&path).await.body.contains("10:15 Uhr"));
    assert_eq!(app.count("select count(*) from deliveries").await, 0);

    // Now, after all: with half a minute to think, as for every mailing that is sent from here.
    let page = browser.get(&path).await.body;
    let frozen = page.split("name=\"frozen\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let unseen = browser.post(&format!("{path}/now"), &[("frozen", "1764500000000000")]).await;
    assert!(unseen.header("location").ends_with("?done=mailing_changed"), "they have not seen these words");
    let seen = [("frozen", frozen.as_str())];
    let now = browser.post(&format!("{path}/now"), &seen).await;
    assert!(now.header("location").ends_with("?done=mailing_begins_now"));
    let begins = app.status(mailing).await.0.scheduled_at.unwrap() - Utc::now();
    assert!((20..=30).contains(&begins.num_seconds()), "{begins}");
    let page = browser.get(&path).await.body;
    assert!(page.contains("data-seconds") && page.contains("Zurücknehmen"), "{page}");
    browser.post(&format!("{path}/take-back"), &[]).await;
    let late = browser.post(&format!("{path}/now"), &seen).await;
    assert!(late.header("location").ends_with("?done=too_late"), "it is taken back");
    let late = browser.post(&format!("{path}/time"), &[("date", &day.to_string()), ("time", "11:15")]).await;
    assert!(late.header("location").ends_with("?done=too_late"));
    let actions = app.actions().await;
    assert_eq!(
        &actions[actions.len() - 4..],
        ["mailing_planned", "mailing_rescheduled", "mailing_rescheduled", "mailing_taken_back"]
    );
    let admin = app.member("admin@example.org", Role::Admin).await;
    let log = app.browser_of(&admin).await.get("/staff/audit").await;
    assert!(log.body.contains("Aussendung geplant") && log.body.contains("Personen: 3"), "{}", log.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_oneself_to_saved_colleagues_and_to_a_typed_address_and_to_nobody_else() {
    let app = App::new().start().await;
    app.subscribers(3).await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    let browser = app.browser_of(&member).await;
    let add = async |name: &str, email: &str| {
        browser.post("/staff/colleagues", &[("name", name), ("email", email)]).await
    };
    assert_eq!(add("Jonas <b>Wolf</b>", "jonas@example.org").await.status, 303);
    assert_eq!(add("Tea", "tea@example.org").await.status, 303);
    for (name, email, told) in [
        ("Jonas", "JONAS@example.org", "schon in der Liste"),
        ("Jonas", "jonas", "keine E\u{2011}Mail-Adresse"),
        (" ", "neu@example.org", "einen Namen"),
    ] {
        let answer = add(name, email).await;
        assert!(answer.status == 422 && answer.body.contains(told), "{told}: {}", answer.body);
    }
    let list = browser.get("/staff/colleagues").await;
    assert!(list.body.contains("Jonas &lt;b&gt;Wolf") && !list.body.contains("<b>Wolf"), "{}", list.body);

    let page = browser.get(&page_of(update)).await;
    assert!(page.body.contains("Jonas &lt;b&gt;Wolf") && page.body.contains("tea@example.org"));
    let ids: Vec<uuid::Uuid> =
        sqlx::query_scalar("select id from colleagues order by email").fetch_all(&app.pool).await.unwrap();
    let test = format!("/staff/updates/{update}/test");
    let nobody = browser.post(&test, &[]).await;
    assert!(nobody.status == 422 && nobody.body.contains("id=\"address-error\""), "{}", nobody.body);
    let wrong = browser.post(&test, &[("own", "1"), ("address", "<b>kein</b>")]).await;
    assert!(wrong.status == 422 && wrong.body.contains("keine E\u{2011}Mail-Adresse"), "{}", wrong.body);
    assert!(!wrong.body.contains("<b>kein"));
    assert_eq!(app.count("select count(*) from deliveries").await, 0);

    let jonas = ids[0].to_string();
    let fields = [
        ("own", "1"),
        ("to", jonas.as_str()),
        ("address", "Mia@example.org"),
        ("address", "gast@example.net"),
    ];
    let sent = browser.post(&test, &fields).await;
    assert!(sent.header("location").ends_with("?done=test_sent#test"), "{}", sent.body);
    let mails = app.relay.wait_for(3).await;
    let mut to: Vec<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, ["gast@example.net", "jonas@example.org", "mia@example.org"]);
    let subject = Mail::parse(&mails[0].data).header("Subject").unwrap();
    assert_eq!(subject, "[Test] Neues");
    app.wait_for_count("select count(*) from deliveries where kind = 'test' and state = 'accepted'", 3).await;
    let page = browser.get(sent.header("location")).await;
    assert!(page.body.contains("gast@example.net") && page.body.contains("angenommen"), "{}", page.body);
    let (above, beside) = page.body.split_once("id=\"test\"").unwrap();
    assert!(!above.contains("Der Test ist abgeschickt.") && beside.contains("Der Test ist abgeschickt."));
    assert_eq!(app.count("select count(*) from mailings").await, 0);
    assert_eq!(state_of(&app, update).await, UpdateState::Draft);
    let old = "Seit dem letzten Test hat sich der Text geändert.";
    assert!(!page.body.contains(old) && !page.body.contains("noch nicht gesendet"));
    sqlx::query("update updates set changed_at = now() + interval '1 second'")
        .execute(&app.pool)
        .await
        .unwrap();
    assert!(
        browser.get(&page_of(update)).await.body.contains(old),
        "a test of another text is none of this one"
    );

    let gone = browser.post(&format!("/staff/colleagues/{}/remove", ids[1]), &[]).await;
    assert!(gone.header("location").ends_with("?done=colleague_removed"));
    browser.post(&format!("/staff/colleagues/{}/remove", ids[1]), &[]).await;
    assert!(!browser.get("/staff/colleagues").await.body.contains("tea@example.org"));
    let actions = app.actions().await;
    assert_eq!(
        &actions[actions.len() - 4..],
        ["colleague_added", "colleague_added", "test_sent", "colleague_removed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_stolen_cannot_write_to_any_number_of_strangers() {
    let app = App::new().without_worker().start().await;
    let (update, member) = (app.update("Neues").await, editor(&app).await);
    sqlx::query(
        "insert into deliveries (kind, update_id, address, due_at, state, finished_at)
         select 'test', $1, 'x@example.org', now() - interval '59 minutes', 'accepted', now() from generate_series(1, 200)",
    )
    .bind(update.0)
    .execute(&app.pool)
    .await
    .unwrap();
    let browser = app.browser_of(&member).await;
    let test = async || browser.post(&format!("/staff/updates/{update}/test"), &[("own", "1")]).await;
    let refused = test().await;
    assert!(refused.status == 422 && refused.body.contains("höchstens 200"), "{}", refused.body);
    sqlx::query("update deliveries set due_at = due_at - interval '1 minute'")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(test().await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_colleagues_is_bounded() {
    let app = App::new().without_worker().start().await;
    sqlx::query(
        "insert into colleagues (id, email, email_normalized, name, added_at)
         select gen_random_uuid(), 'c' || n || '@example.org', 'c' || n || '@example.org', 'C', now()
         from generate_series(1, 50) n",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let browser = app.browser_of(&editor(&app).await).await;
    let answer = browser.post("/staff/colleagues", &[("name", "Neu"), ("email", "neu@example.org")]).await;
    assert!(answer.status == 422 && answer.body.contains("Mehr als 50"), "{}", answer.body);
}
