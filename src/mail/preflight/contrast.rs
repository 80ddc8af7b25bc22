//! Whether the texts of the HTML can be read (WCAG 2.2, 1.4.3), and what those get who do not see its pictures.
//!
//! Colours are taken from `style` and `bgcolor`, as our templates write them, light design. What classes say, such as
//! the dark design, is left out: that is the templates' own, and is tested with them.

use std::collections::HashSet;

use html5gum::{DefaultEmitter, HtmlString, StartTag, Token, Tokenizer};

use crate::domain::publication::{LEAST_CONTRAST, contrast};

use super::{Code, Finding, Place};

/// For large text (WCAG 2.2, 1.4.3).
const LEAST_FOR_LARGE: f64 = 3.0;

/// What was seen on the way.
#[derive(Debug, Default)]
pub struct Visible {
    /// Every text that is shown.
    pub text: String,
    /// Where links lead.
    pub links: Vec<String>,
}

/// How text is shown at a place.
#[derive(Debug, Clone, Copy)]
struct Style {
    colour: u32,
    background: u32,
    /// In pixels.
    size: f64,
    is_bold: bool,
    is_hidden: bool,
}

const VOID: [&[u8]; 6] = [b"br", b"col", b"hr", b"img", b"link", b"meta"];

/// Elements in one another, at most, among which the one that a tag closes is looked for. Browsers nest no deeper.
const DEEPEST: usize = 512;

pub fn check(source: &str, found: &mut Vec<Finding>) -> Visible {
    let mut emitter = DefaultEmitter::default();
    // What looks like a tag within a style, a script or a title is none.
    emitter.naively_switch_states(true);
    let mut seen = Visible::default();
    let plain = Style { colour: 0, background: 0xff_ffff, size: 16.0, is_bold: false, is_hidden: false };
    let mut open: Vec<(HtmlString, Style)> = Vec::new();
    let mut pairs = HashSet::new();
    let mut first_headings = 0;
    for Ok(token) in Tokenizer::new_with_emitter(source, emitter) {
        let current = open.last().map_or(plain, |(_, style)| *style);
        match token {
            Token::StartTag(tag) => {
                match tag.name.as_slice() {
                    b"h1" => first_headings += 1,
                    b"a" => seen.links.extend(attribute(&tag, "href")),
                    b"img" if attribute(&tag, "alt").is_none() => {
                        let address = attribute(&tag, "src").unwrap_or_default();
                        found.push(
                            Finding::new(Code::ImageWithoutAlt).with("address", address).at(Place::Templates),
                        );
                    }
                    _ => {}
                }
                if !VOID.contains(&tag.name.as_slice()) {
                    let style = styled(current, &tag);
                    open.push((tag.name, style));
                }
            }
            Token::EndTag(tag) => {
                // One that was never opened closes nothing.
                let from = open.len().saturating_sub(DEEPEST);
                if let Some(at) = open[from..].iter().rposition(|(opened, _)| *opened == tag.name) {
                    open.truncate(from + at);
                }
            }
            Token::String(text) if !current.is_hidden => {
                let text = String::from_utf8_lossy(&text);
                seen.text.push_str(&text);
                seen.text.push(' ');
                let has_letters = text.chars().any(char::is_alphanumeric);
                if has_letters && pairs.insert((current.colour, current.background)) {
                    found.extend(hard_to_read(&text, current));
                }
            }
            _ => {}
        }
    }
    if first_headings != 1 {
        found.push(Finding::new(Code::HeadingFirst).with("count", first_headings.to_string()));
    }
    seen
}

