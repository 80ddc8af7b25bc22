//! Blocks of fields: what readers see of them, that nothing in them vanishes, and that no other text is one.

use chrono::NaiveDate;

use crate::domain::{
    calendar_event::CalendarEvent,
    hosted::Hosted,
    ids::SharedFileId,
    locale::Locale,
    shared_file::{Format, SharedFile},
};

use super::{
    Surroundings, check,
    directive::{Key, Kind, Wrong},
    document::document,
    html, html_within, text, text_within,
};

const PROGRAMME: &str = "https://example.org/files/aaaaaaaaaaaaaaaaaaaaaaaaaa.pdf";

fn programme() -> SharedFile {
    SharedFile {
        id: SharedFileId(uuid::Uuid::nil()),
        name: "a".repeat(26),
        format: Format::Pdf,
        title: "programm".to_owned(),
        bytes: 1_234_567,
        created_at: chrono::DateTime::UNIX_EPOCH,
        kept_since: None,
    }
}

fn problems(markdown: &str) -> Vec<(usize, Wrong)> {
    document(markdown).problems.into_iter().map(|problem| (problem.line, problem.wrong)).collect()
}

/// Both parts, with a calendar file for every event.
fn parts(markdown: &str, locale: Locale) -> (String, String) {
    let hosted = Hosted::default()
        .with_size("https://example.org/a.jpg", (1104, 736))
        .with_file(PROGRAMME, programme());
    let calendar =
        |event: &CalendarEvent| Some(format!("https://example.org/{}.ics", event.day.format("%Y%m%d")));
    let around = Surroundings { accent: "#0b5d4e", hosted: &hosted, locale, calendar: &calendar };
    (html_within(markdown, around), text_within(markdown, around))
}

const BUTTON: &str =
    "Davor.\n\n::: knopf\nText: Jetzt anmelden\nLink: www.example.org/anmelden\n:::\n\nDanach.";
const PICTURE: &str = "::: bild\nAdresse: https://example.org/a.jpg\nBeschreibung: Zwei Menschen an einer Drehbank\nUnterschrift: Die neue Werkstatt\nNachweis: Foto: Jo Muster\n:::";
const BESIDE: &str = "::: bild\nAdresse: https://example.org/a.jpg\nBeschreibung: Zwei Menschen an einer Drehbank\nPlatz: rechts\n\nHier steht **der Text**.\n\n- eins\n- zwei\n:::";
const QUOTE: &str =
    "::: zitat\nDas war *gut*.\n\nWir kommen wieder.\nName: Maria Muster\nRolle: Ausbilderin\n:::";
const CONTACT: &str = "::: kontakt\nName: Maria Muster\nRolle: Projektleitung\nTelefon: 0355 / 12 34-0\nE-Mail: maria@example.org\n:::";
const EVENT: &str = "::: termin\nTitel: Werkstatt <offen>\nDatum: Mittwoch, 16.12.2026\nBeginn: 14 Uhr\nEnde: 16.30 Uhr\nOrt: Altmarkt 21, Cottbus\n:::";

const FILE: &str = "::: datei\nTitel: Das <Programm>\nAdresse: https://example.org/files/aaaaaaaaaaaaaaaaaaaaaaaaaa.pdf\n:::";

#[test]
fn of_a_file_is_told_what_it_is_and_how_large_only_where_that_is_known() {
    let (html, text) = parts("::: file\nTitle: Plan\nAddress: www.example.org/plan.pdf\n:::", Locale::En);
    assert_eq!(text, "Plan:\nhttps://www.example.org/plan.pdf");
    assert!(
        html.contains("<a href=\"https://www.example.org/plan.pdf\"") && !html.contains("PDF,"),
        "{html}"
    );
    let (_, text) = parts(FILE, Locale::En);
    assert!(text.contains("(PDF, 1.3\u{a0}MB):"), "never less than it is: {text}");
    assert_eq!(problems("::: datei\nTitel: Plan\n:::"), [(1, Wrong::Lacks(Kind::File, Key::Address))]);
}

