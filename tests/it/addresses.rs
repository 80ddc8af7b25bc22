//! Typed addresses: which are accepted and in which form, which are refused and why, and what the page says.

use std::str::FromStr;

use axum::http::Method;
use rundbrief::domain::address::{
    AddressError::{self, Domain, Empty, Local, NoAt, Spaces, TooLong, TwoAt},
    EmailAddress,
};

use crate::harness::App;

/// What is typed, and what comes of it: the address that mail goes to, or what is wrong.
const TYPED: &[(&str, Result<&str, AddressError>)] = &[
    // What people have.
    ("maria@example.org", Ok("maria@example.org")),
    ("Maria.Muster@Example.ORG", Ok("Maria.Muster@example.org")),
    ("maria+rundbrief@example.org", Ok("maria+rundbrief@example.org")),
    ("maria_muster-2@sub.sub.example.co.uk", Ok("maria_muster-2@sub.sub.example.co.uk")),
    ("m@b.c", Ok("m@b.c")),
    ("12345@example.org", Ok("12345@example.org")),
    ("maria@123.example", Ok("maria@123.example")),
    ("maria@my-site.museum", Ok("maria@my-site.museum")),
    // Space around is dropped; space within and what cannot be seen is not.
    ("  maria@example.org\t", Ok("maria@example.org")),
    ("", Err(Empty)),
    (" \t ", Err(Empty)),
    ("maria muster@example.org", Err(Spaces)),
    ("maria @example.org", Err(Spaces)),
    ("maria@ example.org", Err(Spaces)),
    ("maria@exam\tple.org", Err(Spaces)),
    ("maria@example.org\u{a0}", Err(Spaces)),
    ("maria@exam\u{3000}ple.org", Err(Spaces)),
    ("maria\u{200b}@example.org", Err(Spaces)),
    ("\u{feff}maria@example.org", Err(Spaces)),
    ("maria@exam\u{ad}ple.org", Err(Spaces)),
    ("maria\u{2060}@example.org", Err(Spaces)),
    ("maria@example\u{2028}.org", Err(Spaces)),
    // Bidi: what is read is not what is there.
    ("\u{202e}gro.elpmaxe@airam", Err(Spaces)),
    ("maria\u{2067}@example.org", Err(Spaces)),
    ("maria@1\u{5d0}.example", Err(Domain)),
    // A second header, a second command, a second line.
    ("maria@example.org\r\nBcc: eve@example.org", Err(Spaces)),
    ("maria@example.org\nRCPT TO:<eve@example.org>", Err(Spaces)),
    ("maria\r@example.org", Err(Spaces)),
    ("maria@example.org\n", Err(Spaces)),
    ("maria\0@example.org", Err(Spaces)),
    ("maria@example.org\0", Err(Spaces)),
    ("\u{1b}[31mmaria@example.org", Err(Spaces)),
    ("maria\u{7f}@example.org", Err(Spaces)),
    ("maria\u{85}@example.org", Err(Spaces)),
    ("maria@example.org%0d%0aBcc:eve", Err(Domain)),
    // One @, and a real one.
    ("maria", Err(NoAt)),
    ("maria.example.org", Err(NoAt)),
    ("maria(at)example.org", Err(NoAt)),
    ("maria\u{ff20}example.org", Err(NoAt)),
    ("maria\u{fe6b}example.org", Err(NoAt)),
    ("maria@@example.org", Err(TwoAt)),
    ("maria@home@example.org", Err(TwoAt)),
    ("maria\\@home@example.org", Err(TwoAt)),
    ("\"maria@home\"@example.org", Err(TwoAt)),
    ("@relay.example:maria@example.org", Err(TwoAt)),
    ("@", Err(Local)),
    ("@example.org", Err(Local)),
    ("maria@", Err(Domain)),
    // More than an address, or several.
    ("maria@example.org,anna@example.org", Err(TwoAt)),
    ("maria@example.org;anna@example.org", Err(TwoAt)),
    ("maria@example.org, anna@example.org", Err(Spaces)),
    ("maria@example.org,", Err(Domain)),
    ("maria@example.org;", Err(Domain)),
    ("mailto:maria@example.org", Err(Local)),
    ("<maria@example.org>", Err(Local)),
    ("<a@b.c>", Err(Local)),
    ("Maria <maria@example.org>", Err(Spaces)),
    ("\"Maria\"<maria@example.org>", Err(Local)),
    ("maria@example.org>", Err(Domain)),
    ("maria@example.org?subject=hello", Err(Domain)),
    ("https://maria@example.org/", Err(Local)),
    // The oddities of RFC 5321 and 5322: legal, and nobody's.
    ("\"maria\"@example.org", Err(Local)),
    ("\"maria muster\"@example.org", Err(Spaces)),
    ("\"\"@example.org", Err(Local)),
    ("maria(home)@example.org", Err(Local)),
    ("maria@(home)example.org", Err(Domain)),
    ("maria\\muster@example.org", Err(Local)),
    ("maria@[127.0.0.1]", Err(Domain)),
    ("maria@[IPv6:2001:db8::1]", Err(Domain)),
    ("maria@127.0.0.1", Err(Domain)),
    (".maria@example.org", Err(Local)),
    ("maria.@example.org", Err(Local)),
    ("maria..muster@example.org", Err(Local)),
    (".@example.org", Err(Local)),
    // Characters that are odd, and possible (RFC 5322 §3.2.3). They are data, whatever they look like elsewhere.
    ("o'brien@example.org", Ok("o'brien@example.org")),
    ("+maria@example.org", Ok("+maria@example.org")),
    ("=cmd|calc!A1@example.org", Ok("=cmd|calc!A1@example.org")),
    ("-maria@example.org", Ok("-maria@example.org")),
    ("maria%example.com@example.org", Ok("maria%example.com@example.org")),
    ("{{7*7}}@example.org", Ok("{{7*7}}@example.org")),
    ("`id`@example.org", Ok("`id`@example.org")),
    ("a/b&c#d^e~f?g$h@example.org", Ok("a/b&c#d^e~f?g$h@example.org")),
    ("$(id)@example.org", Err(Local)),
    ("<script>@example.org", Err(Local)),
    ("a,b@example.org", Err(Local)),
    // Outside ASCII before the @ only SMTPUTF8 relays could carry it (RFC 6531).
    ("müller@example.org", Err(Local)),
    ("m\u{430}ria@example.org", Err(Local)),
    ("ｍａｒｉａ@example.org", Err(Local)),
    // Behind the @ everything becomes an A-label (RFC 5890 §2.3.2.1).
    ("maria@straße.de", Ok("maria@xn--strae-oqa.de")),
    ("maria@xn--strae-oqa.de", Ok("maria@xn--strae-oqa.de")),
    ("maria@XN--STRAE-OQA.DE", Ok("maria@xn--strae-oqa.de")),
    ("maria@strasse.de", Ok("maria@strasse.de")),
    ("maria@bücher.example", Ok("maria@xn--bcher-kva.example")),
    ("maria@BÜCHER.Example", Ok("maria@xn--bcher-kva.example")),
    ("maria@bu\u{308}cher.example", Ok("maria@xn--bcher-kva.example")),
    ("maria@bücher\u{3002}example", Ok("maria@xn--bcher-kva.example")),
    ("maria@ｅｘａｍｐｌｅ.org", Ok("maria@example.org")),
    ("maria@www.例え.jp", Ok("maria@www.xn--r8jz45g.jp")),
    ("maria@\u{5d3}\u{5d5}\u{5d2}\u{5de}\u{5d4}.co.il", Ok("maria@xn--6dbbec0c.co.il")),
    ("maria@\u{1f4a9}.la", Ok("maria@xn--ls8h.la")),
    // A Cyrillic а: taken, and no longer mistaken for the Latin name.
    ("maria@p\u{430}ypal.com", Ok("maria@xn--pypal-4ve.com")),
    ("maria@xn--.example", Err(Domain)),
    ("maria@xn--example-.org", Err(Domain)),
    ("maria@\u{301}a.example", Err(Domain)),
    ("maria@exam\u{ff20}ple.org", Err(Domain)),
    // No host names.
    ("maria@localhost", Err(Domain)),
    ("maria@example.123", Err(Domain)),
    ("maria@example.org.", Err(Domain)),
    ("maria@.example.org", Err(Domain)),
    ("maria@example..org", Err(Domain)),
    ("maria@.", Err(Domain)),
    ("maria@exa_mple.org", Err(Domain)),
    ("maria@-example.org", Err(Domain)),
    ("maria@example-.org", Err(Domain)),
    ("maria@ex--ample.org", Err(Domain)),
    ("maria@example.org:25", Err(Domain)),
    ("maria@example.org/path", Err(Domain)),
];

