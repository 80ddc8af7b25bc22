//! What can go wrong on a staff page. `error_pages.rs` makes the page.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    app::login_origin::LoginError,
    db::statement::StatementError,
    domain::staff::{StaffError, password::HashError},
    web::{http::problem::Problem, renderer::PageError},
};

/// What can go wrong on a staff page, besides what can everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaffProblem {
    /// Logged in, but not as an admin.
    AdminsOnly,
    /// A form on another site.
    OtherSite,
    /// A one-time link that was used, has run out, or is not ours.
    LinkOver,
    /// The `SECRET_KEY` that sealed the second factor is gone.
    SecondFactorLost,
    /// What can go wrong everywhere.
    Common(Problem),
}

impl StaffProblem {
    /// A handler that wants somebody logged in stands where everybody may go. Our mistake; nobody gets in.
    pub fn no_gate() -> Self {
        StaffProblem::Common(Problem::internal(&"a staff handler is reached without a login"))
    }

    /// No such page.
    pub const NOT_FOUND: Self = StaffProblem::Common(Problem::NotFound);

    /// The table of its texts, under `staff.problem` or, for what can go wrong everywhere, under `problem` too.
    pub fn key(&self) -> &'static str {
        match self {
            StaffProblem::AdminsOnly => "admins_only",
            StaffProblem::OtherSite => "other_site",
            StaffProblem::LinkOver => "link_over",
            StaffProblem::SecondFactorLost => "second_factor_lost",
            StaffProblem::Common(problem) => problem.key(),
        }
    }

    /// The status of its answer.
    pub fn status(&self) -> StatusCode {
        match self {
            StaffProblem::AdminsOnly | StaffProblem::OtherSite => StatusCode::FORBIDDEN,
            StaffProblem::LinkOver => StatusCode::GONE,
            StaffProblem::SecondFactorLost => StatusCode::CONFLICT,
            StaffProblem::Common(problem) => problem.status(),
        }
    }

    /// The bare answer, of any kind of body; `error_pages` makes the page.
    pub fn into_bare_response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status();
        if let Self::Common(problem) = &self
            && let Some(seconds) = problem.retry_after()
        {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for StaffProblem {
    fn into_response(self) -> Response {
        self.into_bare_response()
    }
}

impl From<StatementError> for StaffProblem {
    fn from(error: StatementError) -> Self {
        StaffProblem::Common(error.into())
    }
}

impl From<PageError> for StaffProblem {
    fn from(error: PageError) -> Self {
        StaffProblem::Common(error.into())
    }
}

impl From<HashError> for StaffProblem {
    fn from(error: HashError) -> Self {
        StaffProblem::Common(match error {
            HashError::Busy => Problem::Busy,
            HashError::Failed(_) => Problem::internal(&error),
        })
    }
}

impl From<LoginError> for StaffProblem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::LinkOver => Self::LinkOver,
            LoginError::SecondFactorLost => Self::SecondFactorLost,
            LoginError::Hash(error) => error.into(),
            LoginError::Account(error) => error.into(),
            LoginError::Database(error) => error.into(),
        }
    }
}

/// Where a handler has no better answer. The last admin, a link for oneself and an address that is taken are told at the form.
impl From<StaffError> for StaffProblem {
    fn from(error: StaffError) -> Self {
        match error {
            StaffError::Unknown => Self::NOT_FOUND,
            StaffError::Database(error) => error.into(),
            StaffError::NotAllowed => Self::no_gate(),
            StaffError::Exists | StaffError::LastAdmin | StaffError::OwnLink | StaffError::NoSender => {
                StaffProblem::Common(Problem::internal(&"a refusal was not told at its form"))
            }
        }
    }
}
