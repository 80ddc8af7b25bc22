//! The text of a mailing on the pages that send it or replace it: how it stands in a mailbox, and what is in its way.

use serde::Serialize;

use crate::{
    app::draft::TextObstacle,
    domain::{
        ids::{MailingId, UpdateId},
        mailing::FrozenContent,
        update::Update,
    },
    mail::preheader,
    web::staff::{mailings::planned::Plan, staff_page::StaffPage, updates::unfinished},
};

/// The update that is sent.
#[derive(Serialize)]
pub struct UpdateView {
    pub(super) id: UpdateId,
    pub(super) title: String,
    pub(super) version: i32,
}

impl UpdateView {
    pub fn of(update: Update) -> Self {
        Self { id: update.id, title: update.title, version: update.version }
    }
}

/// How a mail stands in a mailbox.
#[derive(Serialize)]
pub struct MailView {
    pub(super) subject: String,
    pub(super) preheader: String,
}

impl MailView {
    pub fn of(content: &FrozenContent, update: &Update) -> Self {
        let preheader = preheader::of_update(&update.title, &update.teaser, &update.body);
        Self { subject: content.subject.clone(), preheader }
    }
}

/// Why there is no button, as `staff/obstacle.html` shows it.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ObstacleView {
    NoPublication,
    /// Fields of the publication, by their names in its file.
    Missing {
        fields: Vec<String>,
    },
    Unfinished {
        what: Vec<String>,
    },
    /// The preflight has found an error.
    Found,
    NoAudience,
    /// A mailing of the update waits for its time or for a decision.
    Planned {
        text: String,
        plan: Plan,
    },
    /// One goes at once, is under way or paused; `lead` says which.
    UnderWay {
        id: MailingId,
        lead: String,
        text: String,
    },
}

impl ObstacleView {
    pub fn of_text(page: &StaffPage, obstacle: TextObstacle, update: &Update) -> Self {
        match obstacle {
            TextObstacle::NoPublication => Self::NoPublication,
            TextObstacle::Missing(fields) => Self::Missing { fields },
            TextObstacle::Unfinished => {
                let words = unfinished::in_words(page, &update.writing());
                Self::Unfinished { what: words.into_values().collect() }
            }
            TextObstacle::Found => Self::Found,
        }
    }
}
