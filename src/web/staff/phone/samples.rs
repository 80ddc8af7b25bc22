//! Sample values for the pages of the phone desk.

use crate::{
    domain::{queue::delivery::DeliveryState, suppression::SuppressionReason},
    web::{
        page_context::{PageContext, Sample},
        staff::{
            phone::{
                PhonePage,
                question::{AskPage, What},
                view::{Found, MailView, WaitingView},
            },
            staff_page::Mistakes,
        },
    },
};

impl MailView {
    fn sample(state: DeliveryState, meaning: &str, code: Option<i16>) -> Self {
        Self {
            at: "heute um 9:12".into(),
            subject: "Neues aus der Werkstatt".into(),
            state,
            result: "angenommen".into(),
            meaning: meaning.into(),
            code,
        }
    }
}

impl Found {
    fn sample(is_subscribed: bool) -> Self {
        Self {
            standing: if is_subscribed { "Angemeldet seit 24.11.2026" } else { "Nichts gespeichert" }.into(),
            meaning: "Bekommt jede Aussendung.".into(),
            suppressed: None,
            waiting: None,
            mailings: Vec::new(),
            href: is_subscribed.then(|| "/staff/subscribers/00000000-0000-0000-0000-000000000000".into()),
            may_leave: is_subscribed,
            may_enter: !is_subscribed,
            nothing_done: false,
        }
    }
}

impl PageContext for PhonePage {
    const TEMPLATE: &'static str = "staff/phone.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page =
            |found| Self { email: Sample::ADDRESS.into(), found: Some(found), errors: Mistakes::default() };
        let waiting = |mail, is_address_change| WaitingView {
            since: "gestern um 17:40".into(),
            until: "am 07.12.2026 um 17:40".into(),
            is_address_change,
            mail,
            may_send_again: !is_address_change,
        };
        let full = || MailView::sample(DeliveryState::Rejected, "Das Postfach ist voll.", Some(552));
        let taken = || MailView::sample(DeliveryState::Accepted, "", None);
        let wrong = |field, text: &str| Self {
            email: "maria".into(),
            found: None,
            errors: Mistakes::one(field, text),
        };
        vec![
            page(Found { mailings: vec![full(), taken()], ..Found::sample(true) }),
            Self::default(),
            page(Found { waiting: Some(waiting(Some(full()), false)), ..Found::sample(false) }),
            page(Found { waiting: Some(waiting(None, true)), nothing_done: true, ..Found::sample(false) }),
            page(Found::sample(false)),
            page(Found {
                suppressed: Some(SuppressionReason::Complained),
                may_enter: false,
                ..Found::sample(false)
            }),
            wrong("email", "Das ist keine Adresse."),
            wrong("form", "Warten Sie bitte."),
        ]
    }
}

impl PageContext for AskPage {
    const TEMPLATE: &'static str = "staff/phone_ask.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        vec![
            Self::sample(What::Unsubscribe, Mistakes::default()),
            Self::sample(What::Discard, Mistakes::one("channel", "Bitte wählen.")),
            Self::sample(What::Enter, Mistakes::one("note", "Ohne Adressen, bitte.")),
        ]
    }
}
