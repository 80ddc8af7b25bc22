//! A text as events, in the order in which it is written.

use super::{
    blocks::blocks,
    directive::{self, Problem},
    emphasis::{Kind, Piece, paired},
    event::{Event, Tag, TagEnd},
    inline::{Located, Node, nodes},
    tree::{Block, Leaf},
};

/// An event, and the line of the text that it comes from, counted from 1.
pub type Step = (Event, usize);

/// Signs that make nothing: `**` without a partner, a link without an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    pub sign: String,
    pub line: usize,
}

#[derive(Debug, Default)]
pub struct Document {
    pub steps: Vec<Step>,
    pub leftovers: Vec<Leftover>,
    /// What is wrong with blocks of fields, and what looks like one.
    pub problems: Vec<Problem>,
}

pub fn document(markdown: &str) -> Document {
    let mut writer = Writer::default();
    writer.blocks(blocks(markdown), false);
    writer.finish()
}

/// A step, or a place where bold may begin or end that goes over several blocks.
enum Draft {
    Step(Step),
    Loose {
        sign: char,
        length: usize,
        can_open: bool,
        can_close: bool,
        line: usize,
        is_outermost: bool,
    },
    /// Signs that begin a link or code which does not end.
    Leftover(&'static str, usize),
    LeafBegins(usize),
    LeafEnds,
}

#[derive(Default)]
struct Writer {
    drafts: Vec<Draft>,
    problems: Vec<Problem>,
    line: usize,
}

impl Writer {
    fn step(&mut self, event: Event) {
        self.drafts.push(Draft::Step((event, self.line)));
    }

    fn within(&mut self, tag: Tag, end: TagEnd, inner: impl FnOnce(&mut Self)) {
        self.step(Event::Start(tag));
        inner(self);
        self.step(Event::End(end));
    }

    /// The paragraphs of a tight list stand in their items as they are.
    fn blocks(&mut self, blocks: Vec<Block>, is_tight: bool) {
        for block in blocks {
            match block {
                Block::Paragraph(leaf) if is_tight => self.leaf(&leaf),
                Block::Paragraph(leaf) => {
                    self.line = leaf.line;
                    self.within(Tag::Paragraph, TagEnd::Paragraph, |writer| writer.leaf(&leaf));
                }
                Block::Heading(level, leaf) => {
                    self.line = leaf.line;
                    self.within(Tag::Heading(level), TagEnd::Heading, |writer| writer.leaf(&leaf));
                }
                Block::Quote(inner) => {
                    self.within(Tag::BlockQuote, TagEnd::BlockQuote, |writer| writer.blocks(inner, false));
                }
                Block::List { first, is_tight, items } => {
                    self.within(Tag::List(first), TagEnd::List, |writer| {
                        for item in items {
                            writer.within(Tag::Item, TagEnd::Item, |writer| writer.blocks(item, is_tight));
                        }
                    });
                }
                Block::Table { alignments, head, rows } => {
                    self.within(Tag::Table(alignments), TagEnd::Table, |writer| {
                        writer.row(&head, Tag::TableHead, TagEnd::TableHead);
                        for row in rows {
                            writer.row(&row, Tag::TableRow, TagEnd::TableRow);
                        }
                    });
                }
                Block::Code(code) => {
                    self.within(Tag::CodeBlock, TagEnd::CodeBlock, |writer| writer.step(Event::Text(code)));
                }
                Block::Directive(directive, problems, inner) => {
                    self.line = directive.line;
                    self.problems.extend(problems);
                    self.within(Tag::Directive(directive), TagEnd::Directive, |writer| {
                        writer.blocks(inner, false);
                    });
                }
                Block::Rule => self.step(Event::Rule),
            }
        }
    }

    fn row(&mut self, cells: &[Leaf], tag: Tag, end: TagEnd) {
        self.within(tag, end, |writer| {
            for cell in cells {
                writer.within(Tag::TableCell, TagEnd::TableCell, |writer| writer.cell(cell));
            }
        });
    }

    fn leaf(&mut self, leaf: &Leaf) {
        self.problems.extend(directive::strays(&leaf.text, leaf.line));
        self.drafts.push(Draft::LeafBegins(leaf.line));
        self.pieces(nodes(&leaf.text, leaf.line, false), true);
        self.drafts.push(Draft::LeafEnds);
    }

    /// Bold does not go on from one cell to the next.
    fn cell(&mut self, leaf: &Leaf) {
        self.pieces(nodes(&leaf.text, leaf.line, true), false);
    }

    fn pieces(&mut self, nodes: Vec<Located>, is_leaf: bool) {
        let mut depth = 0_usize;
        for piece in paired(nodes) {
            match piece {
                Piece::Node(part) => self.node(part),
                Piece::Begin(kind) => {
                    depth += 1;
                    self.step(Event::Start(tag(kind)));
                }
                Piece::End(kind) => {
                    depth -= 1;
                    self.step(Event::End(end(kind)));
                }
                Piece::Loose { mark, line } => self.drafts.push(Draft::Loose {
                    sign: mark.sign,
                    length: mark.length,
                    can_open: mark.can_open,
                    can_close: mark.can_close,
                    line,
                    is_outermost: is_leaf && depth == 0,
                }),
            }
        }
    }

