//! People: who may log in, and as what. For admins.

mod samples;

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::{
        mailed_link::can_be_mailed,
        members::{self, Change, Factor, Invite, MemberLink},
    },
    domain::{
        address::EmailAddress,
        ids::StaffId,
        staff::{self, Role, StaffError, StaffMember},
    },
    web::{
        AppState,
        http::form_values,
        staff::{
            logged_in::{Admin, Member},
            staff_page::{self, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

type Id = staff_page::Id<StaffId>;

/// What the form for a new member sends.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct MemberForm {
    email: String,
    name: String,
    role: String,
    /// Whether the link is to go by mail too.
    mail: String,
}

/// `GET /staff/people`
pub async fn list(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    page.show(&PeoplePage::of(&page, &MemberForm::default(), Mistakes::default()).await?)
}

/// `POST /staff/people`: adds somebody; the answer shows their one-time link, once.
pub async fn add(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Form(sent): Form<MemberForm>,
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
        let own = PeoplePage::of(&page, &sent, mistakes).await?;
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own);
    };
    let doer = (&member.actor(), Some(&member.0));
    let invite = if sent.mail.is_empty() { Invite::ByHand } else { Invite::ByMailToo };
    let order = (Some(role), invite);
    match members::add_member(&state.app.pool, doer, (&email, &name), order, Utc::now()).await {
        Err(StaffError::Exists) => {
            mistakes.add("email", page.text("error", "email_exists"));
            let own = PeoplePage::of(&page, &sent, mistakes).await?;
            page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
        }
        added => LinkPage::answer(&page, &added?),
    }
}

/// `GET /staff/people/{id}`
pub async fn show(page: StaffPage, Admin(member): Admin, id: Id) -> Result<Response, StaffProblem> {
    page.show(&PersonPage::of(&page, id_in(id)?, &member, Mistakes::default()).await?)
}

/// Changes a member, and leads back to their page with what was done.
async fn change(
    page: &StaffPage,
    member: &Member,
    id: StaffId,
    change: Change,
) -> Result<Response, StaffProblem> {
    let (pool, doer) = (&page.state.app.pool, (&member.actor(), Some(&member.0)));
    if let Err(error) = members::change_member(pool, doer, id, change, Utc::now()).await {
        return refused(page, member, id, error).await;
    }
    let notice = match change {
        // The person's page is not theirs to see any more.
        Change::Role(Role::Editor) if id == member.0.staff_id => return Ok(done("/staff", "role_changed")),
        Change::Role(_) => "role_changed",
        Change::Disable => "disabled",
        Change::Enable => "enabled",
        Change::ResetSecondFactor => "second_factor_reset",
    };
    Ok(done(&format!("/staff/people/{id}"), notice))
}

/// The person's page with the reason why nothing was changed.
async fn refused(
    page: &StaffPage,
    member: &Member,
    id: StaffId,
    error: StaffError,
) -> Result<Response, StaffProblem> {
    let key = match error {
        StaffError::OwnLink => "own_link",
        StaffError::LastAdmin => "last_admin",
        StaffError::NoSender => "no_sender",
        error => return Err(error.into()),
    };
    let mistakes = Mistakes::one("form", page.text("error", key));
    let own = PersonPage::of(page, id, member, mistakes).await?;
    page.answer(StatusCode::CONFLICT, &own)
}

/// What the form for the role sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentRole {
    role: String,
}

/// `POST /staff/people/{id}/role`
pub async fn set_role(
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
    Form(sent): Form<SentRole>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let Some(role) = Role::parse(&sent.role) else {
        let mistakes = Mistakes::one("role", page.text("error", "role"));
        let own = PersonPage::of(&page, id, &member, mistakes).await?;
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own);
    };
    change(&page, &member, id, Change::Role(role)).await
}

/// `POST /staff/people/{id}/disable`
pub async fn disable(page: StaffPage, Admin(member): Admin, id: Id) -> Result<Response, StaffProblem> {
    change(&page, &member, id_in(id)?, Change::Disable).await
}

/// `POST /staff/people/{id}/enable`
pub async fn enable(page: StaffPage, Admin(member): Admin, id: Id) -> Result<Response, StaffProblem> {
    change(&page, &member, id_in(id)?, Change::Enable).await
}

/// `POST /staff/people/{id}/second-factor`: for somebody who has lost it.
pub async fn reset_second_factor(
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    if id == member.0.staff_id {
        // One's own needs the password, on the page of the account.
        return Ok(done("/staff/account/second-factor", "own_second_factor"));
    }
    change(&page, &member, id, Change::ResetSecondFactor).await
}

