//! How much there is to guess in a password.
//!
//! It is taken apart into what guessers try: words, one's own words, years, rows of keys, sequences, the same again; the
//! cheapest way to put it together counts, in bits. What nothing explains counts a character at a time. After Wheeler,
//! "zxcvbn: Low-Budget Password Strength Estimation" (USENIX Security 2016), without its lists: a word need not be known
//! to be one. Letters that follow each other as in German or English words are cheap, and the list is of the commonest.

use std::{collections::HashSet, sync::LazyLock};

/// Words that are in many passwords, in German and English, in lower case, umlauts as two letters.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("common_words.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect()
});
/// Letters of the longest of them.
const LONGEST_WORD: usize = 32;

/// The letters that follow each letter, from `a` on, in German and English words: 97 of a hundred pairs are among these
/// 299 of 676.
const PAIRS: [&[u8]; 26] = [
    b"bcdefghiklmnprstuvwy",
    b"aegilorsu",
    b"acehiklort",
    b"adeilorsuy",
    b"abcdefghiklmnoprstuvwxyz",
    b"aefilortu",
    b"aehilnorstu",
    b"aeilmnorstuw",
    b"abcdefghklmnoprstvx",
    b"aeou",
    b"aeilostu",
    b"abcdefilostuvy",
    b"abeimopstu",
    b"abcdefgiklnostuvyz",
    b"abcdefghklmnoprstuvw",
    b"aefhiloprstu",
    b"u",
    b"abcdefghiklmnorstuvwyz",
    b"aceghiklmopstuw",
    b"acehilmorstuwyz",
    b"abcdefglmnprst",
    b"aeio",
    b"aehinos",
    b"et",
    b"eops",
    b"eituw",
];

/// The rows of a German and of an English keyboard, each a little to the right of the one above.
const KEYBOARDS: [[&str; 4]; 2] = [
    ["1234567890", "qwertzuiop", "asdfghjkl", "yxcvbnm"],
    ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"],
];

/// Bits of what a guesser knows, and of what nothing explains.
const OWN_WORD: f64 = 2.0;
const COMMON_WORD: f64 = 9.0;
const BACKWARDS: f64 = 10.0;
const YEAR: f64 = 5.0;
const AGAIN: f64 = 3.0;
/// A row of keys or a sequence, and each further step.
const ROW: f64 = 4.5;
const STEP: f64 = 0.6;
const SEQUENCE_STEP: f64 = 0.2;
/// A word of any list, and the letters of a long one.
const WORD: f64 = 11.0;
const WORD_LETTER: f64 = 1.7;
const LETTER: f64 = 4.7;

/// A character as guessers see it: lower case, umlauts as two letters, and the usual stand-ins for letters undone where
/// they stand among letters.
#[derive(Clone, Copy)]
struct Char {
    plain: char,
    was_upper: bool,
    stood_in: bool,
}

/// How many bits there are to guess. `own_words` are those that everybody can guess here.
pub fn bits(password: &str, own_words: &[&str]) -> f64 {
    let own = own(own_words);
    let text = plain(password);
    let has_letters = text.iter().any(|c| c.plain.is_alphabetic());
    let mut least = apart(&text, &own, has_letters);
    // The same from beginning to end.
    if let Some(unit) = (1..=text.len() / 2)
        .find(|unit| (*unit..text.len()).all(|at| text[at].plain == text[at % unit].plain))
    {
        least = least.min(apart(&text[..unit], &own, has_letters) + AGAIN);
    }
    // Two or three rows in turns, such as 1q2w3e4r5t6y. What they make together is no word.
    let typed: Vec<Char> = password
        .to_lowercase()
        .chars()
        .map(|plain| Char { plain, was_upper: false, stood_in: true })
        .collect();
    for turns in [2, 3] {
        let each = (0..turns).map(|first| {
            let row: Vec<Char> = typed.iter().skip(first).step_by(turns).copied().collect();
            apart(&row, &HashSet::new(), has_letters)
        });
        least = least.min(each.sum::<f64>() + AGAIN + 1.0);
    }
    least
}

