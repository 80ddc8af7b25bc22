//! Held signups: more than a limit allows, so their mails wait until staff let them go or drop them.
//!
//! Which ones, is decided in [`limits`](super::limits). One that nobody decides about ends with its signup, after seven
//! days.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::address::EmailAddress;

/// Which limit a signup is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum HeldFor {
    /// Its mailbox had as many mails as it may get in a day or a week.
    Mailbox,
    /// As many signups as may came from the same network.
    Network,
    /// Addresses of the same mail domain signed up as often as they may.
    Domain,
    /// There were as many signups in all as there may be.
    All,
}

impl HeldFor {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::Mailbox, Self::Network, Self::Domain, Self::All];

    /// Its name in pages and commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// What is written beside a delivery that waits for staff; it is found by that.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Mailbox => "held: enough mails went to this mailbox for now",
            Self::Network => "held: many signups came from the same network",
            Self::Domain => "held: many signups of the same mail domain",
            // As it was called when there was no other.
            Self::All => "held: part of a wave of signups",
        }
    }

    /// These words, for one reason or for all.
    pub(in crate::domain) fn texts(only: Option<Self>) -> Vec<String> {
        let chosen = Self::ALL.into_iter().filter(|reason| only.is_none_or(|only| only == *reason));
        chosen.map(|reason| reason.text().to_owned()).collect()
    }

    /// The one that is written like this beside a delivery.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.text() == text)
    }
}

/// Signups whose mail waits for staff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// How many.
    pub held: i64,
    /// When the first of them was made.
    pub since: Option<DateTime<Utc>>,
    /// The same for each limit that holds any.
    pub reasons: Vec<HeldBy>,
}

/// Signups that one limit holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldBy {
    /// Which limit.
    pub reason: HeldFor,
    /// How many.
    pub held: i64,
    /// When the first of them was made.
    pub since: DateTime<Utc>,
}

/// How many signups are held, and by what.
pub async fn held(db: &mut PgConnection) -> sqlx::Result<Held> {
    let rows = sqlx::query!(
        r#"select d.smtp_text as "text!", count(*) as "held!", min(g.requested_at) as "since!"
           from batches b join deliveries d on d.batch_id = b.id join signups g on g.id = d.signup_id
           where b.mailing_id is null and d.state = 'pending' and d.smtp_text = any($1)
           group by d.smtp_text"#,
        &HeldFor::texts(None)
    )
    .fetch_all(db)
    .await?;
    let of_reason = |reason: HeldFor| {
        let row = rows.iter().find(|row| HeldFor::from_text(&row.text) == Some(reason))?;
        Some(HeldBy { reason, held: row.held, since: row.since })
    };
    let reasons: Vec<HeldBy> = HeldFor::ALL.into_iter().filter_map(of_reason).collect();
    Ok(Held {
        held: reasons.iter().map(|by| by.held).sum(),
        since: reasons.iter().map(|by| by.since).min(),
        reasons,
    })
}

/// A signup that is held.
#[derive(Debug, Clone)]
pub struct HeldSignup {
    /// Its address.
    pub email: EmailAddress,
    /// When it was made.
    pub requested_at: DateTime<Utc>,
    /// The page the form stood on.
    pub form_page: String,
    /// Why; nothing when a later version wrote a reason that this one does not know.
    pub reason: Option<HeldFor>,
}