    fn node(&mut self, part: Located) {
        self.line = part.line;
        match part.node {
            Node::Text(text) => self.step(Event::Text(text)),
            Node::Leftover(sign) => self.drafts.push(Draft::Leftover(sign, part.line)),
            Node::Code(code) => self.step(Event::Code(code)),
            Node::Break => self.step(Event::HardBreak),
            Node::Image { address, alt } => {
                self.within(Tag::Image { address }, TagEnd::Image, |writer| writer.step(Event::Text(alt)));
            }
            Node::Link { address, is_bare, inner } => {
                self.within(Tag::Link { address, is_bare }, TagEnd::Link, |writer| {
                    writer.pieces(inner, false);
                });
            }
            // They went into the pairing.
            Node::Mark(_) => {}
        }
    }

    fn finish(self) -> Document {
        let (begins, ends) = bold_over_blocks(&self.drafts);
        let mut document = Document { problems: self.problems, ..Document::default() };
        let (mut begins, mut ends) = (begins.into_iter().peekable(), ends.into_iter().peekable());
        let mut is_bold = false;
        for (at, draft) in self.drafts.into_iter().enumerate() {
            let begins_here = begins.next_if_eq(&at).is_some();
            let ends_here = ends.next_if_eq(&at).is_some();
            match draft {
                Draft::Step(step) => document.push(step),
                Draft::LeafBegins(line) if is_bold => document.push((Event::Start(Tag::Strong), line)),
                Draft::LeafEnds if is_bold => {
                    let line = document.steps.last().map_or(1, |(_, line)| *line);
                    document.push((Event::End(TagEnd::Strong), line));
                }
                Draft::LeafBegins(_) | Draft::LeafEnds => {}
                Draft::Loose { line, .. } if begins_here => {
                    is_bold = true;
                    document.push((Event::Start(Tag::Strong), line));
                }
                Draft::Loose { line, .. } if ends_here => {
                    is_bold = false;
                    document.push((Event::End(TagEnd::Strong), line));
                }
                Draft::Leftover(sign, line) => {
                    document.leftovers.push(Leftover { sign: sign.to_owned(), line });
                    document.push((Event::Text(sign.to_owned()), line));
                }
                Draft::Loose { sign, length, line, .. } => {
                    let sign = sign.to_string().repeat(length);
                    if length >= 2 {
                        document.leftovers.push(Leftover { sign: sign.clone(), line });
                    }
                    document.push((Event::Text(sign), line));
                }
            }
        }
        document
    }
}

/// Over so many blocks at most. Signs that are further apart are two that were forgotten.
const BOLD_BLOCKS: usize = 12;

/// Where bold begins and ends that somebody put around several paragraphs or items at once, or with a blank between the
/// signs and the text on one side.
fn bold_over_blocks(drafts: &[Draft]) -> (Vec<usize>, Vec<usize>) {
    let (mut begins, mut ends) = (Vec::new(), Vec::new());
    let mut leaf = 0;
    let mut open: Option<Unpaired> = None;
    for (at, draft) in drafts.iter().enumerate() {
        match draft {
            Draft::LeafBegins(_) => leaf += 1,
            Draft::Loose { sign: '*', length: 2, can_open, can_close, is_outermost: true, .. } => {
                match open {
                    Some(begin)
                        if begin.is_ended_by(
                            leaf,
                            *can_close,
                            matches!(drafts.get(at + 1), Some(Draft::LeafEnds)),
                        ) =>
                    {
                        begins.push(begin.at);
                        ends.push(at);
                        open = None;
                    }
                    _ => {
                        let begins_leaf = at > 0 && matches!(drafts[at - 1], Draft::LeafBegins(_));
                        open = Some(Unpaired {
                            at,
                            leaf,
                            begins_leaf,
                            can_open: *can_open,
                            can_close: *can_close,
                        });
                    }
                }
            }
            _ => {}
        }
    }
    (begins, ends)
}

/// A `**` that is still without a partner.
struct Unpaired {
    at: usize,
    leaf: usize,
    begins_leaf: bool,
    can_open: bool,
    can_close: bool,
}

impl Unpaired {
    fn is_ended_by(&self, leaf: usize, can_close: bool, ends_leaf: bool) -> bool {
        if self.leaf == leaf {
            return self.can_open || (can_close && !self.can_close);
        }
        let is_meant = self.begins_leaf || ends_leaf;
        self.can_open && can_close && is_meant && leaf - self.leaf <= BOLD_BLOCKS
    }
}

impl Document {
    /// Text that follows on text is one text.
    fn push(&mut self, step: Step) {
        if let Some((Event::Text(before), _)) = self.steps.last_mut()
            && let Event::Text(text) = &step.0
        {
            before.push_str(text);
        } else {
            self.steps.push(step);
        }
    }
}

fn tag(kind: Kind) -> Tag {
    match kind {
        Kind::Emphasis => Tag::Emphasis,
        Kind::Strong => Tag::Strong,
        Kind::Strikethrough => Tag::Strikethrough,
    }
}

fn end(kind: Kind) -> TagEnd {
    match kind {
        Kind::Emphasis => TagEnd::Emphasis,
        Kind::Strong => TagEnd::Strong,
        Kind::Strikethrough => TagEnd::Strikethrough,
    }
}
