//! What staff do about signups whose mail was held for a limit, or did not go out.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    app::Deed,
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        signup::{
            held::{self, Choice, Held, HeldSignup, LastHour},
            undelivered::{self, Undelivered},
        },
        staff::audit::Action,
    },
};

/// How it stands with signups.
#[derive(Debug, Clone)]
pub struct HeldSituation {
    /// Those that are held, by limit.
    pub held: Held,
    /// What became of those of the last hour.
    pub last_hour: LastHour,
}

/// What becomes of held signups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Their mails go out: it was real interest.
    Release,
    /// They get no mail: it was abuse. Whoever was real signs up once more.
    Drop,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    /// Only admins decide.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// How it stands with signups.
pub async fn situation(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<HeldSituation> {
    let mut db = pool.acquire().await?;
    Ok(HeldSituation { last_hour: held::last_hour(&mut db, now).await?, held: held::held(&mut db).await? })
}

/// The newest held signups, and the newest whose mail did not go out.
pub async fn newest(
    pool: &PgPool,
    limit: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<(Vec<HeldSignup>, Vec<Undelivered>)> {
    let mut db = pool.acquire().await?;
    let held = held::newest(&mut db, limit).await?;
    Ok((held, undelivered::undelivered(&mut db, now, limit).await?))
}

/// Decides about held signups. Answers about how many; with none nothing is done.
///
/// # Errors
/// [`HeldError`].
pub async fn decide_held(
    pool: &PgPool,
    by: &Actor,
    choice: Choice,
    decision: Decision,
    now: DateTime<Utc>,
) -> Result<u64, HeldError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let (count, action, event) = match decision {
        Decision::Release => {
            let count = held::release(&mut deed, choice, now).await?;
            (count, Action::WaveReleased, Event::SignupsReleased)
        }
        Decision::Drop => {
            let count = held::drop_held(&mut deed, choice, now).await?;
            (count, Action::WaveDropped, Event::SignupsDropped)
        }
    };
    if count > 0 {
        let mut details = json!({ "signups": count });
        if let Some(only) = choice.only {
            details["reason"] = only.name().into();
        }
        deed.note(action, "", &details, &event).await?;
    }
    deed.commit().await?;
    Ok(count)
}

/// Queues another mail for those made until then whose mail did not go out. Answers for how many.
///
/// # Errors
/// [`HeldError`].
pub async fn send_again(
    pool: &PgPool,
    by: &Actor,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<usize, HeldError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let count = undelivered::send_again(&mut deed, until, now).await?;
    if count > 0 {
        let details = json!({ "signups": count });
        deed.note(Action::ConfirmationsSentAgain, "", &details, &Event::ConfirmationsSentAgain).await?;
    }
    deed.commit().await?;
    Ok(count)
}
