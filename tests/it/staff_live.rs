//! Live pages of mailings: server-sent events.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rundbrief::domain::{ids::MailingId, mailing::MailingState, staff::Role};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, util::SubscriberInitExt};

use crate::harness::{
    App, TestApp,
    browser::Browser,
    smtp::{Action, Phase, behave},
};

/// An open page: a connection on which events come.
struct Events {
    stream: TcpStream,
    read: String,
}

impl Events {
    async fn open(app: &TestApp, browser: &Browser<'_>, id: MailingId, lang: &str) -> Self {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        let cookie = browser.cookie("__Host-rundbrief");
        let head = format!(
            "GET /staff/mailings/{id}/events?lang={lang} HTTP/1.1\r\nhost: x\r\ncookie: __Host-rundbrief={cookie}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut events = Self { stream, read: String::new() };
        while !events.read.contains("retry: 2000") {
            assert!(events.more().await, "{}", events.read);
        }
        let head = events.read.to_lowercase();
        assert!(
            head.starts_with("http/1.1 200") && head.contains("content-type: text/event-stream"),
            "{head}"
        );
        assert!(head.contains("cache-control: no-store") && head.contains("x-accel-buffering: no"), "{head}");
        events
    }

    /// Reads more; false when the answer has ended.
    async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = timeout(Duration::from_secs(30), self.stream.read(&mut buffer)).await;
        let read = read.expect("something comes").unwrap();
        self.read.push_str(&String::from_utf8_lossy(&buffer[..read]));
        // The last chunk of an answer is an empty one.
        read > 0 && !self.read.ends_with("\r\n0\r\n\r\n")
    }

