//! What a person reads of a message that came back.

use mail_parser::{Addr, Message, MessageParser};

/// A message as mail programs show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readable {
    pub subject: Option<String>,
    pub from: Option<String>,
    /// Its first text.
    pub text: String,
}

/// Characters of a line, and of the text.
const LINE: usize = 200;
const TEXT: usize = 10_000;

/// The subject, for a list. Only heads are read: whatever else is in a message costs nothing.
pub(super) fn subject(message: &[u8]) -> Option<String> {
    MessageParser::default().parse_headers(message)?.subject().map(line).filter(|text| !text.is_empty())
}

pub(super) fn of(message: &Message<'_>) -> Readable {
    let from = message.from().and_then(|from| from.first()).map(written);
    let text = message.body_text(0).unwrap_or_default();
    Readable {
        subject: message.subject().map(line).filter(|text| !text.is_empty()),
        from: from.filter(|text| !text.is_empty()),
        text: text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(TEXT).collect(),
    }
}

fn written(from: &Addr<'_>) -> String {
    let address = from.address.as_deref().unwrap_or_default();
    line(&match from.name.as_deref() {
        Some(name) => format!("{name} <{address}>"),
        None => address.to_owned(),
    })
}

fn line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LINE)
        .collect::<String>()
        .trim()
        .to_owned()
}
