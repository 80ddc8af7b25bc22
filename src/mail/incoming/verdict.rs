//! What a failed delivery means for its recipient: by its status code (RFC 3463, RFC 5248 and the registry of IANA), and by its
//! words where the code says too little.
//!
//! Reports quote addresses that visitors have typed; words are looked for outside of them.

use super::Kind;

/// Says what a report means that a recipient did not and will not get the mail. `status` is what the report says apart from
/// the words, such as `5.1.1`; `diagnostic` may begin with a reply, `smtp; 550 5.1.1 unknown user`.
pub fn of_failure(status: Option<&str>, diagnostic: &str) -> Kind {
    let text = plain(diagnostic);
    let own = status.and_then(code_in);
    let quoted = code_in(&text);
    // The receiver's own code is nearer to what happened than the one a relay has made of it.
    let code = match (own, quoted) {
        (Some(own), Some(quoted)) if own.says_little() => quoted,
        (Some(own), _) => own,
        (None, Some(quoted)) => quoted,
        (None, None) => reply_code(&text).map_or(Code { class: 5, subject: 0, detail: 0 }, Code::of_reply),
    };
    let words = by_words(&text);
    let kind = by_code(code, &text, words).or(words);
    kind.unwrap_or(if code.class == 4 { Kind::Soft } else { Kind::Hard })
}

/// The same of a reply of the relay to us, where nothing but its code and words is known: what they do not say is not known.
/// A mail that was given up was put off again and again, so its reason may pass.
pub fn of_reply(code: Option<i16>, text: &str) -> Kind {
    let Some(code) = code.and_then(|code| u16::try_from(code).ok()) else { return Kind::Unrecognised };
    let text = plain(text);
    let words = by_words(&text);
    if code < 500 {
        return if words == Some(Kind::Policy) { Kind::Policy } else { Kind::Soft };
    }
    let quoted = code_in(&text).unwrap_or_else(|| Code::of_reply(code));
    by_code(quoted, &text, words).or(words).unwrap_or(Kind::Unrecognised)
}

/// Says what words mean by themselves, of a text that is [`plain`]; nothing where they say nothing of a recipient.
fn by_words(text: &str) -> Option<Kind> {
    let said = |phrases| said(text, phrases);
    // In this order: "no such user" may stand in an explanation behind "message is likely spam", and "quota" beside both.
    if said(POLICY) {
        Some(Kind::Policy)
    } else if said(FULL) || said(TOO_LARGE) || (said(NOT_NOW) && !is_plain_unknown(text)) {
        Some(Kind::Soft)
    } else if said(UNKNOWN) || said(DISABLED) || said(NO_HOST) {
        Some(Kind::Hard)
    } else {
        None
    }
}

fn said(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// An enhanced status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Code {
    class: u16,
    subject: u16,
    detail: u16,
}

impl Code {
    /// What a reply code says by itself (RFC 5321 §4.2.3).
    fn of_reply(code: u16) -> Self {
        let (subject, detail) = match code {
            552 => (2, 2),
            551 => (1, 6),
            _ => (0, 0),
        };
        Self { class: code / 100, subject, detail }
    }

    /// Whether it says no more than that it failed.
    fn says_little(self) -> bool {
        self.subject == 0 || self.detail == 0
    }
}

fn by_code(code: Code, text: &str, words: Option<Kind>) -> Option<Kind> {
    let is_full = said(text, FULL);
    Some(match (code.class, code.subject, code.detail) {
        (5, 7, 17) => Kind::Hard,
        // 5.7.1 is used for everything.
        (5, 7, 0 | 1) if is_plain_unknown(text) && words != Some(Kind::Policy) => Kind::Hard,
        // Refused for a reason of the sender's: its address, its rights, its quota, what it has sent.
        (5, 1, 7 | 8) | (5, 4, 5 | 6) | (5, 6 | 7, _) => Kind::Policy,
        // Two that contradict each other are not certain.
        (5, 1, 1..=3 | 6 | 10) | (5, 2, 1) if is_full => Kind::Soft,
        (5, 2, 1) if matches!(words, Some(Kind::Policy | Kind::Soft)) => words?,
        // Not routed: because there is no such host, or because nobody answered for days.
        (5, 4, 4) if words == Some(Kind::Soft) => Kind::Soft,
        (5, 1, 1..=3 | 6 | 10) | (5, 2, 1) | (5, 4, 4) => Kind::Hard,
        (4 | 5, 2, 2 | 3) | (4 | 5, 3, 4) | (5, 4, 7) => Kind::Soft,
        (5, 4, 1) => words.unwrap_or(Kind::Policy),
        (4, _, _) if words == Some(Kind::Policy) => Kind::Policy,
        (4, _, _) => Kind::Soft,
        _ => return None,
    })
}

/// Whether words leave no doubt that a mailbox is not there, whatever code stands beside them.
fn is_plain_unknown(text: &str) -> bool {
    said(text, PLAINLY_UNKNOWN)
}

