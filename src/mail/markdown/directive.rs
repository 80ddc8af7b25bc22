//! What stands between a line `::: termin` and a line `:::`: a button, a picture with a caption, a quote with a name, a
//! contact, an event, a file. Its lines are fields, `Datum: 16.12.2026`; a line that is none is text like all other.
//!
//! No text has this form by accident, it can be read where nobody makes anything of it, and an editor knows by lines alone
//! what belongs together. Its words are German or English.

use super::addresses;

pub use super::vocabulary::{Key, Kind};

/// Where a picture stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    Wide,
    Left,
    Right,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub key: Key,
    /// One line, and not empty.
    pub value: String,
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    pub kind: Kind,
    /// Of its first line.
    pub line: usize,
    pub fields: Vec<Field>,
    /// Whether it has text besides its fields.
    pub has_content: bool,
}

/// Something that whoever wrote it has to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub wrong: Wrong,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It begins as one does, with a word that means none.
    Word(String),
    /// It does not end, or stands in a list or a quote.
    Open(String),
    /// A line is none of its fields, or a field for the second time.
    Line(Kind, String),
    Lacks(Kind, Key),
    /// A value is longer than a line of a card.
    Long(Kind, Key),
    /// A value is none of those there are.
    Value(Kind, Key, String),
}

/// A line, and its number in the whole text.
pub type Numbered<'a> = (usize, &'a str);

/// What was read of a block.
pub struct Read<'a> {
    pub directive: Directive,
    /// The lines that are text.
    pub content: Vec<Numbered<'a>>,
    pub problems: Vec<Problem>,
}

