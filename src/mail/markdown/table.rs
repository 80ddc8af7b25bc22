//! Tables: a row of headings, a row of dashes with the alignments, and rows. Cells are divided by `|`.

use super::{
    event::Alignment,
    tree::{Block, Leaf, Line},
};

/// Rows get empty cells up to so many columns; more are left as they are.
const PADDED: usize = 32;

/// Whether a table begins in this line.
pub fn begins(lines: &[Line], at: usize) -> bool {
    lines[at].text.contains('|') && lines.get(at + 1).is_some_and(|line| alignments(line.text).is_some())
}

/// The table that begins there, and the line behind it. It ends at the first line without a `|`. No cell is left out,
/// in rows that are longer than the first one neither.
pub fn read(lines: &[Line], at: usize) -> (Block, usize) {
    let row = |line: &Line| -> Vec<Leaf> {
        cells(line.text).map(|text| Leaf { text: text.to_owned(), line: line.number }).collect()
    };
    let mut head = row(&lines[at]);
    let mut alignments = lines.get(at + 1).and_then(|line| alignments(line.text)).unwrap_or_default();
    let mut rows: Vec<Vec<Leaf>> =
        lines.iter().skip(at + 2).map_while(|line| line.text.contains('|').then(|| row(line))).collect();
    let end = at + 2 + rows.len();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(head.len());
    for row in std::iter::once(&mut head).chain(&mut rows) {
        row.resize_with(row.len().max(columns.min(PADDED)), Leaf::default);
    }
    alignments.resize(columns, Alignment::None);
    (Block::Table { alignments, head, rows }, end)
}

/// The alignments that a row of dashes says; nothing for any other line.
fn alignments(text: &str) -> Option<Vec<Alignment>> {
    if !text.contains('|') {
        return None;
    }
    cells(text)
        .map(|cell| {
            let (left, right) = (cell.starts_with(':'), cell.ends_with(':'));
            let dashes = cell.strip_prefix(':').unwrap_or(cell);
            let dashes = dashes.strip_suffix(':').unwrap_or(dashes);
            let is_dashes = !dashes.is_empty() && dashes.bytes().all(|byte| byte == b'-');
            is_dashes.then_some(match (left, right) {
                (true, true) => Alignment::Center,
                (true, false) => Alignment::Left,
                (false, true) => Alignment::Right,
                (false, false) => Alignment::None,
            })
        })
        .collect()
}

/// The cells of a row. A `\|` is a character of its cell.
fn cells(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim();
    let text = text.strip_prefix('|').unwrap_or(text);
    let ends = text.ends_with('|') && !text.ends_with("\\|");
    let text = if ends { &text[..text.len() - 1] } else { text };
    let mut is_escaped = false;
    text.split(move |c| {
        let divides = c == '|' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        divides
    })
    .map(str::trim)
}
