//! The Markdown of an update: its links and what is said about them, its headings, its pictures.

use std::collections::HashSet;

use url::Url;

use crate::{
    config::is_on_this_machine,
    domain::update::Update,
    mail::markdown::{
        document::document,
        event::{Event, Tag, TagEnd},
    },
};

use super::{Code, Finding, Place, placeholders};

/// A web address that an update leads to, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// http or https.
    pub url: Url,
    /// Where it is mended.
    pub place: Place,
    /// The line of the update's text.
    pub line: Option<usize>,
}

/// Every web address of an update, each once: its link, its picture, and those of its text.
#[must_use]
pub fn targets(update: &Update) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    let mut known = HashSet::new();
    let mut add = |address: &str, place: Place, line: Option<usize>| {
        if let Ok(url) = Url::parse(address)
            && matches!(url.scheme(), "http" | "https")
            && known.insert(url.clone())
        {
            targets.push(Target { url, place, line });
        }
    };
    if let Some(link) = &update.link {
        add(link, Place::Link, None);
    }
    if let Some(image) = &update.image {
        add(image, Place::Image, None);
    }
    for (event, line) in document(&update.body).steps {
        if let Event::Start(Tag::Link { address, .. } | Tag::Image { address }) = event {
            add(&address, Place::Body, Some(line));
        }
    }
    targets
}

/// Whether an address goes without encryption; on this machine, where the demo runs, that is as good as with it.
pub fn is_plain_http(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| url.scheme() == "http" && !is_on_this_machine(&url))
}

/// What people write where they mean "this one".
const VAGUE_LINKS: [&str; 26] = [
    "hier",
    "hier klicken",
    "klicken sie hier",
    "klick hier",
    "bitte hier klicken",
    "hier lesen",
    "hier entlang",
    "mehr",
    "mehr lesen",
    "mehr erfahren",
    "mehr dazu",
    "mehr infos",
    "weiter",
    "weiterlesen",
    "link",
    "dieser link",
    "zum link",
    "here",
    "click here",
    "more",
    "read more",
    "learn more",
    "this",
    "this link",
    "this page",
    "continue",
];

/// What says no more than that there is a picture.
const VAGUE_ALTS: [&str; 16] = [
    "bild",
    "foto",
    "fotos",
    "grafik",
    "abbildung",
    "logo",
    "symbolbild",
    "titelbild",
    "image",
    "photo",
    "picture",
    "graphic",
    "illustration",
    "screenshot",
    "alt",
    "alternativtext",
];

