//! A forgotten password: a form for the address, and the same answer for every one. See `app::mailed_link` for what is not told.

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::mailed_link::{self, AskError, LinkAsked},
    domain::{actor::Actor, address::EmailAddress},
    web::{
        AppState,
        http::form_values,
        page_context::{PageContext, Sample},
        staff::{
            login::guard::{LoginOrigin, with_retry_after},
            staff_page::{Mistakes, StaffPage},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/login/forgotten`; with `sent` what it says after the form. Whose address it was stands nowhere.
pub async fn form(page: StaffPage) -> Result<Response, StaffProblem> {
    let is_sent = page.query("sent").is_some();
    page.show(&ForgottenPage::of(&page, is_sent, "", Mistakes::default()))
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ForgottenForm {
    email: String,
}

/// `POST /staff/login/forgotten`
pub async fn submit(
    State(state): State<AppState>,
    page: StaffPage,
    origin: LoginOrigin,
    Form(sent): Form<ForgottenForm>,
) -> Result<Response, StaffProblem> {
    let again = |status, errors| page.answer(status, &ForgottenPage::of(&page, false, &sent.email, errors));
    let Ok(email) = EmailAddress::parse(&sent.email) else {
        let key = if sent.email.trim().is_empty() { "email_empty" } else { "email" };
        return again(StatusCode::UNPROCESSABLE_ENTITY, Mistakes::one("email", page.text("error", key)));
    };
    let (publication, now) = (page.publication.as_ref(), Utc::now());
    let asked =
        mailed_link::ask_for_link(&state.app, &Actor::Visitor, publication, (&origin.0, &email), now).await;
    match asked {
        Ok(LinkAsked::Taken) => Ok(Redirect::to("/staff/login/forgotten?sent=1").into_response()),
        Ok(LinkAsked::WaitUntil(until)) => {
            let minutes = (until - now).num_seconds().max(1).unsigned_abs().div_ceil(60);
            let text = page.plural("error", "links_wait", i64::try_from(minutes).unwrap_or(i64::MAX));
            let answer = again(StatusCode::TOO_MANY_REQUESTS, Mistakes::one("form", text))?;
            Ok(with_retry_after(answer, until - now))
        }
        // The page says so itself.
        Err(AskError::NoSender) => again(StatusCode::CONFLICT, Mistakes::default()),
        Err(AskError::NotAllowed) => Err(StaffProblem::no_gate()),
        Err(AskError::Database(error)) => Err(error.into()),
    }
}

/// The form for the address, or what happens next.
#[derive(Serialize)]
pub struct ForgottenPage {
    email: String,
    is_sent: bool,
    /// Whether mails can go out.
    can_mail: bool,
    errors: Mistakes,
}

impl ForgottenPage {
    fn of(page: &StaffPage, is_sent: bool, email: &str, errors: Mistakes) -> Self {
        let can_mail = mailed_link::can_be_mailed(page.publication.as_ref());
        Self { email: form_values::again(email), is_sent, can_mail, errors }
    }
}

impl PageContext for ForgottenPage {
    const TEMPLATE: &'static str = "staff/forgotten.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page =
            |email: &str, is_sent, can_mail, errors| Self { email: email.into(), is_sent, can_mail, errors };
        vec![
            page("", false, true, Mistakes::default()),
            page("", true, true, Mistakes::default()),
            page("", false, false, Mistakes::default()),
            page("ada", false, true, Mistakes::one("email", "Das ist keine Adresse.")),
            page("ada@example.org", false, true, Mistakes::one("form", "Warten Sie bitte.")),
        ]
    }
}
