//! Error pages of the staff pages: in their look, with the navigation for those who are logged in.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    domain::staff::session::Session,
    web::{
        AppState,
        http::{problem::Problem, request_log::RequestId},
        page_context::{PageContext, Sample},
        staff::{staff_page::StaffPage, staff_problem::StaffProblem},
    },
};

/// `/staff/…`, where nothing is.
pub async fn not_found() -> StaffProblem {
    StaffProblem::NOT_FOUND
}

/// Puts a page in the place of every bare error, and keeps the staff pages out of search engines.
pub async fn render(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let asked = parts.clone();
    let mut response = rendered(&state, &asked, next.run(Request::from_parts(parts, body)).await).await;
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    response
}

async fn rendered(state: &AppState, asked: &axum::http::request::Parts, response: Response) -> Response {
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
        let table = format!("problem.{}", problem.key());
        let own = page.text_if_any(&table, key);
        own.unwrap_or_else(|| state.renderer.text(page.locale, &table, key)).to_owned()
    };
    let reference = asked.extensions.get::<RequestId>().map_or("", RequestId::as_str);
    let taken = if let StaffProblem::Common(problem) = &problem { problem.taken() } else { "" };
    let message = text("message").replace("{types}", taken);
    let own = ProblemPage { title: text("title"), message, reference: reference.to_owned() };
    let bare = || format!("{}\n\n{}\n\n{reference}\n", text("title"), text("message"));
    let mut answer =
        page.answer(problem.status(), &own).unwrap_or_else(|_| (problem.status(), bare()).into_response());
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

/// What went wrong.
#[derive(Serialize)]
pub struct ProblemPage {
    title: String,
    message: String,
    /// The request's id, by which it is found in the log; empty where there is none.
    reference: String,
}

impl PageContext for ProblemPage {
    const TEMPLATE: &'static str = "staff/problem.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page = |reference: &str| Self {
            title: "Diese Seite gibt es nicht".into(),
            message: "Vielleicht wurde sie gelöscht.".into(),
            reference: reference.into(),
        };
        vec![page("9b2e7c1d"), page("")]
    }
}
