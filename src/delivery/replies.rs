//! Replies that lettre would not read, mended on the way to it.
//!
//! RFC 5321 §4.2 lets a relay leave out the text of a reply, and even the space before it, and asks clients to accept
//! that. lettre does not, nor does it accept a text that is not UTF-8. Taken at its word, a relay that answers `250`
//! alone, or with an umlaut in an old encoding, would make every delivery `unknown`. So the space is put in, and bytes
//! that are not ASCII become question marks.

/// Watches a relay's bytes go by.
#[derive(Debug, Default)]
pub struct Replies {
    /// Where in the current line we are.
    line: Line,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Line {
    /// Nothing has come of it yet.
    #[default]
    Begins,
    /// So many digits, one to three, and nothing else.
    Digits(u8),
    /// Something that is no bare code.
    Other,
}

impl Replies {
    /// The bytes, mended; nothing when they are right as they are.
    pub fn mended(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut mended: Option<Vec<u8>> = None;
        for (at, &byte) in bytes.iter().enumerate() {
            if matches!(byte, b'\r' | b'\n') && self.line == Line::Digits(3) {
                mended.get_or_insert_with(|| bytes[..at].to_vec()).push(b' ');
            }
            if !byte.is_ascii() {
                mended.get_or_insert_with(|| bytes[..at].to_vec());
            }
            if let Some(mended) = &mut mended {
                mended.push(if byte.is_ascii() { byte } else { b'?' });
            }
            self.line = match (self.line, byte) {
                (_, b'\n') => Line::Begins,
                (Line::Begins, b'0'..=b'9') => Line::Digits(1),
                (Line::Digits(count @ 1..3), b'0'..=b'9') => Line::Digits(count + 1),
                _ => Line::Other,
            };
        }
        mended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(pieces: &[&str]) -> String {
        let mut replies = Replies::default();
        pieces
            .iter()
            .map(|piece| {
                let bytes = replies.mended(piece.as_bytes()).unwrap_or_else(|| piece.as_bytes().to_vec());
                String::from_utf8(bytes).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_code_alone_gets_its_space_wherever_the_reads_fall() {
        assert_eq!(mended(&["250\r\n"]), "250 \r\n");
        assert_eq!(mended(&["2", "5", "0", "\r", "\n", "354\n"]), "250 \r\n354 \n");
        assert_eq!(mended(&["250-a\r\n250\r\n", "550 no\r\n"]), "250-a\r\n250 \r\n550 no\r\n");
    }

    #[test]
    fn a_text_in_an_old_encoding_is_no_reason_not_to_read_the_code() {
        let mut replies = Replies::default();
        assert_eq!(replies.mended(b"250 \xfcbernommen\r\n").unwrap(), b"250 ?bernommen\r\n");
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in [
            "250 ok\r\n",
            "250-\r\n250 \r\n",
            "25\r\n",
            "2500\r\n",
            "\r\n\r\n",
            "hello 250\r\n",
            "250 250\r\n",
        ] {
            assert_eq!(mended(&[text]), text);
            assert_eq!(Replies::default().mended(text.as_bytes()), None, "nothing is copied");
        }
    }
}
