//! What an update said before, and the way back to it.

use axum::{Form, extract::State, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::write_update::{self, WriteError},
    domain::{ids::UpdateId, update::history::Version},
    web::{
        AppState,
        staff::{
            logged_in::Member,
            staff_page::{self, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::{Id, editor},
        },
    },
};

type Entry = staff_page::Id<(UpdateId, i64)>;

/// `GET /staff/updates/{id}/history`
pub async fn list(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let found = write_update::versions(&state.pool, id).await?;
    let (update, versions) = found.ok_or(StaffProblem::NOT_FOUND)?;
    let versions: Vec<Value> = versions.iter().map(|version| shown(&page, version)).collect();
    let own = json!({ "update": { "id": id, "title": update.title }, "versions": versions });
    page.show_value("staff/history.html", &own)
}

/// `GET /staff/updates/{id}/history/{version}`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    entry: Entry,
) -> Result<Response, StaffProblem> {
    let (id, number) = id_in(entry)?;
    let found = write_update::version(&state.pool, id, number).await?;
    let (update, version) = found.ok_or(StaffProblem::NOT_FOUND)?;
    let own = json!({
        "update": { "id": id, "title": update.title, "version": update.version },
        "version": shown(&page, &version),
        "writing": editor::form(&version.writing),
        "is_current": version.writing == update.writing(),
    });
    page.show_value("staff/version.html", &own)
}

/// What the button sends: the version that stood beside it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    version: i32,
}

/// `POST /staff/updates/{id}/history/{version}`: makes it what the update says. What it said until now stays here too.
pub async fn restore(
    State(state): State<AppState>,
    member: Member,
    entry: Entry,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let (id, number) = id_in(entry)?;
    let update = (id, sent.version);
    match write_update::restore(&state.pool, &member.author(), update, number, Utc::now()).await {
        Ok(()) => Ok(done(&format!("/staff/updates/{id}"), "update_restored")),
        Err(WriteError::ChangedMeanwhile) => {
            Ok(done(&format!("/staff/updates/{id}/history"), "update_changed_meanwhile"))
        }
        Err(error) => Err(error.into()),
    }
}

fn shown(page: &StaffPage, version: &Version) -> Value {
    let words = version.writing.body.split_whitespace().count();
    json!({
        "id": version.id, "at": page.short_time(version.saved_at), "by": version.saved_by,
        "is_aside": version.is_aside, "title": version.writing.title, "words": words,
    })
}
