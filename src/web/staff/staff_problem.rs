//! Error pages of the staff pages: in their look, with the navigation for those who are logged in.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    domain::staff::{StaffError, password::HashError, session::Session},
    web::{
        AppState,
        http::{problem::Problem, request_log::RequestId},
        renderer::PageError,
        staff::staff_page::StaffPage,
    },
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
    fn key(&self) -> &'static str {
        match self {
            StaffProblem::AdminsOnly => "admins_only",
            StaffProblem::OtherSite => "other_site",
            StaffProblem::LinkOver => "link_over",
            StaffProblem::SecondFactorLost => "second_factor_lost",
            StaffProblem::Common(problem) => problem.key(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            StaffProblem::AdminsOnly | StaffProblem::OtherSite => StatusCode::FORBIDDEN,
            StaffProblem::LinkOver => StatusCode::GONE,
            StaffProblem::SecondFactorLost => StatusCode::CONFLICT,
            StaffProblem::Common(problem) => problem.status(),
        }
    }

    /// The bare answer, of any kind of body; [`pages`] dresses it.
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

impl From<sqlx::Error> for StaffProblem {
    fn from(error: sqlx::Error) -> Self {
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

/// Where a handler has no better answer. The last admin, a link for oneself and an address that is taken are told at the form.
impl From<StaffError> for StaffProblem {
    fn from(error: StaffError) -> Self {
        match error {
            StaffError::Unknown => Self::NOT_FOUND,
            StaffError::Database(error) => error.into(),
            StaffError::Exists | StaffError::LastAdmin | StaffError::OwnLink => {
                StaffProblem::Common(Problem::internal(&"a refusal was not told at its form"))
            }
        }
    }
}

/// `/staff/…`, where nothing is.
pub async fn not_found() -> StaffProblem {
    StaffProblem::NOT_FOUND
}

/// Dresses every error, and keeps the staff pages out of search engines.
pub async fn pages(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let asked = parts.clone();
    let mut response = dressed(&state, &asked, next.run(Request::from_parts(parts, body)).await).await;
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    response
}

async fn dressed(state: &AppState, asked: &axum::http::request::Parts, response: Response) -> Response {
    let own = response.extensions().get::<StaffProblem>().cloned();
    let Some(problem) = own.or_else(|| Problem::of_response(&response).map(StaffProblem::Common)) else {
        return response;
    };
    if let StaffProblem::Common(common) = &problem
        && let Some(told) = common.for_its_author()
    {
        return told;
    }
    // While the database is away, asking it for the publication would only take longer.
    let is_away = matches!(
        problem,
        StaffProblem::Common(Problem::Unavailable | Problem::Busy | Problem::Internal | Problem::Timeout)
    );
    let session = response.extensions().get::<Session>().filter(|session| !session.is_awaiting_code).cloned();
    let page = StaffPage::for_problem(state, asked, session, !is_away).await;
    let text = |key: &str| {
        let own = page.text(&format!("problem.{}", problem.key()), key);
        if own.is_empty() {
            state.renderer.text(page.locale, &format!("problem.{}", problem.key()), key).to_owned()
        } else {
            own.to_owned()
        }
    };
    let reference = asked.extensions.get::<RequestId>().map_or("", RequestId::as_str);
    let taken = if let StaffProblem::Common(problem) = &problem { problem.taken() } else { "" };
    let message = text("message").replace("{types}", taken);
    let own = json!({ "problem": { "title": text("title"), "message": message, "reference": reference } });
    let bare = || format!("{}\n\n{}\n\n{reference}\n", text("title"), text("message"));
    let mut answer = page
        .answer(problem.status(), "staff/problem.html", &own)
        .unwrap_or_else(|_| (problem.status(), bare()).into_response());
    if !taken.is_empty() {
        answer.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(taken));
    }
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = response.headers().get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}
