//! What every staff page shows around what it is about.

use sqlx::PgPool;

use crate::domain::{
    publication::{self, Publication},
    restore::{self, Hold},
    staff::{
        notice::{self, Unread},
        session::Session,
    },
};

/// What stands around a page.
#[derive(Debug, Default)]
pub struct Around {
    /// The publication; staff may log in before there is one.
    pub publication: Option<Publication>,
    /// What the session is told, on each page until it is read.
    pub notices: Vec<Unread>,
    /// That mailings are held; only for who is logged in.
    pub hold: Option<Hold>,
}

/// Loads what stands around a page, for who is logged in, and with their notices where `with_notices` says so.
///
/// # Errors
/// When the database fails.
pub async fn around(pool: &PgPool, session: Option<&Session>, with_notices: bool) -> sqlx::Result<Around> {
    let mut db = pool.acquire().await?;
    let publication = publication::current(&mut db).await?;
    let Some(session) = session else { return Ok(Around { publication, ..Around::default() }) };
    let notices = if with_notices && session.has_notices {
        notice::unread(&mut db, session.id).await?
    } else {
        Vec::new()
    };
    Ok(Around { publication, notices, hold: restore::hold(&mut db).await? })
}
