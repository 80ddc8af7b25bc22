//! Mailings that are held because the database may be an older one, and letting them go on.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::release_restore::{self, ReleaseError, release_restore},
    domain::restore::How,
    web::{
        AppState,
        staff::{
            logged_in::Admin,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/restore`
pub async fn show(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    let own = view(&page, &Mistakes::default()).await?;
    page.show_value("staff/restore.html", &own)
}

async fn view(page: &StaffPage, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let (hold, open) = release_restore::situation(&page.state.pool, Utc::now()).await?;
    Ok(json!({
        "held": hold.map(|hold| json!({
            "since": page.short_time(hold.since),
            "last_seen": hold.last_seen.map(|at| page.short_time(at)),
            "becomes_unknown": hold.becomes_unknown,
        })),
        "open": {
            "mailings": page.number(open.mailings), "deliveries": page.number(open.deliveries),
            "overdue": page.number(open.overdue),
        },
        "errors": errors,
    }))
}

/// What the forms send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Decision {
    open: String,
    sure: String,
}

/// `POST /staff/restore`: lets mailings go on. What is sent cannot be taken back, so it wants a tick.
pub async fn release(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Form(decision): Form<Decision>,
) -> Result<Response, StaffProblem> {
    let how = match decision.open.as_str() {
        "unknown" => How::AsUnknown,
        "sent" => How::SendOn,
        _ => return again(&page, "restore_unclear").await,
    };
    if how == How::SendOn && decision.sure.is_empty() {
        return again(&page, "restore_sure").await;
    }
    let is_released = release_restore(&state.pool, &member.actor(), how, Utc::now()).await?;
    Ok(match (is_released, how) {
        (false, _) => done("/staff/restore", "restore_before"),
        (true, How::SendOn) => done("/staff", "restore_sent"),
        (true, How::AsUnknown) => done("/staff", "restore_unknown"),
    })
}

impl From<ReleaseError> for StaffProblem {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::NotAllowed(_) => Self::no_gate(),
            ReleaseError::Database(error) => error.into(),
        }
    }
}

/// The page again, with what to mend.
async fn again(page: &StaffPage, error: &str) -> Result<Response, StaffProblem> {
    let own = view(page, &Mistakes::one("form", page.text("error", error))).await?;
    page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/restore.html", &own)
}
