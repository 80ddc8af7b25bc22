//! Processing of typed text takes time in proportion to its length: four times the text about four times as long.
//!
//! Measured in CPU time, which a busy machine does not change much, and as the best of several runs.

use chrono::Utc;
use rundbrief::{
    config::{PublicUrl, SecretKeys},
    domain::{
        hosted::Hosted,
        ids::UpdateId,
        locale::Locale,
        publication::{Content, Publication},
        update::{Update, UpdateState},
    },
    mail::{compose::Composer, preflight, templates::Templates},
};

/// Bytes of the shorter text. The longer one is the longest that can be sent.
const SHORT: usize = 12_500;
const TIMES: u32 = 4;

/// What a text is made of that is meant to take long.
const UNITS: [&str; 69] = [
    "a\n\n",
    "a\n",
    "\n",
    "a ",
    "a",
    "* a\n",
    "- a\n\n",
    "  - a\n",
    "1. a\n",
    "> ",
    "> a\n",
    "# a\n",
    "#",
    "---\n",
    "|a|b|\n",
    "|",
    "|a|b|\n|-|-|\n|c|d|\n",
    "|-|",
    "**a** ",
    "*a",
    "a*",
    "**",
    "*",
    "_",
    "~~a~~ ",
    "~~",
    "[a](https://example.org) ",
    "[",
    "](",
    "[a](",
    "![a](https://example.org/a.jpg)\n",
    "![",
    "https://example.org ",
    "https://",
    "a@example.org ",
    "a@",
    "www.a.example ",
    "{{a}} ",
    "{",
    "[Name] ",
    "(",
    "\\",
    "`a` ",
    "<a href=\"",
    "**a* ",
    "*a **b ",
    "[a](b",
    "`",
    "`` ` ",
    "<",
    "<a",
    "- ",
    "\\#",
    "www.",
    "(www.",
    "a_",
    "_a",
    "|a\n|-|\n",
    "```x\n",
    "~~~\n```\n",
    "](<a",
    "[a](     ",
    "[a ",
    "www.a*",
    "* a\n\n",
    "16. Mai\n",
    "a\n===\n",
    "_a*",
    "***a* b** ",
];

fn update(body: String) -> Update {
    Update {
        id: UpdateId::new(),
        slug: "a".into(),
        state: UpdateState::Draft,
        locale: Locale::De,
        title: "Zwei Tage in der Lehrwerkstatt".into(),
        teaser: "Was Auszubildende am See gebaut haben.".into(),
        body,
        dated: None,
        link: None,
        image: None,
        image_alt: None,
        image_credit: None,
        created_at: Utc::now(),
        changed_at: Utc::now(),
        changed_by: None,
        version: 1,
    }
}

/// Nanoseconds that this thread has spent on a processor.
fn on_processor() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The best of three runs.
fn cost(mut work: impl FnMut()) -> u64 {
    let run = |_| {
        let begun = on_processor();
        work();
        on_processor() - begun
    };
    (0..3).map(run).min().unwrap()
}

/// Asserts that the work on a text that is four times as long takes no more than nine times as long: a quadratic one takes
/// sixteen times.
fn grows_with_its_input(what: &str, unit: &str, mut work: impl FnMut(&str)) -> u64 {
    let text = |times: usize| unit.repeat(times * SHORT / unit.len());
    let (short, long) = (text(1), text(TIMES as usize));
    let (short, long) = (cost(|| work(&short)), cost(|| work(&long)));
    // What takes next to no time is not measured well.
    let least = 20_000_000;
    assert!(
        long < least || long <= short.max(1) * 9,
        "{what} of {unit:?}: {} ms, and {} ms for four times as much",
        short / 1_000_000,
        long / 1_000_000
    );
    long
}

#[test]
fn a_text_four_times_as_long_takes_no_more_than_about_four_times_as_long() {
    let content = Content::parse(include_str!("../../publication.example.toml")).unwrap();
    let publication = Publication { version: 1, applied_at: Utc::now(), content };
    let keys = SecretKeys::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
    let url = PublicUrl::parse("https://news.example.org").unwrap();
    let composer = Composer::new(Templates::load(None).unwrap(), url, keys);
    let mut worst = (0, "");
    for unit in UNITS {
        let long = grows_with_its_input("a mail, made and checked,", unit, |text| {
            let update = update(text.to_owned());
            if let Ok(frozen) = composer.update(&publication, &update, &Hosted::default()) {
                let _ = preflight::check(&publication, &update, &frozen);
                let _ = preflight::targets(&update);
            }
        });
        worst = worst.max((long, unit));
    }
    println!("the slowest: {:?}, {} ms", worst.1, worst.0 / 1_000_000);
}
