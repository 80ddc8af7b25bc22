//! Restore: whether this is the database that the service ran on before, with everything that it saw stored there.
//!
//! A backup that was brought back, or a standby that was promoted and lacks the last commits, does not know what went out
//! since, nor who has left. On such a database **all mailings are held** until a person says what is to become of them:
//! nothing of a mailing begins, is written into the queue, claimed or marked. Confirmations and tests go on.
//!
//! What is compared: the row of `database_memory`, which a copy cannot carry along unchanged; and the watermarks, counters
//! that each writer raises with its commits. Whoever saw a value answered finds it in the same database. A process
//! remembers them in its memory, and in the state folder for the one that comes after it: see [`Memory`].

mod memory;
mod release;
mod state_file;

pub use memory::Memory;
pub use release::{How, Open, open, release, step};
pub use state_file::{Remembered, SeenValue};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// Why mailings are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum HoldReason {
    /// The state folder remembers another database.
    Another,
    /// The tables were copied here, by `pg_restore`, `create database … template` or `pg_upgrade`.
    Copied,
    /// Changes are missing that the service saw stored.
    Older,
    /// The server was promoted or brought back to a point in time, and nothing here can tell whether anything is missing.
    Promoted,
    /// The service was away for more than an hour while mailings were open.
    Slept,
}

impl HoldReason {
    /// Its name in the database, in JSON and in the texts of pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What was found, for logs and commands.
    #[must_use]
    pub fn found(self) -> &'static str {
        match self {
            HoldReason::Another => {
                "this is another database than the one that the service ran on here before"
            }
            HoldReason::Copied => {
                "this database was restored from a dump, or copied from another place; it last ran somewhere else"
            }
            HoldReason::Older => {
                "this database lacks changes that the service saw stored; it is an older state, such as a backup or a standby that was behind"
            }
            HoldReason::Promoted => {
                "the database server was promoted or set back to a point in time, and nothing here can tell whether changes are missing"
            }
            HoldReason::Slept => {
                "for more than an hour nothing ran on this database, while mailings were open"
            }
        }
    }
}

/// That mailings are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Why.
    pub reason: HoldReason,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When the service was last seen on this database before.
    pub last_seen: Option<DateTime<Utc>>,
    /// Somebody has said that what is open becomes `unknown`; that is being done.
    pub becomes_unknown: bool,
}

/// What to do when mailings are held, for logs and commands.
pub const WAY_OUT: &str = "if nothing went out since this state of the database, say: rundbrief restore release; otherwise, or if you do not know: rundbrief restore release --as-unknown; docs/operations/restore.md has the rest";

/// The hold on mailings, if there is one.
pub async fn hold(db: &mut PgConnection) -> sqlx::Result<Option<Hold>> {
    let row = sqlx::query!(
        "select held_at, held_for, held_since_seen, becomes_unknown from database_memory where only_row"
    )
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(|row| {
        as_hold(row.held_at, row.held_for.as_deref(), row.held_since_seen, row.becomes_unknown)
    }))
}

fn as_hold(
    at: Option<DateTime<Utc>>,
    reason: Option<&str>,
    last_seen: Option<DateTime<Utc>>,
    becomes_unknown: bool,
) -> Option<Hold> {
    // A reason that only a newer version knows holds as well.
    let reason = reason.and_then(|name| name.parse().ok()).unwrap_or(HoldReason::Older);
    Some(Hold { reason, since: at?, last_seen, becomes_unknown })
}

/// Where a database is. A role without special rights may ask for all of it; what a provider
/// has taken away is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DatabaseIdentity {
    system: Option<String>,
    timeline: Option<String>,
}

impl DatabaseIdentity {
    async fn of(db: &mut PgConnection) -> sqlx::Result<Self> {
        let may = sqlx::query!(
            r#"select has_function_privilege('pg_control_system()', 'execute') as "system!",
                   has_function_privilege('pg_walfile_name(pg_lsn)', 'execute')
                       and has_function_privilege('pg_current_wal_lsn()', 'execute') and not pg_is_in_recovery()
                       as "timeline!""#
        )
        .fetch_one(&mut *db)
        .await?;
        let system = if may.system {
            sqlx::query_scalar!("select system_identifier::text from pg_control_system()")
                .fetch_one(&mut *db)
                .await?
        } else {
            None
        };
        let timeline = if may.timeline {
            sqlx::query_scalar!("select left(pg_walfile_name(pg_current_wal_lsn()), 8)").fetch_one(db).await?
        } else {
            None
        };
        Ok(Self { system, timeline })
    }
}

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Checked {
    database: Uuid,
    releases: i64,
    hold: Option<Hold>,
}

