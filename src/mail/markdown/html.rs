//! Markdown as HTML for mail.

use crate::domain::{hosted::Hosted, locale::Locale};

use super::{
    cards,
    document::document,
    escape::escaped,
    event::{Alignment, Event, Tag, TagEnd},
    is_linkable, is_web_address, picture,
    surroundings::Surroundings,
};

const SERIF: &str = "font-family:Georgia,'Times New Roman',serif";
const CELL: &str = "padding:6px 10px;border:1px solid #dcd8cf;vertical-align:top";
/// Pixels of a mail's text column: 600 less the margins.
const COLUMN: u16 = 552;
/// What lists, quotes and a table's cells take of that.
const LIST_INDENT: u16 = 24;
const QUOTE_INDENT: u16 = 19;
const CELL_FRAME: u16 = 22;
/// Around a table: one that is wider than the screen scrolls by itself. Its words are not broken: the column breaks
/// long ones elsewhere.
const TABLE: &str = "<div style=\"margin:0 0 16px 0;overflow-x:auto;\"><table width=\"100%\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:collapse;word-break:normal;overflow-wrap:normal;\">\n";

/// The Markdown as HTML where nothing is known but the colour of links.
#[must_use]
pub fn html(markdown: &str, accent: &str) -> String {
    let hosted = Hosted::default();
    html_within(
        markdown,
        Surroundings { accent, hosted: &hosted, locale: Locale::default(), calendar: &|_| None },
    )
}

/// The Markdown as HTML with inline styles.
///
/// Headings begin at `h2`, because the mail's title is its `h1`.
#[must_use]
pub fn html_within(markdown: &str, around: Surroundings<'_>) -> String {
    let mut writer = Writer {
        out: String::new(),
        around,
        behind: String::new(),
        open: Vec::new(),
        room: COLUMN,
        image: None,
        in_head: false,
        head_at: 0,
        head_is_empty: false,
        columns: Vec::new(),
        column: 0,
    };
    for (event, _) in document(markdown).steps {
        writer.event(event);
    }
    writer.out
}

struct Writer<'a> {
    out: String,
    around: Surroundings<'a>,
    /// What stands behind the block of fields that is open; none stands in another.
    behind: String,
    /// Closing tags of what is open, empty where an opening was left out; and the room around it.
    open: Vec<(&'static str, u16)>,
    /// Pixels that a picture may be wide here.
    room: u16,
    /// An image's address and the text collected for it.
    image: Option<(String, String)>,
    in_head: bool,
    /// Where the table's head begins in `out`, and whether nothing stands in it so far.
    head_at: usize,
    head_is_empty: bool,
    /// How the columns of the table are aligned, and which one is next.
    columns: Vec<Alignment>,
    column: usize,
}

