//! Values that cannot be stored, in every field: a clear answer and no status 500.

use axum::http::Method;
use rundbrief::{domain::staff::Role, web::routes::ROUTES};
use url::form_urlencoded::Serializer;

use crate::harness::{Answer, App, TestApp, browser::Browser};

/// NUL, which Postgres has no text for; the ends of what a date can be, and beyond; of a number; and what is no UTF-8.
const ODD: [&str; 9] = [
    "\0",
    "a\0b@example.org",
    "-262143-01-01",
    "+262142-12-31",
    "-9999999999-01-01",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999999999999999",
    "\u{fffd}\u{202e}\u{ffff}",
];

/// Names of query parameters and of fields, from all over the pages.
const NAMES: [&str; 46] = [
    "q",
    "from",
    "to",
    "month",
    "date",
    "time",
    "when",
    "before",
    "after",
    "person",
    "action",
    "page",
    "part",
    "edit",
    "next",
    "done",
    "state",
    "locale",
    "source",
    "image",
    "email",
    "name",
    "role",
    "title",
    "teaser",
    "body",
    "link",
    "alt",
    "credit",
    "reason",
    "until",
    "version",
    "base",
    "dated",
    "label",
    "code",
    "preheader",
    "subject",
    "consent",
    "columns",
    "frozen_at",
    "shown",
    "token",
    "undo",
    "choice",
    "lang",
];

fn form(value: &str) -> String {
    Serializer::new(String::new()).extend_pairs(NAMES.map(|name| (name, value))).finish()
}

fn encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"))
}

fn is_clear(answer: &Answer, what: &str) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{what}: {status} {}", answer.body);
}

/// The paths of a route: with something of each kind that there is in it, and with what is none.
fn paths(route: &str, known: &[(&str, String)]) -> Vec<String> {
    if !route.contains('{') {
        return vec![route.to_owned()];
    }
    let filled = |id: &str| {
        route
            .split('/')
            .map(|part| if part.starts_with('{') { id } else { part })
            .collect::<Vec<_>>()
            .join("/")
    };
    let own = known.iter().filter(|(begin, _)| route.starts_with(begin)).map(|(_, id)| filled(id));
    own.chain(ODD.iter().map(|odd| filled(&encoded(odd)))).chain([filled("%ff"), filled("%00")]).collect()
}

/// What would end the visit, or never ends.
fn is_left_out(route: &str) -> bool {
    ["/events", "/logout", "/sessions/end", "/delete", "/remove", "/here"]
        .iter()
        .any(|end| route.ends_with(end))
}

