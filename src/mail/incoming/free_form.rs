//! Reports for people alone: of servers that know no other form, or are older than it.
//!
//! What comes first is what the server says; what was sent comes back behind a line that says so. Only a message that says it was
//! not delivered, and names somebody, is a report.

use std::collections::HashSet;

use mail_parser::{Message, MimeHeaders as _, PartType};

use super::{Kind, MOST_RECIPIENTS, Recipient, Report, line, verdict};

/// Lines that are looked at, and how far each of them is.
const MOST_LINES: usize = 400;
const LONGEST_LINE: usize = 2_000;

/// The report in a message; nothing where it is none.
pub fn read(message: &Message<'_>) -> Option<Report> {
    let said = said(message);
    let subject = message.subject().unwrap_or_default().to_lowercase();
    let words = format!("{subject}\n{}", verdict::plain(&said.join("\n")));
    let begins = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    let is_delayed = begins(DELAYED);
    if !is_delayed && !begins(FAILED) {
        return None;
    }
    let sender =
        message.from().and_then(|from| from.first()).and_then(|from| from.address()).map(str::to_lowercase);
    if !is_of_server(message, sender.as_deref(), &subject) {
        return None;
    }
    // Whose words it cannot be about: who reports, and who sent the mail.
    let mut known: HashSet<String> = sender.into_iter().chain(original_senders(&said)).collect();
    let mut addresses: Vec<String> = Vec::new();
    let mut reasons = String::new();
    for text in said.iter().filter(|text| !is_aside(text)) {
        for address in addresses_in(text) {
            if !is_of_staff(&address) && addresses.len() < MOST_RECIPIENTS && known.insert(address.clone()) {
                addresses.push(address);
            }
        }
        reasons.push_str(text);
        reasons.push('\n');
    }
    if addresses.is_empty() {
        return None;
    }
    let kind = if is_delayed { Kind::Delayed } else { verdict::of_failure(None, &reasons) };
    let diagnostic = line(&reasons);
    let action = if is_delayed { "delayed" } else { "failed" };
    let mut report = Report::of(kind);
    report.recipients.extend(addresses.into_iter().map(|address| Recipient {
        address,
        action: Some(action.to_owned()),
        status: None,
        diagnostic: diagnostic.clone(),
    }));
    Some(report)
}

/// The lines that the server itself has written.
fn said(message: &Message<'_>) -> Vec<String> {
    let text = words_of(message);
    let lines = text.lines().take(MOST_LINES).map(|line| beginning(line.trim()).to_owned());
    lines.take_while(|line| !is_copy(line)).filter(|line| !line.is_empty()).collect()
}

/// As much of a line as is looked at, up to the end of a word.
fn beginning(line: &str) -> &str {
    if line.len() <= LONGEST_LINE {
        return line;
    }
    let line = &line[..line.floor_char_boundary(LONGEST_LINE)];
    line.rfind(char::is_whitespace).map_or("", |end| &line[..end])
}

/// The first text of a message; HTML as its words, in its own lines.
fn words_of(message: &Message<'_>) -> String {
    let part = message.text_body.first().or(message.html_body.first()).and_then(|part| message.part(*part));
    match part.map(|part| &part.body) {
        Some(PartType::Text(text)) => text.to_string(),
        Some(PartType::Html(html)) => without_tags(html),
        _ => String::new(),
    }
}

fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    for piece in html.split('<') {
        // Before the first tag there is none to leave out.
        let (tag, text) = piece.split_once('>').unwrap_or(("", piece));
        let tag = tag.trim_start_matches('/').to_ascii_lowercase();
        if tag.starts_with("br")
            || tag.starts_with('p')
            || tag.starts_with("div")
            || tag.starts_with("tr")
            || tag.starts_with("li")
        {
            out.push('\n');
        }
        // An address in angle brackets looks like a tag.
        if tag.contains('@') {
            out.extend(["<", &tag, "> "]);
        }
        out.push_str(text);
    }
    out.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", " ")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// Whether what was sent begins here.
fn is_copy(line: &str) -> bool {
    let line = line.to_lowercase();
    COPIES.iter().any(|words| line.contains(words))
        || line.starts_with("return-path:")
        || line.starts_with("received: ")
}

/// Addresses that the report quotes as the sender of what was sent.
fn original_senders(said: &[String]) -> Vec<String> {
    let from = said.iter().filter(|line| line.to_lowercase().starts_with("from:"));
    from.flat_map(|line| addresses_in(line)).collect()
}

/// Whether a server writes, and not a person who tells of mail that was not delivered.
fn is_of_server(message: &Message<'_>, sender: Option<&str>, subject: &str) -> bool {
    let local = sender.and_then(|sender| sender.split('@').next()).unwrap_or_default();
    let has_no_sender = message.header_raw("return-path").is_some_and(|path| path.trim() == "<>");
    let is_marked =
        message.header_raw("auto-submitted").is_some_and(|value| !value.trim().eq_ignore_ascii_case("no"));
    let is_report = message.content_type().is_some_and(|of| of.subtype() == Some("report"));
    let is_answer = ["re:", "aw:", "fw:", "wg:"].iter().any(|begin| subject.trim_start().starts_with(begin));
    has_no_sender
        || is_marked
        || is_report
        // One gateway's words, behind the subject that it answers.
        || subject.contains("non remis")
        || SERVERS.iter().any(|name| local.contains(name))
        || (!is_answer && SUBJECTS.iter().any(|words| subject.contains(words)))
}

