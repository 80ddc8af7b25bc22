//! What an update said before, and the way back to it.

use axum::{Form, extract::State, response::Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::write_update::{self, WriteError},
    domain::{
        ids::UpdateId,
        update::{Update, history::Version},
    },
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member,
            staff_page::{self, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::{Id, editor::Fields},
        },
    },
};

type EntryId = staff_page::Id<(UpdateId, i64)>;

/// `GET /staff/updates/{id}/history`
pub async fn list(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let found = write_update::versions(&state.app.pool, id).await?;
    let (update, versions) = found.ok_or(StaffProblem::NOT_FOUND)?;
    let versions = versions.iter().map(|version| Entry::of(&page, version)).collect();
    page.show(&HistoryPage { update: HistoryUpdate::of(update), versions })
}

/// `GET /staff/updates/{id}/history/{version}`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    entry: EntryId,
) -> Result<Response, StaffProblem> {
    let (id, number) = id_in(entry)?;
    let found = write_update::version(&state.app.pool, id, number).await?;
    let (update, version) = found.ok_or(StaffProblem::NOT_FOUND)?;
    page.show(&VersionPage {
        version: Entry::of(&page, &version),
        writing: Fields::of(&version.writing),
        is_current: version.writing == update.writing(),
        update: HistoryUpdate::of(update),
    })
}

/// What the button sends: the version that stood beside it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RestoreForm {
    version: i32,
}

/// `POST /staff/updates/{id}/history/{version}`: makes it what the update says. What it said until now stays here too.
pub async fn restore(
    State(state): State<AppState>,
    member: Member,
    entry: EntryId,
    Form(sent): Form<RestoreForm>,
) -> Result<Response, StaffProblem> {
    let (id, number) = id_in(entry)?;
    let update = (id, sent.version);
    match write_update::restore(&state.app.pool, &member.author(), update, number, Utc::now()).await {
        Ok(()) => Ok(done(&format!("/staff/updates/{id}"), "update_restored")),
        Err(WriteError::ChangedMeanwhile) => {
            Ok(done(&format!("/staff/updates/{id}/history"), "update_changed_meanwhile"))
        }
        Err(error) => Err(error.into()),
    }
}

/// What an update said before.
#[derive(Serialize)]
pub struct HistoryPage {
    update: HistoryUpdate,
    versions: Vec<Entry>,
}

/// One of the texts an update had.
#[derive(Serialize)]
pub struct VersionPage {
    update: HistoryUpdate,
    version: Entry,
    writing: Fields,
    /// It is what the update says now.
    is_current: bool,
}

#[derive(Serialize)]
struct HistoryUpdate {
    id: UpdateId,
    title: String,
    version: i32,
}

#[derive(Serialize)]
struct Entry {
    id: i64,
    at: String,
    by: Option<String>,
    /// Somebody else had saved meanwhile.
    is_aside: bool,
    /// How long the text is.
    words: usize,
}

impl HistoryUpdate {
    fn of(update: Update) -> Self {
        Self { id: update.id, title: update.title, version: update.version }
    }

    fn sample(title: &str) -> Self {
        Self { id: UpdateId(Uuid::nil()), title: title.into(), version: 7 }
    }
}

impl Entry {
    fn of(page: &StaffPage, version: &Version) -> Self {
        Self {
            id: version.id,
            at: page.short_time(version.saved_at),
            by: version.saved_by.clone(),
            is_aside: version.is_aside,
            words: version.writing.body.split_whitespace().count(),
        }
    }

    /// One that counted, and one that was kept aside.
    fn samples() -> [Self; 2] {
        let of = |by: Option<&str>, is_aside| Self {
            id: 12,
            at: "25.11.2026, 14:05".into(),
            by: by.map(str::to_owned),
            is_aside,
            words: 240,
        };
        [of(Some("Ada"), false), of(None, true)]
    }
}

impl PageContext for HistoryPage {
    const TEMPLATE: &'static str = "staff/history.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        vec![
            Self { update: HistoryUpdate::sample("Neues vom Projekt"), versions: Entry::samples().into() },
            Self { update: HistoryUpdate::sample(""), versions: Vec::new() },
        ]
    }
}

impl PageContext for VersionPage {
    const TEMPLATE: &'static str = "staff/version.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let [counted, aside] = Entry::samples();
        let [whole, empty] = Fields::samples();
        let update = || HistoryUpdate::sample("Neues vom Projekt");
        vec![
            Self { update: update(), version: counted, writing: whole, is_current: false },
            Self { update: update(), version: aside, writing: empty, is_current: true },
        ]
    }
}