/// The newest held signups.
pub async fn newest(db: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<HeldSignup>> {
    let rows = sqlx::query!(
        r#"select g.email as "email: EmailAddress", g.requested_at, g.form_page, d.smtp_text as "text!"
           from batches b join deliveries d on d.batch_id = b.id join signups g on g.id = d.signup_id
           where b.mailing_id is null and d.state = 'pending' and d.smtp_text = any($1)
           order by d.id desc limit $2"#,
        &HeldFor::texts(None),
        limit
    )
    .fetch_all(db)
    .await?;
    let signups = rows.into_iter().map(|row| HeldSignup {
        email: row.email,
        requested_at: row.requested_at,
        form_page: row.form_page,
        reason: HeldFor::from_text(&row.text),
    });
    Ok(signups.collect())
}

/// Whether an earlier mail to the same mailbox is held: one is enough to decide about.
pub(super) async fn is_mailbox_held(
    db: &mut PgConnection,
    mailbox: &str,
    delivery: crate::domain::ids::DeliveryId,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
             select from signups g join deliveries d on d.signup_id = g.id
             where coalesce(g.mailbox, g.email_normalized) = $1 and d.id < $2 and d.state = 'pending'
               and d.smtp_text = any($3)) as "is_held!""#,
        mailbox,
        delivery.0,
        &HeldFor::texts(None)
    )
    .fetch_one(db)
    .await
}

/// Which held signups a decision is about.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Those that this limit holds; of all limits when nothing is said.
    pub only: Option<HeldFor>,
    /// Those made until then: nobody decides about what they have not seen.
    pub until: DateTime<Utc>,
}

/// Lets the mails of held signups go, one for each mailbox; where there are more, the others are skipped. Answers how many
/// go.
pub async fn release(db: &mut PgConnection, choice: Choice, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let released = sqlx::query!(
        "with held as materialized (
             select b.id as batch, d.id, d.signup_id, coalesce(g.mailbox, g.email_normalized) as mailbox
             from batches b join deliveries d on d.batch_id = b.id join signups g on g.id = d.signup_id
             where b.mailing_id is null and b.claimed_by is null and d.state = 'pending' and d.smtp_text = any($2)
               and g.requested_at <= $3
             for update of b, d
         ), first as (
             select distinct on (mailbox) batch, id, signup_id from held order by mailbox, id
         ), noted as (
             update signups g set released_at = $1 from first where g.id = first.signup_id
         ), due as (
             update deliveries d set due_at = $1, smtp_text = null from first where d.id = first.id
         ), skipped as (
             update deliveries d
             set state = 'skipped', finished_at = $1, smtp_text = 'another signup of this mailbox was released'
             from held where d.id = held.id and held.id not in (select id from first)
         ), gone as (
             delete from batches b using held
             where b.id = held.batch and held.id not in (select id from first)
         )
         update batches b set due_at = $1 from first where b.id = first.batch",
        now,
        &HeldFor::texts(choice.only),
        choice.until
    )
    .execute(db)
    .await?;
    Ok(released.rows_affected())
}

/// Skips the mails of held signups: nobody of them hears from us. Answers how many there were.
pub async fn drop_held(db: &mut PgConnection, choice: Choice, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let dropped = sqlx::query!(
        "with held as materialized (
             select b.id as batch, d.id
             from batches b join deliveries d on d.batch_id = b.id join signups g on g.id = d.signup_id
             where b.mailing_id is null and b.claimed_by is null and d.state = 'pending' and d.smtp_text = any($2)
               and g.requested_at <= $3
             for update of b, d
         ), skipped as (
             update deliveries d set state = 'skipped', finished_at = $1, smtp_text = 'dropped by staff while it was held'
             from held where d.id = held.id
         )
         delete from batches b using held where b.id = held.batch",
        now,
        &HeldFor::texts(choice.only),
        choice.until
    )
    .execute(db)
    .await?;
    Ok(dropped.rows_affected())
}

/// What became of the signups of the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LastHour {
    /// Signups.
    pub signups: i64,
    /// Their mails that were taken by the relay.
    pub accepted: i64,
    /// Their mails that were not sent: repeats of one that was, dropped ones, and those to addresses that must not be
    /// mailed.
    pub skipped: i64,
}

/// What the last hour was like.
pub async fn last_hour(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<LastHour> {
    sqlx::query_as!(
        LastHour,
        r#"select count(*) as "signups!",
             count(*) filter (where d.state = 'accepted') as "accepted!",
             count(*) filter (where d.state = 'skipped') as "skipped!"
           from signups g left join deliveries d on d.signup_id = g.id
           where g.requested_at > $1"#,
        now - Duration::hours(1)
    )
    .fetch_one(db)
    .await
}
