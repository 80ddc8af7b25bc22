//! Deliveries: the queue, and the record of what became of every message.
//!
//! ```text
//! pending ──claim──▶ claimed ──mark──▶ transmitting ──▶ accepted | rejected | unknown | pending, later
//!    ▲                  │
//!    └── lease ran out ─┘        pending / claimed ──▶ skipped
//! ```
//!
//! Here is the SQL of each arrow but the claim, which is the business of [`batch`](super::batch). A delivery that has
//! not ended is `pending` in its row; that it is claimed or transmitting stands in the row of its batch. Who walks the
//! arrows is the business of the `delivery` room.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{
    address::{EmailAddress, NormalizedAddress},
    ids::{DeliveryId, SignupId, SubscriberId, UpdateId},
};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize)]
#[sqlx(type_name = "delivery_kind", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DeliveryKind {
    /// One recipient's copy of a mailing.
    Mailing,
    /// The mail that answers a signup.
    Confirmation,
    /// The mail after a confirmation.
    Welcome,
    /// The link to everything stored of a subscriber.
    Access,
    /// Tells a subscriber that another address was asked for.
    AddressNotice,
    /// A draft, sent to a test recipient.
    Test,
}

impl DeliveryKind {
    /// Every one there is, in the order in which they are declared.
    pub const ALL: [Self; 6] =
        [Self::Mailing, Self::Confirmation, Self::Welcome, Self::Access, Self::AddressNotice, Self::Test];

    /// The name the database knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mailing => "mailing",
            Self::Confirmation => "confirmation",
            Self::Welcome => "welcome",
            Self::Access => "access",
            Self::AddressNotice => "address_notice",
            Self::Test => "test",
        }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type, Serialize)]
#[sqlx(type_name = "delivery_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Has not ended: it waits for a worker, is claimed by one, or is being transmitted.
    Pending,
    /// The relay answered 250 after the final dot.
    Accepted,
    /// The relay refused it for good, because of this address.
    Rejected,
    /// The line broke after the final dot may have left; the relay may have it or not.
    Unknown,
    /// Not sent on purpose: unsubscribed, suppressed, cancelled or expired before it started.
    Skipped,
}

impl DeliveryState {
    /// The name the database knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Accepted => "accepted",
            DeliveryState::Rejected => "rejected",
            DeliveryState::Unknown => "unknown",
            DeliveryState::Skipped => "skipped",
        }
    }
}

/// Serialises fan-out against unsubscribing: while a chunk of a mailing is being queued or put back (exclusive), nobody
/// unsubscribes (shared), and the other way round. Without it an unsubscribe could miss a delivery that another
/// transaction has written but not yet committed.
const FAN_OUT_LOCK: i64 = 0x5255_4E44_0001;

/// Takes the fan-out's side of that lock, until the end of the transaction.
///
/// # Errors
/// When the database fails.
pub(in crate::domain) async fn lock_out_unsubscribes(db: &mut PgConnection) -> sqlx::Result<()> {
    // A worker that is put to sleep in here must not keep visitors waiting for long.
    sqlx::query!(
        "select pg_advisory_xact_lock($1), set_config('idle_in_transaction_session_timeout', '5s', true)",
        FAN_OUT_LOCK
    )
    .fetch_one(db)
    .await?;
    Ok(())
}

