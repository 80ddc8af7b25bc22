//! Markdown as HTML for mail.

use std::fmt::Write as _;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Tag, TagEnd};

use super::{is_linkable, is_web_address, parser};

const SERIF: &str = "font-family:Georgia,'Times New Roman',serif";
const CELL: &str = "padding:6px 10px;border:1px solid #dcd8cf;text-align:left;vertical-align:top";

/// The Markdown as HTML with inline styles; links in the `accent` colour.
///
/// Headings begin at `h2`, because the mail's title is its `h1`.
#[must_use]
pub fn html(markdown: &str, accent: &str) -> String {
    let mut writer = Writer { out: String::new(), accent, open: Vec::new(), image: None, in_head: false };
    for event in parser(markdown) {
        writer.event(event);
    }
    writer.out
}

struct Writer<'a> {
    out: String,
    accent: &'a str,
    /// Closing tags of what is open; empty where an opening was left out.
    open: Vec<&'static str>,
    /// An image's address and the text collected for it.
    image: Option<(String, String)>,
    in_head: bool,
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(TagEnd::Image) => self.image(),
            Event::End(end) => {
                self.in_head &= end != TagEnd::TableHead;
                let closing = self.open.pop().unwrap_or_default();
                self.out.push_str(closing);
            }
            // Raw HTML is text: it shows what was typed and does nothing.
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(code) => {
                self.out.push_str("<code style=\"font-family:Consolas,Menlo,monospace;font-size:15px;background-color:#eeebe4;padding:1px 4px;\">");
                self.text(&code);
                self.out.push_str("</code>");
            }
            Event::SoftBreak => self.text("\n"),
            Event::HardBreak => self.out.push_str("<br>\n"),
            Event::Rule => {
                self.out.push_str("<hr style=\"border:0;border-top:1px solid #dcd8cf;margin:24px 0;\">\n");
            }
            // Not enabled in the parser.
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph => self.tag("<p style=\"margin:0 0 16px 0;\">", "</p>\n"),
            Tag::Heading { level: HeadingLevel::H1 | HeadingLevel::H2, .. } => {
                self.tag(&format!("<h2 style=\"margin:28px 0 10px 0;{SERIF};font-size:22px;line-height:1.3;font-weight:normal;\">"), "</h2>\n");
            }
            Tag::Heading { .. } => {
                self.tag(&format!("<h3 style=\"margin:22px 0 8px 0;{SERIF};font-size:18px;line-height:1.35;\">"), "</h3>\n");
            }
            Tag::BlockQuote(_) => self.tag(
                &format!("<blockquote style=\"margin:0 0 16px 0;padding:0 0 0 16px;border-left:3px solid #dcd8cf;{SERIF};font-style:italic;\">\n"),
                "</blockquote>\n",
            ),
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => self.tag(
                "<pre style=\"margin:0 0 16px 0;padding:12px;background-color:#eeebe4;font-family:Consolas,Menlo,monospace;font-size:14px;white-space:pre-wrap;\">",
                "</pre>\n",
            ),
            Tag::List(None) => self.tag("<ul style=\"margin:0 0 16px 0;padding:0 0 0 24px;\">\n", "</ul>\n"),
            Tag::List(Some(first)) => {
                self.tag(&format!("<ol start=\"{first}\" style=\"margin:0 0 16px 0;padding:0 0 0 24px;\">\n"), "</ol>\n");
            }
            Tag::Item => self.tag("<li style=\"margin:0 0 6px 0;\">", "</li>\n"),
            Tag::Emphasis => self.tag("<em>", "</em>"),
            Tag::Strong => self.tag("<strong>", "</strong>"),
            Tag::Strikethrough => self.tag("<s>", "</s>"),
            Tag::Link { dest_url, .. } if is_linkable(&dest_url) => {
                let opening = format!("<a href=\"{}\" style=\"color:{};text-decoration:underline;\">", escaped(&dest_url), self.accent);
                self.tag(&opening, "</a>");
            }
            Tag::Image { dest_url, .. } => self.image = Some((dest_url.into_string(), String::new())),
            Tag::Table(_) => self.tag("<table width=\"100%\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:collapse;margin:0 0 16px 0;\">\n", "</table>\n"),
            Tag::TableHead => {
                self.in_head = true;
                self.tag("<tr>", "</tr>\n");
            }
            Tag::TableRow => self.tag("<tr>", "</tr>\n"),
            Tag::TableCell if self.in_head => {
                self.tag(&format!("<th scope=\"col\" style=\"{CELL};background-color:#eeebe4;\">"), "</th>");
            }
            Tag::TableCell => self.tag(&format!("<td style=\"{CELL};\">"), "</td>"),
            // Links that lead nowhere keep their text; the rest is not enabled in the parser.
            _ => self.tag("", ""),
        }
    }

    fn tag(&mut self, opening: &str, closing: &'static str) {
        self.out.push_str(opening);
        self.open.push(closing);
    }

    fn text(&mut self, text: &str) {
        match &mut self.image {
            Some((_, alt)) => alt.push_str(text),
            None => self.out.push_str(&escaped(text)),
        }
    }

    fn image(&mut self) {
        let Some((address, alt)) = self.image.take() else { return };
        if is_web_address(&address) {
            let (address, alt) = (escaped(&address), escaped(&alt));
            let written = write!(
                self.out,
                "<img src=\"{address}\" alt=\"{alt}\" style=\"display:block;max-width:100%;height:auto;border:0;\">"
            );
            debug_assert!(written.is_ok(), "writing to a String cannot fail");
        } else {
            self.out.push_str(&escaped(&alt));
        }
    }
}

/// Text as it may stand between tags and inside double-quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Written as entities they get past every check of the file, and they are how mails mark links.
            c if c.is_control() && c != '\n' && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}
