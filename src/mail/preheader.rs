//! The preheader: what the inbox shows beside the subject, and never the subject once more.

use super::markdown::{
    document::document,
    event::{Event, Tag, TagEnd},
};

/// Characters of it, at most. Programs show 40 to 150.
const MOST: usize = 200;
/// A first sentence shorter than this ("Endlich!") takes the next one along.
const LEAST: usize = 25;

/// The teaser. Where there is none, or one that only repeats the title: the first sentence of the text. Empty when the
/// text has none either.
#[must_use]
pub fn of_update(title: &str, teaser: &str, body: &str) -> String {
    let teaser = teaser.split_whitespace().collect::<Vec<_>>().join(" ");
    if !teaser.is_empty() && !repeats(&teaser, title) {
        return teaser;
    }
    let text = prose(body);
    shortened(if text.is_empty() { &teaser } else { first_sentence(&text) })
}

/// Whether a teaser says the title and nothing else.
#[must_use]
pub fn repeats(teaser: &str, title: &str) -> bool {
    let words = |text: &str| text.trim().trim_end_matches(['.', '!', '?', '…', ':']).to_lowercase();
    words(teaser) == words(title)
}

/// The text without headings, pictures and the greeting, as far as a first sentence may go.
fn prose(body: &str) -> String {
    let (mut text, mut block) = (String::new(), String::new());
    let mut left_out = 0_usize;
    for (event, _) in document(body).steps {
        match event {
            Event::Start(Tag::Heading(_) | Tag::Image { .. } | Tag::CodeBlock | Tag::Directive(_)) => {
                left_out += 1;
            }
            Event::End(TagEnd::Heading | TagEnd::Image | TagEnd::CodeBlock | TagEnd::Directive) => {
                left_out = left_out.saturating_sub(1);
            }
            Event::Text(words) | Event::Code(words) if left_out == 0 => block.push_str(&words),
            Event::HardBreak if text.is_empty() && is_greeting(block.trim()) => block.clear(),
            Event::HardBreak => block.push(' '),
            Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::TableCell) | Event::Start(Tag::List(_)) => {
                let words = block.split_whitespace().collect::<Vec<_>>().join(" ");
                block.clear();
                if words.is_empty() || (text.is_empty() && is_greeting(&words)) {
                    continue;
                }
                text.push_str(if text.is_empty() { "" } else { " " });
                text.push_str(&words);
                if text.len() > 4 * MOST {
                    break;
                }
            }
            _ => {}
        }
    }
    text.retain(|c| !c.is_control());
    text
}

/// "Liebe Leserinnen und Leser," and the like.
fn is_greeting(paragraph: &str) -> bool {
    const BEGIN: [&str; 9] =
        ["liebe", "guten", "sehr geehrte", "hallo", "moin", "dear", "hello", "hi ", "good "];
    let text = paragraph.to_lowercase();
    let is_salute = paragraph.ends_with('!') && BEGIN.iter().any(|begin| text.starts_with(*begin));
    paragraph.chars().count() <= 80 && (paragraph.ends_with(',') || is_salute)
}

/// Up to the end of the first sentence. Where it is not certain that one ends, it goes on.
fn first_sentence(text: &str) -> &str {
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        if !matches!(c, '.' | '!' | '?' | '…') || (c == '.' && is_abbreviation(&text[..at])) {
            continue;
        }
        // Quotation marks and brackets belong to the sentence that they close.
        while characters
            .next_if(|(_, c)| matches!(c, '.' | '!' | '?' | '…' | '"' | '“' | '”' | '«' | '»' | ')'))
            .is_some()
        {}
        let end = characters.peek().map_or(text.len(), |(at, _)| *at);
        let rest = &text[end..];
        let goes_on = rest.starts_with(|c: char| !c.is_whitespace())
            || rest.trim_start().starts_with(char::is_lowercase)
            || text[..end].chars().count() < LEAST;
        if !goes_on {
            return &text[..end];
        }
    }
    text
}

/// Whether the full stop behind `before` belongs to a date, an initial or an abbreviation.
fn is_abbreviation(before: &str) -> bool {
    const KNOWN: [&str; 17] = [
        "bzw", "ca", "co", "dr", "etc", "evtl", "ggf", "hr", "inkl", "mr", "mrs", "nr", "prof", "st", "str",
        "tel", "vgl",
    ];
    let word = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase();
    word.chars().count() == 1 || word.chars().all(|c| c.is_ascii_digit()) || KNOWN.contains(&word.as_str())
}

/// Cut between words.
fn shortened(text: &str) -> String {
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let cut: String = text.chars().take(MOST - 1).collect();
    let kept = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", kept.trim_end_matches([',', ';', ':', '–', '-', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(body: &str) -> String {
        let text = prose(body);
        shortened(first_sentence(&text))
    }

    #[test]
    fn without_a_teaser_it_is_the_first_sentence_of_the_text() {
        let body = "## Der erste Tag\n\n![Ein See](https://example.org/a.jpg)\n\nLiebe Leserinnen und Leser,\n\n\
            am **16. Dezember** um 14 Uhr kam Dr. Weber, z. B. mit [Plänen](https://example.org). Danach war Ruhe.";
        assert_eq!(first(body), "am 16. Dezember um 14 Uhr kam Dr. Weber, z. B. mit Plänen.");
        assert_eq!(
            first("Hallo zusammen!\n\nDie neue Werkstatt ist jetzt offen. Mehr bald."),
            "Die neue Werkstatt ist jetzt offen."
        );
        assert_eq!(
            first("Endlich! Die neue Werkstatt ist offen. Mehr bald."),
            "Endlich! Die neue Werkstatt ist offen."
        );
        assert_eq!(
            first("„Wir machen jetzt gemeinsam weiter!“ Das sagte sie."),
            "„Wir machen jetzt gemeinsam weiter!“"
        );
        assert_eq!(
            first("Liebe Leserinnen und Leser,\ndie neue Werkstatt ist offen."),
            "die neue Werkstatt ist offen."
        );
        assert_eq!(first("- erster Punkt\n- zweiter Punkt"), "erster Punkt zweiter Punkt");
        assert_eq!(first("## Nur eine Überschrift"), "");
    }

    #[test]
    fn a_long_one_is_cut_between_words() {
        let text = first(&"sehr langer Satz, ".repeat(30));
        assert!(text.ends_with("Satz…") && text.chars().count() <= MOST, "{text}");
    }

    #[test]
    fn a_teaser_that_says_the_title_again_is_no_teaser() {
        assert!(repeats("Die Werkstatt ist offen!", "Die Werkstatt ist OFFEN"));
        assert!(!repeats("Die Werkstatt ist offen, und wie.", "Die Werkstatt ist offen"));
    }
}
