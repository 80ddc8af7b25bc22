//! An import as its pages show it.

use serde_json::{Value, json};

use crate::{
    app::uploaded_lists,
    domain::{
        ids::ImportId,
        import::upload::{Import, ImportState},
    },
    web::{
        AppState,
        staff::{
            staff_page::{self, StaffPage, id_in},
            staff_problem::StaffProblem,
        },
    },
};

pub type Id = staff_page::Id<ImportId>;

/// The import that the path names. One that is still on its way here has no page yet.
pub async fn named(state: &AppState, id: Id) -> Result<Import, StaffProblem> {
    uploaded_lists::by_id(&state.pool, id_in(id)?).await?.ok_or(StaffProblem::NOT_FOUND)
}

pub fn path_of(id: ImportId) -> String {
    format!("/staff/subscribers/import/{id}")
}

/// An import as pages show it.
pub fn shown(page: &StaffPage, import: &Import) -> Value {
    let listed = import.listed_unsubscribed + import.listed_bounced + import.listed_complained;
    json!({
        "id": import.id, "path": path_of(import.id), "state": import.state, "name": import.file_name,
        "state_text": page.text("import_state", &word(import.state)),
        "by": import.staff_email, "at": page.short_time(import.created_at),
        "size": size(page, import.size_bytes), "percent": import.percent(),
        "read": read(page, import),
        "added": page.number(import.added), "known": page.number(import.known),
        "had_left": page.number(import.had_left), "suppressed": page.number(import.suppressed),
        "bad": page.number(import.bad), "has_bad": import.bad > 0, "has_new": import.added + listed > 0,
        "further": further(page, import), "to_bring_in": page.number(import.added + listed),
        "failure": import.failure.as_ref().map(|key| failure(page, key, import.next_line)),
        "finished_at": import.finished_at.map(|at| page.short_time(at)),
    })
}

/// How far it has been read, in words.
pub fn read(page: &StaffPage, import: &Import) -> String {
    let words = page.text("import", if import.is_survey() { "surveyed" } else { "read" });
    words.replace("{lines}", &page.number(import.next_line - 1))
}

/// Groups that few lists have; only those that there are.
fn further(page: &StaffPage, import: &Import) -> Vec<Value> {
    let groups = [
        ("listed_unsubscribed", import.listed_unsubscribed),
        ("listed_bounced", import.listed_bounced),
        ("listed_complained", import.listed_complained),
        ("left_out", import.left_out),
        ("never_confirmed", import.never_confirmed),
        ("active_here", import.active_here),
    ];
    let there_are = groups.into_iter().filter(|(_, count)| *count > 0);
    there_are
        .map(|(group, count)| json!({ "label": page.text("import_group", group), "count": page.number(count) }))
        .collect()
}

fn word(state: ImportState) -> String {
    serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Why an import failed, in words.
fn failure(page: &StaffPage, key: &str, line: i64) -> String {
    page.text("import_failure", key).replace("{line}", &page.number(line))
}

fn size(page: &StaffPage, bytes: i64) -> String {
    match bytes {
        0..10_240 => format!("{} B", page.number(bytes)),
        10_240..10_485_760 => format!("{} KB", page.number(bytes / 1024)),
        _ => format!("{} MB", page.number(bytes / 1024 / 1024)),
    }
}
