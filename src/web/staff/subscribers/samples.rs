//! Sample values for the pages of subscribers.

use uuid::Uuid;

use crate::{
    domain::{ids::SubscriberId, subscriber::SubscriberState},
    web::{
        page_context::{PageContext, Sample},
        staff::{
            staff_page::Choice,
            subscribers::{Found, Row, SubscriberListPage, SubscribersPage, waiting::Waiting},
        },
    },
};

impl Row {
    pub fn sample(state: SubscriberState) -> Self {
        Self {
            id: SubscriberId(Uuid::nil()),
            email: "leser@example.org".into(),
            state,
            language: "Deutsch".into(),
            confirmed_at: "24.11.2026, 9:12".into(),
            state_changed_at: "25.11.2026, 14:05".into(),
        }
    }
}

impl Found {
    fn samples() -> [Self; 3] {
        let found = |rows: Vec<Row>, first: Option<&str>, next: Option<&str>| Self {
            count: "2 gefunden".into(),
            waiting: first.map(|_| Waiting::sample(next.is_some())).unwrap_or_default(),
            only_waiting: rows.is_empty(),
            rows,
            first: first.map(Into::into),
            next: next.map(Into::into),
        };
        let rows = || SubscriberState::ALL.map(Row::sample).into();
        let (first, next) = ("/staff/subscribers?q=leser", "/staff/subscribers?q=leser&after=x");
        [
            found(rows(), None, Some(next)),
            found(Vec::new(), Some(first), None),
            found(rows(), Some(first), Some(next)),
        ]
    }
}

impl PageContext for SubscriberListPage {
    const TEMPLATE: &'static str = "staff/subscribers_list.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        Found::samples().map(|found| Self { found }).into()
    }
}

impl PageContext for SubscribersPage {
    const TEMPLATE: &'static str = "staff/subscribers.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page = |found: Found| {
            let is_narrowed = found.first.is_some();
            Self {
                found,
                q: if is_narrowed { "leser".into() } else { String::new() },
                states: vec![Choice::new("active", "aktiv", is_narrowed)],
                months: vec![Choice::new("2026-11", "November 2026", is_narrowed)],
                is_narrowed,
            }
        };
        Found::samples().map(page).into()
    }
}
