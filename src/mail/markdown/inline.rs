//! The text of a block as words, links, pictures, code, and the signs of bold, italic and strikethrough, which
//! [`super::emphasis`] pairs.

use std::collections::HashMap;

use super::addresses;

/// Characters of a label before an address, as in `E-Mail:info@example.org`.
const LABEL: usize = 40;

/// Words that have a star of their own at their end, where genders are named: `trans*`, `Frauen*`.
const STARRED: [&str; 24] = [
    "inter",
    "trans",
    "queer",
    "cis",
    "homo",
    "frau",
    "frauen",
    "mann",
    "männer",
    "mädchen",
    "jungen",
    "lesben",
    "schwule",
    "leser",
    "leserin",
    "bürger",
    "schüler",
    "lehrer",
    "kolleg",
    "partner",
    "teilnehmer",
    "mitarbeiter",
    "freund",
    "freunde",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Text(String),
    /// Signs of a link or of code that make nothing.
    Leftover(&'static str),
    Code(String),
    Break,
    /// A run of `*`, `_` or `~`.
    Mark(Mark),
    Link {
        address: String,
        is_bare: bool,
        inner: Vec<Located>,
    },
    Image {
        address: String,
        alt: String,
    },
}

/// A run of signs that may begin or end something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub sign: char,
    pub length: usize,
    pub can_open: bool,
    pub can_close: bool,
}

/// A part, and the line it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    pub node: Node,
    pub line: usize,
}

/// Reads a text that begins in this line. In the cell of a table, which stands in one line, `<br>` is the only way to
/// write a line break; everywhere else it is text like all HTML.
pub fn nodes(text: &str, line: usize, is_cell: bool) -> Vec<Located> {
    let mut reader = Reader {
        text,
        is_cell,
        at: 0,
        line,
        line_begin: 0,
        out: Vec::new(),
        brackets: Vec::new(),
        ticks: next_ticks(text),
        part: None,
    };
    reader.read();
    reader.out
}

struct Reader<'a> {
    text: &'a str,
    is_cell: bool,
    at: usize,
    line: usize,
    line_begin: usize,
    out: Vec<Located>,
    /// Opening brackets that may begin a link or a picture.
    brackets: Vec<Bracket>,
    /// For each run of backticks the next one of the same length.
    ticks: HashMap<usize, usize>,
    /// The two signs that stood last, where they begin something, and where what they begin does.
    part: Option<(char, usize)>,
}

