//! Taking a newer text of its update over into a mailing that has not begun, which is checked and shown before.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    app::{
        preflight::warnings,
        replace_text::{self, Objection, Order, ReplaceError, ReplaceSituation, replace_text},
    },
    domain::{ids::MailingId, mailing::MailingError},
    web::{
        AppState,
        staff::{
            logged_in::Member,
            mailings::planned,
            sending::mail_view::{MailView, ObstacleView, UpdateView},
            staff_page::{Id, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::preflight::{self, Findings},
        },
    },
};

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TextForm {
    /// The versions of update and publication that the page has shown.
    version: String,
    /// When the words were frozen that the mailing had then, in microseconds.
    frozen: String,
    /// Ticked: the warnings are meant so; see [`warnings::marks`].
    warnings: String,
}

/// The saved text, and whether it can be taken over.
#[derive(Serialize)]
pub struct PlannedTextPage {
    pub(super) mailing: PlannedView,
    pub(super) update: UpdateView,
    /// When the text was saved.
    pub(super) saved: String,
    /// What the new mail is made of, for the form.
    pub(super) versions: String,
    pub(super) mail: Option<MailView>,
    pub(super) sender: Option<SenderName>,
    pub(super) preflight: Findings,
    pub(super) obstacle: Option<ObstacleView>,
    /// The mailing says the same already.
    pub(super) is_same: bool,
    /// What the box for warnings stands for, if there is one.
    pub(super) warnings: Option<String>,
    pub(super) is_ticked: bool,
    pub(super) errors: Mistakes,
}

#[derive(Serialize)]
pub(super) struct PlannedView {
    pub(super) id: MailingId,
    pub(super) state: String,
    pub(super) frozen_text: String,
    /// When its words were frozen, for the form.
    pub(super) frozen: String,
}

#[derive(Serialize)]
pub(super) struct SenderName {
    pub(super) name: String,
}

impl PlannedTextPage {
    fn of(page: &StaffPage, found: ReplaceSituation, sent: &TextForm, errors: Mistakes) -> Self {
        let ReplaceSituation { mailing, draft, is_same, obstacle } = found;
        let are_ticked = !sent.warnings.is_empty() && warnings::are_ticked(&draft.findings, &sent.warnings);
        Self {
            mailing: PlannedView {
                id: mailing.id,
                state: planned::state(page, &mailing),
                frozen_text: planned::frozen(page, &mailing),
                frozen: mailing.frozen_at.timestamp_micros().to_string(),
            },
            saved: page.text("planned", "saved").replace("{at}", &page.short_time(draft.update.changed_at)),
            versions: draft.versions().to_string(),
            mail: draft.content.as_ref().map(|content| MailView::of(content, &draft.update)),
            sender: draft
                .publication
                .as_ref()
                .map(|one| SenderName { name: one.content.sender.name.clone() }),
            preflight: preflight::view(page, draft.update.id, &draft.findings),
            obstacle: obstacle.map(|obstacle| ObstacleView::of_text(page, obstacle, &draft.update)),
            is_same,
            warnings: warnings::marks(&draft.findings),
            is_ticked: are_ticked,
            errors,
            update: UpdateView::of(draft.update),
        }
    }
}

fn path(id: MailingId) -> String {
    format!("/staff/mailings/{id}")
}

/// The answer when it came too late, or to another mistake than those of the form.
fn too_late(id: MailingId, error: ReplaceError) -> Result<Response, StaffProblem> {
    match error {
        ReplaceError::Mailing(MailingError::Unknown) => Err(StaffProblem::NOT_FOUND),
        ReplaceError::Mailing(MailingError::Database(error)) | ReplaceError::Database(error) => {
            Err(error.into())
        }
        ReplaceError::Preflight(error) => Err(error.into()),
        ReplaceError::Mailing(_) | ReplaceError::Refused(_) => Ok(done(&path(id), "too_late_for_text")),
    }
}

/// `GET /staff/mailings/{id}/text`: the saved text of the update as a mail, what the check says, and the button that takes
/// it over.
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    match replace_text::situation(&state.app, id).await {
        Ok(found) => page.show(&PlannedTextPage::of(&page, found, &TextForm::default(), Mistakes::default())),
        Err(error) => too_late(id, error),
    }
}

/// `POST /staff/mailings/{id}/text`: puts the saved text in the place of the one that was planned.
pub async fn replace(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id<MailingId>,
    Form(sent): Form<TextForm>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let order = Order {
        mailing: id,
        frozen_at: sent.frozen.parse().ok().and_then(DateTime::from_timestamp_micros),
        versions: sent.version.parse().ok(),
        warnings: sent.warnings.clone(),
    };
    let (found, objections) = match replace_text(&state.app, &member.actor(), &order, Utc::now()).await {
        Ok(()) => return Ok(done(&path(id), "text_taken")),
        Err(ReplaceError::Refused(refused)) => *refused,
        Err(error) => return too_late(id, error),
    };
    // What was changed meanwhile is to be looked at as it is now.
    let found = if objections.contains(&Objection::Changed) {
        match replace_text::situation(&state.app, id).await {
            Ok(found) => found,
            Err(error) => return too_late(id, error),
        }
    } else {
        found
    };
    let mut mistakes = Mistakes::default();
    for objection in objections {
        let (field, key) = match objection {
            Objection::Warnings { some: true } => ("warnings", "warnings_changed"),
            Objection::Warnings { some: false } => ("warnings", "warnings"),
            Objection::Changed => ("form", "text_version"),
            Objection::TextChanged => ("form", "text_changed"),
            Objection::FormOld => ("form", "form_old"),
        };
        mistakes.add(field, page.text("error", key));
    }
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, &PlannedTextPage::of(&page, found, &sent, mistakes))
}
