//! What staff can do about a mailing: take it back, give it another time, let it begin, pause, resume, cancel.

use axum::{Form, extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{
    app::control_mailing::{Control, Controlled, control_mailing, reschedule_mailing},
    domain::{
        ids::MailingId,
        mailing::{Begin, MailingError},
    },
    web::{
        AppState,
        staff::{
            formats,
            logged_in::Member,
            mailings::detail::{self, When},
            staff_page::{Id, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// `POST /staff/mailings/{id}/take-back`
pub async fn take_back(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::TakeBack).await
}

/// `POST /staff/mailings/{id}/pause`
pub async fn pause(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::Pause).await
}

/// `POST /staff/mailings/{id}/resume`
pub async fn resume(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::Resume).await
}

/// `POST /staff/mailings/{id}/cancel`
pub async fn cancel(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    control(&state, &member, id, Control::Cancel).await
}

/// Does it, and leads back to the page of the mailing.
pub async fn control(
    state: &AppState,
    member: &Member,
    id: Id<MailingId>,
    control: Control,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let notice = match control_mailing(&state.app.pool, &member.actor(), id, control, Utc::now()).await {
        Ok(Controlled::TakenBack) => "taken_back",
        Ok(Controlled::Paused) => "mailing_paused",
        Ok(Controlled::GoesOn) => "mailing_resumed",
        Ok(Controlled::Begins) => "mailing_begun",
        Ok(Controlled::RefusalsAccepted(_)) => "refusals_accepted",
        Ok(Controlled::Cancelled) => "mailing_cancelled",
        Err(MailingError::Unknown) => return Err(StaffProblem::NOT_FOUND),
        Err(MailingError::Database(error)) => return Err(error.into()),
        // It went on meanwhile, or somebody else was faster: the page shows how it stands.
        Err(_) => match control {
            Control::TakeBack => "too_late",
            Control::AcceptRefusals => "no_refusals",
            _ => "mailing_changed",
        },
    };
    Ok(done(&format!("/staff/mailings/{id}"), notice))
}

/// What the form for another time sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentTime {
    date: String,
    time: String,
}

/// `POST /staff/mailings/{id}/time`: another time for a mailing that has not begun.
pub async fn reschedule(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id<MailingId>,
    Form(sent): Form<SentTime>,
) -> Result<Response, StaffProblem> {
    let (id, now) = (id_in(id)?, Utc::now());
    let at = match formats::moment(page.time_zone(), &sent.date, &sent.time, now) {
        Ok(at) => at,
        Err(formats::NoMoment(field, key)) => {
            let errors = Mistakes::one(field, page.text("error", key));
            return detail::answer_time(&page, id, When::typed(&sent.date, &sent.time), errors).await;
        }
    };
    begin(&state, &member, id, (Begin::At(at), "mailing_rescheduled")).await
}

/// `POST /staff/mailings/{id}/now`: lets a planned mailing begin now, after the time to take it back.
pub async fn begin_now(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
    Form(seen): Form<Seen>,
) -> Result<Response, StaffProblem> {
    let frozen_at = seen.frozen.parse().ok().and_then(DateTime::from_timestamp_micros).unwrap_or_default();
    begin(&state, &member, id_in(id)?, (Begin::Now { frozen_at }, "mailing_begins_now")).await
}

/// What the form that lets a mailing begin now sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// When the words were frozen that the page showed, in microseconds.
    frozen: String,
}

async fn begin(
    state: &AppState,
    member: &Member,
    id: MailingId,
    (begin, done_by): (Begin, &str),
) -> Result<Response, StaffProblem> {
    let notice = match reschedule_mailing(&state.app.pool, &member.actor(), id, begin, Utc::now()).await {
        Ok(()) => done_by,
        Err(MailingError::Unknown) => return Err(StaffProblem::NOT_FOUND),
        Err(MailingError::Database(error)) => return Err(error.into()),
        Err(MailingError::TextChanged) => "mailing_changed",
        Err(MailingError::Held) => "mailings_held",
        Err(_) => "too_late",
    };
    Ok(done(&format!("/staff/mailings/{id}"), notice))
}