#[test]
fn each_block_has_its_form_in_both_parts() {
    let both = |markdown| {
        assert_eq!(problems(markdown), [], "{markdown}");
        assert_eq!(check(markdown), Ok(()), "{markdown}");
        let (html, text) = parts(markdown, Locale::De);
        format!("{html}\n=====\n{text}")
    };
    insta::assert_snapshot!("button", both(BUTTON));
    insta::assert_snapshot!("picture", both(PICTURE));
    insta::assert_snapshot!("picture_beside_text", both(BESIDE));
    insta::assert_snapshot!("quote", both(QUOTE));
    insta::assert_snapshot!("contact", both(CONTACT));
    insta::assert_snapshot!("event", both(EVENT));
    insta::assert_snapshot!("file", both(FILE));
}

#[test]
fn the_words_of_blocks_are_german_or_english_in_any_case() {
    for (german, english) in [
        (BUTTON, "Davor.\n\n:::Button\ntext: Jetzt anmelden\nURL: www.example.org/anmelden\n:::\nDanach."),
        (
            CONTACT,
            "::: CONTACT\nName: Maria Muster\nRole: Projektleitung\nPhone: 0355 / 12 34-0\nEmail: maria@example.org\n:::::",
        ),
        (
            EVENT,
            "::: event\nTitle: Werkstatt <offen>\nDate: 16 December 2026\nBegin: 2 pm\nEnd: 4:30 pm\nPlace: Altmarkt 21, Cottbus\n:::",
        ),
    ] {
        assert_eq!(parts(german, Locale::De), parts(english, Locale::De));
    }
    let (_, english) = parts(EVENT, Locale::En);
    assert!(
        english.contains("Wednesday, 16 December 2026\n14:00 to 16:30\nPlace: Altmarkt 21, Cottbus"),
        "{english}"
    );
}

#[test]
fn no_other_text_is_a_block_and_what_looks_like_one_is_told() {
    for plain in [
        "::: umfrage\nText: Wie war es?\n:::",
        "::: termin\nTitel: ohne Ende",
        "Das war :::termin::: und so",
        ":: termin\nTitel: a\n::",
        "::: termin am Montag\nTitel: a",
        "::: termin\nTitel: a\n::: kontakt\nName: ohne Ende",
    ] {
        let lines = plain.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert_eq!(text(plain), lines);
        assert!(!html(plain, "#000000").contains("<table"), "{plain}");
    }
    assert_eq!(problems("a\n\n::: umfrage\nText: b\n:::"), [(3, Wrong::Word("umfrage".into()))]);
    assert_eq!(problems("::: Termin\nTitel: a"), [(1, Wrong::Open("Termin".into()))]);
    assert_eq!(problems("- ::: termin\n  Titel: a\n  :::"), [(1, Wrong::Open("termin".into()))]);
    assert_eq!(problems("> ::: termin\n> Titel: a\n> :::"), [(1, Wrong::Open("termin".into()))]);
    assert_eq!(problems("```\n::: termin\n```"), []);
}

#[test]
fn what_is_no_field_is_shown_as_text_and_told() {
    let markdown = "::: knopf\nText: Los\nText: Noch einmal\nFarbe: rot\nLink: https://example.org\n:::";
    assert_eq!(
        problems(markdown),
        [
            (3, Wrong::Line(Kind::Button, "Text: Noch einmal".into())),
            (4, Wrong::Line(Kind::Button, "Farbe: rot".into()))
        ]
    );
    for part in [html(markdown, "#0b5d4e"), text(markdown)] {
        assert!(part.contains("Text: Noch einmal") && part.contains("Farbe: rot"), "{part}");
    }
    let quote = "::: zitat\nEines: das gilt.\nName: Maria\n:::";
    assert_eq!(problems(quote), []);
    assert_eq!(text(quote), "> Eines: das gilt.\n> — Maria");
}

