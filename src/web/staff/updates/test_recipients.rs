//! Colleagues: the saved list of those who get test mails.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::test_recipients::{self, TestRecipientError},
    domain::{address::EmailAddress, ids::TestRecipientId, staff, test_recipient::Added},
    web::{
        AppState,
        http::{form_values, problem::Problem},
        staff::{
            logged_in::Member,
            staff_page::{Id, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    name: String,
    email: String,
}

impl From<TestRecipientError> for StaffProblem {
    fn from(error: TestRecipientError) -> Self {
        match error {
            TestRecipientError::NotAllowed(_) => StaffProblem::Common(Problem::internal(&error)),
            TestRecipientError::Database(error) => error.into(),
        }
    }
}

/// `GET /staff/colleagues`
pub async fn list(page: StaffPage, _: Member) -> Result<Response, StaffProblem> {
    let own = view(&page, &Sent::default(), &Mistakes::default()).await?;
    page.show_value("staff/colleagues.html", &own)
}

async fn view(page: &StaffPage, sent: &Sent, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let colleagues = test_recipients::list(&page.state.pool).await?;
    let colleagues: Vec<Value> = colleagues
        .iter()
        .map(|colleague| json!({ "id": colleague.id, "name": colleague.name, "email": colleague.email }))
        .collect();
    let typed = json!({ "email": form_values::again(&sent.email), "name": form_values::again(&sent.name) });
    Ok(json!({ "colleagues": colleagues, "typed": typed, "errors": errors }))
}

/// `POST /staff/colleagues`
pub async fn add(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let mut mistakes = Mistakes::default();
    let name = staff::clean_name(&sent.name);
    if name.is_none() {
        mistakes.add("name", page.text("error", "name"));
    }
    let email = EmailAddress::parse(&sent.email);
    if email.is_err() {
        mistakes.add("email", page.text("error", "email"));
    }
    if let (Some(name), Ok(email)) = (name, email) {
        match test_recipients::add(&state.pool, &member.actor(), &email, &name, Utc::now()).await? {
            Added::Now(_) => return Ok(done("/staff/colleagues", "colleague_added")),
            Added::Before => mistakes.add("email", page.text("error", "colleague_known")),
            Added::Full => mistakes.add("form", page.text("error", "colleagues_full")),
        }
    }
    let own = view(&page, &sent, &mistakes).await?;
    page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/colleagues.html", &own)
}

/// `POST /staff/colleagues/{id}/remove`
pub async fn remove(
    State(state): State<AppState>,
    member: Member,
    id: Id<TestRecipientId>,
) -> Result<Response, StaffProblem> {
    test_recipients::remove(&state.pool, &member.actor(), id_in(id)?, Utc::now()).await?;
    Ok(done("/staff/colleagues", "colleague_removed"))
}
