//! A mailing paused because the relay refuses everybody with the same words: somebody reads them, and may say that they
//! mean the addresses.

use axum::{extract::State, response::Response};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    app::{control_mailing::Control, follow_mailings},
    domain::{
        ids::MailingId,
        mailing::Overview,
        queue::{refusals::RunOfMailing, reply_meaning},
    },
    telemetry::mask_addresses,
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member,
            mailings::actions::control,
            staff_page::{Id, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/mailings/{id}/refusals`: the relay's words, what letting them stand means, and the question.
pub async fn ask(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let found = follow_mailings::refusals(&state.app.pool, id).await?;
    match found.ok_or(StaffProblem::NOT_FOUND)? {
        (mailing, Some(run)) => page.show(&RefusalsPage::of(&page, mailing, &run)),
        (_, None) => Ok(done(&format!("/staff/mailings/{id}"), "no_refusals")),
    }
}

/// The question whether to let refusals stand.
#[derive(Serialize)]
pub struct RefusalsPage {
    id: MailingId,
    subject: String,
    /// What the relay says, with addresses masked.
    said: String,
    /// What that means, as far as its codes say.
    meaning: Option<String>,
    lead: String,
    button: String,
}

impl RefusalsPage {
    fn of(page: &StaffPage, mailing: Overview, run: &RunOfMailing) -> Self {
        let number = |key: &str| page.plural("refusals", key, run.count);
        Self {
            id: mailing.id,
            subject: mailing.subject,
            said: mask_addresses(&run.said),
            meaning: reply_meaning::of_line(&run.said)
                .map(|meaning| page.text("meaning", meaning.key()).to_owned()),
            lead: number("lead"),
            button: number("button"),
        }
    }
}

impl PageContext for RefusalsPage {
    const TEMPLATE: &'static str = "staff/refusals.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |meaning: Option<&str>| Self {
            id: MailingId(Uuid::nil()),
            subject: "Neues vom Projekt".into(),
            said: "550 5.1.1 unknown user".into(),
            meaning: meaning.map(Into::into),
            lead: "Der Mailserver hat 12 Adressen mit denselben Worten abgelehnt.".into(),
            button: "12 Ablehnungen gelten lassen".into(),
        };
        vec![of(Some("Dieses Postfach gibt es nicht.")), of(None)]
    }
}

/// `POST /staff/mailings/{id}/refusals`
pub async fn accept(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::AcceptRefusals).await
}