/// A domain of exactly this many octets, with labels as long as they may be.
fn domain(octets: usize) -> String {
    (1..=octets).map(|n| if n % 64 == 0 { '.' } else { 'a' }).collect()
}

/// What is typed where the length is what matters.
fn long() -> Vec<(String, Result<String, AddressError>)> {
    let taken = |address: String| (address.clone(), Ok(address));
    let local = "a".repeat(64);
    vec![
        taken(format!("{local}@example.org")),
        (format!("{local}a@example.org"), Err(TooLong)),
        taken(format!("maria@{}.org", "a".repeat(63))),
        (format!("maria@{}.org", "a".repeat(64)), Err(Domain)),
        // 60 characters typed are 66 octets as an A-label.
        (format!("maria@{}.org", "ü".repeat(60)), Err(Domain)),
        taken(format!("a@{}", domain(251))),
        taken(format!("a@{}", domain(252))),
        (format!("a@{}", domain(253)), Err(TooLong)),
        taken(format!("{local}@{}", domain(254 - 65))),
        (format!("{local}@{}", domain(255 - 65)), Err(TooLong)),
        // 320 is what old books allow: 64, an @, and 255.
        (format!("{}@{}", "a".repeat(66), domain(253)), Err(TooLong)),
        (format!("{}@example.org", "a".repeat(100_000)), Err(TooLong)),
        ("@".repeat(100_000), Err(TooLong)),
        ("\u{1f4a9}".repeat(25_000), Err(TooLong)),
        (" ".repeat(100_000), Err(Empty)),
    ]
}

