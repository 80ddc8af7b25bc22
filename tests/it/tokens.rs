//! Tokens (invariant 5): one token, one purpose. Anything else in a link gets a clear page and changes nothing.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{Duration, Utc};
use rundbrief::{
    config::SecretKeys,
    domain::{
        address::EmailAddress,
        ids::SubscriberId,
        token::{
            ConfirmToken, LinkPurpose, access_token, leave_form_token, opened_token, review_token,
            subscriber_token, undo_token,
        },
        update::review,
    },
};
use sha2::{Digest, Sha256};

use crate::harness::{Answer, App, TestApp};

const UNKNOWN: (u16, &str) = (404, "Dieser Link passt nicht");
const EXPIRED: (u16, &str) = (410, "Dieser Link ist abgelaufen");

/// Every route that a token leads to.
const ROUTES: [&str; 7] =
    ["/confirm/", "/unsubscribe/", "/resubscribe/", "/manage/", "/data/", "/left/", "/review/"];

/// The token of a link to look at an update.
async fn review(app: &TestApp) -> String {
    let update = app.update("Offene Werkstatt").await;
    let mut db = app.pool.acquire().await.unwrap();
    let link = review::make(&mut db, update, "Ada Muster", Utc::now()).await.unwrap().unwrap();
    review_token(&app.config.secret_keys, link.id)
}

/// What a token that does not fit gets to read there.
fn refusal(route: &str) -> (u16, &'static str) {
    // The one question after leaving: whatever comes there late or odd is told that its time is over.
    if route == "/left/" { EXPIRED } else { UNKNOWN }
}

/// Opens a link and presses every button that its page could have.
async fn open_and_press(app: &TestApp, path: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    // Some have no page of their own.
    if !path.starts_with("/resubscribe/") && !path.starts_with("/left/") {
        answers.push(app.get(path).await);
    }
    if path.starts_with("/data/") {
        answers.push(app.get(&format!("{path}/download")).await);
        answers.push(app.get(&format!("{path}/erase")).await);
        answers.push(app.post(&format!("{path}/erase"), "").await);
        answers.push(app.post(&format!("{path}/address"), "email=otto%40example.org").await);
        return answers;
    }
    let buttons: &[&str] = if path.starts_with("/confirm/") {
        &["action=confirm", "action=decline"]
    } else if path.starts_with("/manage/") {
        &["action=language&locale=en", "action=access", "action=keep_address"]
    } else if path.starts_with("/left/") {
        &["reason=other"]
    } else {
        &["", "List-Unsubscribe=One-Click"]
    };
    for button in buttons {
        answers.push(app.post(path, button).await);
    }
    answers
}

/// However the link is used, its answer is this status under this heading, on a page of this site with the way on.
async fn is_refused(app: &TestApp, path: &str, (status, heading): (u16, &str)) {
    let shown: String = path.chars().take(100).collect();
    for answer in open_and_press(app, path).await {
        assert_eq!((answer.status.as_u16(), answer.heading()), (status, heading), "{shown}");
        assert!(answer.body.contains(&format!("<title>{heading} – LOK Lausitz</title>")), "{}", answer.body);
        // Who wants to leave is told whom to write to, and is not sent to the signup form.
        let leaves = path.starts_with("/unsubscribe/") && heading == "Dieser Link passt nicht";
        let way_on = if leaves { "Nachricht an kontakt@lok-lausitz.example" } else { "href=\"/?lang=de\"" };
        assert!(answer.body.contains(way_on), "{}", answer.body);
        assert!(!(leaves && answer.body.contains("Neu anmelden")), "{}", answer.body);
        assert!(!answer.body.contains("<script"), "{}", answer.body);
        assert_eq!(answer.header("cache-control"), "no-store", "{shown}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{shown}");
        assert_eq!(answer.header("x-robots-tag"), "noindex", "{shown}");
    }
}

fn keys(bytes: &[u8]) -> SecretKeys {
    let list: Vec<String> = bytes.iter().map(|byte| STANDARD.encode([*byte; 32])).collect();
    SecretKeys::parse(&list.join(",")).unwrap()
}

fn unsubscribe_token(keys: &SecretKeys, id: SubscriberId) -> String {
    subscriber_token(keys, LinkPurpose::Unsubscribe, id)
}

