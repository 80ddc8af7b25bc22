//! Signups that wait for their confirmation, beside the subscribers that a search finds.

use chrono::Utc;
use serde::Serialize;

use crate::{
    app::find_subscribers,
    domain::subscriber::search::Needle,
    web::staff::{staff_page::StaffPage, staff_problem::StaffProblem},
};

/// So many are shown; who looks for somebody among more types on.
const SHOWN: usize = 20;

/// Signups that wait.
#[derive(Default, Serialize)]
pub struct Waiting {
    rows: Vec<Row>,
    /// There are more than are shown.
    has_more: bool,
}

#[derive(Serialize)]
struct Row {
    email: String,
    since: String,
    until: String,
}

impl Waiting {
    /// Those that answer to a text.
    pub async fn of(page: &StaffPage, text: &Needle) -> Result<Self, StaffProblem> {
        let found = find_subscribers::find_waiting(&page.state.app.pool, text, SHOWN, Utc::now()).await;
        let (found, has_more) = found?;
        let rows = found.iter().map(|signup| Row {
            email: signup.email.written(),
            since: page.short_time(signup.requested_at),
            until: page.short_time(signup.expires_at),
        });
        Ok(Self { rows: rows.collect(), has_more })
    }

    /// How many, in words.
    pub fn count(&self, page: &StaffPage) -> String {
        if self.rows.is_empty() {
            return page.text("subscribers", "waiting_none").to_owned();
        }
        if self.has_more {
            return page.text("subscribers", "waiting_many").replace("{most}", &SHOWN.to_string());
        }
        page.plural("subscribers", "waiting_count", i64::try_from(self.rows.len()).unwrap_or(i64::MAX))
    }

    pub fn sample(has_more: bool) -> Self {
        let row = Row {
            email: "warte@example.org".into(),
            since: "24.11.2026, 9:12".into(),
            until: "01.12.2026, 9:12".into(),
        };
        Self { rows: vec![row], has_more }
    }
}
