//! What a relay is told about reports (RFC 3461): when to send one, and what to put into it.

use std::fmt::Write as _;

use crate::domain::address::EmailAddress;

/// Parameters of MAIL and of RCPT, each beginning with a space: the heads of the message are enough, and the report says
/// whom it was for and which message it was, by `id`. A delay is told as well.
pub fn parameters(id: &str, to: &EmailAddress) -> (String, String) {
    let mail = format!(" RET=HDRS ENVID={}", xtext(id));
    // The address as it was given to us, whatever is made of it on the way.
    let rcpt = format!(" NOTIFY=FAILURE,DELAY ORCPT=rfc822;{}", xtext(to.as_str()));
    (mail, rcpt)
}

/// A text as a parameter's value (RFC 3461 §4).
fn xtext(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b'!'..=b'~') && byte != b'+' && byte != b'=' {
            written.push(char::from(byte));
        } else {
            let _ = write!(written, "+{byte:02X}");
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_with_a_meaning_are_written_as_numbers() {
        let to = EmailAddress::parse("maria+a=b@example.org").unwrap();
        let (mail, rcpt) = parameters("0a1b@brief.example.org", &to);
        assert_eq!(mail, " RET=HDRS ENVID=0a1b@brief.example.org");
        assert_eq!(rcpt, " NOTIFY=FAILURE,DELAY ORCPT=rfc822;maria+2Ba+3Db@example.org");
        assert_eq!(xtext("a b\r\nä"), "a+20b+0D+0A+C3+A4");
    }
}
