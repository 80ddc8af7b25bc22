//! What mail providers tell of our mails over HTTP, each in a form of its own.
//!
//! | file | reads the events of |
//! |---|---|
//! | `amazon_ses` | Amazon SES, unpacked from SNS |
//! | `postmark`, `mailgun`, `brevo`, `sendgrid`, `mailjet` | the provider of that name |
//!
//! A provider says whether a mail will never arrive; its words, and those of the receiving server, say why. Where the two
//! contradict each other the milder one counts: a full mailbox is no reason to end a subscription, whatever a provider
//! calls it.

mod amazon_ses;
mod brevo;
mod mailgun;
mod mailjet;
mod postmark;
mod sendgrid;

use serde_json::Value;

use crate::config::HookProvider;

use super::{Kind, MOST_RECIPIENTS, Recipient, Report, line, verdict};

/// One thing that a provider tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it means.
    pub report: Report,
    /// What the mail was marked with, see [`hook_mark`](crate::mail::hook_mark).
    pub mark: Option<String>,
    /// The envelope sender with which the provider got the mail.
    pub return_path: Option<String>,
    /// Whether somebody has to decide about it, even if it is certain which mail it is about.
    pub is_for_a_person: bool,
    /// The event as a message that can be kept and read like any other.
    pub message: Vec<u8>,
}

/// What a provider says happened to a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It will never arrive at this address.
    Permanent,
    /// It was given up this time, or not tried because an earlier one had come back: no server has said anything of this one.
    Transient,
    /// It was refused because of what was sent, or who sent it.
    Refused,
    /// The reader called it spam.
    Complaint,
    /// The provider goes on trying.
    Delayed,
    /// A program of the reader's has answered.
    AutoReply,
    /// The reader has left by a link of the provider's own.
    Left,
    /// Something that is not known to mean anything.
    Unclear,
}

/// An event as far as its provider's form matters.
struct Told {
    claim: Claim,
    /// What the provider calls it.
    name: String,
    recipients: Vec<Recipient>,
    message_id: Option<String>,
    mark: Option<String>,
    return_path: Option<String>,
    remote_mta: Option<String>,
}

/// What is told in the body of a request: one event, or a list of them. What says nothing of a mail that did not arrive or
/// was not wanted (delivered, opened) is left out.
#[must_use]
pub fn read(provider: HookProvider, body: &Value) -> Vec<Event> {
    let told = match provider {
        HookProvider::Ses => amazon_ses::told,
        HookProvider::Postmark => postmark::told,
        HookProvider::Mailgun => mailgun::told,
        HookProvider::Brevo => brevo::told,
        HookProvider::Sendgrid => sendgrid::told,
        HookProvider::Mailjet => mailjet::told,
    };
    let events = body.as_array().map_or(std::slice::from_ref(body), Vec::as_slice);
    let events = events.iter().filter(|event| event.is_object());
    events.filter_map(|event| Some(told(event)?.into_event(provider, event))).collect()
}

impl Told {
    /// About one recipient.
    fn of(claim: Claim, name: &str, recipient: Recipient) -> Self {
        Self {
            claim,
            name: name.to_owned(),
            recipients: vec![recipient],
            message_id: None,
            mark: None,
            return_path: None,
            remote_mta: None,
        }
    }

    fn into_event(self, provider: HookProvider, event: &Value) -> Event {
        let mut recipients = self.recipients;
        recipients.truncate(MOST_RECIPIENTS);
        let kinds = recipients.iter().map(|recipient| self.claim.weighed(recipient));
        // The gravest counts, as in a report with several recipients.
        let kind = kinds.min().unwrap_or(Kind::Unrecognised);
        Event {
            report: Report { kind, recipients, message_id: self.message_id, remote_mta: self.remote_mta },
            mark: self.mark,
            return_path: self.return_path,
            is_for_a_person: self.claim == Claim::Left,
            // Beside it stands Mailgun's signature, which is another one when it comes again.
            message: message(provider, &self.name, event.get("event-data").unwrap_or(event)),
        }
    }
}

