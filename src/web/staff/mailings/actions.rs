//! What staff can do about a mailing: take it back, give it another time, let it begin, pause, resume, cancel, send again.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Instrument;

use crate::{
    app::{
        control_mailing::{Control, Controlled, control_mailing, reschedule_mailing},
        retry_mailing::{retry_mailing, retryable},
    },
    domain::{
        ids::MailingId,
        mailing::{self, MailingError, Overview, Retry},
    },
    web::{
        AppState,
        staff::{
            formats,
            logged_in::Member,
            mailings,
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
            let found = mailing::overview(&mut *state.app.pool.acquire().await?, id).await?;
            let mistakes = Mistakes::one(field, page.text("error", key));
            let typed = (sent.date.as_str(), sent.time.as_str());
            let mailing = found.ok_or(StaffProblem::NOT_FOUND)?;
            let own = mailings::view(&page, &mailing, Some(typed), &mistakes).await?;
            return page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/mailing.html", &own);
        }
    };
    let notice = match reschedule_mailing(&state.app.pool, &member.actor(), id, at, now).await {
        Ok(()) => "mailing_rescheduled",
        Err(MailingError::Unknown) => return Err(StaffProblem::NOT_FOUND),
        Err(MailingError::Database(error)) => return Err(error.into()),
        Err(_) => "too_late",
    };
    Ok(done(&format!("/staff/mailings/{id}"), notice))
}

/// What is to be sent again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentRetry {
    what: String,
}

impl SentRetry {
    fn retry(&self) -> Option<Retry> {
        match self.what.as_str() {
            "rejected" => Some(Retry::Rejected),
            "unknown" => Some(Retry::Unknown),
            _ => None,
        }
    }
}

/// `GET /staff/mailings/{id}/retry?what=rejected`: says what sending again means, and asks.
pub async fn ask_retry(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let found = mailing::overview(&mut *state.app.pool.acquire().await?, id).await?;
    let mailing = found.ok_or(StaffProblem::NOT_FOUND)?;
    let asked = SentRetry { what: page.query("what").unwrap_or_default() };
    if let Some(what) = asked.retry() {
        let count = retryable(&state.app.pool, id, what).await?;
        if count > 0 {
            return page.show_value("staff/retry.html", &retry_view(&page, &mailing, what, count));
        }
    }
    Ok(done(&format!("/staff/mailings/{id}"), "nothing_to_retry"))
}

fn retry_view(page: &StaffPage, mailing: &Overview, what: Retry, count: i64) -> Value {
    let name = what.state().name();
    let number = |key: &str| page.plural("retry", key, count);
    json!({
        "id": mailing.id, "subject": mailing.subject, "what": name,
        "lead": number(name), "button": number("button"),
    })
}

/// `POST /staff/mailings/{id}/retry`
pub async fn retry(
    State(state): State<AppState>,
    member: Member,
    id: Id<MailingId>,
    Form(sent): Form<SentRetry>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let page = format!("/staff/mailings/{id}");
    let Some(what) = sent.retry() else {
        let found = mailing::overview(&mut *state.app.pool.acquire().await?, id).await?;
        return found.map(|_| done(&page, "nothing_to_retry")).ok_or(StaffProblem::NOT_FOUND);
    };
    // Nobody's patience decides how many are sent again: it goes on when the browser goes away.
    let work = async move { retry_mailing(&state.app.pool, &member.actor(), id, what, Utc::now()).await };
    let work = tokio::spawn(work.in_current_span());
    match work.await {
        Ok(Ok(_)) => Ok(done(&page, "retried")),
        Ok(Err(MailingError::NothingToRetry(_))) => Ok(done(&page, "nothing_to_retry")),
        Ok(Err(MailingError::Unknown)) => Err(StaffProblem::NOT_FOUND),
        Ok(Err(MailingError::Database(error))) => Err(error.into()),
        Ok(Err(_)) | Err(_) => Ok(done(&page, "mailing_changed")),
    }
}
