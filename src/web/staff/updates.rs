//! Updates: the list of what is written and sent, a new one, and away with a draft.

pub(in crate::web) mod composing;
pub(in crate::web) mod editor;
pub(in crate::web) mod history;
pub mod preflight;
pub(in crate::web) mod preview;
pub(in crate::web) mod test_mail;
pub(in crate::web) mod test_recipients;
pub(in crate::web) mod unfinished;

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde_json::{Value, json};

use crate::{
    app::write_update::{self, WriteError},
    domain::{
        ids::UpdateId,
        mailing::{MailingState, Overview},
        update::Update,
    },
    web::{
        AppState,
        http::problem::Problem,
        staff::{
            logged_in::Member,
            mailings::{planned, progress::Standing},
            staff_page::{self, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// What stands in the path.
pub type Id = staff_page::Id<UpdateId>;

/// Where a handler has no better answer. What was changed meanwhile is told on the page it is looked at.
impl From<WriteError> for StaffProblem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Unknown => Self::NOT_FOUND,
            WriteError::Database(error) => error.into(),
            WriteError::NotAllowed(_) | WriteError::ChangedMeanwhile => {
                StaffProblem::Common(Problem::internal(&error))
            }
        }
    }
}

/// An update by id, for the pages around it.
///
/// # Errors
/// [`StaffProblem::NOT_FOUND`].
pub async fn find(state: &AppState, id: UpdateId) -> Result<Update, StaffProblem> {
    write_update::find(&state.pool, &id.to_string()).await?.ok_or(StaffProblem::NOT_FOUND)
}

/// `GET /staff/updates`
pub async fn list(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
) -> Result<Response, StaffProblem> {
    let (updates, mailings) = write_update::list(&state.pool).await?;
    let shown = |update: &Update| shown(&page, update, mailings.get(&update.id).map_or(&[], Vec::as_slice));
    let updates: Vec<Value> = updates.iter().map(shown).collect();
    page.show_value("staff/updates.html", &json!({ "updates": updates }))
}

/// An update as lists show it, with its mailings, newest first.
fn shown(page: &StaffPage, update: &Update, mailings: &[Overview]) -> Value {
    json!({
        "id": update.id, "title": update.title, "tags": tags(page, mailings),
        "changed_at": page.short_time(update.changed_at), "changed_by": update.changed_by, "slug": update.slug,
    })
}

/// What its mailings make of an update: each that is not over, with the way to it, and what became of the others.
fn tags(page: &StaffPage, mailings: &[Overview]) -> Vec<Value> {
    let mut tags: Vec<Value> = Vec::new();
    for mailing in mailings.iter().filter(|mailing| !mailing.is_over()) {
        let (text, look) = match Standing::from(mailing).key() {
            "scheduled" => (planned::state(page, mailing), "wait"),
            "overdue" => (planned::state(page, mailing), "off"),
            "starting" => (page.text("updates", "starting").to_owned(), "wait"),
            "paused" => (page.text("updates", "paused").to_owned(), "off"),
            _ => (page.text("updates", "sending").to_owned(), "wait"),
        };
        tags.push(json!({ "text": text, "look": look, "url": format!("/staff/mailings/{}", mailing.id) }));
    }
    let (key, look) = match Past::of(mailings) {
        Some(Past::Sent) => ("sent", "good"),
        Some(Past::Nobody) => ("nobody", ""),
        Some(Past::Cancelled) => ("cancelled", "off"),
        None if tags.is_empty() => ("draft", ""),
        None => return tags,
    };
    tags.push(json!({ "text": page.text("updates", key), "look": look }));
    tags
}

/// What became of the mailings of an update that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// It went out to everybody who was subscribed.
    Sent,
    /// Nobody was subscribed when it began.
    Nobody,
    /// It was stopped; some may have it.
    Cancelled,
}

impl Past {
    /// Of mailings, newest first; nothing while none is over. What went out once counts before all else.
    #[must_use]
    pub fn of(mailings: &[Overview]) -> Option<Self> {
        let of_one = |mailing: &Overview| match mailing.state {
            MailingState::Done if mailing.audience > 0 => Past::Sent,
            MailingState::Done => Past::Nobody,
            _ => Past::Cancelled,
        };
        let mut over = mailings.iter().filter(|mailing| mailing.is_over()).map(of_one);
        let newest = over.next()?;
        Some(if over.any(|past| past == Past::Sent) { Past::Sent } else { newest })
    }
}

/// `POST /staff/updates`: an empty draft, and on to writing.
pub async fn begin(State(state): State<AppState>, member: Member) -> Result<Response, StaffProblem> {
    let id = write_update::begin(&state.pool, &member.author(), Utc::now()).await?;
    Ok(Redirect::to(&format!("/staff/updates/{id}")).into_response())
}

/// `POST /staff/updates/{id}/delete`: removes a draft that was never sent.
pub async fn delete(State(state): State<AppState>, member: Member, id: Id) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    if write_update::delete(&state.pool, &member.actor(), id, Utc::now()).await? {
        return Ok(done("/staff/updates", "update_deleted"));
    }
    Ok(done(&format!("/staff/updates/{id}"), "update_kept"))
}
