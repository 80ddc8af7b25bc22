//! Colleagues: the saved list of those who get test mails.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    domain::{
        colleague::{self, Added},
        ids::ColleagueId,
        staff::{
            self,
            audit::{self, Action},
        },
    },
    mail::envelope,
    web::{
        AppState,
        http::form_values,
        staff::{
            access::Member,
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

/// `GET /staff/colleagues`
pub async fn list(page: StaffPage, _: Member) -> Result<Response, StaffProblem> {
    let own = view(&page, &Sent::default(), &Mistakes::default()).await?;
    page.show("staff/colleagues.html", &own)
}

async fn view(page: &StaffPage, sent: &Sent, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let colleagues = colleague::list(&mut *page.state.pool.acquire().await?).await?;
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
    let email = envelope::parse(&sent.email);
    if email.is_err() {
        mistakes.add("email", page.text("error", "email"));
    }
    if let (Some(name), Ok(email)) = (name, email) {
        let now = Utc::now();
        let mut transaction = state.pool.begin().await?;
        let added = colleague::add(&mut transaction, &email, &name, now).await?;
        match added {
            Added::Now => {
                let (by, details) = (member.actor(), json!({}));
                // Masked: the log cannot be changed, and whoever is erased must not live on in it.
                audit::record(&mut transaction, &by, Action::ColleagueAdded, &email.masked(), &details, now)
                    .await?;
                transaction.commit().await?;
                return Ok(done("/staff/colleagues", "colleague_added"));
            }
            Added::Before => mistakes.add("email", page.text("error", "colleague_known")),
            Added::Full => mistakes.add("form", page.text("error", "colleagues_full")),
        }
        transaction.rollback().await?;
    }
    let own = view(&page, &sent, &mistakes).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, "staff/colleagues.html", &own)
}

/// `POST /staff/colleagues/{id}/remove`
pub async fn remove(
    State(state): State<AppState>,
    member: Member,
    id: Id<ColleagueId>,
) -> Result<Response, StaffProblem> {
    let (id, now) = (id_in(id)?, Utc::now());
    let mut transaction = state.pool.begin().await?;
    // Pressed twice, it is gone already; which is what was wanted.
    if let Some(email) = colleague::remove(&mut transaction, id).await? {
        let (by, details) = (member.actor(), json!({}));
        audit::record(&mut transaction, &by, Action::ColleagueRemoved, &email.masked(), &details, now)
            .await?;
    }
    transaction.commit().await?;
    Ok(done("/staff/colleagues", "colleague_removed"))
}
