//! A mailing paused because the relay refuses everybody with the same words: somebody reads them, and may say that they
//! mean the addresses.

use axum::{extract::State, response::Response};
use serde_json::json;

use crate::{
    app::control_mailing::Control,
    domain::{ids::MailingId, mailing, queue::refusals},
    telemetry::mask_addresses,
    web::{
        AppState,
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
    let mut db = state.app.pool.acquire().await?;
    let mailing = mailing::overview(&mut db, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let Some(run) = refusals::run_of(&mut db, id).await? else {
        return Ok(done(&format!("/staff/mailings/{id}"), "no_refusals"));
    };
    drop(db);
    let number = |key: &str| page.plural("refusals", key, run.count);
    page.show_value(
        "staff/refusals.html",
        &json!({
            "id": id, "subject": mailing.subject, "said": mask_addresses(&run.said),
            "lead": number("lead"), "button": number("button"),
        }),
    )
}

/// `POST /staff/mailings/{id}/refusals`
pub async fn accept(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::AcceptRefusals).await
}
