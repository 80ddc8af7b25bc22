//! Runs of equal refusals: what a relay says to everybody is about us, however it sounds.
//!
//! A worker notes each refusal in the commit of its outcome, as long as the relay accepts nothing from it; an acceptance
//! ends the run and deletes what was noted. Ten equal ones over two domains or more are a run about us: whoever finds
//! them, the worker itself or any other one after its death, puts the refused deliveries back into the queue and pauses
//! the mailings, in one transaction (`mailing::hold_refused`). The relay has none of them, so nobody can get two.
//!
//! What was put back stays noted until the next acceptance: a few more equal refusals after a person has let the mailing
//! go on are enough to stop again, and what other workers were just being told comes back too.
//!
//! A person may also say that the words do mean the addresses ([`accept_run`]): then what was refused is booked, and it
//! takes a longer run of the same words before that mailing pauses for them again.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    ids::{DeliveryId, MailingId, WorkerId},
    queue::withdrawal::lock_out_unsubscribes,
};

/// A refusal that may be one of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub id: DeliveryId,
    /// The attempt that was refused, counted from 1.
    pub attempt: i16,
    /// The reply without what differs from recipient to recipient.
    pub reply: String,
}

/// Rows noted at most: a relay that refuses one large domain makes no run.
const MOST: i64 = 1_000;

/// Ends a worker's run, and those of workers that are dead: the relay has accepted something.
///
/// Of what was put back it is remembered that others were accepted after its refusal: these alone make no run when they
/// are refused once more.
pub async fn end_run(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<()> {
    sqlx::query!(
        "with ended as (
             select r.delivery_id, d.id is not null as waits
             from refusals r left join deliveries d on d.id = r.delivery_id and d.state = 'pending'
             where r.worker_id = $1 or not exists (select from workers w where w.id = r.worker_id)
         ), gone as (
             delete from refusals r using ended e where r.delivery_id = e.delivery_id and not e.waits
         )
         update refusals r set in_run = false, again = true
         from ended e where r.delivery_id = e.delivery_id and e.waits and r.in_run",
        worker.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes refusals whose outcome is written in the same transaction, before this. Answers the reply of a run about us,
/// if there is one by now.
pub async fn note_refusals(
    db: &mut PgConnection,
    worker: WorkerId,
    refusals: &[Refusal],
) -> sqlx::Result<Option<String>> {
    adopt(&mut *db, worker).await?;
    let ids: Vec<i64> = refusals.iter().map(|refusal| refusal.id.0).collect();
    let attempts: Vec<i16> = refusals.iter().map(|refusal| refusal.attempt).collect();
    let replies: Vec<String> = refusals.iter().map(|refusal| refusal.reply.clone()).collect();
    sqlx::query!(
        "insert into refusals (delivery_id, attempt, worker_id, reply)
         select r.id, r.attempt, $1, r.reply
         from unnest($2::bigint[], $3::smallint[], $4::text[]) as r (id, attempt, reply)
         join deliveries d on d.id = r.id and d.state = 'rejected' and d.attempts = r.attempt
         where (select count(*) from refusals where in_run) < $5
         on conflict (delivery_id) do update set attempt = excluded.attempt, worker_id = excluded.worker_id,
             reply = excluded.reply, in_run = true",
        worker.0,
        &ids,
        &attempts,
        &replies,
        MOST
    )
    .execute(&mut *db)
    .await?;
    let runs = runs(db).await?;
    Ok(runs.into_iter().find(|run| replies.contains(run)))
}

/// Takes over the runs of workers that died.
async fn adopt(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<()> {
    sqlx::query!(
        "update refusals r set worker_id = $1 where not exists (select from workers w where w.id = r.worker_id)",
        worker.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whether any refusal is noted of those since the relay last accepted something.
pub async fn any_refusal(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from refusals where in_run) as "any!""#).fetch_one(db).await
}

/// The replies that are said to everybody.
async fn runs(db: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "select r.reply
         from refusals r
         -- One that went out since, through whatever worker, says nothing any more.
         join deliveries d on d.id = r.delivery_id and d.state in ('rejected', 'pending')
         left join signups g on g.id = d.signup_id
         left join subscribers s on s.id = d.subscriber_id
         left join accepted_refusals a on a.mailing_id = d.mailing_id and a.reply = r.reply
         -- The run of a worker is its own, because the relay may like one of them less than another.
         where r.in_run
         group by r.reply, r.worker_id
         -- Of addresses that are gone, those that were put back come last, all in a row: only new ones make a run.
         having count(*) filter (where not r.again) >= (array[10, 100, 500])[1 + least(coalesce(max(a.times), 0), 2)]
            and count(distinct lower(split_part(coalesce(d.address, g.email, s.email), '@', 2))) >= 2"
    )
    .fetch_all(db)
    .await
}

/// How often people have let this reply stand, over all mailings.
pub async fn times_let_stand(db: &mut PgConnection, reply: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(times), 0) as "times!" from accepted_refusals where reply = $1"#,
        reply
    )
    .fetch_one(db)
    .await
}

/// The equal refusals for which a mailing is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOfMailing {
    /// Code and words without what differs from recipient to recipient.
    reply: String,
    /// How many of the mailing's deliveries were refused so, and wait.
    pub count: i64,
    /// The relay's code and words, as said to one of them.
    pub said: String,
}

