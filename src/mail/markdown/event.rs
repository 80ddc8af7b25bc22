//! What a text consists of, in the order in which it is written: what the parser gives and the writers read.

use super::directive::Directive;

/// One step of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Start(Tag),
    End(TagEnd),
    Text(String),
    /// Text in the type of code. Nothing in it is a sign of the dialect.
    Code(String),
    /// A line break that was typed.
    HardBreak,
    Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    Paragraph,
    /// 1 to 6, by the number of `#`.
    Heading(u8),
    BlockQuote,
    CodeBlock,
    /// With the first number, when it is ordered; the others count on from it.
    List(Option<u64>),
    Item,
    Emphasis,
    Strong,
    Strikethrough,
    Link {
        address: String,
        /// The text is the address as it was typed.
        is_bare: bool,
    },
    /// Its text is what stands between begin and end.
    Image {
        address: String,
    },
    /// With the alignment of each column.
    Table(Vec<Alignment>),
    TableHead,
    TableRow,
    TableCell,
    Directive(Box<Directive>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagEnd {
    Paragraph,
    Heading,
    BlockQuote,
    CodeBlock,
    List,
    Item,
    Emphasis,
    Strong,
    Strikethrough,
    Link,
    Image,
    Table,
    TableHead,
    TableRow,
    TableCell,
    Directive,
}

/// Of a column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    None,
    Left,
    Center,
    Right,
}
