//! The arrows of a delivery's life, in SQL: mark, outcome, skip. The claim is in [`crate::domain::batch`].
//!
//! These statements run for every message, some dozens of messages at a time, by keys. None of them changes a column
//! that an index knows, so a change stays on the row's page (see `migrations/0006_batches.sql`).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::EmailAddress,
    delivery::{DeliveryKind, DeliveryState},
    ids::{BatchId, DeliveryId, MailingId, SignupId, SubscriberId, UpdateId, WorkerId},
};

/// A delivery in a worker's hand.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: DeliveryId,
    /// The batch it was claimed with.
    pub batch: BatchId,
    /// What it is.
    pub kind: DeliveryKind,
    /// How often it was tried before.
    pub attempts: i16,
    /// Mailing copies: which mailing.
    pub mailing: Option<MailingId>,
    /// Mailing copies and welcomes: whose. Nobody, when it was erased meanwhile.
    pub subscriber: Option<SubscriberId>,
    /// Confirmations: of which signup.
    pub signup: Option<SignupId>,
    /// Tests: of which update.
    pub update: Option<UpdateId>,
    /// Where it goes, as known at the claim.
    pub address: Option<EmailAddress>,
}

/// A delivery about to be transmitted.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// Which delivery.
    pub id: DeliveryId,
    /// Which attempt this will be, counted from 1.
    pub attempt: i16,
}

/// What became of one transmission.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which delivery.
    pub id: DeliveryId,
    /// Which attempt this was, counted from 1. An outcome of another attempt is not recorded.
    pub attempt: i16,
    /// How it ended.
    pub verdict: Verdict,
    /// The relay's reply code, when there was a reply.
    pub smtp_code: Option<i16>,
    /// The relay's reply, or what happened on the line.
    pub smtp_text: String,
}

/// How a transmission ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The relay has it.
    Accepted,
    /// The relay will never take it.
    Rejected,
    /// Nobody knows.
    Unknown,
    /// Not now; try again at this time.
    Later(DateTime<Utc>),
    /// The relay would not even listen. Due at once, and not counted as a try.
    Untried,
}

impl Verdict {
    /// The state in which a delivery ends with this; nothing when it goes on.
    fn end(self) -> Option<DeliveryState> {
        match self {
            Verdict::Accepted => Some(DeliveryState::Accepted),
            Verdict::Rejected => Some(DeliveryState::Rejected),
            Verdict::Unknown => Some(DeliveryState::Unknown),
            Verdict::Later(_) | Verdict::Untried => None,
        }
    }

    /// Whether the delivery goes on after this.
    #[must_use]
    pub fn puts_off(self) -> bool {
        self.end().is_none()
    }
}

/// What [`settle`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Outcomes that were news.
    pub recorded: Vec<DeliveryId>,
    /// Deliveries that may be transmitted now.
    pub marked: Vec<DeliveryId>,
}

