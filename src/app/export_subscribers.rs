//! Handing out the list of all subscribers.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::SubscriberId,
        staff::{
            audit::Action,
            notice::{self, Notice},
            session::Session,
        },
        subscriber::{
            self,
            export::{self, Exported},
        },
    },
};

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Only admins take the list.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// All subscribers, to be read page by page.
#[derive(Debug)]
pub struct Export {
    pool: PgPool,
    after: Option<SubscriberId>,
}

impl Export {
    /// The next subscribers, in the order of their ids; none at the end. No connection is held between two calls: a reader
    /// may take its time.
    pub async fn next_page(&mut self) -> sqlx::Result<Vec<Exported>> {
        let page = export::page(&mut *self.pool.acquire().await?, self.after, export::PAGE).await?;
        if let Some(last) = page.last() {
            self.after = Some(last.subscriber.id);
        }
        Ok(page)
    }
}

/// Writes down that the list is taken, before its first line is read. On the staff pages it is done from a session, and the
/// other sessions of that account are told.
///
/// # Errors
/// [`ExportError`].
pub async fn export_subscribers(
    pool: &PgPool,
    by: &Actor,
    session: Option<&Session>,
    now: DateTime<Utc>,
) -> Result<Export, ExportError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let details = json!({ "subscribers": subscriber::count_all(&mut deed).await? });
    deed.note(Action::SubscribersExported, "", &details, &Event::SubscribersExported).await?;
    if let Some(session) = session {
        notice::tell_others(&mut deed, session, Notice::SubscribersExported, now).await?;
    }
    deed.commit().await?;
    Ok(Export { pool: pool.clone(), after: None })
}
