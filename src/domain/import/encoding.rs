//! What the bytes of a list mean.
//!
//! UTF-16 becomes UTF-8 on its way in. A file is Windows-1252 when no line of it is UTF-8 beyond ASCII; where both stand in
//! one file it is read as UTF-8, and the odd lines are told and stay out.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};
use serde::{Deserialize, Serialize};

/// What bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Encoding {
    /// Nearly everything.
    #[default]
    Utf8,
    /// What Excel calls "CSV" and nothing else.
    Windows1252,
}

impl Encoding {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Utf8, Self::Windows1252];

    /// Its name in forms.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The text of these bytes, if they are certainly one: characters beyond ASCII that are UTF-8 are not read as
    /// Windows-1252, because nobody writes `Ã¼`; and nothing that was replaced on the way is accepted.
    #[must_use]
    pub fn text(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let text = match (self, str::from_utf8(bytes)) {
            (Self::Utf8, Ok(text)) => Cow::Borrowed(text),
            (Self::Windows1252, Ok(text)) if bytes.is_ascii() => Cow::Borrowed(text),
            (Self::Windows1252, Err(_)) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
            _ => return None,
        };
        (!text.contains(char::REPLACEMENT_CHARACTER)).then_some(text)
    }

    /// The same for a preview: what is no text is shown as such.
    pub(super) fn lossy(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Windows1252 => WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }
}

/// Finds the encoding of a whole file, read piece by piece.
#[derive(Debug, Default)]
pub struct Scan {
    /// Bytes of a character whose rest is still to come.
    rest: Vec<u8>,
    is_odd_line: bool,
    is_beyond_ascii: bool,
    any_odd: bool,
    any_utf8: bool,
}

impl Scan {
    /// Looks at the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n' || *byte == b'\r') {
            self.is_beyond_ascii |= !part.is_ascii();
            if !self.is_odd_line {
                match still_utf8(std::mem::take(&mut self.rest), part) {
                    Some(rest) => self.rest = rest,
                    None => self.is_odd_line = true,
                }
            }
            if part.ends_with(b"\n") || part.ends_with(b"\r") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let is_odd = self.is_odd_line || !self.rest.is_empty();
        self.any_odd |= is_odd;
        self.any_utf8 |= self.is_beyond_ascii && !is_odd;
        (self.is_odd_line, self.is_beyond_ascii) = (false, false);
        self.rest.clear();
    }

    /// What the file is.
    #[must_use]
    pub fn end(mut self) -> Encoding {
        self.end_line();
        if self.any_odd && !self.any_utf8 { Encoding::Windows1252 } else { Encoding::Utf8 }
    }
}

/// What is left over of a character at the end of these bytes; nothing when they are not UTF-8.
fn still_utf8(mut before: Vec<u8>, bytes: &[u8]) -> Option<Vec<u8>> {
    let joined = if before.is_empty() {
        bytes
    } else {
        before.extend_from_slice(bytes);
        &before
    };
    match str::from_utf8(joined) {
        Ok(_) => Some(Vec::new()),
        Err(error) if error.error_len().is_none() => Some(joined[error.valid_up_to()..].to_vec()),
        Err(_) => None,
    }
}

/// Makes UTF-8 of UTF-16, piece by piece. A half character becomes U+FFFD, which no line comes in with.
pub struct Utf16(Decoder);

impl Utf16 {
    /// How to read a file that begins like this, if it is UTF-16: by its byte order mark, or where every other byte of at
    /// least eight is zero.
    #[must_use]
    pub fn of(beginning: &[u8]) -> Option<Self> {
        let zeros = |from: usize| beginning.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
        let half = beginning.len() / 2;
        let encoding = match beginning {
            [0xFF, 0xFE, ..] => UTF_16LE,
            [0xFE, 0xFF, ..] => UTF_16BE,
            _ if half >= 4 && zeros(0) == 0 && zeros(1) * 10 >= half * 9 => UTF_16LE,
            _ if half >= 4 && zeros(1) == 0 && zeros(0) * 10 >= half * 9 => UTF_16BE,
            _ => return None,
        };
        Some(Self(encoding.new_decoder_with_bom_removal()))
    }

    /// The next piece as UTF-8.
    #[must_use]
    pub fn decode(&mut self, bytes: &[u8], is_last: bool) -> String {
        let longest = self.0.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len() * 3);
        let mut text = String::with_capacity(longest);
        let _ = self.0.decode_to_string(bytes, &mut text, is_last);
        text
    }
}

/// A file as UTF-8 or Windows-1252, whatever it was.
pub struct Decoded<R> {
    source: R,
    utf16: Option<Utf16>,
    ready: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl<R: Read> Decoded<R> {
    /// Looks at the beginning of a source.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(mut source: R) -> io::Result<Self> {
        let mut ready = Vec::new();
        source.by_ref().take(4096).read_to_end(&mut ready)?;
        let mut utf16 = Utf16::of(&ready);
        if let Some(utf16) = &mut utf16 {
            ready = utf16.decode(&ready, false).into_bytes();
        }
        Ok(Self { source, utf16, ready, at: 0, is_over: false })
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() {
            if self.is_over {
                return Ok(0);
            }
            let Some(utf16) = &mut self.utf16 else { return self.source.read(into) };
            let mut bytes = [0; 8192];
            let read = self.source.read(&mut bytes)?;
            self.is_over = read == 0;
            self.ready = utf16.decode(&bytes[..read], read == 0).into_bytes();
            self.at = 0;
        }
        let length = into.len().min(self.ready.len() - self.at);
        into[..length].copy_from_slice(&self.ready[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(bytes: &[u8]) -> Encoding {
        let mut scan = Scan::default();
        for piece in bytes.chunks(1) {
            scan.feed(piece);
        }
        scan.end()
    }

    #[test]
    fn invariant_11_one_byte_does_not_decide_for_a_whole_list() {
        assert_eq!(scanned("Müller\nSüd 你好 €".as_bytes()), Encoding::Utf8);
        assert_eq!(scanned(b"plain\n"), Encoding::Utf8);
        assert_eq!(scanned(b"M\xFCller\nplain\n"), Encoding::Windows1252);
        assert_eq!(scanned(b"M\xC3\xBCller\nS\xFCd\n"), Encoding::Utf8);
        assert_eq!(Encoding::Windows1252.text("ü".as_bytes()), None, "it would become another word");
        assert_eq!(Encoding::Windows1252.text(b"\xFC").as_deref(), Some("ü"));
        assert_eq!(Encoding::Utf8.text(b"\xFC"), None);
    }

    #[test]
    fn utf16_is_read_with_and_without_its_mark() {
        let text = "email\nmüller@example.org €\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for bytes in [marked(b"\xFF\xFE", &little), marked(b"\xFE\xFF", &big), little.clone(), big.clone()] {
            let mut read = String::new();
            Decoded::new(&bytes[..]).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
        let mut same = String::new();
        Decoded::new(text.as_bytes()).unwrap().read_to_string(&mut same).unwrap();
        assert_eq!(same, text);
    }
}
