//! What a reply of the relay means, in a word of ours: for those who are not to read the relay's words, in which a person may
//! be named, and who could do little with them.

/// A meaning, as a key of the pages' texts under `staff.meaning`.
///
/// Goes by the enhanced status code (RFC 3463) in the reply, and where there is none by the reply code.
#[must_use]
pub fn of(code: Option<i16>, text: &str) -> &'static str {
    let Some(code) = code else { return without_reply(text) };
    if text.starts_with("given up after ") {
        return "given_up";
    }
    let status = status(code, text);
    match (code, status) {
        (_, Some((1, 2) | (4, 4))) => "domain_unknown",
        (_, Some((2, 2))) | (552, None) => "mailbox_full",
        (_, Some((2, 3) | (3, 4))) => "too_large",
        (..500, _) => "later",
        (_, Some((1, 1 | 3 | 6 | 10) | (2, 1))) | (551, None) => "mailbox_unknown",
        (_, Some((7, _))) => "not_wanted",
        _ => "refused",
    }
}

/// Every key there is.
pub const ALL: [&str; 11] = [
    "given_up",
    "restored",
    "not_recorded",
    "no_reply",
    "domain_unknown",
    "mailbox_full",
    "too_large",
    "later",
    "mailbox_unknown",
    "not_wanted",
    "refused",
];

/// Where there is no reply, the text is ours.
fn without_reply(text: &str) -> &'static str {
    if text.contains("older state of the database") {
        "restored"
    } else if text.contains("outcome could not be recorded") || text.starts_with("the worker stopped") {
        "not_recorded"
    } else if text.contains("erased") {
        ""
    } else {
        "no_reply"
    }
}

/// The enhanced status code without its class, which repeats the reply code's.
fn status(code: i16, text: &str) -> Option<(u16, u16)> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut parts = word.split('.');
        let (Some(class), Some(subject), Some(detail), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let is_status =
            class.len() == 1 && class.parse() == Ok(code / 100) && subject.len() <= 3 && detail.len() <= 3;
        is_status.then(|| Some((subject.parse().ok()?, detail.parse().ok()?)))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_means_what_its_codes_say() {
        for (code, text, expected) in [
            (Some(550), "5.1.1 <m…r@example.org>: no such user", "mailbox_unknown"),
            (Some(550), "5.1.10 RESOLVER.ADR.RecipientNotFound", "mailbox_unknown"),
            (Some(550), "5.2.1 mailbox disabled", "mailbox_unknown"),
            (Some(550), "5.1.2 no such domain", "domain_unknown"),
            (Some(552), "5.2.2 over quota", "mailbox_full"),
            (Some(452), "4.2.2 over quota", "mailbox_full"),
            (Some(552), "mailbox is full", "mailbox_full"),
            (Some(552), "5.3.4 message too big", "too_large"),
            (Some(550), "5.7.1 looks like spam", "not_wanted"),
            (Some(450), "4.7.1 greylisted", "later"),
            (Some(421), "try again, 10.4.7.1", "later"),
            (Some(550), "no", "refused"),
            (Some(554), "192.0.2.1 is not welcome", "refused"),
            (None, "the line broke", "no_reply"),
        ] {
            assert_eq!(of(code, text), expected, "{text}");
            assert!(ALL.contains(&expected));
        }
    }
}
