//! Bounces: what comes back about a mail, and what that means for whoever it was for.
//!
//! | kind | for a subscriber |
//! |---|---|
//! | hard | `bounced` at once |
//! | soft | counts once a mailing; `bounced` after a run of them, see [`soft_run`] |
//! | complaint | `complained`, and suppressed |
//! | policy, delayed, auto reply, unrecognised | nothing: not theirs, or not certain |
//!
//! The state of a subscriber follows from all that is recorded here and not from the order in which it came (invariant 12).
//! What was sent before a subscriber became active, or to an address that they had before, says nothing of them now; a
//! complaint does, for it is an act of theirs. Who has left stays so. No delivery changes: the relay took what it took.

pub mod mailbox;
pub mod of_mailing;
pub mod soft_run;
pub mod unassigned;

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{
        actor::Actor,
        address::{EmailAddress, NormalizedAddress},
        ids::{DeliveryId, MailingId, SignupId, SubscriberId},
        queue::delivery::DeliveryKind,
        subscriber::{self, Subscriber, SubscriberState},
        suppression::{self, SuppressionReason},
    },
};

use self::soft_run::{Copy, SoftLimit};

/// What a message that came back says.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    sqlx::Type,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "bounce_kind", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum BounceKind {
    /// The address does not exist, or takes no mail.
    Hard,
    /// Not delivered, for a reason that may pass: full, too large, given up.
    Soft,
    /// Refused because of what was sent or who sent it; the reader has no part in it.
    Policy,
    /// The reader reported the mail as spam.
    Complaint,
    /// Not delivered yet; it is tried again.
    Delayed,
    /// A program answered in the reader's name.
    AutoReply,
    /// None of these for certain.
    Unrecognised,
}

impl BounceKind {
    /// Every one there is.
    pub const ALL: [Self; 7] = [
        Self::Hard,
        Self::Soft,
        Self::Policy,
        Self::Complaint,
        Self::Delayed,
        Self::AutoReply,
        Self::Unrecognised,
    ];

    /// The name the database knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// By which way it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Way {
    /// A message came back.
    Report,
    /// The relay refused the mail at once.
    Reply,
}

impl Way {
    /// The name the database knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The mail that something came back about.
#[derive(Debug, Clone)]
pub struct Returned {
    pub delivery: DeliveryId,
    pub kind: DeliveryKind,
    pub mailing: Option<MailingId>,
    /// Whose mail it was. Nobody's after an erasure.
    pub subscriber: Option<SubscriberId>,
    pub signup: Option<SignupId>,
    /// When it was taken or refused; `None` as long as that is not recorded.
    pub sent_at: Option<DateTime<Utc>>,
}

/// What is recorded of what came back.
#[derive(Debug)]
pub struct NewBounce<'a> {
    pub kind: BounceKind,
    pub way: Way,
    /// Which mail it is about, if that is certain.
    pub delivery: Option<DeliveryId>,
    /// That mail, as long as it is on record.
    pub returned: Option<&'a Returned>,
    /// The enhanced status code.
    pub status: Option<&'a str>,
    /// The words, with addresses masked.
    pub diagnostic: Option<&'a str>,
    /// The server that refused the mail.
    pub remote_mta: Option<&'a str>,
    /// Addresses that it names, in lower case; where it is about no delivery.
    pub recipients: &'a [String],
    /// The beginning of the message.
    pub report: Option<&'a [u8]>,
    /// SHA-256 of what makes it the same message.
    pub digest: [u8; 32],
}

/// The message of one, as long as it is kept.
pub async fn report(db: &mut PgConnection, id: i64) -> sqlx::Result<Option<Vec<u8>>> {
    let report =
        sqlx::query_scalar!("select report from bounces where id = $1", id).fetch_optional(db).await?;
    Ok(report.flatten())
}

/// What a bounce changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Nobody's state.
    None,
    /// The subscriber is `bounced` now.
    Bounced,
    /// The subscriber is `complained` now.
    Complained,
}

