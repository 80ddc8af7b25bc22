//! The arrows of a delivery's life, in SQL: claim, mark, record, hand back.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::EmailAddress,
    delivery::{DeliveryKind, DeliveryState},
    ids::{DeliveryId, MailingId, SignupId, SubscriberId, UpdateId, WorkerId},
};

/// A delivery in a worker's hand.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: DeliveryId,
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

/// Claims up to `limit` confirmations, welcomes and tests that are due, oldest first.
///
/// Any number of workers may do this at once: `skip locked` gives each row to one of them. A worker whose lease
/// has run out gets nothing.
///
/// # Errors
/// When the database fails.
pub async fn claim_urgent(
    db: &mut PgConnection,
    worker: WorkerId,
    limit: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Claimed>> {
    sqlx::query_as!(
        Claimed,
        r#"with due as (
               select id from deliveries
               where state = 'pending' and mailing_id is null and due_at <= $3
                 and exists (select from workers where id = $1 and lease_until > now())
               order by due_at, id limit $2
               for update skip locked
           ), claimed as (
               update deliveries d set state = 'claimed', claimed_by = $1 from due where d.id = due.id
               returning d.*
           )
           select c.id as "id!: DeliveryId", c.kind as "kind!: DeliveryKind", c.attempts as "attempts!",
               c.mailing_id as "mailing: MailingId", c.subscriber_id as "subscriber: SubscriberId",
               c.signup_id as "signup: SignupId", c.update_id as "update: UpdateId",
               coalesce(c.address, g.email, s.email) as "address: EmailAddress"
           from claimed c
           left join signups g on g.id = c.signup_id
           left join subscribers s on s.id = c.subscriber_id
           order by c.id"#,
        worker.0,
        limit,
        now
    )
    .fetch_all(db)
    .await
}

/// Claims up to `limit` copies of one mailing that are due.
///
/// # Errors
/// When the database fails.
pub async fn claim_mailing(
    db: &mut PgConnection,
    worker: WorkerId,
    mailing: MailingId,
    limit: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Claimed>> {
    sqlx::query_as!(
        Claimed,
        r#"with due as (
               select id from deliveries
               where state = 'pending' and mailing_id = $4 and due_at <= $3
                 and exists (select from workers where id = $1 and lease_until > now())
                 and exists (select from mailings where id = $4 and state = 'sending')
               order by due_at, id limit $2
               for update skip locked
           ), claimed as (
               update deliveries d set state = 'claimed', claimed_by = $1 from due where d.id = due.id
               returning d.*
           )
           select c.id as "id!: DeliveryId", c.kind as "kind!: DeliveryKind", c.attempts as "attempts!",
               c.mailing_id as "mailing: MailingId", c.subscriber_id as "subscriber: SubscriberId",
               c.signup_id as "signup: SignupId", c.update_id as "update: UpdateId", s.email as "address: EmailAddress"
           from claimed c left join subscribers s on s.id = c.subscriber_id
           order by c.id"#,
        worker.0,
        limit,
        now,
        mailing.0
    )
    .fetch_all(db)
    .await
}

/// A delivery about to be transmitted.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// Which delivery.
    pub id: DeliveryId,
    /// Which attempt this will be, counted from 1.
    pub attempt: i16,
}

/// Marks claimed deliveries as `transmitting`, if they may still be sent; answers which of them may.
///
/// The last look at the subscription happens here, in the same statement that makes the change: a subscriber who
/// has left, a signup that has ended and a mailing that is paused or cancelled are not marked. Nor is anything
/// marked for a worker whose lease has run out: what it held may be in other hands already.
///
/// Marking the same attempt twice does no harm, so a caller that lost its connection at the commit asks again.
///
/// # Errors
/// When the database fails.
pub async fn mark(
    db: &mut PgConnection,
    worker: WorkerId,
    marks: &[Mark],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<DeliveryId>> {
    let ids: Vec<i64> = marks.iter().map(|mark| mark.id.0).collect();
    let attempts: Vec<i16> = marks.iter().map(|mark| mark.attempt).collect();
    sqlx::query_scalar!(
        r#"update deliveries d set state = 'transmitting', attempts = wanted.attempt
           from unnest($2::bigint[], $4::smallint[]) as wanted (id, attempt)
           where d.id = wanted.id and d.claimed_by = $1
             and (d.state = 'claimed' or (d.state = 'transmitting' and d.attempts = wanted.attempt))
             and exists (select from workers w where w.id = $1 and w.lease_until > now())
             and case d.kind
                 when 'mailing' then
                     exists (select from subscribers s where s.id = d.subscriber_id and s.state = 'active')
                     and exists (select from mailings m where m.id = d.mailing_id and m.state = 'sending')
                 when 'welcome' then
                     exists (select from subscribers s where s.id = d.subscriber_id and s.state = 'active')
                 when 'confirmation' then
                     exists (select from signups g where g.id = d.signup_id and g.state = 'waiting' and g.expires_at > $3)
                 else true
             end
           returning d.id as "id: DeliveryId""#,
        worker.0,
        &ids,
        now,
        &attempts
    )
    .fetch_all(db)
    .await
}

/// Decides about deliveries that were not marked: who has left and what is cancelled is skipped, everything else waits
/// again.
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
    let ids: Vec<i64> = marks.iter().map(|mark| mark.id.0).collect();
    let attempts: Vec<i16> = marks.iter().map(|mark| mark.attempt).collect();
    sqlx::query!(
        "update deliveries d
         set state = verdict.state, claimed_by = null,
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
         where d.id = verdict.id and d.claimed_by = $1
           and (d.state = 'claimed' or (d.state = 'transmitting' and d.attempts = verdict.attempt))
           and exists (select from workers w where w.id = $1 and w.lease_until > now())",
        worker.0,
        &ids,
        now,
        &attempts
    )
    .execute(db)
    .await?;
    Ok(())
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
    fn state(self) -> DeliveryState {
        match self {
            Verdict::Accepted => DeliveryState::Accepted,
            Verdict::Rejected => DeliveryState::Rejected,
            Verdict::Unknown => DeliveryState::Unknown,
            Verdict::Later(_) | Verdict::Untried => DeliveryState::Pending,
        }
    }
}

