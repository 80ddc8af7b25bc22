//! Sample values for the pages of what came back.

use uuid::Uuid;

use crate::{
    domain::ids::{MailingId, SubscriberId},
    web::{
        page_context::{PageContext, Sample},
        staff::{
            bounces::{BouncePage, BouncesPage, NewestRow, WaitingRow},
            staff_page::{Choice, Mistakes},
        },
    },
};

const AT: &str = "25.11.2026, 14:05";

impl PageContext for BouncesPage {
    const TEMPLATE: &'static str = "staff/bounces.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let waiting = |subject: Option<&str>, names: &[&str]| WaitingRow {
            id: 1,
            at: AT.into(),
            subject: subject.map(Into::into),
            meaning: "Eine E-Mail kam zurück.".into(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let newest = |address: Option<&str>, said: &str| NewestRow {
            id: 2,
            at: AT.into(),
            address: address.map(Into::into),
            meaning: "Eine E-Mail kam zurück.".into(),
            said: said.into(),
        };
        let none = || Self {
            count: None,
            waiting: Vec::new(),
            only_newest: None,
            ids: "1 2".into(),
            put_aside: Vec::new(),
            newest: Vec::new(),
            errors: Mistakes::default(),
        };
        let some = || Self {
            count: Some("2 Nachrichten warten.".into()),
            waiting: vec![waiting(Some("Undelivered Mail"), &["eva@example.org"]), waiting(None, &[])],
            only_newest: Some("Hier stehen die neuesten 50.".into()),
            put_aside: vec![waiting(Some("Angebot"), &[]), waiting(None, &["eva@example.org"])],
            newest: vec![newest(Some("e…a@example.org"), "5.1.1 unknown user"), newest(None, "")],
            ..none()
        };
        vec![some(), none(), Self { errors: Mistakes::one("sure", "Bitte bestätigen Sie das."), ..some() }]
    }
}

impl PageContext for BouncePage {
    const TEMPLATE: &'static str = "staff/bounce.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let known = || Self {
            id: 1,
            at: AT.into(),
            subject: Some("Undelivered Mail Returned to Sender".into()),
            from: Some("MAILER-DAEMON@example.org".into()),
            meaning: "Eine E-Mail kam zurück.".into(),
            way: "gemeldet vom empfangenden Mailserver".into(),
            subscriber: Some(SubscriberId(Uuid::nil())),
            address: Some("eva@example.org".into()),
            mailing: Some(MailingId(Uuid::nil())),
            mailing_subject: Some("Neues vom Projekt".into()),
            said: "5.1.1 unknown user".into(),
            remote_mta: Some("mx.example.org".into()),
            names: Vec::new(),
            text: "This is the mail system.".into(),
            source: Some("Subject: Undelivered".into()),
            waits: false,
            is_ignored: false,
            meanings: Vec::new(),
            typed: String::new(),
            errors: Mistakes::default(),
        };
        let waits = |is_ignored, errors| Self {
            subscriber: None,
            address: None,
            mailing: None,
            mailing_subject: None,
            said: String::new(),
            remote_mta: None,
            names: vec!["eva@example.org".into()],
            waits: true,
            is_ignored,
            meanings: vec![
                Choice::new("hard", "Die Adresse gibt es nicht.", false),
                Choice::new("unrecognised", "Nichts davon.", true),
            ],
            typed: "eva@example.org".into(),
            errors,
            ..known()
        };
        let mut wrong = Mistakes::one("email", "Das ist keine Adresse.");
        wrong.add("kind", "Bitte wählen Sie.");
        let unsure = Mistakes::one("sure", "Die Nachricht nennt diese Adresse nicht.");
        vec![
            known(),
            Self {
                subject: None,
                from: None,
                source: None,
                subscriber: None,
                text: String::new(),
                ..known()
            },
            waits(false, Mistakes::default()),
            waits(true, wrong),
            waits(false, unsure),
        ]
    }
}