/// The delivery with this id.
pub async fn returned(db: &mut PgConnection, id: DeliveryId) -> sqlx::Result<Option<Returned>> {
    sqlx::query_as!(
        Returned,
        r#"select id as "delivery: DeliveryId", kind as "kind: DeliveryKind", mailing_id as "mailing: MailingId",
             subscriber_id as "subscriber: SubscriberId", signup_id as "signup: SignupId", finished_at as "sent_at"
           from deliveries where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// The same, and whose mail it was, locked: so an erasure comes before or after what is recorded of them.
pub async fn returned_and_locked(
    db: &mut PgConnection,
    id: DeliveryId,
) -> sqlx::Result<(Option<Returned>, Option<Subscriber>)> {
    let Some(known) = returned(db, id).await? else { return Ok((None, None)) };
    let Some(reader) = known.subscriber else { return Ok((Some(known), None)) };
    let reader = subscriber::locked(db, reader).await?;
    // As it is now that nobody else changes it.
    Ok((returned(db, id).await?, reader))
}

/// Mails of the last 90 days to this address, with the id of what each belongs to: for a report that names its mail by its
/// Message-ID alone.
pub async fn sent_to(
    db: &mut PgConnection,
    address: &EmailAddress,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<(DeliveryId, uuid::Uuid)>> {
    let normalized = address.normalized();
    let rows = sqlx::query!(
        r#"with reader as (select id from subscribers where email_normalized = $1)
           select d.id as "id!: DeliveryId", m.id as "parent!"
           from reader r cross join mailings m
             join deliveries d on d.mailing_id = m.id and d.subscriber_id = r.id and d.kind = 'mailing'
           where coalesce(m.finished_at, $2) >= $2
           union all
           select d.id, d.subscriber_id from deliveries d join reader r on r.id = d.subscriber_id
           where d.mailing_id is null and d.due_at > $2
           union all
           select d.id, d.signup_id from signups g join deliveries d on d.signup_id = g.id
           where g.email_normalized = $1 and d.due_at > $2
           limit 1000"#,
        normalized.as_str(),
        now - Duration::days(90)
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.parent)).collect())
}

/// Records what came back; answers whether it is new.
pub async fn record(db: &mut PgConnection, new: &NewBounce<'_>, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let of = |id: fn(&Returned) -> Option<uuid::Uuid>| new.returned.and_then(id);
    let recorded = sqlx::query!(
        "insert into bounces (received_at, kind, way, delivery_id, mailing_id, subscriber_id, signup_id, sent_at, status,
             diagnostic, remote_mta, recipients, report, digest)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
         -- Every reader knows the return path of their own copy, and could fill the table.
         where (select count(*) from bounces where delivery_id = $4 and kind = $2) < 5
         on conflict (digest) do nothing",
        now,
        new.kind as BounceKind,
        new.way as Way,
        new.delivery.map(|id| id.0),
        of(|returned| returned.mailing.map(|id| id.0)),
        of(|returned| returned.subscriber.map(|id| id.0)),
        of(|returned| returned.signup.map(|id| id.0)),
        new.returned.map(|returned| returned.sent_at.unwrap_or(now)),
        new.status,
        new.diagnostic,
        new.remote_mta,
        new.recipients,
        new.report,
        new.digest.as_slice()
    )
    .execute(db)
    .await?;
    Ok(recorded.rows_affected() > 0)
}

