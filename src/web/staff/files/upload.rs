//! `POST /staff/files`: takes a file in. For our script it answers JSON; a plain form is led back to the list.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{
        Multipart, State,
        multipart::{MultipartError, MultipartRejection},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use tokio::sync::Semaphore;

use crate::{
    app::{
        off_runtime::Busy,
        share_file::{LONGEST_FILE, RECEIVED, ShareError, share},
    },
    domain::{shared_file::SharedFile, text_use::Uses},
    web::{
        AppState,
        http::{
            problem::{Problem, wants_json},
            route::Body,
        },
        staff::{
            files::view::{FileView, FilesPage},
            logged_in::Member,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// What stands around a file in the body that brings it, at most.
const AROUND: usize = 16 * 1024;

/// Bytes of the body, and how long it may take until its answer: time for slow lines.
pub const UPLOAD: Body = Body::Upload { most: LONGEST_FILE + AROUND, within: Duration::from_mins(4) };

/// Room for files that are being received: each is held in memory.
pub struct Receiving(Semaphore);

impl Default for Receiving {
    fn default() -> Self {
        Self(Semaphore::new(RECEIVED))
    }
}

/// Why a file was not taken: a status, and the key of its text in `staff.files`.
struct Refusal(StatusCode, &'static str);

impl Refusal {
    const NONE: Self = Refusal(StatusCode::UNPROCESSABLE_ENTITY, "refused_none");
    const LARGE: Self = Refusal(StatusCode::PAYLOAD_TOO_LARGE, "refused_large");
    const BUSY: Self = Refusal(StatusCode::SERVICE_UNAVAILABLE, "refused_busy");
    const STORE: Self = Refusal(StatusCode::SERVICE_UNAVAILABLE, "refused_store");
}

impl From<MultipartError> for Refusal {
    fn from(error: MultipartError) -> Self {
        let is_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        if is_large { Self::LARGE } else { Refusal(error.status(), "refused_broken") }
    }
}

/// `POST /staff/files`
pub async fn upload(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, StaffProblem> {
    let is_script = wants_json(&headers);
    match accept(&state, &member, form.ok()).await? {
        Ok(file) if is_script => {
            let view = FileView::of(&page, &file, &Uses::new());
            Ok((StatusCode::CREATED, Json(view)).into_response())
        }
        Ok(_) => Ok(done("/staff/files", "file_added")),
        Err(Refusal(status, key)) if is_script => {
            Ok(page.refused_json(status, page.text("files", "refused_title"), page.text("files", key)))
        }
        Err(Refusal(status, key)) => {
            let mistakes = Mistakes::one("file", page.text("files", key));
            page.answer(status, &FilesPage::of(&page, mistakes).await?)
        }
    }
}

/// Receives a file and has it shared.
async fn accept(
    state: &AppState,
    member: &Member,
    form: Option<Multipart>,
) -> Result<Result<SharedFile, Refusal>, StaffProblem> {
    let Ok(_room) = state.receiving_files.0.try_acquire() else { return Ok(Err(Refusal::BUSY)) };
    let Some(form) = form else { return Ok(Err(Refusal::NONE)) };
    let (name, file) = match receive(form).await {
        Ok(Some(received)) => received,
        Ok(None) => return Ok(Err(Refusal::NONE)),
        Err(error) => return Ok(Err(error.into())),
    };
    if file.len() > LONGEST_FILE {
        return Ok(Err(Refusal::LARGE));
    }
    let upload = (name.as_str(), file);
    match share(&state.app.pool, &state.images, &member.actor(), upload, Utc::now()).await {
        Ok(file) => Ok(Ok(file)),
        Err(ShareError::Refused(refused)) => {
            Ok(Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, refused.key())))
        }
        Err(ShareError::NoName) => Ok(Err(Refusal::NONE)),
        Err(ShareError::Busy(Busy::TooMuch)) => Ok(Err(Refusal::BUSY)),
        Err(ShareError::Store(error)) => {
            tracing::error!(%error, store = %state.images.place(), "a file cannot be stored; IMAGE_STORE says where");
            Ok(Err(Refusal::STORE))
        }
        Err(ShareError::Database(error)) => Err(error.into()),
        Err(error @ (ShareError::NotAllowed(_) | ShareError::Random(_) | ShareError::Busy(_))) => {
            Err(StaffProblem::Common(Problem::internal(&error)))
        }
    }
}

/// The file and its name; nothing where none was chosen.
async fn receive(mut form: Multipart) -> Result<Option<(String, Bytes)>, MultipartError> {
    let mut received = None;
    while let Some(field) = form.next_field().await? {
        let name = field.file_name().unwrap_or_default().to_owned();
        let is_file = field.name() == Some("file");
        let bytes = field.bytes().await?;
        if is_file && !bytes.is_empty() {
            received = Some((name, bytes));
        }
    }
    Ok(received)
}
