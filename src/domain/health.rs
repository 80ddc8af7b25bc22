//! How the service is: what monitoring asks, part by part.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{ids::MailingId, mailing::PauseKind, queue::batch, restore};

/// How one part is, with what is worth knowing of it. No addresses, no secrets: anybody may ask.
#[derive(Debug, Clone, Serialize)]
pub struct Part<T> {
    /// `ok`, or what is wrong.
    pub state: &'static str,
    /// More.
    #[serde(flatten)]
    pub more: T,
}

/// The whole.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// `ok` when every part is, else `degraded`.
    pub status: &'static str,
    /// `ok`, or `unsafe` when a crash of the server may lose what was answered.
    pub database: Part<Durability>,
    /// `ok`, `pending` or `newer`: than the program.
    pub migrations: Part<Migrations>,
    /// `ok`, or `off`: this machine and the database's are not agreed on the time.
    pub clock: Part<Clock>,
    /// `ok`, or `none`: nothing is sent.
    pub workers: Part<Workers>,
    /// `ok`; `stuck` when a worker cannot read it; `late` when mails wait that should have gone out at once.
    pub queue: Part<Queue>,
    /// As the workers last met it: `ok`, `untried`, `unreachable`, `login`, `sender` or `policy` (it refuses one of these).
    pub relay: Part<Since>,
    /// `ok`, `paused` when one is, `held` when all are.
    pub mailings: Part<Mailings>,
}

/// Settings of the server.
#[derive(Debug, Clone, Serialize)]
pub struct Durability {
    /// `fsync` is on.
    pub fsync: bool,
    /// `synchronous_commit` is not off.
    pub synchronous_commit: bool,
}

impl Durability {
    /// As this connection has it.
    pub async fn of(db: &mut PgConnection) -> sqlx::Result<Self> {
        sqlx::query_as!(
            Self,
            r#"select current_setting('fsync') = 'on' as "fsync!",
                   current_setting('synchronous_commit') <> 'off' as "synchronous_commit!""#
        )
        .fetch_one(db)
        .await
    }

    /// Whether what was answered survives a crash.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.fsync && self.synchronous_commit
    }
}

/// Versions of the schema.
#[derive(Debug, Clone, Serialize)]
pub struct Migrations {
    /// The newest that was applied.
    pub applied: i64,
    /// The newest that the program knows.
    pub known: i64,
}

/// The clocks of this machine and the database's.
#[derive(Debug, Clone, Serialize)]
pub struct Clock {
    /// By how many seconds ours is ahead.
    pub ahead_seconds: f64,
}

/// Who sends.
#[derive(Debug, Clone, Serialize)]
pub struct Workers {
    /// Alive now.
    pub alive: i64,
}

/// What waits.
#[derive(Debug, Clone, Serialize)]
pub struct Queue {
    /// Workers that cannot read it.
    pub stuck_workers: i64,
    /// Confirmations and other mails that are due for more than five minutes.
    pub late: i64,
}

/// Since when something is so.
#[derive(Debug, Clone, Serialize)]
pub struct Since {
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

/// Mailings that do not go on by themselves.
#[derive(Debug, Clone, Serialize)]
pub struct Mailings {
    /// Those that are paused.
    pub paused: Vec<Paused>,
    /// Why all are held, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<restore::Hold>,
}

/// A mailing that is paused.
#[derive(Debug, Clone, Serialize)]
pub struct Paused {
    /// Which.
    pub id: MailingId,
    /// Why.
    pub why: Option<PauseKind>,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
}

/// Clocks may differ by so much.
const CLOCKS_DIFFER: f64 = 5.0;
/// What should go out at once is late after this.
const LATE: TimeDelta = TimeDelta::minutes(5);
/// Paused mailings that are named, at most.
const NAMED: i64 = 20;

/// Looks at every part. `known` is the newest migration that the program knows.
pub async fn check(db: &mut PgConnection, known: i64) -> sqlx::Result<Health> {
    let asked = Utc::now();
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(&mut *db).await?;
    let middle = asked + (Utc::now() - asked) / 2;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a difference of clocks")]
    let ahead_seconds = (middle - now).num_milliseconds() as f64 / 1000.0;
    let durability = Durability::of(&mut *db).await?;
    // Not checked at build time: the table is the migrator's own.
    let applied: Option<i64> = sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
        .fetch_one(&mut *db)
        .await?;
    let applied = applied.unwrap_or(0);
    let workers = sqlx::query!(
        r#"select count(*) as "alive!", count(queue_stuck_since) as "stuck!",
               (array_agg(relay order by relay_since nulls last)
                   filter (where relay not in ('ok', 'untried')))[1] as trouble,
               min(relay_since) filter (where relay not in ('ok', 'untried')) as since,
               coalesce(bool_or(relay = 'ok'), false) as "reached!"
           from workers where lease_until > now()"#
    )
    .fetch_one(&mut *db)
    .await?;
    let late = batch::late_urgent(&mut *db, now - LATE).await?;
    let paused = sqlx::query_as!(
        Paused,
        r#"select id as "id: MailingId", pause_kind as "why: PauseKind", paused_at as since from mailings
           where state = 'paused' order by paused_at limit $1"#,
        NAMED
    )
    .fetch_all(&mut *db)
    .await?;
    let hold = restore::hold(db).await?;
    let mut health = Health {
        status: "ok",
        database: Part { state: if durability.is_safe() { "ok" } else { "unsafe" }, more: durability },
        migrations: Part {
            state: match applied.cmp(&known) {
                std::cmp::Ordering::Less => "pending",
                std::cmp::Ordering::Equal => "ok",
                std::cmp::Ordering::Greater => "newer",
            },
            more: Migrations { applied, known },
        },
        clock: Part {
            state: if ahead_seconds.abs() > CLOCKS_DIFFER { "off" } else { "ok" },
            more: Clock { ahead_seconds },
        },
        workers: Part {
            state: if workers.alive > 0 { "ok" } else { "none" },
            more: Workers { alive: workers.alive },
        },
        queue: Part {
            state: match (workers.stuck, late) {
                (0, 0) => "ok",
                (0, _) => "late",
                _ => "stuck",
            },
            more: Queue { stuck_workers: workers.stuck, late },
        },
        relay: Part {
            state: match workers.trouble.as_deref() {
                Some("login") => "login",
                Some("sender") => "sender",
                Some("policy") => "policy",
                Some(_) => "unreachable",
                None if workers.reached => "ok",
                None => "untried",
            },
            more: Since { since: workers.since },
        },
        mailings: Part {
            state: match (&hold, paused.is_empty()) {
                (Some(_), _) => "held",
                (None, false) => "paused",
                (None, true) => "ok",
            },
            more: Mailings { paused, hold },
        },
    };
    let states = [
        health.database.state,
        health.migrations.state,
        health.clock.state,
        health.workers.state,
        health.queue.state,
        health.mailings.state,
    ];
    let is_well =
        states.iter().all(|state| *state == "ok") && ["ok", "untried"].contains(&health.relay.state);
    if !is_well {
        health.status = "degraded";
    }
    Ok(health)
}
