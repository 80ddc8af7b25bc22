//! Bringing in people who agreed elsewhere: a file by command, and lists that staff uploaded, which the service reads step by
//! step.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    config::SecretKeys,
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::ImportId,
        import::{
            self, Imported, Row,
            people::People,
            steps::{self, Stepped},
            upload::ImportState,
        },
        staff::audit::Action,
    },
};

const SERVICE: &Actor = &Actor::Service;

/// Why nobody was brought in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Only admins import people.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Writes down that a file is brought in by command, before its first rows are.
///
/// # Errors
/// [`ImportError`].
pub async fn begin_file(
    pool: &PgPool,
    by: &Actor,
    masked_name: &str,
    now: DateTime<Utc>,
) -> Result<(), ImportError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    deed.note(Action::ImportStarted, masked_name, &json!({}), &Event::ImportStarted(None)).await?;
    deed.commit().await?;
    Ok(())
}

/// What a whole list says of those on it, and how it is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Of people who are not to be mailed.
    pub known: &'a People,
    /// Those stay out, and are not kept as that.
    pub leaves_out: bool,
}

/// Brings in rows of a file by command; answers for each line what became of it. The line of the audit log is that of
/// [`begin_file`].
///
/// # Errors
/// [`ImportError`].
pub async fn bring_in(
    pool: &PgPool,
    keys: &SecretKeys,
    by: &Actor,
    rows: &[Row],
    reading: Reading<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<(u64, Imported)>, ImportError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let outcomes = import::batch(&mut deed, keys, rows, reading.known, reading.leaves_out, now).await?;
    if outcomes.iter().any(|(_, outcome)| matches!(outcome, Imported::Added | Imported::AddedAs(_))) {
        deed.tell(&Event::SubscribersImported(None)).await?;
    }
    deed.commit().await?;
    Ok(outcomes)
}

/// Reads on in whatever uploaded list is under way; answers whether there was one. Where several processes do it at once,
/// each step is one of theirs. One that cannot be read on is ended, so that it keeps no other waiting.
///
/// # Errors
/// When the database fails for the moment; try again.
pub async fn read_on(pool: &PgPool, keys: &SecretKeys, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let Some(id) = steps::next(&mut deed).await? else { return Ok(false) };
    match steps::step(&mut deed, id, keys, now).await {
        Ok(stepped) => {
            for event in stepped.into_iter().flat_map(|stepped| told(id, stepped)) {
                deed.tell(&event).await?;
            }
            deed.commit().await?;
        }
        Err(error) if is_passing(&error) => return Err(error),
        Err(error) => {
            drop(deed);
            tracing::error!(import = %id, %error, "an import cannot go on and was ended");
            end_failed(pool, id, now).await?;
        }
    }
    Ok(true)
}

/// What is told of a step.
fn told(id: ImportId, stepped: Stepped) -> Vec<Event> {
    let mut told = Vec::new();
    if stepped.has_added {
        told.push(Event::SubscribersImported(Some(id)));
    }
    if stepped.after != stepped.before {
        told.extend(match stepped.after {
            ImportState::Checked => Some(Event::ImportChecked(id)),
            ImportState::Done => Some(Event::ImportDone(id)),
            ImportState::Failed => Some(Event::ImportFailed(id)),
            _ => None,
        });
    }
    told
}

async fn end_failed(pool: &PgPool, id: ImportId, now: DateTime<Utc>) -> sqlx::Result<()> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    if steps::fail(&mut deed, id, "internal", now).await? {
        deed.tell(&Event::ImportFailed(id)).await?;
    }
    deed.commit().await
}

/// Whether the database may answer differently in a moment: it cannot be reached or has no room (08, 53, 57), or somebody
/// was in the way (40, 55).
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => database
            .code()
            .is_some_and(|code| ["08", "40", "53", "55", "57"].iter().any(|class| code.starts_with(class))),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
            true
        }
        _ => false,
    }
}