const PLAINLY_UNKNOWN: &[&str] = &[
    "user unknown",
    "unknown user",
    "no such user",
    "no mailbox here",
    "mailbox not found",
    "does not exist",
    "benutzer unbekannt",
    "empfänger unbekannt",
];

/// The first enhanced status code in a text.
fn code_in(text: &str) -> Option<Code> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut parts = word.trim_matches('.').split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let is_code =
            parts.next().is_none() && matches!(class, "4" | "5") && subject.len() <= 3 && detail.len() <= 3;
        is_code.then(|| {
            Some(Code {
                class: class.parse().ok()?,
                subject: subject.parse().ok()?,
                detail: detail.parse().ok()?,
            })
        })?
    })
}

/// The first reply code in a text: three digits by themselves.
fn reply_code(text: &str) -> Option<u16> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '@')));
    words
        .filter(|word| word.len() == 3)
        .filter_map(|word| word.parse().ok())
        .find(|code| (400..600).contains(code))
}

/// In lower case, in one line, without addresses.
pub fn plain(text: &str) -> String {
    let text = text.to_lowercase().replace('\u{a0}', " ").replace('’', "'");
    let is_edge =
        |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '"' | ',' | ';');
    let pieces = text.split_inclusive(is_edge).filter(|piece| !piece.contains('@'));
    pieces.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What was sent, or who sent it, is not wanted.
const POLICY: &[&str] = &[
    "spam",
    "unsolicited",
    "blacklist",
    "blocklist",
    "block list",
    "black list",
    "blocked using",
    "listed at",
    "reputation",
    "message looks like",
    "looks like spam",
    "policy",
    "content rejected",
    "message content",
    "message refused",
    "message was blocked",
    "has been blocked",
    "relay access denied",
    "relaying denied",
    "unable to relay",
    "relay not permitted",
    "not permitted to relay",
    "dmarc",
    "spf check",
    "spf fail",
    "not authenticated",
    "unauthenticated",
    "authentication required",
    "sender denied",
    "sender address rejected",
    "sender rejected",
    "sender verify",
    "bad dns",
    "reverse dns",
    "ptr record",
    "poor rate",
    "too many hops",
    "mail loop",
    "message looping",
    "hop count",
    "virus found",
    "contains a virus",
    "virus detected",
    "not accepting mail from",
    "nicht autorisiert",
    "abgelehnt: spam",
    "richtlinie",
    "sperrliste",
    "sender domain",
    "sender's",
    "sending domain",
    "your ip",
    "ip address is",
    "client host",
    "helo",
    "rdns",
    "administrative prohibition",
    "blocked",
    "(bl)",
    "ask your postmaster",
    "at a rate that",
    "too many messages",
    "absender",
    "ihre ip",
];

const FULL: &[&str] = &[
    "quota",
    "mailbox full",
    "mailbox is full",
    "mail box full",
    "mailbox size",
    "full mailbox",
    "inbox is full",
    "inbox full",
    "out of storage",
    "over limit",
    "space not enough",
    "insufficient storage",
    "not enough storage",
    "exceeded storage",
    "disk full",
    "exceeding their",
    "user is over",
    "exceeded their limit",
    "postfach voll",
    "postfach ist voll",
    "postfach des empfängers ist voll",
    "speicherplatz",
    "kontingent",
    "quota erreicht",
];

const TOO_LARGE: &[&str] = &[
    "message too large",
    "message size",
    "too big",
    "exceeds size",
    "size limit",
    "maximum inbound message size",
    "nachricht ist zu groß",
    "zu groß",
];

const NOT_NOW: &[&str] = &[
    "greylist",
    "graylist",
    "try again later",
    "try later",
    "temporar",
    "timed out",
    "time-out",
    "timeout",
    "connection refused",
    "not reachable",
    "could not connect",
    "cannot connect",
    "couldn't connect",
    "wasn't able to establish",
    "unable to connect",
    "no answer",
    "in the queue too long",
    "queue period",
    "maximum-time-expired",
    "retry timeout",
    "retry time",
    "message expired",
    "dns query failed",
    "server unavailable",
    "too many connections",
    "rate limit",
    "has not been collected",
    "delivery time expired",
    "vorübergehend",
    "nicht erreichbar",
    "später erneut",
    "zeitüberschreitung",
];

