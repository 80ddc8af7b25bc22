//! How an address stands, in words.

use serde::Serialize;

use crate::{
    app::phone_desk::{AddressStanding, Record, Waiting},
    domain::{
        queue::{
            delivery::{DeliveryState, ListedDelivery},
            reply_meaning,
        },
        signup::held::HeldFor,
        suppression::SuppressionReason,
    },
    web::staff::staff_page::StaffPage,
};

/// What is to be known of an address.
#[derive(Serialize)]
pub struct Found {
    /// Whether its owner gets the newsletter, and since when.
    pub(super) standing: String,
    /// What that means for them.
    pub(super) meaning: String,
    pub(super) suppressed: Option<SuppressionReason>,
    pub(super) waiting: Option<WaitingView>,
    pub(super) mailings: Vec<MailView>,
    /// The page of the subscriber, for admins.
    pub(super) href: Option<String>,
    /// There is a subscription that can end.
    pub(super) may_leave: bool,
    /// It may be asked to confirm.
    pub(super) may_enter: bool,
    /// Something was to be done, and there was nothing to do.
    pub(super) nothing_done: bool,
}

/// A request that waits.
#[derive(Serialize)]
pub struct WaitingView {
    pub(super) since: String,
    pub(super) until: String,
    pub(super) is_address_change: bool,
    pub(super) mail: Option<MailView>,
    /// Another mail may go.
    pub(super) may_send_again: bool,
}

/// A mail, and what became of it.
#[derive(Serialize)]
pub struct MailView {
    pub(super) at: String,
    pub(super) subject: String,
    pub(super) state: DeliveryState,
    pub(super) result: String,
    /// What the reply means, where it did not simply take the mail.
    pub(super) meaning: String,
    pub(super) code: Option<i16>,
}

impl Found {
    pub(super) fn of(page: &StaffPage, record: &Record, nothing_done: bool) -> Self {
        let (key, since) = match record.standing {
            AddressStanding::Unknown | AddressStanding::NoSubscription if record.is_former => ("moved", None),
            AddressStanding::Unknown => ("unknown", None),
            AddressStanding::NoSubscription => ("none", None),
            AddressStanding::Subscribed(since) => ("subscribed", Some(since)),
            AddressStanding::Left(since) => ("left", Some(since)),
            AddressStanding::Bounced(since) => ("bounced", Some(since)),
            AddressStanding::Complained(since) => ("complained", Some(since)),
        };
        let is_subscribed = matches!(record.standing, AddressStanding::Subscribed(_));
        let must_not = record.suppressed.is_some_and(SuppressionReason::forbids_signup);
        let since = since.map(|since| page.day(since.with_timezone(&page.time_zone().0).date_naive()));
        Self {
            standing: page.text("phone.standing", key).replace("{at}", &since.unwrap_or_default()),
            meaning: page.text("phone.means", key).to_owned(),
            suppressed: record.suppressed,
            waiting: record.waiting.as_ref().map(|waiting| WaitingView::of(page, waiting)),
            mailings: record.mailings.iter().map(|mail| MailView::of(page, mail)).collect(),
            href: record.subscriber.filter(|_| page.is_admin()).map(|id| format!("/staff/subscribers/{id}")),
            may_leave: is_subscribed
                || matches!(record.standing, AddressStanding::Bounced(_) | AddressStanding::Complained(_)),
            may_enter: !is_subscribed && !must_not && record.waiting.is_none(),
            nothing_done,
        }
    }
}

impl WaitingView {
    fn of(page: &StaffPage, waiting: &Waiting) -> Self {
        Self {
            since: page.spoken_time(waiting.since),
            until: page.spoken_time(waiting.until),
            is_address_change: waiting.is_address_change,
            may_send_again: waiting.mail.as_ref().is_none_or(|mail| mail.state != DeliveryState::Pending),
            mail: waiting.mail.as_ref().map(|mail| MailView::of(page, mail)),
        }
    }
}

impl MailView {
    fn of(page: &StaffPage, mail: &ListedDelivery) -> Self {
        let reply = mail.smtp_text.as_deref().unwrap_or_default();
        let is_over = matches!(mail.state, DeliveryState::Accepted | DeliveryState::Skipped);
        let has_reply = mail.smtp_code.is_some() || mail.state != DeliveryState::Pending;
        let meaning = if HeldFor::from_text(reply).is_some() {
            page.text("phone", "held")
        } else if is_over || !has_reply {
            ""
        } else {
            reply_meaning::of(mail.smtp_code, reply)
                .map(|meaning| page.text("meaning", meaning.key()))
                .unwrap_or_default()
        };
        Self {
            at: page.spoken_time(mail.finished_at.unwrap_or(mail.due_at)),
            subject: mail.subject.clone().unwrap_or_default(),
            state: mail.state,
            result: page.text("delivery_state", mail.state.name()).to_owned(),
            meaning: meaning.to_owned(),
            code: mail.smtp_code.filter(|_| !is_over),
        }
    }
}
