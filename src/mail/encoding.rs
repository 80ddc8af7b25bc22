//! Encodings of mail: quoted-printable bodies (RFC 2045 §6.7) and encoded words in headers (RFC 2047).
//!
//! Both give pure ASCII, so that no relay needs 8BITMIME.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::domain::address::EmailAddress;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Longest encoded line, without its CRLF (RFC 2045 §6.7, rule 5).
const LINE: usize = 76;

/// Appends one line of text, without its line end, in quoted-printable, and a CRLF.
///
/// Every line is encoded by itself: what stands in one line never changes how another is written. That is what
/// lets a mailing encode its common lines once and only the lines with merge fields for each recipient.
///
/// No line begins with a dot, so nothing has to be doubled on the wire (RFC 5321 §4.5.2), and no relay can get that
/// wrong. None begins with `From `, which a mailbox in the mbox format would quote, and so break the signature (RFC 4155).
pub fn quoted_printable_line(line: &str, out: &mut Vec<u8>) {
    let bytes = line.as_bytes();
    let mut column = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let last = at + 1 == bytes.len();
        let literal = match byte {
            b'=' => false,
            b'!'..=b'~' => true,
            // White space at the end of a line would be lost on the way.
            b' ' | b'\t' => !last,
            _ => false,
        };
        let width = if literal { 1 } else { 3 };
        // One column stays free for the `=` of a soft line break, unless this is where the line ends anyway.
        if column + width > if last { LINE } else { LINE - 1 } {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        let literal = literal && !(column == 0 && (byte == b'.' || separates_mails(&bytes[at..])));
        let width = if literal { 1 } else { 3 };
        if literal {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        column += width;
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a line that begins so would be taken for the beginning of the next mail in an mbox file, or for a quoted one:
/// `From `, `>From ` and so on.
fn separates_mails(line: &[u8]) -> bool {
    let quotes = line.iter().take(LINE).take_while(|byte| **byte == b'>').count();
    line[quotes..].starts_with(b"From ")
}

/// A `mailto:` URL (RFC 6068) with a subject. What has a meaning of its own in a URL or a header is written as hex.
#[must_use]
pub fn mailto(address: &EmailAddress, subject: &str) -> String {
    let encoded = |text: &str| {
        let mut out = String::with_capacity(text.len());
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
            }
        }
        out
    };
    let (local, domain) = address.parts();
    format!("mailto:{}@{domain}?subject={}", encoded(local), encoded(subject))
}

/// A header's free text: as it is when it is short plain ASCII, else as encoded words on folded lines.
///
/// `name` is the header's name, whose length counts towards the first line.
#[must_use]
pub fn unstructured(name: &str, text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let room = 78_usize.saturating_sub(name.len() + 2);
    // What looks like an encoded word must not be taken for one.
    if text.is_ascii() && text.len() <= room && !text.contains("=?") {
        return text;
    }
    encoded_words(&text, room)
}

/// A display name before an address (RFC 5322 §3.4): quoted where it has to be, encoded where it is not ASCII.
#[must_use]
pub fn display_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c);
    if name.is_ascii() && name.len() <= 60 && !name.contains("=?") && !name.chars().any(char::is_control) {
        if name.chars().all(plain) {
            return name.to_owned();
        }
        return format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    }
    encoded_words(name, 60)
}

