//! The Markdown of an update: its links and what is said about them, its headings, its pictures.

use std::collections::HashSet;

use url::Url;

use crate::{
    domain::{publication::TimeZone, update::Update},
    mail::markdown::{
        document::document,
        event::{Event, Tag, TagEnd},
    },
};

use super::{
    Code, Finding, Place, blocks, placeholders,
    wording::{is_plain_http, is_vague_alt, link},
};

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
        match event {
            Event::Start(Tag::Link { address, .. } | Tag::Image { address }) => {
                add(&address, Place::Body, Some(line));
            }
            Event::Start(Tag::Directive(directive)) => {
                for (key, address) in directive.addresses() {
                    add(&address, Place::Body, directive.field(key).map(|field| field.line));
                }
            }
            _ => {}
        }
    }
    targets
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

/// What is wrong with a text, whose events are in this time zone.
pub fn check(markdown: &str, zone: TimeZone, found: &mut Vec<Finding>) {
    let mut reader = Reader { level: 1, ..Reader::default() };
    let mut in_list = 0_usize;
    let document = document(markdown);
    for leftover in document.leftovers {
        found.push(Finding::new(Code::MarkLeftOver).with("text", leftover.sign).in_line(leftover.line));
    }
    found.extend(document.problems.iter().map(blocks::problem));
    for (number, line) in (1..).zip(markdown.lines()) {
        found.extend(placeholders::in_source(line).map(|finding| finding.in_line(number)));
    }
    for (event, line) in document.steps {
        if let Event::Start(Tag::Link { address, .. } | Tag::Image { address }) = &event {
            found.extend(placeholders::in_address(address).map(|finding| finding.in_line(line)));
        }
        match event {
            Event::Start(Tag::Directive(directive)) => blocks::check(&directive, zone, found),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(markdown: &str) -> Vec<(Code, Option<usize>)> {
        let mut found = Vec::new();
        check(markdown, TimeZone::default(), &mut found);
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
    fn blocks_that_are_not_finished_are_told_with_their_line() {
        let event = |fields: &str| found(&format!("Text\n\n::: termin\nTitel: A\n{fields}\n:::"));
        assert_eq!(event("Datum: Mi, 16.12.2026\nBeginn: 14 Uhr\nEnde: 16 Uhr\nOrt: Cottbus"), []);
        assert_eq!(event("Ort: Cottbus"), [(Code::BlockLacks, Some(3))]);
        assert_eq!(event("Datum: 16.12.26"), [(Code::EventDate, Some(5))]);
        assert_eq!(event("Datum: Di, 16.12.2026"), [(Code::EventWeekday, Some(5))]);
        assert_eq!(event("Datum: 16.12.2026\nBeginn: mittags"), [(Code::EventTime, Some(6))]);
        assert_eq!(event("Datum: 16.12.2026\nBeginn: 16 Uhr\nEnde: 14 Uhr"), [(Code::EventOrder, Some(7))]);
        assert_eq!(event("Datum: 16.12.2026\nEnde: 15.12.2026"), [(Code::EventOrder, Some(6))]);
        assert_eq!(event("Datum: 16.12.2026\nEnde: 14 Uhr"), [(Code::EventNoBegin, Some(6))]);
        assert_eq!(event("Datum: 28.03.2027\nBeginn: 2:30"), [(Code::EventHour, Some(3))]);
        assert_eq!(event("Datum: TT.MM.JJJJ"), [(Code::Placeholder, Some(5)), (Code::EventDate, Some(5))]);
        let open = "::: termin\nTitel: A";
        assert_eq!(found(open), [(Code::BlockOpen, Some(1))]);
        assert_eq!(found("::: umfrage\na\n:::"), [(Code::BlockUnknown, Some(1))]);
        assert_eq!(found("::: knopf\nText: hier\nLink: http://example.org\nFarbe: rot\n:::").len(), 3);
        assert_eq!(
            found("::: kontakt\nName: A\nTelefon: +49 (0)355 1\nE-Mail: a@b\n:::"),
            [(Code::BlockMail, Some(4)), (Code::BlockPhone, Some(3))]
        );
        let picture = "::: bild\nAdresse: http://example.org/a.jpg\nBeschreibung: Foto\nPlatz: oben\n:::";
        assert_eq!(
            found(picture),
            [(Code::BlockPosition, Some(4)), (Code::AltVague, Some(3)), (Code::ImageHttp, Some(2))]
        );
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
