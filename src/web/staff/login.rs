//! Getting in by address and password, and getting out. The second step, where there is one, is in [`code`].
//!
//! The answer to a wrong password, to an address that is nobody's, and to one that is disabled is the same, in time too:
//! a password is hashed in any case, and nothing is written that depends on whose account it is before the answer is out.

pub mod client_name;
pub mod code;
pub mod destination;
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
use serde::Deserialize;
use serde_json::json;

use crate::{
    domain::staff::{
        self,
        audit::{self, Action, Actor},
        password::Checked,
        session::{self, Session},
        throttle::{self, Admission},
    },
    web::{
        AppState,
        http::{cookies, form_values},
        staff::{
            login::guard::{Visit, account_of, actor, tell_held, wait, with_retry_after},
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
    page.show("staff/login.html", &json!({ "email": "", "next": next, "errors": Mistakes::default() }))
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    email: String,
    password: String,
    next: String,
}

/// `POST /staff/login`
pub async fn submit(
    State(state): State<AppState>,
    page: StaffPage,
    visit: Visit,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let again = |status, errors: Mistakes| {
        page.answer(
            status,
            "staff/login.html",
            &json!({ "email": form_values::again(&sent.email), "next": sent.next, "errors": errors }),
        )
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
    let account = account_of(&sent.email);
    let known = staff::credentials(&mut *state.pool.acquire().await?, &account).await?;
    let admission = visit.admit(&state, &account, known.as_ref().map(|known| known.id), now).await?;
    let attempt = match admission {
        Admission::Go(attempt) => attempt,
        Admission::WaitUntil(until) => {
            let answer = again(StatusCode::TOO_MANY_REQUESTS, wait(&page, "form", until - now))?;
            return Ok(with_retry_after(answer, until - now));
        }
    };
    let hash = known.as_ref().map(|known| known.password_hash.as_str());
    let asking = visit.asking(known.as_ref().map(|known| known.id));
    let checked = state.passwords.check(&sent.password, hash, asking).await?;
    let Some(known) = known.filter(|_| checked != Checked::Wrong) else {
        tell_held(&state, &account, &attempt, now);
        let wrong = Mistakes::one("form", page.text("error", "login_wrong"));
        return again(StatusCode::UNPROCESSABLE_ENTITY, wrong);
    };
    let new_hash = match checked {
        Checked::RightButOld => Some(state.passwords.hash_again(&sent.password).await?),
        _ => None,
    };
    let mut transaction = state.pool.begin().await?;
    if !staff::still_has_password(&mut transaction, known.id, &known.password_hash).await? {
        // Changed, or disabled, while it was being checked.
        let wrong = Mistakes::one("form", page.text("error", "login_wrong"));
        return again(StatusCode::UNPROCESSABLE_ENTITY, wrong);
    }
    if let Some(new_hash) = new_hash {
        staff::rehash_password(&mut transaction, known.id, &known.password_hash, &new_hash).await?;
    }
    let awaits_code = known.has_second_factor;
    let token = visit.begin(&state, &mut transaction, known.id, awaits_code, now).await?;
    if awaits_code {
        throttle::password_was_right(&mut transaction, &attempt, now).await?;
    } else {
        throttle::succeeded(&mut transaction, &attempt, now).await?;
        let by = actor(&known);
        audit::record(&mut transaction, &by, Action::LoggedIn, &known.email, &json!({}), now).await?;
    }
    transaction.commit().await?;
    let next = destination::checked(&sent.next);
    if awaits_code {
        let to = destination::with_next("/staff/login/code", next.as_deref());
        let mut response = Redirect::to(&to).into_response();
        cookies::set_session(&state, response.headers_mut(), &token);
        return Ok(response);
    }
    let response = Redirect::to(next.as_deref().unwrap_or("/staff")).into_response();
    Ok(visit.enter(&state, response, &token, known.id))
}

/// `POST /staff/logout`
pub async fn logout(State(state): State<AppState>, request: Request) -> Result<Response, StaffProblem> {
    if let Some(session) = request.extensions().get::<Session>() {
        let mut transaction = state.pool.begin().await?;
        session::end(&mut transaction, session.id).await?;
        if !session.is_awaiting_code {
            let by = Actor::Member { id: session.staff_id, email: session.email.clone() };
            audit::record(&mut transaction, &by, Action::LoggedOut, &session.email, &json!({}), Utc::now())
                .await?;
        }
        transaction.commit().await?;
    }
    let mut response = done("/staff/login", "logged_out");
    cookies::clear_session(&state, response.headers_mut());
    Ok(response)
}