/// Records how transmissions ended, all of them in one statement; answers which of them were news. Recording the
/// same outcome twice does no harm.
///
/// An outcome also replaces `unknown`: a worker that was taken for dead and comes back with the relay's answer
/// knows better than we did. The number of the attempt makes sure that it speaks of the same transmission.
///
/// # Errors
/// When the database fails.
pub async fn record_outcomes(
    db: &mut PgConnection,
    worker: WorkerId,
    outcomes: &[Outcome],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<DeliveryId>> {
    let ids: Vec<i64> = outcomes.iter().map(|outcome| outcome.id.0).collect();
    let attempts: Vec<i16> = outcomes.iter().map(|outcome| outcome.attempt).collect();
    let states: Vec<String> =
        outcomes.iter().map(|outcome| outcome.verdict.state().name().to_owned()).collect();
    let due: Vec<Option<DateTime<Utc>>> = outcomes
        .iter()
        .map(|outcome| match outcome.verdict {
            Verdict::Later(at) => Some(at),
            Verdict::Untried => Some(now),
            _ => None,
        })
        .collect();
    let untried: Vec<bool> = outcomes.iter().map(|outcome| outcome.verdict == Verdict::Untried).collect();
    let codes: Vec<Option<i16>> = outcomes.iter().map(|outcome| outcome.smtp_code).collect();
    let texts: Vec<String> = outcomes.iter().map(|outcome| outcome.smtp_text.clone()).collect();
    sqlx::query_scalar!(
        r#"update deliveries d
         set state = o.state::delivery_state, claimed_by = null, due_at = coalesce(o.due_at, d.due_at),
             finished_at = case when o.due_at is null then $7::timestamptz end,
             attempts = d.attempts - o.untried::int::smallint, smtp_code = o.smtp_code,
             -- A reply may quote the address; of somebody who was erased meanwhile nothing is written down.
             smtp_text = case when d.kind <> 'mailing' or d.subscriber_id is not null then o.smtp_text end
         from unnest($1::bigint[], $2::smallint[], $3::text[], $4::timestamptz[], $5::smallint[], $6::text[], $8::bool[])
             as o (id, attempt, state, due_at, smtp_code, smtp_text, untried)
         where d.id = o.id and d.attempts = o.attempt
           and ((d.state = 'transmitting' and d.claimed_by = $9) or (d.state = 'unknown' and o.state <> 'unknown' and o.due_at is null))
         returning d.id as "id: DeliveryId""#,
        &ids,
        &attempts,
        &states,
        &due as &[Option<DateTime<Utc>>],
        &codes as &[Option<i16>],
        &texts,
        now,
        &untried,
        worker.0
    )
    .fetch_all(db)
    .await
}

/// Puts claimed deliveries back, untouched: the worker stops, or the relay cannot be reached.
///
/// # Errors
/// When the database fails.
pub async fn hand_back(db: &mut PgConnection, worker: WorkerId, ids: &[i64]) -> sqlx::Result<()> {
    sqlx::query!(
        "update deliveries set state = 'pending', claimed_by = null
         where id = any($2) and state = 'claimed' and claimed_by = $1",
        worker.0,
        ids
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
        "update deliveries set state = 'skipped', claimed_by = null, finished_at = $4, smtp_text = $3
         where id = $2 and state = 'claimed' and claimed_by = $1",
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
        "update deliveries set state = 'pending', claimed_by = null, due_at = $4, smtp_text = $3
         where id = $2 and state = 'claimed' and claimed_by = $1",
        worker.0,
        id.0,
        reason,
        until
    )
    .execute(db)
    .await?;
    Ok(())
}
