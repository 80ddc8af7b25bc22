//! Pairs the signs of bold, italic and strikethrough.
//!
//! One pass with a stack of what is open, as CommonMark does it; how many of each kind are open is counted, so that
//! signs without a partner cost nothing.

use super::inline::{Located, Mark, Node};

/// What a pair makes of the text between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Emphasis,
    Strong,
    Strikethrough,
}

/// A part of a text whose signs are paired.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    Node(Located),
    Begin(Kind),
    End(Kind),
    /// Signs without a partner; they are text.
    Loose {
        mark: Mark,
        line: usize,
    },
}

pub fn paired(nodes: Vec<Located>) -> Vec<Piece> {
    let mut pairing = Pairing::default();
    for (at, part) in nodes.iter().enumerate() {
        if let Node::Mark(mark) = part.node {
            pairing.meet(at, mark);
        }
    }
    let mut pieces = Vec::new();
    let mut runs = pairing.runs.into_iter().peekable();
    for (at, part) in nodes.into_iter().enumerate() {
        let Node::Mark(mark) = part.node else {
            pieces.push(Piece::Node(part));
            continue;
        };
        let Some(run) = runs.next_if(|run| run.at == at) else { continue };
        pieces.extend(run.ends.into_iter().map(Piece::End));
        if run.left > 0 {
            let mark = Mark { length: run.left, ..mark };
            pieces.push(Piece::Loose { mark, line: part.line });
        }
        // The pair that was found first is the innermost one.
        pieces.extend(run.begins.into_iter().rev().map(Piece::Begin));
    }
    pieces
}

#[derive(Default)]
struct Pairing {
    runs: Vec<Run>,
    /// Runs that may begin something, by their place in `runs`.
    open: Vec<usize>,
    /// How many open runs there are of each sign with one, two and three signs left.
    counts: [[usize; 4]; 3],
}

/// What becomes of a run of signs.
struct Run {
    at: usize,
    sign: usize,
    left: usize,
    ends: Vec<Kind>,
    begins: Vec<Kind>,
}

impl Pairing {
    fn meet(&mut self, at: usize, mark: Mark) {
        let sign = match mark.sign {
            '*' => 0,
            '_' => 1,
            _ => 2,
        };
        let mut run = Run { at, sign, left: mark.length, ends: Vec::new(), begins: Vec::new() };
        if mark.can_close {
            while run.left > 0 && self.close(&mut run) {}
        }
        let left = run.left;
        self.runs.push(run);
        if mark.can_open && left > 0 {
            self.open.push(self.runs.len() - 1);
            self.counts[sign][left] += 1;
        }
    }

    /// Ends the nearest pair that this run can end.
    fn close(&mut self, run: &mut Run) -> bool {
        let counts = self.counts[run.sign];
        let fits = |left: usize| taken(run.sign, left, run.left);
        if (1..=3).all(|left| counts[left] == 0 || fits(left).is_none()) {
            return false;
        }
        // One of them fits, so the loop ends there; what lies above it has no partner any more.
        while let Some(at) = self.open.pop() {
            let open = &mut self.runs[at];
            self.counts[open.sign][open.left] -= 1;
            let Some(taken) = taken(run.sign, open.left, run.left).filter(|_| open.sign == run.sign) else {
                continue;
            };
            let kind = match (run.sign, taken) {
                (2, _) => Kind::Strikethrough,
                (_, 2) => Kind::Strong,
                _ => Kind::Emphasis,
            };
            open.left -= taken;
            open.begins.push(kind);
            run.left -= taken;
            run.ends.push(kind);
            if open.left > 0 {
                self.counts[open.sign][open.left] += 1;
                self.open.push(at);
            }
            return true;
        }
        false
    }
}

/// How many signs a pair takes of both sides; nothing when one side means bold and the other italic.
fn taken(sign: usize, open: usize, close: usize) -> Option<usize> {
    match (open, close) {
        _ if sign == 2 => (open == 2 && close == 2).then_some(2),
        (2 | 3, 2 | 3) => Some(2),
        (1 | 3, 1 | 3) => Some(1),
        _ => None,
    }
}
