//! The records of a CSV file as spreadsheets write them (RFC 4180), with what is odd about them.
//!
//! Nothing is cut or joined in silence: what could be read in two ways is marked, and whoever reads the record decides.

use std::io::{self, BufRead as _, BufReader, Read};

/// Bytes a record may have.
pub const LONGEST: usize = 512 * 1024;

/// Something that makes a record uncertain as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// A quote within a field that does not begin with one, or text behind a closing quote: nobody knows where the field
    /// ends.
    StrayQuote,
    /// A quote that is not closed, or that has swallowed other lines.
    OpenQuote,
}

/// A record that is not blank.
#[derive(Debug, Default)]
pub struct Record {
    /// The number of its first line in the file, counted from 1.
    pub number: u64,
    /// The number of its last line, where a quoted field goes on over several.
    pub until: u64,
    /// Its fields, without quotes.
    pub fields: Vec<Vec<u8>>,
    /// What is odd about it.
    pub oddity: Option<Oddity>,
}

/// Reads records one after the other, in bounded memory.
pub struct Records<R> {
    source: BufReader<R>,
    separator: u8,
    line_end: u8,
    /// Lines of the file that have been read.
    lines: u64,
    bytes: u64,
    line: Vec<u8>,
}

/// Where reading ends before the file does.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source fails.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line without an end, or a quote that is never closed.
    #[error("line {0}: a quote is never closed, or the line has no end; nobody from here on came in")]
    TooLong(u64),
}

impl<R: Read> Records<R> {
    /// Reads on behind so many lines.
    pub fn new(source: R, separator: u8, line_end: u8, lines_before: u64) -> Self {
        Self {
            source: BufReader::new(source),
            separator,
            line_end,
            lines: lines_before,
            bytes: 0,
            line: Vec::new(),
        }
    }

    /// How many bytes have been read as records.
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// The next record that is not blank.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn read(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            let number = self.lines + 1;
            if !self.next_line(LONGEST)? {
                return Ok(None);
            }
            let mut parser = Parser::new(self.separator);
            parser.line(&self.line);
            let mut length = self.line.len();
            while parser.is_quoted() {
                if length >= LONGEST {
                    return Err(ReadError::TooLong(number));
                }
                if !self.next_line(LONGEST - length)? {
                    break;
                }
                length += self.line.len();
                parser.break_line();
                parser.line(&self.line);
            }
            let record = parser.end(number, self.lines);
            if record.fields.iter().any(|field| !field.trim_ascii().is_empty()) {
                return Ok(Some(record));
            }
        }
    }

    /// Reads a line, without its end. Answers whether there was one.
    fn next_line(&mut self, most: usize) -> Result<bool, ReadError> {
        self.line.clear();
        // Two more for its end.
        let read = self.source.by_ref().take(most as u64 + 2).read_until(self.line_end, &mut self.line)?;
        if read == 0 {
            return Ok(false);
        }
        let is_first = self.lines == 0 && self.bytes == 0;
        self.bytes += read as u64;
        if self.line.last() == Some(&self.line_end) {
            self.line.pop();
        } else if read > most {
            return Err(ReadError::TooLong(self.lines + 1));
        }
        self.lines += 1;
        if self.line_end == b'\n' && self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        if is_first && self.line.starts_with(b"\xEF\xBB\xBF") {
            self.line.drain(..3);
        }
        Ok(true)
    }
}

/// Where in a record the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a field; blanks before a quote are passed over.
    Start,
    Plain,
    Quoted,
    /// Behind the closing quote.
    Closed,
}

struct Parser {
    separator: u8,
    state: State,
    fields: Vec<Vec<u8>>,
    field: Vec<u8>,
    /// Quotes within the field that did not begin with one.
    quotes: usize,
    /// The field escapes its quotes with a backslash, as databases do.
    has_backslashes: bool,
    oddity: Option<Oddity>,
    /// Fields of a line with an address that a quote has taken in, at most.
    swallowed: usize,
}

impl Parser {
    fn new(separator: u8) -> Self {
        Self {
            separator,
            state: State::Start,
            fields: Vec::new(),
            field: Vec::new(),
            quotes: 0,
            has_backslashes: false,
            oddity: None,
            swallowed: 0,
        }
    }

    fn is_quoted(&self) -> bool {
        self.state == State::Quoted
    }

    fn break_line(&mut self) {
        self.field.push(b'\n');
    }

    fn line(&mut self, line: &[u8]) {
        let mut at = 0;
        let was_quoted = self.state == State::Quoted;
        let (mut quoted_until, mut is_closed) = (0, false);
        while at < line.len() {
            let byte = line[at];
            at += 1;
            match self.state {
                State::Quoted => {
                    at += self.quoted(byte, &line[at..]);
                    if was_quoted && !is_closed {
                        quoted_until = at;
                        is_closed = self.state == State::Closed;
                    }
                }
                _ if byte == self.separator => self.end_field(),
                State::Start if byte == b' ' || byte == b'\t' => self.field.push(byte),
                State::Start if byte == b'"' => {
                    self.field.clear();
                    self.state = State::Quoted;
                }
                State::Closed if byte == b' ' || byte == b'\t' => {}
                State::Closed => {
                    self.oddity.get_or_insert(Oddity::StrayQuote);
                    self.state = State::Plain;
                    self.field.push(byte);
                }
                State::Start | State::Plain => {
                    self.state = State::Plain;
                    self.quotes += usize::from(byte == b'"');
                    self.field.push(byte);
                }
            }
        }
        // What of this line stands within the quote that an earlier one has opened.
        let taken_in = &line[..quoted_until];
        if taken_in.contains(&b'@') {
            let fields = taken_in.split(|byte| *byte == self.separator).count();
            self.swallowed = self.swallowed.max(fields);
        }
    }

