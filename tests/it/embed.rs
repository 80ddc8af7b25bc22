//! The signup box on the project's own site: who may send it, its texts, and that the code to copy works.

use axum::http::{HeaderMap, Method, StatusCode};
use chrono::Utc;
use rundbrief::domain::{
    locale::Locale,
    publication::{self, Applied, Content},
};
use serde_json::Value;

use crate::harness::{Answer, App, TestApp};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("accept", "application/json");
const GERMAN: (&str, &str) = ("accept-language", "de");
/// The origin of the sample publication's website.
const SITE: &str = "https://www.lok-lausitz.example";
const OWN: &str = "https://brief.example.org";
const MARIA: &str = "email=maria%40example.org&locale=de";

/// The sample publication with these lines put before its tables.
fn with(lines: &str) -> Content {
    let file = include_str!("../../publication.example.toml");
    Content::parse(&file.replacen("[sender]", &format!("{lines}\n[sender]"), 1)).unwrap()
}

async fn apply(app: &TestApp, content: &Content) -> Applied {
    publication::apply(&mut app.pool.acquire().await.unwrap(), content, Utc::now()).await.unwrap()
}

/// Sends the form as a browser on this site does.
async fn send_from(app: &TestApp, origin: &str, form: &str, more: &[(&str, &str)]) -> Answer {
    let headers = [&[FORM, GERMAN, ("origin", origin)][..], more].concat();
    app.request(Method::POST, "/subscribe", &headers, form).await
}

/// What the site's scripts may read, and what caches have to tell apart.
fn cors(answer: &Answer) -> (&str, &str) {
    (answer.header("access-control-allow-origin"), answer.header("vary"))
}

async fn signups(app: &TestApp) -> i64 {
    app.count("select count(*) from signups").await
}

/// HTML as a browser reads it.
fn unescaped(html: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2F;", "/"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(html.to_owned(), |html, (written, meant)| html.replace(written, meant))
}

/// What is to be copied from a section of the page.
fn snippet(page: &Answer, section: &str) -> String {
    let (_, section) = page.body.split_once(&format!("id=\"{section}\"")).unwrap();
    let (_, code) = section.split_once("<code>").unwrap();
    unescaped(code.split_once("</code>").unwrap().0)
}

