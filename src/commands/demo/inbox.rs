//! `/inbox`: the caught mails, as HTML, as text and as source.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{StatusCode, header, uri::Authority},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use mail_parser::{Message, MessageParser};
use serde::Serialize;
use tera::{Context, Tera};
use url::Url;

use crate::{config::is_on_this_machine, web::asset_files};

use super::catcher::{Caught, Mails};

/// The inbox's pages and the pictures of the sample updates.
pub fn router<S: Clone + Send + Sync + 'static>(mails: Mails) -> anyhow::Result<Router<S>> {
    let mut tera = Tera::new();
    asset_files::register(&mut tera);
    tera.add_raw_templates([
        ("inbox.html", include_str!("templates/inbox.html")),
        ("mail.html", include_str!("templates/mail.html")),
    ])?;
    let inbox = Inbox { mails, tera: Arc::new(tera) };
    Ok(Router::new()
        .route("/inbox", get(list))
        .route("/inbox/{number}", get(show_html))
        .route("/inbox/{number}/text", get(show_text))
        .route("/inbox/{number}/source", get(show_source))
        .route("/inbox/{number}/body.html", get(body))
        .route("/inbox/pictures/{file}", get(picture))
        .layer(middleware::from_fn(on_this_machine))
        .with_state(inbox))
}

/// Answers 421 to who asks for another host than this machine: a page elsewhere can have its own name lead here (DNS
/// rebinding), and would then read the mails.
async fn on_this_machine(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let of_uri = request.uri().authority().map(Authority::as_str);
    if hosts.next().is_none() && is_this_machine(of_uri.or(host).unwrap_or_default()) {
        return next.run(request).await;
    }
    let page = "<!doctype html><title>421</title><p>Der Posteingang der Vorführung ist nur unter \
                <code>127.0.0.1</code> und <code>localhost</code> zu sehen. / The demo's inbox is at <code>127.0.0.1</code> and \
                <code>localhost</code> alone.";
    (StatusCode::MISDIRECTED_REQUEST, Html(page)).into_response()
}

/// Whether a `Host` names this machine, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let is = |url: Url| is_on_this_machine(&url) && url.username().is_empty() && url.path() == "/";
    Url::parse(&format!("http://{host}")).is_ok_and(is)
}

#[derive(Clone)]
struct Inbox {
    mails: Mails,
    tera: Arc<Tera>,
}

#[derive(Serialize)]
struct InboxPage {
    total: u64,
    mails: Vec<Summary>,
}

#[derive(Serialize)]
struct MailPage<'a> {
    mail: Summary,
    /// `html`, `text` or `source`.
    view: &'a str,
    content: String,
}

#[derive(Serialize)]
struct Summary {
    number: u64,
    to: String,
    subject: String,
    at: String,
}

impl Summary {
    fn of(mail: &Caught) -> Self {
        let subject = parsed(mail).and_then(|message| message.subject().map(str::to_owned));
        Self {
            number: mail.number,
            to: mail.to.clone(),
            subject: subject.unwrap_or_default(),
            at: mail.at.format("%H:%M:%S UTC").to_string(),
        }
    }
}

async fn list(State(inbox): State<Inbox>) -> Response {
    let (total, newest) = inbox.mails.newest();
    let mails = newest.iter().take(200).map(Summary::of).collect();
    page(&inbox, "inbox.html", &InboxPage { total, mails })
}

async fn show_html(inbox: State<Inbox>, number: Path<u64>) -> Response {
    show(&inbox, number.0, "html", |_| String::new())
}

async fn show_text(inbox: State<Inbox>, number: Path<u64>) -> Response {
    show(&inbox, number.0, "text", |mail| {
        parsed(mail).and_then(|message| Some(message.body_text(0)?.into_owned())).unwrap_or_default()
    })
}

async fn show_source(inbox: State<Inbox>, number: Path<u64>) -> Response {
    show(&inbox, number.0, "source", |mail| String::from_utf8_lossy(&mail.source).into_owned())
}

fn show(inbox: &Inbox, number: u64, view: &str, content: impl Fn(&Caught) -> String) -> Response {
    let Some(mail) = inbox.mails.get(number) else { return gone() };
    page(inbox, "mail.html", &MailPage { mail: Summary::of(&mail), view, content: content(&mail) })
}

/// The HTML part alone, for the frame in the page. Its links open in a new tab.
async fn body(State(inbox): State<Inbox>, Path(number): Path<u64>) -> Response {
    let Some(mail) = inbox.mails.get(number) else { return gone() };
    let html = parsed(&mail).and_then(|message| Some(message.body_html(0)?.into_owned())).unwrap_or_default();
    let html = html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    let policy = "default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

/// The pictures of the sample updates, and made-up logos.
async fn picture(Path(file): Path<String>) -> Response {
    let (media_type, bytes): (_, &[u8]) = match file.as_str() {
        "seenland.png" => ("image/png", include_bytes!("pictures/seenland.png")),
        "logo.svg" => ("image/svg+xml", include_bytes!("pictures/logo.svg")),
        "funding-state.svg" => ("image/svg+xml", include_bytes!("pictures/funding-state.svg")),
        "funding-union.svg" => ("image/svg+xml", include_bytes!("pictures/funding-union.svg")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, media_type)], bytes).into_response()
}

/// The service's own policy, but for the style that stands in these pages, and the frame with the mail.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'";

fn page(inbox: &Inbox, template: &str, values: &impl Serialize) -> Response {
    let rendered = Context::from_serialize(values).and_then(|context| inbox.tera.render(template, &context));
    match rendered {
        Ok(page) => ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(page)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn gone() -> Response {
    let page = "<!doctype html><title>404</title><p>Diese E-Mail ist nicht mehr da. <a href=\"/inbox\">Alle E-Mails</a>";
    (StatusCode::NOT_FOUND, Html(page)).into_response()
}

fn parsed(mail: &Caught) -> Option<Message<'_>> {
    MessageParser::default().parse(mail.source.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_open_the_inbox() {
        for host in ["127.0.0.1", "127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:8080",
            "evil.example@127.0.0.1",
            "192.0.2.1:80",
            "a b",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
