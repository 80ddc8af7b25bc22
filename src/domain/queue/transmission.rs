//! Marks and outcomes: the transitions of a claimed delivery, in SQL. The claim is in [`batch`](super::batch).
//!
//! These statements run for every message, some dozens of messages at a time, by keys. A mark is an entry in its
//! batch's row, an outcome a change of the delivery's own, and neither changes a column that an index knows, so both
//! stay on their row's page (see `migrations/0006_batches.sql` and `migrations/0007_marks_in_batches.sql`).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::EmailAddress,
    ids::{BatchId, DeliveryId, MailingId, SignupId, SubscriberId, UpdateId, WorkerId},
    queue::delivery::{DeliveryKind, DeliveryState},
    watermark::Watermark,
};

/// A delivery that a worker has claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
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

/// A delivery on its way, or about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub id: DeliveryId,
    /// The batch it was claimed with.
    pub batch: BatchId,
}

/// What is to stand in the rows of some batches.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// These batches, and no others.
    pub batches: Vec<BatchId>,
    /// What is on its way already and has no outcome yet.
    pub kept: Vec<Mark>,
    /// What is to go next, if it still may.
    pub wanted: Vec<Mark>,
    /// What the writer's watermark is after this commit. Copies of mailings are marked only where the writer's commit before it is found.
    pub watermark: Option<Watermark>,
}

/// What became of one transmission.
#[derive(Debug, Clone)]
pub struct Outcome {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// The relay has it.
    Accepted,
    /// The relay will never take it.
    Rejected,
    /// Nobody knows.
    Unknown,
    /// Not now; try again at this time.
    Later(DateTime<Utc>),
    /// Not now, for a reason that is not this message's; try again at this time. Not counted as a try.
    NotNow(DateTime<Utc>),
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
            Verdict::Later(_) | Verdict::NotNow(_) | Verdict::Untried => None,
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
    /// What is on its way now by the rows of the batches: what was kept, and what was granted of what was wanted.
    pub transmitting: Vec<DeliveryId>,
}

/// Records how transmissions ended, and marks other deliveries as on their way if they may still be sent: both in one
/// statement, which a connection that has no transaction open commits by itself.
///
/// **Marks.** All marks of a batch are one array in its row, so this is one small write for all messages of a batch.
/// Here is also the last look: what was withdrawn from the batch and copies of a mailing that is paused or cancelled
/// are not marked, nor is anything in a batch that is not the worker's own. Whoever leaves, and whoever takes over from
/// a dead worker, locks the same row. So this waits for them and goes by what they have written: Postgres evaluates
/// the assignment anew on the row's latest version.
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
/// Update on batches                          HOT
///   Index Scan using batches_pkey            actual rows=2
///     Index Scan using mailings_pkey         actual rows=1 loops=2
/// ```
pub async fn settle(
    db: &mut PgConnection,
    worker: WorkerId,
    outcomes: &[Outcome],
    marks: &Marks,
    now: DateTime<Utc>,
) -> sqlx::Result<Settled> {
    let ended: Vec<(&Outcome, DeliveryState)> =
        outcomes.iter().filter_map(|outcome| Some((outcome, outcome.verdict.end()?))).collect();
    let states: Vec<String> = ended.iter().map(|(_, state)| state.name().to_owned()).collect();
    let Columns { ids, attempts, codes, texts } = Columns::of(ended.iter().map(|(outcome, _)| *outcome));
    let batches: Vec<i64> = marks.batches.iter().map(|batch| batch.0).collect();
    let all = || marks.kept.iter().chain(&marks.wanted);
    let marked: Vec<i64> = all().map(|mark| mark.id.0).collect();
    let in_batch: Vec<i64> = all().map(|mark| mark.batch.0).collect();
    let kept = i64::try_from(marks.kept.len()).unwrap_or(i64::MAX);
    let rows = sqlx::query!(
        r#"with recorded as (
               update deliveries d
               set state = o.state::delivery_state, attempts = o.attempt, finished_at = $5, smtp_code = o.smtp_code,
                   -- A reply may quote the address; of somebody who was erased meanwhile nothing is written down.
                   smtp_text = case when d.kind <> 'mailing' or d.subscriber_id is not null then o.smtp_text end
               from unnest($6::bigint[], $7::smallint[], $8::text[], $9::smallint[], $10::text[])
                   as o (id, attempt, state, smtp_code, smtp_text)
               where d.id = o.id
                 and ((d.state = 'pending' and d.attempts = o.attempt - 1)
                      or (d.state = 'unknown' and d.attempts = o.attempt and o.state <> 'unknown'))
               returning d.id
           ), marked as (
               update batches b
               set transmitting = array(
                       select m.id from unnest($2::bigint[], $3::bigint[]) with ordinality as m (id, batch, place)
                       where m.batch = b.id
                         -- Behind those that are kept come those that are wanted.
                         and (m.place <= $4
                              or (m.id <> all(b.withdrawn)
                                  and (b.mailing_id is null
                                       or ((select n.state = 'sending' from mailings n where n.id = b.mailing_id)
                                           -- Asked once a statement, and not for each mark.
                                           and (select not mailings_are_held())
                                           and ($12::uuid is null or exists (
                                               select from watermarks w where w.id = $12 and w.value >= $13::bigint - 1)))))))
               where b.id = any($1::bigint[]) and b.claimed_by = $11
               returning b.transmitting
           ), counted as (
               -- A column that an index knows changes once a day: it says that the writer lives.
               update watermarks set value = greatest(value, $13::bigint),
                   written_at = case when written_at < now() - interval '1 day' then now() else written_at end
               where id = $12
           )
           -- Marks first, and so the batches' rows before those of deliveries, as everybody else locks them.
           select unnest(transmitting) as "id!: DeliveryId", true as "marked!" from marked
           union all select id, false from recorded"#,
        &batches,
        &marked,
        &in_batch,
        kept,
        now,
        &ids,
        &attempts,
        &states,
        &codes as &[Option<i16>],
        &texts,
        worker.0,
        marks.watermark.map(|watermark| watermark.id),
        marks.watermark.map_or(0, |watermark| watermark.value)
    )
    .fetch_all(db)
    .await?;
    let mut settled = Settled::default();
    for row in rows {
        if row.marked { settled.transmitting.push(row.id) } else { settled.recorded.push(row.id) }
    }
    Ok(settled)
}

