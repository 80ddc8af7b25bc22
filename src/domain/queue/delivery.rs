//! Deliveries: what waits to be sent, and the record of what became of every message.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{
    address::{EmailAddress, NormalizedAddress},
    ids::{DeliveryId, SignupId, SubscriberId, UpdateId},
};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, strum::IntoStaticStr)]
#[sqlx(type_name = "delivery_kind", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    /// The one-time link with which somebody on the staff sets their first password.
    Invitation,
    /// The one-time link with which somebody on the staff sets a new one.
    NewPassword,
}

impl DeliveryKind {
    /// Every one there is, in the order in which they are declared.
    pub const ALL: [Self; 8] = [
        Self::Mailing,
        Self::Confirmation,
        Self::Welcome,
        Self::Access,
        Self::AddressNotice,
        Self::Test,
        Self::Invitation,
        Self::NewPassword,
    ];

    /// The name the database knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type, Serialize, strum::IntoStaticStr)]
#[sqlx(type_name = "delivery_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
        self.into()
    }
}

/// Queues the mail that answers a signup.
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

/// Queues a mail with a one-time link for whoever on the staff logs in with this address. Whether anybody does is looked up
/// when the mail is made.
pub async fn enqueue_staff_link(
    db: &mut PgConnection,
    kind: DeliveryKind,
    to: &EmailAddress,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with queued as (insert into batches (due_at, size) values ($3, 1) returning id)
         insert into deliveries (kind, address, due_at, batch_id) select $1, $2, $3, id from queued",
        kind as DeliveryKind,
        to.as_str(),
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What became of the mails with one-time links to the address of this one, which were queued before it.
#[derive(Debug, Clone, Copy)]
pub struct StaffLinksBefore {
    /// Whether one is still to go, or went out after `since`.
    pub is_there: bool,
    /// How many were sent since a day before this moment.
    pub of_the_day: i64,
}

/// The mails with one-time links to an address that were queued before this one.
pub async fn staff_links_before(
    db: &mut PgConnection,
    id: DeliveryId,
    to: &EmailAddress,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<StaffLinksBefore> {
    let normalized = to.normalized();
    sqlx::query_as!(
        StaffLinksBefore,
        r#"select coalesce(bool_or(state = 'pending' or finished_at > $3), false) as "is_there!",
             count(*) filter (where coalesce(finished_at, due_at) > $4::timestamptz - interval '1 day') as "of_the_day!"
           from deliveries
           -- By the index on addresses that deliveries name themselves.
           where address is not null and lower(address) = $2 and id < $1
             and kind in ('invitation', 'new_password') and state in ('pending', 'accepted', 'unknown')"#,
        id.0,
        normalized.as_str(),
        since,
        now
    )
    .fetch_one(db)
    .await
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

/// A message to somebody, as `subscribers show` lists it.
#[derive(Debug, Clone, Serialize)]
pub struct ListedDelivery {
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
pub async fn of_address(
    db: &mut PgConnection,
    address: &NormalizedAddress,
) -> sqlx::Result<Vec<ListedDelivery>> {
    sqlx::query_as!(
        ListedDelivery,
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
