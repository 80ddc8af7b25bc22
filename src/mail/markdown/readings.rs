//! What texts are read as, step by step, for the visual editor of the staff pages: it has a reader of the same dialect in
//! JavaScript, and its test (`src/web/editor/tests/reading.test.mjs`) goes by this snapshot.

use super::{
    as_written::{Dice, SIGNS},
    document::document,
    event::{Alignment, Event, Tag},
};

/// Texts in which each rule shows.
const TEXTS: [&str; 58] = [
    "16. Dezember Werkstatt\n3. Januar Treffen\n20. Februar Abschluss",
    "1. Eins\n1. Noch eins",
    "1. Eins\n2. Zwei\n4. Vier",
    "1. Eins\n   - innen\n   - außen\n2. Zwei",
    "1. Eins\n\n   Mehr dazu.\n\n2. Zwei",
    "16. Dezember\n  - Werkstatt\n  - Fest\n3. Januar",
    "01. Eins\n02. Zwei",
    "Es lief gut\n- und das seit Jahren -\nsagt Maria",
    "- 5 Grad",
    "- Kuchen\n- Kaffee\n* nur mit Ausweis",
    "• Kuchen\n• Kaffee",
    "- eins\n\n- zwei",
    "> 50 Personen kamen",
    "> 50 Personen\n> und mehr",
    "> eins\n>\n> - zwei\n> - drei",
    "# 1 in Cottbus\n# Zwei #",
    "Titel\n===\nText",
    "Max` und Moritz`` und `Code` und `` a`b ``",
    "```\nCode *x*\n\n  mehr\n```",
    "```rust\n```\n\n```",
    "C:\\_archiv\\*.txt und \\\\server\\*",
    "Maria Muster <maria@example.org> und <https://example.org/a>",
    "Kuchen** und Tee** kosten 2 €",
    "**Hinweis:**Bitte und **Hinweis: **Bitte",
    "**eins\n\nzwei\n\n- drei\n- vier**\n\nfünf",
    "***beides*** **K**ünstliche ~~18~~19 *Kolleg*innen gesucht*",
    "*Wichtig: trans* Personen sind willkommen*",
    "die *innen und Inter* und Frauen* und Kolleg* innen",
    "Trans*-Personen, Leser/*innen und _innen_",
    "[Bericht](www.example.org) [x](<https://example.org/a b>) [y]( a@b.example )",
    "[**fett** https://a.example](https://example.org/a_(b)[c])",
    "[kein Link(https://example.org) und [x] (https://example.org)",
    "![Ein *Bild*](https://example.org/a.png) ![](x) [![a](https://b.example)](https://c.example)",
    "E-Mail:info@x.example,Web:www.x.example; https://x.example/?a[b]=1&c={d}.",
    "(https://x.example/a_(b)) „www.müller.example“ ftp://u:pass@x.example",
    "| Ort | Tag |\n|:--|:-:|\n| Cottbus<br>Altmarkt | a\\|b |\n| Ü | Di | 120 |",
    "|  |  |\n|--|--:|\n| a | **b |\nText",
    "E = m^2 | b\n---|---",
    "\\*kein Stern\\* 1\\. \\[x\\] \\_ \\~~a\\~~ \\\\* \\n",
    "\\# keine Überschrift\n\\> kein Zitat\n\\- kein Punkt",
    "---\n***\n_ _ _\n--",
    "a < b > c <b>fett</b> &amp; <!-- x -->",
    "LOK Lausitz\nMusterstraße 1 \n 03046 Cottbus",
    "Hauptstr. 5\u{b}03046 Cottbus\rb\u{2028}c\r\nd",
    "    Einrückung\n\tmit Tab",
    "+ eins\n+ zwei\n+ 3",
    "* eins",
    "- eins\n      tiefer\n   - innen\n- zwei",
    "1. a\n2. b\n\n3. c",
    "- > Zitat\n  > weiter\n- | a | b |\n  |---|---|",
    "* eins\n  * zwei\n    * drei",
    "__fett__ und _kursiv_ und snake_case_name, __init__.py",
    "*a **b *c* d** e*",
    "**a *b** c*",
    "~~a **b~~ c**",
    "[a **b](https://example.org) c**",
    "😀*x*😀 **ä**ö",
    "",
];

fn step(event: Event) -> String {
    let tag = match event {
        Event::Text(text) => return format!("t:{text}"),
        Event::Code(text) => return format!("c:{text}"),
        Event::HardBreak => return "br".into(),
        Event::Rule => return "hr".into(),
        Event::End(_) => return "</>".into(),
        Event::Start(tag) => tag,
        #[allow(unreachable_patterns, reason = "what else there is, the editor shows as Markdown")]
        other => return format!("{other:?}"),
    };
    match tag {
        Tag::Paragraph => "<p>".into(),
        Tag::Heading(level) => format!("<h{level}>"),
        Tag::BlockQuote => "<quote>".into(),
        Tag::CodeBlock => "<code>".into(),
        Tag::List(None) => "<ul>".into(),
        Tag::List(Some(first)) => format!("<ol {first}>"),
        Tag::Item => "<li>".into(),
        Tag::Emphasis => "<em>".into(),
        Tag::Strong => "<strong>".into(),
        Tag::Strikethrough => "<s>".into(),
        Tag::Link { address, is_bare: true } => format!("<bare {address}>"),
        Tag::Link { address, is_bare: false } => format!("<a {address}>"),
        Tag::Image { address } => format!("<img {address}>"),
        Tag::Table(columns) => format!("<table {}>", columns.iter().copied().map(letter).collect::<String>()),
        Tag::TableHead => "<head>".into(),
        Tag::TableRow => "<row>".into(),
        Tag::TableCell => "<cell>".into(),
        #[allow(unreachable_patterns, reason = "as above")]
        other => format!("{other:?}"),
    }
}

fn letter(alignment: Alignment) -> char {
    match alignment {
        Alignment::None => '-',
        Alignment::Left => 'l',
        Alignment::Center => 'c',
        Alignment::Right => 'r',
    }
}

#[test]
fn the_editor_of_the_pages_knows_what_a_text_is_read_as() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut texts: Vec<String> = TEXTS.map(str::to_owned).into();
    for _ in 0..400 {
        let mut text = String::new();
        for number in 0..dice.below(9) {
            for _ in 0..dice.below(4) {
                text.push_str(dice.one(&SIGNS));
            }
            text.push_str(dice.one(&["w", "Wort", "innen", "https://a.example/b_c", "m@a.example", "7"]));
            text.push_str(&number.to_string());
            text.push_str(dice.one(&["", " ", "\n", ": ", ". "]));
        }
        texts.push(text);
    }
    let lines = texts.into_iter().map(|text| {
        let steps: Vec<String> = document(&text).steps.into_iter().map(|(event, _)| step(event)).collect();
        serde_json::to_string(&(text, steps)).unwrap()
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}