/// A page that holds nothing but this.
fn page_of(html: &str) -> Answer {
    Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: html.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_the_publications_site_is_taken_and_its_scripts_may_read_every_answer() {
    let app = App::new().without_worker().start().await;
    for (form, media_type, accept, status) in [
        (MARIA, FORM.1, "application/json", 202),
        (MARIA, FORM.1, "text/html", 303),
        ("email=maria", FORM.1, "application/json", 422),
        ("email=maria", FORM.1, "text/html", 422),
        ("email=a%40example.org&email=b%40example.org", FORM.1, "application/json", 400),
        (MARIA, "text/plain", "text/html", 415),
        (MARIA, "text/plain", "application/json", 415),
    ] {
        let headers = [("origin", SITE), ("content-type", media_type), ("accept", accept)];
        let answer = app.request(Method::POST, "/subscribe", &headers, form).await;
        assert_eq!(answer.status, status, "{form}");
        assert_eq!(cors(&answer), (SITE, "Origin"), "{form}");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    assert_eq!(signups(&app).await, 2);
    // Also when the service cannot take signups just now.
    apply(&app, &Content::parse(&format!("name = \"N\"\nwebsite = \"{SITE}\"")).unwrap()).await;
    let answer = send_from(&app, SITE, MARIA, &[JSON]).await;
    assert_eq!((answer.status.as_u16(), cors(&answer)), (503, (SITE, "Origin")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_our_own_page_or_without_an_origin_is_taken() {
    let app = App::new().without_worker().start().await;
    let same_site = ("sec-fetch-site", "same-origin");
    for headers in [
        &[FORM][..],
        &[FORM, ("origin", OWN)],
        // Our page, opened under another name of the machine.
        &[FORM, ("origin", "http://localhost:8080"), same_site],
    ] {
        let answer = app.request(Method::POST, "/subscribe", headers, MARIA).await;
        assert_eq!(answer.status, 303, "{headers:?}");
        assert_eq!(cors(&answer).0, "", "{headers:?}");
    }
    assert_eq!(signups(&app).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_any_other_site_is_refused_with_the_way_to_our_page_and_nothing_is_kept() {
    let app = App::new().without_worker().start().await;
    let before = app.whole_database().await;
    for origin in [
        "null",
        "",
        "https://other.example",
        "http://www.lok-lausitz.example",
        "https://lok-lausitz.example",
        "https://www.lok-lausitz.example:8443",
        "https://www.lok-lausitz.example/",
        "https://www.lok-lausitz.example.other.example",
        "https://www.lok-lausitz.example, https://other.example",
    ] {
        for (lang, heading, label) in [
            ("de", "Von dieser Seite aus geht die Anmeldung nicht", "Zur Anmeldung"),
            ("en", "You cannot sign up from that page", "Go to the signup page"),
        ] {
            let headers = [FORM, ("accept-language", lang), ("origin", origin)];
            let page = app.request(Method::POST, "/subscribe", &headers, MARIA).await;
            assert_eq!((page.status.as_u16(), page.heading()), (403, heading), "{origin}");
            let button = format!("href=\"{OWN}/?lang={lang}\">{label}</a>");
            assert!(unescaped(&page.body).contains(&button), "{}", page.body);
            assert_eq!(cors(&page).0, "", "{origin}");
        }
        let problem = send_from(&app, origin, MARIA, &[JSON]).await;
        assert_eq!(
            (problem.status.as_u16(), problem.header("content-type")),
            (403, "application/problem+json")
        );
        assert_eq!(cors(&problem).0, "", "{origin}");
        let problem: Value = serde_json::from_str(&problem.body).unwrap();
        assert_eq!(problem["status"], 403);
        // What else a browser may say of a request from elsewhere.
        let cross_site = send_from(&app, origin, MARIA, &[("sec-fetch-site", "cross-site")]).await;
        assert_eq!(cross_site.status, 403, "{origin}");
    }
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publication_says_which_sites_and_a_change_counts_at_once() {
    let app = App::new().without_worker().start().await;
    let verein = "https://verein.example";
    let status = async |origin| send_from(&app, origin, MARIA, &[]).await.status.as_u16();
    assert_eq!((status(SITE).await, status(verein).await, status(OWN).await), (303, 403, 303));
    apply(&app, &with("allowed_origins = [\"https://Verein.example/\"]")).await;
    assert_eq!((status(SITE).await, status(verein).await, status(OWN).await), (403, 303, 303));
    apply(&app, &with("allowed_origins = []")).await;
    assert_eq!((status(SITE).await, status(verein).await, status(OWN).await), (403, 403, 303));
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_beforehand_what_a_script_may_send() {
    let app = App::new().without_worker().start().await;
    let before = app.whole_database().await;
    let ask = async |origin: &str| {
        let headers = [
            GERMAN,
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        app.request(Method::OPTIONS, "/subscribe", &headers, "").await
    };
    let answer = ask(SITE).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    assert_eq!(cors(&answer), (SITE, "Origin"));
    assert_eq!(answer.header("access-control-allow-methods"), "POST");
    assert_eq!(answer.header("access-control-allow-headers"), "Content-Type, Accept");
    assert_eq!(answer.header("access-control-max-age"), "600");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    for origin in ["https://other.example", "null"] {
        let answer = ask(origin).await;
        assert_eq!((answer.status.as_u16(), cors(&answer).0), (403, ""), "{origin}");
        assert_eq!(answer.header("access-control-allow-methods"), "", "{origin}");
    }
    let plain = app.request(Method::OPTIONS, "/subscribe", &[], "").await;
    assert_eq!((plain.status.as_u16(), plain.header("allow")), (204, "GET, HEAD, POST, OPTIONS"));
    assert_eq!(app.whole_database().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_4_a_site_gets_the_same_answer_for_every_address() {
    let app = App::new().without_worker().start().await;
    app.subscriber("active@example.org").await;
    app.sign_up("waiting@example.org").await;
    let mut answers = Vec::new();
    for local in ["new", "active", "waiting"] {
        let form = format!("email={local}%40example.org&locale=de");
        let mut answer = send_from(&app, SITE, &form, &[JSON]).await;
        answer.headers.remove("date");
        answer.headers.remove("x-request-id");
        answers.push((answer.status, format!("{:?}", answer.headers), answer.body));
    }
    assert_eq!(answers[0].0, 202);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_gets_its_words_in_both_languages() {
    let app = App::new().without_worker().start().await;
    for (lang, heading, teaser, button, withdraw) in [
        (
            "de",
            "Newsletter abonnieren",
            "Alle aktuellen Infos in Ihrem Postfach.",
            "Newsletter abonnieren",
            "jederzeit",
        ),
        (
            "en",
            "Subscribe to our newsletter",
            "All the latest news in your mailbox.",
            "Subscribe",
            "at any time",
        ),
    ] {
        let answer =
            app.request(Method::GET, &format!("/embed/box?lang={lang}"), &[("origin", SITE)], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
        assert_eq!(answer.header("cache-control"), "public, max-age=60");
        assert_eq!(cors(&answer), (SITE, "Origin"));
        let shown: Value = serde_json::from_str(&answer.body).unwrap();
        let texts = with("").texts(Locale::from_tag(lang).unwrap());
        for (key, expected) in [
            ("lang", lang),
            ("heading", heading),
            ("teaser", teaser),
            ("button", button),
            ("consent", &texts.consent),
        ] {
            assert_eq!(shown[key], expected);
        }
        assert_eq!(shown["consent_version"], 1);
        assert_eq!(shown["sender"]["text"], "LOK Lausitz\nnewsletter@lok-lausitz.example");
        assert_eq!(shown["frequency"]["text"], texts.frequency);
        assert!(shown["withdraw"]["text"].as_str().unwrap().starts_with(withdraw));
        assert_eq!(shown["privacy"]["url"], "https://www.lok-lausitz.example/datenschutz");
        assert_eq!(shown["imprint"]["url"], format!("{OWN}/?lang={lang}#imprint"));
        assert_eq!(shown["hosted"]["url"], format!("{OWN}/?lang={lang}"));
        // Every word is there, and every placeholder is filled in.
        assert!(
            !answer.body.contains("\"\"") && !answer.body.contains("{s") && !answer.body.contains("{a"),
            "{shown}"
        );
    }
    // Without a heading and a teaser of the publication's own, there are ours.
    let mut bare = with("");
    for texts in bare.texts.values_mut() {
        for text in [&mut texts.heading, &mut texts.teaser, &mut texts.frequency] {
            text.clear();
        }
    }
    apply(&app, &bare).await;
    let shown: Value = serde_json::from_str(&app.get("/embed/box").await.body).unwrap();
    assert_eq!(shown["heading"], "Newsletter abonnieren");
    assert_eq!(shown["teaser"], "Alle aktuellen Infos in Ihrem Postfach.");
    assert!(shown["frequency"].is_null() && shown["consent_version"] == 2, "{shown}");
    // Any other site's script may not read them.
    let other = app.request(Method::GET, "/embed/box", &[("origin", "https://other.example")], "").await;
    assert_eq!(cors(&other), ("", "Origin"));
}

/// The values of the hidden fields, as a browser sends them.
fn filled_in(form: &Answer, email: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("email", email)
        .append_pair("rb_extra", "")
        .append_pair("locale", &form.field("locale"))
        .append_pair("consent_version", &form.field("consent_version"))
        .finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_copied_says_everything_and_leads_to_a_confirmation_mail() {
    let app = App::new().start().await;
    for (n, (lang, subject)) in
        [("de", "Bitte bestätigen Sie Ihre Anmeldung"), ("en", "Please confirm your subscription")]
            .into_iter()
            .enumerate()
    {
        let page = app.get(&format!("/embed?lang={lang}")).await;
        let form = page_of(&snippet(&page, "form"));
        let said = unescaped(&form.body);
        let texts = with("").texts(Locale::from_tag(lang).unwrap());
        let before_button = &said[..said.find("<button").unwrap()];
        for text in [
            texts.heading.as_str(),
            &texts.teaser,
            &texts.consent,
            &texts.frequency,
            "LOK Lausitz, newsletter@lok-lausitz.example",
            if lang == "de" { "jederzeit mit einem Klick" } else { "at any time with one click" },
            "<a href=\"https://www.lok-lausitz.example/datenschutz\">",
            &format!("<a href=\"{OWN}/?lang={lang}#imprint\">"),
            "<p hidden>",
        ] {
            assert!(before_button.contains(text), "{text} is missing in {said}");
        }
        assert!(!said.contains("style=") && !said.contains("<script"), "{said}");
        // The script brings the same form along, for as long as it has not loaded.
        let script = snippet(&page, "script");
        assert!(
            script.starts_with(&format!("<script src=\"{OWN}/assets/embed.js\" async></script>")),
            "{script}"
        );
        assert!(
            script.contains(&format!("<rundbrief-signup lang=\"{lang}\">")) && script.contains(&form.body),
            "{script}"
        );
        assert!(snippet(&page, "hosted").starts_with(&format!("<a href=\"{OWN}/?lang={lang}\">")));

        assert_eq!(unescaped(&form.form_action()), format!("{OWN}/subscribe"));
        let sent = filled_in(&form, &format!("maria-{lang}@example.org"));
        let answer = send_from(&app, SITE, &sent, &[("referer", "https://www.lok-lausitz.example/")]).await;
        assert!(answer.leads_to_mailbox(lang), "{:?}", answer.headers);
        let mail = app.mail(2 * n + 1).await;
        assert!(mail.subject.contains(subject), "{}", mail.subject);
        assert_eq!(app.confirm(&mail.link("/confirm/")).await.status, 200);
        app.mail(2 * n + 2).await;
    }
    assert_eq!(app.count("select count(*) from subscribers where state = 'active'").await, 2);
    assert_eq!(
        app.count("select count(*) from signups where form_page = 'https://www.lok-lausitz.example/'").await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_copied_before_the_consent_text_changed_is_taken_and_recorded_as_it_was_shown() {
    let app = App::new().without_worker().start().await;
    let form = page_of(&snippet(&app.get("/embed").await, "form"));
    let (old, mut new) = (with(""), with(""));
    new.texts.get_mut(&Locale::De).unwrap().consent = "Ja, anders.".to_owned();
    assert_eq!(apply(&app, &new).await, Applied::New(2));
    let copied_now = page_of(&snippet(&app.get("/embed").await, "form"));
    for (form, version, content) in [(&form, 1, &old), (&copied_now, 2, &new)] {
        assert_eq!(send_from(&app, SITE, &filled_in(form, "maria@example.org"), &[]).await.status, 303);
        let recorded: (i32, Vec<u8>, String) = sqlx::query_as(
            "select publication_version, consent_text_sha256, consent_locale from consent_events
             order by id desc limit 1",
        )
        .fetch_one(&app.pool)
        .await
        .unwrap();
        assert_eq!(recorded, (version, content.consent_sha256(Locale::De).to_vec(), "de".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_with_the_box_may_run_our_script_and_no_other_page_may_run_any() {
    let app = App::new().without_worker().start().await;
    apply(&app, &with("allowed_origins = [\"https://verein.example\", \"https://www.lok-lausitz.example\"]"))
        .await;
    for (lang, heading) in
        [("de", "Die Newsletter-Box auf Ihrer Website"), ("en", "The newsletter box on your website")]
    {
        let page = app.get(&format!("/embed?lang={lang}")).await;
        assert_eq!((page.status.as_u16(), page.heading()), (200, heading));
        let csp = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(csp.contains(part), "{csp}");
        }
        assert!(!csp.contains("unsafe") && !csp.contains('*'), "{csp}");
        assert!(page.body.contains("<meta name=\"robots\" content=\"noindex\">"), "{}", page.body);
        assert!(!page.body.contains(" style="), "{}", page.body);
        assert_eq!(page.body.matches("<script").count(), page.body.matches("</script>").count());
        assert_eq!(page.body.matches("<script").count(), 1);
        assert_eq!(page.body.matches("<rundbrief-signup").count(), 1);
        for origin in [OWN, "https://verein.example", "https://www.lok-lausitz.example"] {
            let listed = format!("<li><code class=\"address\">{origin}</code></li>");
            assert_eq!(unescaped(&page.body).matches(&listed).count(), 1, "{}", page.body);
        }
        let sites = snippet(&page, "sites");
        assert!(sites.contains("\"https://verein.example\","), "{sites}");
        assert!(toml::from_str::<toml::Table>(&sites).is_ok(), "{sites}");
        assert!(page.body.contains("--rundbrief-accent: #0b5d4e;"), "{}", page.body);
    }
    for path in
        ["/", "/check-mailbox", "/nowhere", "/embed/x", "/embed/box", "/assets/embed.js", "/confirm/x"]
    {
        let csp = app.get(path).await.header("content-security-policy").to_owned();
        assert!(csp.contains("default-src 'none'") && !csp.contains("script-src"), "{path}: {csp}");
    }
    // An error page in its place has no script either.
    let incomplete = Content::parse("name = \"N\"").unwrap();
    apply(&app, &incomplete).await;
    for path in ["/embed", "/embed/box"] {
        let answer = app.get(path).await;
        let csp = answer.header("content-security-policy");
        assert!(answer.status == 503 && !csp.contains("script-src"), "{path}: {csp}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_one_small_file() {
    let app = App::new().without_publication().without_worker().start().await;
    let script = app.get("/assets/embed.js").await;
    assert_eq!(
        (script.status.as_u16(), script.header("content-type")),
        (200, "text/javascript; charset=utf-8")
    );
    assert!(script.body.len() < 6 * 1024, "{} bytes", script.body.len());
    for risky in
        ["eval(", "innerHTML", "Function(", "import", ".style", "\"style\"", "cookie", "Storage", "http"]
    {
        assert!(!script.body.contains(risky), "{risky}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_confirm_page_names_a_site_of_the_publication_and_no_other() {
    let app = App::new().without_worker().start().await;
    apply(&app, &with("allowed_origins = [\"https://verein.example\"]")).await;
    for (page, host) in
        [("https://verein.example/aktuelles", "verein.example"), ("https://other.example/", "other.example")]
    {
        let page: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
        let form = format!("email=maria%40example.org&page={page}");
        assert_eq!(send_from(&app, "https://verein.example", &form, &[]).await.status, 303);
        let id: uuid::Uuid = sqlx::query_scalar("select id from signups order by requested_at desc limit 1")
            .fetch_one(&app.pool)
            .await
            .unwrap();
        let token = rundbrief::domain::token::ConfirmToken::mint();
        let mut db = app.pool.acquire().await.unwrap();
        let id = rundbrief::domain::ids::SignupId(id);
        rundbrief::domain::signup::keep_token(&mut db, id, token.hash(), Utc::now()).await.unwrap();
        let asked = app.get(&format!("/confirm/{}", token.reveal())).await;
        assert_eq!(asked.body.contains(host), host == "verein.example", "{}", asked.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_stored_before_there_were_allowed_origins_still_counts() {
    let app = App::new().without_worker().start().await;
    apply(&app, &with("allowed_origins = []")).await;
    assert_eq!(send_from(&app, SITE, MARIA, &[]).await.status, 403);
    // The first version, as an earlier release wrote it.
    let old: Value = sqlx::query_scalar("select content from publications where version = 1")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert!(old.get("name").is_some() && old.get("allowed_origins").is_none(), "{old}");
    sqlx::query(
        "insert into publications (applied_at, content, content_sha256)
         select now(), content, content_sha256 from publications where version = 1",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    assert_eq!(send_from(&app, SITE, MARIA, &[]).await.status, 303);
    // And the same file is no change.
    assert_eq!(apply(&app, &with("")).await, Applied::Unchanged(3));
}
