//! People: who may log in, and as what. For admins.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::members::{self, Factor, MemberLink},
    domain::{
        address::EmailAddress,
        ids::StaffId,
        staff::{self, Role, StaffError, StaffMember},
    },
    web::{
        AppState,
        http::form_values,
        staff::{
            logged_in::Admin,
            staff_page::{self, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

type Id = staff_page::Id<StaffId>;

/// What the form for a new member sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    email: String,
    name: String,
    role: String,
}

/// `GET /staff/people`
pub async fn list(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    let own = view(&page, &Sent::default(), &Mistakes::default()).await?;
    page.show_value("staff/people.html", &own)
}

async fn view(page: &StaffPage, sent: &Sent, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let people = members::list(&page.state.pool).await?;
    let people: Vec<Value> = people.iter().map(|member| shown(page, member)).collect();
    let typed = json!({ "email": form_values::again(&sent.email), "name": form_values::again(&sent.name), "role": sent.role });
    Ok(json!({ "people": people, "typed": typed, "errors": errors }))
}

/// A member as pages show them.
fn shown(page: &StaffPage, member: &StaffMember) -> Value {
    let state = match (member.disabled_at.is_some(), member.has_password) {
        (true, _) => "disabled",
        (false, true) => "active",
        (false, false) => "invited",
    };
    json!({
        "id": member.id, "name": member.name, "email": member.email, "role": member.role, "state": state,
        "has_second_factor": member.has_second_factor,
        "created_at": page.short_time(member.created_at),
        "last_seen_at": member.last_seen_at.map(|at| page.short_time(at)),
    })
}

/// `POST /staff/people`: adds somebody; the answer shows their one-time link, once.
pub async fn add(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
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
    let role = Role::parse(&sent.role);
    if role.is_none() {
        mistakes.add("role", page.text("error", "role"));
    }
    let (Some(name), Ok(email), Some(role)) = (name, email, role) else {
        let own = view(&page, &sent, &mistakes).await?;
        return page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/people.html", &own);
    };
    let doer = (&member.actor(), Some(&member.0));
    match members::add_member(&state.pool, doer, (&email, &name), Some(role), Utc::now()).await {
        Err(StaffError::Exists) => {
            mistakes.add("email", page.text("error", "email_exists"));
            let own = view(&page, &sent, &mistakes).await?;
            page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/people.html", &own)
        }
        added => show_link(&page, &added?),
    }
}

/// The page with a one-time link.
fn show_link(
    page: &StaffPage,
    MemberLink { member, made, .. }: &MemberLink,
) -> Result<Response, StaffProblem> {
    let link = page.state.public_url.join(&format!("/staff/welcome/{}", made.token.reveal()));
    let own = json!({
        "person": shown(page, member), "link": link, "expires_at": page.short_time(made.expires_at),
    });
    page.answer_value(StatusCode::OK, "staff/link.html", &own)
}

/// `GET /staff/people/{id}`
pub async fn show(page: StaffPage, Admin(member): Admin, id: Id) -> Result<Response, StaffProblem> {
    let own = person(&page, id_in(id)?, member.0.staff_id, &Mistakes::default()).await?;
    page.show_value("staff/person.html", &own)
}

async fn person(
    page: &StaffPage,
    id: StaffId,
    own: StaffId,
    errors: &Mistakes,
) -> Result<Value, StaffProblem> {
    let member = members::by_id(&page.state.pool, id).await?;
    let member = member.ok_or(StaffProblem::NOT_FOUND)?;
    Ok(json!({ "person": shown(page, &member), "is_self": id == own, "errors": errors }))
}

/// The answer to a change: on to the person's page, or there with the reason why not.
async fn changed(
    page: &StaffPage,
    id: StaffId,
    by: StaffId,
    result: Result<bool, StaffError>,
    notice: &str,
) -> Result<Response, StaffProblem> {
    match result {
        Ok(_) => Ok(done(&format!("/staff/people/{id}"), notice)),
        Err(refused @ (StaffError::LastAdmin | StaffError::OwnLink)) => {
            let key = if matches!(refused, StaffError::OwnLink) { "own_link" } else { "last_admin" };
            let mistakes = Mistakes::one("form", page.text("error", key));
            let own = person(page, id, by, &mistakes).await?;
            page.answer_value(StatusCode::CONFLICT, "staff/person.html", &own)
        }
        Err(error) => Err(error.into()),
    }
}

/// What the form for the role sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentRole {
    role: String,
}

/// `POST /staff/people/{id}/role`
pub async fn set_role(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
    Form(sent): Form<SentRole>,
) -> Result<Response, StaffProblem> {
    let (id, own) = (id_in(id)?, member.0.staff_id);
    let Some(role) = Role::parse(&sent.role) else {
        let mistakes = Mistakes::one("role", page.text("error", "role"));
        let own = person(&page, id, own, &mistakes).await?;
        return page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/person.html", &own);
    };
    let doer = (&member.actor(), Some(&member.0));
    let result = members::set_role(&state.pool, doer, id, role, Utc::now()).await;
    if result.is_ok() && id == own && role != Role::Admin {
        // The person's page is not theirs to see any more.
        return Ok(done("/staff", "role_changed"));
    }
    changed(&page, id, own, result, "role_changed").await
}

/// `POST /staff/people/{id}/disable`
pub async fn disable(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let doer = (&member.actor(), Some(&member.0));
    let result = members::disable_member(&state.pool, doer, id, Utc::now()).await;
    changed(&page, id, member.0.staff_id, result, "disabled").await
}

/// `POST /staff/people/{id}/enable`
pub async fn enable(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let doer = (&member.actor(), Some(&member.0));
    let result = members::enable_member(&state.pool, doer, id, Utc::now()).await;
    changed(&page, id, member.0.staff_id, result, "enabled").await
}

/// `POST /staff/people/{id}/link`: a new one-time link, shown once; for anybody but oneself. The password and the sessions stay until it is used.
pub async fn make_link(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let doer = (&member.actor(), Some(&member.0));
    match members::make_link(&state.pool, doer, id, Factor::Keep, Utc::now()).await {
        Ok(made) => show_link(&page, &made),
        Err(refused) => changed(&page, id, member.0.staff_id, Err(refused), "").await,
    }
}

/// `POST /staff/people/{id}/second-factor`: for somebody who has lost it.
pub async fn reset_second_factor(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let own = member.0.staff_id;
    if id == own {
        // One's own needs the password, on the page of the account.
        return Ok(done("/staff/account/second-factor", "own_second_factor"));
    }
    let doer = (&member.actor(), Some(&member.0));
    let result = members::reset_second_factor(&state.pool, doer, id, Utc::now()).await;
    changed(&page, id, own, result, "second_factor_reset").await
}
