//! Lines, and the tree of blocks that they are read as.

use super::{
    directive::{Directive, Problem},
    event::Alignment,
};

/// A line, without what its surrounding blocks have at its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub text: &'a str,
    /// Counted from 1, in the whole text.
    pub number: usize,
}

/// Text within which bold, links and the like are read.
#[derive(Debug, Default)]
pub struct Leaf {
    /// Line breaks as they were typed, without blanks around them.
    pub text: String,
    /// Of its first line.
    pub line: usize,
}

#[derive(Debug)]
pub enum Block {
    Paragraph(Leaf),
    Heading(u8, Leaf),
    Quote(Vec<Block>),
    List {
        first: Option<u64>,
        is_tight: bool,
        items: Vec<Vec<Block>>,
    },
    Table {
        alignments: Vec<Alignment>,
        head: Vec<Leaf>,
        rows: Vec<Vec<Leaf>>,
    },
    Code(String),
    /// With the text between its fields, and what is wrong with it.
    Directive(Box<Directive>, Vec<Problem>, Vec<Block>),
    Rule,
}

/// Columns of blanks at the beginning of a line; a tab is four.
pub fn indent(text: &str) -> usize {
    text.chars()
        .map_while(|c| match c {
            ' ' => Some(1),
            '\t' => Some(4),
            _ => None,
        })
        .sum()
}
