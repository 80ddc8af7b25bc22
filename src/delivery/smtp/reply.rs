//! Replies, and whom a negative one is about: the recipient, or us.
//!
//! A relay has a handful of codes for everything, and the same 550 may mean that a mailbox is gone or that our quota is
//! used up. So these are looked at, in this order: an enhanced status code (RFC 3463) about the address or mailbox, words
//! that leave no doubt, any other status code, and, where there is none, words that are mostly used for one thing. Words
//! are looked for outside addresses, which a visitor may have typed. What stays unclear counts as about the recipient
//! here; when the relay says it to everybody, the run is noticed (see `domain::queue::refusals`).

use std::fmt::{self, Display};

use crate::{delivery::smtp::problem::RelayProblem, telemetry::mask_addresses};

/// What the relay answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Reply code, 200 to 599.
    pub code: u16,
    /// Its text, in one line.
    pub text: String,
}

impl Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// Whom a reply is about.
#[derive(Debug, Clone)]
pub enum Class {
    /// 5xx: this recipient or message.
    Recipient,
    /// 4xx: not now, this recipient or message.
    Later,
    /// 4xx: too many connections, or too much mail in too short a time.
    Rate,
    /// Our login, sender, quota or reputation, or that the relay does not relay for us.
    Us(RelayProblem),
    /// A matter of policy (5.7.x), which may be ours or one recipient's.
    UsPerhaps,
}

/// A reply as it may be shown for as long as a mailing is paused: it may quote the recipient.
pub fn masked(reply: &Reply) -> String {
    mask_addresses(&reply.to_string())
}

/// Reads a reply of 400 or more.
pub fn classify(reply: &Reply) -> Class {
    let text = without_addresses(&reply.text.to_lowercase());
    let status = status(reply.code, &text);
    let said = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    // The address or mailbox itself, whatever else is said: a relay may pass on another one's words about it.
    match (reply.code < 500, status) {
        (true, Some((1 | 2, _))) => return temporary(reply, &text, status),
        (false, Some((1, 1 | 2 | 3 | 6 | 10) | (2, 1 | 2))) => return Class::Recipient,
        _ => {}
    }
    // Words that leave no doubt, with whatever code.
    if is_relaying_denied(&text) || matches!(status, Some((7, 54 | 64))) {
        return Class::Us(RelayProblem::Policy(masked(reply)));
    }
    if reply.code < 500 {
        return temporary(reply, &text, status);
    }
    if matches!(reply.code, 530 | 534 | 535 | 538) || matches!(status, Some((7, 57))) || said(LOGIN) {
        return Class::Us(RelayProblem::Login(masked(reply)));
    }
    if matches!(status, Some((1, 7 | 8) | (7, 60))) || said(SENDER) {
        return Class::Us(RelayProblem::Sender(masked(reply)));
    }
    if status == Some((4, 5)) || said(OUR_QUOTA) {
        return Class::Us(RelayProblem::Policy(masked(reply)));
    }
    match status {
        // 0.0 says as much as none.
        None | Some((7, _) | (0, 0)) if said(REPUTATION) => Class::Us(RelayProblem::Policy(masked(reply))),
        Some((7, _)) => Class::UsPerhaps,
        None | Some((0, 0)) if !said(RECIPIENT) && said(DENIED) => Class::UsPerhaps,
        _ => Class::Recipient,
    }
}

/// Relays quote the recipient, and what stands there was typed by a visitor: it must not decide anything.
fn without_addresses(text: &str) -> String {
    let is_edge = |c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\'' | ',' | ';' | ':')
    };
    text.split_inclusive(is_edge).filter(|piece| !piece.contains('@')).collect()
}

fn temporary(reply: &Reply, text: &str, status: Option<(u16, u16)>) -> Class {
    let said = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    // Greylisting is meant to take its minutes. 4.1.x and 4.2.x speak of an address and a mailbox: that one may be
    // getting too much mail, too.
    if said(GREYLISTED) || matches!(status, Some((1 | 2, _))) {
        return Class::Later;
    }
    if said(TOO_MUCH) || text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "rate") {
        return Class::Rate;
    }
    match (reply.code, status) {
        (421, None | Some((7, _))) => Class::Rate,
        (_, Some((7, _))) if !said(LATER) => Class::Rate,
        _ => Class::Later,
    }
}

/// A relay that names itself "relay" has not refused to be one: the word must stand by itself.
fn is_relaying_denied(text: &str) -> bool {
    // Postfix's words for an unknown recipient.
    let text = text.replace("relay recipient table", "");
    let words = || {
        text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')))
            .map(|word| word.trim_matches('.'))
    };
    let denied = || {
        words().any(|word| {
            matches!(
                word,
                "denied"
                    | "not"
                    | "unable"
                    | "prohibited"
                    | "refused"
                    | "rejected"
                    | "forbidden"
                    | "disallowed"
                    | "cannot"
                    | "nicht"
                    | "kein"
                    | "verboten"
                    | "untersagt"
                    | "verweigert"
                    | "abgelehnt"
                    | "authentication"
                    | "without"
            )
        })
    };
    let is_named = words().any(|word| matches!(word, "relay" | "relaying" | "relayed" | "open-relay"));
    is_named && (denied() || text.contains("no relay"))
}

