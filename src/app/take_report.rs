//! What became of a mailing, person by person, handed out line by line.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::{MailingId, SubscriberId},
        mailing::{self, Line, Overview},
        staff::{
            audit::Action,
            notice::{self, Notice},
            session::Session,
        },
    },
};

/// Lines read at once.
const LINES: i64 = 1_000;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Only staff take a report.
    #[error("only staff may take the report of a mailing")]
    NotAllowed(#[from] NotPermitted),
    /// There is no such mailing.
    #[error("there is no such mailing")]
    Unknown,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The report of a mailing, to be read some lines at a time.
#[derive(Debug)]
pub struct Report {
    /// The mailing.
    pub mailing: Overview,
    pool: PgPool,
    after: Option<SubscriberId>,
}

impl Report {
    /// The next lines, one for each recipient; none at the end. No connection is held between two calls: a reader may take
    /// its time.
    pub async fn next_lines(&mut self) -> sqlx::Result<Vec<Line>> {
        let lines =
            mailing::lines(&mut *self.pool.acquire().await?, self.mailing.id, self.after, LINES).await?;
        if let Some(last) = lines.last() {
            self.after = Some(last.subscriber);
        }
        Ok(lines)
    }
}

/// Writes down that the report of a mailing is taken, before its first line is read. On the staff pages it is done from a
/// session, and the other sessions of that account are told.
///
/// # Errors
/// [`ReportError`].
pub async fn take_report(
    pool: &PgPool,
    by: &Actor,
    session: Option<&Session>,
    id: MailingId,
    now: DateTime<Utc>,
) -> Result<Report, ReportError> {
    let mut deed = Deed::by_staff(pool, by, now)?.await?;
    let mailing = mailing::overview(&mut deed, id).await?.ok_or(ReportError::Unknown)?;
    deed.note(Action::ReportDownloaded, &mailing.subject, &json!({}), &Event::ReportTaken(id)).await?;
    if let Some(session) = session {
        notice::tell_others(&mut deed, session, Notice::ReportDownloaded, now).await?;
    }
    deed.commit().await?;
    Ok(Report { mailing, pool: pool.clone(), after: None })
}