impl Writer<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(TagEnd::Image) => self.image(),
            Event::End(TagEnd::TableHead) if std::mem::take(&mut self.head_is_empty) => {
                // Markdown knows no table without a head.
                self.out.truncate(self.head_at);
                self.open.pop();
                self.in_head = false;
            }
            Event::End(end) => {
                self.in_head &= end != TagEnd::TableHead;
                if end == TagEnd::Table {
                    self.columns.clear();
                }
                let (closing, room) = self.open.pop().unwrap_or(("", COLUMN));
                self.out.push_str(closing);
                if end == TagEnd::Directive {
                    self.out.push_str(&std::mem::take(&mut self.behind));
                }
                self.room = room;
            }
            Event::Text(text) => self.text(&text),
            Event::Code(code) => {
                self.out.push_str("<code style=\"font-family:Consolas,Menlo,monospace;font-size:15px;background-color:#eeebe4;padding:1px 4px;\">");
                self.text(&code);
                self.out.push_str("</code>");
            }
            Event::HardBreak if !self.columns.is_empty() => self.out.push_str("<br>"),
            Event::HardBreak => self.out.push_str("<br>\n"),
            Event::Rule => {
                self.out.push_str("<hr style=\"border:0;border-top:1px solid #dcd8cf;margin:24px 0;\">\n");
            }
        }
    }

    fn start(&mut self, tag: Tag) {
        match tag {
            Tag::Paragraph => self.tag("<p style=\"margin:0 0 16px 0;\">", "</p>\n"),
            Tag::Heading(1 | 2) => {
                self.tag(&format!("<h2 style=\"margin:28px 0 10px 0;{SERIF};font-size:22px;line-height:1.3;font-weight:normal;\">"), "</h2>\n");
            }
            Tag::Heading(_) => {
                self.tag(&format!("<h3 style=\"margin:22px 0 8px 0;{SERIF};font-size:18px;line-height:1.35;\">"), "</h3>\n");
            }
            Tag::BlockQuote => self.narrower(
                QUOTE_INDENT,
                &format!("<blockquote style=\"margin:0 0 16px 0;padding:0 0 0 16px;border-left:3px solid #dcd8cf;{SERIF};font-style:italic;\">\n"),
                "</blockquote>\n",
            ),
            Tag::CodeBlock => self.tag(
                "<pre style=\"margin:0 0 16px 0;padding:12px;background-color:#eeebe4;font-family:Consolas,Menlo,monospace;font-size:14px;white-space:pre-wrap;\">",
                "</pre>\n",
            ),
            Tag::List(None) => self.narrower(LIST_INDENT, "<ul style=\"margin:0 0 16px 0;padding:0 0 0 24px;\">\n", "</ul>\n"),
            Tag::List(Some(first)) => {
                self.narrower(LIST_INDENT, &format!("<ol start=\"{first}\" style=\"margin:0 0 16px 0;padding:0 0 0 24px;\">\n"), "</ol>\n");
            }
            Tag::Item => self.tag("<li style=\"margin:0 0 6px 0;\">", "</li>\n"),
            Tag::Emphasis => self.tag("<em>", "</em>"),
            Tag::Strong => self.tag("<strong>", "</strong>"),
            Tag::Strikethrough => self.tag("<s>", "</s>"),
            Tag::Link { address, .. } if is_linkable(&address) => {
                let opening = format!("<a href=\"{}\" style=\"color:{};text-decoration:underline;\">", escaped(&address), self.around.accent);
                self.tag(&opening, "</a>");
            }
            Tag::Image { address } => self.image = Some((address, String::new())),
            Tag::Table(columns) => {
                self.columns = columns;
                self.tag(TABLE, "</table></div>\n");
            }
            Tag::TableHead => {
                (self.in_head, self.column) = (true, 0);
                (self.head_at, self.head_is_empty) = (self.out.len(), true);
                self.tag("<tr>", "</tr>\n");
            }
            Tag::TableRow => {
                self.column = 0;
                self.tag("<tr>", "</tr>\n");
            }
            Tag::TableCell => self.cell(),
            Tag::Directive(directive) => {
                let frame = cards::frame(&directive, &self.around, self.room);
                self.tag(&frame.before, "");
                (self.behind, self.room) = (frame.after, frame.room);
            }
            // Links that lead nowhere keep their text.
            Tag::Link { .. } => self.tag("", ""),
        }
    }

    fn tag(&mut self, opening: &str, closing: &'static str) {
        self.out.push_str(opening);
        self.open.push((closing, self.room));
    }

    /// A tag that leaves less room to what is in it.
    fn narrower(&mut self, by: u16, opening: &str, closing: &'static str) {
        self.tag(opening, closing);
        self.room = self.room.saturating_sub(by).max(1);
    }

    /// Outlook goes by `align`, everything else by the style.
    fn cell(&mut self) {
        let align = match self.columns.get(self.column) {
            Some(Alignment::Center) => "center",
            Some(Alignment::Right) => "right",
            _ => "left",
        };
        self.column += 1;
        let around = self.room;
        if self.in_head {
            let style = format!("{CELL};text-align:{align};background-color:#eeebe4;");
            self.tag(&format!("<th scope=\"col\" align=\"{align}\" style=\"{style}\">"), "</th>");
        } else {
            self.tag(&format!("<td align=\"{align}\" style=\"{CELL};text-align:{align};\">"), "</td>");
        }
        let columns = u16::try_from(self.columns.len()).unwrap_or(u16::MAX).max(1);
        self.room = (around / columns).saturating_sub(CELL_FRAME).max(1);
    }

    fn text(&mut self, text: &str) {
        self.head_is_empty = false;
        match &mut self.image {
            Some((_, alt)) => alt.push_str(text),
            None => self.out.push_str(&escaped(text)),
        }
    }

    fn image(&mut self) {
        let Some((address, alt)) = self.image.take() else { return };
        self.head_is_empty = false;
        if is_web_address(&address) {
            self.out.push_str(&picture::tag(&address, &alt, self.around.hosted, self.room));
        } else {
            self.out.push_str(&escaped(&alt));
        }
    }
}