const LOGIN: &[&str] = &[
    "authentication required",
    "authentication is required",
    "must authenticate",
    "not authenticated",
    "requires authentication",
    "smtp auth required",
    "need to authenticate",
    "authentifizierung erforderlich",
    "anmeldung erforderlich",
    "bitte authentifizieren",
    "nicht angemeldet",
];

const SENDER: &[&str] = &[
    "sender address rejected",
    "sender address is not",
    "sender address not",
    "sender rejected",
    "sender denied",
    "sendasdenied",
    "send as this",
    "not owned by",
    "not allowed to send as",
    "not allowed to send from",
    "not permitted to send from",
    "not authorized to send from",
    "not authorized to use",
    "sender verify failed",
    "sender verification failed",
    "from address is not",
    "email address is not verified",
    "sender domain",
    "sender not",
    "invalid sender",
    "unverified sender",
    "absenderadresse",
    "absender nicht",
    "absender ist nicht",
];

const OUR_QUOTA: &[&str] = &[
    "sending quota",
    "sending limit",
    "submission quota",
    "submissionquota",
    "daily quota",
    "daily limit",
    "daily sending",
    "daily message",
    "daily user sending",
    "hourly limit",
    "hourly quota",
    "monthly limit",
    "monthly quota",
    "message limit",
    "recipient limit",
    "recipients limit",
    "mail limit",
    "email limit",
    "emails per",
    "messages per",
    "mails per",
    "limit of mails",
    "limit of messages",
    "out of credits",
    "no credits",
    "insufficient credits",
    "not enough credits",
    "sending rate",
    "rate limit",
    "ratelimit",
    "account is suspended",
    "account has been suspended",
    "account suspended",
    "account is not activated",
    "account is disabled for sending",
    "sending is paused",
    "sending paused",
    "versandlimit",
    "versandkontingent",
    "tageslimit",
    "kontingent",
    "limit erreicht",
];

const REPUTATION: &[&str] = &[
    "blacklist",
    "black list",
    "black-list",
    "blocklist",
    "block list",
    "block-list",
    "denylist",
    "dnsbl",
    "spamhaus",
    "spamcop",
    "barracuda",
    "sorbs",
    "blocked using",
    "reputation",
    "bad dns",
    "reverse dns",
    "ptr record",
    "client host",
    "helo command rejected",
    "your ip",
    "ip address",
    "your host",
    "your server",
    "sending ip",
    "nemesis esmtp",
    "no smtp service",
    "not allowed to connect",
    "blockliste",
    "sperrliste",
    "ihre ip",
    "ihr server",
];

const RECIPIENT: &[&str] = &[
    "user",
    "mailbox",
    "recipient",
    "no such",
    "does not exist",
    "doesn't exist",
    "unknown address",
    "address unknown",
    "account",
    "alias",
    "empfänger",
    "postfach",
    "benutzer",
    "adressat",
    "unbekannt",
    "existiert nicht",
];

const DENIED: &[&str] = &[
    "policy",
    "policies",
    "spam",
    "unsolicited",
    "not allowed",
    "not permitted",
    "not authorized",
    "not accepted",
    "access denied",
    "denied",
    "forbidden",
    "prohibited",
    "blocked",
    "banned",
    "richtlinie",
    "gesperrt",
    "blockiert",
    "verweigert",
    "nicht erlaubt",
    "nicht gestattet",
    "nicht berechtigt",
    "unerlaubt",
];

const GREYLISTED: &[&str] = &["greylist", "graylist", "grey list", "grey-list", "greylisting", "[gl0"];

const TOO_MUCH: &[&str] = &[
    "too many",
    "too much",
    "too fast",
    "too quickly",
    "throttl",
    "ratelimit",
    "concurren",
    "slow down",
    "connection limit",
    "connections exceeded",
    "limit exceeded",
    "limit reached",
    "limit has been reached",
    "exceeded the limit",
    "exceeded the maximum",
    "maximum number",
    "messages per",
    "quota exceeded",
    "sending quota",
    "sending limit",
    "message quota",
    "daily quota",
    "unexpected volume",
    "high volume",
    "zu viele",
    "zu schnell",
    "zu viel",
    "limit erreicht",
    "kontingent",
    "überschritten",
];

const LATER: &[&str] = &["try again", "try later", "retry", "please wait", "später", "erneut"];

