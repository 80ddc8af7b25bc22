//! `GET /calendar/{file}`: the calendar file of an event that a mail told of. The address holds the event, signed, and is the
//! same for every reader of the mail (invariant 8).

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::{
    domain::calendar_event::CalendarEvent,
    mail::calendar_file::calendar_file,
    web::{AppState, http::problem::Problem},
};

/// `GET /calendar/{file}`
pub async fn file(State(state): State<AppState>, Path(file): Path<String>) -> Result<Response, Problem> {
    let token = file.strip_suffix(".ics").ok_or(Problem::NotFound)?;
    let (event, zone) = CalendarEvent::of_token(token, &state.app.keys).ok_or(Problem::NotFound)?;
    let digest = hex::encode(&Sha256::digest(token)[..16]);
    let uid = format!("{digest}@{}", state.public_url.host());
    let content = calendar_file(&event, zone, &uid).ok_or(Problem::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        // Phones open it in their calendar where it is not a download.
        (header::CONTENT_DISPOSITION, "inline; filename=\"termin.ics\""),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
    ];
    Ok((headers, content).into_response())
}
