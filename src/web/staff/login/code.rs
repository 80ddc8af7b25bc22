//! The second step of logging in: a code, or a recovery code.

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;

use crate::{
    domain::staff::{
        audit::{self, Action, Actor},
        second_factor::{self, SecondFactor},
        session,
        throttle::{self, Admission},
    },
    web::{
        AppState,
        staff::{
            access::AwaitingCode,
            login::{
                destination,
                guard::{Visit, account_of, wait, with_retry_after},
            },
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/login/code`
pub async fn form(page: StaffPage, _: AwaitingCode) -> Result<Response, StaffProblem> {
    let next = page.query("next").unwrap_or_default();
    page.show("staff/code.html", &json!({ "next": next, "errors": Mistakes::default() }))
}

/// What the form for the second factor sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    code: String,
    next: String,
}

/// `POST /staff/login/code`
pub async fn submit(
    State(state): State<AppState>,
    page: StaffPage,
    visit: Visit,
    AwaitingCode(waiting): AwaitingCode,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let again = |status, errors: Mistakes| {
        page.answer(status, "staff/code.html", &json!({ "next": sent.next, "errors": errors }))
    };
    if sent.code.trim().is_empty() {
        let empty = Mistakes::one("code", page.text("error", "code_empty"));
        return again(StatusCode::UNPROCESSABLE_ENTITY, empty);
    }
    let now = Utc::now();
    let attempt = match visit.admit(&state, &account_of(&waiting.email), Some(waiting.staff_id), now).await? {
        Admission::Go(attempt) => attempt,
        Admission::WaitUntil(until) => {
            let answer = again(StatusCode::TOO_MANY_REQUESTS, wait(&page, "code", until - now))?;
            return Ok(with_retry_after(answer, until - now));
        }
    };
    // Committed before the code is looked at: as many tries at the same moment are as many tries.
    if !session::may_try_code(&mut *state.pool.acquire().await?, waiting.id).await? {
        return Ok(done("/staff/login", "code_tries"));
    }
    let by = Actor::Member { id: waiting.staff_id, email: waiting.email.clone() };
    let mut transaction = state.pool.begin().await?;
    let typed: String = sent.code.chars().take(100).collect();
    let factor = second_factor::check(&mut transaction, &state.keys, waiting.staff_id, &typed, now).await?;
    match factor {
        SecondFactor::Code => {}
        SecondFactor::Recovery => {
            let left = second_factor::recovery_codes_left(&mut transaction, waiting.staff_id).await?;
            let details = json!({ "left": left });
            audit::record(&mut transaction, &by, Action::RecoveryCodeUsed, &waiting.email, &details, now)
                .await?;
        }
        SecondFactor::Wrong => {
            audit::record(&mut transaction, &by, Action::CodeRefused, &waiting.email, &json!({}), now)
                .await?;
            transaction.commit().await?;
            let wrong = Mistakes::one("code", page.text("error", "code_wrong"));
            return again(StatusCode::UNPROCESSABLE_ENTITY, wrong);
        }
        SecondFactor::Lost => return Err(StaffProblem::SecondFactorLost),
    }
    let token = visit.begin(&state, &mut transaction, waiting.staff_id, false, now).await?;
    throttle::succeeded(&mut transaction, &attempt, now).await?;
    audit::record(&mut transaction, &by, Action::LoggedIn, &waiting.email, &json!({}), now).await?;
    transaction.commit().await?;
    let response = if factor == SecondFactor::Recovery {
        done("/staff/account/second-factor", "recovery_code_used")
    } else {
        Redirect::to(destination::checked(&sent.next).as_deref().unwrap_or("/staff")).into_response()
    };
    Ok(visit.enter(&state, response, &token, waiting.staff_id))
}