/// The enhanced status code (RFC 3463) without its class, which repeats the reply code's.
fn status(code: u16, text: &str) -> Option<(u16, u16)> {
    let class = code / 100;
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut parts = word.split('.');
        let numbers = (parts.next()?, parts.next()?, parts.next()?, parts.next());
        let (first, subject, detail, None) = numbers else { return None };
        let is_short =
            first.len() == 1 && (1..=3).contains(&subject.len()) && (1..=3).contains(&detail.len());
        (is_short && first.parse() == Ok(class))
            .then(|| Some((subject.parse().ok()?, detail.parse().ok()?)))?
    })
}

/// The reply without what names a recipient, a message or a moment. Two refusals for the same reason have the same
/// pattern.
pub fn pattern(reply: &Reply) -> String {
    let mut pattern = reply.code.to_string();
    for (place, word) in reply.text.to_lowercase().split_whitespace().enumerate() {
        // `…` stands in what was masked.
        let varies = word.contains(['@', '.', '…']) || word.chars().any(|c| c.is_ascii_digit());
        let is_status = place == 0 && word.trim_matches(|c: char| c.is_ascii_digit()).starts_with('.');
        pattern.push(' ');
        pattern.push_str(if varies && !is_status { "*" } else { word });
    }
    pattern.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        Reply { code: text[..3].parse().unwrap(), text: text[4..].to_owned() }
    }

    fn word(text: &str) -> &'static str {
        match classify(&reply(text)) {
            Class::Recipient => "recipient",
            Class::Later => "later",
            Class::Rate => "rate",
            Class::Us(RelayProblem::Login(_)) => "login",
            Class::Us(RelayProblem::Sender(_)) => "sender",
            Class::Us(_) => "policy",
            Class::UsPerhaps => "perhaps",
        }
    }

    /// What relays really say, from their documentation, their sources and public logs.
    const REPLIES: &[(&str, &[&str])] = &[
        (
            "recipient",
            &[
                "550 5.1.1 <bob@example.org>: Recipient address rejected: User unknown in local recipient table",
                "550 5.1.1 <bob@example.org>: Recipient address rejected: User unknown in relay recipient table",
                "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking",
                "550 5.2.1 The email account that you tried to reach is disabled.",
                "552 5.2.2 The email account that you tried to reach is over quota.",
                "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
                "550 5.4.1 Recipient address rejected: Access denied. [AM5EUR02FT013.eop-EUR02.prod.protection.outlook.com]",
                "550 5.1.1 bob@example.org User unknown; rejecting",
                // What a visitor has typed decides nothing.
                "550 5.1.1 <relay@example.org>: Recipient address rejected: User unknown in local recipient table",
                "550 <x+relay@example.org>: Recipient rejected: user unknown",
                "550 <kontingent@example.org>: user unknown",
                "550 Unknown user blacklist@example.org",
                "550 5.2.1 This account is suspended",
                "550 Unrouteable address",
                "550 Unknown user",
                "550 Requested action not taken: mailbox unavailable",
                "550 No such user here",
                "550 mailbox is blocked",
                "550 5.1.1 mailbox does not exist; see our policy",
                "554 delivery error: dd This user doesn't have a yahoo.de account",
                "550 5.1.2 Bad destination mailbox address",
                "550 Invalid recipient: bob@example.org",
                "550 5.0.0 user unknown",
                "550 Benutzer unbekannt",
                "550 Empfänger existiert nicht",
                "552 5.3.4 Message size exceeds fixed limit",
                "550 mailbox of relay.example.org is full",
                "550 5.1.1 relay.example.org says: not a user",
                "550 5.1.1 no such user at this relay",
            ],
        ),
        (
            "policy",
            &[
                "550 5.4.5 Daily user sending limit exceeded. For more information, go to support.google.com",
                "550 5.4.5 Daily SMTP relay sending limit exceeded for this user",
                "550 5.4.5 Daily sending quota exceeded",
                "550-5.4.5 quota",
                "554 5.7.1 <bob@example.org>: Relay access denied",
                "454 4.7.1 <bob@example.org>: Relay access denied",
                "550 relay not permitted",
                "550 Relaying denied",
                "554 relay denied",
                "550 5.7.1 Unable to relay",
                "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
                "550 5.7.64 TenantAttribution; Relay Access Denied",
                "550 not permitted to relay through this server without authentication",
                "551 we do not relay",
                "550 no relaying, please",
                "550 5.7.1 Relaying denied. Proper authentication required.",
                "550 Weiterleitung (Relay) nicht erlaubt",
                "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
                "554 IP=192.0.2.1 - None/bad reputation. Ask your postmaster for help. (NOWL)",
                "554 gmx.net (mxgmx101) Nemesis ESMTP Service not available; No SMTP service; IP address is black listed",
                "554 web.de (mxweb010) Nemesis ESMTP Service not available No SMTP service Bad DNS PTR resource record.",
                "554 5.7.1 Your IP is listed in our blacklist",
                "550 5.7.1 Our system has detected an unusual rate of unsolicited mail originating from your IP address.",
                "550 Your message limit has been reached",
                "550 Versandlimit erreicht",
                "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
                "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP address.",
                "550 5.7.1 Daily message limit exceeded",
                "554 Sending paused for this account.",
            ],
        ),
        (
            "perhaps",
            &[
                "550 5.7.26 This mail has been blocked because the sender is unauthenticated.",
                "550 5.7.1 [CS] Message blocked due to spam content in the message.",
                "550 5.7.1 Message rejected as spam by Content Filtering.",
                "550 mail rejected for policy reasons",
                "554 Transaction failed; Reject due to policy restrictions.",
                "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication for group only",
                "550 5.7.1 recipient does not accept mail from outside the organisation",
                "550 5.7.515 Access denied, sending domain example.org does not meet the required level",
                "550 5.7.705 tenant has exceeded threshold",
                "554 5.7.1 rejected",
                "550 #5.7.1 Your access to submit messages has been rejected.",
                "550 Access denied",
                "550 Versand nicht erlaubt",
                "553 5.7.1 [BL21] Connections will not be accepted",
            ],
        ),
        (
            "login",
            &[
                "530 5.7.0 Authentication required",
                "535 5.7.8 Error: authentication failed",
                "530 5.7.57 Client not authenticated to send mail.",
                "550 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
                "550 authentication required",
                "550 Anmeldung erforderlich",
            ],
        ),
        (
            "sender",
            &[
                "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
                "553 5.7.1 <news@example.org>: Sender address rejected: not owned by user bob",
                "550 5.1.8 <news@example.org>: Sender address rejected: Domain not found",
                "554 Message rejected: Email address is not verified. The following identities failed the check",
                "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
                "550 Sender verify failed",
                "550 Absenderadresse nicht erlaubt",
            ],
        ),
        (
            "rate",
            &[
                "454 Throttling failure: Maximum sending rate exceeded.",
                "454 Throttling failure: Daily message quota exceeded.",
                "454 daily message quota exceeded",
                "421 4.7.28 Our system has detected an unusual rate of unsolicited mail",
                "421-4.7.28 rate limited",
                "421 4.7.0 [TSS04] MessageBuilder from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
                "450 4.7.1 Error: too much mail from 192.0.2.1",
                "450 4.7.1 Error: too many recipients from 192.0.2.1",
                "421 4.7.0 relay.example.org Error: too many connections from 192.0.2.1",
                "421 Too many concurrent SMTP connections; please try again later.",
                "452 4.5.3 Error: too many recipients",
                "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
                "432 4.3.2 Concurrent connections limit exceeded",
                "452 too many messages in this connection",
                "450 4.3.2 rate limit exceeded",
                "421 Service not available, closing transmission channel",
                "421 Ratelimit erreicht, zu viele Nachrichten",
                "450 Sie haben das Limit überschritten",
            ],
        ),
        (
            "later",
            &[
                "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
                "450 4.2.0 <bob@example.org>: Recipient address rejected: Greylisted, see https://postgrey.example/",
                "451 4.7.1 Greylisting in action, please come back later",
                "450 4.7.1 greylisted",
                "421 4.7.0 [GL01] Message from (192.0.2.1) temporarily deferred",
                "452 4.2.2 The email account that you tried to reach is over quota",
                "452 4.3.1 Insufficient system storage",
                "421 4.3.2 shutting down",
                "451 4.7.1 Please try again later",
                "451 4.3.0 Temporary lookup failure",
                "450 mailbox busy",
                "451 temporary local problem",
                "421 4.4.2 timeout exceeded",
            ],
        ),
    ];

    #[test]
    fn what_relays_really_say_is_understood() {
        let all =
            REPLIES.iter().flat_map(|(expected, replies)| replies.iter().map(move |text| (expected, text)));
        let wrong: Vec<_> = all
            .filter(|(expected, text)| word(text) != **expected)
            .map(|(expected, text)| format!("{expected}, not {}: {text}", word(text)))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn refusals_for_the_same_reason_have_the_same_key() {
        let same = |a: &str, b: &str| pattern(&reply(a)) == pattern(&reply(b));
        assert!(same(
            "550 5.7.1 <a@one.example> rejected (id 4F2a9) by mx1.relay.example",
            "550 5.7.1 <b@two.example> rejected (id 77QQ1) by mx2.relay.example"
        ));
        assert!(!same("550 5.1.1 user unknown", "550 5.2.2 mailbox full"));
        assert!(!same("550 5.1.1 rejected", "550 5.7.1 rejected"));
        assert!(!same("550 no", "554 no"));
    }
}