/// Which way a link is to go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentWay {
    way: String,
}

/// `POST /staff/people/{id}/link`: a new one-time link, shown once, or by mail; for anybody but oneself. The password and the
/// sessions stay until it is used.
pub async fn make_link(
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
    Form(sent): Form<SentWay>,
) -> Result<Response, StaffProblem> {
    let (id, doer) = (id_in(id)?, (&member.actor(), Some(&member.0)));
    if sent.way == "mail" {
        return match members::mail_link(&page.state.app.pool, doer, id, Utc::now()).await {
            Ok(_) => Ok(done(&format!("/staff/people/{id}"), "link_mailed")),
            Err(error) => refused(&page, &member, id, error).await,
        };
    }
    match members::make_link(&page.state.app.pool, doer, id, Factor::Keep, Utc::now()).await {
        Ok(made) => LinkPage::answer(&page, &made),
        Err(error) => refused(&page, &member, id, error).await,
    }
}

/// A member as pages show them.
#[derive(Serialize)]
struct Person {
    id: StaffId,
    name: String,
    email: String,
    role: Role,
    state: PersonState,
    has_second_factor: bool,
    created_at: String,
    last_seen_at: Option<String>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum PersonState {
    Active,
    /// Has not set a password yet.
    Invited,
    Disabled,
}

impl Person {
    fn of(page: &StaffPage, member: &StaffMember) -> Self {
        let state = match (member.disabled_at.is_some(), member.has_password) {
            (true, _) => PersonState::Disabled,
            (false, true) => PersonState::Active,
            (false, false) => PersonState::Invited,
        };
        Self {
            id: member.id,
            name: member.name.clone(),
            email: member.email.clone(),
            role: member.role,
            state,
            has_second_factor: member.has_second_factor,
            created_at: page.short_time(member.created_at),
            last_seen_at: member.last_seen_at.map(|at| page.spoken_time(at)),
        }
    }
}

/// Everybody who may log in, and the form for somebody new.
#[derive(Serialize)]
pub struct PeoplePage {
    people: Vec<Person>,
    typed: MemberForm,
    /// Whether mails can go out.
    can_mail: bool,
    errors: Mistakes,
}

impl PeoplePage {
    async fn of(page: &StaffPage, sent: &MemberForm, errors: Mistakes) -> Result<Self, StaffProblem> {
        let people = members::list(&page.state.app.pool).await?;
        let people = people.iter().map(|member| Person::of(page, member)).collect();
        let (email, name) = (form_values::again(&sent.email), form_values::again(&sent.name));
        // Ticked from the start.
        let is_fresh = errors.is_empty();
        let mail = if is_fresh { "1".to_owned() } else { sent.mail.chars().take(1).collect() };
        let can_mail = can_be_mailed(page.publication.as_ref());
        Ok(Self {
            people,
            typed: MemberForm { email, name, role: sent.role.clone(), mail },
            can_mail,
            errors,
        })
    }
}

/// One person.
#[derive(Serialize)]
pub struct PersonPage {
    person: Person,
    is_self: bool,
    /// Whether mails can go out.
    can_mail: bool,
    errors: Mistakes,
}

impl PersonPage {
    async fn of(
        page: &StaffPage,
        id: StaffId,
        member: &Member,
        errors: Mistakes,
    ) -> Result<Self, StaffProblem> {
        let found = members::by_id(&page.state.app.pool, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
        let (is_self, can_mail) = (id == member.0.staff_id, can_be_mailed(page.publication.as_ref()));
        Ok(Self { person: Person::of(page, &found), is_self, can_mail, errors })
    }
}

/// A one-time link, which is shown once.
#[derive(Serialize)]
pub struct LinkPage {
    person: Person,
    link: String,
    expires_at: String,
    /// Another one goes to them by mail.
    is_mailed: bool,
}

impl LinkPage {
    fn answer(
        page: &StaffPage,
        MemberLink { member, made, is_mailed, .. }: &MemberLink,
    ) -> Result<Response, StaffProblem> {
        let link = page.state.public_url.join(&format!("/staff/welcome/{}", made.token.reveal()));
        let expires_at = page.short_time(made.expires_at);
        let own = Self { person: Person::of(page, member), link, expires_at, is_mailed: *is_mailed };
        page.answer(StatusCode::OK, &own)
    }
}