struct Bracket {
    /// Where it stands in `out`.
    node: usize,
    is_image: bool,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        while let Some(c) = self.rest().chars().next() {
            match c {
                '\n' => {
                    self.push(Node::Break, 1);
                    self.line += 1;
                    self.line_begin = self.at;
                }
                '\\' => self.backslash(),
                '`' => self.code(),
                '!' if self.rest().starts_with("![") => self.bracket(true),
                '[' => self.bracket(false),
                ']' => self.close_bracket(),
                '<' => self.angle(),
                '*' | '_' | '~' => self.mark(c),
                c if c.is_alphanumeric() => self.word(),
                c => self.literal(c.len_utf8()),
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn before(&self) -> Option<char> {
        self.text[..self.at].chars().next_back()
    }

    fn push(&mut self, node: Node, length: usize) {
        self.out.push(Located { node, line: self.line });
        self.at += length;
    }

    /// The next bytes as text.
    fn literal(&mut self, length: usize) {
        let text = &self.rest()[..length];
        // The sign of a bracket stays by itself: it may go.
        let follows_bracket = self.brackets.last().is_some_and(|bracket| bracket.node + 1 == self.out.len());
        if !follows_bracket && let Some(Located { node: Node::Text(before), .. }) = self.out.last_mut() {
            before.push_str(text);
            self.at += length;
        } else {
            self.push(Node::Text(text.to_owned()), length);
        }
    }

    /// A backslash takes its meaning from a sign that has one there. Before anything else it is a character, as in
    /// `C:\neu`.
    fn backslash(&mut self) {
        if self.rest().starts_with("\\\\") && self.before().is_none_or(char::is_whitespace) {
            let share = self.rest()[2..].starts_with(char::is_alphanumeric);
            if share {
                return self.path();
            }
        }
        let behind = &self.rest()[1..];
        let line_start = self.text[self.line_begin..self.at].trim_start().is_empty();
        let is_number = self.before().is_some_and(|c| c.is_ascii_digit());
        let is_sign = |c: Option<char>| match c {
            Some('*' | '_' | '~' | '`' | '[' | ']' | '<' | '|' | '!') => true,
            Some('#' | '>' | '-' | '+' | '=' | '•') => line_start,
            Some('.' | ')') => is_number,
            _ => false,
        };
        // A backslash is one where the next would be none.
        let has_meaning = match behind.strip_prefix('\\') {
            Some(further) => further.starts_with('\\') || is_sign(further.chars().next()),
            None => is_sign(behind.chars().next()),
        };
        if has_meaning {
            self.at += 1;
            let length = self.rest().chars().next().map_or(0, char::len_utf8);
            self.literal(length);
        } else {
            self.literal(1);
        }
    }

    fn code(&mut self) {
        let length = self.rest().bytes().take_while(|byte| *byte == b'`').count();
        // Some use it as an apostrophe: it begins and ends at the edge of a word, in one line.
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let starts = !is_word(self.before());
        let close = self.ticks.get(&self.at).copied().filter(|close| {
            starts
                && !is_word(self.text[close + length..].chars().next())
                && !self.text[self.at..*close].contains('\n')
        });
        let Some(close) = close else {
            if length == 3 {
                return self.push(Node::Leftover("```"), length);
            }
            return self.literal(length);
        };
        let inner = &self.text[self.at + length..close];
        // Blanks keep backticks at the edge apart from the signs.
        let bare = inner.strip_prefix(' ').and_then(|code| code.strip_suffix(' '));
        let code = bare.filter(|code| !code.trim().is_empty()).unwrap_or(inner).to_owned();
        self.push(Node::Code(code), close + length - self.at);
    }

    fn bracket(&mut self, is_image: bool) {
        let sign = if is_image { "![" } else { "[" };
        self.brackets.push(Bracket { node: self.out.len(), is_image });
        self.push(Node::Text(sign.to_owned()), sign.len());
    }

    fn close_bracket(&mut self) {
        let open = self.brackets.pop();
        let behind = &self.rest()[1..];
        let Some((open, (address, length))) = open.zip(destination(behind)) else {
            return match link_begins(behind) {
                Some(sign) => self.push(Node::Leftover(sign), sign.len()),
                None => self.literal(1),
            };
        };
        let inner = self.out.split_off(open.node + 1);
        let line = self.out.pop().map_or(self.line, |bracket| bracket.line);
        let node = if open.is_image {
            Node::Image { address, alt: inner.into_iter().map(words).collect() }
        } else {
            // A link holds no other link.
            self.brackets.retain(|bracket| bracket.is_image);
            let inner = inner.into_iter().flat_map(unlinked).collect();
            Node::Link { address: addresses::completed(&address), is_bare: false, inner }
        };
        self.out.push(Located { node, line });
        self.at += 1 + length;
    }

    /// `<https://…>`, which loses its brackets, and `<name@example.org>`.
    fn angle(&mut self) {
        if self.is_cell
            && let Some(tag) = ["<br>", "<br/>", "<br />"]
                .into_iter()
                .find(|tag| self.rest().get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag)))
        {
            return self.push(Node::Break, tag.len());
        }
        let behind = &self.rest()[1..];
        let end = behind.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>')).unwrap_or(behind.len());
        let shown = &behind[..end];
        let is_closed = behind[end..].starts_with('>');
        let is_web = ["http://", "https://"]
            .iter()
            .any(|scheme| shown.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
        let address = if is_web || shown.starts_with("mailto:") {
            shown.to_owned()
        } else if addresses::mail(shown) == Some(shown.len()) {
            format!("mailto:{shown}")
        } else {
            return self.literal(1);
        };
        if !is_closed {
            return self.literal(1);
        }
        // As in "Maria Muster <maria@example.org>".
        let is_mail = !is_web && !shown.starts_with("mailto:");
        self.skip(is_mail);
        self.bare(shown.len(), address);
        self.skip(is_mail);
    }

    /// The next sign, as text or not at all.
    fn skip(&mut self, is_shown: bool) {
        if is_shown {
            self.literal(1);
        } else {
            self.at += 1;
        }
    }

    /// A path of Windows, up to the next blank: nothing in it is a sign.
    fn path(&mut self) {
        let end = self.rest().find(char::is_whitespace).unwrap_or(self.rest().len());
        self.literal(end);
    }

    /// A word; an address where it begins one.
    fn word(&mut self) {
        let rest = self.rest();
        let is_drive = rest.as_bytes().get(1..3) == Some(b":\\") && rest.as_bytes()[0].is_ascii_alphabetic();
        if is_drive && self.before().is_none_or(|c| !c.is_alphanumeric()) {
            return self.path();
        }
        if self.may_begin_address() {
            if let Some((length, address)) = addresses::web(rest) {
                return self.bare(length, address);
            }
            if let Some(length) = addresses::mail(rest) {
                return self.bare(length, format!("mailto:{}", &rest[..length]));
            }
        }
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        self.literal(end);
    }

    /// Not within a word or another address; but behind a label such as `E-Mail:`, also without a blank.
    fn may_begin_address(&self) -> bool {
        let Some(before) = self.before() else { return true };
        if before != ':' {
            return !before.is_alphanumeric() && !"/@.-=&?#%+".contains(before);
        }
        let label = self.text[self.line_begin..self.at - 1].chars().rev().take_while(|c| !c.is_whitespace());
        let label: Vec<char> = label.take(LABEL + 1).collect();
        label.len() <= LABEL && !label.iter().any(|c| matches!(c, '/' | '@'))
    }

    fn bare(&mut self, length: usize, address: String) {
        let shown = Located { node: Node::Text(self.rest()[..length].to_owned()), line: self.line };
        self.push(Node::Link { address, is_bare: true, inner: vec![shown] }, length);
    }

    /// Whether these signs end what begins at the edge of the same word: `**K**ünstliche`.
    fn ends_part_of_word(&self, sign: char, length: usize) -> bool {
        let begin = self.part.filter(|(begun, _)| *begun == sign && length == 2 && sign != '_');
        begin.is_some_and(|(_, begin)| !self.text[begin..self.at].contains(char::is_whitespace))
    }

    /// Whether the single sign that stands here names genders: before `innen`, as in `die *innen`, or behind a word that
    /// has one of its own, as in `trans*` or `Kolleg* innen`. A word between two signs is meant to be emphasised.
    fn names_gender(&self, sign: char) -> bool {
        let rest = &self.rest()[sign.len_utf8()..];
        if let Some(behind) = rest.strip_prefix("innen") {
            return !behind.starts_with(|c: char| c.is_alphanumeric() || c == sign);
        }
        let before = &self.text[self.line_begin..self.at];
        let begin = before.trim_end_matches(char::is_alphanumeric).len();
        let (begin, word) = before.split_at(begin);
        let parted = rest.trim_start_matches(' ').strip_prefix("innen");
        let is_parted = parted.is_some_and(|behind| !behind.starts_with(char::is_alphanumeric));
        !begin.ends_with(sign) && (is_parted || STARRED.contains(&word.to_lowercase().as_str()))
    }

    /// Between two letters or digits a sign is a character: `Kolleg*innen`, `3*4`. So is a single one where a word is
    /// abbreviated: `Trans*-Personen`, `Leser/*innen`. What ends behind punctuation ends there: `**Hinweis:**Bitte`.
    fn mark(&mut self, sign: char) {
        let rest = self.rest();
        let length = rest.chars().take_while(|c| *c == sign).count();
        let (before, behind) = (self.before(), rest[length..].chars().next());
        let is_blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let can_be = if sign == '~' { length == 2 } else { length <= 3 };
        let within_word = is_word(before) && is_word(behind);
        let names_gender = length == 1 && self.names_gender(sign);
        let can_open = can_be
            && !is_blank(behind)
            && !is_word(before)
            && (length == 2 || before != Some('/'))
            && !names_gender
            && behind.is_none_or(|c| !matches!(c, ')' | ']' | '}' | '.' | ',' | ';' | ':' | '?'));
        let can_close = can_be
            && !is_blank(before)
            && (!within_word || self.ends_part_of_word(sign, length))
            && (length == 2 || !matches!(behind, Some('-' | '/' | '\'' | '’')))
            && !(names_gender && is_word(before))
            && before.is_none_or(|c| !matches!(c, '(' | '[' | '{'));
        // Without a partner two signs are told as left over, one is a star.
        self.part = if can_open && length == 2 { Some((sign, self.at + length)) } else { None };
        if can_open || can_close || (can_be && length == 2 && !within_word) {
            self.push(Node::Mark(Mark { sign, length, can_open, can_close }), length);
        } else {
            self.literal(length);
        }
    }
}

/// `(address)`: the address, and how many bytes it takes with its brackets. Brackets within are balanced.
fn destination(text: &str) -> Option<(String, usize)> {
    let inner = text.strip_prefix('(')?;
    if let Some(angled) = inner.strip_prefix('<') {
        let end = angled.find(['>', '<', '\n'])?;
        return angled[end..].starts_with(">)").then(|| (angled[..end].trim().to_owned(), end + 4));
    }
    // People leave blanks at the edges.
    let address = inner.trim_start_matches(' ');
    let (mut round, mut square) = (0_usize, 0_usize);
    let end = address.char_indices().find_map(|(at, c)| {
        match c {
            // The brackets of another link stand in no address.
            ']' if address[at..].starts_with("](") => return Some(at),
            '(' => round += 1,
            ')' if round > 0 => round -= 1,
            '[' => square += 1,
            ']' if square > 0 => square -= 1,
            _ => return (c.is_whitespace() || matches!(c, ')' | ']')).then_some(at),
        }
        None
    })?;
    let behind = address[end..].trim_start_matches(' ').strip_prefix(')')?;
    (round == 0 && square == 0).then(|| (address[..end].to_owned(), text.len() - behind.len()))
}

/// The signs between the text and the address of a link that is none, where it was meant as one.
fn link_begins(behind: &str) -> Option<&'static str> {
    let is_address = |text: &str| {
        let text = text.trim_start_matches(['(', ' ', '<']);
        addresses::web(text).is_some() || addresses::mail(text).is_some()
    };
    ["](", "] ("]
        .into_iter()
        .find(|sign| behind.starts_with(&sign[1..]) && is_address(&behind[sign.len() - 1..]))
}

