//! How much waits and what is paused, as metrics tell it: read at every scrape, so what it costs is bounded.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use crate::domain::{
    bounce::{BounceKind, mailbox, unassigned},
    mailing::{MailingState, PauseKind},
    queue::delivery::DeliveryKind,
    signup::held::HeldFor,
};

/// What the database says at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Deliveries that have not ended, by kind and [`WAITS`].
    pub queue: Vec<(DeliveryKind, &'static str, i64)>,
    /// Signups that wait for staff, by limit.
    pub held: Vec<(HeldFor, i64)>,
    /// For how many seconds the oldest delivery that goes before mailings has been due; 0 where none is.
    pub oldest_urgent: f64,
    /// The same of copies of mailings that are being sent.
    pub oldest_mailing: f64,
    /// Mailings that are neither done nor cancelled.
    pub mailings: Vec<(MailingState, i64)>,
    /// Those that are paused, by reason.
    pub paused: Vec<(PauseKind, i64)>,
    /// Whether all mailings are held, see [`restore`](super::restore).
    pub is_held: bool,
    /// Workers that are alive, by what they say of the relay.
    pub workers: Vec<(&'static str, i64)>,
    /// Those of them that cannot read the queue.
    pub stuck_workers: i64,
    /// What came back in the last 24 hours, by kind; the newest [`COUNTED`] of that.
    pub bounces: Vec<(BounceKind, i64)>,
    /// How much of what came back waits for a person.
    pub unassigned: i64,
    /// Whether the mailbox for it has not been read for a while.
    pub mailbox_fails: bool,
}

/// Why a delivery has not ended: it is due, due later, held for staff, of a mailing that is paused, in a worker's hand, or
/// on its way.
pub const WAITS: [&str; 6] = ["due", "later", "held", "paused", "claimed", "transmitting"];

/// What workers say of the relay.
pub const RELAY: [&str; 6] = ["ok", "untried", "unreachable", "login", "sender", "policy"];

/// Deliveries that are looked at one by one, at most: of those that wait and go before mailings, and of those that workers
/// have. Copies of a mailing that wait are counted by their batches.
pub const COUNTED: i64 = 20_000;

impl Snapshot {
    /// Reads it, by index. With a mailing to a million under way and sixty thousand signups held, most of the time goes into
    /// looking at [`COUNTED`] of those one by one: 80 ms; without them it takes 15 ms.
    pub async fn read(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Self> {
        let mut snapshot = Self::default();
        snapshot.read_mailings(db).await?;
        snapshot.read_ages(db, now).await?;
        snapshot.read_one_by_one(db, now).await?;
        snapshot.read_batches(db, now).await?;
        snapshot.read_workers(db).await?;
        snapshot.read_bounces(db, now).await?;
        Ok(snapshot)
    }

    async fn read_mailings(&mut self, db: &mut PgConnection) -> sqlx::Result<()> {
        let rows = sqlx::query!(
            r#"select state as "state!: MailingState", pause_kind as "pause_kind: PauseKind", count(*) as "count!"
               from mailings where state in ('scheduled', 'preparing', 'sending', 'paused')
               group by state, pause_kind"#
        )
        .fetch_all(db)
        .await?;
        for row in rows {
            self.mailings.push((row.state, row.count));
            if let (MailingState::Paused, Some(reason)) = (row.state, row.pause_kind) {
                self.paused.push((reason, row.count));
            }
        }
        Ok(())
    }

    async fn read_bounces(&mut self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
        let rows = sqlx::query!(
            r#"select kind as "kind!: BounceKind", count(*) as "count!"
               from (select kind from bounces where received_at > $1 order by received_at desc limit $2) newest
               group by kind"#,
            now - Duration::hours(24),
            COUNTED
        )
        .fetch_all(&mut *db)
        .await?;
        self.bounces = rows.into_iter().map(|row| (row.kind, row.count)).collect();
        self.unassigned = unassigned::count(&mut *db).await?;
        self.mailbox_fails = mailbox::problem(db, now).await?.is_some();
        Ok(())
    }

    /// The first entry of an index, for each mailing that is being sent and for all other mails, and what workers have.
    async fn read_ages(&mut self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
        let row = sqlx::query!(
            r#"select mailings_are_held() as "is_held!",
                 coalesce(extract(epoch from $1 - least(
                     (select due_at from batches where claimed_by is null and mailing_id is null
                      order by due_at, id limit 1),
                     (select min(due_at) from batches where claimed_by is not null and mailing_id is null)
                 )), 0)::float8 as "urgent!",
                 coalesce(extract(epoch from $1 - least(
                     (select min(first.due_at)
                      from mailings m cross join lateral (
                          select due_at from batches b where b.claimed_by is null and b.mailing_id = m.id
                          order by b.due_at, b.id limit 1) first
                      where m.state = 'sending' and not mailings_are_held()),
                     (select min(due_at) from batches where claimed_by is not null and mailing_id is not null)
                 )), 0)::float8 as "mailing!""#,
            now
        )
        .fetch_one(db)
        .await?;
        self.is_held = row.is_held;
        // What is due later is not late.
        self.oldest_urgent = row.urgent.max(0.0);
        self.oldest_mailing = row.mailing.max(0.0);
        Ok(())
    }

    async fn read_one_by_one(&mut self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
        let rows = sqlx::query!(
            r#"with looked_at as materialized (
                 (select id, due_at, false as claimed, transmitting from batches
                  where claimed_by is null and mailing_id is null order by due_at, id limit $2)
                 union all
                 (select id, due_at, true, transmitting from batches where claimed_by is not null limit $2)
               )
               select d.kind as "kind!: DeliveryKind",
                 case when b.claimed and d.id = any(b.transmitting) then 'transmitting'
                      when b.claimed then 'claimed'
                      when d.smtp_text = any($3) then 'held'
                      when b.due_at > $1 then 'later'
                      else 'due' end as "waits!",
                 case when d.smtp_text = any($3) then d.smtp_text end as held_for,
                 count(*) as "count!"
               from looked_at b join deliveries d on d.batch_id = b.id and d.state = 'pending'
               group by 1, 2, 3"#,
            now,
            COUNTED,
            &HeldFor::texts(None)
        )
        .fetch_all(db)
        .await?;
        for row in rows {
            self.add(row.kind, &row.waits, row.count);
            if let Some(limit) = row.held_for.as_deref().and_then(HeldFor::from_text)
                && row.waits == "held"
            {
                self.held.push((limit, row.count));
            }
        }
        Ok(())
    }

    /// A batch that was begun and given back counts as it was made: some more may be shown than wait, up to a hundred for
    /// each connection.
    async fn read_batches(&mut self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
        let rows = sqlx::query!(
            r#"select case when m.state = 'paused' or (select mailings_are_held()) then 'paused'
                           when m.state = 'preparing' or b.due_at > $1 then 'later'
                           else 'due' end as "waits!",
                 sum(b.size)::bigint as "count!"
               from mailings m join batches b on b.mailing_id = m.id and b.claimed_by is null
               where m.state in ('preparing', 'sending', 'paused')
               group by 1"#,
            now
        )
        .fetch_all(db)
        .await?;
        for row in rows {
            self.add(DeliveryKind::Mailing, &row.waits, row.count);
        }
        Ok(())
    }

    async fn read_workers(&mut self, db: &mut PgConnection) -> sqlx::Result<()> {
        let rows = sqlx::query!(
            r#"select relay, count(*) as "count!", count(queue_stuck_since) as "stuck!"
               from workers where lease_until > now() group by relay"#
        )
        .fetch_all(db)
        .await?;
        for row in rows {
            if let Some(known) = RELAY.into_iter().find(|relay| *relay == row.relay) {
                self.workers.push((known, row.count));
            }
            self.stuck_workers += row.stuck;
        }
        Ok(())
    }

    fn add(&mut self, kind: DeliveryKind, waits: &str, count: i64) {
        if let Some(waits) = WAITS.into_iter().find(|known| *known == waits) {
            self.queue.push((kind, waits, count));
        }
    }
}
