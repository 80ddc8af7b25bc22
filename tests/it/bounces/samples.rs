//! Messages as mail servers and people's programs write them, in our own words and with addresses for examples.

use rundbrief::mail::incoming::Kind;

/// A message, and what it says.
pub struct Sample {
    /// Whose form it has.
    pub of: &'static str,
    pub message: &'static str,
    pub kind: Kind,
    pub addresses: &'static [&'static str],
}

/// A report for programs (RFC 3464) with these fields of a recipient, about a mail of ours.
pub fn report(fields: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mail.example.org\nTo: bounces@brief.example.org\nSubject: Undelivered Mail Returned to Sender\n\
         Auto-Submitted: auto-replied\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nYour mail could not be delivered.\n\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example.org\n\n{fields}\n\n\
         --b\nContent-Type: text/rfc822-headers\n\nFrom: brief@example.org\nSubject: Neues\nMessage-ID: <019ad.update@brief.example.org>\n\n\
         --b--\n"
    )
}

const ERIKA: &[&str] = &["erika@example.org"];

pub const SAMPLES: [Sample; 25] = [
    Sample {
        of: "qmail",
        message: "From: MAILER-DAEMON@mail.example.org\nSubject: failure notice\n\nHi. This is the qmail-send program at mail.example.org.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<erika@example.org>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <brief@example.org>\nTo: jemand.anders@example.org\n",
        kind: Kind::Hard,
        addresses: ERIKA,
    },
    Sample {
        of: "qmail, a full mailbox",
        message: "From: MAILER-DAEMON@mail.example.org\nSubject: failure notice\n\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<erika@example.org>:\nUser is over quota. (#5.1.1)\n",
        kind: Kind::Soft,
        addresses: ERIKA,
    },
    Sample {
        of: "Exim",
        message: "From: Mail Delivery System <Mailer-Daemon@mail.example.org>\nAuto-Submitted: auto-replied\nSubject: Mail delivery failed: returning message to sender\n\nThis message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  erika@example.org\n    host mx.example.org [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:<erika@example.org>:\n    550 unknown user\n\n------ This is a copy of the message, including all the headers. ------\n\nTo: jemand.anders@example.org\n",
        kind: Kind::Hard,
        addresses: ERIKA,
    },
    Sample {
        of: "Exim, not yet",
        message: "From: Mailer-Daemon@mail.example.org\nSubject: Warning: message 1abc delayed 24 hours\n\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue on mail.example.org.\n\nThe address to which the message has not yet been delivered is:\n\n  erika@example.org\n\nNo action is required on your part. Delivery attempts will continue for\nsome time.\n",
        kind: Kind::Delayed,
        addresses: ERIKA,
    },
    Sample {
        of: "T-Online",
        message: "From: MAILER-DAEMON@mailin.example.net\nSubject: Mail delivery failed\n\n|------------------------- Message log follows: -------------------------|\n no valid recipients were found for this message\n|------------------------- Failed addresses follow: ---------------------|\n <erika@example.org> ... unknown user\n|------------------------- Message text follows: ------------------------|\nTo: jemand.anders@example.org\n",
        kind: Kind::Hard,
        addresses: ERIKA,
    },
    Sample {
        of: "GMX",
        message: "From: GMX Mailer Daemon <mailer-daemon@gmx.example>\nSubject: Mail delivery failed: returning message to sender\n\nThis message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of\nits recipients. This is a permanent error. The following address failed:\n\n\"erika@example.org\":\n552 5.2.2 Mailbox full\n\n--- The header of the original message is following. ---\n",
        kind: Kind::Soft,
        addresses: ERIKA,
    },
    Sample {
        of: "Exchange, German",
        message: "From: Postmaster <postmaster@example.org>\nSubject: Unzustellbar: Neues vom Projekt\n\nFehler bei der Nachrichtenzustellung an folgende Empfänger oder Gruppen:\n\nerika@example.org\nDie eingegebene E-Mail-Adresse konnte nicht gefunden werden. Der Empfänger ist unbekannt.\nDie Nachricht wurde nicht zugestellt.\n",
        kind: Kind::Hard,
        addresses: ERIKA,
    },
    Sample {
        of: "Exchange, English",
        message: "From: System Administrator <postmaster@example.org>\nSubject: Undeliverable: Neues vom Projekt\n\nYour message\n\n  To:      Leserinnen und Leser\n  Subject: Neues vom Projekt\n  Sent:    Fri, 27 Nov 2026 09:00:00 +0100\n\ndid not reach the following recipient(s):\n\nerika@example.org on Fri, 27 Nov 2026 09:01:00 +0100\n    The recipient name is not recognized\n",
        kind: Kind::Hard,
        addresses: ERIKA,
    },
    Sample {
        of: "Domino",
        message: "From: Postmaster@example.org\nSubject: DELIVERY FAILURE: User erika not listed in Domino Directory\n\nYour message\n\n  Subject: Neues vom Projekt\n\nwas not delivered to:\n\n  erika@example.org\n\nbecause:\n\n  User erika (erika@example.org) not listed in Domino Directory\n",
        kind: Kind::Hard,
        addresses: ERIKA,
    },
    Sample {
        of: "Yahoo",
        message: "From: MAILER-DAEMON@yahoo.example\nSubject: Failure Notice\n\nSorry, we were unable to deliver your message to the following address.\n\n<erika@example.org>:\nThis account has been disabled or discontinued.\n\n--- Below this line is a copy of the message.\n",
        kind: Kind::Hard,
        addresses: ERIKA,
    },
    Sample {
        of: "Google Groups",
        message: "From: Mail Delivery Subsystem <mailer-daemon@googlemail.example>\nSubject: Delivery Status Notification (Failure)\nContent-Type: text/html; charset=utf-8\n\n<html><body><p>Hallo,</p><p>die Nachricht an <b>erika@example.org</b> wurde nicht zugestellt:<br>Die Gruppe existiert nicht.</p></body></html>\n",
        kind: Kind::Hard,
        addresses: ERIKA,
    },
    Sample {
        of: "a relay of old, refused for spam",
        message: "From: MAILER-DAEMON@mail.example.org\nSubject: Returned mail: see transcript for details\n\n   ----- The following addresses had permanent fatal errors -----\n<erika@example.org>\n    (reason: 554 5.7.1 Message blocked: listed at bl.example.net)\n",
        kind: Kind::Policy,
        addresses: ERIKA,
    },
    Sample {
        of: "Postfix, a report for programs",
        message: "From: MAILER-DAEMON@mail.example.org\nAuto-Submitted: auto-replied\nSubject: Undelivered Mail Returned to Sender\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nThis is the mail system at host mail.example.org.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example.org\n\nFinal-Recipient: rfc822; erika@example.org\nOriginal-Recipient: rfc822;erika@example.org\nAction: failed\nStatus: 5.4.4\nDiagnostic-Code: X-Postfix; Host or domain name not found. Name service error for name=example.org type=A: Host not found\n\n--b--\n",
        kind: Kind::Hard,
        addresses: ERIKA,
    },
    Sample {
        of: "Gmail, unsolicited",
        message: "From: mailer-daemon@googlemail.example\nSubject: Delivery Status Notification (Failure)\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; googlemail.example\n\nFinal-Recipient: rfc822; erika@example.org\nAction: failed\nStatus: 5.7.1\nRemote-MTA: dns; gmail-smtp-in.example\nDiagnostic-Code: smtp; 550-5.7.1 Our system has detected that this message is likely unsolicited mail.\n\n--b--\n",
        kind: Kind::Policy,
        addresses: ERIKA,
    },
    Sample {
        of: "Outlook, not authenticated",
        message: "From: postmaster@outlook.example\nSubject: Undeliverable: Neues\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; outlook.example\n\nFinal-Recipient: rfc822; erika@example.org\nAction: failed\nStatus: 5.7.515\nDiagnostic-Code: smtp; 550 5.7.515 Access denied, sending domain example.org does not meet the required authentication level.\n\n--b--\n",
        kind: Kind::Policy,
        addresses: ERIKA,
    },
    Sample {
        of: "RFC 6533",
        message: "From: MAILER-DAEMON@mail.example.org\nSubject: Undelivered\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/global-delivery-status\n\nReporting-MTA: dns; mail.example.org\n\nFinal-Recipient: utf-8; jürgen@bücher.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n",
        kind: Kind::Hard,
        addresses: &["jürgen@bücher.example"],
    },
    Sample {
        of: "a complaint",
        message: "From: fbl@provider.example\nSubject: FW: Neues\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: text/plain\n\nThis is an abuse report.\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: SomeGenerator/1.0\nVersion: 1\nOriginal-Rcpt-To: erika@example.org\n\n--b\nContent-Type: message/rfc822\n\nFrom: brief@example.org\nMessage-ID: <019ad.update@brief.example.org>\nSubject: Neues\n\nText\n\n--b--\n",
        kind: Kind::Complaint,
        addresses: ERIKA,
    },
    Sample {
        of: "a failed signature (RFC 6591)",
        message: "From: reports@provider.example\nSubject: DMARC failure\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: auth-failure\nVersion: 1\nAuth-Failure: dmarc\n\n--b--\n",
        kind: Kind::Unrecognised,
        addresses: &[],
    },
    Sample {
        of: "somebody who is away, in German",
        message: "From: Erika Muster <erika@example.org>\nAuto-Submitted: auto-replied\nSubject: Automatische Antwort: Neues vom Projekt\n\nVielen Dank. Ich bin bis zum 4. Januar nicht im Büro. In dringenden Fällen wenden Sie sich an otto@example.org. Ihre Mail wird nicht weitergeleitet und konnte nicht zugestellt werden.\n",
        kind: Kind::AutoReply,
        addresses: &[],
    },
    Sample {
        of: "somebody who is away, unmarked",
        message: "From: erika@example.org\nSubject: Abwesenheitsnotiz\n\nIch bin im Urlaub.\n",
        kind: Kind::AutoReply,
        addresses: &[],
    },
    Sample {
        of: "a ticket",
        message: "From: support@example.org\nAuto-Submitted: auto-replied\nSubject: [#4711] Ihre Anfrage ist bei uns eingegangen\n\nWir melden uns.\n",
        kind: Kind::AutoReply,
        addresses: &[],
    },
    Sample {
        of: "a person who answers",
        message: "From: erika@example.org\nSubject: Re: Neues vom Projekt\n\nLiebe Redaktion, danke für die Einladung! Meine neue Adresse ist erika.neu@example.org.\n",
        kind: Kind::Unrecognised,
        addresses: &[],
    },
    Sample {
        of: "a person who writes of undelivered mail",
        message: "From: erika@example.org\nSubject: Frage\n\nMeine Mail an Sie kam leider nicht an, woran liegt das?\n",
        kind: Kind::Unrecognised,
        addresses: &[],
    },
    Sample {
        of: "a person who wants it sent to another address",
        message: "From: erika@example.org\nSubject: Frage zum Newsletter\n\nDer Newsletter wurde nicht zugestellt, bitte an otto@example.org schicken.\n",
        kind: Kind::Unrecognised,
        addresses: &[],
    },
    Sample {
        of: "nobody is named",
        message: "From: MAILER-DAEMON@mail.example.org\nSubject: Returned mail\n\nYour message could not be delivered.\n",
        kind: Kind::Unrecognised,
        addresses: &[],
    },
];
