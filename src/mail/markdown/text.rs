//! Markdown as plain text: what a reader without HTML gets, and it reads well.

use pulldown_cmark::{Alignment, Event, Tag, TagEnd};

use super::{is_line_break, parser};

/// Characters of a line up to which the columns of a table are aligned; programs break longer ones.
const WIDEST_TABLE: usize = 76;

/// The Markdown as plain text: paragraphs in one line each, lists with dashes or numbers, quotes with `>`, links
/// with their address behind them.
#[must_use]
pub fn text(markdown: &str) -> String {
    let mut writer = Writer::default();
    for event in parser(markdown) {
        writer.event(event);
    }
    writer.end_line();
    // Written as entities they get past every check of the file, and they are how mails mark links.
    writer.out.retain(|c| !c.is_control() || c == '\n' || c == '\t');
    writer.out.trim_end().to_owned()
}

#[derive(Default)]
struct Writer {
    out: String,
    /// The line being written, without its prefixes.
    line: String,
    /// What stands at the beginning of each line, from the outermost block inwards.
    prefixes: Vec<Prefix>,
    /// Numbers of the ordered lists that are open; nothing for the others.
    lists: Vec<Option<u64>>,
    /// Addresses of the links that are open, and where their text begins in `line`.
    links: Vec<(String, usize)>,
    /// The table that is open.
    table: Option<Table>,
    /// Whether a blank line goes before the next one.
    gap: bool,
}

struct Table {
    columns: Vec<Alignment>,
    rows: Vec<Vec<String>>,
}

struct Prefix {
    /// Before the block's first line, once.
    first: Option<String>,
    /// Before every other line.
    rest: String,
}

impl Table {
    /// A line for each row, in columns where they fit into a line, with a rule below the head.
    fn lines(mut self) -> Vec<String> {
        // Markdown knows no table without a head.
        let has_head = self.rows.first().is_some_and(|head| head.iter().any(|cell| !cell.is_empty()));
        self.rows.drain(..usize::from(!has_head).min(self.rows.len()));
        let length = |text: &str| text.chars().count();
        let widest = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        if widths.iter().map(|width| width + 3).sum::<usize>() > WIDEST_TABLE + 3 {
            return self.rows.iter().map(|row| row.join(" | ")).collect();
        }
        let row = |cells: &Vec<String>| {
            let cells = cells.iter().zip(&widths).zip(&self.columns);
            let cells = cells.map(|((cell, &width), column)| match column {
                Alignment::Right => format!("{cell:>width$}"),
                Alignment::Center => format!("{cell:^width$}"),
                Alignment::Left | Alignment::None => format!("{cell:<width$}"),
            });
            cells.collect::<Vec<_>>().join(" | ")
        };
        let mut lines: Vec<String> = self.rows.iter().map(row).collect();
        if !has_head {
            return lines;
        }
        let rule = widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("-+-");
        lines.insert(lines.len().min(1), rule);
        lines
    }
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::InlineHtml(tag) if self.table.is_some() && is_line_break(&tag) => {
                self.line.push_str(" / ");
            }
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) | Event::Code(text) => {
                self.text(&text);
            }
            Event::SoftBreak => self.line.push(' '),
            Event::HardBreak if self.table.is_some() => self.line.push(' '),
            Event::HardBreak => self.end_line(),
            Event::Rule => {
                self.end_line();
                self.gap = true;
                self.line.push_str("* * *");
                self.end_block();
            }
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::List(first) => {
                self.end_line();
                self.lists.push(first);
            }
            Tag::Item => {
                self.end_line();
                let bullet = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
                let rest = " ".repeat(bullet.len());
                self.prefixes.push(Prefix { first: Some(bullet), rest });
            }
            Tag::BlockQuote(_) => {
                self.end_line();
                // The blank line before a quote is not part of it.
                self.fill_gap();
                self.prefixes.push(Prefix { first: None, rest: "> ".into() });
            }
            Tag::Link { dest_url, .. } => self.links.push((dest_url.into_string(), self.line.len())),
            Tag::Image { .. } => self.line.push('['),
            Tag::Table(columns) => {
                self.end_line();
                self.table = Some(Table { columns, rows: Vec::new() });
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::HtmlBlock => {
                self.end_block();
            }
            TagEnd::Item => {
                self.end_line();
                self.prefixes.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.end_line();
                self.prefixes.pop();
                self.gap = true;
            }
            TagEnd::List(_) => {
                self.end_line();
                self.lists.pop();
                self.gap |= self.lists.is_empty();
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.line).trim().to_owned();
                if let Some(row) = self.table.as_mut().and_then(|table| table.rows.last_mut()) {
                    row.push(cell);
                }
            }
            TagEnd::Table => {
                for line in self.table.take().map(Table::lines).unwrap_or_default() {
                    self.line = line;
                    self.end_line();
                }
                self.end_block();
            }
            TagEnd::Link => {
                let Some((address, begin)) = self.links.pop() else { return };
                let shown = self.line.get(begin..).unwrap_or_default();
                let address = address.strip_prefix("mailto:").unwrap_or(&address);
                if shown != address {
                    let address = format!(" ({address})");
                    self.line.push_str(&address);
                }
            }
            TagEnd::Image => self.line.push(']'),
            _ => {}
        }
    }

    /// Text may hold line breaks of its own, in code.
    fn text(&mut self, text: &str) {
        if self.table.is_some() {
            self.line.push_str(text);
            return;
        }
        let mut lines = text.split('\n');
        self.line.push_str(lines.next().unwrap_or_default());
        for line in lines {
            self.end_line();
            self.line.push_str(line);
        }
    }

    fn end_block(&mut self) {
        self.end_line();
        self.gap = true;
    }

    fn end_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        self.fill_gap();
        for prefix in &mut self.prefixes {
            let now = prefix.first.take().unwrap_or_else(|| prefix.rest.clone());
            self.out.push_str(&now);
        }
        self.out.push_str(self.line.trim_end());
        self.out.push('\n');
        self.line.clear();
        // A link that goes on in the next line begins there.
        for (_, begin) in &mut self.links {
            *begin = 0;
        }
    }

    /// Writes the blank line that is due, if one is.
    fn fill_gap(&mut self) {
        if std::mem::take(&mut self.gap) && !self.out.is_empty() {
            let blank: String = self.prefixes.iter().map(Self::quiet).collect();
            self.out.push_str(blank.trim_end());
            self.out.push('\n');
        }
    }

    /// A prefix on a blank line: quotes go through, list indents do not.
    fn quiet(prefix: &Prefix) -> String {
        if prefix.first.is_some() { String::new() } else { prefix.rest.clone() }
    }
}