    /// A byte within quotes. Answers how many of those behind it were taken along.
    fn quoted(&mut self, byte: u8, rest: &[u8]) -> usize {
        match (byte, rest) {
            (b'"', [b'"', ..]) => {
                self.field.push(b'"');
                return 1;
            }
            (b'"', _) => self.state = State::Closed,
            (b'\\', [b'"', behind @ ..]) if self.has_backslashes || !self.ends_field(behind) => {
                self.has_backslashes = true;
                self.field.push(b'"');
                return 1;
            }
            _ => self.field.push(byte),
        }
        0
    }

    /// Whether a quote before these bytes closes a field, and is no escaped one.
    fn ends_field(&self, behind: &[u8]) -> bool {
        match behind.trim_ascii_start().first() {
            None => true,
            Some(byte) => *byte == self.separator || *byte == b'"',
        }
    }

    fn end_field(&mut self) {
        if self.quotes % 2 == 1 {
            self.oddity.get_or_insert(Oddity::StrayQuote);
        }
        self.fields.push(std::mem::take(&mut self.field));
        (self.state, self.quotes, self.has_backslashes) = (State::Start, 0, false);
    }

    fn end(mut self, number: u64, until: u64) -> Record {
        let is_open = self.is_quoted();
        self.end_field();
        // A whole line of the same shape, with an address, stands within a quote: it was somebody's own.
        let is_swallowed = self.swallowed > 1 && self.swallowed >= self.fields.len();
        let oddity = if is_open || is_swallowed { Some(Oddity::OpenQuote) } else { self.oddity };
        Record { number, until, fields: self.fields, oddity }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str, separator: u8) -> Vec<Record> {
        let mut records = Records::new(text.as_bytes(), separator, b'\n', 0);
        std::iter::from_fn(|| records.read().expect("memory")).collect()
    }

    fn only(text: &str) -> (Vec<String>, Option<Oddity>) {
        let mut all = records(text, b',');
        assert_eq!(all.len(), 1, "{text:?} {all:?}");
        let record = all.remove(0);
        (record.fields.into_iter().map(|field| String::from_utf8(field).unwrap()).collect(), record.oddity)
    }

    #[test]
    fn fields_are_read_as_spreadsheets_write_them() {
        for (text, fields) in [
            ("a,b\r\n", vec!["a", "b"]),
            ("\u{FEFF}\"a\",b", vec!["a", "b"]),
            ("a, \"b, c\" ,d", vec!["a", "b, c", "d"]),
            ("a,\"b \"\"c\"\"\",", vec!["a", "b \"c\"", ""]),
            ("a,\"b \\\"c\\\"\",d", vec!["a", "b \"c\"", "d"]),
            ("a,\"c:\\\",d", vec!["a", "c:\\", "d"]),
            ("a,Messe \"Süd\",d", vec!["a", "Messe \"Süd\"", "d"]),
            ("a,\"b\nc\",d", vec!["a", "b\nc", "d"]),
        ] {
            assert_eq!(only(text), (fields.into_iter().map(str::to_owned).collect(), None), "{text:?}");
        }
    }

    #[test]
    fn invariant_11_what_could_end_elsewhere_is_marked() {
        for text in
            ["a,Messe \"Süd, Halle 3\",d", "a,5\" b,d", "a,\"Messe\" Süd,d", "a,\"Halle \"Süd\", 3\",d"]
        {
            assert_eq!(only(text).1, Some(Oddity::StrayQuote), "{text:?}");
        }
        assert_eq!(only("a,b,\"c\nd@x,e,f\n").1, Some(Oddity::OpenQuote));
        assert_eq!(only("a,b,\"c\nd@x,e,\"\"\ng,h,\"\n").1, Some(Oddity::OpenQuote));
    }

    #[test]
    fn lines_are_numbered_as_in_the_file() {
        let all = records("a;b\n\n;\n\"c\n\nd\";e\nf;g", b';');
        let numbers: Vec<(u64, u64)> = all.iter().map(|record| (record.number, record.until)).collect();
        assert_eq!(numbers, [(1, 1), (4, 6), (7, 7)]);
        let mut old_mac = Records::new(&b"a,b\rc,d\r"[..], b',', b'\r', 0);
        assert_eq!(old_mac.read().unwrap().unwrap().fields, [b"a", b"b"]);
        assert_eq!(old_mac.read().unwrap().unwrap().number, 2);
    }

    #[test]
    fn a_quote_that_is_never_closed_takes_no_more_memory_than_a_record_may() {
        let endless = io::Cursor::new(b"a,\"b\n").chain(io::repeat(b'x'));
        assert!(matches!(Records::new(endless, b',', b'\n', 0).read(), Err(ReadError::TooLong(_))));
    }
}
