//! The text of a mailing on the pages that send it or replace it: how it stands in a mailbox, and what is in its way.

use serde_json::{Value, json};

use crate::{
    app::draft::TextObstacle,
    domain::{mailing::FrozenContent, update::Update},
    mail::preheader,
    web::staff::{staff_page::StaffPage, updates::unfinished},
};

/// What is in the way of a text, as `staff/obstacle.html` shows it.
pub fn text_obstacle_view(page: &StaffPage, obstacle: &TextObstacle, update: &Update) -> Value {
    match obstacle {
        TextObstacle::NoPublication => json!({ "kind": "no_publication" }),
        TextObstacle::Missing(fields) => json!({ "kind": "missing", "fields": fields }),
        TextObstacle::Unfinished => {
            let words = unfinished::in_words(page, &update.writing());
            json!({ "kind": "unfinished", "what": words.values().collect::<Vec<_>>() })
        }
        TextObstacle::Found => json!({ "kind": "found" }),
    }
}

/// How a mail stands in a mailbox.
pub fn mail(content: &FrozenContent, update: &Update) -> Value {
    json!({
        "subject": content.subject,
        "preheader": preheader::of_update(&update.title, &update.teaser, &update.body),
    })
}
