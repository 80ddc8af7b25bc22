//! Unsubscribing and undo. Newsletters are forwarded with their links, so only the answer to the request that ended a
//! subscription offers to undo it; everything else needs a mail to the owner.

use chrono::Utc;
use rundbrief::domain::{
    actor::Actor,
    address::EmailAddress,
    consent::{self, ConsentKind, ConsentMethod, NewEvent},
    ids::SubscriberId,
    subscriber,
    token::{LinkPurpose, subscriber_token},
};

use crate::harness::{Answer, App, TestApp, program::Program};

const MARIA: &str = "maria.muster@example.org";
/// What browsers and mail programs send to leave, and what anybody else may send.
const WAYS: [&str; 5] =
    ["from=unsubscribe", "from=settings", "from=confirm", "List-Unsubscribe=One-Click", ""];

/// The undo button of a page.
fn undo(page: &Answer) -> Option<String> {
    let at = page.body.find("/resubscribe/")?;
    Some(page.body[at..].chars().take_while(|c| *c != '"').collect())
}

async fn state_of(app: &TestApp, id: SubscriberId) -> String {
    sqlx::query_scalar("select state::text from subscribers where id = $1")
        .bind(id.0)
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

async fn recorded(
    app: &TestApp,
    email: &str,
) -> Vec<(ConsentKind, ConsentMethod, Option<String>, &'static str)> {
    let address = EmailAddress::parse(email).unwrap().normalized();
    let events = consent::of_address(&mut app.pool.acquire().await.unwrap(), &address).await.unwrap();
    events.into_iter().map(|event| (event.kind, event.method, event.form_page.clone(), event.how())).collect()
}

fn manage_path(app: &TestApp, id: SubscriberId) -> String {
    format!("/manage/{}", subscriber_token(&app.config.secret_keys, LinkPurpose::Manage, id))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_resubscribe_somebody_with_the_link_of_an_old_mail() {
    let app = App::new().without_worker().start().await;
    for (n, owner) in WAYS.into_iter().enumerate() {
        let email = format!("p{n}@example.org");
        let id = app.subscriber(&email).await;
        let path = app.unsubscribe_path(id);
        let first = app.post(&path, owner).await;
        let offered = undo(&first).expect("the answer to the leaving offers to undo it");
        for other in WAYS {
            let page = app.post(&path, other).await;
            assert_eq!((page.status.as_u16(), page.heading()), (200, "Sie sind abgemeldet"));
            assert_eq!(undo(&page), None, "{owner}, then {other}: {}", page.body);
            assert!(!page.body.contains("/left/"), "nobody else is asked why: {}", page.body);
        }
        for page in [app.get(&path).await, app.get(&manage_path(&app, id)).await] {
            assert_eq!(undo(&page), None, "{}", page.body);
        }
        // Somebody was told since that they are unsubscribed: nobody can change that any more.
        let late = app.post(&offered, "").await;
        assert_eq!(
            (late.status.as_u16(), late.heading()),
            (410, "Das lässt sich nicht mehr rückgängig machen")
        );
        assert_eq!(state_of(&app, id).await, "unsubscribed");
        assert_eq!(recorded(&app, &email).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_takes_back_one_leaving_and_no_later_one() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    let path = app.unsubscribe_path(id);
    // Somebody with a forwarded mail leaves for her, and takes it back.
    let strangers = undo(&app.post(&path, "from=unsubscribe").await).unwrap();
    assert_eq!(app.post(&strangers, "").await.heading(), "Sie sind wieder angemeldet");
    // Pressed twice, it says what is so.
    assert_eq!(app.post(&strangers, "").await.heading(), "Sie sind wieder angemeldet");
    let hers = undo(&app.post(&path, "from=unsubscribe").await).unwrap();
    assert_eq!(app.post(&strangers, "").await.status, 410);
    assert_eq!(state_of(&app, id).await, "unsubscribed");
    assert_eq!(app.post(&hers, "").await.heading(), "Sie sind wieder angemeldet");
    assert_eq!(state_of(&app, id).await, "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_way_of_leaving_gives_anybody_an_undo() {
    let app = App::new().without_worker().start().await;
    for method in [
        ConsentMethod::Staff,
        ConsentMethod::Command,
        ConsentMethod::AddressChange,
        ConsentMethod::Retention,
        ConsentMethod::Import,
    ] {
        let id = app.subscriber(&format!("{method:?}@example.org")).await;
        let mut db = app.pool.acquire().await.unwrap();
        subscriber::unsubscribe(&mut db, &Actor::Subscriber(id), id, method, Utc::now()).await.unwrap();
        for way in WAYS {
            let page = app.post(&app.unsubscribe_path(id), way).await;
            assert_eq!(undo(&page), None, "{method:?}, then {way}: {}", page.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_says_who_could_have_taken_an_unsubscribe_back() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    let page = app.post(&app.unsubscribe_path(id), "from=unsubscribe").await;
    app.post(&undo(&page).unwrap(), "").await;
    let answered = app.config.public_url.join("/unsubscribe");
    assert_eq!(
        recorded(&app, MARIA).await.last().unwrap(),
        &(ConsentKind::Confirmed, ConsentMethod::Undo, Some(answered), "undo_on_page")
    );
    let program = Program::beside(&app);
    program.run(&["subscribers", "show", MARIA, "--proof", "proof.html"]).await.done();
    let proof = std::fs::read_to_string(program.dir().join("proof.html")).unwrap();
    assert!(proof.contains("auf der Seite, die auf diese Abmeldung antwortete"), "{proof}");

    // An earlier version let everybody with the link do it, and did not record the page.
    let email = EmailAddress::parse("otto@example.org").unwrap();
    let event = NewEvent::new(ConsentKind::Confirmed, ConsentMethod::Undo, &email, Utc::now());
    consent::record(&mut app.pool.acquire().await.unwrap(), &event).await.unwrap();
    assert_eq!(recorded(&app, "otto@example.org").await.last().unwrap().3, "undo_by_link");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_signs_up_again_by_a_form_that_is_filled_in_and_shows_no_whole_address() {
    let app = App::new().start().await;
    let id = app.subscriber(MARIA).await;
    let path = app.unsubscribe_path(id);
    app.post(&path, "List-Unsubscribe=One-Click").await;
    for page in [app.get(&path).await, app.post(&path, "from=unsubscribe").await] {
        assert!(
            page.body.contains("m…r@example.org") && !page.body.contains("maria.muster"),
            "{}",
            page.body
        );
        assert!(page.body.contains("name=\"again\""), "{}", page.body);
    }
    let page = app.get(&path).await;
    assert!(page.body.contains("<a href=\"/?lang=de\">Neu anmelden</a>"), "{}", page.body);
    let form = format!(
        "again={}&locale=de&page={}&consent_version={}",
        page.field("again"),
        page.field("page"),
        page.field("consent_version")
    );
    // What looks like a program's is asked for one more press, and still shows no more.
    let once_more = app.post("/subscribe", &format!("{form}&rb_extra=x")).await;
    assert_eq!(once_more.status, 403);
    assert!(once_more.body.contains("m…r@example.org") && !once_more.body.contains("maria.muster"));
    assert_eq!(once_more.field("again"), page.field("again"));
    let sent = app.post("/subscribe", &form).await;
    assert!(sent.leads_to_mailbox("de"), "{:?}", sent.headers);
    let mailbox = app.get(sent.header("location")).await;
    assert!(mailbox.body.contains("m…r@example.org"), "{}", mailbox.body);
    assert!(!mailbox.body.contains("maria.muster") && !mailbox.body.contains("<input"), "{}", mailbox.body);
    assert_eq!(state_of(&app, id).await, "unsubscribed", "asking alone brings nobody back");
    let mail = app.mail(1).await;
    assert_eq!(app.confirm(&mail.link("/confirm/")).await.heading(), "Sie sind angemeldet");
    assert_eq!(state_of(&app, id).await, "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_to_sign_up_again_that_is_not_ours_or_is_old_or_is_about_nobody_is_told() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber(MARIA).await;
    app.post(&app.unsubscribe_path(id), "").await;
    let again = app.get(&app.unsubscribe_path(id)).await.field("again");
    for token in ["x", &again[1..], &format!("{again}A")] {
        let page = app.post("/subscribe", &format!("again={token}&email=")).await;
        assert_eq!((page.status.as_u16(), page.heading()), (410, "Dieser Link ist abgelaufen"));
    }
    sqlx::query("delete from subscribers").execute(&app.pool).await.unwrap();
    let page = app.post("/subscribe", &format!("again={again}")).await;
    assert_eq!((page.status.as_u16(), page.heading()), (410, "Hierzu ist nichts mehr gespeichert"));
    assert_eq!(app.count("select count(*) from signups").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_mail_any_more_may_leave_too_and_the_record_says_so_once() {
    let app = App::new().without_worker().start().await;
    for (state, after) in [("bounced", "unsubscribed"), ("complained", "complained")] {
        for (n, way) in WAYS.into_iter().enumerate() {
            let email = format!("{state}{n}@example.org");
            let id = app.subscriber(&email).await;
            sqlx::query("update subscribers set state = $2::subscriber_state where id = $1")
                .bind(id.0)
                .bind(state)
                .execute(&app.pool)
                .await
                .unwrap();
            let path = app.unsubscribe_path(id);
            let asks = app.get(&path).await;
            assert_eq!(asks.heading(), "Newsletter abbestellen");
            assert!(asks.body.contains("zurzeit nicht"), "{}", asks.body);
            assert!(app.get(&manage_path(&app, id)).await.body.contains("value=\"settings\""));
            for _ in 0..2 {
                let page = app.post(&path, way).await;
                assert_eq!((page.status.as_u16(), page.heading()), (200, "Sie sind abgemeldet"));
                assert_eq!(undo(&page), None, "there is nothing to bring back: {}", page.body);
            }
            assert_eq!(app.get(&path).await.heading(), "Sie sind abgemeldet");
            assert_eq!(state_of(&app, id).await, after);
            let events = recorded(&app, &email).await;
            assert_eq!(events.len(), 1, "{events:?}");
            assert_eq!(events[0].0, ConsentKind::Withdrawn);
        }
    }
}