/// Brings the state of whoever a mail was for in line with what is recorded. To be called after [`record`], in its
/// transaction and last: like leaving, it holds up the worker that sends to their neighbours.
pub async fn apply(
    db: &mut PgConnection,
    keys: &SecretKeys,
    by: &Actor,
    (returned, kind): (&Returned, BounceKind),
    now: DateTime<Utc>,
) -> sqlx::Result<Consequence> {
    if let Some(signup) = returned.signup {
        end_signup(db, keys, (signup, kind), now).await?;
    }
    // The notice of a change goes to an address that is not the subscriber's any more.
    let is_to_them = returned.kind != DeliveryKind::AddressNotice;
    let Some(id) = returned.subscriber.filter(|_| is_to_them) else { return Ok(Consequence::None) };
    if !matches!(kind, BounceKind::Hard | BounceKind::Soft | BounceKind::Complaint) {
        return Ok(Consequence::None);
    }
    let Some(reader) = subscriber::locked(db, id).await? else { return Ok(Consequence::None) };
    let is_of_now = is_to_address_of_now(db, id, returned.sent_at.unwrap_or(now)).await?;
    if kind == BounceKind::Complaint && is_of_now {
        suppression::add(db, keys, &reader.email.normalized(), SuppressionReason::Complained, now).await?;
        let has_changed = subscriber::stop(db, by, &reader, SubscriberState::Complained, now).await?;
        return Ok(if has_changed { Consequence::Complained } else { Consequence::None });
    }
    let since = reader.state_changed_at;
    let is_since_active = returned.sent_at.is_none_or(|sent_at| sent_at >= since);
    if reader.state != SubscriberState::Active || !is_since_active || !is_of_now {
        return Ok(Consequence::None);
    }
    // To the address of now alone.
    let since = since.max(last_moved(db, id).await?.unwrap_or(since));
    let is_over = kind == BounceKind::Hard
        || SoftLimit::current(db).await?.is_reached(copies_since(db, id, since, now).await?);
    if is_over && subscriber::stop(db, by, &reader, SubscriberState::Bounced, now).await? {
        return Ok(Consequence::Bounced);
    }
    Ok(Consequence::None)
}

/// A confirmation that came back ends its signup's chance: its link opens nothing any more. Whoever reports it as spam is
/// not asked again.
async fn end_signup(
    db: &mut PgConnection,
    keys: &SecretKeys,
    (signup, kind): (SignupId, BounceKind),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if !matches!(kind, BounceKind::Hard | BounceKind::Complaint) {
        return Ok(());
    }
    let address = sqlx::query_scalar!(
        r#"update signups set expires_at = least(expires_at, $2) where id = $1 and state = 'waiting'
           returning email as "email: EmailAddress""#,
        signup.0,
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(address) = address.filter(|_| kind == BounceKind::Complaint) {
        suppression::add(db, keys, &address.normalized(), SuppressionReason::Complained, now).await?;
    }
    Ok(())
}

/// Whether what was sent then went to the address that the subscriber has now.
async fn is_to_address_of_now(
    db: &mut PgConnection,
    id: SubscriberId,
    sent_at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select not exists (
               select from former_addresses where subscriber_id = $1 and left_at > $2) as "is_of_now!""#,
        id.0,
        sent_at
    )
    .fetch_one(db)
    .await
}

async fn last_moved(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!("select max(left_at) from former_addresses where subscriber_id = $1", id.0)
        .fetch_one(db)
        .await
}

/// What became of a subscriber's copies of mailings since then. Copies that were refused because of us, or of which nobody
/// knows, say neither.
async fn copies_since(
    db: &mut PgConnection,
    id: SubscriberId,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Copy>> {
    sqlx::query_as!(
        Copy,
        r#"select max(sent_at) as "sent_at!", bool_or(has_bounced) as "has_bounced!" from (
               -- Whoever got a mailing is forgotten some time after it, and what came back of it with that: else only the bad
               -- copies would be remembered. One that was refused, sent again and taken has not come back.
               select b.mailing_id, b.sent_at, true as has_bounced
               from bounces b join deliveries d on d.id = b.delivery_id
               where b.subscriber_id = $1 and b.kind = 'soft' and b.mailing_id is not null and b.sent_at >= $2
                 and not (b.way = 'reply' and d.state = 'accepted')
               union all
               select d.mailing_id, d.finished_at, false
               from mailings m join deliveries d on d.mailing_id = m.id and d.subscriber_id = $1 and d.kind = 'mailing'
               where coalesce(m.finished_at, $3) >= $3 and d.state = 'accepted' and d.finished_at >= $2
           ) copies
           group by mailing_id"#,
        id.0,
        since,
        now - Duration::days(400)
    )
    .fetch_all(db)
    .await
}

