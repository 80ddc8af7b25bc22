//! What came back and is about nobody for certain: it waits for a person, who says whose it is, or puts it aside.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::{EmailAddress, NormalizedAddress},
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

/// How many are about nobody, those too that were put aside.
pub async fn count_with_ignored(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from bounces where delivery_id is null"#)
        .fetch_one(db)
        .await
}

/// Up to `limit` that wait, or that were put aside, the newest first. Of each message only the beginning, which has its subject.
pub async fn list(db: &mut PgConnection, are_ignored: bool, limit: i64) -> sqlx::Result<Vec<Unassigned>> {
    sqlx::query_as!(
        Unassigned,
        r#"select id, received_at, kind as "kind: BounceKind", recipients, substring(report for 8192) as report
           from bounces where delivery_id is null and (ignored_at is not null) = $1
           order by received_at desc, id desc limit $2"#,
        are_ignored,
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

/// Puts aside those of them that wait; answers how many.
pub async fn ignore(db: &mut PgConnection, ids: &[i64], now: DateTime<Utc>) -> sqlx::Result<u64> {
    let ignored = sqlx::query!(
        "update bounces set ignored_at = $2 where id = any($1) and delivery_id is null and ignored_at is null",
        ids,
        now
    )
    .execute(db)
    .await?;
    Ok(ignored.rows_affected())
}

/// The mail to this address that something is about which came then: a subscriber's newest copy of a mailing before all else,
/// then their newest other mail, and a signup's only where nobody subscribed has the address. Of the 90 days before, and to
/// the address that they have now.
pub async fn newest_sent(
    db: &mut PgConnection,
    address: &EmailAddress,
    came_at: DateTime<Utc>,
) -> sqlx::Result<Option<Returned>> {
    let sent: Vec<i64> = sent_to(db, address, came_at).await?.into_iter().map(|(id, _)| id.0).collect();
    sqlx::query_as!(
        Returned,
        r#"select d.id as "delivery: DeliveryId", d.kind as "kind: DeliveryKind", d.mailing_id as "mailing: MailingId",
             d.subscriber_id as "subscriber: SubscriberId", d.signup_id as "signup: SignupId", d.finished_at as "sent_at"
           from deliveries d
           where d.id = any($1) and d.state in ('accepted', 'unknown') and d.finished_at <= $2
             -- The notice of a change went to another address.
             and d.kind <> 'address_notice'
             and not exists (
                 select from former_addresses f where f.subscriber_id = d.subscriber_id and f.left_at > d.finished_at)
           order by d.subscriber_id is null, d.mailing_id is null, d.finished_at desc limit 1"#,
        &sent,
        came_at
    )
    .fetch_optional(db)
    .await
}

/// Writes down whose mail it is about, and what a person took it for; answers whether it still waited. Of the addresses that it
/// named the others stay, for their erasure: by its subscriber it is found from now on.
pub async fn assign(
    db: &mut PgConnection,
    id: i64,
    (returned, address): (&Returned, &NormalizedAddress),
    kind: BounceKind,
) -> sqlx::Result<bool> {
    let assigned = sqlx::query!(
        "update bounces set kind = $2, delivery_id = $3, mailing_id = $4, subscriber_id = $5, signup_id = $6, sent_at = $7,
             recipients = array_remove(recipients, $8), ignored_at = null
         where id = $1 and delivery_id is null",
        id,
        kind as BounceKind,
        returned.delivery.0,
        returned.mailing.map(|id| id.0),
        returned.subscriber.map(|id| id.0),
        returned.signup.map(|id| id.0),
        returned.sent_at,
        address.as_str()
    )
    .execute(db)
    .await?;
    Ok(assigned.rows_affected() > 0)
}
