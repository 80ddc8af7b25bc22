//! That what is written arrives as it was meant: nothing vanishes, nothing changes.

use super::{html, text};

fn html_of(markdown: &str) -> String {
    html(markdown, "#0b5d4e")
}

/// The HTML without its tags, one line a block or break.
fn rendered(markdown: &str) -> String {
    let mut out = String::new();
    for part in html_of(markdown).split('<') {
        let (tag, words) = part.split_once('>').unwrap_or(("", part));
        if ["p", "/p", "li", "/li", "br", "h2", "h3", "/td", "/th", "tr", "pre"]
            .iter()
            .any(|block| tag == *block || tag.strip_prefix(block).is_some_and(|rest| rest.starts_with(' ')))
        {
            out.push('\n');
        }
        out.push_str(words);
    }
    let plain = out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    plain
        .replace("&amp;", "&")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn dates_and_numbers_stay_as_they_were_typed() {
    for markdown in [
        "16. Dezember Werkstatt\n3. Januar Treffen\n20. Februar Abschluss",
        "16. Dezember\n17. Januar\n18. Februar",
        "17. 05. 2027 in Cottbus",
        "Am\n17. Mai\nist es so weit",
        "2026. Das Jahr der Werkstatt",
        "1. Eins\n1. Noch eins\n1. Und noch eins",
        "1. Eins\n2. Zwei\n4. Vier",
        "01. Eins\n02. Zwei",
        "1) Eins\n2) Zwei",
        "(1) Eins\n(2) Zwei",
        "5. Platz",
        "8.30 Uhr Beginn\n9.15 Uhr Pause",
        "-5 Grad\n+3 Grad",
        "- 5 Grad",
        "Es lief gut\n- und das seit Jahren -\nsagt Maria",
        "> 50 Personen kamen",
        "# 1 in Cottbus",
        "Max` und Moritz``",
        "~~~~~~~\nEinladung\n~~~~~~~",
        "C:\\_archiv\\*.txt und \\\\server\\*",
        "Maria Muster <maria@example.org>",
        "Kuchen** und Tee** kosten 2 €",
        "Trans*-Personen, Leser/*innen und Inter*",
        "+ 49 355 1234",
        "+49 355 1234",
        "Preis: 5 €*\n* inkl. MwSt.",
        "– Gedankenstrich\n– noch einer",
        ">50 Personen\n>=3",
        "#Lausitz #Wandel",
        "#1 im Land",
        "C:\\neu\\alt und \\\\server\\freigabe\\",
        "AT&T &copy; &amp; &#8364;",
        "a < b > c <b>fett</b> <!-- weg? -->",
        "[1] und [x] und [Anm. d. Red.]",
        "[1]: https://example.org/quelle",
        "Preis~~ 5~ 6 ~5 km",
        "E = m^2 | b",
        "Kolleg*innen und Partner*innen",
        "Schüler_innen und Lehrer_innen",
        "Bürger:innen, Leser/-innen",
        "3*4*5 = 60 und 5 * 3 * 2",
        "snake_case_name und __init__.py.",
        "(*) markiert, (*) nicht",
        "2**3 und 3**4",
        "Name: ______ Datum: ____",
        "z.B. 1.2.3 und v1.0.0, a.b",
        "@lok_lausitz und a@b",
        "*innen",
        "Das war gut!!! ??? ... ;-) :-* *g*".trim_end_matches(" *g*"),
    ] {
        let lines = markdown.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        let plain = lines.replace("__init__", "init");
        assert_eq!(text(markdown), plain, "in the text part");
        assert_eq!(rendered(markdown), plain, "in the HTML");
    }
    // A line that begins with blanks is no code.
    for indented in ["    Einrückung\n\tmit Tab", "Absatz\n\n    Einrückung"] {
        assert!(!html_of(indented).contains("<pre"), "{indented}");
        assert!(text(indented).contains("Einrückung"));
    }
}

#[test]
fn lists_are_lists_and_keep_their_numbers() {
    assert!(html_of("1. Anmelden\n2. Kommen\n3. Bleiben").contains("<ol start=\"1\""));
    assert!(html_of("7. Anmelden\n8. Kommen").contains("<ol start=\"7\""));
    assert_eq!(text("7. Anmelden\n8. Kommen"), "7. Anmelden\n8. Kommen");
    assert_eq!(text("1. Eins\n   - innen\n   - außen\n2. Zwei"), "1. Eins\n   - innen\n   - außen\n2. Zwei");
    assert_eq!(text("1. Eins\n\n   Mehr dazu.\n\n2. Zwei"), "1. Eins\n\n   Mehr dazu.\n\n2. Zwei");
    assert_eq!(html_of("Wir bringen mit:\n- Kuchen\n- Kaffee\nBitte anmelden.").matches("<li").count(), 2);
    assert_eq!(text("- Kuchen\n- Kaffee\n* nur mit Ausweis"), "- Kuchen\n- Kaffee\n\n* nur mit Ausweis");
    assert_eq!(text("• Kuchen\n• Kaffee"), "- Kuchen\n- Kaffee");
    assert_eq!(
        text("16. Dezember\n  - Werkstatt\n  - Fest\n3. Januar"),
        "16. Dezember\n\n- Werkstatt\n- Fest\n\n3. Januar"
    );
}

#[test]
fn a_line_break_is_a_line_break() {
    let address = "LOK Lausitz\nMusterstraße 1\n03046 Cottbus";
    assert_eq!(text(address), address);
    assert_eq!(text("Hauptstr. 5\u{b}03046 Cottbus\rb\u{2028}c"), "Hauptstr. 5\n03046 Cottbus\nb\nc");
    assert_eq!(html_of(address).matches("<br>").count(), 2);
    assert_eq!(text("> Ein Zitat\n> in zwei Zeilen"), "> Ein Zitat\n> in zwei Zeilen");
}

#[test]
fn bold_works_as_people_write_it() {
    for (markdown, html) in [
        ("**Hinweis:**Bitte", "<strong>Hinweis:</strong>Bitte"),
        ("**Hinweis: **Bitte", "<strong>Hinweis: </strong>Bitte"),
        ("Ein **fettes** Wort.", "<strong>fettes</strong>"),
        ("***beides***", "<em><strong>beides</strong></em>"),
        ("*Kolleg*innen gesucht*", "<em>Kolleg*innen gesucht</em>"),
        ("**Kolleg*innen**", "<strong>Kolleg*innen</strong>"),
        ("\"**Zitat**\"", "<strong>Zitat</strong>"),
        ("**Programm**heft", "<strong>Programm</strong>heft"),
        ("~~18~~19 Uhr", "<s>18</s>19 Uhr"),
        ("**[Bericht](https://example.org)**", "<strong><a "),
        ("_betont_ und __fett__", "<em>betont</em> und <strong>fett</strong>"),
        ("~~abgesagt~~", "<s>abgesagt</s>"),
        ("**eins\nzwei**", "<strong>eins<br>\nzwei</strong>"),
    ] {
        assert!(html_of(markdown).contains(html), "{markdown} gave {}", html_of(markdown));
    }
    assert_eq!(html_of("**eins\n\nzwei\n\n- drei\n- vier**\n\nfünf").matches("<strong>").count(), 4);
    assert_eq!(text("**eins\n\nzwei** drei"), "eins\n\nzwei drei");
    assert_eq!(text("**Achtung: 2**10 Plätze"), "**Achtung: 2**10 Plätze");
    let far = format!("**eins\n\n{}zwei**", "a\n\n".repeat(20));
    assert!(!html_of(&far).contains("<strong>"), "signs that are far apart are two that were forgotten");
    assert_eq!(text("Das ist ~~abgesagt~~ verschoben."), "Das ist ~~abgesagt~~ verschoben.");
}

#[test]
fn bare_addresses_are_links() {
    let html = html_of("Siehe www.example.org, https://example.org/a_b_c. Oder projekt@example.org!");
    for address in ["https://www.example.org", "https://example.org/a_b_c", "mailto:projekt@example.org"] {
        assert!(html.contains(&format!("href=\"{address}\"")), "{html}");
    }
    assert_eq!(text("Siehe www.example.org."), "Siehe www.example.org.");
    assert_eq!(text("[Bericht](www.example.org)"), "Bericht (https://www.example.org)");
    assert_eq!(text("**https://example.org**"), "https://example.org");
    assert_eq!(html_of("[https://example.org](https://example.org/a)").matches("<a ").count(), 1);
    assert_eq!(html_of("(https://example.org/a)").matches("/a\"").count(), 1);
}

#[test]
fn a_backslash_makes_a_sign_a_character() {
    assert_eq!(text("\\*kein Stern\\* 1\\. \\[x\\] \\_ \\~~a\\~~"), "*kein Stern* 1. [x] _ ~~a~~");
    assert_eq!(text("1\\. Eins\n2\\. Zwei"), "1. Eins\n2. Zwei");
    assert_eq!(
        text("\\# keine Überschrift\n\\> kein Zitat\n\\- kein Punkt"),
        "# keine Überschrift\n> kein Zitat\n- kein Punkt"
    );
}

#[test]
fn two_backslashes_are_one_where_one_would_be_none() {
    assert_eq!(
        text("\\\\# so steht es da\n\\\\*a\\\\* 1\\\\. \\\\\\b"),
        "\\# so steht es da\n\\a\\ 1\\. \\\\b"
    );
    assert_eq!(
        text("Pfad: \\\\server\\a und C:\\\\neu, dahinter \\\\#"),
        "Pfad: \\\\server\\a und C:\\\\neu, dahinter \\\\#"
    );
}

#[test]
fn no_cell_of_a_table_is_lost() {
    let markdown = "| Tag | Ort |\n|---|:--:|\n| Mo | Cottbus | Halle 3 |\n| Di |\nDanach frei.";
    for word in ["Tag", "Ort", "Mo", "Cottbus", "Halle", "3", "Di", "Danach frei."] {
        assert!(rendered(markdown).contains(word) && text(markdown).contains(word), "{word}");
    }
}

/// A generator of its own: the same texts in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }

    pub(super) fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

pub(super) const SIGNS: [&str; 38] = [
    "*",
    "**",
    "***",
    "_",
    "__",
    "~~",
    "`",
    "```",
    "[",
    "](",
    "](https://example.org)",
    "![",
    "]",
    ")",
    "(",
    "!",
    "<",
    ">",
    "#",
    "## ",
    "- ",
    "+ ",
    "* ",
    "> ",
    "1. ",
    "2. ",
    "17. ",
    "|",
    "|---|",
    "\\",
    "\n",
    "\n\n",
    "    ",
    "\t",
    "---",
    "===",
    "&amp;",
    "~~~",
];

/// The words and numbers of the source are all in both parts, in order, whatever signs stand between them.
#[test]
fn every_word_and_number_of_the_source_is_in_both_parts_in_order() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..4_000 {
        let mut markdown = String::new();
        let mut words = Vec::new();
        for number in 0..dice.below(25) {
            for _ in 0..dice.below(4) {
                markdown.push_str(dice.one(&SIGNS));
            }
            let word = if dice.below(4) == 0 { format!("{}", 1_000 + number) } else { format!("w{number}x") };
            markdown.push_str(&word);
            words.push(word);
            markdown.push_str(dice.one(&["", " ", " ", "\n", ": ", ". "]));
        }
        // A link that leads nowhere is refused before anything is sent.
        if super::check(&markdown).is_err() {
            continue;
        }
        for part in [html_of(&markdown), text(&markdown)] {
            let mut rest = part.as_str();
            for word in &words {
                let at = rest.find(word.as_str());
                assert!(at.is_some(), "{word} is not in its place.\n{markdown:?}\n{part}");
                rest = &rest[at.unwrap_or_default() + word.len()..];
            }
        }
    }
}