/// A mail that the relay refused.
#[derive(Debug)]
pub struct Refused {
    pub mail: Returned,
    pub code: Option<i16>,
    pub text: String,
    /// It is so still: it was not put back meanwhile.
    pub stands: bool,
}

/// A refusal that can be judged: the relay has accepted something since, or nothing for a day, and a run of equal ones would
/// have been noticed. Removed from the list of those that wait.
pub async fn take_refused(db: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<Option<Refused>> {
    let row = sqlx::query!(
        r#"with waiting as (
               delete from refused_deliveries where delivery_id = (
                   select w.delivery_id from refused_deliveries w
                   where w.since < $1
                     -- As long as the relay has accepted nothing since, it may say the same to everybody.
                     and (w.since < $1 - interval '1 day'
                          or not exists (select from refusals r where r.delivery_id = w.delivery_id and r.in_run))
                   order by w.since limit 1 for update skip locked)
               returning delivery_id)
           select d.id as "id: DeliveryId", d.kind as "kind: DeliveryKind", d.mailing_id as "mailing: MailingId",
             d.subscriber_id as "subscriber: SubscriberId", d.signup_id as "signup: SignupId", d.finished_at, d.smtp_code,
             coalesce(d.smtp_text, '') as "text!", d.state = 'rejected' as "stands!"
           from waiting w join deliveries d on d.id = w.delivery_id"#,
        before
    )
    .fetch_optional(db)
    .await?;
    let refused = row.map(|row| Refused {
        mail: Returned {
            delivery: row.id,
            kind: row.kind,
            mailing: row.mailing,
            subscriber: row.subscriber,
            signup: row.signup,
            sent_at: row.finished_at,
        },
        code: row.smtp_code,
        text: row.text,
        stands: row.stands,
    });
    Ok(refused)
}

/// Whether any refusal waits that may be judged by its age.
pub async fn any_refused(db: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from refused_deliveries where since < $1) as "any!""#,
        before
    )
    .fetch_one(db)
    .await
}

/// What came back, as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct ListedBounce {
    pub id: i64,
    pub received_at: DateTime<Utc>,
    pub kind: BounceKind,
    pub way: Way,
    /// Whose, with the local part masked; nobody's when that is not certain, or after an erasure.
    pub address: Option<String>,
    pub mailing: Option<MailingId>,
    /// Whether it is certain which mail it is about.
    pub is_recognised: bool,
    pub status: Option<String>,
    pub diagnostic: Option<String>,
}

/// The newest, of one kind or of all, and all or only those of which it is certain whose they are. Without what was put aside.
pub async fn list(
    db: &mut PgConnection,
    kind: Option<BounceKind>,
    only_recognised: bool,
    limit: i64,
) -> sqlx::Result<Vec<ListedBounce>> {
    let rows = sqlx::query!(
        r#"select b.id, b.received_at, b.kind as "kind: BounceKind", b.way as "way: Way",
             coalesce(s.email, g.email) as "address?: EmailAddress", b.mailing_id as "mailing: MailingId", b.status,
             b.diagnostic, b.delivery_id is not null as "is_recognised!"
           from bounces b left join subscribers s on s.id = b.subscriber_id left join signups g on g.id = b.signup_id
           where ($1::bounce_kind is null or b.kind = $1
                  or ($1 = 'unrecognised'::bounce_kind and b.delivery_id is null))
             and b.ignored_at is null and (b.delivery_id is not null or not $3)
           order by b.received_at desc, b.id desc limit $2"#,
        kind as Option<BounceKind>,
        limit,
        only_recognised
    )
    .fetch_all(db)
    .await?;
    let listed = rows.into_iter().map(|row| ListedBounce {
        id: row.id,
        received_at: row.received_at,
        kind: row.kind,
        way: row.way,
        address: row.address.map(|address| address.masked()),
        mailing: row.mailing,
        is_recognised: row.is_recognised,
        status: row.status,
        diagnostic: row.diagnostic,
    });
    Ok(listed.collect())
}