/// Records how transmissions ended, and marks other deliveries as `transmitting` if they may still be sent: both in one
/// statement, which a connection that has no transaction open commits by itself.
///
/// **Marks.** The last look at the subscription happens here, in the statement that makes the change: a subscriber who
/// has left, a signup that has ended and a mailing that is paused or cancelled are not marked. Nor is anything marked
/// for a worker whose lease has run out, or of a batch that is not its own: that may be in other hands already. The
/// lock on the worker's row makes whoever takes over wait for this commit.
///
/// **Outcomes.** An outcome also replaces `unknown`: a worker that was taken for dead and comes back with the relay's
/// answer knows better than we did. The number of the attempt makes sure that it speaks of the same transmission.
/// Outcomes that put a delivery off are written by [`put_off`], before this.
///
/// Doing the same twice does no harm, so a caller that lost its connection at the commit asks again.
///
/// With a million recipients (`explain (analyze)`, 32 outcomes and 32 marks), whatever the size of the tables:
///
/// ```text
/// Update on deliveries                       HOT
///   Index Scan using deliveries_pkey         actual rows=1 loops=32
/// Update on deliveries                       HOT
///   Index Scan using batches_claimed         actual rows=6
///   Index Scan using deliveries_pkey         actual rows=1 loops=32
///     Index Scan using subscribers_pkey      actual rows=1 loops=32
/// ```
///
/// # Errors
/// When the database fails.
pub async fn settle(
    db: &mut PgConnection,
    worker: WorkerId,
    outcomes: &[Outcome],
    marks: &[Mark],
    now: DateTime<Utc>,
) -> sqlx::Result<Settled> {
    let ended: Vec<(&Outcome, DeliveryState)> =
        outcomes.iter().filter_map(|outcome| Some((outcome, outcome.verdict.end()?))).collect();
    let states: Vec<String> = ended.iter().map(|(_, state)| state.name().to_owned()).collect();
    let Columns { ids, attempts, codes, texts } = Columns::of(ended.iter().map(|(outcome, _)| *outcome));
    let (wanted, wanted_attempts) = columns(marks);
    let rows = sqlx::query!(
        r#"with recorded as (
               update deliveries d
               set state = o.state::delivery_state, finished_at = $8, smtp_code = o.smtp_code,
                   -- A reply may quote the address; of somebody who was erased meanwhile nothing is written down.
                   smtp_text = case when d.kind <> 'mailing' or d.subscriber_id is not null then o.smtp_text end
               from unnest($3::bigint[], $4::smallint[], $5::text[], $6::smallint[], $7::text[])
                   as o (id, attempt, state, smtp_code, smtp_text)
               where d.id = o.id and d.attempts = o.attempt
                 and (d.state = 'transmitting' or (d.state = 'unknown' and o.state <> 'unknown'))
               returning d.id
           ), me as (
               select id from workers where id = $9 and lease_until > now() for key share
           ), marked as (
               update deliveries d set state = 'transmitting', attempts = wanted.attempt
               from unnest($1::bigint[], $2::smallint[]) as wanted (id, attempt)
               where d.id = wanted.id
                 and ((d.state = 'pending' and d.attempts = wanted.attempt - 1)
                      or (d.state = 'transmitting' and d.attempts = wanted.attempt))
                 and exists (select from me)
                 -- As arrays: both are asked once, and not for every row.
                 and d.batch_id = any (array(select b.id from batches b where b.claimed_by = $9))
                 -- As values and not with `exists`, which might be answered by reading all of them into a hash table.
                 and case d.kind
                     when 'mailing' then
                         (select s.state = 'active' from subscribers s where s.id = d.subscriber_id)
                         and d.mailing_id = any (array(select m.id from mailings m where m.state = 'sending'))
                     when 'welcome' then
                         (select s.state = 'active' from subscribers s where s.id = d.subscriber_id)
                     when 'confirmation' then
                         (select g.state = 'waiting' and g.expires_at > $8 from signups g where g.id = d.signup_id)
                     else true
                 end
               returning d.id
           )
           select id as "id!: DeliveryId", false as "marked!" from recorded
           union all select id, true from marked"#,
        &wanted,
        &wanted_attempts,
        &ids,
        &attempts,
        &states,
        &codes as &[Option<i16>],
        &texts,
        now,
        worker.0
    )
    .fetch_all(db)
    .await?;
    let mut settled = Settled::default();
    for row in rows {
        if row.marked { settled.marked.push(row.id) } else { settled.recorded.push(row.id) }
    }
    Ok(settled)
}