/// Base64 encoded words of at most 75 characters (RFC 2047 §2), cut between characters, one a folded line.
fn encoded_words(text: &str, first_room: usize) -> String {
    // 12 characters are `=?UTF-8?B?` and `?=`; base64 makes 4 of 3.
    let bytes_in = |room: usize| (room.min(75).saturating_sub(12) / 4 * 3).max(6);
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let room = if words.is_empty() { bytes_in(first_room) } else { bytes_in(75) };
        if word.len() + c.len_utf8() > room {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let encoded: Vec<String> =
        words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(line: &str) -> String {
        let mut out = Vec::new();
        quoted_printable_line(line, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn umlauts_equals_signs_and_trailing_space_are_written_as_hex() {
        assert_eq!(encoded("für = "), "f=C3=BCr =3D=20\r\n");
        assert_eq!(encoded(""), "\r\n");
    }

    #[test]
    fn no_encoded_line_is_longer_than_76() {
        for text in
            ["ä".repeat(500), "x".repeat(500), "x".repeat(76), "x".repeat(77), format!("{}ä", "x".repeat(73))]
        {
            let line = encoded(&text);
            assert!(line.split("\r\n").all(|part| part.len() <= 76), "{line}");
            let parts: String = line.replace("=\r\n", "");
            assert!(parts.ends_with("\r\n"));
        }
        assert_eq!(encoded(&"x".repeat(76)), format!("{}\r\n", "x".repeat(76)));
    }

    #[test]
    fn a_dot_at_the_beginning_of_a_line_or_behind_a_soft_break_is_written_as_hex() {
        assert_eq!(encoded("."), "=2E\r\n");
        assert_eq!(encoded("..a."), "=2E.a.\r\n");
        let x = "x".repeat(75);
        assert_eq!(encoded(&format!("{x}.a")), format!("{x}=\r\n=2Ea\r\n"));
        assert_eq!(encoded(&format!("{x}.")), format!("{x}.\r\n"), "nothing is broken here");
        let dots = encoded(&".".repeat(500));
        assert!(dots.split("\r\n").all(|line| !line.starts_with('.') && line.len() <= 76), "{dots}");
        assert_eq!(dots.replace("=\r\n", "").replace("=2E", "."), format!("{}\r\n", ".".repeat(500)));
    }

    #[test]
    fn a_line_that_an_mbox_file_would_quote_is_written_so_that_it_need_not_be() {
        assert_eq!(encoded("From here on"), "=46rom here on\r\n");
        assert_eq!(encoded(">From here"), "=3EFrom here\r\n");
        assert_eq!(encoded(">>From here"), "=3E>From here\r\n");
        for harmless in
            ["From", "From: a", "from here", " From here", "> From here", "a From here", "Fromm b"]
        {
            assert_eq!(encoded(harmless), format!("{harmless}\r\n"));
        }
        let x = "x".repeat(75);
        assert_eq!(encoded(&format!("{x}From a")), format!("{x}=\r\n=46rom a\r\n"));
        let long = encoded(&format!("{}From a", ">".repeat(100_000)));
        assert!(long.split("\r\n").all(|line| !line.trim_start_matches('>').starts_with("From ")));
    }

    #[test]
    fn an_address_in_a_url_is_written_so_that_nothing_in_it_counts_as_url() {
        let of = |address: &str| mailto(&EmailAddress::parse(address).unwrap(), "Hilfe & mehr");
        assert_eq!(of("ro+a.b@straße.de"), "mailto:ro+a.b@xn--strae-oqa.de?subject=Hilfe%20%26%20mehr");
        assert_eq!(of("a?b&c%d@example.org"), "mailto:a%3Fb%26c%25d@example.org?subject=Hilfe%20%26%20mehr");
    }

    #[test]
    fn a_long_subject_is_folded_into_words_of_75_that_keep_characters_whole() {
        let subject =
            "Erfahrungsaustausch für Modellprojekte – „Förderung sozialer Innovationen“ im Überblick 🌍🌍🌍";
        let header = unstructured("Subject", subject);
        assert!(header.split("\r\n ").all(|word| word.len() <= 75));
        let decoded: String = header
            .split("\r\n ")
            .map(|word| {
                let inner = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
                String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap()
            })
            .collect();
        assert_eq!(decoded, subject);
    }

    #[test]
    fn a_line_break_in_a_subject_cannot_make_a_header() {
        assert_eq!(unstructured("Subject", "Hallo\r\nBcc: x@example.org"), "Hallo  Bcc: x@example.org");
    }

    #[test]
    fn names_are_quoted_only_where_they_must_be() {
        assert_eq!(display_name("LOK Lausitz"), "LOK Lausitz");
        assert_eq!(display_name("Muster, Maria \"MM\""), "\"Muster, Maria \\\"MM\\\"\"");
        assert!(display_name("Büro").starts_with("=?UTF-8?B?"));
    }
}
