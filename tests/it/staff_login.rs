//! Login and logout: who gets in, who has to wait, and that answers reveal nothing.

use rundbrief::domain::staff::Role;

use crate::harness::{
    Answer, App, TestApp,
    browser::{Browser, PASSWORD},
};

const SESSION: &str = "__Host-rundbrief";
const DEVICE: &str = "__Host-rundbrief-device";

/// The page without what was typed.
fn without(answer: &Answer, email: &str) -> String {
    answer.body.replace(email, "…")
}

async fn wrong(browser: &Browser<'_>, email: &str, times: usize) -> Answer {
    let mut last = None;
    for _ in 0..times {
        last = Some(browser.log_in(email, "something else entirely").await);
    }
    last.unwrap()
}

/// Lets so much time pass for the throttle.
async fn later(app: &TestApp, seconds: i32) {
    sqlx::query(
        "update staff_login_throttle set blocked_until = blocked_until - make_interval(secs => $1),
           last_at = last_at - make_interval(secs => $1)",
    )
    .bind(f64::from(seconds))
    .execute(&app.pool)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn address_and_password_open_the_staff_pages() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser();
    let answer = browser.log_in(" ADA@example.org ", PASSWORD).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/staff"));
    let cookies: Vec<&str> =
        answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let (session, device) = (cookies[0], cookies[1]);
    assert!(
        session.starts_with("__Host-rundbrief=")
            && session.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure")
    );
    assert!(
        device.starts_with("__Host-rundbrief-device=")
            && device.contains("; HttpOnly; SameSite=Lax; Secure; Max-Age=")
    );
    let start = browser.get("/staff").await;
    assert_eq!(start.heading(), "Guten Tag, Ada Muster");
    assert!(!start.body.contains("/staff/people"), "editors have no such page");
    let account = browser.get("/staff/account").await;
    assert!(
        account.body.contains("Firefox auf Linux") && account.body.contains("zuletzt heute um "),
        "{}",
        account.body
    );
    assert_eq!(app.actions().await, ["member_added", "password_set", "logged_in"]);

    // Of the token only its hash is stored.
    assert!(!app.whole_database().await.contains(&browser.cookie(SESSION)));
    assert_eq!(browser.get("/staff/login").await.header("location"), "/staff", "logged in already");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_plain_http_on_this_machine_the_cookie_needs_no_tls() {
    let app = App::new().without_worker().setting("PUBLIC_URL", "http://127.0.0.1:8080").start().await;
    app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser();
    let answer = browser.log_in("ada@example.org", PASSWORD).await;
    assert!(
        answer.header("set-cookie").ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{:?}",
        answer.headers
    );
    assert_eq!(browser.get("/staff").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_an_unknown_and_a_disabled_account_get_the_same_answer() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Editor).await;
    let gone = app.member("gone@example.org", Role::Editor).await;
    let admin = app.member("boss@example.org", Role::Admin).await;
    let disable = format!("/staff/people/{}/disable", gone.id);
    app.browser_of(&admin).await.post(&disable, &[]).await;
    // Invited, and without a password yet.
    let invited = [("email", "new@example.org"), ("name", "Neu"), ("role", "editor")];
    app.browser_of(&admin).await.post("/staff/people", &invited).await;

    let known = app.browser().log_in("ada@example.org", "something else entirely").await;
    assert_eq!(known.status, 422);
    assert!(known.body.contains("E\u{2011}Mail-Adresse oder Passwort stimmen nicht."), "{}", known.body);
    for (email, password) in [
        ("nobody@example.org", "something else entirely"),
        ("gone@example.org", PASSWORD),
        ("new@example.org", ""),
        ("new@example.org", "something else entirely"),
        ("no address at all", "something else entirely"),
        ("ada@example.org", &format!("{PASSWORD}{}", "x".repeat(2000))),
    ] {
        let answer = app.browser().log_in(email, password).await;
        assert_eq!(answer.status, 422, "{email}");
        if !password.is_empty() {
            assert_eq!(without(&answer, email), without(&known, "ada@example.org"), "{email}");
            let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(names(&answer), names(&known), "{email}");
        }
    }

    // Held back alike, too.
    for email in ["ada@example.org", "nobody@example.org"] {
        wrong(&app.browser(), email, 5).await;
    }
    app.waits_last().await;
    let held = wrong(&app.browser(), "ada@example.org", 1).await;
    let held_unknown = wrong(&app.browser(), "nobody@example.org", 1).await;
    assert_eq!((held.status.as_u16(), held_unknown.status.as_u16()), (429, 429));
    assert_eq!(without(&held, "ada@example.org"), without(&held_unknown, "nobody@example.org"));
    assert!(held.header("retry-after").parse::<u32>().unwrap() <= 3600 + 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_becomes_slow_and_ends_for_nobody_for_good() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Editor).await;
    let guesser = app.browser();
    assert_eq!(
        wrong(&guesser, "ada@example.org", 6).await.status,
        422,
        "five are free, and one more is looked at"
    );
    app.waits_last().await;
    let held = guesser.log_in("ada@example.org", PASSWORD).await;
    assert_eq!(held.status, 429, "also with the right password, or waiting would tell");
    assert!(held.body.contains("Warten Sie bitte"), "{}", held.body);
    later(&app, 3600 + 16).await;
    assert_eq!(wrong(&guesser, "ada@example.org", 1).await.status, 422);
    let wait = "select max(extract(epoch from blocked_until - last_at))::bigint from staff_login_throttle";
    assert_eq!(app.count(wait).await, 30, "each wait is twice as long");
    later(&app, 16).await;
    for _ in 0..12 {
        later(&app, 15 * 60).await;
        assert_eq!(
            wrong(&guesser, "ada@example.org", 1).await.status,
            422,
            "and never longer than 15 minutes"
        );
    }
    later(&app, 15 * 60).await;
    assert_eq!(guesser.log_in("ada@example.org", PASSWORD).await.status, 303);
    assert_eq!(wrong(&app.browser(), "ada@example.org", 5).await.status, 422, "a success begins anew");

    app.wait_for_count("select count(*) from audit_log where action = 'login_held'", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_guesses_at_once_are_a_hundred_guesses() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Editor).await;
    let answers = guesses_at_once(&app, 100).await;
    // On a busy machine one that was counted may still be told to come back (503); none is looked at beyond the six.
    assert!(answers.iter().all(|status| matches!(status, 422 | 429 | 503)), "{answers:?}");
    let looked_at = answers.iter().filter(|status| **status == 422).count();
    assert!((1..=6).contains(&looked_at), "{answers:?}");
    let counted: i32 = sqlx::query_scalar("select max(failures) from staff_login_throttle")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(counted, 6, "{answers:?}");
}

async fn guesses_at_once(app: &TestApp, times: usize) -> Vec<u16> {
    let address = app.address;
    let guesses: Vec<_> = (0..times)
        .map(|n| {
            tokio::spawn(async move {
                let headers = [("content-type", "application/x-www-form-urlencoded")];
                let form = format!("email=ada%40example.org&password=guess+number+{n}");
                let answer = crate::harness::http::send(
                    address,
                    axum::http::Method::POST,
                    "/staff/login",
                    &headers,
                    form,
                );
                answer.await.status.as_u16()
            })
        })
        .collect();
    let mut answers = Vec::new();
    for guess in guesses {
        answers.push(guess.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logged_in_from_here_before_is_not_held_up_by_others() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Editor).await;
    app.member("otto@example.org", Role::Editor).await;
    let owner = app.browser();
    assert_eq!(owner.log_in("ada@example.org", PASSWORD).await.status, 303);
    owner.post("/staff/logout", &[]).await;
    assert!(owner.cookie(SESSION).is_empty() && !owner.cookie(DEVICE).is_empty());

    wrong(&app.browser(), "ada@example.org", 6).await;
    app.waits_last().await;
    assert_eq!(wrong(&app.browser(), "ada@example.org", 1).await.status, 429);
    assert_eq!(owner.log_in("ada@example.org", PASSWORD).await.status, 303);

    // A device is good for its owner's account alone, and its own guesses count.
    wrong(&app.browser(), "otto@example.org", 6).await;
    wrong(&owner, "ada@example.org", 6).await;
    app.waits_last().await;
    assert_eq!(wrong(&app.browser(), "otto@example.org", 1).await.status, 429);
    assert_eq!(owner.log_in("otto@example.org", PASSWORD).await.status, 429);
    assert_eq!(wrong(&owner, "ada@example.org", 1).await.status, 429);
    let forged = app.browser();
    forged.set_cookie(DEVICE, &"A".repeat(64));
    assert_eq!(forged.log_in("ada@example.org", PASSWORD).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_from_one_network_count_together_whatever_account_they_are_at() {
    let app = App::new().without_worker().setting("TRUSTED_PROXIES", "127.0.0.1").start().await;
    app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser();
    let guess = async |n: usize, from: &str| {
        let form = format!("email=somebody{n}%40example.org&password=something");
        let headers = [("x-forwarded-for", from)];
        browser.send(axum::http::Method::POST, "/staff/login", &headers, &form).await.status.as_u16()
    };
    for n in 0..31 {
        assert_eq!(guess(n, "203.0.113.5").await, 422, "{n}");
    }
    app.waits_last().await;
    assert_eq!(guess(31, "203.0.113.5").await, 429);
    assert_eq!(guess(31, "203.0.113.6").await, 422, "another network");
    let rows = "select count(*) from staff_login_throttle";
    let before = app.count(rows).await;
    for n in 100..120 {
        assert_eq!(guess(n, "203.0.113.5").await, 429);
    }
    assert_eq!(app.count(rows).await, before, "what is refused leaves nothing behind");
    let stored = app.whole_database().await;
    assert!(!stored.contains("203.0.113.5") && !stored.contains("somebody1@"), "neither is kept as text");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_whole_network_of_ipv6_does_not_have_as_many_guesses() {
    let app = App::new().without_worker().setting("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let browser = app.browser();
    let guess = async |n: usize, from: &str| {
        let form = format!("email=somebody{n}%40example.org&password=something");
        let headers = [("x-forwarded-for", from)];
        browser.send(axum::http::Method::POST, "/staff/login", &headers, &form).await.status.as_u16()
    };
    // From another /64 of the same /56 each time.
    for n in 0..121 {
        assert_eq!(guess(n, &format!("2001:db8:1:{n:x}::1")).await, 422, "{n}");
    }
    app.waits_last().await;
    assert_eq!(guess(121, "2001:db8:1:fe::1").await, 429);
    assert_eq!(guess(122, "2001:db8:1:100::1").await, 422, "the next /56");
    // Of the /48 as if many had guessed from it already.
    sqlx::query("update staff_login_throttle set failures = 480 where failures = 122")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(guess(123, "2001:db8:1:200::1").await, 422);
    app.waits_last().await;
    assert_eq!(guess(124, "2001:db8:1:300::1").await, 429);
    assert_eq!(guess(125, "2001:db8:2::1").await, 422, "the next /48");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_planted_is_worth_nothing_after_the_login() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Editor).await;
    let mallory = app.member("mallory@example.org", Role::Editor).await;
    // Somebody else's session, and one that never was.
    let planted = app.browser_of(&mallory).await.cookie(SESSION);
    for planted in [planted, "A".repeat(43)] {
        let browser = app.browser();
        browser.set_cookie(SESSION, &planted);
        assert_eq!(browser.log_in("ada@example.org", PASSWORD).await.status, 303);
        assert_ne!(browser.cookie(SESSION), planted);
        let other = app.browser();
        other.set_cookie(SESSION, &planted);
        assert_eq!(other.get("/staff").await.status, 303, "it opens nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_the_session_and_not_only_the_cookie() {
    let app = App::new().without_worker().start().await;
    app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser();
    browser.log_in("ada@example.org", PASSWORD).await;
    let kept = browser.cookie(SESSION);
    let out = browser.post("/staff/logout", &[]).await;
    assert_eq!(out.header("location"), "/staff/login?done=logged_out");
    browser.set_cookie(SESSION, &kept);
    assert_eq!(browser.get("/staff").await.status, 303);
    assert!(browser.get("/staff/login?done=logged_out").await.body.contains("Sie sind abgemeldet."));
    assert!(!browser.get("/staff/login?done=%3Cb%3Ehallo").await.body.contains("hallo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_everywhere_ends_every_session_and_one_can_be_ended_alone() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let otto = app.member("otto@example.org", Role::Editor).await;
    let (one, two, three) =
        (app.browser_of(&ada).await, app.browser_of(&ada).await, app.browser_of(&ada).await);
    let stranger = app.browser_of(&otto).await;
    let account = one.get("/staff/account").await;
    let ends: Vec<&str> = account
        .body
        .split("action=\"")
        .filter(|rest| {
            rest.starts_with("/staff/account/sessions/") && !rest.starts_with("/staff/account/sessions/end")
        })
        .map(|rest| &rest[..rest.find('"').unwrap()])
        .collect();
    assert_eq!(ends.len(), 2, "the others");
    assert_eq!(stranger.post(ends[0], &[]).await.status, 303);
    assert_eq!(app.count("select count(*) from staff_sessions").await, 4, "nobody ends somebody else's");
    assert_eq!(one.post(ends[0], &[]).await.status, 303);
    let left = [two.get("/staff").await.status.as_u16(), three.get("/staff").await.status.as_u16()];
    assert_eq!(left.iter().filter(|status| **status == 200).count(), 1);
    let out = one.post("/staff/account/sessions/end", &[]).await;
    assert_eq!(out.header("location"), "/staff/login?done=logged_out_everywhere");
    for browser in [&one, &two, &three] {
        assert_eq!(browser.get("/staff").await.status, 303);
    }
    assert_eq!(stranger.get("/staff").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_password_needs_the_old_one_and_ends_all_other_sessions() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let (browser, other) = (app.browser_of(&ada).await, app.browser_of(&ada).await);
    let new = "Vier kleine Zebras lesen";
    let change = async |old: &str, new: &str, again: &str| {
        let fields = [("password", old), ("new_password", new), ("repeated", again)];
        browser.post("/staff/account/password", &fields).await
    };
    for (old, new, again, told) in [
        ("not the old one", new, new, "nicht Ihr bisheriges"),
        (PASSWORD, "kurz", "kurz", "weniger als 12"),
        (PASSWORD, "Passwort2026!!", "Passwort2026!!", "als erste erraten"),
        (PASSWORD, "ada@example.org", "ada@example.org", "als erste erraten"),
        (PASSWORD, "lok-lausitz-2026", "lok-lausitz-2026", "als erste erraten"),
        (PASSWORD, new, "Vier kleine Zebras lesem", "verschieden"),
        (PASSWORD, &"ab ".repeat(100), "", "zu lang"),
    ] {
        let answer = change(old, new, again).await;
        assert_eq!(answer.status, 422, "{told}");
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
        let (fields, empty) = ("type=\"password\"", "type=\"password\" value=\"\"");
        let (fields, empty) = (answer.body.matches(fields).count(), answer.body.matches(empty).count());
        assert_eq!((fields, empty), (3, 3), "a password does not come back in a page");
    }
    assert_eq!(other.get("/staff").await.status, 200);
    let before = browser.cookie(SESSION);
    assert_eq!(change(PASSWORD, new, new).await.status, 303);
    assert_ne!(browser.cookie(SESSION), before);
    assert_eq!(browser.get("/staff").await.status, 200);
    assert_eq!(other.get("/staff").await.status, 303);
    assert_eq!(app.browser().log_in("ada@example.org", PASSWORD).await.status, 422);
    assert_eq!(app.browser().log_in("ada@example.org", new).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_session_cannot_guess_the_password_fast() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    let browser = app.browser_of(&ada).await;
    let new = "Vier kleine Zebras lesen";
    let fields = [("password", "a guess"), ("new_password", new), ("repeated", new)];
    for _ in 0..6 {
        assert_eq!(browser.post("/staff/account/password", &fields).await.status, 422);
    }
    app.waits_last().await;
    assert_eq!(browser.post("/staff/account/password", &fields).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_former_days_is_renewed_at_the_next_login() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Editor).await;
    // Argon2id of PASSWORD with less memory and fewer passes.
    let old = {
        use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
        weak.hash_password_with_salt(PASSWORD.as_bytes(), &[3; 16]).unwrap().to_string()
    };
    sqlx::query("update staff set password_hash = $2 where id = $1")
        .bind(ada.id.0)
        .bind(&old)
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(app.browser().log_in("ada@example.org", PASSWORD).await.status, 303);
    let renewed = "select count(*) from staff where password_hash like '$argon2id$v=19$m=19456,t=2,p=1$%'";
    assert_eq!(app.count(renewed).await, 1);
    assert_eq!(app.browser().log_in("ada@example.org", PASSWORD).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_can_be_changed_and_is_never_taken_for_html() {
    let app = App::new().without_worker().start().await;
    let ada = app.member("ada@example.org", Role::Admin).await;
    let browser = app.browser_of(&ada).await;
    let name = "<script>alert('1')</script>\"><img src=x onerror=alert(1)>";
    assert_eq!(browser.post("/staff/account/name", &[("name", name)]).await.status, 303);
    for path in [
        "/staff".to_owned(),
        "/staff/account".to_owned(),
        "/staff/people".to_owned(),
        format!("/staff/people/{}", ada.id),
        "/staff/audit".to_owned(),
        "/staff/nowhere".to_owned(),
    ] {
        let page = browser.get(&path).await.body;
        assert!(
            page.contains("&lt;script&gt;") || path == "/staff/nowhere" || path == "/staff/audit",
            "{path}: {page}"
        );
        assert!(!page.contains("<script") && !page.contains("<img"), "{path}: {page}");
        assert!(!page.contains("&amp;lt;"), "{path}, escaped twice: {page}");
    }
    let link = browser.post(&format!("/staff/people/{}/link", ada.id), &[]).await.body;
    assert!(link.contains("&lt;script&gt;") && !link.contains("<script"), "{link}");
    let typed = browser.log_in("\"><script>alert(1)</script>", "x").await.body;
    assert!(!typed.contains("<script"), "{typed}");
    let typed = browser.get("/staff/audit?person=%22%3E%3Cscript%3E&from=%22%3E%3Cscript%3E&before=x").await;
    assert_eq!(typed.status, 200);
    assert!(!typed.body.contains("<script"), "{}", typed.body);
    for (name, status) in [("", 422), (&*"x".repeat(101), 422), ("Ada\nLovelace", 303)] {
        assert_eq!(browser.post("/staff/account/name", &[("name", name)]).await.status, status, "{name}");
    }
}