fn own(own_words: &[&str]) -> HashSet<String> {
    let as_text = |text: &str| plain(text).iter().map(|c| c.plain).collect::<String>();
    let mut own = HashSet::new();
    for text in own_words {
        own.extend(text.split(|c: char| !c.is_alphanumeric()).map(as_text));
        let whole = as_text(text);
        own.insert(whole.replace(' ', ""));
        own.insert(whole);
    }
    own.retain(|word| word.chars().count() >= 3);
    own
}

fn plain(text: &str) -> Vec<Char> {
    let typed: Vec<char> = text.chars().collect();
    let is_letter = |at: Option<usize>| at.and_then(|at| typed.get(at)).is_some_and(|c| c.is_alphabetic());
    let mut all = Vec::with_capacity(typed.len());
    for (at, c) in typed.iter().enumerate() {
        let (before, after) = (is_letter(at.checked_sub(1)), is_letter(Some(at + 1)));
        let among =
            before && after || (at == 0 && after && !c.is_ascii_digit()) || (*c == '$' && (before || after));
        let letter = match c {
            '0' => 'o',
            '1' | '!' | '|' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            _ => *c,
        };
        if among && letter != *c {
            all.push(Char { plain: letter, was_upper: false, stood_in: true });
            continue;
        }
        for (n, lower) in c.to_lowercase().enumerate() {
            let was_upper = n == 0 && c.is_uppercase();
            let two = match lower {
                'ä' => ['a', 'e'],
                'ö' => ['o', 'e'],
                'ü' => ['u', 'e'],
                'ß' => ['s', 's'],
                other => {
                    all.push(Char { plain: other, was_upper, stood_in: false });
                    continue;
                }
            };
            all.push(Char { plain: two[0], was_upper, stood_in: false });
            all.push(Char { plain: two[1], was_upper: false, stood_in: false });
        }
    }
    all
}

/// The cheapest way to put a text together, in bits.
fn apart(text: &[Char], own: &HashSet<String>, has_letters: bool) -> f64 {
    let plain: Vec<char> = text.iter().map(|c| c.plain).collect();
    let mut least = vec![f64::INFINITY; text.len() + 1];
    least[0] = 0.0;
    for at in 0..text.len() {
        let so_far = least[at];
        let mut put = |length: usize, adds: f64| {
            let to = &mut least[at + length];
            *to = to.min(so_far + adds);
        };
        let rest = &plain[at..];
        put(1, alone(rest[0], has_letters));
        let same = rest.iter().take_while(|c| **c == rest[0]).count();
        if same > 1 {
            put(same, alone(rest[0], has_letters) + 1.0);
        }
        for length in 3..=rest.len().min(LONGEST_WORD) {
            let part: String = rest[..length].iter().collect();
            if own.contains(&part) {
                put(length, OWN_WORD);
            }
            if COMMON.contains(part.as_str()) {
                put(length, COMMON_WORD);
            }
            if length > 4 && COMMON.contains(part.chars().rev().collect::<String>().as_str()) {
                put(length, BACKWARDS);
            }
        }
        // One's own address may be longer than any word.
        for word in own.iter().filter(|word| word.len() > LONGEST_WORD) {
            if rest.len() >= word.chars().count()
                && word.chars().eq(rest[..word.chars().count()].iter().copied())
            {
                put(word.chars().count(), OWN_WORD);
            }
        }
        if is_year(rest) {
            put(4, YEAR);
        }
        rows(rest, &mut put);
        let again = longest_again(&plain, at);
        for length in 3..=again {
            put(length, AGAIN);
        }
        words(&text[at..], &mut put);
    }
    least[text.len()]
}

/// A character that nothing explains. Digits alone are dates and numbers of telephones.
fn alone(c: char, has_letters: bool) -> f64 {
    match c {
        '0'..='9' if has_letters => 3.3,
        '0'..='9' => 1.7,
        'a'..='z' => LETTER,
        c if c.is_ascii() => 3.3,
        // Letters of other alphabets stand in words; signs of scripts that have a sign a word tell more.
        c if c.is_lowercase() || c.is_uppercase() => 2.5,
        _ => 6.0,
    }
}