/// The token with one bit turned round.
fn flipped(token: &str, bit: usize) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What becomes of a token between a mail and a browser, and what people try.
fn mangled(token: &str) -> Vec<String> {
    let bits = URL_SAFE_NO_PAD.decode(token).unwrap().len() * 8;
    let swapped: String = token
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let mut all: Vec<String> =
        [0, 1, 7, 127, 128, 191, bits - 1].iter().map(|bit| flipped(token, *bit)).collect();
    all.extend([
        token[..token.len() - 1].to_owned(),
        token[1..].to_owned(),
        token[..token.len() / 2].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        format!("{token}."),
        format!("{token}%3E"),
        format!("{token}%0A"),
        format!("{token}%00"),
        format!("%20{token}"),
        format!("%E2%80%8B{token}"),
        format!("{token}{token}"),
        swapped,
        "A".repeat(token.len()),
        "A".repeat(10_000),
        "%41".repeat(10_000),
        "0".to_owned(),
        "null".to_owned(),
        "%00".to_owned(),
        "%20".to_owned(),
        "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd".to_owned(),
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E".to_owned(),
        "'%20or%20'1'='1".to_owned(),
        format!("{}AAA", "%F0%9F%92%A9".repeat(10)),
    ]);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_one_token_one_purpose() {
    let app = App::new().without_worker().start().await;
    let (keys, now) = (&app.config.secret_keys, Utc::now());
    let confirm = app.sign_up_unsent("maria@example.org").await;
    let id = app.subscriber("anna@example.org").await;
    let anna = EmailAddress::parse("anna@example.org").unwrap().normalized();
    let tokens = [
        ("/confirm/", confirm.reveal()),
        ("/unsubscribe/", unsubscribe_token(keys, id)),
        ("/resubscribe/", undo_token(keys, id, now)),
        ("/manage/", subscriber_token(keys, LinkPurpose::Manage, id)),
        ("/data/", access_token(keys, id, &anna, now)),
        ("/left/", leave_form_token(keys, now).unwrap()),
        ("/review/", review(&app).await),
        ("opened", opened_token(keys, confirm.hash(), now)),
    ];
    let before = app.whole_database().await;
    for route in ROUTES {
        for (purpose, token) in tokens.iter().filter(|(purpose, _)| *purpose != route) {
            is_refused(&app, &format!("{route}{token}"), refusal(route)).await;
            assert_eq!(app.whole_database().await, before, "{purpose} token at {route}");
        }
    }
    // Each of them was good, in its own place.
    let [(_, confirm), (_, unsubscribe), (_, undo), (_, manage), (_, access), (_, left), (_, review), _] =
        &tokens;
    assert_eq!(app.get(&format!("/review/{review}")).await.heading(), "Zur Ansicht");
    assert_eq!(app.get(&format!("/manage/{manage}")).await.heading(), "Ihre Einstellungen");
    assert_eq!(app.get(&format!("/data/{access}")).await.heading(), "Ihre Daten");
    assert_eq!(app.post(&format!("/left/{left}"), "reason=other").await.heading(), "Danke für die Antwort");
    let confirmed = app.post(&format!("/confirm/{confirm}"), "action=confirm").await;
    assert_eq!(confirmed.heading(), "Sie sind angemeldet");
    let left = app.post(&format!("/unsubscribe/{unsubscribe}"), "").await;
    assert_eq!(left.heading(), "Sie sind abgemeldet");
    // This one is ours too, and is about another leaving.
    assert_eq!(app.post(&format!("/resubscribe/{undo}"), "").await.status, 410);
    assert_eq!(app.post(&left.form_action(), "").await.heading(), "Sie sind wieder angemeldet");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_a_mangled_token_gets_a_clear_page_and_changes_nothing() {
    let app = App::new().without_worker().start().await;
    let confirm = app.sign_up_unsent("maria@example.org").await.reveal();
    let id = app.subscriber("anna@example.org").await;
    let unsubscribe = unsubscribe_token(&app.config.secret_keys, id);
    let undo = undo_token(&app.config.secret_keys, id, Utc::now());
    let manage = subscriber_token(&app.config.secret_keys, LinkPurpose::Manage, id);
    let anna = EmailAddress::parse("anna@example.org").unwrap().normalized();
    let access = access_token(&app.config.secret_keys, id, &anna, Utc::now());
    let left = leave_form_token(&app.config.secret_keys, Utc::now()).unwrap();
    let review = review(&app).await;
    let before = app.whole_database().await;
    for (route, token) in ROUTES.into_iter().zip([confirm, unsubscribe, undo, manage, access, left, review]) {
        for token in mangled(&token) {
            is_refused(&app, &format!("{route}{token}"), refusal(route)).await;
        }
        assert_eq!(app.whole_database().await, before, "{route}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_no_utf_8_is_a_link_that_does_not_fit() {
    let app = App::new().without_worker().start().await;
    for route in ROUTES {
        for token in ["%FF", "%C0%AE%C0%AE%C0%AF", "%ED%A0%80"] {
            is_refused(&app, &format!("{route}{token}"), UNKNOWN).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_without_a_token_or_with_a_path_in_it_leads_nowhere() {
    let app = App::new().without_worker().start().await;
    let token = app.sign_up_unsent("maria@example.org").await.reveal();
    let before = app.whole_database().await;
    let rests = [String::new(), "../".into(), "../staff".into(), format!("{token}/"), format!("x/{token}")];
    for route in ROUTES {
        for rest in &rests {
            let answer = app.get(&format!("{route}{rest}")).await;
            assert_eq!((answer.status.as_u16(), answer.heading()), (404, "Diese Seite gibt es nicht"));
        }
    }
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_a_token_under_another_secret_key_is_not_ours() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber("anna@example.org").await;
    let before = app.whole_database().await;
    let other = keys(&[8]);
    is_refused(&app, &format!("/unsubscribe/{}", unsubscribe_token(&other, id)), UNKNOWN).await;
    is_refused(&app, &format!("/resubscribe/{}", undo_token(&other, id, Utc::now())), UNKNOWN).await;
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_signed_with_the_old_key_work_after_a_rotation() {
    let both = format!("{},{}", STANDARD.encode([8; 32]), STANDARD.encode([7; 32]));
    let app = App::new().setting("SECRET_KEY", &both).without_worker().start().await;
    let id = app.subscriber("anna@example.org").await;
    let old = format!("/unsubscribe/{}", unsubscribe_token(&keys(&[7]), id));
    let new = app.unsubscribe_path(id);
    assert_ne!(old, new);
    assert_eq!(new, format!("/unsubscribe/{}", unsubscribe_token(&keys(&[8]), id)));
    assert_eq!(app.get(&old).await.heading(), "Newsletter abbestellen");
    assert_eq!(app.post(&old, "").await.heading(), "Sie sind abgemeldet");
    assert_eq!(app.count("select count(*) from subscribers where state = 'unsubscribed'").await, 1);
    let undo = format!("/resubscribe/{}", undo_token(&keys(&[7]), id, left_at(&app, id).await));
    assert_eq!(app.post(&undo, "").await.heading(), "Sie sind wieder angemeldet");
    assert_eq!(app.post(&new, "").await.heading(), "Sie sind abgemeldet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirm_link_ends_with_its_signup() {
    let app = App::new().without_worker().start().await;
    let path = format!("/confirm/{}", app.sign_up_unsent("maria@example.org").await.reveal());
    sqlx::query("update signups set expires_at = now() - interval '1 second'")
        .execute(&app.pool)
        .await
        .unwrap();
    let before = app.whole_database().await;
    for answer in [app.get(&path).await, app.post(&path, "action=confirm").await] {
        assert_eq!((answer.status.as_u16(), answer.heading()), EXPIRED);
        assert!(answer.body.contains("<a class=\"button\" href=\"/?lang=de\">Neu anmelden</a>"));
    }
    assert_eq!(app.whole_database().await, before);
    // The way on leads somewhere: a fresh link, which works.
    let fresh = format!("/confirm/{}", app.sign_up_unsent("maria@example.org").await.reveal());
    assert_eq!(app.post(&fresh, "action=confirm").await.heading(), "Sie sind angemeldet");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_link_ends_after_its_hour() {
    let app = App::new().without_worker().start().await;
    let id = app.subscriber("anna@example.org").await;
    app.post(&app.unsubscribe_path(id), "").await;
    for (minutes, is_late) in [(61, true), (59, false)] {
        let left_at = Utc::now() - Duration::minutes(minutes);
        sqlx::query("update subscribers set state_changed_at = $1")
            .bind(left_at)
            .execute(&app.pool)
            .await
            .unwrap();
        let undo = format!("/resubscribe/{}", undo_token(&app.config.secret_keys, id, left_at));
        let before = app.whole_database().await;
        if is_late {
            is_refused(&app, &undo, EXPIRED).await;
            assert_eq!(app.whole_database().await, before);
        } else {
            assert_eq!(app.post(&undo, "").await.status, 200);
        }
    }
}

/// When somebody left, as it is stored.
async fn left_at(app: &TestApp, id: SubscriberId) -> chrono::DateTime<Utc> {
    sqlx::query_scalar("select state_changed_at from subscribers where id = $1")
        .bind(id.0)
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_5_no_token_is_stored_only_the_sha_256_of_confirm_tokens() {
    let app = App::new().start().await;
    app.sign_up("maria@example.org").await;
    let confirm = app.mail(1).await.link("/confirm/").replace("/confirm/", "");
    app.confirm(&format!("/confirm/{confirm}")).await;
    let unsubscribe = app.mail(2).await.link("/unsubscribe/").replace("/unsubscribe/", "");
    let left = app.post(&format!("/unsubscribe/{unsubscribe}"), "").await;
    let action = left.form_action();
    let (undo, _) = action.strip_prefix("/resubscribe/").unwrap().split_once('?').unwrap();

    let sha256: [u8; 32] = Sha256::digest(URL_SAFE_NO_PAD.decode(&confirm).unwrap()).into();
    let known: i64 = sqlx::query_scalar("select count(*) from confirm_tokens where token_sha256 = $1")
        .bind(sha256.to_vec())
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(known, 1);
    let all = app.whole_database().await;
    for token in [confirm.as_str(), unsubscribe.as_str(), undo] {
        // The last 16 bytes: of signed tokens, the signature; what stands before it is the subscriber's id.
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
        let end = u128::from_be_bytes(bytes[bytes.len() - 16..].try_into().unwrap());
        assert!(!all.contains(token) && !all.contains(&format!("{end:032x}")), "{all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_opening_is_left_out_of_the_record_and_does_not_stop_the_confirmation() {
    let app = App::new().without_worker().start().await;
    let made_up: [fn(&SecretKeys, &ConfirmToken) -> String; 5] = [
        |_, _| String::new(),
        |_, token| opened_token(&keys(&[8]), token.hash(), Utc::now()),
        |ours, _| opened_token(ours, ConfirmToken::mint().hash(), Utc::now()),
        |ours, token| flipped(&opened_token(ours, token.hash(), Utc::now()), 60),
        |_, _| "x".repeat(10_000),
    ];
    for (n, made_up) in made_up.iter().enumerate() {
        let token = app.sign_up_unsent(&format!("p{n}@example.org")).await;
        let form = format!("action=confirm&opened={}", made_up(&app.config.secret_keys, &token));
        let answer = app.post(&format!("/confirm/{}", token.reveal()), &form).await;
        assert_eq!(answer.heading(), "Sie sind angemeldet");
    }
    assert_eq!(app.count("select count(*) from consent_events where kind = 'link_opened'").await, 0);
    assert_eq!(app.count("select count(*) from consent_events where kind = 'confirmed'").await, 5);

    let honest = app.sign_up_unsent("maria@example.org").await;
    app.confirm(&format!("/confirm/{}", honest.reveal())).await;
    assert_eq!(app.count("select count(*) from consent_events where kind = 'link_opened'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_confirm_link_does_not_tell_somebody_who_left_that_they_are_subscribed() {
    let app = App::new().without_worker().start().await;
    let path = format!("/confirm/{}", app.sign_up_unsent("maria@example.org").await.reveal());
    let confirmed = app.post(&path, "action=confirm").await;
    let (_, unsubscribe) = confirmed.body.split_once("href=\"/unsubscribe/").unwrap();
    let (unsubscribe, _) = unsubscribe.split_once('"').unwrap();
    app.post(&format!("/unsubscribe/{unsubscribe}"), "").await;
    let before = app.whole_database().await;
    for answer in [app.get(&path).await, app.post(&path, "action=confirm").await] {
        assert!(!answer.status.is_server_error(), "{}", answer.body);
        assert_ne!(answer.heading(), "Sie sind angemeldet", "{}", answer.body);
    }
    assert_eq!(app.whole_database().await, before);
}
