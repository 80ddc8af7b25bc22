//! The words of the staff pages, each with what it means there.

use axum::response::Response;
use serde::Serialize;

use crate::web::{
    page_context::{PageContext, Sample},
    staff::{logged_in::Member, staff_page::StaffPage, staff_problem::StaffProblem},
};

/// `GET /staff/glossary`
pub async fn show(page: StaffPage, _: Member) -> Result<Response, StaffProblem> {
    page.show(&GlossaryPage {})
}

/// The glossary, which is all of texts.
#[derive(Serialize)]
pub struct GlossaryPage {}

impl PageContext for GlossaryPage {
    const TEMPLATE: &'static str = "staff/glossary.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        vec![Self {}]
    }
}
