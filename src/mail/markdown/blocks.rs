//! Lines of a text as blocks: paragraphs, headings, lists, quotes, tables, code, dividers.
//!
//! A line that only looks like a block, such as a date at its beginning, stays text: see [`super`].

use super::{
    directive::{self, Directive, Kind},
    lists::{Marker, markers},
    table,
    tree::{Block, Leaf, Line, indent},
};

/// Levels of lists and quotes within each other. What is deeper is text of the deepest one. Bounds the recursion, and
/// the work: each level looks at its lines once.
const DEEPEST: usize = 12;

pub fn blocks(markdown: &str) -> Vec<Block> {
    // Word writes a line break within a paragraph as a vertical tab, other programs as one of the others.
    let text = markdown
        .replace("\r\n", "\n")
        .replace(['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    let lines: Vec<Line> = text.lines().enumerate().map(|(at, text)| Line { text, number: at + 1 }).collect();
    container(&lines, 0)
}

fn container(lines: &[Line], depth: usize) -> Vec<Block> {
    Container { lines, depth, markers: markers(lines, depth > 0), last_fence: last_fence(lines) }.read()
}

/// The lines within one quote or item, or of the whole text.
struct Container<'a> {
    lines: &'a [Line<'a>],
    depth: usize,
    /// For each line that begins an item of a list: how.
    markers: Vec<Option<Marker>>,
    /// The last line that can close code.
    last_fence: Option<usize>,
}

impl<'a> Container<'a> {
    fn read(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < self.lines.len() {
            let text = self.lines[at].text.trim();
            if text.is_empty() {
                at += 1;
            } else if self.is_fence(at) {
                at = self.code(at, &mut blocks);
            } else if let Some((kind, end)) = self.directive_here(at) {
                at = self.directive(at, kind, end, &mut blocks);
            } else if is_rule(text) {
                blocks.push(Block::Rule);
                at += 1;
            } else if let Some((level, text)) = heading(text) {
                blocks.push(Block::Heading(level, self.leaf(at, text)));
                at += 1;
            } else if table::begins(self.lines, at) {
                let (table, end) = table::read(self.lines, at);
                blocks.push(table);
                at = end;
            } else if self.is_quote(at) {
                at = self.quote(at, &mut blocks);
            } else if let Some(marker) = self.marker(at) {
                at = self.list(at, marker, &mut blocks);
            } else {
                at = self.paragraph(at, &mut blocks);
            }
        }
        blocks
    }

    fn is_nested(&self) -> bool {
        self.depth < DEEPEST
    }

    fn marker(&self, at: usize) -> Option<Marker> {
        self.markers[at].filter(|_| self.is_nested())
    }

    fn leaf(&self, at: usize, text: &str) -> Leaf {
        Leaf { text: text.to_owned(), line: self.lines[at].number }
    }

    /// Whether a line ends the paragraph before it.
    fn begins_block(&self, at: usize) -> bool {
        let text = self.lines[at].text.trim();
        text.is_empty()
            || self.is_fence(at)
            || self.directive_here(at).is_some()
            || is_rule(text)
            || heading(text).is_some()
            || table::begins(self.lines, at)
            || self.is_quote(at)
            || self.marker(at).is_some()
    }

    fn paragraph(&self, at: usize, blocks: &mut Vec<Block>) -> usize {
        let mut leaf = self.leaf(at, self.lines[at].text.trim());
        let mut end = at + 1;
        while end < self.lines.len() && !self.begins_block(end) {
            let text = self.lines[end].text.trim();
            if end == at + 1 && text.len() >= 3 && text.bytes().all(|byte| byte == b'=') {
                blocks.push(Block::Heading(2, leaf));
                return end + 1;
            }
            leaf.text.push('\n');
            leaf.text.push_str(text);
            end += 1;
        }
        blocks.push(Block::Paragraph(leaf));
        end
    }