/// What a picture's text says, without its signs.
fn words(part: Located) -> String {
    match part.node {
        Node::Text(text) | Node::Code(text) => text,
        Node::Leftover(sign) => sign.to_owned(),
        Node::Break => " ".to_owned(),
        Node::Mark(mark) if mark.sign == '~' || mark.length > 3 => mark.sign.to_string().repeat(mark.length),
        Node::Mark(_) => String::new(),
        Node::Link { address, is_bare, inner } => {
            let shown: String = inner.into_iter().map(words).collect();
            if is_bare { shown } else { format!("{shown} ({address})") }
        }
        Node::Image { alt, .. } => alt,
    }
}

fn unlinked(part: Located) -> Vec<Located> {
    match part.node {
        Node::Link { inner, .. } => inner,
        _ => vec![part],
    }
}

/// For each run of backticks the next one of the same length.
fn next_ticks(text: &str) -> HashMap<usize, usize> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in text.match_indices('`') {
        match runs.last_mut() {
            Some((begin, length)) if *begin + *length == at => *length += 1,
            _ => runs.push((at, 1)),
        }
    }
    let mut later: HashMap<usize, usize> = HashMap::new();
    let mut next = HashMap::new();
    for (begin, length) in runs.into_iter().rev() {
        if let Some(at) = later.insert(length, begin) {
            next.insert(begin, at);
        }
    }
    next
}
