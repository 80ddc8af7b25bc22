//! The two forms of the page that sends, one for now and one for later, and what is to be mended in them.

use serde::Deserialize;
use uuid::Uuid;

use crate::{
    app::send_mailing::{FormState, Objection, Order},
    domain::ids::UpdateId,
    web::staff::staff_page::{Mistakes, StaffPage},
};

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SendForm {
    /// The number of the form: see [`FormState::form`].
    pub form: String,
    /// The versions of update and publication that the page has shown.
    pub version: String,
    /// How many people stood on the button.
    pub shown: String,
    /// The last mailing of this update that the page has shown.
    pub after: String,
    /// Ticked: it was sent before, and goes out once more.
    pub again: String,
    /// Ticked: the warnings are meant so, these ones; see [`FormState::warnings`].
    pub warnings: String,
    /// `later` with date and time, else now.
    pub when: String,
    pub date: String,
    pub time: String,
}

impl SendForm {
    pub fn is_later(&self) -> bool {
        self.when == "later"
    }

    /// What is asked for, but for the time. `form` is its number.
    pub fn order(&self, update: UpdateId, form: Uuid) -> Order {
        Order {
            update,
            versions: self.version.parse().ok(),
            at: None,
            again: !self.again.is_empty(),
            page: Some(FormState {
                form,
                people: self.shown.parse().ok(),
                last: self.after.parse().ok(),
                warnings: self.warnings.clone(),
            }),
        }
    }
}

/// What is to be mended, in words.
pub fn tell(page: &StaffPage, audience: i64, objections: &[Objection], mistakes: &mut Mistakes) {
    for objection in objections {
        match objection {
            Objection::Warnings { some } => {
                let key = if *some { "warnings_changed" } else { "warnings" };
                mistakes.add("warnings", page.text("error", key));
            }
            Objection::SentBefore => mistakes.add("again", page.text("error", "again")),
            // What somebody has changed since was neither seen nor checked.
            Objection::Changed => mistakes.add("form", page.text("error", "version")),
            Objection::Audience { shown } => {
                let text = page.text("error", "audience").replace("{count}", &page.number(audience));
                mistakes.add("form", text.replace("{shown}", &page.number(shown.unwrap_or(0))));
            }
        }
    }
}
