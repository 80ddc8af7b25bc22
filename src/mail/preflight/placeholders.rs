//! What was to be replaced before sending: `{{name}}`, `%NAME%`, `[Name einsetzen]`, "XX.XX.2026", "XXX".
//!
//! What can hardly be meant is a question; what people also write on purpose, such as "N.N.", is a hint.

use std::collections::HashSet;

use super::{Code, Finding};

/// What stands for something by itself, as a word.
const WORDS: [&str; 11] = [
    "lorem ipsum",
    "todo",
    "tbd",
    "tba",
    "tbc",
    "fixme",
    "xxx",
    "platzhalter",
    "placeholder",
    "mustertext",
    "beispieltext",
];

/// What may stand for somebody who is not known yet, or be meant so.
const MAYBE: [&str; 4] = ["mustermann", "musterfrau", "musterstadt", "musterstraße"];

/// Behind "XX" these say that it stands for a number.
const UNITS: [&str; 20] = [
    "uhr",
    "euro",
    "€",
    "prozent",
    "%",
    "januar",
    "februar",
    "märz",
    "april",
    "mai",
    "juni",
    "juli",
    "august",
    "september",
    "oktober",
    "november",
    "dezember",
    "plätze",
    "personen",
    "minuten",
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

/// What a text holds that was to be replaced. Web addresses in it are looked at as addresses.
pub fn in_text(text: &str) -> impl Iterator<Item = Finding> {
    let (addresses, words): (Vec<&str>, Vec<&str>) =
        text.split_whitespace().partition(|word| is_web_address(word));
    let text = words.join(" ");
    let plain = text.to_lowercase().replace(|c: char| !c.is_alphanumeric(), " ");
    let plain = format!(" {} ", plain.split_whitespace().collect::<Vec<_>>().join(" "));
    let has = |word: &str| plain.contains(&format!(" {word} "));
    let by_word = WORDS.iter().filter(|word| has(word)).map(|word| (*word).to_owned());
    let signs =
        [('{', '}', has_letter as fn(&str) -> bool), ('[', ']', asks), ('<', '>', asks), ('(', ')', is_told)];
    let bracketed = signs.into_iter().flat_map(|(open, close, is_one)| between(&text, open, close, is_one));
    let mut found: Vec<String> = by_word.chain(bracketed).collect();
    found.extend(doubled(&text));
    found.extend(percents(&text, |_| true));
    found.extend(merge_tags(&text));
    found.extend(crosses(&words));
    let mut known = HashSet::new();
    found.retain(|one| known.insert(one.clone()));
    let address = addresses.into_iter().flat_map(in_address).collect::<Vec<_>>();
    let maybe = MAYBE.iter().filter(|word| has(word)).map(|word| (*word).to_owned());
    let nobody = ["N.N.", "N. N."].into_iter().filter(|name| text.contains(name)).map(str::to_owned);
    let maybe: Vec<String> = maybe.chain(nobody).collect();
    found
        .into_iter()
        .map(question)
        .chain(address)
        .chain(maybe.into_iter().map(|text| Finding::new(Code::PlaceholderMaybe).with("text", text)))
}

/// What the address of a link or picture holds that was to be replaced. Square brackets and most words are at home there.
pub fn in_address(address: &str) -> impl Iterator<Item = Finding> {
    let mut found = between(address, '{', '}', has_letter);
    // Not `%C3%A4`, which is a letter.
    let is_encoded = |inner: &str| inner.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    found.extend(percents(address, |inner| !is_encoded(inner)));
    found.extend(merge_tags(address));
    found.extend(doubled(address));
    let crosses = address.split(|c: char| !c.is_alphanumeric()).filter(|part| is_crosses(part, 3));
    found.extend(crosses.map(str::to_owned));
    found.into_iter().map(question)
}

/// What the source of a text holds whose signs mean something in it: `*|FNAME|*`.
pub fn in_source(line: &str) -> impl Iterator<Item = Finding> {
    merge_tags(line).into_iter().map(question)
}

fn question(text: String) -> Finding {
    Finding::new(Code::Placeholder).with("text", text)
}

fn is_web_address(word: &str) -> bool {
    word.contains("://") || word.trim_start_matches('(').to_lowercase().starts_with("www.")
}

fn has_letter(inner: &str) -> bool {
    inner.chars().any(char::is_alphabetic)
}

/// `(Ort einfügen)`: only what nobody would ask of readers.
fn is_told(inner: &str) -> bool {
    let last = inner.split_whitespace().last().unwrap_or_default().to_lowercase();
    ["einsetzen", "einfügen", "einfuegen"].contains(&last.as_str())
}

/// `<<Name>>`.
fn doubled(text: &str) -> Vec<String> {
    let parts = text.split("<<").skip(1).filter_map(|part| part.split_once(">>"));
    let is_one = |inner: &str| {
        inner.chars().count() <= MOST && has_letter(inner) && !inner.contains('<') && inner.trim() == inner
    };
    parts.filter(|(inner, _)| is_one(inner)).map(|(inner, _)| format!("<<{inner}>>")).collect()
}

/// `%NAME%`, but not "50 %" nor "10%-20%".
fn percents(text: &str, is_one: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('%') {
        rest = behind;
        let inner = behind.split('%').next().unwrap_or_default();
        let is_word = (3..=MOST).contains(&inner.len())
            && inner.starts_with(char::is_alphabetic)
            && inner.ends_with(char::is_alphanumeric)
            && inner.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if is_word && behind.len() > inner.len() && is_one(inner) {
            found.push(format!("%{inner}%"));
            rest = &behind[inner.len() + 1..];
        }
    }
    found
}

/// `*|FNAME|*`.
fn merge_tags(text: &str) -> Vec<String> {
    let parts = text.split("*|").skip(1).filter_map(|part| part.split_once("|*"));
    let is_one = |inner: &str| inner.chars().count() <= MOST && has_letter(inner);
    parts.filter(|(inner, _)| is_one(inner)).map(|(inner, _)| format!("*|{inner}|*")).collect()
}

/// `XXXX`, in capital letters.
fn is_crosses(word: &str, least: usize) -> bool {
    word.len() >= least && word.bytes().all(|byte| byte == b'X')
}

/// Dates and times without their numbers, such as `XX.XX.2026`, `TT.MM.JJJJ`, `XX:XX` and "XX Uhr"; and `XXXX`.
fn crosses(words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let parts: Vec<&str> = word.split(['.', '/', '-', ':']).collect();
        let behind =
            words.get(at + 1).map(|next| next.trim_matches([',', '.', ')', '(', '!', '?']).to_lowercase());
        let is_number = behind.is_some_and(|behind| UNITS.contains(&behind.as_str()));
        if parts.len() > 1
            && parts.iter().all(|part| is_field(part))
            && parts.iter().any(|part| has_letter(part))
        {
            found.push(word.to_owned());
        } else if is_crosses(word, 4) || (word.eq_ignore_ascii_case("xx") && is_number) {
            found.push(words[at..words.len().min(at + 1 + usize::from(is_number))].join(" "));
        }
    }
    found
}

