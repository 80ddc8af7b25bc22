//! The text of an update, as HTML for mail and as plain text.
//!
//! It is written in a small dialect of Markdown, which `docs/markdown.md` describes for those who write, and which
//! holds for everything that brings a text: typing, pasting, files. People who were never told of Markdown write in it
//! too, so no word, number or sign of what they type may vanish or change because it looks like a sign of the dialect. Where it
//! differs from CommonMark, that is why: see `lists.rs` and `inline.rs`.
//!
//! The HTML is an allow-list by construction: `html.rs` writes every tag itself, with its styles inline because mail
//! programs drop everything else, and HTML that somebody types comes out as the text it is.

mod addresses;
pub(super) mod appointment;
#[cfg(test)]
mod as_written;
mod blocks;
mod cards;
pub mod directive;
#[cfg(test)]
mod directive_tests;
pub(super) mod document;
mod emphasis;
mod escape;
pub(super) mod event;
mod event_lines;
mod html;
mod inline;
mod lists;
mod picture;
mod plain_cards;
#[cfg(test)]
mod readings;
mod surroundings;
mod table;
mod text;
mod tree;
mod vocabulary;

pub use html::{html, html_within};
pub use picture::shown_size;
pub use surroundings::Surroundings;
pub use text::{text, text_within};

use url::Url;

use self::{
    directive::{Directive, Key},
    document::document,
    event::{Event, Tag, TagEnd},
};

/// Why a Markdown text cannot be mailed; tell the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the text: {problem}")]
pub struct MarkdownError {
    /// Counted from 1, in the Markdown.
    pub line: usize,
    /// What is wrong, for pages that say it in their reader's language.
    pub code: MarkdownProblem,
    /// What is wrong and what to write instead.
    pub problem: String,
}

/// What can be wrong with a Markdown text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkdownProblem {
    /// An image's address is none that a mail can load.
    ImageAddress,
    /// An image has no text for those who do not see it.
    ImageText,
    /// A link leads nowhere from a mail.
    LinkAddress,
    /// The mail would be so long that it is cut off.
    TooLong,
}

impl MarkdownProblem {
    /// Its name in tables of texts.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::ImageAddress => "body_image_address",
            Self::ImageText => "body_image_text",
            Self::LinkAddress => "body_link_address",
            Self::TooLong => "body_too_long",
        }
    }
}

/// Bytes of HTML that a text may become: with the frame around it a mail stays below 90 KB, and Gmail cuts off what is
/// longer than 102.
const MOST_HTML: usize = 75_000;

/// Checks what the renderers would otherwise have to leave out: images without a text, images and links that lead
/// nowhere from a mail.
///
/// # Errors
/// [`MarkdownError`] for the first such place.
pub fn check(markdown: &str) -> Result<(), MarkdownError> {
    let mut open_image: Option<(usize, bool)> = None;
    for (event, line) in document(markdown).steps {
        let wrong = |code, problem: &str| Err(MarkdownError { line, code, problem: problem.to_owned() });
        match event {
            Event::Start(Tag::Image { address }) => {
                if !is_web_address(&address) {
                    return wrong(
                        MarkdownProblem::ImageAddress,
                        "the image's address must begin with https://",
                    );
                }
                open_image = Some((line, false));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, has_text)) = &mut open_image {
                    *has_text |= !text.trim().is_empty();
                }
            }
            Event::End(TagEnd::Image) => {
                if let Some((line, false)) = open_image.take() {
                    let problem = "the image has no text: write ![what it shows](https://…)".to_owned();
                    return Err(MarkdownError { line, code: MarkdownProblem::ImageText, problem });
                }
            }
            Event::Start(Tag::Link { address, .. }) if !is_linkable(&address) => {
                return wrong(
                    MarkdownProblem::LinkAddress,
                    "the link's address must begin with https:// or mailto:",
                );
            }
            Event::Start(Tag::Directive(directive)) => check_addresses(&directive)?,
            _ => {}
        }
    }
    if html(markdown, "#000000").len() > MOST_HTML {
        let problem =
            "the text is too long for a mail; shorten it, and link to the page for the rest".to_owned();
        return Err(MarkdownError { line: 1, code: MarkdownProblem::TooLong, problem });
    }
    Ok(())
}

/// The addresses in a block of fields. That one is missing is told by the preflight, with all that may be missing there.
fn check_addresses(directive: &Directive) -> Result<(), MarkdownError> {
    let wrong = |key, code, problem: &str| {
        let line = directive.field(key).map_or(directive.line, |field| field.line);
        Err(MarkdownError { line, code, problem: problem.to_owned() })
    };
    if directive.link().is_some_and(|address| !is_linkable(&address)) {
        let problem = "the button's link must begin with https:// or mailto:";
        return wrong(Key::Link, MarkdownProblem::LinkAddress, problem);
    }
    if directive.get(Key::Address).is_some_and(|address| !is_web_address(address)) {
        let problem = "the image's address must begin with https://";
        return wrong(Key::Address, MarkdownProblem::ImageAddress, problem);
    }
    Ok(())
}