impl Directive {
    /// Reads the lines between the one with the number `first` and the last one, each with its number; gives those that
    /// are text, too, and what is wrong.
    #[must_use]
    pub fn read<'a>(kind: Kind, first: usize, lines: impl Iterator<Item = Numbered<'a>>) -> Read<'a> {
        let mut directive = Self { kind, line: first, fields: Vec::new(), has_content: false };
        let (mut content, mut problems) = (Vec::new(), Vec::new());
        let mut strays = Vec::new();
        for (line, text) in lines {
            let field = text.split_once(':').and_then(|(word, value)| Some((kind.key(word)?, value.trim())));
            match field {
                Some((Key::Text, value)) if kind.has_text() => content.push((line, value)),
                Some((_, "")) => {}
                Some((key, value)) if directive.get(key).is_none() => {
                    if value.chars().count() > key.most() {
                        problems.push(Problem { line, wrong: Wrong::Long(kind, key) });
                    }
                    directive.fields.push(Field { key, value: value.to_owned(), line });
                }
                _ => {
                    let is_blank = text.trim().is_empty();
                    strays.extend((!is_blank).then_some((line, text.trim())));
                    content.push((line, text));
                }
            }
        }
        directive.has_content = content.iter().any(|(_, text)| !text.trim().is_empty());
        let takes_text = kind == Kind::Quote || directive.is_beside();
        if !takes_text {
            let told = strays.into_iter().map(|(line, text)| (line, Wrong::Line(kind, text.to_owned())));
            problems.extend(told.map(|(line, wrong)| Problem { line, wrong }));
        }
        directive.check(&mut problems);
        Read { directive, content, problems }
    }

    fn check(&self, problems: &mut Vec<Problem>) {
        let kind = self.kind;
        let mut tell = |line, wrong| problems.push(Problem { line, wrong });
        for &key in kind.needs() {
            let is_there =
                if key == Key::Text && kind.has_text() { self.has_content } else { self.get(key).is_some() };
            if !is_there {
                tell(self.line, Wrong::Lacks(kind, key));
            }
        }
        if self.is_beside() && !self.has_content {
            tell(self.line, Wrong::Lacks(kind, Key::Text));
        }
        if let Some(field) = self.field(Key::Position)
            && position(&field.value).is_none()
        {
            tell(field.line, Wrong::Value(kind, Key::Position, field.value.clone()));
        }
        if let Some(field) = self.field(Key::Mail)
            && addresses::mail(&field.value) != Some(field.value.len())
        {
            tell(field.line, Wrong::Value(kind, Key::Mail, field.value.clone()));
        }
        if let Some(field) = self.field(Key::Phone)
            && phone(&field.value).is_none()
        {
            tell(field.line, Wrong::Value(kind, Key::Phone, field.value.clone()));
        }
    }

    #[must_use]
    pub fn field(&self, key: Key) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    #[must_use]
    pub fn get(&self, key: Key) -> Option<&str> {
        self.field(key).map(|field| field.value.as_str())
    }

    /// Where a button leads, as it was meant: without a scheme it is a web or an e-mail address.
    #[must_use]
    pub fn link(&self) -> Option<String> {
        self.get(Key::Link).map(addresses::completed)
    }

    /// Where a file lies, as it was meant.
    #[must_use]
    pub fn file_address(&self) -> Option<String> {
        self.get(Key::Address).filter(|_| self.kind == Kind::File).map(addresses::completed)
    }

    /// Where it leads and what it shows, by the fields that say so.
    #[must_use]
    pub fn addresses(&self) -> Vec<(Key, String)> {
        let shown = || self.get(Key::Address).map(str::to_owned);
        let shown = self.file_address().or_else(shown).map(|address| (Key::Address, address));
        self.link().map(|link| (Key::Link, link)).into_iter().chain(shown).collect()
    }

    /// The address to write to, where it is one.
    #[must_use]
    pub fn mail(&self) -> Option<&str> {
        self.get(Key::Mail).filter(|mail| addresses::mail(mail) == Some(mail.len()))
    }

    /// The number to call, as links have it, where it is one.
    #[must_use]
    pub fn phone(&self) -> Option<String> {
        self.get(Key::Phone).and_then(phone)
    }

    /// Where a picture stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.get(Key::Position).and_then(position).unwrap_or(Position::Wide)
    }

    fn is_beside(&self) -> bool {
        self.position() != Position::Wide
    }

    /// The caption of a picture, and who made it.
    #[must_use]
    pub fn below_picture(&self) -> String {
        let parts: Vec<&str> = [Key::Caption, Key::Credit].iter().filter_map(|key| self.get(*key)).collect();
        match parts.as_slice() {
            [caption, credit] => format!("{caption} ({credit})"),
            parts => parts.concat(),
        }
    }

    /// Who a quote is of.
    #[must_use]
    pub fn speaker(&self) -> Option<String> {
        let parts: Vec<&str> = [Key::Name, Key::Role].iter().filter_map(|key| self.get(*key)).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn position(value: &str) -> Option<Position> {
    match value.to_lowercase().as_str() {
        "breit" | "wide" => Some(Position::Wide),
        "links" | "left" => Some(Position::Left),
        "rechts" | "right" => Some(Position::Right),
        _ => None,
    }
}

/// Digits, with what people put between them. A bracket around a zero, as in `+49 (0)355`, could be dialled in two ways.
fn phone(value: &str) -> Option<String> {
    let is_plain = value.chars().all(|c| c.is_ascii_digit() || " +-/().\u{a0}–".contains(c));
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let is_abroad = value.starts_with('+');
    let is_one = is_plain
        && (3..=20).contains(&digits.len())
        && !value.chars().skip(1).any(|c| c == '+')
        && !(is_abroad && value.contains("(0)"));
    is_one.then(|| if is_abroad { format!("+{digits}") } else { digits })
}

/// The word of a line that may begin a block.
#[must_use]
pub fn opening(text: &str) -> Option<&str> {
    let text = text.trim();
    let word = text.trim_start_matches(':');
    let colons = text.len() - word.len();
    let word = word.trim_start();
    let is_word = !word.is_empty() && word.len() <= 60 && word.chars().all(|c| c.is_alphabetic() || c == '-');
    (colons >= 3 && is_word).then_some(word)
}

/// Whether a line ends a block.
#[must_use]
pub fn is_closing(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 3 && text.bytes().all(|byte| byte == b':')
}

/// What in a paragraph looks like the first line of a block, and is none.
pub fn strays(text: &str, first: usize) -> impl Iterator<Item = Problem> {
    (first..).zip(text.lines()).filter_map(|(line, text)| {
        let word = opening(text)?.to_owned();
        let wrong = if Kind::of(&word).is_some() { Wrong::Open(word) } else { Wrong::Word(word) };
        Some(Problem { line, wrong })
    })
}
