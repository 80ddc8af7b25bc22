//! Mails as mail programs parse them.

use mail_parser::{Message, MessageParser};

/// A caught mail, parsed.
pub struct Mail {
    /// The mail as it came over the wire.
    pub source: String,
    /// The decoded subject.
    pub subject: String,
    /// The decoded text part.
    pub text: String,
    /// The decoded HTML part.
    pub html: String,
}

impl Mail {
    /// Parses a mail; panics when it is not one.
    pub fn parse(source: &[u8]) -> Mail {
        let message: Message<'_> = MessageParser::default().parse(source).expect("a mail");
        Mail {
            source: String::from_utf8(source.to_vec()).expect("mails are pure ASCII"),
            subject: message.subject().unwrap_or_default().to_owned(),
            text: message.body_text(0).expect("a text part").into_owned(),
            html: message.body_html(0).expect("an HTML part").into_owned(),
        }
    }

    /// The value of a header, unfolded; nothing when it is not there.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.source.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let prefix = format!("{}: ", name.to_lowercase());
        head.split("\r\n")
            .find(|line| line.to_lowercase().starts_with(&prefix))
            .map(|line| line[prefix.len()..].to_owned())
    }

    /// The path of the first link in the text part that begins with `prefix`, such as `/confirm/`.
    pub fn link(&self, prefix: &str) -> String {
        let at = self.text.find(prefix).unwrap_or_else(|| panic!("no {prefix} in {}", self.text));
        self.text[at..].chars().take_while(|c| !c.is_whitespace()).collect()
    }
}
