//! Markdown as plain text: what a reader without HTML gets, and it reads well.

use crate::domain::{hosted::Hosted, locale::Locale};

use super::{
    directive::{Directive, Kind},
    document::document,
    event::{Alignment, Event, Tag, TagEnd},
    plain_cards,
    surroundings::Surroundings,
};

/// Characters of a line up to which the columns of a table are aligned; programs break longer ones.
const WIDEST_TABLE: usize = 76;

/// The Markdown as plain text where nothing is known besides.
#[must_use]
pub fn text(markdown: &str) -> String {
    let hosted = Hosted::default();
    text_within(
        markdown,
        Surroundings { accent: "", hosted: &hosted, locale: Locale::default(), calendar: &|_| None },
    )
}

/// The Markdown as plain text: lines as they were typed, lists with dashes or numbers, quotes with `>`, links and
/// pictures with their address behind them, and what is struck through between `~~`, without which it would say the opposite.
#[must_use]
pub fn text_within(markdown: &str, around: Surroundings<'_>) -> String {
    let mut writer = Writer::new(around);
    for (event, _) in document(markdown).steps {
        writer.event(event);
    }
    writer.end_line();
    // Written as entities they get past every check of the file, and they are how mails mark links.
    writer.out.retain(|c| !c.is_control() || c == '\n' || c == '\t');
    writer.out.trim_end().to_owned()
}

struct Writer<'a> {
    around: Surroundings<'a>,
    out: String,
    /// The line being written, without its prefixes.
    line: String,
    /// What stands at the beginning of each line, from the outermost block inwards.
    prefixes: Vec<Prefix>,
    /// Numbers of the ordered lists that are open; nothing for the others.
    lists: Vec<Option<u64>>,
    /// Addresses of the links that are open, unless the text is the address, and where their text begins in `line`.
    links: Vec<(Option<String>, usize)>,
    /// Address of the picture that is open.
    image: Option<String>,
    /// The table that is open.
    table: Option<Table>,
    /// The block of fields that is open; none stands in another.
    directive: Option<Box<Directive>>,
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
        let mut widths = vec![0_usize; self.columns.len()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
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

impl<'a> Writer<'a> {
    fn new(around: Surroundings<'a>) -> Self {
        Self {
            around,
            out: String::new(),
            line: String::new(),
            prefixes: Vec::new(),
            lists: Vec::new(),
            links: Vec::new(),
            image: None,
            table: None,
            directive: None,
            gap: false,
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Text(text) | Event::Code(text) => self.text(&text),
            Event::HardBreak if self.table.is_some() => self.line.push_str(" / "),
            Event::HardBreak => self.end_line(),
            Event::Rule => {
                self.end_line();
                self.gap = true;
                self.line.push_str("* * *");
                self.end_block();
            }
        }
    }

    fn start(&mut self, tag: Tag) {
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
            Tag::BlockQuote => self.quote(),
            Tag::Directive(directive) => {
                self.end_line();
                if directive.kind == Kind::Quote {
                    self.quote();
                }
                let lines = plain_cards::before(&directive, &self.around);
                self.lines(&lines);
                self.directive = Some(directive);
            }
            Tag::Link { address, is_bare } => {
                self.links.push(((!is_bare).then_some(address), self.line.len()));
            }
            Tag::Image { address } => {
                self.line.push('[');
                self.image = Some(address);
            }
            Tag::Strikethrough => self.line.push_str("~~"),
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
            TagEnd::Paragraph | TagEnd::Heading | TagEnd::CodeBlock => {
                self.end_block();
            }
            TagEnd::Item => {
                self.end_line();
                // An item without words has its number all the same.
                if self.prefixes.last().is_some_and(|item| item.first.is_some()) {
                    self.write_line("");
                }
                self.prefixes.pop();
            }
            TagEnd::BlockQuote => {
                self.end_line();
                self.prefixes.pop();
                self.gap = true;
            }
            TagEnd::Directive => {
                self.end_line();
                let Some(directive) = self.directive.take() else { return };
                // Who said it stands right below.
                self.gap = false;
                self.lines(&plain_cards::after(&directive));
                if directive.kind == Kind::Quote {
                    self.prefixes.pop();
                }
                self.gap = true;
            }
            TagEnd::List => {
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
                let Some((Some(address), begin)) = self.links.pop() else { return };
                let shown = self.line.get(begin..).unwrap_or_default();
                let address = address.strip_prefix("mailto:").unwrap_or(&address);
                if shown != address {
                    let address = format!(" ({address})");
                    self.line.push_str(&address);
                }
            }
            TagEnd::Image => {
                let address = self.image.take().unwrap_or_default();
                self.line.extend(["] (", &address, ")"]);
            }
            TagEnd::Strikethrough => self.line.push_str("~~"),
            _ => {}
        }
    }

    fn quote(&mut self) {
        self.end_line();
        // The blank line before a quote is not part of it.
        self.fill_gap();
        self.prefixes.push(Prefix { first: None, rest: "> ".into() });
    }

    /// Whole lines, as a block of their own.
    fn lines(&mut self, lines: &[String]) {
        for line in lines {
            self.text(line);
            self.end_block();
            self.gap = false;
        }
        self.gap |= !lines.is_empty();
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
        let line = std::mem::take(&mut self.line);
        self.write_line(line.trim_end());
        // A link that goes on in the next line begins there.
        for (_, begin) in &mut self.links {
            *begin = 0;
        }
    }

    fn write_line(&mut self, line: &str) {
        self.fill_gap();
        for prefix in &mut self.prefixes {
            let now = prefix.first.take().unwrap_or_else(|| prefix.rest.clone());
            self.out.push_str(&now);
        }
        self.out.push_str(line);
        self.out.truncate(self.out.trim_end_matches([' ', '\t']).len());
        self.out.push('\n');
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
