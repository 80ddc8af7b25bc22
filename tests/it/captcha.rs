//! The proof of work: when a signup must bring one, which solutions are accepted, and what the visitor sees.

use axum::http::Method;
use chrono::{TimeDelta, Utc};
use rundbrief::{
    config::SecretKeys,
    domain::{
        address::EmailAddress,
        publication::{self, Content},
        signup::challenge::{self, Challenge},
        suppression::{self, SuppressionReason},
        token,
    },
};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};
use url::form_urlencoded::Serializer;

use crate::harness::{
    Answer, App, TestApp,
    captcha::{challenge, number, solve, written},
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("accept", "application/json");
const ONE_MOMENT: &str = "Einen Augenblick noch";

fn always() -> App {
    App::new().setting("CAPTCHA", "always").without_worker()
}

/// A service behind a proxy on this machine, which says where visitors come from.
fn behind_proxy() -> App {
    App::new().setting("TRUSTED_PROXIES", "127.0.0.1").without_worker()
}

fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Signs up with this solution.
async fn sign_up_with(app: &TestApp, email: &str, solution: &str) -> Answer {
    app.post("/subscribe", &form(&[("email", email), ("locale", "de"), ("captcha", solution)])).await
}

/// Signs up from this IP address.
async fn sign_up_from(app: &TestApp, from: &str, email: &str) -> u16 {
    let headers = [FORM, ("x-forwarded-for", from)];
    app.request(Method::POST, "/subscribe", &headers, &form(&[("email", email)])).await.status.as_u16()
}

async fn form_from(app: &TestApp, from: &str) -> Answer {
    app.request(Method::GET, "/", &[("x-forwarded-for", from)], "").await
}

/// A fresh challenge, as the page would have it.
fn minted(keys: &SecretKeys) -> Value {
    serde_json::to_value(Challenge::mint(keys, Utc::now())).unwrap()
}

/// Whether this is the page that asks for a proof of work.
fn asks(answer: &Answer) -> bool {
    let asks = answer.status == 403;
    assert!(!asks || answer.heading() == ONE_MOMENT && challenge(answer).is_some(), "{}", answer.body);
    asks
}

async fn signups(app: &TestApp) -> i64 {
    app.count("select count(*) from signups").await
}

/// What was seen of all signups is believed for a second.
async fn look_again() {
    sleep(Duration::from_millis(1_100)).await;
}

async fn time_passes(app: &TestApp, interval: &str) {
    sqlx::query("update signups set requested_at = requested_at - $1::text::interval")
        .bind(interval)
        .execute(&app.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_solution_lets_one_signup_in() {
    let app = always().start().await;
    let before = app.whole_database().await;
    let page = app.sign_up("maria@example.org").await;
    assert!(asks(&page));
    assert_eq!(app.whole_database().await, before, "nothing is kept of a signup that has to come again");

    let solution = solve(&challenge(&page).unwrap());
    let answer = sign_up_with(&app, "maria@example.org", &solution).await;
    assert!(answer.leads_to_mailbox("de"), "{:?}", answer.headers);
    assert_eq!(signups(&app).await, 1);

    let before = app.whole_database().await;
    assert!(asks(&sign_up_with(&app, "maria@example.org", &solution).await), "replayed");
    assert!(asks(&sign_up_with(&app, "anna@example.org", &solution).await), "replayed for somebody else");
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_signups_at_once_with_the_same_solution_one_gets_in() {
    let app = always().start().await;
    let solution = solve(&minted(&app.config.secret_keys));
    let answers = futures_of(&app, &solution, 20).await;
    assert_eq!(answers.iter().filter(|status| **status == 303).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 403).count(), 19, "{answers:?}");
    assert_eq!(signups(&app).await, 1);
}

/// Sends so many signups at once; answers their status.
async fn futures_of(app: &TestApp, solution: &str, count: usize) -> Vec<u16> {
    let mut sending = tokio::task::JoinSet::new();
    for n in 0..count {
        let (address, body) =
            (app.address, form(&[("email", &format!("a{n}@example.org")), ("captcha", solution)]));
        sending.spawn(async move {
            crate::harness::http::send(address, Method::POST, "/subscribe", &[FORM], body)
                .await
                .status
                .as_u16()
        });
    }
    sending.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_spliced_altered_foreign_and_invented_solutions_are_refused() {
    let app = always().start().await;
    let keys = &app.config.secret_keys;
    let before = app.whole_database().await;
    let good = minted(keys);
    let found = number(&good);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let with = |field: &str, value: Value| {
        let mut altered = good.clone();
        altered[field] = value;
        written(&altered, found)
    };
    let late = Challenge::mint(keys, Utc::now() - TimeDelta::minutes(10));
    let foreign = SecretKeys::parse("CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=").unwrap();
    let digits = found.to_string();
    let (front, rest) = digits.split_at(1);
    // Salt and number cut apart one digit later: the hash stays, and the challenge would end in a far year.
    let mut spliced = good.clone();
    spliced["salt"] = json!(format!("{}{front}", text(&good["salt"])));
    let mut spliced_before = good.clone();
    spliced_before["salt"] = json!(text(&good["salt"]).trim_end_matches('&'));
    let signed_for = |purpose: &str| {
        let message =
            [hex::decode(text(&good["challenge"])).unwrap(), text(&good["salt"]).into_bytes()].concat();
        with("signature", json!(hex::encode(keys.sign(purpose, &message))))
    };
    let over_the_hash_alone = keys.sign("captcha", &hex::decode(text(&good["challenge"])).unwrap());

    for (what, solution) in [
        ("expired", solve(&serde_json::to_value(late).unwrap())),
        ("of a foreign key", solve(&minted(&foreign))),
        ("spliced", written(&spliced, rest.parse::<u64>().unwrap_or(0))),
        ("spliced the other way", written(&spliced_before, format!("&{digits}"))),
        ("with another number", written(&good, found + 1)),
        ("with another salt", with("salt", minted(keys)["salt"].clone())),
        ("with a later end", with("salt", json!(text(&good["salt"]).replace("expires=1", "expires=2")))),
        ("with another signature", with("signature", minted(keys)["signature"].clone())),
        ("with half a signature", with("signature", json!(text(&good["signature"])[..32]))),
        ("without a signature", with("signature", json!(""))),
        ("of another algorithm", with("algorithm", json!("SHA-1"))),
        ("signed for another purpose", signed_for("shown")),
        ("signed over the hash alone", with("signature", json!(hex::encode(over_the_hash_alone)))),
        ("a token of ours", token::shown_token(keys, Utc::now())),
        ("the challenge itself", good.to_string()),
        ("nothing that can be read", "x".repeat(5_000)),
        ("empty", String::new()),
    ] {
        assert!(asks(&sign_up_with(&app, "maria@example.org", &solution).await), "{what}");
        assert_eq!(app.whole_database().await, before, "{what}");
    }
    // What all of them were made from is good.
    assert_eq!(sign_up_with(&app, "maria@example.org", &written(&good, found)).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_outlives_a_rotation_of_keys() {
    let (old, new) =
        ("CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    let app = always().setting("SECRET_KEY", &format!("{new},{old}")).start().await;
    let solution = solve(&minted(&SecretKeys::parse(old).unwrap()));
    assert_eq!(sign_up_with(&app, "maria@example.org", &solution).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_solution_is_not_spent_on_a_mistake_or_on_a_signup_that_fails() {
    let app = always().start().await;
    let solution = solve(&minted(&app.config.secret_keys));
    let mistake = sign_up_with(&app, "maria@example", &solution).await;
    assert_eq!(mistake.status, 422);
    assert_eq!(mistake.field("captcha"), solution, "what is solved stays solved");
    assert!(challenge(&mistake).is_none() && !mistake.body.contains("<script"), "{}", mistake.body);

    let mut transaction = app.pool.begin().await.unwrap();
    let keys = &app.config.secret_keys;
    let spent = challenge::spend(&mut transaction, keys, &solution, Utc::now()).await.unwrap();
    assert!(spent.is_ok());
    transaction.rollback().await.unwrap();

    assert_eq!(sign_up_with(&app, "maria@example.org", &solution).await.status, 303);
    // Who comes with one that is no good, and a mistake, gets a new one with the form.
    let mistake = sign_up_with(&app, "maria@example", "x").await;
    assert_eq!((mistake.status.as_u16(), mistake.field("captcha").as_str()), (422, ""));
    let solution = solve(&challenge(&mistake).unwrap());
    assert_eq!(sign_up_with(&app, "anna@example.org", &solution).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surge_from_one_network_asks_that_network_alone_and_ends_with_the_hour() {
    let app = behind_proxy().setting("SIGNUPS_PER_RANGE", "6").start().await;
    for n in 0..3 {
        assert_eq!(sign_up_from(&app, &format!("192.0.2.{n}"), &format!("a{n}@example.org")).await, 303);
        assert_eq!(
            sign_up_from(&app, &format!("2001:db8:1:{n}::1"), &format!("b{n}@example.org")).await,
            303
        );
    }
    for (from, status) in [
        ("192.0.2.77", 403),
        ("2001:db8:1:77::1", 403),
        ("192.0.3.1", 303),
        ("2001:db8:2::1", 303),
        // Whose place cannot be told.
        ("unknown", 303),
    ] {
        let form = form_from(&app, from).await;
        let is_asked = status == 403;
        assert_eq!(challenge(&form).is_some(), is_asked, "{from}");
        assert_eq!(form.body.contains("<script"), is_asked, "{from}");
        assert_eq!(form.header("content-security-policy").contains("script-src 'self'"), is_asked, "{from}");
        assert_eq!(sign_up_from(&app, from, "maria@example.org").await, status, "{from}");
    }
    // One that brings its proof gets in.
    let solution = solve(&challenge(&form_from(&app, "192.0.2.77").await).unwrap());
    let body = form(&[("email", "maria@example.org"), ("captcha", &solution)]);
    let headers = [FORM, ("x-forwarded-for", "192.0.2.77")];
    assert_eq!(app.request(Method::POST, "/subscribe", &headers, &body).await.status, 303);

    time_passes(&app, "61 minutes").await;
    assert_eq!(sign_up_from(&app, "192.0.2.77", "maria@example.org").await, 303);
    assert!(challenge(&form_from(&app, "192.0.2.77").await).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surge_in_all_asks_everybody_and_ends_with_the_hour() {
    let app = behind_proxy().setting("SIGNUPS_IN_ALL", "8").start().await;
    for n in 0..4 {
        assert_eq!(sign_up_from(&app, &format!("192.0.{n}.1"), &format!("a{n}@example.org")).await, 303);
    }
    look_again().await;
    for from in ["192.0.2.1", "203.0.113.1", "2001:db8::1", "unknown"] {
        assert_eq!(sign_up_from(&app, from, "maria@example.org").await, 403, "{from}");
        assert!(challenge(&form_from(&app, from).await).is_some(), "{from}");
    }
    time_passes(&app, "61 minutes").await;
    look_again().await;
    assert_eq!(sign_up_from(&app, "203.0.113.1", "maria@example.org").await, 303);
    assert!(challenge(&form_from(&app, "203.0.113.1").await).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn signups_that_were_turned_away_cause_no_surge_for_everybody() {
    let app = behind_proxy().setting("SIGNUPS_IN_ALL", "8").start().await;
    for n in 0..8 {
        assert_eq!(sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await, 303);
        sqlx::query("update signups set turned_away_at = now()").execute(&app.pool).await.unwrap();
    }
    look_again().await;
    assert_eq!(sign_up_from(&app, "203.0.113.1", "maria@example.org").await, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn off_never_asks() {
    let app = behind_proxy()
        .setting("CAPTCHA", "off")
        .setting("SIGNUPS_PER_RANGE", "1")
        .setting("SIGNUPS_IN_ALL", "1")
        .start()
        .await;
    for n in 0..5 {
        assert_eq!(sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await, 303);
    }
    look_again().await;
    assert_eq!(sign_up_from(&app, "192.0.2.7", "maria@example.org").await, 303);
    assert!(challenge(&form_from(&app, "192.0.2.7").await).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_the_challenge_as_a_problem_that_the_publications_site_may_read() {
    let app = always().start().await;
    let site = "https://www.lok-lausitz.example";
    let headers = [FORM, JSON, ("accept-language", "en"), ("origin", site)];
    let send = async |fields: &[(&str, &str)]| {
        app.request(Method::POST, "/subscribe", &headers, &form(fields)).await
    };
    let answer = send(&[("email", "maria@example.org")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (403, "application/problem+json"));
    assert_eq!(answer.header("access-control-allow-origin"), site);
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (&problem["status"], &problem["code"], &problem["type"]),
        (&json!(403), &json!("captcha"), &json!("about:blank"))
    );
    // What a script shows that knows nothing of challenges, before a link to our page.
    assert!(problem["detail"].as_str().unwrap().ends_with("on our page:"), "{problem}");
    let asked = &problem["challenge"];
    assert_eq!(asked["algorithm"], "SHA-256");
    assert_eq!(asked["maxnumber"], challenge::MAX_NUMBER);
    let solution = solve(asked);
    assert_eq!(send(&[("email", "maria@example.org"), ("captcha", &solution)]).await.status, 202);
    assert_eq!(send(&[("email", "maria@example.org"), ("captcha", &solution)]).await.status, 403);
    assert_eq!(signups(&app).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_asks_keeps_what_the_form_said() {
    let app = always().start().await;
    let shown = token::shown_token(&app.config.secret_keys, Utc::now() - TimeDelta::minutes(3));
    let mut newer = Content::parse(include_str!("../../publication.example.toml")).unwrap();
    let old = newer.consent_sha256(rundbrief::domain::locale::Locale::En);
    newer.texts.get_mut(&rundbrief::domain::locale::Locale::En).unwrap().consent = "Yes, otherwise.".into();
    publication::apply(&mut app.pool.acquire().await.unwrap(), &newer, Utc::now()).await.unwrap();
    let fields = [
        ("email", "o'brien&co@example.org"),
        ("locale", "en"),
        ("page", "https://www.lok-lausitz.example/aktuelles?a=1&b=2"),
        ("consent_version", "1"),
        ("shown", &shown),
    ];
    let page = app.post("/subscribe", &form(&fields)).await;
    assert_eq!((page.status.as_u16(), page.heading()), (403, "One moment more"));
    assert!(page.body.contains("<html lang=\"en\">"), "{}", page.body);
    let fields = ["email", "locale", "page", "consent_version", "shown"].map(|name| (name, page.field(name)));
    assert_eq!(fields[4].1, shown);
    assert!(!page.body.contains("rb_extra"), "{}", page.body);
    let solution = solve(&challenge(&page).unwrap());
    let mut again: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // HTML as a browser reads it.
    let email = again[0].1.replace("&#39;", "'").replace("&#x27;", "'");
    again[0].1 = &email;
    again.push(("captcha", &solution));
    assert_eq!(app.post(&page.form_action(), &form(&again)).await.status, 303);
    let recorded: (String, String, i32, Vec<u8>, String) = sqlx::query_as(
        "select s.email, s.locale, s.publication_version, e.consent_text_sha256, s.form_page
         from signups s join consent_events e on e.signup_id = s.id",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    let form_page = "https://www.lok-lausitz.example/aktuelles?a=1&b=2".to_owned();
    assert_eq!(recorded, ("o'brien&co@example.org".to_owned(), "en".into(), 1, old.to_vec(), form_page));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_asks_says_in_both_languages_what_to_do_without_javascript() {
    for (mode, waits) in [("always", false), ("adaptive", true)] {
        let app =
            App::new().setting("CAPTCHA", mode).setting("SIGNUPS_IN_ALL", "1").without_worker().start().await;
        sqlx::query(
            "insert into signups (id, email, email_normalized, locale, publication_version, form_page, requested_at, expires_at)
             values (gen_random_uuid(), 'a@example.org', 'a@example.org', 'de', 1, '', now(), now() + interval '7 days')",
        )
        .execute(&app.pool)
        .await
        .unwrap();
        for (lang, heading, hour, button) in [
            ("de", ONE_MOMENT, "in einer Stunde wieder", "Anmeldung absenden"),
            ("en", "One moment more", "come back in an hour", "Send the signup"),
        ] {
            let page =
                app.post("/subscribe", &form(&[("email", "maria@example.org"), ("locale", lang)])).await;
            assert_eq!((page.status.as_u16(), page.heading()), (403, heading));
            let (_, noscript) = page.body.split_once("<noscript>").unwrap();
            let noscript = noscript.split_once("</noscript>").unwrap().0;
            assert!(noscript.contains("JavaScript") && noscript.contains("mailto:"), "{noscript}");
            assert_eq!(noscript.contains(hour), waits, "waiting helps only where it is not asked every time");
            assert!(
                page.body.contains(&format!("<button class=\"button\" disabled>{button}</button>")),
                "{}",
                page.body
            );
            assert!(
                page.body.contains("<strong class=\"address\">maria@example.org</strong>"),
                "{}",
                page.body
            );
            assert!(page.body.contains("role=\"status\""), "{}", page.body);
            // Every placeholder is filled in; what is left in braces is the challenge.
            let said = page.body.replace(&challenge_in(&page), "");
            assert!(!said.contains('{') && !said.contains(" style="), "{said}");
            let csp = page.header("content-security-policy");
            assert!(csp.contains("script-src 'self'; worker-src 'self'"), "{csp}");
            assert!(
                csp.contains("default-src 'none'") && !csp.contains("unsafe") && !csp.contains("connect-src"),
                "{csp}"
            );
            assert_eq!(page.header("cache-control"), "no-store");
        }
    }
}

/// The challenge as it stands in a page.
fn challenge_in(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("data-challenge=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_whether_a_proof_is_asked_for_depends_on_no_address() {
    let app = App::new().setting("SIGNUPS_IN_ALL", "1").without_worker().start().await;
    app.subscriber("active@example.org").await;
    let left = app.subscriber("left@example.org").await;
    app.post(&app.unsubscribe_path(left), "").await;
    let suppressed = EmailAddress::parse("suppressed@example.org").unwrap().normalized();
    let mut db = app.pool.acquire().await.unwrap();
    suppression::add(
        &mut db,
        &app.config.secret_keys,
        &suppressed,
        SuppressionReason::Complained,
        Utc::now(),
    )
    .await
    .unwrap();
    drop(db);
    app.sign_up("waiting@example.org").await;
    look_again().await;
    for accept in ["text/html", "application/json"] {
        let mut answers = Vec::new();
        for local in ["new", "waiting", "active", "left", "suppressed"] {
            let email = format!("{local}@example.org");
            let headers = [FORM, ("accept", accept), ("accept-language", "de")];
            let asked = app.request(Method::POST, "/subscribe", &headers, &form(&[("email", &email)])).await;
            let solution = solve(&challenge(&asked).unwrap());
            let fields = [("email", email.as_str()), ("captcha", &solution)];
            let taken = app.request(Method::POST, "/subscribe", &headers, &form(&fields)).await;
            for mut answer in [asked, taken] {
                answer.headers.remove("date");
                answer.headers.remove("x-request-id");
                // Their length is that of what was typed.
                answer.headers.remove("content-length");
                if accept == "text/html" && answer.status == 303 {
                    assert!(answer.leads_to_mailbox("de"));
                    // It holds the address, sealed.
                    answer.headers.remove("location");
                }
                let body = match challenge(&answer) {
                    Some(_) if accept == "text/html" => answer.body.replace(&challenge_in(&answer), ""),
                    Some(challenge) => answer.body.replace(&challenge.to_string(), ""),
                    None => answer.body,
                };
                answers.push((answer.status, format!("{:?}", answer.headers), body.replace(&email, "")));
            }
        }
        for pair in answers.chunks(2) {
            assert_eq!(pair, &answers[..2]);
        }
        assert_eq!(answers[0].0, 403);
        assert!(answers[1].0 == 303 || answers[1].0 == 202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_1_a_challenge_that_is_handed_out_leaves_nothing_behind() {
    let app = always().start().await;
    let before = app.whole_database().await;
    for path in ["/", "/?lang=en"] {
        assert!(challenge(&app.get(path).await).is_some());
    }
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_work_also_answers_the_suspicion_that_a_form_is_a_programs() {
    let app = always().start().await;
    let asked = app.post("/subscribe", "email=maria%40example.org&rb_extra=x").await;
    assert!(asks(&asked), "one page asks, not two");
    let fields =
        [("email", "maria@example.org"), ("rb_extra", "x"), ("captcha", &solve(&challenge(&asked).unwrap()))];
    assert_eq!(app.post("/subscribe", &form(&fields)).await.status, 303);
    assert_eq!(signups(&app).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_signups_from_one_address_are_a_surge_at_half_of_its_limit() {
    let app = behind_proxy().setting("SIGNUPS_PER_CLIENT", "4").start().await;
    for n in 0..2 {
        assert_eq!(sign_up_from(&app, "192.0.2.7", &format!("a{n}@example.org")).await, 303);
    }
    assert_eq!(sign_up_from(&app, "192.0.2.7", "maria@example.org").await, 403);
    assert_eq!(sign_up_from(&app, "192.0.2.8", "maria@example.org").await, 303, "the neighbour");
}

#[tokio::test(flavor = "multi_thread")]
async fn used_challenges_are_deleted_after_they_expire() {
    let app = always().start().await;
    let solution = solve(&minted(&app.config.secret_keys));
    assert_eq!(sign_up_with(&app, "maria@example.org", &solution).await.status, 303);
    let mut db = app.pool.acquire().await.unwrap();
    let spent = "select count(*) from spent_challenges";
    assert_eq!(app.count(spent).await, 1);
    for (minutes, left) in [(0, 1), (11, 1), (69, 1), (71, 0)] {
        challenge::forget_spent(&mut db, Utc::now() + TimeDelta::minutes(minutes)).await.unwrap();
        assert_eq!(app.count(spent).await, left, "after {minutes} minutes");
    }
    // The service does so by itself, first when it starts.
    sqlx::query("insert into spent_challenges values (sha256('old'), now() - interval '2 hours'), (sha256('new'), now())")
        .execute(&mut *db)
        .await
        .unwrap();
    let _again = always().setting("DATABASE_URL", &app.config.database_url).start().await;
    app.wait_for_count(spent, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_are_ours_and_harmless() {
    let app = App::new().without_publication().without_worker().start().await;
    for file in ["captcha.js", "captcha-solver.js"] {
        let script = app.get(&format!("/assets/{file}")).await;
        assert_eq!(
            (script.status.as_u16(), script.header("content-type")),
            (200, "text/javascript; charset=utf-8")
        );
        assert_eq!(script.header("cross-origin-resource-policy"), "cross-origin");
        for risky in
            ["eval(", "innerHTML", "Function(", "import", "fetch", ".click(", "cookie", "Storage", "https:"]
        {
            assert!(!script.body.contains(risky), "{file}: {risky}");
        }
    }
}