/// Everything of [`TYPED`] and [`long`].
fn everything() -> Vec<(String, Result<String, AddressError>)> {
    let short = TYPED.iter().map(|(typed, expected)| ((*typed).to_owned(), expected.map(str::to_owned)));
    short.chain(long()).collect()
}

#[test]
fn each_typed_address_is_taken_or_refused_for_its_reason() {
    let all = everything();
    assert!(all.len() >= 60);
    let wrong: Vec<String> = all
        .into_iter()
        .map(|(typed, expected)| {
            let got = EmailAddress::parse(&typed).map(|address| address.as_str().to_owned());
            (typed, expected, got)
        })
        .filter(|(_, expected, got)| expected != got)
        .map(|(typed, expected, got)| {
            let typed: String = typed.escape_debug().take(60).collect();
            format!("{typed}: expected {expected:?}, got {got:?}")
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every printable ASCII character at every kind of place in a local part and in a domain, and some beyond ASCII.
fn made_up() -> Vec<String> {
    let beyond = ['ß', 'ü', 'é', 'ø', 'ł', 'я', 'α', '例', 'ا', '\u{301}', '\u{1f4a9}', '１', '。'];
    let characters = (' '..='~').chain(beyond);
    characters
        .flat_map(|c| {
            let locals = [
                c.to_string(),
                format!("{c}a"),
                format!("a{c}"),
                format!("a{c}b"),
                format!("a.{c}.b"),
                format!("a{c}{c}b"),
            ];
            let domains = [
                format!("{c}.de"),
                format!("{c}a.de"),
                format!("a{c}.de"),
                format!("a{c}b.de"),
                format!("a.d{c}"),
                format!("a.{c}{c}e"),
                format!("xn--{c}a.de"),
            ];
            locals
                .map(|local| format!("{local}@example.org"))
                .into_iter()
                .chain(domains.map(|domain| format!("maria@{domain}")))
        })
        .collect()
}

#[test]
fn lettre_agrees_on_every_address_that_is_taken() {
    let listed: Vec<String> = everything().into_iter().filter_map(|(_, expected)| expected.ok()).collect();
    assert!(listed.len() >= 30);
    let made: Vec<String> = made_up()
        .iter()
        .filter_map(|typed| Some(EmailAddress::parse(typed).ok()?.as_str().to_owned()))
        .collect();
    assert!(made.len() >= 500, "{} of those that were made up are taken", made.len());
    for address in listed.into_iter().chain(made) {
        let ours = EmailAddress::parse(&address).unwrap();
        let theirs = lettre::Address::from_str(&address).unwrap_or_else(|error| panic!("{address}: {error}"));
        assert_eq!(ours.parts(), (theirs.user(), theirs.domain()));
        // What is stored is read back as it was written.
        assert_eq!(ours.as_str(), address);
        assert!(address.is_ascii() && address.len() <= 254);
    }
}

#[test]
fn case_and_spelling_of_the_domain_do_not_make_another_person() {
    let spellings =
        ["maria@straße.de", "Maria@Straße.DE", "MARIA@xn--strae-oqa.de", " maria@XN--STRAE-OQA.de "];
    for spelling in spellings {
        let address = EmailAddress::parse(spelling).unwrap();
        assert_eq!(address.normalized().as_str(), "maria@xn--strae-oqa.de", "{spelling}");
    }
    let identity = |typed: &str| EmailAddress::parse(typed).unwrap().normalized();
    assert_ne!(identity("maria@straße.de"), identity("maria@strasse.de"));
    assert_ne!(identity("maria@example.org"), identity("maria+2@example.org"));
    assert_ne!(identity("maria.m@example.org"), identity("mariam@example.org"));
}

/// One typed address for each kind of mistake, with the code that programs get.
const MISTAKES: [(&str, &str, &str); 7] = [
    ("", "email_empty", "Bitte geben Sie Ihre E-Mail-Adresse ein."),
    ("maria", "email_no_at", "fehlt das @-Zeichen"),
    ("maria@home@example.org", "email_two_at", "mehr als ein @-Zeichen"),
    ("maria muster@example.org", "email_spaces", "ein Leerzeichen"),
    ("maria@localhost", "email_domain", "der Teil nach dem @"),
    ("<maria@example.org>", "email_local", "der Teil vor dem @"),
    (
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.org",
        "email_too_long",
        "ist zu lang",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_address_gets_the_form_again_with_what_was_typed_and_what_to_mend() {
    let app = App::new().without_worker().start().await;
    for (typed, _, message) in MISTAKES {
        let answer = app.sign_up(typed).await;
        assert_eq!((answer.status.as_u16(), answer.heading()), (422, "Newsletter abonnieren"), "{typed}");
        let body = &answer.body;
        let escaped = typed.replace('<', "&lt;").replace('>', "&gt;");
        assert!(body.contains(&format!("required value=\"{escaped}\"")), "{typed}: {body}");
        assert!(body.contains("aria-describedby=\"email-error email-hint\" aria-invalid=\"true\""), "{body}");
        let (_, error) = body.split_once("id=\"email-error\"").expect("the error that the field names");
        let (error, _) = error.split_once("</div>").unwrap();
        assert!(error.contains(message), "{typed}: {error}");
        assert!(body.contains("<title>Fehler: Newsletter abonnieren"), "{body}");
        assert_eq!(answer.form_action(), "/subscribe");
    }
    assert_eq!(app.count("select count(*) from signups").await, 0);
    assert_eq!(app.count("select count(*) from consent_events").await, 0);
    assert_eq!(app.count("select count(*) from deliveries").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_the_field_and_the_kind_of_mistake() {
    let app = App::new().without_worker().start().await;
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
    for (typed, code, message) in MISTAKES {
        let typed: String = url::form_urlencoded::byte_serialize(typed.as_bytes()).collect();
        let form = format!("email={typed}&locale=de");
        let answer = app.request(Method::POST, "/subscribe", &headers, &form).await;
        assert_eq!(answer.status, 422, "{typed}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["status"], 422);
        assert_eq!(problem["errors"][0]["field"], "email");
        assert_eq!(problem["errors"][0]["code"], code);
        assert!(problem["detail"].as_str().unwrap().contains(message), "{problem}");
    }
    assert_eq!(app.count("select count(*) from signups").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_in_a_typed_address_stays_text() {
    let app = App::new().without_worker().start().await;
    let answer = app.sign_up("\"><script>alert(1)</script>@example.org").await;
    assert_eq!(answer.status, 422);
    assert!(!answer.body.contains("<script"), "{}", answer.body);
    assert!(answer.body.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)"), "{}", answer.body);
    // Nor does a template run in it.
    let answer = app.sign_up("{{7*7}}@localhost").await;
    assert!(answer.body.contains("value=\"{{7*7}}@localhost\""), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_very_long_mistake_only_its_beginning_comes_back() {
    let app = App::new().without_worker().start().await;
    let answer = app.sign_up(&"a".repeat(10_000)).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains(&"a".repeat(320)) && !answer.body.contains(&"a".repeat(321)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_no_utf_8_is_a_mistake_like_any_other() {
    let app = App::new().without_worker().start().await;
    let answer = app.post("/subscribe", "email=mari%ff%40example.org").await;
    assert_eq!((answer.status.as_u16(), answer.heading()), (422, "Newsletter abonnieren"));
    assert_eq!(app.count("select count(*) from signups").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_stored_as_typed_and_as_identity() {
    let app = App::new().without_worker().start().await;
    let answer = app.sign_up(" Maria+News@Bücher.Example ").await;
    assert!(answer.leads_to_mailbox("de"), "{:?}", answer.headers);
    let stored: (String, String) =
        sqlx::query_as("select email, email_normalized from signups").fetch_one(&app.pool).await.unwrap();
    assert_eq!(stored.0, "Maria+News@xn--bcher-kva.example");
    assert_eq!(stored.1, "maria+news@xn--bcher-kva.example");
    assert_eq!(app.count("select count(*) from deliveries where kind = 'confirmation'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_spellings_of_one_address_become_one_subscriber() {
    let app = App::new().setting("CONFIRMATION_REPEAT_MINUTES", "0").start().await;
    app.sign_up("maria@straße.example").await;
    app.sign_up("MARIA@XN--STRAE-OQA.EXAMPLE").await;
    app.relay.wait_for(2).await;
    // Both links are pressed; the second page tells that the address is subscribed, and has nothing to ask any more.
    let (first, second) = (app.mail(1).await.link("/confirm/"), app.mail(2).await.link("/confirm/"));
    assert_eq!(app.confirm(&first).await.heading(), "Sie sind angemeldet");
    assert_eq!(app.post(&second, "action=confirm").await.heading(), "Diese Adresse ist angemeldet");
    assert_eq!(app.get(&second).await.heading(), "Diese Adresse ist angemeldet");
    assert_eq!(app.count("select count(*) from subscribers").await, 1);
    assert_eq!(app.count("select count(*) from deliveries where kind = 'welcome'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_address_is_escaped_on_the_confirm_page() {
    let app = App::new().start().await;
    app.sign_up("&maria@example.org").await;
    let page = app.get(&app.mail(1).await.link("/confirm/")).await;
    assert!(page.body.contains("<strong class=\"address\">&amp;…a@example.org</strong>"), "{}", page.body);
}