fn bare(text: &str) -> String {
    let trimmed = text.trim_matches(|c: char| !c.is_alphanumeric());
    trimmed.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Whether the text of a picture says nothing about it: a word that means picture, or the name of a file.
pub fn is_vague_alt(alt: &str) -> bool {
    let said = bare(alt);
    let is_file = said.rsplit_once('.').is_some_and(|(_, extension)| {
        ["jpg", "jpeg", "png", "webp", "gif", "heic", "tif", "tiff"].contains(&extension)
    });
    let is_camera = ["img_", "dsc_", "dscf", "dsc0", "pxl_", "whatsapp image"]
        .iter()
        .any(|start| said.starts_with(start));
    is_file || is_camera || VAGUE_ALTS.contains(&said.as_str())
}

/// What is open while the text is read.
#[derive(Default)]
struct Reader {
    link: Option<(String, String, usize)>,
    image: Option<(String, String, usize)>,
    heading: Option<(usize, String, usize)>,
    /// The level of the heading before; the mail's title is the first.
    level: usize,
    paragraph: Option<Paragraph>,
    is_strong: bool,
}

/// A paragraph that is bold from its first to its last letter looks like a heading and is none.
#[derive(Default)]
struct Paragraph {
    text: String,
    has_other: bool,
    line: usize,
}

pub fn check(markdown: &str, found: &mut Vec<Finding>) {
    let mut reader = Reader { level: 1, ..Reader::default() };
    let mut in_list = 0_usize;
    let document = document(markdown);
    for leftover in document.leftovers {
        found.push(Finding::new(Code::MarkLeftOver).with("text", leftover.sign).in_line(leftover.line));
    }
    for (number, line) in (1..).zip(markdown.lines()) {
        found.extend(placeholders::in_source(line).map(|finding| finding.in_line(number)));
    }
    for (event, line) in document.steps {
        if let Event::Start(Tag::Link { address, .. } | Tag::Image { address }) = &event {
            found.extend(placeholders::in_address(address).map(|finding| finding.in_line(line)));
        }
        match event {
            Event::Start(Tag::List(_)) => in_list += 1,
            Event::End(TagEnd::List) => in_list = in_list.saturating_sub(1),
            Event::Start(Tag::Paragraph) if in_list == 0 => {
                reader.paragraph = Some(Paragraph { line, ..Paragraph::default() });
            }
            Event::End(TagEnd::Paragraph) => found.extend(reader.paragraph.take().and_then(Paragraph::bold)),
            Event::Start(Tag::Strong) => reader.is_strong = true,
            Event::End(TagEnd::Strong) => reader.is_strong = false,
            Event::Start(Tag::Heading(level)) => {
                reader.heading = Some((rank(level), String::new(), line));
            }
            Event::End(TagEnd::Heading) => found.extend(reader.heading()),
            Event::Start(Tag::Link { address, .. }) => {
                reader.link = Some((address, String::new(), line));
            }
            Event::End(TagEnd::Link) => {
                if let Some((address, text, line)) = reader.link.take() {
                    found.extend(link(&address, &text).into_iter().map(|finding| finding.in_line(line)));
                }
            }
            Event::Start(Tag::Image { address }) => {
                reader.image = Some((address, String::new(), line));
            }
            Event::End(TagEnd::Image) => found.extend(reader.image()),
            Event::Text(text) | Event::Code(text) => {
                found.extend(placeholders::in_text(&text).map(|finding| finding.in_line(line)));
                reader.text(&text);
            }
            Event::HardBreak => reader.text(" "),
            _ => {}
        }
    }
}

/// As mails show them: `#` and `##` are the level below the title, all others the one below that.
fn rank(level: u8) -> usize {
    match level {
        1 | 2 => 2,
        _ => 3,
    }
}

impl Reader {
    fn text(&mut self, text: &str) {
        // The text of a picture is also that of the link around it.
        if let Some((_, alt, _)) = &mut self.image {
            alt.push_str(text);
        }
        if let Some((_, words, _)) = &mut self.link {
            words.push_str(text);
        }
        if let Some((_, words, _)) = &mut self.heading {
            words.push_str(text);
        }
        if let Some(paragraph) = &mut self.paragraph {
            if self.is_strong && self.link.is_none() && self.image.is_none() {
                paragraph.text.push_str(text);
            } else {
                paragraph.has_other |= !text.trim().is_empty();
            }
        }
    }

    fn heading(&mut self) -> Option<Finding> {
        let (level, text, line) = self.heading.take()?;
        let skips = level > self.level + 1;
        self.level = level;
        skips.then(|| Finding::new(Code::HeadingSkips).with("text", text.trim()).in_line(line))
    }

    fn image(&mut self) -> Vec<Finding> {
        let Some((address, alt, line)) = self.image.take() else { return Vec::new() };
        let mut found = Vec::new();
        if alt.trim().is_empty() {
            found.push(Finding::new(Code::ImageWithoutAlt).with("address", address.as_str()));
        } else if is_vague_alt(&alt) {
            found.push(Finding::new(Code::AltVague).with("alt", alt.trim()));
        }
        if is_plain_http(&address) {
            found.push(Finding::new(Code::ImageHttp).with("address", address));
        }
        found.into_iter().map(|finding| finding.at(Place::Body).in_line(line)).collect()
    }
}

impl Paragraph {
    fn bold(self) -> Option<Finding> {
        let text = self.text.trim();
        let is_like_a_heading = !self.has_other && !text.is_empty() && text.chars().count() <= 80;
        // A sentence that is only important ends as sentences do.
        let is_sentence = text.ends_with(['.', '!', '?', ':']);
        (is_like_a_heading && !is_sentence)
            .then(|| Finding::new(Code::BoldHeading).with("text", text).in_line(self.line))
    }
}

fn link(address: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let text = text.trim();
    if text.is_empty() {
        found.push(Finding::new(Code::LinkEmpty).with("address", address));
    } else if VAGUE_LINKS.contains(&bare(text).as_str()) {
        found.push(Finding::new(Code::LinkTextVague).with("text", text));
    } else if let Some(host) = host_said(text) {
        let target = Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned));
        let plain = |host: &str| host.trim_start_matches("www.").to_lowercase();
        if target.is_some_and(|target| plain(&target) != plain(&host)) {
            found.push(Finding::new(Code::LinkTextDiffers).with("text", text).with("address", address));
        } else if text.chars().count() > 40 {
            found.push(Finding::new(Code::LinkTextAddress).with("text", text));
        }
    }
    if is_plain_http(address) {
        found.push(Finding::new(Code::LinkHttp).with("address", address));
    }
    found
}

