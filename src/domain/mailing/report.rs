//! What became of a mailing, person by person.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::EmailAddress,
    bounce::BounceKind,
    ids::{MailingId, SubscriberId},
    queue::delivery::DeliveryState,
};

/// Who unsubscribes within this time of a mailing counts as having left because of it. No link in a mail tells which
/// mailing it came with (invariant 8), so the time has to.
pub const LEFT_WITHIN: TimeDelta = TimeDelta::days(7);

/// How many people who got a mailing unsubscribed within seven days of its beginning, and have stayed away. Of one whose
/// deliveries are not kept any more, what was counted then.
pub async fn left_because(db: &mut PgConnection, id: MailingId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(m.kept_left, (
               select count(*) from subscribers s
               join deliveries d on d.mailing_id = m.id and d.kind = 'mailing' and d.subscriber_id = s.id
               where s.state = 'unsubscribed' and s.state_changed_at >= m.fan_out_done_at
                 and s.state_changed_at < m.fan_out_done_at + $2 * interval '1 second'
                 and d.state in ('accepted', 'unknown'))) as "count!"
           from mailings m where m.id = $1"#,
        id.0,
        LEFT_WITHIN.as_seconds_f64()
    )
    .fetch_one(db)
    .await
}

/// Somebody whose copy did not go through, or not yet.
#[derive(Debug, Clone)]
pub struct Failed {
    /// What became of it.
    pub state: DeliveryState,
    /// The relay's reply code.
    pub smtp_code: Option<i16>,
    /// The relay's words, as [`failures`](super::failures) groups them.
    pub reply: String,
    /// Whose it is.
    pub email: EmailAddress,
}

/// The addresses behind [`failures`](super::failures): up to `each` of every group, in the order of the alphabet. Who was
/// erased is not among them.
pub async fn failed(db: &mut PgConnection, id: MailingId, each: i64) -> sqlx::Result<Vec<Failed>> {
    sqlx::query_as!(
        Failed,
        r#"select state as "state!: DeliveryState", smtp_code, reply as "reply!", email as "email!: EmailAddress" from (
             select grouped.*, row_number() over (partition by state, smtp_code, reply order by email) as place from (
               select d.state, d.smtp_code, s.email,
                 regexp_replace(coalesce(d.smtp_text, ''), '[^\s<>]+@[^\s<>]+|https?://\S+|\m(?=\w*\d)\w{8,}\M|[^\s<>]*…[^\s<>]*', '…', 'g')
                   as reply
               from deliveries d join subscribers s on s.id = d.subscriber_id
               where d.mailing_id = $1 and d.kind = 'mailing'
                 and (d.state in ('rejected', 'unknown') or (d.state = 'pending' and d.smtp_text is not null))
             ) grouped
           ) placed where place <= $2 order by state, smtp_code, reply, email"#,
        id.0,
        each
    )
    .fetch_all(db)
    .await
}

/// What became of one person's copy.
#[derive(Debug, Clone)]
pub struct Line {
    /// Whose it is.
    pub subscriber: SubscriberId,
    /// Their address of now.
    pub email: EmailAddress,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i16,
    /// The relay's reply code.
    pub smtp_code: Option<i16>,
    /// The relay's words, or what else happened.
    pub smtp_text: Option<String>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What came back of it later, the gravest where it was several.
    pub came_back: Option<BounceKind>,
}

/// Up to `limit` copies of a mailing, those behind `after`, in the order of their subscribers' ids. Who was erased is not
/// among them.
pub async fn lines(
    db: &mut PgConnection,
    id: MailingId,
    after: Option<SubscriberId>,
    limit: i64,
) -> sqlx::Result<Vec<Line>> {
    sqlx::query_as!(
        Line,
        r#"select s.id as "subscriber: SubscriberId", s.email as "email: EmailAddress",
             d.state as "state: DeliveryState", d.attempts, d.smtp_code, d.smtp_text, d.finished_at,
             (select b.kind from bounces b
              where b.delivery_id = d.id and b.way = 'report' and b.kind in ('hard', 'soft', 'policy', 'complaint')
              order by array_position(array['complaint', 'hard', 'soft', 'policy']::bounce_kind[], b.kind) limit 1)
                 as "came_back: BounceKind"
           from deliveries d join subscribers s on s.id = d.subscriber_id
           where d.mailing_id = $1 and d.kind = 'mailing' and ($2::uuid is null or d.subscriber_id > $2)
           order by d.subscriber_id limit $3"#,
        id.0,
        after.map(|id| id.0),
        limit
    )
    .fetch_all(db)
    .await
}