const SERVERS: &[&str] = &[
    "daemon",
    "postmaster",
    "mdaemon",
    "mailer",
    "system",
    "admin",
    "bounce",
    "mail-",
    "noreply",
    "no-reply",
];

/// How servers call their reports.
const SUBJECTS: &[&str] = &[
    "undeliver",
    "delivery",
    "failure",
    "returned mail",
    "non-delivery",
    "mail error",
    "failed mail",
    "not delivered",
    "could not be delivered",
    "unzustellbar",
    "zustellung",
    "nicht zugestellt",
    "non remis",
    "rejected",
    "user unknown",
    "delayed",
];

/// Somebody to turn to, and not somebody who was written to.
fn is_of_staff(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    matches!(local, "postmaster" | "mailer-daemon" | "abuse" | "support" | "hostmaster" | "helpdesk")
}

fn is_aside(line: &str) -> bool {
    let line = line.to_lowercase();
    let is_head = ["cc:", "subject:", "betreff:", "message-id:", "from:", "von:"]
        .iter()
        .any(|name| line.starts_with(name));
    let words = [
        "contact",
        "please include",
        "for assistance",
        "for help",
        "questions",
        "kontaktieren",
        "wenden sie sich",
        "mail from",
    ];
    is_head || words.iter().any(|words| line.contains(words))
}

/// The addresses in a line, in lower case.
fn addresses_in(line: &str) -> Vec<String> {
    let is_edge = |c: char| {
        c.is_whitespace()
            || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\'' | ',' | ';' | ':' | '*' | '=')
    };
    let words = line.split(is_edge).map(|word| word.trim_end_matches(['.', '!', '?', '…']));
    let is_address = |word: &&str| {
        word.len() <= 254
            && word.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty()
                    && domain.contains('.')
                    && !domain.contains('@')
                    && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
            })
    };
    words.filter(is_address).map(str::to_lowercase).collect()
}

const FAILED: &[&str] = &[
    "could not be delivered",
    "couldn't be delivered",
    "cannot be delivered",
    "can not be delivered",
    "not be delivered",
    "was not delivered",
    "were not delivered",
    "not delivered",
    "not been delivered",
    "undeliverable",
    "undelivered",
    "unable to deliver",
    "wasn't able to deliver",
    "not able to deliver",
    "were unable to deliver",
    "could not deliver",
    "couldn't deliver",
    "cannot deliver",
    "delivery failed",
    "delivery has failed",
    "delivery failure",
    "failed recipient",
    "delivery to the following recipient",
    "permanent error",
    "permanent fatal",
    "did not reach",
    "following addresses failed",
    "addresses failed",
    "address failed",
    "failed addresses",
    "returned mail",
    "mail returned",
    "has been returned",
    "have been returned",
    "rejected",
    "did not receive",
    "did not exactly match",
    "user unknown",
    "invalid final delivery",
    "encountered delivery problems",
    "delivery problem",
    "failure notice",
    "non-delivery",
    "nicht zugestellt",
    "konnte nicht zugestellt",
    "unzustellbar",
    "nicht zustellbar",
    "zustellung fehlgeschlagen",
    "nicht ausgeliefert",
    "nicht angenommen",
    "zurückgewiesen",
    "no pudo ser entregado",
    "pas pu etre delivre",
    "n'a pas pu",
    "not delivered to",
    "mailbox is full",
    "does not have a final email delivery",
    "encountered an error",
    "no valid recipients",
    "recipients failed",
    "recipient failed",
    "was aborted after",
    "returned an error",
    "error description",
    "не может быть доставлено",
];

const DELAYED: &[&str] = &[
    "not yet been delivered",
    "has been delayed",
    "delivery delayed",
    "message delayed",
    "delayed mail",
    "warning message only",
    "will continue to try",
    "continue to attempt",
    "attempts will continue",
    "will be retried",
    "no action is required on your part",
    "has been postponed",
    "still trying",
    "could not be delivered yet",
    "noch nicht zugestellt",
    "verzögert",
    "wird weiter versucht",
    "weiterhin versuch",
    "(delay)",
];

/// How servers begin the copy of what was sent.
const COPIES: &[&str] = &[
    "below this line is a copy",
    "below the next line is a copy",
    "is a copy of the message",
    "is a copy of your message",
    "a copy of the original message below",
    "original message follows",
    "original message attached",
    "original message headers",
    "original message as received",
    "message text follows",
    "message headers follow",
    "header of the original",
    "headers follow",
    "returned mail follows",
    "returned mail ---",
    "------ returned mail",
    "start of returned message",
    "unsent message below",
    "original message -----",
    "old message:",
    "--- original message",
    "original message details",
    "message header follows",
    "included is a copy of the message header",
    "header and top 20 lines",
    "first 50 lines of your original",
    "your message reads",
    "summary of the undelivered message",
    "mensaje original",
    "header of the source mail",
    "first part of the message",
    "ursprüngliche nachricht",
    "kopie der nachricht",
    "originalnachricht",
    "attachment is a copy",
    "transcript of session follows --nothing",
];
