//! Colleagues: the saved list of those who get test mails.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::test_recipients::{self, TestRecipientError},
    db::statement::StatementResult,
    domain::{
        address::EmailAddress,
        ids::TestRecipientId,
        staff,
        test_recipient::{Added, TestRecipient},
    },
    web::{
        AppState,
        http::{form_values, problem::Problem},
        page_context::{PageContext, Sample},
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
pub struct RecipientForm {
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
    page.show(&TestRecipientsPage::of(&page, &RecipientForm::default(), Mistakes::default()).await?)
}

/// Those who get test mails.
#[derive(Serialize)]
pub struct TestRecipientsPage {
    colleagues: Vec<RecipientView>,
    typed: RecipientFormValues,
    errors: Mistakes,
}

#[derive(Serialize)]
struct RecipientView {
    id: TestRecipientId,
    name: String,
    email: EmailAddress,
}

/// What was typed about somebody new.
#[derive(Serialize)]
struct RecipientFormValues {
    name: String,
    email: String,
}

impl TestRecipientsPage {
    async fn of(page: &StaffPage, sent: &RecipientForm, errors: Mistakes) -> StatementResult<Self> {
        let colleagues = test_recipients::list(&page.state.app.pool).await?.into_iter();
        let colleagues =
            colleagues.map(|TestRecipient { id, name, email }| RecipientView { id, name, email }).collect();
        let typed = RecipientFormValues {
            name: form_values::again(&sent.name),
            email: form_values::again(&sent.email),
        };
        Ok(Self { colleagues, typed, errors })
    }
}

impl PageContext for TestRecipientsPage {
    const TEMPLATE: &'static str = "staff/test_recipients.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |colleagues, email: &str, errors| {
            let typed = RecipientFormValues { name: String::new(), email: email.into() };
            Self { colleagues, typed, errors }
        };
        let bela = EmailAddress::parse("bela@example.org").map(|email| RecipientView {
            id: TestRecipientId(Uuid::nil()),
            name: "Bela Beispiel".into(),
            email,
        });
        let mut mistakes = Mistakes::one("name", "Bitte geben Sie einen Namen an.");
        mistakes.add("email", "Das ist keine Adresse.");
        vec![of(bela.into_iter().collect(), "", Mistakes::default()), of(Vec::new(), "bela@", mistakes)]
    }
}

/// `POST /staff/colleagues`
pub async fn add(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    Form(sent): Form<RecipientForm>,
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
        match test_recipients::add(&state.app.pool, &member.actor(), &email, &name, Utc::now()).await? {
            Added::Now(_) => return Ok(done("/staff/colleagues", "colleague_added")),
            Added::Before => mistakes.add("email", page.text("error", "colleague_known")),
            Added::Full => mistakes.add("form", page.text("error", "colleagues_full")),
        }
    }
    let own = TestRecipientsPage::of(&page, &sent, mistakes).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
}

/// `POST /staff/colleagues/{id}/remove`
pub async fn remove(
    State(state): State<AppState>,
    member: Member,
    id: Id<TestRecipientId>,
) -> Result<Response, StaffProblem> {
    test_recipients::remove(&state.app.pool, &member.actor(), id_in(id)?, Utc::now()).await?;
    Ok(done("/staff/colleagues", "colleague_removed"))
}