impl Claim {
    fn weighed(self, recipient: &Recipient) -> Kind {
        let words = recipient.diagnostic.as_deref().unwrap_or_default();
        let status = recipient.status.as_deref();
        let says_nothing = words.is_empty() && status.is_none();
        let meaning = || verdict::of_failure(status, words);
        match self {
            Claim::Permanent if says_nothing => Kind::Hard,
            Claim::Permanent => meaning(),
            Claim::Transient if !says_nothing && meaning() == Kind::Policy => Kind::Policy,
            Claim::Transient => Kind::Soft,
            Claim::Refused if !says_nothing && meaning() == Kind::Soft => Kind::Soft,
            Claim::Refused => Kind::Policy,
            Claim::Complaint => Kind::Complaint,
            Claim::Delayed => Kind::Delayed,
            Claim::AutoReply => Kind::AutoReply,
            Claim::Left | Claim::Unclear => Kind::Unrecognised,
        }
    }
}

/// A recipient that failed.
fn recipient(address: Option<&str>, status: Option<&str>, words: Option<&str>) -> Recipient {
    Recipient {
        // None is longer (RFC 5321 §4.5.3.1).
        address: address.unwrap_or_default().trim_matches(['<', '>', ' ']).chars().take(320).collect(),
        action: None,
        status: status.and_then(line),
        diagnostic: words.and_then(line),
    }
}

