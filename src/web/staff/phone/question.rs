//! The question before something is done on request: who asked how, and whether it is meant.

use serde::Serialize;

use crate::{
    domain::{address::EmailAddress, locale::Locale, on_request::Channel},
    web::{
        http::form_values,
        staff::{
            phone::form::PhoneForm,
            staff_page::{Choice, Mistakes, StaffPage},
        },
    },
};

/// What may be done on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum What {
    /// End a subscription.
    Unsubscribe,
    /// Call off a request that waits.
    Discard,
    /// Ask for a confirmation.
    Enter,
}

impl What {
    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// The question.
#[derive(Serialize)]
pub struct AskPage {
    what: What,
    email: String,
    channels: Vec<Choice>,
    note: String,
    /// Languages to write in.
    locales: Vec<Choice>,
    errors: Mistakes,
}

impl AskPage {
    pub(super) fn of(
        page: &StaffPage,
        what: What,
        email: &EmailAddress,
        sent: &PhoneForm,
        errors: Mistakes,
    ) -> Self {
        let chosen = Channel::from_name(&sent.channel);
        let channels = Channel::ALL.iter().map(|channel| {
            let label = page.text("channel", channel.name());
            Choice::new(channel.name(), label, chosen == Some(*channel))
        });
        let own = page.publication.as_ref().map(|publication| publication.content.locale).unwrap_or_default();
        let locale = Locale::from_tag(&sent.locale).unwrap_or(own);
        let locales =
            Locale::ALL.map(|other| Choice::new(other.tag(), page.language(other), other == locale));
        Self {
            what,
            email: email.written(),
            channels: channels.collect(),
            note: form_values::again(&sent.note),
            locales: locales.to_vec(),
            errors,
        }
    }

    pub(super) fn sample(what: What, errors: Mistakes) -> Self {
        Self {
            what,
            email: "maria.muster@example.org".into(),
            channels: vec![
                Choice::new("phone", "am Telefon", true),
                Choice::new("letter", "in einem Brief", false),
            ],
            note: "Anruf am Vormittag".into(),
            locales: vec![Choice::new("de", "Deutsch", true), Choice::new("en", "Englisch", false)],
            errors,
        }
    }
}