    /// Whether a quote begins here. "More than 50 people" by itself is none.
    fn is_quote(&self, at: usize) -> bool {
        let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || c == '=');
        let Some(behind) = self.lines[at].text.trim().strip_prefix('>').filter(|_| self.is_nested()) else {
            return false;
        };
        let goes_on = || self.lines.get(at + 1).is_some_and(|next| quoted(next.text.trim()).is_some());
        !is_number(behind) && (!is_number(behind.trim_start()) || goes_on())
    }

    fn quote(&self, at: usize, blocks: &mut Vec<Block>) -> usize {
        let inner: Vec<Line> = self.lines[at..]
            .iter()
            .map_while(|line| Some(Line { text: quoted(line.text.trim_start())?, number: line.number }))
            .collect();
        blocks.push(Block::Quote(container(&inner, self.depth + 1)));
        at + inner.len()
    }

    /// Items go on in lines that are indented. A line at the margin ends the list.
    fn list(&self, at: usize, first: Marker, blocks: &mut Vec<Block>) -> usize {
        let mut items: Vec<Vec<Line<'a>>> = Vec::new();
        let mut is_tight = true;
        let mut width = 0;
        let mut end = at;
        let mut next = at;
        while next < self.lines.len() {
            let line = self.lines[next];
            if line.text.trim().is_empty() {
                next += 1;
                continue;
            }
            let marker = self.markers[next].filter(|marker| marker.is_beside(&first));
            let blanks = next - end;
            if let Some(marker) = marker {
                width = marker.width;
                items.push(vec![Line { text: &line.text[marker.content..], ..line }]);
            } else if indent(line.text) >= first.indent + 2
                && let Some(item) = items.last_mut()
            {
                item.extend((end..next).map(|blank| Line { text: "", ..self.lines[blank] }));
                item.push(Line { text: dedent(line.text, width), ..line });
            } else {
                break;
            }
            is_tight &= blanks == 0;
            next += 1;
            end = next;
        }
        let items = items.iter().map(|lines| container(lines, self.depth + 1)).collect();
        blocks.push(Block::List { first: first.number, is_tight, items });
        end
    }

    /// What block of fields begins here, and the line that ends it. Within a list or a quote there is none.
    fn directive_here(&self, at: usize) -> Option<(Kind, usize)> {
        let kind = Kind::of(directive::opening(self.lines[at].text).filter(|_| self.depth == 0)?)?;
        // Another one that begins says that this one was not ended. So no line is looked at twice.
        let is_edge =
            |line: &Line| directive::is_closing(line.text) || directive::opening(line.text).is_some();
        let end = at + 1 + self.lines[at + 1..].iter().position(is_edge)?;
        directive::is_closing(self.lines[end].text).then_some((kind, end))
    }

    fn directive(&self, at: usize, kind: Kind, end: usize, blocks: &mut Vec<Block>) -> usize {
        let lines = self.lines[at + 1..end].iter().map(|line| (line.number, line.text));
        let read = Directive::read(kind, self.lines[at].number, lines);
        let content: Vec<Line> =
            read.content.into_iter().map(|(number, text)| Line { text, number }).collect();
        let content = container(&content, self.depth + 1);
        blocks.push(Block::Directive(Box::new(read.directive), read.problems, content));
        end + 1
    }

    /// Whether code begins here that ends further down.
    fn is_fence(&self, at: usize) -> bool {
        let text = self.lines[at].text.trim();
        // Code within a line may begin it.
        text.starts_with("```")
            && !text.trim_start_matches('`').contains('`')
            && self.last_fence.is_some_and(|last| last > at)
    }

    fn code(&self, at: usize, blocks: &mut Vec<Block>) -> usize {
        let opening = self.lines[at].text;
        let mut code = String::new();
        let mut add = |text: &str| {
            code.push_str(text);
            code.push('\n');
        };
        // What stands behind the signs names the language of the code; it is not lost.
        let info = opening.trim().trim_start_matches('`').trim();
        if !info.is_empty() {
            add(info);
        }
        let mut end = at + 1;
        while !is_closing(self.lines[end].text) {
            add(dedent(self.lines[end].text, indent(opening)));
            end += 1;
        }
        blocks.push(Block::Code(code));
        end + 1
    }
}

fn last_fence(lines: &[Line]) -> Option<usize> {
    lines.iter().rposition(|line| is_closing(line.text))
}

fn is_closing(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 3 && text.bytes().all(|byte| byte == b'`')
}

/// Three or more of the same sign and nothing else.
fn is_rule(text: &str) -> bool {
    let mut signs = text.bytes().filter(|byte| !matches!(byte, b' ' | b'\t'));
    let Some(first) = signs.next().filter(|first| matches!(first, b'-' | b'*' | b'_')) else { return false };
    let mut others = 0;
    signs.all(|sign| {
        others += 1;
        sign == first
    }) && others >= 2
}

/// `#` to `######`, a blank and a text. A hashtag is none, and `# 1` is a number.
fn heading(text: &str) -> Option<(u8, &str)> {
    let level = text.bytes().take_while(|byte| *byte == b'#').count();
    let behind = text.get(level..)?;
    if !(1..=6).contains(&level) || !behind.starts_with([' ', '\t']) {
        return None;
    }
    if level == 1 && behind.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // Some write as many signs behind it.
    let bare = behind.trim_end_matches('#');
    let text = if bare.ends_with([' ', '\t']) { bare.trim() } else { behind.trim() };
    (!text.is_empty()).then_some((u8::try_from(level).ok()?, text))
}

/// What stands behind the sign of a quote.
fn quoted(text: &str) -> Option<&str> {
    let behind = text.strip_prefix('>')?;
    Some(behind.strip_prefix(' ').unwrap_or(behind))
}

/// The line without its first blanks, up to so many columns.
fn dedent(text: &str, columns: usize) -> &str {
    let mut left = columns;
    text.trim_start_matches(|c| {
        let width = if c == '\t' { 4 } else { 1 };
        let goes = left > 0 && matches!(c, ' ' | '\t');
        left = left.saturating_sub(width);
        goes
    })
}
