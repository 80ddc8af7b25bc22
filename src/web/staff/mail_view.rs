//! The mail as it arrives: its HTML part, as a document of its own for a frame.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};

use crate::{
    domain::{
        ids::{MailingId, UpdateId},
        mailing::{self, FrozenContent},
        update,
    },
    web::{AppState, headers::CSP_FOR_MAIL, problem::Problem},
};

use super::{
    access::Member,
    page::{Id, Page, id_in},
    problems::StaffProblem,
};

/// `GET /staff/updates/{id}/mail.html`: as it would be frozen now.
pub async fn of_update(
    State(state): State<AppState>,
    page: Page,
    _: Member,
    id: Id<UpdateId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let found = update::find(&mut *state.pool.acquire().await?, &id.to_string()).await?;
    let update = found.ok_or(StaffProblem::NOT_FOUND)?;
    let publication = page.publication.as_ref().ok_or(StaffProblem::NOT_FOUND)?;
    let content = state.composer.update(publication, &update);
    let content = content.map_err(|error| StaffProblem::Common(Problem::internal(&error)))?;
    Ok(document(&state, &content))
}

/// `GET /staff/mailings/{id}/mail.html`: as it was frozen.
pub async fn of_mailing(
    State(state): State<AppState>,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mut db = state.pool.acquire().await?;
    mailing::by_id(&mut db, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let content = mailing::content(&mut db, id).await?;
    Ok(document(&state, &content))
}

fn document(state: &AppState, content: &FrozenContent) -> Response {
    let mut answer = Html(state.composer.html_for_nobody(content)).into_response();
    let own = CSP_FOR_MAIL.replace("{own}", &state.public_url.as_str().replace([';', ' '], ""));
    let csp = HeaderValue::from_str(&own).unwrap_or(HeaderValue::from_static("default-src 'none'; sandbox"));
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, csp);
    answer
}
