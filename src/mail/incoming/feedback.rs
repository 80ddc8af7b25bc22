//! Complaints: a reader pressed "spam" (RFC 5965), as lists and relays are told of it, also by RFC 9477.

use mail_parser::Message;

use super::{Kind, Recipient, Report, header, is_of_type, text_of};

/// Whether a report of this type is a reader's complaint. A failed signature (RFC 6591), a mail that is no spam after all: about
/// no reader.
pub fn is_complaint(feedback_type: &str) -> bool {
    matches!(feedback_type.to_lowercase().as_str(), "abuse" | "fraud" | "opt-out" | "opt-out-list")
}

/// The complaint in a message; nothing where there is none.
pub fn read(message: &Message<'_>) -> Option<Report> {
    let part = message.parts.iter().find(|part| is_of_type(part, "message", &["feedback-report"]))?;
    let fields = text_of(part)?;
    let kind =
        if is_complaint(&header(&fields, "feedback-type")?) { Kind::Complaint } else { Kind::Unrecognised };
    let mut report = Report::of(kind);
    let address = header(&fields, "original-rcpt-to").or_else(|| header(&fields, "removal-recipient"));
    report.recipients.extend(address.map(|address| Recipient {
        address: address.trim_matches(['<', '>', ' ']).to_owned(),
        ..Recipient::default()
    }));
    report.remote_mta = header(&fields, "reporting-mta")
        .map(|mta| mta.rsplit(';').next().unwrap_or_default().trim().to_owned());
    Some(report)
}
