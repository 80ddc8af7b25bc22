//! Sample values for the pages of one subscriber.

use crate::{
    domain::{subscriber::SubscriberState, suppression::SuppressionReason},
    web::{
        page_context::{PageContext, Sample},
        staff::{
            staff_page::Mistakes,
            subscribers::{
                Row,
                detail::{ErasePage, EventRow, MailRow, SubscriberPage},
            },
        },
    },
};

impl EventRow {
    /// One in which everything is known, and one in which nothing is.
    fn samples() -> Vec<Self> {
        let some = |text: &str| Some(text.to_owned());
        let whole = Self {
            at: "24.11.2026, 9:12".into(),
            what: "Anmeldung bestätigt".into(),
            how: "Knopf auf der Seite".into(),
            former_address: some("frueher@example.org"),
            text: some("Ich möchte den Newsletter erhalten."),
            version: Some(2),
            page: some("https://www.example.org/"),
            client_ip: some("192.0.2.7"),
            source: some("Liste des Vereins"),
            consented_at: some("01.02.2020"),
            reply: some("250 OK"),
        };
        vec![whole, Self::default()]
    }
}

impl PageContext for SubscriberPage {
    const TEMPLATE: &'static str = "staff/subscriber.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let mail = |reply: Option<&str>| MailRow {
            at: "25.11.2026, 14:05".into(),
            what: "Neues vom Projekt".into(),
            result: "angenommen".into(),
            reply: reply.map(Into::into),
            bounce: reply.map(|_| 1),
        };
        let page = |state, events: Vec<EventRow>, mails| {
            let is_active = state == SubscriberState::Active;
            Self {
                subscriber: Row::sample(state),
                is_active,
                may_leave: is_active,
                suppressed: None,
                consented: None,
                has_proof: !events.is_empty(),
                events,
                mails,
                former: Vec::new(),
                has_bounced: state == SubscriberState::Bounced,
                may_reactivate: true,
                errors: Mistakes::default(),
            }
        };
        let former = vec!["frueher@example.org".into(), "ganz-frueher@example.org".into()];
        let imported = Some("01.02.2020".into());
        vec![
            page(SubscriberState::Active, EventRow::samples(), vec![mail(Some("250 OK")), mail(None)]),
            page(SubscriberState::Unsubscribed, Vec::new(), Vec::new()),
            Self { may_reactivate: false, ..page(SubscriberState::Bounced, Vec::new(), Vec::new()) },
            Self {
                errors: Mistakes::one("reason", "Bitte nennen Sie den Grund."),
                ..page(SubscriberState::Bounced, Vec::new(), Vec::new())
            },
            Self { former, consented: imported, ..page(SubscriberState::Active, Vec::new(), Vec::new()) },
            Self {
                suppressed: Some(SuppressionReason::Complained),
                ..page(SubscriberState::Complained, Vec::new(), Vec::new())
            },
        ]
    }
}

impl PageContext for ErasePage {
    const TEMPLATE: &'static str = "staff/subscriber_erase.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        [false, true]
            .map(|has_account| Self { subscriber: Row::sample(SubscriberState::Active), has_account })
            .into()
    }
}
