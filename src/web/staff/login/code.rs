//! The second step of logging in: a code, or a recovery code.

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::log_in::{self, GivenCode},
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::AwaitingCode,
            login::{
                destination,
                guard::{LoginOrigin, wait, with_retry_after},
            },
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/login/code`
pub async fn form(page: StaffPage, _: AwaitingCode) -> Result<Response, StaffProblem> {
    let next = page.query("next").unwrap_or_default();
    page.show(&CodePage { next, errors: Mistakes::default() })
}

/// What the form for the second factor sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CodeForm {
    code: String,
    next: String,
}

/// `POST /staff/login/code`
pub async fn submit(
    State(state): State<AppState>,
    page: StaffPage,
    origin: LoginOrigin,
    AwaitingCode(waiting): AwaitingCode,
    Form(sent): Form<CodeForm>,
) -> Result<Response, StaffProblem> {
    let again = |status, errors| page.answer(status, &CodePage { next: sent.next.clone(), errors });
    if sent.code.trim().is_empty() {
        let empty = Mistakes::one("code", page.text("error", "code_empty"));
        return again(StatusCode::UNPROCESSABLE_ENTITY, empty);
    }
    let now = Utc::now();
    let (entered, by_recovery_code) =
        match log_in::give_code(&state.app, &origin.0, &waiting, &sent.code, now).await? {
            GivenCode::In(entered) => (entered, false),
            GivenCode::ByRecoveryCode(entered) => (entered, true),
            GivenCode::Wrong => {
                let wrong = Mistakes::one("code", page.text("error", "code_wrong"));
                return again(StatusCode::UNPROCESSABLE_ENTITY, wrong);
            }
            GivenCode::WaitUntil(until) => {
                let answer = again(StatusCode::TOO_MANY_REQUESTS, wait(&page, "code", until - now))?;
                return Ok(with_retry_after(answer, until - now));
            }
            GivenCode::Over => return Ok(done("/staff/login", "code_tries")),
        };
    let response = if by_recovery_code {
        done("/staff/account/second-factor", "recovery_code_used")
    } else {
        Redirect::to(destination::checked(&sent.next).as_deref().unwrap_or("/staff")).into_response()
    };
    Ok(origin.enter(&state, response, &entered))
}

/// The form for the code.
#[derive(Serialize)]
pub struct CodePage {
    /// Where to go afterwards, as it came in the address.
    next: String,
    errors: Mistakes,
}

impl PageContext for CodePage {
    const TEMPLATE: &'static str = "staff/code.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        [Mistakes::default(), Mistakes::one("code", "Dieser Code stimmt nicht.")]
            .map(|errors| Self { next: "/staff/updates".into(), errors })
            .into()
    }
}