/// The host that a text names, when it is an address.
fn host_said(text: &str) -> Option<String> {
    if text.contains(char::is_whitespace) || text.contains('@') {
        return None;
    }
    let url = if text.contains("://") {
        Url::parse(text).ok()?
    } else if text.starts_with("www.") {
        Url::parse(&format!("https://{text}")).ok()?
    } else {
        return None;
    };
    Some(url.host_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(markdown: &str) -> Vec<(Code, Option<usize>)> {
        let mut found = Vec::new();
        check(markdown, &mut found);
        found.iter().map(|finding| (finding.code, finding.line)).collect()
    }

    #[test]
    fn links_say_where_they_lead() {
        assert_eq!(found("Der [Bericht vom ersten Tag](https://example.org)."), []);
        assert_eq!(found("Text\n\nMehr [**hier**](https://example.org)."), [(Code::LinkTextVague, Some(3))]);
        assert_eq!(found("[„Weiterlesen“ …](https://example.org)"), [(Code::LinkTextVague, Some(1))]);
        assert_eq!(found("[](https://example.org)"), [(Code::LinkEmpty, Some(1))]);
        assert_eq!(found("[![Zwei Menschen](https://example.org/a.jpg)](https://example.org)"), []);
        assert_eq!(found("<https://example.org/a>"), []);
        assert_eq!(found("[Bericht](mailto:a@example.org)"), []);
        assert_eq!(found("[Bericht](http://example.org)"), [(Code::LinkHttp, Some(1))]);
    }

    #[test]
    fn a_link_does_not_show_an_address_and_lead_to_another() {
        let differs = [(Code::LinkTextDiffers, Some(1))];
        assert_eq!(found("[www.example.org](https://evil.example/)"), differs);
        assert_eq!(found("[https://example.org/](https://example.org.evil.example/)"), differs);
        assert_eq!(found("[www.example.org](https://example.org/a)"), []);
        let long = "https://example.org/aktuelles/2026/11/26/zwei-tage-in-der-werkstatt";
        assert_eq!(found(&format!("<{long}>")), [(Code::LinkTextAddress, Some(1))]);
    }

    #[test]
    fn headings_go_down_step_by_step() {
        assert_eq!(found("## A\n\n### B\n\n## C\n\n#### D"), []);
        assert_eq!(found("Text\n\n### B"), [(Code::HeadingSkips, Some(3))]);
        assert_eq!(found("**Der zweite Tag**\n\nText"), [(Code::BoldHeading, Some(1))]);
        assert_eq!(found("**Achtung: Die Werkstatt bleibt zu.**"), []);
        assert_eq!(found("**Wichtig** ist das."), []);
        assert_eq!(found("- **Ort**\n- **Zeit**"), []);
    }

    #[test]
    fn pictures_in_the_text() {
        assert_eq!(found("![Zwei Menschen an einer Drehbank](https://example.org/a.jpg)"), []);
        assert_eq!(found("![](https://example.org/a.jpg)"), [(Code::ImageWithoutAlt, Some(1))]);
        assert_eq!(found("![DSC_0042](https://example.org/a.jpg)"), [(Code::AltVague, Some(1))]);
        assert_eq!(found("![Drehbank](http://example.org/a.jpg)"), [(Code::ImageHttp, Some(1))]);
    }

    #[test]
    fn what_was_to_be_replaced_is_found_as_a_word() {
        assert_eq!(found("TODO: Ort"), [(Code::Placeholder, Some(1))]);
        assert_eq!(found("a\n\nLorem ipsum dolor"), [(Code::Placeholder, Some(3))]);
        assert_eq!(found("Todos Santos"), []);
        assert_eq!(found("a\n\nb\nLiebe {{name}},"), [(Code::Placeholder, Some(4))]);
        assert_eq!(found("a\n\nLiebe *|FNAME|*,"), [(Code::Placeholder, Some(3))]);
        assert_eq!(found("[Anmelden]({{link}})"), [(Code::Placeholder, Some(1))]);
        assert_eq!(
            found("![[Bild beschreiben, bitte ergänzen]](https://example.org/a.jpg)"),
            [(Code::Placeholder, Some(1))]
        );
        assert_eq!(found("Referat: N.N."), [(Code::PlaceholderMaybe, Some(1))]);
        assert_eq!(found("https://example.org/?tx_news[name]=3"), []);
    }

    #[test]
    fn signs_that_make_nothing_are_told() {
        let left = |line| [(Code::MarkLeftOver, Some(line))];
        assert_eq!(found("a\n\n**Hinweis"), left(3));
        assert_eq!(found("a ~~b"), left(1));
        assert_eq!(found("[Bericht](www.example.org"), left(1));
        assert_eq!(found("[Bericht] (https://example.org)"), left(1));
        assert_eq!(found("a\n```\nb"), left(2));
        for fine in [
            "5 * 3 * 2",
            "Kolleg*innen",
            "a_b",
            "Preis: 5 €*\n\n* inkl. MwSt.",
            "**Hinweis:**Bitte",
            "\\*\\*a",
        ] {
            assert_eq!(found(fine), [], "{fine}");
        }
    }
}