fn is_year(rest: &[char]) -> bool {
    rest.len() >= 4
        && matches!((rest[0], rest[1]), ('1', '9') | ('2', '0'))
        && rest[..4].iter().all(char::is_ascii_digit)
}

/// Rows of neighbouring keys, and sequences such as abc or 2468.
fn rows(rest: &[char], put: &mut impl FnMut(usize, f64)) {
    let mut steps = 0.0;
    for length in 2..=rest.len() {
        if !are_neighbours(rest[length - 2], rest[length - 1]) {
            break;
        }
        steps += STEP;
        if length > 2 {
            put(length, ROW + steps);
        }
    }
    let Some(step) = rest.first().zip(rest.get(1)).and_then(|(a, b)| distance(*a, *b)) else { return };
    if step == 0 || step.abs() > 3 {
        return;
    }
    let mut steps = SEQUENCE_STEP * 2.0;
    for length in 3..=rest.len() {
        if distance(rest[length - 2], rest[length - 1]) != Some(step) {
            break;
        }
        steps += SEQUENCE_STEP;
        put(length, ROW + steps);
    }
}

fn distance(a: char, b: char) -> Option<i32> {
    let both = |is: fn(&char) -> bool| is(&a) && is(&b);
    let is_known = both(char::is_ascii_digit) || both(char::is_ascii_alphabetic);
    is_known.then(|| i32::from(b as u8) - i32::from(a as u8))
}

fn are_neighbours(a: char, b: char) -> bool {
    KEYBOARDS.iter().any(|rows| {
        let (Some((row, column)), Some((to_row, to_column))) = (key(rows, a), key(rows, b)) else {
            return false;
        };
        let across = to_column - column;
        match to_row - row {
            0 => across.abs() == 1,
            1 => across == 0 || across == -1,
            -1 => across == 0 || across == 1,
            _ => false,
        }
    })
}

/// Row and column of the key that makes a character, with Shift or without.
fn key(rows: &[&str; 4], c: char) -> Option<(i8, i8)> {
    let c = match c {
        '!' => '1',
        '"' | '@' => '2',
        '§' | '#' => '3',
        '$' => '4',
        '%' => '5',
        '&' | '^' => '6',
        '/' => '7',
        '*' | '(' => '8',
        ')' => '9',
        '=' => '0',
        c => c,
    };
    rows.iter().zip(0..).find_map(|(row, number)| Some((number, i8::try_from(row.find(c)?).ok()?)))
}

/// How much of what comes at this place has come before it.
fn longest_again(text: &[char], at: usize) -> usize {
    let same = |from: usize| text[from..at].iter().zip(&text[at..]).take_while(|(a, b)| a == b).count();
    (0..at).map(same).max().unwrap_or_default()
}

/// Letters that follow each other as in words, with one pair in eight that does not, as far as they are written like one:
/// small, with a capital at the beginning, or all in capitals.
fn words(rest: &[Char], put: &mut impl FnMut(usize, f64)) {
    let (mut usual, mut capitals, mut stood_in) = (0_usize, 0_usize, 0_usize);
    for (at, c) in rest.iter().enumerate().take_while(|(_, c)| c.plain.is_ascii_lowercase()) {
        let length = at + 1;
        capitals += usize::from(c.was_upper);
        stood_in += usize::from(c.stood_in);
        if at > 0 {
            let before = rest[at - 1].plain as usize - 'a' as usize;
            usual += usize::from(PAIRS[before].contains(&(c.plain as u8)));
        }
        let is_written = capitals == 0 || capitals == length || (capitals == 1 && rest[0].was_upper);
        if length >= 4 && is_written && 100 * usual >= 87 * (length - 1) && stood_in * 3 <= length {
            let letters = f64::from(u16::try_from(length).unwrap_or(u16::MAX));
            put(length, (WORD_LETTER * letters).max((LETTER * letters).min(WORD)));
        }
    }
}