/// The text at a place of an event, if it is there and not empty.
fn text<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event.pointer(pointer)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// An event as a message: its head says what it is, its text is the event.
fn message(provider: HookProvider, name: &str, event: &Value) -> Vec<u8> {
    let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    let head =
        format!("Subject: {}: {name}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", provider.name());
    // Printing JSON that was read does not fail.
    [head, serde_json::to_string_pretty(event).unwrap_or_default()].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Kind and recipients of what one event means; nothing where it says nothing.
    fn meaning(provider: HookProvider, event: &Value) -> Option<(Kind, Vec<String>)> {
        let event = read(provider, event).pop()?;
        let addresses = event.report.recipients.iter().map(|recipient| recipient.address.clone());
        Some((event.report.kind, addresses.collect()))
    }

    fn check(provider: HookProvider, events: impl IntoIterator<Item = (Value, Option<Kind>)>) {
        for (event, kind) in events {
            let found = meaning(provider, &event);
            let expected = kind.map(|kind| (kind, vec!["s1@example.org".to_owned()]));
            assert_eq!(found, expected, "{event}");
        }
    }

    #[test]
    fn amazon_says_what_for_good_and_what_for_now_and_its_servers_say_why() {
        let bounce = |kind: &str, detail: &str, status: Option<&str>, words: Option<&str>| {
            json!({ "notificationType": "Bounce", "bounce": { "bounceType": kind, "bounceSubType": detail,
                "bouncedRecipients": [{ "emailAddress": "s1@example.org", "status": status, "diagnosticCode": words }] } })
        };
        let complaint = |kind: &str| {
            json!({ "eventType": "Complaint", "complaint": { "complaintFeedbackType": kind,
                "complainedRecipients": [{ "emailAddress": "s1@example.org" }] } })
        };
        let of = |name: &str| json!({ "eventType": name, "mail": { "destination": ["s1@example.org"] } });
        check(
            HookProvider::Ses,
            [
                (
                    bounce("Permanent", "General", Some("5.1.1"), Some("smtp; 550 5.1.1 user unknown")),
                    Some(Kind::Hard),
                ),
                (bounce("Permanent", "NoEmail", None, None), Some(Kind::Hard)),
                (
                    bounce("Permanent", "General", Some("5.2.2"), Some("smtp; 552 5.2.2 mailbox full")),
                    Some(Kind::Soft),
                ),
                (
                    bounce(
                        "Permanent",
                        "General",
                        Some("5.7.1"),
                        Some("smtp; 550 5.7.1 blocked using spamhaus"),
                    ),
                    Some(Kind::Policy),
                ),
                (
                    bounce(
                        "Permanent",
                        "OnAccountSuppressionList",
                        Some("5.1.1"),
                        Some(
                            "Amazon SES did not send the message to this address because it is on the suppression list for your account",
                        ),
                    ),
                    Some(Kind::Soft),
                ),
                (bounce("Transient", "MailboxFull", Some("5.2.2"), None), Some(Kind::Soft)),
                (bounce("Transient", "ContentRejected", None, None), Some(Kind::Policy)),
                // Somebody's answer while they are away.
                (bounce("Transient", "General", None, None), Some(Kind::Unrecognised)),
                (bounce("Undetermined", "Undetermined", None, None), Some(Kind::Unrecognised)),
                (complaint("abuse"), Some(Kind::Complaint)),
                (complaint("auth-failure"), Some(Kind::Unrecognised)),
                (complaint("not-spam"), Some(Kind::Unrecognised)),
                (of("Reject"), Some(Kind::Policy)),
                (of("Delivery"), None),
                (of("Open"), None),
                (of("Something New"), Some(Kind::Unrecognised)),
                (json!("no event"), None),
            ],
        );
    }

    #[test]
    fn mailgun_goes_on_trying_until_it_says_that_it_gave_up() {
        let failed = |severity: &str, reason: &str, code: u16, words: &str| {
            json!({ "event-data": { "event": "failed", "severity": severity, "reason": reason, "recipient": "s1@example.org",
                "delivery-status": { "code": code, "message": words } } })
        };
        let of = |name: &str| json!({ "event-data": { "event": name, "recipient": "s1@example.org" } });
        check(
            HookProvider::Mailgun,
            [
                (failed("permanent", "bounce", 550, "5.1.1 user unknown"), Some(Kind::Hard)),
                (
                    failed(
                        "permanent",
                        "suppress-bounce",
                        605,
                        "Not delivering to previously bounced address",
                    ),
                    Some(Kind::Soft),
                ),
                (
                    failed(
                        "permanent",
                        "suppress-complaint",
                        607,
                        "Not delivering to a user who marked your messages as spam",
                    ),
                    Some(Kind::Unrecognised),
                ),
                (
                    failed(
                        "permanent",
                        "suppress-unsubscribe",
                        606,
                        "Not delivering to unsubscribed address",
                    ),
                    Some(Kind::Unrecognised),
                ),
                (failed("permanent", "bounce", 552, "5.2.2 mailbox full"), Some(Kind::Soft)),
                (failed("permanent", "old", 602, "Too old"), Some(Kind::Soft)),
                (failed("permanent", "espblock", 421, "try again later"), Some(Kind::Soft)),
                (failed("permanent", "espblock", 550, "blocked"), Some(Kind::Policy)),
                (failed("temporary", "generic", 451, "greylisted"), Some(Kind::Delayed)),
                (of("complained"), Some(Kind::Complaint)),
                (of("unsubscribed"), Some(Kind::Unrecognised)),
                (of("rejected"), Some(Kind::Policy)),
                (of("delivered"), None),
                (of("clicked"), None),
            ],
        );
    }

    #[test]
    fn postmark_has_a_name_for_each_kind() {
        let bounce = |kind: &str| json!({ "RecordType": "Bounce", "Type": kind, "Email": "s1@example.org" });
        let changed = |why: &str, origin: &str| {
            json!({ "RecordType": "SubscriptionChange", "SuppressSending": true, "SuppressionReason": why,
                "Origin": origin, "Recipient": "s1@example.org" })
        };
        let full = json!({ "RecordType": "Bounce", "Type": "HardBounce", "Email": "s1@example.org",
            "Details": "smtp;552 5.2.2 mailbox full" });
        check(
            HookProvider::Postmark,
            [
                (bounce("HardBounce"), Some(Kind::Hard)),
                (full, Some(Kind::Soft)),
                (bounce("BadEmailAddress"), Some(Kind::Hard)),
                (bounce("SoftBounce"), Some(Kind::Soft)),
                (bounce("Transient"), Some(Kind::Delayed)),
                (bounce("SpamNotification"), Some(Kind::Policy)),
                (bounce("Blocked"), Some(Kind::Policy)),
                (bounce("AutoResponder"), Some(Kind::AutoReply)),
                (bounce("SpamComplaint"), Some(Kind::Complaint)),
                (bounce("Unknown"), Some(Kind::Unrecognised)),
                (json!({ "RecordType": "SpamComplaint", "Email": "s1@example.org" }), Some(Kind::Complaint)),
                (changed("ManualSuppression", "Recipient"), Some(Kind::Unrecognised)),
                (changed("HardBounce", "Recipient"), None),
                (json!({ "RecordType": "Delivery", "Recipient": "s1@example.org" }), None),
            ],
        );
    }

    #[test]
    fn brevo_sendgrid_and_mailjet_in_their_words() {
        let brevo =
            |name: &str, reason: &str| json!({ "event": name, "email": "s1@example.org", "reason": reason });
        check(
            HookProvider::Brevo,
            [
                (brevo("hard_bounce", "550 5.1.1 user unknown"), Some(Kind::Hard)),
                (brevo("hard_bounce", "554 5.7.1 looks like spam"), Some(Kind::Policy)),
                (brevo("soft_bounce", "452 4.2.2 mailbox full"), Some(Kind::Soft)),
                (brevo("invalid_email", ""), Some(Kind::Hard)),
                (brevo("deferred", "greylisted"), Some(Kind::Delayed)),
                (brevo("spam", ""), Some(Kind::Complaint)),
                (brevo("unsubscribed", ""), Some(Kind::Unrecognised)),
                (brevo("blocked", ""), Some(Kind::Unrecognised)),
                (brevo("delivered", ""), None),
                (brevo("opened", ""), None),
            ],
        );
        let sendgrid = |name: &str, kind: &str, status: &str, reason: &str| json!({ "event": name, "type": kind, "email": "s1@example.org", "status": status, "reason": reason });
        check(
            HookProvider::Sendgrid,
            [
                (sendgrid("bounce", "bounce", "5.1.1", "550 5.1.1 unknown user"), Some(Kind::Hard)),
                (sendgrid("bounce", "bounce", "5.2.2", "552 5.2.2 mailbox full"), Some(Kind::Soft)),
                (
                    sendgrid("bounce", "blocked", "4.0.0", "blocked by your ip's reputation"),
                    Some(Kind::Policy),
                ),
                (sendgrid("bounce", "blocked", "5.2.2", "mailbox full"), Some(Kind::Soft)),
                (sendgrid("dropped", "", "", "Bounced Address"), Some(Kind::Soft)),
                (sendgrid("dropped", "", "", "Spam Reporting Address"), Some(Kind::Unrecognised)),
                (sendgrid("dropped", "", "", "Unsubscribed Address"), Some(Kind::Unrecognised)),
                (sendgrid("dropped", "", "", "Spam Content"), Some(Kind::Policy)),
                (sendgrid("deferred", "", "", "greylisted"), Some(Kind::Delayed)),
                (sendgrid("spamreport", "", "", ""), Some(Kind::Complaint)),
                (sendgrid("group_unsubscribe", "", "", ""), Some(Kind::Unrecognised)),
                (sendgrid("delivered", "", "", ""), None),
            ],
        );
        let mailjet = |name: &str, is_hard: bool, about: &str, error: &str| json!({ "event": name, "email": "s1@example.org", "hard_bounce": is_hard, "error_related_to": about, "error": error });
        check(
            HookProvider::Mailjet,
            [
                (mailjet("bounce", true, "recipient", "user unknown"), Some(Kind::Hard)),
                (mailjet("bounce", true, "domain", "no mail host"), Some(Kind::Hard)),
                (mailjet("bounce", false, "recipient", "quota exceeded"), Some(Kind::Soft)),
                (mailjet("bounce", true, "recipient", "quota exceeded"), Some(Kind::Soft)),
                (mailjet("bounce", true, "spam", "blacklisted"), Some(Kind::Policy)),
                (mailjet("blocked", false, "mailjet", "preblocked"), Some(Kind::Unrecognised)),
                (mailjet("spam", false, "", ""), Some(Kind::Complaint)),
                (mailjet("unsub", false, "", ""), Some(Kind::Unrecognised)),
                (mailjet("sent", false, "", ""), None),
            ],
        );
    }

    #[test]
    fn a_list_of_events_is_read_one_by_one() {
        let list = json!([
            { "event": "delivered", "email": "a@example.org" },
            { "event": "spamreport", "email": "b@example.org" },
            7,
            { "event": "bounce", "type": "bounce", "email": "c@example.org" },
        ]);
        let kinds: Vec<Kind> =
            read(HookProvider::Sendgrid, &list).into_iter().map(|event| event.report.kind).collect();
        assert_eq!(kinds, [Kind::Complaint, Kind::Hard]);
    }
}
