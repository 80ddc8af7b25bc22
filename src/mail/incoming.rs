//! What comes back about a mail: reports of mail servers (RFC 3464, RFC 6522, RFC 6533), complaints (RFC 5965), and what servers
//! and people's programs write in forms of their own.
//!
//! | file | reads |
//! |---|---|
//! | `delivery_status` | reports for programs |
//! | `feedback` | complaints |
//! | `free_form` | reports for people alone |
//! | [`hook`] | events of mail providers, which come over HTTP |
//! | `auto_reply` | out of office, ticket numbers |
//! | `readable` | what a person is shown of a message |
//! | `verdict` | what a failure means for its recipient |
//!
//! A report is a claim of somebody else's, and anybody can write one: whom it is about is decided by its token alone, and what
//! cannot be read for certain is [`Kind::Unrecognised`]. Whatever a message holds costs memory and time in proportion to what
//! is looked at of it, which is bounded.

mod auto_reply;
mod delivery_status;
mod feedback;
mod free_form;
pub mod hook;
mod readable;
mod verdict;

use std::thread;

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders as _, PartType};
use serde::Serialize;

/// Bytes that are looked at of a message. Reports put what matters first; what was sent comes back behind it.
const MOST: usize = 256 * 1024;
/// Bytes of stack for the parser: it takes some hundred for each message within a message, of which so many bytes hold 9,000.
const STACK: usize = 64 * 1024 * 1024;
/// Recipients that are named of a report, at most.
const MOST_RECIPIENTS: usize = 1_000;
/// Characters that are kept of a diagnostic.
const MOST_DIAGNOSTIC: usize = 1_000;

pub use self::readable::Readable;
pub use crate::domain::bounce::BounceKind as Kind;

/// Whom a report names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recipient {
    /// As it was written to, where the report says that.
    pub address: String,
    /// What the server did: `failed`, `delayed`, `delivered`, `relayed`, `expanded` (RFC 3464 §2.3.3).
    pub action: Option<String>,
    /// The enhanced status code.
    pub status: Option<String>,
    /// The words, in one line.
    pub diagnostic: Option<String>,
}

/// What is read of a message that came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub kind: Kind,
    pub recipients: Vec<Recipient>,
    /// The Message-ID of the mail that it is about, as far as it brings that along.
    pub message_id: Option<String>,
    /// The server that refused the mail.
    pub remote_mta: Option<String>,
}

impl Report {
    fn of(kind: Kind) -> Self {
        Self { kind, recipients: Vec::new(), message_id: None, remote_mta: None }
    }
}

/// Reads a message, in a thread of its own: see [`STACK`]. One that cannot be started says nothing.
#[must_use]
pub fn read(message: &[u8]) -> Report {
    let message = beginning(message);
    in_thread(|| examine(message)).unwrap_or_else(|| Report::of(Kind::Unrecognised))
}

/// What a person reads of a message. One that cannot be read says nothing.
#[must_use]
pub fn readable(message: &[u8]) -> Readable {
    let message = beginning(message);
    let read = in_thread(|| {
        let message = MessageParser::default().parse(message)?;
        let readable = readable::of(&message);
        take_apart(message);
        Some(readable)
    });
    read.flatten().unwrap_or_default()
}

/// The subject of a message.
#[must_use]
pub fn subject(message: &[u8]) -> Option<String> {
    readable::subject(message)
}

fn in_thread<T: Send>(read: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let reader = thread::Builder::new().name("incoming".into()).stack_size(STACK);
        reader.spawn_scoped(scope, read).ok()?.join().ok()
    })
}

/// What a reply of the relay means that refused a mail for good, by its code and words; [`Kind::Unrecognised`] where they do
/// not say.
#[must_use]
pub fn of_reply(code: Option<i16>, text: &str) -> Kind {
    verdict::of_reply(code, text)
}

/// What is looked at. No word is cut in two: half an address is another one.
fn beginning(message: &[u8]) -> &[u8] {
    if message.len() <= MOST {
        return message;
    }
    let message = &message[..MOST];
    let end = message.iter().rposition(u8::is_ascii_whitespace);
    &message[..end.unwrap_or_default()]
}

fn examine(message: &[u8]) -> Report {
    let Some(message) = MessageParser::default().parse(message) else {
        return Report::of(Kind::Unrecognised);
    };
    let mut report = delivery_status::read(&message)
        .or_else(|| attached(&message).find_map(delivery_status::read))
        .or_else(|| feedback::read(&message))
        .or_else(|| auto_reply::is_one(&message).then(|| Report::of(Kind::AutoReply)))
        .or_else(|| free_form::read(&message))
        .unwrap_or_else(|| Report::of(Kind::Unrecognised));
    report.message_id = report.message_id.or_else(|| original_id(&message));
    report.recipients.truncate(MOST_RECIPIENTS);
    take_apart(message);
    report
}

/// Drops a message one level at a time: messages within messages, as many as there are, would each take a piece of the stack.
fn take_apart(message: Message<'_>) {
    let mut left = vec![message];
    while let Some(message) = left.pop() {
        left.extend(message.parts.into_iter().filter_map(|part| match part.body {
            PartType::Message(inner) => Some(inner),
            _ => None,
        }));
    }
}

/// Messages that one brings along: what was sent, or a report that another server has wrapped up.
fn attached<'a>(message: &'a Message<'_>) -> impl Iterator<Item = &'a Message<'a>> {
    message.parts.iter().filter_map(|part| match &part.body {
        PartType::Message(attached) => Some(attached),
        _ => None,
    })
}

/// The text of a part of this type, as far as it is text.
fn text_of<'a>(part: &'a MessagePart<'_>) -> Option<std::borrow::Cow<'a, str>> {
    match &part.body {
        PartType::Text(text) | PartType::Html(text) => Some(text.as_ref().into()),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => Some(String::from_utf8_lossy(bytes)),
        PartType::Message(_) | PartType::Multipart(_) => None,
    }
}

/// Whether a part is of this type, such as `message/delivery-status`.
fn is_of_type(part: &MessagePart<'_>, kind: &str, subtypes: &[&str]) -> bool {
    part.content_type().is_some_and(|of| {
        of.ctype().eq_ignore_ascii_case(kind)
            && of
                .subtype()
                .is_some_and(|subtype| subtypes.iter().any(|other| subtype.eq_ignore_ascii_case(other)))
    })
}

/// The Message-ID of the mail, or of its head, that comes back with a report.
fn original_id(message: &Message<'_>) -> Option<String> {
    message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(original) => original.message_id().map(str::to_owned),
        _ if is_of_type(part, "text", &["rfc822-headers"])
            || is_of_type(part, "message", &["rfc822", "global", "global-headers"]) =>
        {
            header(&text_of(part)?, "message-id").map(|id| id.trim_matches(['<', '>']).to_owned())
        }
        _ => None,
    })
}

/// The value of the first header of this name in a head, unfolded.
fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().take(500);
    let first = lines.find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })?;
    let more = lines.take_while(|line| line.starts_with([' ', '\t']));
    let value = more.fold(first, |value, line| format!("{value} {}", line.trim()));
    (!value.is_empty()).then_some(value)
}

/// In one line, and no longer than is kept.
fn line(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then(|| line.chars().take(MOST_DIAGNOSTIC).collect())
}