    /// The next event.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let from = self.read.find("data: ");
            if let Some((from, to)) =
                from.and_then(|from| Some((from, from + self.read[from..].find("\n\n")?)))
            {
                let event = serde_json::from_str(&self.read[from + 6..to]).unwrap();
                self.read.drain(..to);
                return Some(event);
            }
            if !self.more().await {
                // What came together with the end.
                let has_event =
                    self.read.find("data: ").is_some_and(|from| self.read[from..].contains("\n\n"));
                if !has_event {
                    return None;
                }
            }
        }
    }

    /// Every event until the answer ends.
    async fn all(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_is_told_how_it_goes_until_it_is_over_and_in_its_own_language() {
    let slow = |phase: Phase, _: &str| match phase {
        Phase::Mail => Action::Delay(Duration::from_millis(100)),
        _ => Action::Go,
    };
    let app = App::new().setting("SMTP_CONNECTIONS", "2").relay(behave(slow)).start().await;
    app.subscribers(90).await;
    let member = app.member("mia@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let id = app.trigger().await;
    let german = Events::open(&app, &browser, id, "de").await;
    let english = Events::open(&app, &browser, id, "en").await;
    let (german, english) = tokio::join!(german.all(), english.all());
    for (events, word) in [(&german, "angenommen"), (&english, "accepted")] {
        let last = events.last().unwrap();
        assert_eq!((last["phase"].as_str(), last["ended"].as_i64()), (Some("over"), Some(90)), "{last}");
        assert_eq!((last["accepted"].as_str(), last["waiting"].as_str()), (Some("90"), Some("0")));
        assert!(last["sentence"].as_str().unwrap().contains(word), "{last}");
        let ended: Vec<i64> = events.iter().map(|event| event["ended"].as_i64().unwrap()).collect();
        assert!(ended.is_sorted() && ended.len() >= 3, "it grows, step by step: {ended:?}");
        assert!(events[0]["rate"].is_null(), "nothing was measured yet");
        assert!(events.iter().any(|event| event["rate"].is_string()), "and then it was: {events:?}");
    }
    app.wait_for_state(id, MailingState::Done).await;
}

/// Counts the statements that look how mailings go, by what the database's client tells of each.
#[derive(Clone, Default)]
struct Looks(Arc<AtomicUsize>);

impl Looks {
    /// How many there are in so many seconds.
    async fn within(&self, seconds: u64) -> usize {
        let before = self.0.load(Ordering::Relaxed);
        sleep(Duration::from_secs(seconds)).await;
        self.0.load(Ordering::Relaxed) - before
    }
}

impl<S: tracing::Subscriber> Layer<S> for Looks {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Statement(bool);
        impl Visit for Statement {
            fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
                self.0 |= format!("{value:?}").contains("cross join lateral");
            }
        }
        let mut statement = Statement(false);
        event.record(&mut statement);
        if event.metadata().target() == "sqlx::query" && statement.0 {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// On one thread, so that everything the service does is counted, and nothing of what other tests do.
#[tokio::test(flavor = "current_thread")]
async fn any_number_of_open_pages_costs_one_query_a_second() {
    let looks = Looks::default();
    let _counting = tracing_subscriber::registry().with(looks.clone()).set_default();
    let app = App::new().without_worker().start().await;
    app.subscribers(5).await;
    let id = app.trigger().await;
    let member = app.member("mia@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    assert_eq!(looks.within(2).await, 0, "nobody looks at anything");
    let mut pages = vec![Events::open(&app, &browser, id, "de").await];
    let one = looks.within(5).await;
    assert!((2..=6).contains(&one), "{one} in five seconds");
    for n in 1..24 {
        let lang = if n % 2 == 0 { "de" } else { "en" };
        pages.push(Events::open(&app, &browser, id, lang).await);
    }
    let many = looks.within(5).await;
    assert!((2..=6).contains(&many), "{many} in five seconds, for all of them");
    for page in &mut pages {
        assert_eq!(page.next().await.unwrap()["phase"], "running");
    }
    drop(pages);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(looks.within(3).await, 0, "with no page open nobody looks");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_of_a_planned_mailing_is_told_its_time_and_that_it_was_moved() {
    let app = App::new().without_worker().start().await;
    app.subscribers(5).await;
    let member = app.member("mia@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let id = app.trigger().await;
    sqlx::query(
        "update mailings set state = 'scheduled', begun_at = null, scheduled_at = '2099-11-30 07:00Z' where id = $1",
    )
    .bind(id.0)
    .execute(&app.pool)
    .await
    .unwrap();
    let mut page = Events::open(&app, &browser, id, "de").await;
    let told = page.next().await.unwrap();
    assert_eq!(told["state"], "Geplant Mo, 30.11.2099, 8:00");
    let shown = browser.get(&format!("/staff/mailings/{id}")).await.body;
    assert!(shown.contains(&format!("data-plan=\"{}\"", told["plan"].as_str().unwrap())), "{shown}");
    sqlx::query("update mailings set scheduled_at = '2099-12-01 07:00Z'").execute(&app.pool).await.unwrap();
    let moved = page.next().await.unwrap();
    assert_eq!((&moved["phase"], &moved["state"]), (&told["phase"], &"Geplant Di, 1.12.2099, 8:00".into()));
    assert_ne!(moved["plan"], told["plan"], "so the page is made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_ends_with_its_session_and_does_not_keep_it_alive() {
    let app = App::new().without_worker().start().await;
    app.subscribers(5).await;
    let id = app.trigger().await;
    let member = app.member("mia@example.org", Role::Editor).await;
    let (leaving, staying) = (app.browser_of(&member).await, app.browser_of(&member).await);
    sqlx::query("update staff_sessions set last_seen_at = now() - interval '1 hour'")
        .execute(&app.pool)
        .await
        .unwrap();
    let page = Events::open(&app, &leaving, id, "de").await;
    let mut other = Events::open(&app, &staying, id, "de").await;
    let kept = "select count(*) from staff_sessions where last_seen_at < now() - interval '59 minutes'";
    assert_eq!(app.count(kept).await, 2, "a page that is left open is nobody at work");
    assert_eq!(leaving.post("/staff/logout", &[]).await.status, 303);
    let told = timeout(Duration::from_secs(20), page.all()).await.expect("it ends");
    assert!(told.len() <= 2, "{told:?}");
    assert!(other.next().await.is_some());
    let gone = leaving.get(&format!("/staff/mailings/{id}/events")).await;
    assert!(gone.header("location").starts_with("/staff/login"), "and asks in vain: {}", gone.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_not_wait_for_open_pages_when_it_stops() {
    let mut app = App::new().without_worker().start().await;
    app.subscribers(5).await;
    let id = app.trigger().await;
    let member = app.member("mia@example.org", Role::Editor).await;
    let page = {
        let browser = app.browser_of(&member).await;
        Events::open(&app, &browser, id, "de").await
    };
    let begun = Instant::now();
    let (told, ()) = tokio::join!(page.all(), app.stop());
    assert!(told.len() <= 2, "{told:?}");
    // After five seconds the server would have cut what does not end by itself.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_is_not_cut_as_a_request_that_takes_too_long_is() {
    let app = App::new().without_worker().start().await;
    app.subscribers(5).await;
    let id = app.trigger().await;
    let member = app.member("mia@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let mut page = Events::open(&app, &browser, id, "de").await;
    assert!(page.next().await.is_some());
    // Longer than a request may take. Then something happens, and is told.
    sleep(Duration::from_secs(16)).await;
    assert_eq!(browser.post(&format!("/staff/mailings/{id}/pause"), &[]).await.status, 303);
    let told = page.next().await.unwrap();
    assert_eq!((told["phase"].as_str(), told["kind"].as_str()), (Some("paused"), Some("staff")), "{told}");
}