/// Compares this database with what is remembered, and holds mailings when it is not the same one with everything in it.
/// When it is, `own` is written there as the watermark of the process that asks.
async fn check(
    db: &mut PgConnection,
    remembered: Option<&Remembered>,
    own: (Uuid, i64),
) -> sqlx::Result<Checked> {
    let mut transaction = db.begin().await?;
    let db = &mut *transaction;
    // Two processes that find the same hold it once.
    let row = sqlx::query!(
        r#"select database_id, system_identifier, timeline, releases, held_at, held_for, held_since_seen, held_against,
             becomes_unknown,
             coalesce(database_oid = (select oid from pg_database where datname = current_database()), true)
                 and xmin::text::bigint = written_by::text::bigint % 4294967296 as "is_in_place!",
             greatest(written_at, (select max(written_at) from watermarks)) as "last_seen!"
           from database_memory where only_row for update"#
    )
    .fetch_one(&mut *db)
    .await?;
    let standing = as_hold(row.held_at, row.held_for.as_deref(), row.held_since_seen, row.becomes_unknown);
    if let (Some(_), Some(database)) = (standing, row.database_id) {
        return Ok(Checked { database, releases: row.releases, hold: standing });
    }
    let place = DatabaseIdentity::of(&mut *db).await?;
    let database = row.database_id.unwrap_or_else(Uuid::now_v7);
    let about_this = remembered.filter(|remembered| remembered.database == database);
    // Of before the last release nothing counts.
    let counts = about_this.filter(|remembered| remembered.releases >= row.releases);
    let is_moved = row.database_id.is_some()
        && (!row.is_in_place
            || (place.system.is_some()
                && row.system_identifier.is_some()
                && place.system != row.system_identifier));
    let is_promoted = row.database_id.is_some() && row.timeline.is_some() && row.timeline != place.timeline;
    let found = if let Some(other) = remembered.filter(|other| other.database != database)
        && row.held_against != Some(other.database)
        && !is_blank(&mut *db).await?
    {
        Some(HoldReason::Another)
    } else if is_moved {
        Some(HoldReason::Copied)
    } else if let Some(counts) = counts
        && (counts.releases > row.releases || lacks(&mut *db, counts).await?)
    {
        Some(HoldReason::Older)
    } else if row.database_id.is_none() {
        None
    } else if is_promoted && counts.is_none() && any_open(&mut *db).await? {
        Some(HoldReason::Promoted)
    } else if has_slept(&mut *db, row.last_seen).await? {
        Some(HoldReason::Slept)
    } else {
        None
    };
    let hold = if let Some(reason) = found {
        return_paths_begin_anew(&mut *db).await?;
        let against = remembered.map(|other| other.database).filter(|other| *other != database);
        let since = sqlx::query_scalar!(
            r#"update database_memory
                   set held_at = now(), held_for = $1, held_since_seen = $2, database_id = $3,
                       held_against = coalesce($4, held_against),
                       written_by = pg_current_xact_id(), written_at = now()
                   where only_row returning held_at as "since!""#,
            reason.name(),
            row.last_seen,
            database,
            against
        )
        .fetch_one(&mut *db)
        .await?;
        Some(Hold { reason, since, last_seen: Some(row.last_seen), becomes_unknown: false })
    } else {
        settle_in(&mut *db, database, &place, row.database_id.is_none() || is_promoted).await?;
        sqlx::query!(
                "insert into watermarks (id, value, server) values ($1, $2, this_server())
                 on conflict (id) do update
                 set value = greatest(watermarks.value, excluded.value), server = excluded.server, written_at = now()",
                own.0,
                own.1
            )
            .execute(&mut *db)
            .await?;
        None
    };
    transaction.commit().await?;
    Ok(Checked { database, releases: row.releases, hold })
}

/// Writes down where the database is, where that is news.
async fn settle_in(
    db: &mut PgConnection,
    database: Uuid,
    place: &DatabaseIdentity,
    is_news: bool,
) -> sqlx::Result<()> {
    if is_news {
        sqlx::query!(
            "update database_memory
             set database_id = $1, system_identifier = $2, timeline = $3,
                 database_oid = (select oid from pg_database where datname = current_database()),
                 written_by = pg_current_xact_id(), written_at = now()
             where only_row",
            database,
            place.system,
            place.timeline
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

/// Whether this database holds nobody and nothing yet.
async fn is_blank(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select not exists (select from subscribers) and not exists (select from mailings) as "blank!""#
    )
    .fetch_one(db)
    .await
}

/// Whether a commit is missing that was seen.
async fn lacks(db: &mut PgConnection, remembered: &Remembered) -> sqlx::Result<bool> {
    // What was seen longer ago may be forgotten by now (`watermark::forget_old`).
    let lately = Utc::now() - TimeDelta::days(180);
    let seen = remembered.watermarks.iter().filter(|(_, seen)| seen.at > lately);
    let (ids, values): (Vec<Uuid>, Vec<i64>) = seen.map(|(id, seen)| (*id, seen.value)).unzip();
    sqlx::query_scalar!(
        r#"select exists (
               select from unnest($1::uuid[], $2::bigint[]) as seen (id, value)
               left join watermarks w on w.id = seen.id
               where w.value is null or w.value < seen.value) as "lacks!""#,
        &ids,
        &values
    )
    .fetch_one(db)
    .await
}

/// Whether a mailing has begun and is not over, or should have begun by now.
async fn any_open(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from mailings
               where state in ('preparing', 'sending', 'paused') or (state = 'scheduled' and scheduled_at <= now())
           ) as "any!""#
    )
    .fetch_one(db)
    .await
}

/// A mailing that lay still for longer than this does not go on by itself: the database may be a backup.
const AWAKE_WITHIN: &str = "1 hour";

async fn has_slept(db: &mut PgConnection, last_seen: DateTime<Utc>) -> sqlx::Result<bool> {
    let is_long_ago = sqlx::query_scalar!(
        r#"select $1::timestamptz < now() - $2::text::interval as "long!""#,
        last_seen,
        AWAKE_WITHIN
    )
    .fetch_one(&mut *db)
    .await?;
    Ok(is_long_ago && any_open(db).await?)
}

/// An older state of the database has forgotten deliveries, and would give their numbers again: reports about those would
/// be taken for others'. So it goes on far behind whatever was forgotten.
async fn return_paths_begin_anew(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        r#"select setval(pg_get_serial_sequence('deliveries', 'id'),
                         nextval(pg_get_serial_sequence('deliveries', 'id')) + 1000000000) as "set!""#
    )
    .fetch_one(db)
    .await?;
    Ok(())
}