/// Puts back what the relay did not take this time: with [`Verdict::Later`] into a batch of its own, due at that time;
/// with [`Verdict::Untried`] as if nothing had been, in the batch it is in. Other outcomes are left to [`settle`].
///
/// Only in batches that are the worker's own: after a lost commit and a lost lease the same attempt of the same
/// delivery may be another worker's.
///
/// # Errors
/// When the database fails.
pub async fn put_off(db: &mut PgConnection, worker: WorkerId, outcomes: &[Outcome]) -> sqlx::Result<()> {
    let later: Vec<(&Outcome, DateTime<Utc>)> = outcomes
        .iter()
        .filter_map(|outcome| match outcome.verdict {
            Verdict::Later(at) => Some((outcome, at)),
            _ => None,
        })
        .collect();
    if !later.is_empty() {
        let due: Vec<DateTime<Utc>> = later.iter().map(|(_, at)| *at).collect();
        let Columns { ids, attempts, codes, texts } = Columns::of(later.iter().map(|(outcome, _)| *outcome));
        sqlx::query!(
            "with later as materialized (
                 select d.id, d.mailing_id, o.due_at, o.smtp_code, o.smtp_text,
                     nextval(pg_get_serial_sequence('batches', 'id')) as batch
                 from unnest($1::bigint[], $2::smallint[], $3::timestamptz[], $4::smallint[], $5::text[])
                     as o (id, attempt, due_at, smtp_code, smtp_text)
                 join deliveries d on d.id = o.id and d.attempts = o.attempt and d.state = 'transmitting'
                 join batches b on b.id = d.batch_id and b.claimed_by = $6
             ), moved as (
                 update deliveries d
                 set state = 'pending', due_at = l.due_at, batch_id = l.batch, smtp_code = l.smtp_code,
                     smtp_text = case when d.kind <> 'mailing' or d.subscriber_id is not null then l.smtp_text end
                 from later l where d.id = l.id and d.state = 'transmitting'
                 returning d.batch_id, d.mailing_id, d.due_at
             )
             insert into batches (id, mailing_id, due_at, size) overriding system value
             select batch_id, mailing_id, due_at, 1 from moved",
            &ids,
            &attempts,
            &due,
            &codes as &[Option<i16>],
            &texts,
            worker.0
        )
        .execute(&mut *db)
        .await?;
    }
    let untried: Vec<&Outcome> =
        outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Untried).collect();
    if !untried.is_empty() {
        let Columns { ids, attempts, codes, texts } = Columns::of(untried.into_iter());
        sqlx::query!(
            "update deliveries d
             set state = 'pending', attempts = d.attempts - 1, smtp_code = o.smtp_code,
                 smtp_text = case when d.kind <> 'mailing' or d.subscriber_id is not null then o.smtp_text end
             from unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::text[]) as o (id, attempt, smtp_code, smtp_text)
             where d.id = o.id and d.attempts = o.attempt and d.state = 'transmitting'
               and exists (select from batches b where b.id = d.batch_id and b.claimed_by = $5)",
            &ids,
            &attempts,
            &codes as &[Option<i16>],
            &texts,
            worker.0
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

/// Decides about deliveries that were not marked: who has left and what is cancelled is skipped, everything else stays
/// as it was, in its batch.
///
/// This statement sees later changes than the mark did, so it skips only for a reason that it sees itself: a mailing
/// that was paused at the mark and goes on by now loses nobody. A delivery that an earlier, unanswered commit had
/// marked after all has not been sent, because its sender still waits; its try is taken back.
///
/// # Errors
/// When the database fails.
pub async fn settle_unmarked(
    db: &mut PgConnection,
    worker: WorkerId,
    marks: &[Mark],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (ids, attempts) = columns(marks);
    sqlx::query!(
        "with me as (
             select id from workers where id = $1 and lease_until > now() for key share
         )
         update deliveries d
         set state = verdict.state,
             attempts = case d.state when 'transmitting' then d.attempts - 1 else d.attempts end,
             finished_at = case verdict.state when 'skipped' then $3::timestamptz end
         from (
             select c.id, wanted.attempt,
                 case when c.kind = 'mailing' and m.state in ('cancelled', 'done') then 'skipped'
                      when c.kind in ('mailing', 'welcome') and not exists
                          (select from subscribers s where s.id = c.subscriber_id and s.state = 'active') then 'skipped'
                      when c.kind = 'confirmation' and not exists
                          (select from signups g where g.id = c.signup_id and g.state = 'waiting' and g.expires_at > $3)
                          then 'skipped'
                      else 'pending' end::delivery_state as state
             from unnest($2::bigint[], $4::smallint[]) as wanted (id, attempt)
             join deliveries c on c.id = wanted.id
             left join mailings m on m.id = c.mailing_id
         ) verdict
         where d.id = verdict.id
           and (d.state = 'pending' or (d.state = 'transmitting' and d.attempts = verdict.attempt))
           and d.state <> verdict.state
           and exists (select from me)
           and exists (select from batches b where b.id = d.batch_id and b.claimed_by = $1)",
        worker.0,
        &ids,
        now,
        &attempts
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Skips a claimed delivery that nobody should get any more, and says why.
///
/// # Errors
/// When the database fails.
pub async fn skip_claimed(
    db: &mut PgConnection,
    worker: WorkerId,
    id: DeliveryId,
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update deliveries d set state = 'skipped', finished_at = $4, smtp_text = $3
         where id = $2 and state = 'pending'
           and exists (select from batches b where b.id = d.batch_id and b.claimed_by = $1)",
        worker.0,
        id.0,
        reason,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts a claimed delivery off without an attempt, because its message cannot be made at the moment.
///
/// # Errors
/// When the database fails.
pub async fn put_off_claimed(
    db: &mut PgConnection,
    worker: WorkerId,
    id: DeliveryId,
    reason: &str,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with mine as materialized (
             select d.id, d.mailing_id, nextval(pg_get_serial_sequence('batches', 'id')) as batch
             from deliveries d join batches b on b.id = d.batch_id and b.claimed_by = $1
             where d.id = $2 and d.state = 'pending'
         ), moved as (
             update deliveries d set due_at = $4, batch_id = mine.batch, smtp_text = $3
             from mine where d.id = mine.id and d.state = 'pending'
             returning d.batch_id, d.mailing_id, d.due_at
         )
         insert into batches (id, mailing_id, due_at, size) overriding system value
         select batch_id, mailing_id, due_at, 1 from moved",
        worker.0,
        id.0,
        reason,
        until
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Outcomes as the arrays that a statement takes.
#[derive(Default)]
struct Columns {
    ids: Vec<i64>,
    attempts: Vec<i16>,
    codes: Vec<Option<i16>>,
    texts: Vec<String>,
}

impl Columns {
    fn of<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Self {
        let mut columns = Self::default();
        for outcome in outcomes {
            columns.ids.push(outcome.id.0);
            columns.attempts.push(outcome.attempt);
            columns.codes.push(outcome.smtp_code);
            columns.texts.push(outcome.smtp_text.clone());
        }
        columns
    }
}

/// Marks as the two arrays that a statement takes.
fn columns(marks: &[Mark]) -> (Vec<i64>, Vec<i16>) {
    (marks.iter().map(|mark| mark.id.0).collect(), marks.iter().map(|mark| mark.attempt).collect())
}