fn is_web_address(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn is_linkable(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "mailto"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_need_a_text_and_links_a_way() {
        assert_eq!(check("a\n\n![](https://example.org/a.png)").unwrap_err().line, 3);
        assert_eq!(check("![x](a.png)").unwrap_err().line, 1);
        assert_eq!(check("a\n[b](javascript:alert(1))").unwrap_err().line, 2);
        assert_eq!(check("[a](https://example.org) ![b **c**](https://example.org/a.png)"), Ok(()));
    }

    #[test]
    fn nothing_that_runs_survives() {
        let attacks = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](data:text/html,<script>)",
            "![x](javascript:alert(1))",
            "[x](https://example.org/\"onmouseover=\"alert(1))",
            "<a href=\"https://example.org\" style=\"x\">y</a>",
            "`<script>`\n\n    <script>",
            "| <b>a</b> | b |\n|---|---|\n| <i>c</i> | d |",
        ];
        for attack in attacks {
            let html = html(attack, "#0b5d4e");
            for bad in
                ["<script", "<img src=x", "javascript:", "data:", "\"onmouse", "<b>", "<i>", "style=\"x\""]
            {
                assert!(!html.contains(bad), "{attack} gave {html}");
            }
        }
    }

    #[test]
    fn the_text_reads_well_by_itself() {
        let markdown = "## Zwei Tage\n\nEin **fetter** [Link](https://example.org/a) und <https://example.org/b>.\n\n\
            - eins\n- zwei\n  1. innen\n  2. außen\n\n> Ein Zitat\n> in zwei Zeilen\n\n![Ein Bild](https://example.org/c.png)\n\n---\n\nEnde";
        insta::assert_snapshot!(text(markdown));
    }

    #[test]
    fn columns_are_aligned_in_both_parts_and_a_cell_may_have_two_lines() {
        let table =
            "| Ort | Tag | Plätze |\n|:--|:-:|--:|\n| Cottbus<br>Altmarkt | Mo | 8 |\n| Ü | Dienstag | 120 |";
        let html = html(table, "#0b5d4e");
        for align in ["left", "center", "right"] {
            assert_eq!(html.matches(&format!(" align=\"{align}\"")).count(), 3, "{html}");
            assert_eq!(html.matches(&format!("text-align:{align};")).count(), 3, "{html}");
        }
        assert!(html.contains("Cottbus<br>Altmarkt"), "{html}");
        assert!(super::html("a<br>b", "#000000").contains("&lt;br&gt;"), "elsewhere it is text");
        assert_eq!(
            text(table),
            "Ort                |   Tag    | Plätze\n-------------------+----------+-------\n\
             Cottbus / Altmarkt |    Mo    |      8\nÜ                  | Dienstag |    120"
        );
        let headless = "|  |  |\n|--|--|\n| a | b |";
        assert!(!super::html(headless, "#000000").contains("<th"), "a head without words is none");
        assert_eq!(text(headless), "a | b");
        let wide = format!("| a | b |\n|--|--|\n| {} | x |", "wort ".repeat(20));
        assert_eq!(text(&wide), format!("a | b\n{} | x", "wort ".repeat(20).trim()));
    }

    /// What is linked in a text: the address, and what is shown of it.
    fn linked(markdown: &str) -> Vec<(String, String)> {
        let html = html(markdown, "#0b5d4e");
        let link = |part: &str| {
            let (address, rest) = part.split_once('"')?;
            let (_, rest) = rest.split_once('>')?;
            Some((address.replace("&amp;", "&"), rest.split_once("</a>")?.0.replace("&amp;", "&")))
        };
        html.split("<a href=\"").skip(1).filter_map(link).collect()
    }

    #[test]
    fn an_address_is_linked_as_a_whole_and_without_a_blank_before_it() {
        let bracket = "https://x.example/?tx_news[id]=3&tx_news[a]=b";
        for text in [
            bracket.to_owned(),
            format!("Mehr: {bracket}."),
            format!("({bracket})"),
            format!("[siehe {bracket}]"),
            format!("**{bracket}**"),
            format!("*{bracket}*, und"),
            format!("- {bracket}"),
            format!("<{bracket}>"),
        ] {
            assert_eq!(linked(&text), [(bracket.to_owned(), bracket.to_owned())], "{text}");
        }
        assert_eq!(linked(&format!("[Bericht]({bracket}) a")), [(bracket.to_owned(), "Bericht".to_owned())]);
        for address in ["https://x.example/a*b*c", "https://x.example/a_b_c_", "https://x.example/_a_/*"] {
            let shown = address.trim_end_matches(['_', '*']);
            assert_eq!(linked(address), [(shown.to_owned(), shown.to_owned())], "{address}");
        }
        for (text, address) in [
            ("E-Mail:info@x.example", "info@x.example"),
            ("(info@x.example)", "info@x.example"),
            ("Tel.:0355 1234,Mail:info@x.example;Fax", "info@x.example"),
            ("mailto:info@x.example", "info@x.example"),
            ("**E-Mail:**info@x.example", "info@x.example"),
        ] {
            assert_eq!(linked(text), [(format!("mailto:{address}"), address.to_owned())], "{text}");
        }
        assert_eq!(linked("Web:www.x.example, Link:https://y.example").len(), 2);
        for none in ["ftp://u:pass@x.example", "a@b:c@d", "12:30"] {
            assert_eq!(linked(none), [], "{none}");
        }
    }

    #[test]
    fn genders_keep_their_sign_and_emphasis_that_is_meant_stays() {
        for text in [
            "Kolleg*innen und Partner*innen",
            "Bürger*innen- und Partner*innen",
            "die *innen und Inter*",
            "*innen und Inter* sind",
            "Liebe Kolleg *innen und Partner *innen",
            "Frauen* und Trans* und Inter*",
            "Schüler_innen, die _innen und Inter_ Menschen",
            "Freund*in, jede*r, ein*e Ärzt*in",
            "Mitarbeiter:innen und Leser/-innen",
            "Kolleg* innen und Partner* innen",
            "Preis* und inkl. MwSt*",
        ] {
            assert_eq!(html(text, "#000000"), format!("<p style=\"margin:0 0 16px 0;\">{text}</p>\n"));
            assert_eq!(super::text(text), text);
        }
        for (text, emphasised) in [
            ("*Wichtig: trans* Personen sind willkommen*", "Wichtig: trans* Personen sind willkommen"),
            ("*Liebe Kolleg* innen*", "Liebe Kolleg* innen"),
            ("Das ist *innen* so", "innen"),
            ("nur *Frauen* hier", "Frauen"),
            ("_Partner_ sein", "Partner"),
            ("*in der Stadt* wohnen", "in der Stadt"),
            ("(*betont*), sagt", "betont"),
            ("*Kolleg*innen sind gemeint*", "Kolleg*innen sind gemeint"),
        ] {
            let html = html(text, "#000000");
            assert!(html.contains(&format!("<em>{emphasised}</em>")), "{text} gave {html}");
        }
    }

    #[test]
    fn every_picture_has_a_width_that_its_place_has_room_for() {
        let widths = |markdown: &str| {
            let html = html(markdown, "#0b5d4e");
            let of = |image: &str| image.split(" width=\"").nth(1)?.split('"').next()?.parse::<u16>().ok();
            html.split("<img ").skip(1).map(|image| of(image.split('>').next().unwrap())).collect::<Vec<_>>()
        };
        let image = "![a](https://example.org/a.png)";
        assert_eq!(widths(image), [Some(552)]);
        assert_eq!(
            widths(&format!("- {image}\n  - {image}\n\n> {image}\n\n{image}")),
            [528, 504, 533, 552].map(Some)
        );
        assert_eq!(
            widths(&format!("| a | b |\n|--|--|\n| {image} | [{image}](https://example.org) |\n\n{image}")),
            [254, 254, 552].map(Some)
        );
    }

    #[test]
    fn a_picture_of_a_known_size_keeps_its_shape_and_is_never_enlarged() {
        use crate::domain::{hosted::Hosted, locale::Locale};
        let hosted = Hosted::default()
            .with_size("https://example.org/large.jpg", (1104, 736))
            .with_size("https://example.org/small.png", (120, 80));
        let of = |markdown: &str| {
            let around =
                Surroundings { accent: "#0b5d4e", hosted: &hosted, locale: Locale::De, calendar: &|_| None };
            let html = html_within(markdown, around);
            html.split(" alt=\"a\" ").nth(1).unwrap().split(";max-width").next().unwrap().to_owned()
        };
        let shown = |width: u16, height: u16| {
            format!("width=\"{width}\" height=\"{height}\" style=\"display:block;width:{width}px")
        };
        assert_eq!(of("![a](https://example.org/large.jpg)"), shown(552, 368));
        assert_eq!(of("- ![a](https://example.org/large.jpg)"), shown(528, 352));
        assert_eq!(of("![a](https://example.org/small.png)"), shown(120, 80));
        assert_eq!(of("| ![a](https://example.org/small.png) | b | c | d |\n|-|-|-|-|"), shown(116, 77));
        assert_eq!(
            of("![a](https://elsewhere.example/a.png)"),
            "width=\"552\" style=\"display:block;width:auto"
        );
        assert_eq!(shown_size((1, 60_000), 552), (1, 60_000));
        assert_eq!(shown_size((0, 0), 552), (1, 1));
    }

    #[test]
    fn the_html_carries_its_styles_with_it() {
        let markdown = "## Zwei Tage\n\nEin *kurzer* [Link](https://example.org/?a=1&b=2).\n\n- eins\n- zwei\n\n> Zitat\n\n```\ncode <b>\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |";
        insta::assert_snapshot!(html(markdown, "#0b5d4e"));
    }
}
