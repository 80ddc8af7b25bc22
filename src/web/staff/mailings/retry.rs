//! Sending again what of a mailing was rejected or is unknown: what that means, the question, and doing it.

use axum::{Form, extract::State, response::Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    app::{
        follow_mailings,
        retry_mailing::{retry_mailing, retryable},
    },
    domain::{
        ids::MailingId,
        mailing::{MailingError, Overview, Retry},
        queue::delivery::DeliveryState,
    },
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member,
            staff_page::{Id, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

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
pub async fn ask(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mailing = follow_mailings::find(&state.app.pool, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let asked = SentRetry { what: page.query("what").unwrap_or_default() };
    if let Some(what) = asked.retry() {
        let count = retryable(&state.app.pool, id, what).await?;
        if count > 0 {
            return page.show(&RetryPage::of(&page, mailing, what, count));
        }
    }
    Ok(done(&format!("/staff/mailings/{id}"), "nothing_to_retry"))
}

/// The question whether to send again.
#[derive(Serialize)]
pub struct RetryPage {
    id: MailingId,
    subject: String,
    what: DeliveryState,
    lead: String,
    button: String,
}

impl RetryPage {
    fn of(page: &StaffPage, mailing: Overview, what: Retry, count: i64) -> Self {
        let number = |key: &str| page.plural("retry", key, count);
        let what = what.state();
        Self {
            id: mailing.id,
            subject: mailing.subject,
            what,
            lead: number(what.name()),
            button: number("button"),
        }
    }
}

impl PageContext for RetryPage {
    const TEMPLATE: &'static str = "staff/retry.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |what, lead: &str| Self {
            id: MailingId(Uuid::nil()),
            subject: "Neues vom Projekt".into(),
            what,
            lead: lead.into(),
            button: "An 3 Personen noch einmal senden".into(),
        };
        vec![
            of(DeliveryState::Rejected, "3 Exemplare wurden abgelehnt."),
            of(DeliveryState::Unknown, "Bei 3 Exemplaren ist unbekannt, ob sie angekommen sind."),
        ]
    }
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
        let found = follow_mailings::find(&state.app.pool, id).await?;
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
