//! Who is logged in, as handlers take them. One that takes them cannot be reached by others.

use axum::{extract::FromRequestParts, http::request::Parts, response::Redirect};

use crate::{
    domain::{
        actor::Actor,
        staff::{Role, session::Session},
        update::text::Author,
    },
    web::staff::staff_problem::StaffProblem,
};

/// Somebody who is logged in, second factor and all.
#[derive(Debug, Clone)]
pub struct Member(pub Session);

impl Member {
    /// Them, for the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.0.actor()
    }

    /// Them, as others see them beside a text.
    #[must_use]
    pub fn author(&self) -> Author {
        Author { id: self.0.staff_id, name: self.0.name.clone(), actor: self.actor() }
    }
}

/// An admin who is logged in.
#[derive(Debug, Clone)]
pub struct Admin(pub Member);

/// Somebody whose password was right and whose second factor is still to come.
#[derive(Debug, Clone)]
pub struct AwaitingCode(pub Session);

impl<S: Send + Sync> FromRequestParts<S> for Member {
    type Rejection = StaffProblem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let session = parts.extensions.get::<Session>().filter(|session| !session.is_awaiting_code);
        session.cloned().map(Member).ok_or_else(StaffProblem::no_gate)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = StaffProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let member = Member::from_request_parts(parts, state).await?;
        if member.0.role == Role::Admin { Ok(Admin(member)) } else { Err(StaffProblem::AdminsOnly) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AwaitingCode {
    type Rejection = Redirect;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let session = parts.extensions.get::<Session>().filter(|session| session.is_awaiting_code);
        session.cloned().map(AwaitingCode).ok_or_else(|| Redirect::to("/staff/login"))
    }
}
