//! What was to be replaced before sending: `{{name}}`, `[Name einsetzen]`, "XXX".

use super::{Code, Finding};

/// What stands for something by itself, as a word.
const WORDS: [&str; 10] = [
    "lorem ipsum",
    "todo",
    "tbd",
    "xxx",
    "platzhalter",
    "placeholder",
    "mustertext",
    "beispieltext",
    "tt mm jjjj",
    "dd mm yyyy",
];

/// In brackets, these ask somebody to write something there.
const ASKING: [&str; 11] = [
    "einsetzen",
    "einfügen",
    "einfuegen",
    "eintragen",
    "ergänzen",
    "ergaenzen",
    "ausfüllen",
    "ausfuellen",
    "insert",
    "add",
    "fill",
];

/// In brackets and by themselves, words that end like this stand for what they name.
const NAMED: [&str; 28] = [
    "name",
    "datum",
    "ort",
    "uhrzeit",
    "titel",
    "thema",
    "link",
    "url",
    "text",
    "bild",
    "betreff",
    "adresse",
    "anrede",
    "firma",
    "organisation",
    "nummer",
    "betrag",
    "e-mail",
    "email",
    "telefon",
    "person",
    "date",
    "place",
    "time",
    "title",
    "topic",
    "address",
    "number",
];

/// What may stand beside such a word.
const FILLING: [&str; 14] =
    ["hier", "bitte", "der", "die", "das", "des", "und", "ihr", "ihre", "your", "the", "of", "and", "here"];

/// Characters within brackets, at most: more is a sentence.
const MOST: usize = 60;

/// What a text holds that was to be replaced.
pub fn in_text(text: &str) -> impl Iterator<Item = Finding> {
    let words = text.to_lowercase().replace(|c: char| !c.is_alphanumeric(), " ");
    let words = format!(" {} ", words.split_whitespace().collect::<Vec<_>>().join(" "));
    let by_word =
        WORDS.iter().filter(|word| words.contains(&format!(" {word} "))).map(|word| (*word).to_owned());
    let curly = between(text, '{', '}', |inner| inner.chars().any(char::is_alphanumeric));
    let square = between(text, '[', ']', asks);
    let found: Vec<String> = by_word.chain(curly).chain(square).collect();
    found.into_iter().map(|text| Finding::new(Code::Placeholder).with("text", text))
}

/// What stands between two signs, with them, where it is one.
fn between(text: &str, open: char, close: char, is_one: fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split(close).filter(|part| part.contains(open)) {
        let inner = part.rsplit(open).next().unwrap_or_default();
        if inner.chars().take(MOST + 1).count() <= MOST && is_one(inner) {
            // As it was typed: `{{name}}` has two of them.
            let times =
                part.len() - inner.len() - part[..part.len() - inner.len()].trim_end_matches(open).len();
            found.push(
                [open.to_string().repeat(times).as_str(), inner, &close.to_string().repeat(times)].concat(),
            );
        }
    }
    found
}

fn asks(inner: &str) -> bool {
    let lower = inner.to_lowercase();
    let mut words =
        lower.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return false;
    }
    let mut names = false;
    let mut is_all = true;
    for word in words {
        if ASKING.contains(&word) {
            return true;
        }
        let is_name = NAMED.iter().any(|name| word.ends_with(name));
        names |= is_name;
        is_all &= is_name || FILLING.contains(&word);
    }
    names && is_all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        in_text(text).map(|finding| finding.values["text"].clone()).collect()
    }

    #[test]
    fn what_was_to_be_replaced_is_found() {
        assert_eq!(
            found("Liebe {{name}}, am [Datum] in [Ort der Veranstaltung einfügen]"),
            ["{{name}}", "[Datum]", "[Ort der Veranstaltung einfügen]"]
        );
        assert_eq!(found("Hallo {vorname},"), ["{vorname}"]);
        assert_eq!(
            found("[Name einsetzen] und [hier Ihr Link] und [Projektname]"),
            ["[Name einsetzen]", "[hier Ihr Link]", "[Projektname]"]
        );
        assert_eq!(found("Am TT.MM.JJJJ um XXX Uhr. TODO: Raum"), ["todo", "xxx", "tt mm jjjj"]);
    }

    #[test]
    fn what_people_put_in_brackets_is_left_alone() {
        let text =
            "Er sagte [sic], das [Anm. d. Red.] sei [1] so […] [Foto: Maria Muster] [PDF] { } [] todos xxxx";
        assert_eq!(found(text), Vec::<String>::new());
    }
}