/// Queues the mail that answers a signup.
///
/// # Errors
/// When the database fails.
pub async fn enqueue_confirmation(
    db: &mut PgConnection,
    signup: SignupId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with queued as (insert into batches (due_at, size) values ($2, 1) returning id)
         insert into deliveries (kind, signup_id, due_at, batch_id) select 'confirmation', $1, $2, id from queued",
        signup.0,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Queues a mail to a subscriber that belongs to no mailing: a welcome, an access link.
///
/// # Errors
/// When the database fails.
pub async fn enqueue_for_subscriber(
    db: &mut PgConnection,
    kind: DeliveryKind,
    subscriber: SubscriberId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with queued as (insert into batches (due_at, size) values ($3, 1) returning id)
         insert into deliveries (kind, subscriber_id, due_at, batch_id) select $1, $2, $3, id from queued",
        kind as DeliveryKind,
        subscriber.0,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Queues the mail that tells a subscriber, at the address of now, that another one was asked for.
///
/// # Errors
/// When the database fails.
pub async fn enqueue_address_notice(
    db: &mut PgConnection,
    subscriber: SubscriberId,
    to: &EmailAddress,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with queued as (insert into batches (due_at, size) values ($3, 1) returning id)
         insert into deliveries (kind, subscriber_id, address, due_at, batch_id)
         select 'address_notice', $1, $2, $3, id from queued",
        subscriber.0,
        to.as_str(),
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// When access links were last asked for by a subscriber since `since`, newest first; what still waits is among them.
///
/// # Errors
/// When the database fails.
pub async fn access_links_since(
    db: &mut PgConnection,
    subscriber: SubscriberId,
    since: DateTime<Utc>,
) -> sqlx::Result<Vec<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "select due_at from deliveries
         where mailing_id is null and subscriber_id = $1 and kind = 'access' and due_at > $2
           -- What went to an address of before opens nothing any more.
           and due_at > coalesce((select max(left_at) from former_addresses where subscriber_id = $1), '-infinity')
         order by due_at desc",
        subscriber.0,
        since
    )
    .fetch_all(db)
    .await
}

/// Queues a test mail of an update.
///
/// # Errors
/// When the database fails.
pub async fn enqueue_test(
    db: &mut PgConnection,
    update: UpdateId,
    to: &EmailAddress,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with queued as (insert into batches (due_at, size) values ($3, 1) returning id)
         insert into deliveries (kind, update_id, address, due_at, batch_id) select 'test', $1, $2, $3, id from queued",
        update.0,
        to.as_str(),
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A test mail, and what became of it.
#[derive(Debug, Clone)]
pub struct TestMail {
    /// Where it went.
    pub address: String,
    /// When it was asked for, or is due next.
    pub due_at: DateTime<Utc>,
    /// Where it stands.
    pub state: DeliveryState,
    /// The relay's reply code.
    pub smtp_code: Option<i16>,
    /// The relay's words, or what else happened.
    pub smtp_text: Option<String>,
}

/// How many test mails were asked for since `since`, in all.
///
/// # Errors
/// When the database fails.
pub async fn count_tests(db: &mut PgConnection, since: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from deliveries
           where update_id is not null and kind = 'test' and due_at > $1"#,
        since
    )
    .fetch_one(db)
    .await
}

/// The newest test mails of an update, up to `limit`.
///
/// # Errors
/// When the database fails.
pub async fn tests_of(db: &mut PgConnection, update: UpdateId, limit: i64) -> sqlx::Result<Vec<TestMail>> {
    sqlx::query_as!(
        TestMail,
        r#"select address as "address!", due_at, state as "state: DeliveryState", smtp_code, smtp_text
           from deliveries where update_id = $1 and kind = 'test' and address is not null
           order by id desc limit $2"#,
        update.0,
        limit
    )
    .fetch_all(db)
    .await
}

/// Notes what the messages say that are about to go out in answer to signups: whether "you are subscribed already", or a
/// request to confirm.
///
/// # Errors
/// When the database fails.
pub async fn note_answers(db: &mut PgConnection, answers: &[(DeliveryId, bool)]) -> sqlx::Result<()> {
    let (ids, told): (Vec<i64>, Vec<bool>) = answers.iter().map(|(id, told)| (id.0, *told)).unzip();
    sqlx::query!(
        "update deliveries d set told_subscribed = a.told from unnest($1::bigint[], $2::bool[]) as a (id, told)
         where d.id = a.id",
        &ids,
        &told
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Skips everything that waits for a subscriber who is leaving, also in mailings under way. What is on its way by now
/// has begun, and goes out.
///
/// The locks taken here on the rows of batches are what makes "answered" mean "nothing starts after this": a mark in the
/// same batch either came before, and is waited for, or comes after, and finds the delivery withdrawn. So this is best
/// the last thing before the commit.
///
/// # Errors
/// When the database fails.
pub async fn skip_for_subscriber(
    db: &mut PgConnection,
    id: SubscriberId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let ids = lock_waiting(&mut *db, id).await?;
    if ids.is_empty() {
        return Ok(());
    }
    withdraw(&mut *db, &ids).await?;
    sqlx::query!(
        "update deliveries d set state = 'skipped', finished_at = $2
         where d.id = any($1) and d.state = 'pending'
           and not exists (select from batches b where b.id = d.batch_id and d.id = any(b.transmitting))",
        &ids,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes what waits for a subscriber from workers who know an address that is not the subscriber's any
/// more, and puts it back into the queue; nothing starts to the old address after this was committed. What is on its way
/// by now goes there.
///
/// # Errors
/// When the database fails.
pub(in crate::domain) async fn readdress_for_subscriber(
    db: &mut PgConnection,
    id: SubscriberId,
) -> sqlx::Result<()> {
    let ids = lock_waiting(&mut *db, id).await?;
    if ids.is_empty() {
        return Ok(());
    }
    withdraw(&mut *db, &ids).await?;
    sqlx::query!(
        "with held as materialized (
             select d.id, d.mailing_id, d.due_at, nextval(pg_get_serial_sequence('batches', 'id')) as batch
             from deliveries d join batches b on b.id = d.batch_id
             where d.id = any($1) and d.state = 'pending' and b.claimed_by is not null and d.id <> all(b.transmitting)
         ), moved as (
             update deliveries d set batch_id = held.batch from held where d.id = held.id
         )
         insert into batches (id, mailing_id, due_at, size) overriding system value
         select batch, mailing_id, due_at, 1 from held",
        &ids
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What waits for a subscriber, with the rows of its batches locked: a mark in the same batch either came before, and
/// was waited for, or comes after, and sees what the caller writes.
async fn lock_waiting(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<Vec<i64>> {
    sqlx::query!("select pg_advisory_xact_lock_shared($1)", FAN_OUT_LOCK).execute(&mut *db).await?;
    let mut locked: Vec<i64> = Vec::new();
    // Twice at most in practice: what was put off while we waited for its batch has another one now.
    let waiting = loop {
        let waiting = waiting_for_subscriber(db, id).await?;
        let unlocked = |batch: &i64| !locked.contains(batch);
        let batches: Vec<i64> = waiting.iter().filter_map(|row| row.batch_id).filter(unlocked).collect();
        if batches.is_empty() {
            break waiting;
        }
        // In the order of their ids, as everywhere, so that no two wait for each other in a circle. Whoever is put to
        // sleep in here must not hold up a worker for long.
        sqlx::query!(
            "with mine as (select id from batches where id = any($1) order by id for update)
             select count(*), set_config('idle_in_transaction_session_timeout', '5s', true) from mine",
            &batches
        )
        .fetch_one(&mut *db)
        .await?;
        locked.extend(batches);
    };
    Ok(waiting.iter().map(|row| row.id).collect())
}

/// Takes deliveries from the worker that has claimed them: they are not marked any more.
///
/// Also those that count as on their way. One that was told so goes on all the same. One whose worker has not heard the
/// answer to its mark has not begun; it asks again, and must not begin after the leave was answered.
async fn withdraw(db: &mut PgConnection, ids: &[i64]) -> sqlx::Result<()> {
    sqlx::query!(
        "update batches b set withdrawn = b.withdrawn || gone.ids
         from (select batch_id, array_agg(id) as ids from deliveries
               where id = any($1) and state = 'pending' group by batch_id) gone
         where b.id = gone.batch_id and b.claimed_by is not null",
        ids
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A delivery that has not ended, and its batch.
struct Waiting {
    id: i64,
    batch_id: Option<i64>,
}

async fn waiting_for_subscriber(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as!(
        Waiting,
        "select id, batch_id from deliveries
         where state = 'pending'
           and id in (
               select w.id from deliveries w
               where w.mailing_id is null and w.kind = 'welcome' and w.subscriber_id = $1
               union all
               -- By way of the mailings under way, so that the index on (mailing_id, subscriber_id) serves.
               select c.id from mailings m
               join deliveries c on c.mailing_id = m.id and c.kind = 'mailing' and c.subscriber_id = $1
               where m.state not in ('done', 'cancelled')
           )",
        id.0
    )
    .fetch_all(db)
    .await
}

/// Takes the person out of past deliveries; the counts stay.
///
/// # Errors
/// When the database fails.
pub async fn forget_subscriber(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<()> {
    // A thousand at most, and by their ids.
    sqlx::query!(
        "delete from refusals r
         where exists (select from deliveries d where d.id = r.delivery_id and d.subscriber_id = $1)",
        id.0
    )
    .execute(&mut *db)
    .await?;
    let own = sqlx::query_scalar!(
        "select id from deliveries where mailing_id is null and subscriber_id = $1",
        id.0
    )
    .fetch_all(&mut *db)
    .await?;
    remove(&mut *db, &own).await?;
    // By way of the mailings, so that the index on (mailing_id, subscriber_id) serves.
    sqlx::query!(
        "update deliveries set subscriber_id = null, smtp_text = null
         where kind = 'mailing' and mailing_id in (select id from mailings) and subscriber_id = $1",
        id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes the confirmations, notices and test mails of an address.
///
/// # Errors
/// When the database fails.
pub async fn forget_address(db: &mut PgConnection, address: &NormalizedAddress) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from deliveries where kind = 'confirmation'
           and signup_id in (select id from signups where email_normalized = $1)",
        address.as_str()
    )
    .execute(&mut *db)
    .await?;
    let own = sqlx::query_scalar!(
        "select id from deliveries where address is not null and lower(address) = $1",
        address.as_str()
    )
    .fetch_all(&mut *db)
    .await?;
    remove(db, &own).await
}

/// Removes the mails that answer these signups.
///
/// # Errors
/// When the database fails.
pub(in crate::domain) async fn forget_signups(
    db: &mut PgConnection,
    signups: &[uuid::Uuid],
) -> sqlx::Result<()> {
    let own = sqlx::query_scalar!("select id from deliveries where signup_id = any($1)", signups)
        .fetch_all(&mut *db)
        .await?;
    remove(db, &own).await
}

/// Removes deliveries, also those that a worker holds.
async fn remove(db: &mut PgConnection, ids: &[i64]) -> sqlx::Result<()> {
    withdraw(&mut *db, ids).await?;
    sqlx::query!("delete from deliveries where id = any($1)", ids).execute(db).await?;
    Ok(())
}

/// A message to somebody, as `subscribers show` lists it.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// What it was: a [`DeliveryKind`] by name. For the mail that answers a signup: `confirmation`, or
    /// `already_subscribed`, or `signup_answer` where none went out, or none that is known.
    pub kind: String,
    /// Mailing copies: the subject.
    pub subject: Option<String>,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it was due, first or next.
    pub due_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// The relay's reply code.
    pub smtp_code: Option<i16>,
    /// The relay's reply, or what else happened.
    pub smtp_text: Option<String>,
}

/// Every message to an address, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_address(db: &mut PgConnection, address: &NormalizedAddress) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        r#"select case
               when d.kind <> 'confirmation' then d.kind::text
               when d.state in ('pending', 'skipped') then 'signup_answer'
               when d.told_subscribed then 'already_subscribed'
               when not d.told_subscribed then 'confirmation'
               -- An earlier version did not note it; but that the relay took a confirmation is in the record of consent.
               when d.state <> 'accepted' then 'signup_answer'
               when exists (select from consent_events e where e.email_normalized = $1 and e.signup_id = d.signup_id
                            and e.kind = 'mail_accepted') then 'confirmation'
               else 'already_subscribed'
             end as "kind!", m.subject as "subject?", d.state as "state: DeliveryState", d.due_at,
             d.finished_at, d.smtp_code, d.smtp_text
           from deliveries d left join mailings m on m.id = d.mailing_id
           where d.id in (
               select w.id from deliveries w join subscribers s on s.id = w.subscriber_id
               where w.mailing_id is null and s.email_normalized = $1
               union all
               -- By way of the mailings, so that the index on (mailing_id, subscriber_id) serves.
               select c.id from subscribers s cross join mailings n
               join deliveries c on c.mailing_id = n.id and c.kind = 'mailing' and c.subscriber_id = s.id
               where s.email_normalized = $1
               union all
               select g.id from deliveries g join signups u on u.id = g.signup_id where u.email_normalized = $1
           )
           order by d.id"#,
        address.as_str()
    )
    .fetch_all(db)
    .await
}
