//! Updates: the list of what is written and sent, a new one, and away with a draft.

pub(in crate::web) mod editor;
pub(in crate::web) mod history;
pub mod preflight;
pub(in crate::web) mod preview;
pub(in crate::web) mod review;
pub(in crate::web) mod templates;
pub(in crate::web) mod test_recipients;
pub(in crate::web) mod unfinished;

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    app::{
        update_templates,
        write_update::{self, WriteError},
    },
    domain::{
        ids::{TemplateId, UpdateId},
        mailing::{MailingState, Overview},
        update::Update,
    },
    web::{
        AppState,
        http::problem::Problem,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member,
            mailings::{planned, progress::MailingStanding},
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
    write_update::find(&state.app.pool, &id.to_string()).await?.ok_or(StaffProblem::NOT_FOUND)
}

/// `GET /staff/updates`
pub async fn list(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
) -> Result<Response, StaffProblem> {
    let (updates, mailings) = write_update::list(&state.app.pool).await?;
    let updates = updates.into_iter().map(|update| {
        let mailings = mailings.get(&update.id).map_or(&[] as &[_], Vec::as_slice);
        Row::of(&page, update, mailings)
    });
    let templates = update_templates::list(&state.app.pool).await?.into_iter();
    let templates = templates.map(|template| TemplateButton { id: template.id, name: template.name });
    page.show(&UpdatesPage { updates: updates.collect(), templates: templates.collect() })
}

/// The list of updates.
#[derive(Serialize)]
pub struct UpdatesPage {
    updates: Vec<Row>,
    templates: Vec<TemplateButton>,
}

/// Begins a draft with a template.
#[derive(Serialize)]
struct TemplateButton {
    id: TemplateId,
    name: String,
}

#[derive(Serialize)]
struct Row {
    id: UpdateId,
    title: String,
    tags: Vec<Tag>,
    changed_at: String,
    changed_by: Option<String>,
    /// It was sent: its text can be used again from here.
    was_sent: bool,
}

/// What its mailings make of an update.
#[derive(Serialize)]
struct Tag {
    text: String,
    /// How it is coloured; empty for plain.
    look: &'static str,
    /// The page of a mailing that is not over.
    url: Option<String>,
}

impl Row {
    /// `mailings` are the update's, newest first.
    fn of(page: &StaffPage, update: Update, mailings: &[Overview]) -> Self {
        Self {
            id: update.id,
            title: update.title,
            tags: tags(page, mailings),
            changed_at: page.short_time(update.changed_at),
            changed_by: update.changed_by,
            was_sent: Past::of(mailings) == Some(Past::Sent),
        }
    }
}

impl PageContext for UpdatesPage {
    const TEMPLATE: &'static str = "staff/updates.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let tag = |text: &str, look, url: Option<&str>| {
            let url = url.map(str::to_owned);
            Tag { text: text.into(), look, url }
        };
        let row = |title: &str, changed_by: Option<&str>, was_sent, tags| Row {
            id: UpdateId(Uuid::nil()),
            title: title.into(),
            tags,
            changed_at: "25.11.2026, 14:05".into(),
            changed_by: changed_by.map(str::to_owned),
            was_sent,
        };
        let sent =
            vec![tag("wird gesendet", "wait", Some("/staff/mailings/1")), tag("gesendet", "good", None)];
        let updates = vec![
            row("Neues vom Projekt", Some("Ada"), true, sent),
            row("", None, false, vec![tag("Entwurf", "", None)]),
        ];
        let templates = vec![TemplateButton { id: TemplateId(Uuid::nil()), name: "Monatsbrief".into() }];
        vec![Self { updates, templates }, Self { updates: Vec::new(), templates: Vec::new() }]
    }
}

/// Each mailing that is not over, with the way to it, and what became of the others.
fn tags(page: &StaffPage, mailings: &[Overview]) -> Vec<Tag> {
    let mut tags = Vec::new();
    for mailing in mailings.iter().filter(|mailing| !mailing.is_over()) {
        let (text, look) = match MailingStanding::from(mailing).key() {
            "scheduled" => (planned::state(page, mailing), "wait"),
            "overdue" => (planned::state(page, mailing), "off"),
            "starting" => (page.text("updates", "starting").to_owned(), "wait"),
            "paused" => (page.text("updates", "paused").to_owned(), "off"),
            _ => (page.text("updates", "sending").to_owned(), "wait"),
        };
        tags.push(Tag { text, look, url: Some(format!("/staff/mailings/{}", mailing.id)) });
    }
    let (key, look) = match Past::of(mailings) {
        Some(Past::Sent) => ("sent", "good"),
        Some(Past::Nobody) => ("nobody", ""),
        Some(Past::Cancelled) => ("cancelled", "off"),
        None if tags.is_empty() => ("draft", ""),
        None => return tags,
    };
    tags.push(Tag { text: page.text("updates", key).to_owned(), look, url: None });
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
    let id = write_update::begin(&state.app.pool, &member.author(), Utc::now()).await?;
    Ok(Redirect::to(&format!("/staff/updates/{id}")).into_response())
}

/// `POST /staff/updates/{id}/delete`: removes a draft that was never sent.
pub async fn delete(State(state): State<AppState>, member: Member, id: Id) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    if write_update::delete(&state.app.pool, &member.actor(), id, Utc::now()).await? {
        return Ok(done("/staff/updates", "update_deleted"));
    }
    Ok(done(&format!("/staff/updates/{id}"), "update_kept"))
}