/// What came back about mails to one person.
#[derive(Debug, Clone, Serialize)]
pub struct OwnBounce {
    #[serde(skip)]
    pub id: i64,
    pub received_at: DateTime<Utc>,
    pub kind: BounceKind,
    pub way: Way,
    /// The subject of the mailing, where it was about one.
    pub subject: Option<String>,
    pub status: Option<String>,
    pub diagnostic: Option<String>,
}

/// What came back about mails to this address, oldest first.
pub(in crate::domain) async fn of_address(
    db: &mut PgConnection,
    address: &NormalizedAddress,
) -> sqlx::Result<Vec<OwnBounce>> {
    sqlx::query_as!(
        OwnBounce,
        r#"select b.id, b.received_at, b.kind as "kind: BounceKind", b.way as "way: Way", m.subject as "subject?", b.status,
             b.diagnostic
           from bounces b left join mailings m on m.id = b.mailing_id
           where b.id in (
               select r.id from subscribers s join bounces r on r.subscriber_id = s.id where s.email_normalized = $1
               union
               select r.id from signups g join bounces r on r.signup_id = g.id where g.email_normalized = $1)
           order by b.received_at, b.id"#,
        address.as_str()
    )
    .fetch_all(db)
    .await
}

/// How long the message itself is kept, and how long what is known of it.
const REPORT_KEPT: Duration = Duration::days(90);
const KEPT: Duration = Duration::days(400);

/// Removes messages and rows that are past their time. Answers how many, up to some thousand.
pub async fn forget_old(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let emptied = sqlx::query!(
        "update bounces set report = null, diagnostic = null, recipients = '{}' where id in (
             select id from bounces
             where received_at < $1 and (report is not null or diagnostic is not null or recipients <> '{}')
             order by received_at limit 1000)",
        now - REPORT_KEPT
    )
    .execute(&mut *db)
    .await?;
    // What nobody could tell whose it is says nothing any more without its message.
    let gone = sqlx::query!(
        "delete from bounces where id in (
             select id from bounces where received_at < $1 or (received_at < $2 and delivery_id is null)
             order by received_at limit 1000)",
        now - KEPT,
        now - REPORT_KEPT
    )
    .execute(db)
    .await?;
    Ok(emptied.rows_affected() + gone.rows_affected())
}

/// Takes out of what came back everything that tells of signups that are removed.
pub async fn forget_signups(db: &mut PgConnection, signups: &[uuid::Uuid]) -> sqlx::Result<()> {
    sqlx::query!(
        "update bounces set signup_id = null, diagnostic = null, remote_mta = null, report = null where signup_id = any($1)",
        signups
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes out of what came back everything that tells of a subscriber who is erased: the kind and the mailing stay, as counts.
pub(in crate::domain) async fn forget_subscriber(
    db: &mut PgConnection,
    id: SubscriberId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update bounces set subscriber_id = null, diagnostic = null, remote_mta = null, report = null where subscriber_id = $1",
        id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The same of an address: of its signups, and of what names it and is about nobody for certain.
pub(in crate::domain) async fn forget_address(
    db: &mut PgConnection,
    address: &NormalizedAddress,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update bounces set signup_id = null, diagnostic = null, remote_mta = null, report = null
         where signup_id in (select id from signups where email_normalized = $1)",
        address.as_str()
    )
    .execute(&mut *db)
    .await?;
    // What is somebody else's and names them beside.
    sqlx::query!(
        "update bounces set recipients = '{}', diagnostic = null, report = null
         where recipients @> array[$1] and recipients <> '{}' and delivery_id is not null",
        address.as_str()
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "delete from bounces where delivery_id is null
           and ($1 = any(recipients)
                or position(convert_to($1, 'UTF8') in convert_to(lower(encode(report, 'escape')), 'UTF8')) > 0)",
        address.as_str()
    )
    .execute(db)
    .await?;
    Ok(())
}
