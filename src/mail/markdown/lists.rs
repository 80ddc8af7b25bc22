//! Which lines begin an item of a list, and which only look like it.
//!
//! CommonMark counts an ordered list on from its first number, whatever the others say, so three dates on three lines
//! become three days in a row. Here a number is part of a list only where all of them count on one by one; else it is
//! text, as it was typed.

use super::tree::{Line, indent};

/// Higher first numbers are years or the like.
const HIGHEST: u64 = 999;

/// How a line begins an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Columns before the sign.
    pub indent: usize,
    /// Columns before the item's text.
    pub width: usize,
    /// Bytes before the item's text.
    pub content: usize,
    /// The number of an ordered list.
    pub number: Option<u64>,
    /// What begins the item; a full stop for a number.
    sign: char,
}

impl Marker {
    /// Whether it goes on with the list that the other one begins.
    pub fn is_beside(&self, first: &Self) -> bool {
        self.sign == first.sign && self.indent <= first.indent + 1
    }
}

/// The lines of a container that begin items of its own lists; those of lists within an item are found when that item
/// is read. Within one (`is_inner`), whoever indented the line meant an item.
pub fn markers(lines: &[Line], is_inner: bool) -> Vec<Option<Marker>> {
    let mut candidates: Vec<Option<Marker>> = lines.iter().map(|line| candidate(line.text)).collect();
    let mut kept = judge(lines, &mut candidates, is_inner);
    // What stood below an item that is none is seen for itself now.
    if kept.iter().zip(&candidates).any(|(kept, candidate)| kept.is_none() && candidate.is_some()) {
        kept = judge(lines, &mut candidates, is_inner);
    }
    kept
}

/// Groups the candidates to lists, and takes out those that make no list.
fn judge(lines: &[Line], candidates: &mut [Option<Marker>], is_inner: bool) -> Vec<Option<Marker>> {
    let mut kept = vec![None; lines.len()];
    let mut run: Vec<(usize, Marker)> = Vec::new();
    let mut refused = Vec::new();
    let mut close = |run: &mut Vec<(usize, Marker)>| {
        let is_list = is_list(lines, run, is_inner);
        for (at, marker) in run.drain(..) {
            if is_list {
                kept[at] = Some(marker);
            } else {
                refused.push(at);
            }
        }
    };
    for (at, line) in lines.iter().enumerate() {
        if line.text.trim().is_empty() {
            continue;
        }
        let first = run.first().map(|(_, first)| *first);
        let goes_on = |marker: &Marker| first.is_some_and(|first| marker.is_beside(&first));
        match candidates[at] {
            Some(marker) if goes_on(&marker) => run.push((at, marker)),
            _ if first.is_some_and(|first| indent(line.text) >= first.indent + 2) => {}
            other => {
                close(&mut run);
                run.extend(other.map(|marker| (at, marker)));
            }
        }
    }
    close(&mut run);
    for at in refused {
        candidates[at] = None;
    }
    kept
}

fn is_list(lines: &[Line], run: &[(usize, Marker)], is_inner: bool) -> bool {
    let Some((_, first)) = run.first() else { return false };
    let content = |at: usize, marker: &Marker| lines[at].text.get(marker.content..).unwrap_or_default();
    if let Some(start) = first.number {
        let counts_on =
            run.iter().zip(start..).all(|((_, marker), expected)| marker.number == Some(expected));
        let is_date = run.iter().any(|(at, marker)| continues_date(content(*at, marker)));
        return run.len() >= 2 && counts_on && start <= HIGHEST && !is_date;
    }
    // By itself a star is a footnote, a sign before a number is its sign, and a dash within a text is a dash.
    let is_alone = run.len() == 1;
    run.iter().all(|(at, marker)| {
        let is_blank = |at: Option<usize>| {
            at.and_then(|at| lines.get(at)).is_none_or(|line| line.text.trim().is_empty())
        };
        let is_apart = is_blank(at.checked_sub(1))
            && lines
                .get(at + 1)
                .is_none_or(|next| next.text.trim().is_empty() || indent(next.text) > marker.indent);
        let is_number = content(*at, marker).starts_with(|c: char| c.is_ascii_digit());
        match marker.sign {
            '+' => !is_alone && !is_number,
            '*' => !is_alone,
            '-' => !is_alone || ((is_apart || is_inner) && !is_number),
            _ => true,
        }
    })
}

/// What may be an item by its line alone.
fn candidate(text: &str) -> Option<Marker> {
    let bare = text.trim_start();
    let sign = bare.chars().next()?;
    let (length, number, sign) = if sign.is_ascii_digit() {
        let digits = bare.bytes().take_while(u8::is_ascii_digit).count();
        // A number with a zero before it would lose it.
        if digits > 9 || (digits > 1 && sign == '0') || !bare[digits..].starts_with('.') {
            return None;
        }
        (digits + 1, Some(bare[..digits].parse().ok()?), '.')
    } else if matches!(sign, '-' | '*' | '+' | '•' | '▪' | '◦' | '‣' | '●' | '○' | '■') {
        (sign.len_utf8(), None, sign)
    } else {
        return None;
    };
    let behind = &bare[length..];
    let words = behind.trim_start();
    if words.is_empty() || words.len() == behind.len() {
        return None;
    }
    let indent = indent(text);
    let signs = bare[..length].chars().count();
    Some(Marker { indent, width: indent + signs + 1, content: text.len() - words.len(), number, sign })
}

/// Beginnings of the names of months, in German and English, as dates have them.
const MONTHS: [&str; 22] = [
    "jan", "jän", "feb", "mär", "mrz", "mar", "apr", "mai", "may", "jun", "jul", "aug", "sep", "okt", "oct",
    "nov", "dez", "dec", "maer", "feber", "juno", "julei",
];

/// Whether what stands behind "17." makes it a date.
fn continues_date(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase();
    let is_month =
        (3..=9).contains(&word.chars().count()) && MONTHS.iter().any(|month| word.starts_with(month));
    is_month || text.starts_with(|c: char| c.is_ascii_digit())
}