/// A number, or what stands for one: the same letter twice to four times.
fn is_field(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    let first = lower.chars().next().unwrap_or_default();
    let is_run = "xtmjdyh".contains(first) && lower.chars().all(|c| c == first);
    (1..=4).contains(&part.len())
        && (part.bytes().all(|byte| byte.is_ascii_digit()) || part.len() > 1 && is_run)
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
    if inner.bytes().all(|byte| byte == b'X' || byte == b'x') {
        return true;
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
        assert_eq!(found("Am TT.MM.JJJJ um XXX Uhr. TODO: Raum"), ["todo", "xxx", "TT.MM.JJJJ"]);
        for (text, placeholder) in [
            ("Hallo %NAME%,", "%NAME%"),
            ("Hallo *|FNAME|*,", "*|FNAME|*"),
            ("Hallo {{ name }},", "{{ name }}"),
            ("Hallo {name},", "{name}"),
            ("Hallo ${name},", "{name}"),
            ("Hallo <<Name>>,", "<<Name>>"),
            ("Hallo [[Vorname]],", "[[Vorname]]"),
            ("Hallo <Name einsetzen>,", "<Name einsetzen>"),
            ("in (Ort einfügen)", "(Ort einfügen)"),
            ("[Name einsetzen]", "[Name einsetzen]"),
            ("[TODO]", "todo"),
            ("[XX]", "[XX]"),
            ("Am XX.XX.2026.", "XX.XX.2026"),
            ("Am xx.xx.2026 in", "xx.xx.2026"),
            ("Am 12.XX.", "12.XX"),
            ("(TT.MM.JJJJ)", "TT.MM.JJJJ"),
            ("DD/MM/YYYY", "DD/MM/YYYY"),
            ("um XX:XX Uhr", "XX:XX"),
            ("um XX Uhr", "XX Uhr"),
            ("am XX. Dezember", "XX. Dezember"),
            ("XXXX", "XXXX"),
            ("Lorem ipsum dolor", "lorem ipsum"),
            ("Ort: TBD", "tbd"),
            ("https://example.org/?n=%NAME%", "%NAME%"),
            ("https://example.org/{id}/a", "{id}"),
            ("www.example.org/XXX", "XXX"),
        ] {
            assert_eq!(found(text), [placeholder], "{text}");
        }
    }

    #[test]
    fn what_may_be_meant_is_a_hint_and_no_question() {
        for (text, hint) in
            [("Vortrag: N.N.", "N.N."), ("mit N. N. (Berlin)", "N. N."), ("Max Mustermann", "mustermann")]
        {
            let finding = in_text(text).next().expect("something");
            assert_eq!((finding.code, finding.values["text"].as_str()), (Code::PlaceholderMaybe, hint));
        }
    }

    #[test]
    fn the_address_of_a_link_is_looked_at() {
        let found = |address: &str| {
            in_address(address).map(|finding| finding.values["text"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(found("{{link}}"), ["{{link}}"]);
        assert_eq!(found("https://example.org/%NAME%"), ["%NAME%"]);
        assert_eq!(found("https://example.org/*|UNIQID|*"), ["*|UNIQID|*"]);
        assert_eq!(found("https://example.org/XXX?a=XXXX"), ["XXX", "XXXX"]);
        for fine in [
            "https://example.org/?filter[name]=1&tx[datum]=2",
            "https://example.org/%C3%A4hnlich%C3%BC/a%20b%20c",
            "https://todo.example.org/add/placeholder.html",
            "mailto:projekt@example.org?subject=50%25",
        ] {
            assert_eq!(found(fine), Vec::<String>::new(), "{fine}");
        }
    }

    #[test]
    fn what_people_put_in_brackets_is_left_alone() {
        let text =
            "Er sagte [sic], das [Anm. d. Red.] sei [1] so […] [Foto: Maria Muster] [PDF] { } [] todos xxxx";
        assert_eq!(found(text), Vec::<String>::new());
        for fine in [
            "50 % und 20 % der Plätze, 10%-20%, 5%ige Lösung, 100%",
            "Raum XX, Größe XXL, z.B. d.h. u.a. 12.03.2026, 10:30-12:00",
            "a << b >> c, 5 < 6 > 2, x <- y",
            "{1, 2}",
            "Bitte (wenn möglich) das Formular (bitte ausfüllen)",
            "https://example.org/?filter[name]=1 und www.example.org/todo-liste",
            "[12] [vgl. S. 3] [...] [sic!] [Hervorhebung im Original] [Video]",
            "320 m ü. NN",
            "Die Add-ons und To-dos",
        ] {
            assert_eq!(found(fine), Vec::<String>::new(), "{fine}");
        }
    }
}
