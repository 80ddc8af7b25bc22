//! What a reply of the relay means, as one of a few meanings that pages have words for: for those who are not to read the
//! relay's words, in which a person may be named, and who could do little with them.
//!
//! Only codes are read (RFC 3463 and the IANA registry of enhanced status codes), never words: what they do not say is
//! not known.

use strum::VariantArray;

/// What a reply means. Each has its words in the pages' texts under `staff.meaning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Meaning {
    /// Tried for days, and never taken.
    GivenUp,
    /// An older state of the database came back; whether it had gone out is not known.
    Restored,
    /// The service stopped while it went out; whether the relay has it is not known.
    NotRecorded,
    /// The line broke, or no answer came.
    NoReply,
    DomainUnknown,
    MailboxUnknown,
    MailboxDisabled,
    MailboxFull,
    TooLarge,
    /// Not now; it is tried again.
    Later,
    /// The server behind the relay does not answer.
    HostAway,
    /// Mail to this address goes round in circles.
    Loop,
    SenderRefused,
    /// The receiving side does not accept that the mail is ours: SPF, DKIM or DMARC (RFC 7372).
    NotAuthenticated,
    /// Too much mail in too short a time.
    TooMany,
    ContentRefused,
    /// Refused by a policy: reputation, spam, or no permission.
    NotWanted,
    /// Refused, with no code that says why.
    Refused,
}

impl Meaning {
    /// Every one there is.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Its key in the pages' texts.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.into()
    }
}

/// What the outcome of a delivery means, by its reply code and text as they are stored. Nothing where all is well, or where
/// the text is a note of ours about why nothing was sent.
#[must_use]
pub fn of(code: Option<i16>, text: &str) -> Option<Meaning> {
    let Some(code) = code else { return without_reply(text) };
    if code < 400 {
        return None;
    }
    if text.starts_with("given up after ") {
        return Some(Meaning::GivenUp);
    }
    Some(match (code, status(code, text)) {
        (_, Some((1, 2))) | (500.., Some((4, 4))) => Meaning::DomainUnknown,
        (_, Some((2, 2))) | (552, None) => Meaning::MailboxFull,
        (_, Some((2, 3) | (3, 4))) => Meaning::TooLarge,
        (_, Some((7, 20..=24 | 26 | 29 | 509 | 515))) => Meaning::NotAuthenticated,
        (_, Some((7, 28))) => Meaning::TooMany,
        (_, Some((4, 1..=4 | 7))) => Meaning::HostAway,
        (..500, _) => Meaning::Later,
        (_, Some((1, 1 | 3 | 6 | 10) | (7, 17))) | (551, None) => Meaning::MailboxUnknown,
        (_, Some((2, 1) | (7, 13))) => Meaning::MailboxDisabled,
        (_, Some((1, 7 | 8))) => Meaning::SenderRefused,
        (_, Some((4, 6))) => Meaning::Loop,
        (_, Some((6, _))) => Meaning::ContentRefused,
        (_, Some((7, _))) => Meaning::NotWanted,
        _ => Meaning::Refused,
    })
}

/// The same of a reply that stands in one text with its code, such as `550 5.1.1 unknown user`.
#[must_use]
pub fn of_line(line: &str) -> Option<Meaning> {
    let (code, text) = line.split_once(' ').unwrap_or((line, ""));
    let code = code.parse().ok().filter(|code| (400..600).contains(code))?;
    of(Some(code), text)
}

/// The codes of a reply, such as `550 5.1.1`: what a person who looks after mail servers asks for, and names nobody.
#[must_use]
pub fn codes(code: Option<i16>, text: &str) -> Option<String> {
    let code = code.filter(|code| *code >= 400)?;
    let status = status(code, text);
    Some(status.map_or_else(
        || code.to_string(),
        |(subject, detail)| format!("{code} {}.{subject}.{detail}", code / 100),
    ))
}

/// Where there is no reply, the text is ours.
fn without_reply(text: &str) -> Option<Meaning> {
    if text.contains("older state of the database") {
        Some(Meaning::Restored)
    } else if text.contains("outcome could not be recorded") || text.starts_with("the worker stopped") {
        Some(Meaning::NotRecorded)
    } else if text.contains("erased") {
        None
    } else {
        Some(Meaning::NoReply)
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
            (Some(550), "5.1.1 <m…r@example.org>: no such user", Meaning::MailboxUnknown),
            (Some(550), "5.1.10 RESOLVER.ADR.RecipientNotFound", Meaning::MailboxUnknown),
            (Some(550), "5.2.1 mailbox disabled", Meaning::MailboxDisabled),
            (Some(550), "5.1.2 no such domain", Meaning::DomainUnknown),
            (Some(552), "5.2.2 over quota", Meaning::MailboxFull),
            (Some(452), "4.2.2 over quota", Meaning::MailboxFull),
            (Some(552), "mailbox is full", Meaning::MailboxFull),
            (Some(552), "5.3.4 message too big", Meaning::TooLarge),
            (Some(550), "5.7.1 looks like spam", Meaning::NotWanted),
            (Some(550), "5.7.26 unauthenticated", Meaning::NotAuthenticated),
            (Some(550), "5.7.515 does not meet the required authentication level", Meaning::NotAuthenticated),
            (Some(421), "4.7.28 an unusual rate", Meaning::TooMany),
            (Some(450), "4.4.1 no answer from host", Meaning::HostAway),
            (Some(550), "5.4.4 unable to route", Meaning::DomainUnknown),
            (Some(554), "5.4.6 hop count exceeded", Meaning::Loop),
            (Some(554), "5.6.0 message content rejected", Meaning::ContentRefused),
            (Some(450), "4.7.1 greylisted", Meaning::Later),
            (Some(421), "try again, 10.4.7.1", Meaning::Later),
            (Some(550), "no", Meaning::Refused),
            (Some(550), "mailbox is full", Meaning::Refused),
            (Some(554), "192.0.2.1 is not welcome", Meaning::Refused),
            (None, "the line broke", Meaning::NoReply),
        ] {
            assert_eq!(of(code, text), Some(expected), "{text}");
        }
        assert_eq!(of(Some(250), "2.0.0 queued"), None);
    }

    #[test]
    fn the_codes_of_a_reply_are_told_without_its_words() {
        let of = |code, text| codes(Some(code), text);
        assert_eq!(of(550, "5.1.1 <maria@example.org>: unknown").as_deref(), Some("550 5.1.1"));
        assert_eq!(of(550, "User maria unknown").as_deref(), Some("550"));
        assert_eq!(of(250, "2.0.0 queued"), None);
        assert_eq!(of_line("550 5.1.1 unknown"), Some(Meaning::MailboxUnknown));
        assert_eq!(of_line("connection refused"), None);
    }
}