/// The value of an attribute, empty where it has none.
fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    tag.attributes.get(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn hard_to_read(text: &str, style: Style) -> Option<Finding> {
    let ratio = contrast(style.colour, style.background);
    let is_large = style.size >= 24.0 || (style.size >= 18.66 && style.is_bold);
    let least = if is_large { LEAST_FOR_LARGE } else { LEAST_CONTRAST };
    // Rounded down: 4.46 is not 4.5.
    let shown = format!("{:.1}:1", (ratio * 10.0).floor() / 10.0);
    (ratio < least).then(|| Finding::new(Code::ContrastLow).with("text", text.trim()).with("ratio", shown))
}

fn styled(mut style: Style, tag: &StartTag<()>) -> Style {
    match tag.name.as_slice() {
        b"b" | b"strong" | b"th" | b"h1" | b"h2" | b"h3" => style.is_bold = true,
        b"script" | b"style" | b"title" => style.is_hidden = true,
        _ => {}
    }
    if let Some(colour) = attribute(tag, "bgcolor").and_then(|value| colour(&value)) {
        style.background = colour;
    }
    let declarations = attribute(tag, "style").unwrap_or_default();
    for declaration in declarations.split(';') {
        let Some((property, value)) = declaration.split_once(':') else { continue };
        let value = value.trim();
        match property.trim() {
            "color" => style.colour = colour(value).unwrap_or(style.colour),
            "background-color" | "background" => style.background = colour(value).unwrap_or(style.background),
            "font-size" => {
                style.size = value.strip_suffix("px").and_then(|px| px.parse().ok()).unwrap_or(style.size);
            }
            "font-weight" => style.is_bold = matches!(value, "bold" | "600" | "700" | "800" | "900"),
            "display" => style.is_hidden |= value == "none",
            _ => {}
        }
    }
    style
}

/// A colour as templates write it: `#rrggbb`, `#rgb`.
fn colour(text: &str) -> Option<u32> {
    let digits = text.trim().strip_prefix('#')?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    match digits.len() {
        6 => Some(value),
        // Each digit stands twice.
        3 => Some(((value >> 8) & 15) * 0x11_0000 + ((value >> 4) & 15) * 0x1100 + (value & 15) * 0x11),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(html: &str) -> Vec<Code> {
        let mut found = Vec::new();
        check(&format!("<h1>Titel</h1>{html}"), &mut found);
        found.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn text_that_can_hardly_be_read_is_found_on_whatever_it_stands() {
        assert_eq!(found("<p style=\"color:#767676\">lesbar</p>"), []);
        assert_eq!(found("<p style=\"color:#777\">blass</p>"), [Code::ContrastLow]);
        assert_eq!(found("<p style=\"color:#949494;font-size:24px\">groß</p>"), []);
        assert_eq!(found("<td bgcolor='#0b5d4e'><a><span style='color:#ffffff'>Knopf</span></a></td>"), []);
        assert_eq!(found("<td bgcolor='#0b5d4e'><a>Knopf</a></td>"), [Code::ContrastLow]);
        assert_eq!(found("<div style='background-color:#000'></div><p>danach wieder auf Weiß</p>"), []);
        assert_eq!(found("<div style='display:none;color:#fff'>unsichtbar</div>"), []);
        assert_eq!(found("<p style='color:#fff'>&nbsp;</p>"), [], "nothing to read");
    }

    #[test]
    fn pictures_have_a_text_and_a_mail_has_one_first_heading() {
        assert_eq!(found("<img src='a.png' alt=''>"), [], "an ornament says so");
        assert_eq!(found("<img src='a.png'>"), [Code::ImageWithoutAlt]);
        assert_eq!(found("<h1>Noch einer</h1>"), [Code::HeadingFirst]);
    }

    #[test]
    fn what_is_shown_and_where_links_lead_is_seen() {
        let mut found = Vec::new();
        let seen = check(
            "<h1>A &amp; B</h1><i style='display:none'>x</i><a href='https://a.example/?b=1&amp;c=2'>c</a>",
            &mut found,
        );
        assert_eq!(seen.text, "A & B c ");
        assert_eq!(seen.links, ["https://a.example/?b=1&c=2"]);
    }

    #[test]
    fn html_is_read_as_browsers_read_it() {
        let mut found = Vec::new();
        let seen = check(
            "<!DOCTYPE html><title><h1>x</h1></title><STYLE>p > a{}</style><!-- <p> --><H1>A</h1>\
             <p a='>' style=color:#000>M&#252;ller &mdash; S&#xF6;hne <br/>& Co; &nope;</p></div>",
            &mut found,
        );
        assert_eq!(found.iter().map(|finding| finding.code).collect::<Vec<_>>(), []);
        assert_eq!(seen.text, "A Müller — Söhne  & Co; &nope; ");
    }

    #[test]
    fn nothing_breaks_it_whatever_its_length() {
        for odd in
            ["<", "<p", "a<b", "<!--", "<style>", "</", "<p a=\"", "<style></sty", "é<é>é", "<p = a=>&#0;"]
        {
            check(odd, &mut Vec::new());
            check(&odd.repeat(10_000), &mut Vec::new());
        }
        check(&["<b>", "</i>"].map(|tag| tag.repeat(10_000)).concat(), &mut Vec::new());
    }
}