const UNKNOWN: &[&str] = &[
    "user unknown",
    "unknown user",
    "no such user",
    "user not known",
    "not known at this",
    "unknown recipient",
    "recipient unknown",
    "no such recipient",
    "unknown address",
    "address unknown",
    "unknown mailbox",
    "no mailbox",
    "no such mailbox",
    "mailbox not found",
    "mailbox unavailable",
    "invalid mailbox",
    "invalid recipient",
    "recipient not found",
    "user not found",
    "not a valid user",
    "not a valid mailbox",
    "does not exist",
    "doesn't exist",
    "not exist",
    "no such address",
    "invalid address",
    "bad address",
    "address rejected",
    "recipient rejected",
    "recipient address rejected",
    "account that you tried to reach",
    "doesn't have a",
    "does not have a",
    "not listed in",
    "no longer valid",
    "not recognized",
    "illegal user",
    "unrouteable address",
    "not our customer",
    "bad destination mailbox",
    "invalid final delivery userid",
    "no matches to nameserver",
    "unknown local",
    "unknown or illegal",
    "no such person",
    "is not known",
    "not a known user",
    "no user by that name",
    "isn't a valid",
    "n'existe pas",
    "inconnu",
    "utilisateur inconnu",
    "benutzer unbekannt",
    "unbekannter benutzer",
    "empfänger unbekannt",
    "unbekannter empfänger",
    "existiert nicht",
    "adresse unbekannt",
    "postfach nicht gefunden",
    "nicht gefunden",
    "kein solcher",
    "ist unbekannt",
    "nicht bekannt",
    "nicht vorhanden",
    "usuario desconocido",
];

const DISABLED: &[&str] = &[
    "disabled",
    "inactive",
    "deactivated",
    "suspended",
    "discontinued",
    "account closed",
    "no longer available",
    "no longer active",
    "expired account",
    "account has expired",
    "not accepting",
    "no longer accept",
    "deaktiviert",
    "konto gesperrt",
    "postfach gesperrt",
    "nicht mehr aktiv",
    "nicht mehr verfügbar",
    "nicht mehr erreichbar",
];

const NO_HOST: &[&str] = &[
    "host unknown",
    "unknown host",
    "host not found",
    "domain not found",
    "no such domain",
    "no such host",
    "nxdomain",
    "name or service not known",
    "domain unknown",
    "unknown domain",
    "host or domain name not found",
    "could not find a gateway",
    "null mx",
    "nullmx",
    "does not accept mail",
    "no mail server",
    "bad domain",
    "unresolvable",
    "domain does not",
    "domain nicht gefunden",
    "unbekannte domain",
    "domäne nicht gefunden",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whom_a_failure_is_about() {
        for (status, diagnostic, kind) in [
            (
                "5.1.1",
                "smtp; 550 5.1.1 <a@example.org>: Recipient address rejected: User unknown",
                Kind::Hard,
            ),
            ("5.0.0", "smtp; 550 5.1.1 unknown", Kind::Hard),
            ("5.1.10", "smtp; 556 5.1.10 Domain has a null MX", Kind::Hard),
            ("5.2.1", "smtp; 550 5.2.1 The email account that you tried to reach is disabled", Kind::Hard),
            ("5.2.2", "smtp; 552 5.2.2 Mailbox full", Kind::Soft),
            ("5.3.4", "smtp; 552 5.3.4 Message size exceeds fixed limit", Kind::Soft),
            ("4.4.1", "connect to mx.example.org: Connection timed out", Kind::Soft),
            (
                "5.7.1",
                "smtp; 550 5.7.1 Our system has detected that this message is likely unsolicited mail",
                Kind::Policy,
            ),
            (
                "5.7.515",
                "smtp; 550 5.7.515 Access denied, sending domain does not meet the required level",
                Kind::Policy,
            ),
            ("5.7.26", "smtp; 550-5.7.26 This mail is unauthenticated", Kind::Policy),
            ("5.7.1", "smtp; 550 5.7.1 <spam.hater@example.org>: User unknown", Kind::Hard),
            ("5.0.0", "smtp; 554 Transaction failed", Kind::Hard),
            (
                "5.0.0",
                "smtp; 554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help) (BL)",
                Kind::Policy,
            ),
            ("5.7.1", "smtp; 550 5.7.1 Sender domain does not exist", Kind::Policy),
            (
                "5.2.1",
                "smtp; 550 5.2.1 The user is receiving mail at a rate that prevents delivery",
                Kind::Policy,
            ),
            ("5.2.1", "smtp; 550 5.2.1 Mailbox temporarily disabled", Kind::Soft),
            ("5.4.312", "smtp; 550 5.4.312 Message expired, DNS query failed", Kind::Soft),
            ("5.0.0", "smtp; 554 Ihre IP-Adresse ist gesperrt", Kind::Policy),
            ("5.0.0", "smtp; 554 Reject: message looks like spam", Kind::Policy),
        ] {
            assert_eq!(of_failure(Some(status), diagnostic), kind, "{status} {diagnostic}");
        }
    }

    #[test]
    fn what_stands_in_an_address_decides_nothing() {
        assert_eq!(of_failure(Some("5.1.1"), "550 5.1.1 <quota.full@spam.example> unknown"), Kind::Hard);
        assert_eq!(of_failure(None, "550 <user-unknown@example.org> mailbox is full"), Kind::Soft);
    }
}
