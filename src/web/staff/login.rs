//! Getting in by address and password, and getting out. The second step, where there is one, is in [`code`]. What
//! must not be told by an answer, or by its time: see `app::log_in`.

pub mod code;
pub mod destination;
pub mod forgotten;
pub mod guard;
pub mod one_time_link;
pub mod reauth;

use axum::{
    Form,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::log_in::{self, LogIn},
    domain::staff::session::Session,
    web::{
        AppState,
        http::{cookies, form_values},
        page_context::{PageContext, Sample},
        staff::{
            login::guard::{LoginOrigin, wait, with_retry_after},
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/login`
pub async fn form(page: StaffPage, request: Request) -> Result<Response, StaffProblem> {
    let next = page.query("next").unwrap_or_default();
    // Whoever is still to show the second factor may have come back for another account.
    if request.extensions().get::<Session>().is_some_and(|session| !session.is_awaiting_code) {
        return Ok(Redirect::to(destination::checked(&next).as_deref().unwrap_or("/staff")).into_response());
    }
    page.show(&LoginPage { email: String::new(), next, errors: Mistakes::default() })
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoginForm {
    email: String,
    password: String,
    next: String,
}

/// `POST /staff/login`
pub async fn submit(
    State(state): State<AppState>,
    page: StaffPage,
    origin: LoginOrigin,
    Form(sent): Form<LoginForm>,
) -> Result<Response, StaffProblem> {
    let again = |status, errors| {
        let (email, next) = (form_values::again(&sent.email), sent.next.clone());
        page.answer(status, &LoginPage { email, next, errors })
    };
    let mut mistakes = Mistakes::default();
    if sent.email.trim().is_empty() {
        mistakes.add("email", page.text("error", "email_empty"));
    }
    if sent.password.is_empty() {
        mistakes.add("password", page.text("error", "password_empty"));
    }
    if !mistakes.is_empty() {
        return again(StatusCode::UNPROCESSABLE_ENTITY, mistakes);
    }
    let now = Utc::now();
    let entered = match log_in::log_in(&state.app, &origin.0, (&sent.email, &sent.password), now).await? {
        LogIn::In(entered) => entered,
        LogIn::Wrong => {
            let wrong = Mistakes::one("form", page.text("error", "login_wrong"));
            return again(StatusCode::UNPROCESSABLE_ENTITY, wrong);
        }
        LogIn::WaitUntil(until) => {
            let answer = again(StatusCode::TOO_MANY_REQUESTS, wait(&page, "form", until - now))?;
            return Ok(with_retry_after(answer, until - now));
        }
    };
    let next = destination::checked(&sent.next);
    if entered.awaits_code {
        let to = destination::with_next("/staff/login/code", next.as_deref());
        let mut response = Redirect::to(&to).into_response();
        cookies::set_session(&state, response.headers_mut(), &entered.session);
        return Ok(response);
    }
    let response = Redirect::to(next.as_deref().unwrap_or("/staff")).into_response();
    Ok(origin.enter(&state, response, &entered))
}

/// `POST /staff/logout`
pub async fn logout(State(state): State<AppState>, request: Request) -> Result<Response, StaffProblem> {
    if let Some(session) = request.extensions().get::<Session>() {
        log_in::log_out(&state.app.pool, session, Utc::now()).await?;
    }
    let mut response = done("/staff/login", "logged_out");
    cookies::clear_session(&state, response.headers_mut());
    Ok(response)
}

/// The form for address and password.
#[derive(Serialize)]
pub struct LoginPage {
    email: String,
    /// Where to go afterwards, as it came in the address.
    next: String,
    errors: Mistakes,
}

impl PageContext for LoginPage {
    const TEMPLATE: &'static str = "staff/login.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page = |email: &str, next: &str, errors| Self { email: email.into(), next: next.into(), errors };
        let wrong = Mistakes::one("form", "Adresse oder Passwort stimmt nicht.");
        vec![page("", "", Mistakes::default()), page("ada@example.org", "/staff/updates", wrong)]
    }
}
