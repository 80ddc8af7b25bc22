//! Lists of people who agreed elsewhere: uploaded, looked at, tried out, and only then brought in.

pub mod columns;
mod form;
pub mod view;

use axum::{
    Form, Json,
    extract::{FromRequest, Multipart, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::Deserialize;

use crate::{
    app::uploaded_lists::{self, cancel_list, check_list, keep_plan, run_list},
    domain::{
        import::{
            plan::Plan,
            upload::{ImportState, LONGEST_FILE},
        },
        locale::Locale,
    },
    web::{
        AppState,
        http::{long_part::LongPart, problem::Problem, route::Body},
        staff::{
            logged_in::Admin,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
            subscribers::{
                import::{
                    columns::ColumnsPage,
                    form::{ImportForm, mistakes_in},
                    view::{Id, ImportPage, ImportsPage, Status, named, path_of},
                },
                upload::receive_file,
            },
        },
    },
};

/// A list, and what a form around it adds: a hundred megabytes over a line of four megabits a second.
pub const UPLOAD: Body = Body::Upload { most: 101 * 1024 * 1024, within: std::time::Duration::from_mins(4) };

/// `GET /staff/subscribers/import`: the form for a file, and the imports there were.
pub async fn start(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    page.show(&ImportsPage::of(&page, Mistakes::default()).await?)
}

/// The language of those for whom a list says no other.
fn default_locale(page: &StaffPage) -> Locale {
    page.publication.as_ref().map(|publication| publication.content.locale).unwrap_or_default()
}

/// `POST /staff/subscribers/import`: takes a file.
pub async fn receive(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    request: Request,
) -> Result<Response, StaffProblem> {
    let (request, part) = LongPart::of(request);
    let taken = match Multipart::from_request(request, &state).await {
        Ok(mut form) => {
            receive_file(&state.app.pool, &member, &mut form, &part, default_locale(&page), page.time_zone())
                .await?
        }
        Err(_) => Err("file_missing"),
    };
    match taken {
        Ok(id) => Ok(Redirect::to(&path_of(id)).into_response()),
        Err(refused) => {
            let status = match refused {
                "file_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            let megabytes = (LONGEST_FILE / 1024 / 1024).to_string();
            let why = page.text("error", refused).replace("{megabytes}", &megabytes);
            page.answer(status, &ImportsPage::of(&page, Mistakes::one("file", why)).await?)
        }
    }
}

/// `GET /staff/subscribers/import/{id}`: where it stands, and what comes next. With `?edit` how the file is read, once
/// more.
pub async fn show(page: StaffPage, _: Admin, id: Id) -> Result<Response, StaffProblem> {
    let import = named(&page.state, id).await?;
    let is_edited = page.query("edit").is_some() && import.state == ImportState::Checked;
    if import.state == ImportState::Uploaded || is_edited {
        let beginning = uploaded_lists::beginning(&page.state.app.pool, import.id).await?;
        return page.show(&ColumnsPage::of(&page, &import, &import.plan, &beginning, Mistakes::default()));
    }
    page.show(&ImportPage::of(&page, &import, Mistakes::default()).await?)
}

/// `POST /staff/subscribers/import/{id}/check`: takes the plan and begins the dry run; or shows the file again, read in
/// another way.
pub async fn check(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
    Form(sent): Form<ImportForm>,
) -> Result<Response, StaffProblem> {
    let import = named(&state, id).await?;
    if import.state.is_over() || import.state == ImportState::Importing {
        return Ok(done(&path_of(import.id), "import_over"));
    }
    let beginning = uploaded_lists::beginning(&state.app.pool, import.id).await?;
    let plan = sent.plan(&import.plan, &beginning);
    let way = |plan: &Plan| (plan.separator, plan.encoding, plan.preset);
    let is_read_anew = way(&plan) != way(&import.plan);
    let mistakes = mistakes_in(&page, &plan, &import.file_name, &beginning);
    if sent.action == "preview" || is_read_anew {
        // Kept, so that the columns chosen next are those that were shown.
        keep_plan(&state.app.pool, &member.actor(), import.id, &plan).await?;
        let own = ColumnsPage::of(&page, &import, &plan, &beginning, Mistakes::default());
        return page.answer(StatusCode::OK, &own);
    }
    if !mistakes.is_empty() {
        let own = ColumnsPage::of(&page, &import, &plan, &beginning, mistakes);
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own);
    }
    check_list(&state.app.pool, &member.actor(), import.id, &plan, Utc::now()).await?;
    Ok(Redirect::to(&path_of(import.id)).into_response())
}

/// What the form under the dry run sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Vouched {
    vouched: String,
}

/// `POST /staff/subscribers/import/{id}/run`: brings the people in, as the dry run has shown.
pub async fn run(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
    Form(sent): Form<Vouched>,
) -> Result<Response, StaffProblem> {
    let import = named(&state, id).await?;
    if import.state == ImportState::Checked && sent.vouched != "yes" {
        let mistakes = Mistakes::one("vouched", page.text("error", "vouched"));
        let own = ImportPage::of(&page, &import, mistakes).await?;
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own);
    }
    run_list(&state.app.pool, &member.actor(), import.id, Utc::now()).await?;
    Ok(Redirect::to(&path_of(import.id)).into_response())
}

/// `POST /staff/subscribers/import/{id}/cancel`: ends it, and removes the file.
pub async fn cancel(
    State(state): State<AppState>,
    Admin(member): Admin,
    id: Id,
) -> Result<Response, StaffProblem> {
    let import = named(&state, id).await?;
    let ended = cancel_list(&state.app.pool, &member.actor(), import.id, Utc::now()).await?;
    Ok(done(&path_of(import.id), if ended { "import_cancelled" } else { "import_over" }))
}

/// `GET /staff/subscribers/import/{id}/status`: how far it is, for the script that shows it.
pub async fn status(page: StaffPage, _: Admin, id: Id) -> Result<Response, StaffProblem> {
    let import = named(&page.state, id).await?;
    Ok(Json(Status::of(&page, &import)).into_response())
}

/// `GET /staff/subscribers/import/{id}/problems.csv`: the lines that cannot come in, to mend them.
pub async fn problems(page: StaffPage, _: Admin, id: Id) -> Result<Response, StaffProblem> {
    let import = named(&page.state, id).await?;
    let problems = uploaded_lists::problems(&page.state.app.pool, import.id, i64::MAX).await?;
    let internal = |error: &dyn std::fmt::Display| StaffProblem::Common(Problem::internal(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [page.text("import", "line"), page.text("import", "problem")];
    writer.write_record(head).map_err(|error| internal(&error))?;
    for bad in problems {
        let record = [&bad.line.to_string(), page.text("line_problem", &bad.problem)];
        writer.write_record(record).map_err(|error| internal(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"import-problems.csv\""),
    ];
    // Spreadsheets take a file for UTF-8 when it begins like this.
    Ok((headers, [b"\xEF\xBB\xBF".as_slice(), &bytes].concat()).into_response())
}