#[test]
fn what_a_block_lacks_is_told_and_what_it_has_is_shown() {
    let lacks = |markdown: &str| -> Vec<Key> {
        let lacking = problems(markdown).into_iter().filter_map(|(_, wrong)| match wrong {
            Wrong::Lacks(_, key) => Some(key),
            _ => None,
        });
        lacking.collect()
    };
    assert_eq!(lacks("::: knopf\n:::"), [Key::Text, Key::Link]);
    assert_eq!(lacks("::: bild\nBeschreibung: See\n:::"), [Key::Address]);
    assert_eq!(
        lacks("::: bild\nAdresse: https://example.org/a.jpg\nBeschreibung: See\nPlatz: links\n:::"),
        [Key::Text]
    );
    assert_eq!(lacks("::: zitat\nText:\nName: Maria\n:::"), [Key::Text]);
    assert_eq!(lacks("::: kontakt\nTelefon: 0355 1\n:::"), [Key::Name]);
    assert_eq!(lacks("::: termin\nTitel:\nDatum: \n:::"), [Key::Title, Key::Date]);
    for (markdown, shown) in [
        ("::: knopf\nText: Anmelden\n:::", "Anmelden"),
        ("::: knopf\nLink: https://example.org/a\n:::", "https://example.org/a"),
        ("::: bild\nBeschreibung: See\nUnterschrift: Der See\n:::", "Der See"),
        ("::: termin\nDatum: bald\nBeginn: früh\nEnde: spät\n:::", "früh"),
        ("::: kontakt\nName: M\nTelefon: +49 (0)355 1\nE-Mail: maria\n:::", "+49 (0)355 1"),
    ] {
        let (html, text) = parts(markdown, Locale::De);
        assert!(html.contains(shown) && text.contains(shown), "{markdown} gave {html} and {text}");
        assert!(!html.contains("calendar") && !html.contains("tel:"), "{html}");
    }
}

#[test]
fn addresses_in_blocks_are_checked_as_links_are_and_nothing_in_them_runs() {
    assert_eq!(check("a\n\n::: knopf\nText: x\nLink: javascript:alert(1)\n:::").unwrap_err().line, 5);
    assert_eq!(check("::: bild\nAdresse: data:image/png,x\n:::").unwrap_err().line, 2);
    for attack in [
        "::: knopf\nText: <script>\nLink: javascript:alert(1)\n:::",
        "::: bild\nAdresse: javascript:alert(1)\nBeschreibung: \"><script>\n:::",
        "::: kontakt\nName: <b>a</b>\nTelefon: javascript:1\nE-Mail: \"onmouseover=\"x\n:::",
        "::: termin\nTitel: <script>\nDatum: <b>\nOrt: \" style=\"x\n:::",
        "::: zitat\n<b>a</b>\nName: <script>\n:::",
    ] {
        let (html, _) = parts(attack, Locale::De);
        for bad in ["<script", "\"javascript:", "<b>", "\"onmouse", "style=\"x\""] {
            assert!(!html.contains(bad), "{attack} gave {html}");
        }
    }
}

#[test]
fn events_say_when_they_are() {
    let lines = |fields: &str| {
        let (_, text) = parts(&format!("::: termin\nTitel: A\n{fields}\n:::"), Locale::De);
        text.lines().skip(1).take_while(|line| !line.ends_with(':')).collect::<Vec<_>>().join(" | ")
    };
    assert_eq!(lines("Datum: 16.12.2026"), "Mittwoch, 16. Dezember 2026");
    assert_eq!(lines("Datum: 16.12.2026\nBeginn: 9:05"), "Mittwoch, 16. Dezember 2026 | 9:05 Uhr");
    assert_eq!(
        lines("Datum: 16.12.2026\nBeginn: 9 Uhr\nEnde: 17.12.2026, 1 Uhr"),
        "Mittwoch, 16. Dezember 2026, 9:00 Uhr – | Donnerstag, 17. Dezember 2026, 1:00 Uhr"
    );
    let date = NaiveDate::from_ymd_opt(2026, 12, 16).unwrap();
    assert!(parts(EVENT, Locale::De).0.contains(&format!("/{}.ics", date.format("%Y%m%d"))));
}

/// The work grows with the length of a text, and no faster.
#[test]
fn many_beginnings_of_blocks_are_no_work() {
    for line in ["::: termin\n", ":::\n", "::: termin\n:::\n", "::: x\n"] {
        let markdown = line.repeat(20_000);
        assert!(!document(&markdown).steps.is_empty() || line == ":::\n");
    }
}