/// Puts back what the relay did not take this time: with [`Verdict::Later`] and [`Verdict::NotNow`] into a batch of its
/// own, due at that time; with [`Verdict::Untried`] as if nothing had been, in the batch it is in. Other outcomes are left to [`settle`].
///
/// Only in batches that are the worker's own: after a lost commit and a lost lease the same attempt of the same
/// delivery may be another worker's.
pub async fn put_off(db: &mut PgConnection, worker: WorkerId, outcomes: &[Outcome]) -> sqlx::Result<()> {
    let later: Vec<(&Outcome, DateTime<Utc>, bool)> = outcomes
        .iter()
        .filter_map(|outcome| match outcome.verdict {
            Verdict::Later(at) => Some((outcome, at, true)),
            Verdict::NotNow(at) => Some((outcome, at, false)),
            _ => None,
        })
        .collect();
    if !later.is_empty() {
        let due: Vec<DateTime<Utc>> = later.iter().map(|(_, at, _)| *at).collect();
        let counts: Vec<bool> = later.iter().map(|(_, _, counts)| *counts).collect();
        let Columns { ids, attempts, codes, texts } =
            Columns::of(later.iter().map(|(outcome, _, _)| *outcome));
        sqlx::query!(
            "with later as materialized (
                 select d.id, d.mailing_id, o.due_at, o.smtp_code, o.smtp_text,
                     case when o.counts then o.attempt else d.attempts end as attempts,
                     nextval(pg_get_serial_sequence('batches', 'id')) as batch
                 from unnest($1::bigint[], $2::smallint[], $3::timestamptz[], $4::smallint[], $5::text[], $7::bool[])
                     as o (id, attempt, due_at, smtp_code, smtp_text, counts)
                 join deliveries d on d.id = o.id and d.attempts = o.attempt - 1 and d.state = 'pending'
                 join batches b on b.id = d.batch_id and b.claimed_by = $6
             ), moved as (
                 update deliveries d
                 set attempts = l.attempts, due_at = l.due_at, batch_id = l.batch, smtp_code = l.smtp_code,
                     smtp_text = case when d.kind <> 'mailing' or d.subscriber_id is not null then l.smtp_text end
                 from later l where d.id = l.id and d.state = 'pending'
                 returning d.batch_id, d.mailing_id, d.due_at
             )
             insert into batches (id, mailing_id, due_at, size) overriding system value
             select batch_id, mailing_id, due_at, 1 from moved",
            &ids,
            &attempts,
            &due,
            &codes as &[Option<i16>],
            &texts,
            worker.0,
            &counts
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
             set smtp_code = o.smtp_code,
                 smtp_text = case when d.kind <> 'mailing' or d.subscriber_id is not null then o.smtp_text end
             from unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::text[]) as o (id, attempt, smtp_code, smtp_text)
             where d.id = o.id and d.attempts = o.attempt - 1 and d.state = 'pending'
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

/// Decides about deliveries that were not marked: what is cancelled and what has lost its signup is skipped, everything
/// else stays as it was, in its batch. Who has left is skipped already.
///
/// This statement sees later changes than the mark did, so it skips only for a reason that it sees itself: a mailing
/// that was paused at the mark and goes on by now loses nobody.
pub async fn settle_unmarked(
    db: &mut PgConnection,
    worker: WorkerId,
    refused: &[DeliveryId],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let ids: Vec<i64> = refused.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update deliveries d set state = 'skipped', finished_at = $3
         where d.id = any($2) and d.state = 'pending'
           and case d.kind
               when 'mailing' then
                   (select m.state in ('cancelled', 'done') from mailings m where m.id = d.mailing_id)
               when 'confirmation' then
                   (select g.state = 'waiting' and g.expires_at > $3 from signups g where g.id = d.signup_id)
                       is distinct from true
               else false
           end
           and exists (select from batches b where b.id = d.batch_id and b.claimed_by = $1)",
        worker.0,
        &ids,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Skips a claimed delivery that nobody should get any more, and says why.
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