/// The run for which a mailing waits, if it waits for one: the largest.
pub async fn run_of(db: &mut PgConnection, mailing: MailingId) -> sqlx::Result<Option<RunOfMailing>> {
    sqlx::query_as!(
        RunOfMailing,
        r#"select r.reply, count(*) as "count!", max(d.smtp_code || ' ' || d.smtp_text) as "said!"
           from refusals r
           join deliveries d on d.id = r.delivery_id and d.attempts = r.attempt and d.state = 'pending'
           where d.mailing_id = $1 and r.in_run and d.smtp_text is not null
           group by r.reply order by count(*) desc, r.reply limit 1"#,
        mailing.0
    )
    .fetch_optional(db)
    .await
}

/// Books the refusals of [`run_of`] as what they are by a person's word: about the addresses. What a worker holds at the
/// moment stays and is tried again. Answers how many were booked.
pub(in crate::domain) async fn accept_run(
    db: &mut PgConnection,
    mailing: MailingId,
    now: DateTime<Utc>,
) -> sqlx::Result<i64> {
    let Some(run) = run_of(&mut *db, mailing).await? else { return Ok(0) };
    let booked = sqlx::query_scalar!(
        r#"with refused as materialized (
               select d.id, d.batch_id from refusals r
               join deliveries d on d.id = r.delivery_id and d.attempts = r.attempt and d.state = 'pending'
               where d.mailing_id = $1 and r.reply = $2 and r.in_run
           ), gone as (
               -- What was put back lies in a batch of its own. Batches first, as everybody locks them.
               delete from batches b using refused
               where b.id = refused.batch_id and b.claimed_by is null and b.size = 1
               returning b.id
           ), booked as (
               update deliveries d set state = 'rejected', finished_at = $3
               from gone where d.batch_id = gone.id and d.state = 'pending'
               returning d.id
           )
           select count(*) as "count!" from booked"#,
        mailing.0,
        run.reply,
        now
    )
    .fetch_one(&mut *db)
    .await?;
    // Whoever else was told the same is asked about it anew.
    sqlx::query!("delete from refusals where reply = $1", run.reply).execute(&mut *db).await?;
    sqlx::query!(
        "insert into accepted_refusals as a (mailing_id, reply, times) values ($1, $2, 1)
         on conflict (mailing_id, reply) do update set times = least(a.times + 1, 100)",
        mailing.0,
        run.reply
    )
    .execute(db)
    .await?;
    Ok(booked)
}

/// What [`put_back_run`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBackRun {
    /// Deliveries that wait again.
    pub count: usize,
    /// The mailings they are of.
    pub mailings: Vec<MailingId>,
    /// The relay's code and words, as said to one of them.
    pub said: String,
    /// The reply of the run, without what differs from recipient to recipient.
    pub reply: String,
}

/// Puts back what was refused in a run about us, if there is one.
pub(in crate::domain) async fn put_back_run(
    db: &mut PgConnection,
    worker: WorkerId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<PutBackRun>> {
    // As in the fan-out: an unsubscribe must not miss what is put back here and not yet committed. Before any row is
    // locked, because whoever leaves has this first and then waits for rows.
    lock_out_unsubscribes(&mut *db).await?;
    adopt(&mut *db, worker).await?;
    let runs = runs(&mut *db).await?;
    if runs.is_empty() {
        return Ok(None);
    }
    let rows = sqlx::query!(
        r#"with refused as materialized (
               select d.id, d.mailing_id, d.smtp_code, d.smtp_text, r.reply
               from refusals r
               join deliveries d on d.id = r.delivery_id and d.state = 'rejected' and d.attempts = r.attempt
               where r.reply = any($1) and r.in_run
                 -- Of somebody who was erased there is nobody left to send to.
                 and (d.kind <> 'mailing' or d.subscriber_id is not null)
               for update of d
           ), numbered as materialized (
               select refused.*, nextval(pg_get_serial_sequence('batches', 'id')) as batch from refused
           ), queued as (
               insert into batches (id, mailing_id, due_at, size) overriding system value
               select batch, mailing_id, $2, 1 from numbered
           ), waits as (
               update deliveries d set state = 'pending', finished_at = null, due_at = $2, batch_id = n.batch
               from numbered n where d.id = n.id
           )
           select mailing_id as "mailing: MailingId", smtp_code, smtp_text, reply as "reply!" from numbered"#,
        &runs,
        now
    )
    .fetch_all(&mut *db)
    .await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let mut mailings: Vec<MailingId> = rows.iter().filter_map(|row| row.mailing).collect();
    mailings.dedup();
    Ok(Some(PutBackRun {
        count: rows.len(),
        mailings,
        said: format!(
            "{} {}",
            last.smtp_code.unwrap_or_default(),
            last.smtp_text.as_deref().unwrap_or_default()
        ),
        reply: last.reply.clone(),
    }))
}
