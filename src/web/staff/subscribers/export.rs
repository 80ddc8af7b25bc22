//! Every subscriber as a file of CSV: streamed as it is read, in bounded memory, however long the list.

use std::io;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use csv::Writer;
use tracing::Instrument;

use crate::{
    app::export_subscribers::{Export, ExportError, export_subscribers},
    domain::subscriber::export,
    web::{
        AppState,
        http::streaming::{self, Pieces},
        staff::{logged_in::Admin, staff_problem::StaffProblem},
    },
};

/// Pieces of the file that wait for a browser that reads slowly; one is a page of subscribers.
const WAITING: usize = 1;

/// `POST /staff/subscribers/export.csv`: the whole list. A POST, because the audit log is written, before the first line
/// leaves.
///
/// The time that a request may take ends when its answer begins, and so does its place among the requests. A list that
/// breaks off in the middle breaks the connection, so that nobody takes it for a whole one.
pub async fn download(State(state): State<AppState>, Admin(member): Admin) -> Result<Response, StaffProblem> {
    let now = Utc::now();
    let list = match export_subscribers(&state.app.pool, &member.actor(), Some(&member.0), now).await {
        Ok(list) => list,
        Err(ExportError::NotAllowed(_)) => return Err(StaffProblem::no_gate()),
        Err(ExportError::Database(error)) => return Err(error.into()),
    };
    let (pieces, body) = streaming::later(WAITING);
    tokio::spawn(
        async move {
            if let Err(error) = write(list, &pieces).await {
                tracing::warn!(%error, "an export broke off");
                let _ = pieces.send(Err(error)).await;
            }
        }
        .in_current_span(),
    );
    let file = format!("attachment; filename=\"subscribers-{}.csv\"", now.format("%Y-%m-%d"));
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, file)];
    Ok((headers, body).into_response())
}

/// Sends the list, page by page. Somebody who goes away ends it.
async fn write(mut list: Export, pieces: &Pieces) -> io::Result<()> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(export::COLUMNS)?;
    loop {
        let page = list.next_page().await.map_err(io::Error::other)?;
        for subscriber in &page {
            writer.write_record(export::line(subscriber))?;
        }
        let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        if !bytes.is_empty() && pieces.send(Ok(bytes.into())).await.is_err() {
            return Ok(());
        }
        if page.is_empty() {
            return Ok(());
        }
        writer = Writer::from_writer(Vec::new());
    }
}
