//! What an update said before, and the way back to it.

use axum::{Form, extract::State, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    domain::{
        ids::UpdateId,
        staff::audit::{self, Action},
        update::{
            self,
            history::{self, Version},
            writing::{self, Saved},
        },
    },
    web::{
        AppState,
        staff::{
            access::Member,
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
    let update = editor::find(&state, id).await?;
    let versions = history::of_update(&mut *state.pool.acquire().await?, id).await?;
    let versions: Vec<Value> = versions.iter().map(|version| shown(&page, version)).collect();
    let own = json!({ "update": { "id": id, "title": update.title }, "versions": versions });
    page.show("staff/history.html", &own)
}

/// `GET /staff/updates/{id}/history/{version}`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    entry: Entry,
) -> Result<Response, StaffProblem> {
    let (id, number) = id_in(entry)?;
    let update = editor::find(&state, id).await?;
    let version = history::version(&mut *state.pool.acquire().await?, id, number).await?;
    let version = version.ok_or(StaffProblem::NOT_FOUND)?;
    let own = json!({
        "update": { "id": id, "title": update.title, "version": update.version },
        "version": shown(&page, &version),
        "writing": editor::form(&version.writing),
        "is_current": version.writing == update.writing(),
    });
    page.show("staff/version.html", &own)
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
    let (by, now) = (member.author(), Utc::now());
    let mut transaction = state.pool.begin().await?;
    let version = history::version(&mut transaction, id, number).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let update = update::find(&mut transaction, &id.to_string()).await?.ok_or(StaffProblem::NOT_FOUND)?;
    if update.version != sent.version {
        return Ok(done(&format!("/staff/updates/{id}/history"), "update_changed_meanwhile"));
    }
    history::end_sitting(&mut transaction, &update).await?;
    let saved = writing::save(&mut transaction, id, sent.version, &version.writing, &by, now).await?;
    let title = &version.writing.title;
    let details = json!({ "update": id, "title": title, "saved_at": version.saved_at });
    audit::record(&mut transaction, &by.actor, Action::UpdateRestored, &update.slug, &details, now).await?;
    if !matches!(saved, Saved::As(_)) {
        return Err(StaffProblem::NOT_FOUND);
    }
    transaction.commit().await?;
    Ok(done(&format!("/staff/updates/{id}"), "update_restored"))
}

fn shown(page: &StaffPage, version: &Version) -> Value {
    let words = version.writing.body.split_whitespace().count();
    json!({
        "id": version.id, "at": page.short_time(version.saved_at), "by": version.saved_by,
        "is_aside": version.is_aside, "title": version.writing.title, "words": words,
    })
}
