//! What came back and is about nobody for certain: it waits for a person, who says whose it is, or puts it aside.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::EmailAddress,
    bounce::{BounceKind, Returned, Way, sent_to},
    ids::{DeliveryId, MailingId, SignupId, SubscriberId},
    queue::delivery::DeliveryKind,
};

/// One that waits.
#[derive(Debug, Clone)]
pub struct Unassigned {
    pub id: i64,
    pub received_at: DateTime<Utc>,
    pub kind: BounceKind,
    /// Addresses that it names.
    pub recipients: Vec<String>,
    /// The beginning of the message.
    pub report: Option<Vec<u8>>,
}

/// How many wait.
pub async fn count(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from bounces where delivery_id is null and ignored_at is null"#
    )
    .fetch_one(db)
    .await
}

/// Up to `limit` of them, the newest first. Of each message only the beginning, which has its subject.
pub async fn list(db: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Unassigned>> {
    sqlx::query_as!(
        Unassigned,
        r#"select id, received_at, kind as "kind: BounceKind", recipients, substring(report for 8192) as report
           from bounces where delivery_id is null and ignored_at is null
           order by received_at desc, id desc limit $1"#,
        limit
    )
    .fetch_all(db)
    .await
}

/// A message that came back, with all that is known of it.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: i64,
    pub received_at: DateTime<Utc>,
    pub kind: BounceKind,
    pub way: Way,
    /// Whether it is known which mail it is about.
    pub is_assigned: bool,
    pub is_ignored: bool,
    /// Whose mail it was, as long as they are on record.
    pub subscriber: Option<SubscriberId>,
    pub address: Option<EmailAddress>,
    pub mailing: Option<MailingId>,
    pub subject: Option<String>,
    pub recipients: Vec<String>,
    pub status: Option<String>,
    pub diagnostic: Option<String>,
    pub remote_mta: Option<String>,
    /// The beginning of the message, as long as it is kept.
    pub report: Option<Vec<u8>>,
}

/// The message with this number.
pub async fn message(db: &mut PgConnection, id: i64) -> sqlx::Result<Option<Message>> {
    sqlx::query_as!(
        Message,
        r#"select b.id, b.received_at, b.kind as "kind: BounceKind", b.way as "way: Way",
             b.delivery_id is not null as "is_assigned!", b.ignored_at is not null as "is_ignored!",
             s.id as "subscriber?: SubscriberId", coalesce(s.email, g.email) as "address?: EmailAddress",
             m.id as "mailing?: MailingId", m.subject as "subject?", b.recipients, b.status, b.diagnostic, b.remote_mta, b.report
           from bounces b left join subscribers s on s.id = b.subscriber_id left join signups g on g.id = b.signup_id
             left join mailings m on m.id = b.mailing_id
           where b.id = $1"#,
        id
    )
    .fetch_optional(db)
    .await
}

/// Puts aside one that waits, or all that came until then; answers how many.
pub async fn ignore(db: &mut PgConnection, which: Ignored, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let (id, until) = match which {
        Ignored::One(id) => (Some(id), None),
        Ignored::Until(until) => (None, Some(until)),
    };
    let ignored = sqlx::query!(
        "update bounces set ignored_at = $3
         where delivery_id is null and ignored_at is null and (id = $1 or received_at <= $2)",
        id,
        until,
        now
    )
    .execute(db)
    .await?;
    Ok(ignored.rows_affected())
}

/// What is put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    One(i64),
    /// All that had come by then: what came after somebody looked stays.
    Until(DateTime<Utc>),
}

/// The newest mail to this address that had gone out by then, of the last 90 days.
pub async fn newest_sent(
    db: &mut PgConnection,
    address: &EmailAddress,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Returned>> {
    let sent: Vec<i64> = sent_to(db, address, now).await?.into_iter().map(|(id, _)| id.0).collect();
    sqlx::query_as!(
        Returned,
        r#"select id as "delivery: DeliveryId", kind as "kind: DeliveryKind", mailing_id as "mailing: MailingId",
             subscriber_id as "subscriber: SubscriberId", signup_id as "signup: SignupId", finished_at as "sent_at"
           from deliveries where id = any($1) and state in ('accepted', 'unknown') and finished_at <= $2
           order by finished_at desc limit 1"#,
        &sent,
        before
    )
    .fetch_optional(db)
    .await
}

/// Writes down whose mail it is about, and what a person took it for; answers whether it still waited. The addresses that it
/// named go: it is found by its subscriber from now on.
pub async fn assign(
    db: &mut PgConnection,
    id: i64,
    returned: &Returned,
    kind: BounceKind,
) -> sqlx::Result<bool> {
    let assigned = sqlx::query!(
        "update bounces set kind = $2, delivery_id = $3, mailing_id = $4, subscriber_id = $5, signup_id = $6, sent_at = $7,
             recipients = '{}', ignored_at = null
         where id = $1 and delivery_id is null",
        id,
        kind as BounceKind,
        returned.delivery.0,
        returned.mailing.map(|id| id.0),
        returned.subscriber.map(|id| id.0),
        returned.signup.map(|id| id.0),
        returned.sent_at
    )
    .execute(db)
    .await?;
    Ok(assigned.rows_affected() > 0)
}
