//! Every subscriber as a file of CSV: streamed as it is read, in bounded memory, however long the list.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use csv::Writer;
use hyper::body::Frame;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::{
    domain::{
        staff::{
            audit::{self, Action},
            notice::{self, Notice},
        },
        subscriber::{self, export},
    },
    web::{
        AppState,
        staff::{access::Admin, staff_problem::StaffProblem},
    },
};

/// `POST /staff/subscribers/export.csv`: the whole list. A POST, because the audit log is written, before the first line
/// leaves.
///
/// The time that a request may take ends when its answer begins, and so does its place among the requests. A list that
/// breaks off in the middle breaks the connection, so that nobody takes it for a whole one.
pub async fn download(State(state): State<AppState>, Admin(member): Admin) -> Result<Response, StaffProblem> {
    let now = Utc::now();
    let mut transaction = state.pool.begin().await?;
    let count = subscriber::count_all(&mut transaction).await?;
    let (by, details) = (member.actor(), json!({ "subscribers": count }));
    audit::record(&mut transaction, &by, Action::SubscribersExported, "", &details, now).await?;
    notice::tell_others(&mut transaction, &member.0, Notice::SubscribersExported, now).await?;
    transaction.commit().await?;
    // Read ahead by a page: who reads slowly holds no more than that.
    let (send, receive) = mpsc::channel(1);
    let pool = state.pool.clone();
    tokio::spawn(
        async move {
            if let Err(error) = write(&pool, &send).await {
                tracing::warn!(%error, "an export broke off");
                let _ = send.send(Err(error)).await;
            }
        }
        .in_current_span(),
    );
    let file = format!("attachment; filename=\"subscribers-{}.csv\"", now.format("%Y-%m-%d"));
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, file)];
    Ok((headers, Body::new(Streamed(receive))).into_response())
}

/// Sends the list, page by page. Somebody who goes away ends it.
async fn write(pool: &PgPool, send: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(export::COLUMNS)?;
    let mut after = None;
    loop {
        // A connection for each page: nobody waits for a place in the pool while this one's browser is slow.
        let page = async { export::page(&mut *pool.acquire().await?, after, export::PAGE).await };
        let page = page.await.map_err(io::Error::other)?;
        for subscriber in &page {
            writer.write_record(export::line(subscriber))?;
        }
        let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        if !bytes.is_empty() && send.send(Ok(bytes.into())).await.is_err() {
            return Ok(());
        }
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.subscriber.id);
        writer = Writer::from_writer(Vec::new());
    }
}

/// A body that is still being written.
struct Streamed(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
    }
}