async fn ask(browser: &Browser<'_>, method: Method, path: &str, body: &str) -> Answer {
    browser.send(method, path, &[("sec-fetch-site", "same-origin")], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_staff_page_fails_on_what_cannot_be_stored() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("admin@example.org", Role::Admin).await;
    let other = app.member("other@example.org", Role::Editor).await;
    let browser = app.browser_of(&admin).await;
    app.subscribers(3).await;
    let subscriber: uuid::Uuid =
        sqlx::query_scalar("select id from subscribers limit 1").fetch_one(&app.pool).await.unwrap();
    let known = [
        ("/staff/updates/", app.update("Neues").await.to_string()),
        ("/staff/mailings/", app.trigger().await.to_string()),
        ("/staff/people/", other.id.0.to_string()),
        ("/staff/subscribers/{", subscriber.to_string()),
    ];
    for route in ROUTES.iter().filter(|route| route.is_staff() && !is_left_out(route.path)) {
        for path in paths(route.path, &known) {
            for odd in ODD {
                let get = format!("{path}?{}", form(odd));
                is_clear(&ask(&browser, Method::GET, &get, "").await, &get);
            }
            for odd in [ODD[0], ODD[1], ODD[2], ODD[3], ODD[7]] {
                let answer = ask(&browser, Method::POST, &path, &form(odd)).await;
                is_clear(&answer, &format!("POST {path} of {odd:?}"));
            }
            is_clear(&ask(&browser, Method::POST, &path, "q=%ff&email=%ff").await, &path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_staff_fails_on_a_nul_among_what_is_right() {
    let app = App::new().without_worker().start().await;
    let admin = app.member("admin@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let update = app.update("Neues").await;
    let nul = "Ada\0Muster";
    let (save, name) = (format!("/staff/updates/{update}"), "Ada Muster");
    let forms: [(&str, &[(&str, &str)]); 8] = [
        ("/staff/login", &[("email", "ada\0@example.org"), ("password", "something else")]),
        ("/staff/login", &[("email", "ada@example.org"), ("password", nul)]),
        ("/staff/account/name", &[("name", nul)]),
        ("/staff/people", &[("email", "new@example.org"), ("name", nul), ("role", "editor")]),
        ("/staff/people", &[("email", "ne\0w@example.org"), ("name", name), ("role", "editor")]),
        ("/staff/colleagues", &[("email", "co\0l@example.org"), ("name", name)]),
        ("/staff/phone/enter", &[("email", "s\0@example.org"), ("locale", "de"), ("channel", "mail")]),
        (&save, &[("title", nul), ("teaser", nul), ("body", nul), ("locale", "de"), ("version", "1")]),
    ];
    for (path, fields) in forms {
        // The login is asked by somebody who is not logged in.
        let browser = if path == "/staff/login" { app.browser() } else { app.browser_of(&admin).await };
        is_clear(&browser.post(path, fields).await, path);
    }
    for query in
        ["q=%00", "q=a%00b%40example.org", "month=-262143-01", "from=%2b262142-12-31", "to=-262143-01-01"]
    {
        for page in ["/staff/subscribers", "/staff/audit", "/staff/subscribers?part=list&x=y"] {
            let glue = if page.contains('?') { '&' } else { '?' };
            is_clear(&browser.get(&format!("{page}{glue}{query}")).await, query);
        }
    }
}

async fn public(app: &TestApp, method: Method, path: &str, body: &str) {
    for media_type in ["application/x-www-form-urlencoded", "application/json"] {
        let headers = [("content-type", media_type), ("accept-language", "de")];
        is_clear(
            &app.request(method.clone(), path, &headers, body).await,
            &format!("{method} {path} {body}"),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_public_page_fails_on_what_cannot_be_stored() {
    let app = App::new().without_worker().setting("CAPTCHA", "off").start().await;
    let id = app.subscriber("maria@example.org").await;
    let tokens = app.composer().own_tokens(id);
    let own = [format!("/unsubscribe/{}", tokens.unsubscribe), format!("/manage/{}", tokens.manage)];
    let made_up = [
        "/confirm/",
        "/unsubscribe/",
        "/resubscribe/",
        "/left/",
        "/manage/",
        "/data/",
        "/calendar/",
        "/images/",
        "/assets/",
    ];
    let mut paths = own.to_vec();
    paths.extend(["/", "/check-mailbox", "/embed", "/embed/box", "/subscribe"].map(String::from));
    for begin in made_up {
        paths.extend(ODD.iter().map(|odd| format!("{begin}{}", encoded(odd))));
        paths.extend([format!("{begin}%00"), format!("{begin}%ff")]);
    }
    for path in &paths {
        public(&app, Method::GET, path, "").await;
        for odd in ODD {
            public(&app, Method::GET, &format!("{path}?to={0}&{1}", encoded(odd), form(odd)), "").await;
            public(&app, Method::POST, path, &form(odd)).await;
        }
    }
    for field in ["email", "page", "consent_version", "shown", "captcha", "locale", "rb_extra"] {
        let good = |name| {
            if name == field {
                "a\0"
            } else if name == "email" {
                "m@example.org"
            } else {
                ""
            }
        };
        let fields = ["email", "page", "consent_version", "shown", "captcha", "locale", "rb_extra"];
        let body =
            Serializer::new(String::new()).extend_pairs(fields.map(|name| (name, good(name)))).finish();
        public(&app, Method::POST, "/subscribe", &body).await;
        let json: serde_json::Map<_, _> =
            fields.map(|name| (name.to_owned(), good(name).into())).into_iter().collect();
        public(&app, Method::POST, "/subscribe", &serde_json::Value::Object(json).to_string()).await;
        let page = form_page(field);
        public(&app, Method::POST, "/subscribe", &page).await;
    }
}

/// A right form with a page that has a NUL in it.
fn form_page(field: &str) -> String {
    let page = format!("https://www.example.org/\0{field}");
    Serializer::new(String::new()).append_pair("email", "n@example.org").append_pair("page", &page).finish()
}
