//! Subscribers: addresses whose owners pressed confirm, and what became of them.

pub mod export;
pub mod search;

use chrono::{DateTime, Datelike, Months, NaiveDate, SubsecRound, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::domain::{
    actor::Actor,
    address::{EmailAddress, NormalizedAddress},
    consent::{self, ConsentKind, ConsentMethod, NewEvent},
    event::{self, Event},
    ids::SubscriberId,
    locale::Locale,
    queue::withdrawal,
};

/// Whether a subscriber gets mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type, Serialize, strum::IntoStaticStr)]
#[sqlx(type_name = "subscriber_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SubscriberState {
    /// Gets every mailing.
    Active,
    /// Left, and may come back through the form.
    Unsubscribed,
    /// Mail came back for good.
    Bounced,
    /// Reported our mail as spam.
    Complained,
}

/// A confirmed address.
#[derive(Debug, Clone, Serialize)]
pub struct Subscriber {
    pub id: SubscriberId,
    /// The address mail goes to, as it was typed.
    pub email: EmailAddress,
    /// The language its owner chose.
    pub locale: Locale,
    /// Whether it gets mail.
    pub state: SubscriberState,
    /// When its owner last agreed.
    pub confirmed_at: DateTime<Utc>,
    /// When `state` last changed.
    pub state_changed_at: DateTime<Utc>,
}

/// A subscriber by id.
pub async fn by_id(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<Option<Subscriber>> {
    sqlx::query_as!(
        Subscriber,
        r#"select id as "id: SubscriberId", email as "email: EmailAddress", locale as "locale: Locale",
             state as "state: SubscriberState", confirmed_at, state_changed_at
           from subscribers where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// The subscriber with this address.
pub async fn by_address(
    db: &mut PgConnection,
    address: &NormalizedAddress,
) -> sqlx::Result<Option<Subscriber>> {
    sqlx::query_as!(
        Subscriber,
        r#"select id as "id: SubscriberId", email as "email: EmailAddress", locale as "locale: Locale",
             state as "state: SubscriberState", confirmed_at, state_changed_at
           from subscribers where email_normalized = $1"#,
        address.as_str()
    )
    .fetch_optional(db)
    .await
}

/// What [`activate`] did.
#[derive(Debug, Clone, Copy)]
pub struct Activated {
    /// The subscriber, new or known.
    pub id: SubscriberId,
    /// Whether it was not active before; only then a welcome is due.
    pub was_inactive: bool,
}

/// Makes an address active, because its owner just agreed. One that is active already stays as it is.
pub async fn activate(
    db: &mut PgConnection,
    email: &EmailAddress,
    locale: Locale,
    now: DateTime<Utc>,
) -> sqlx::Result<Activated> {
    let normalized = email.normalized();
    let changed = sqlx::query_scalar!(
        r#"insert into subscribers (id, email, email_normalized, locale, state, created_at, confirmed_at, state_changed_at)
           values ($1, $2, $3, $4, 'active', $5, $5, $5)
           on conflict (email_normalized) do update
               set email = excluded.email, locale = excluded.locale, state = 'active', confirmed_at = $5,
                   state_changed_at = $5, may_undo = false
               where subscribers.state <> 'active'
           returning id as "id: SubscriberId""#,
        SubscriberId::new().0,
        email.as_str(),
        normalized.as_str(),
        locale.tag(),
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(id) = changed {
        return Ok(Activated { id, was_inactive: true });
    }
    let id = sqlx::query_scalar!(
        r#"select id as "id: SubscriberId" from subscribers where email_normalized = $1"#,
        normalized.as_str()
    )
    .fetch_one(db)
    .await?;
    Ok(Activated { id, was_inactive: false })
}

/// What unsubscribing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsubscribed {
    /// The subscriber left just now, and this may be taken back by whoever did it; see [`undo_unsubscribe`].
    Now,
    /// No mail went there any more, because mail had come back or was reported as spam. That its owner left on top of that
    /// is recorded now.
    Stopped,
    /// It had left before.
    Before,
    /// Nobody has this id (any more); no mail will go there either.
    Nobody,
}

/// How a subscription ends.
#[derive(Debug, Clone, Copy)]
pub struct Leaving<'a> {
    /// By which way.
    pub method: ConsentMethod,
    /// The page with the button, where it was a button of ours.
    pub page: Option<&'a str>,
    /// What staff noted of the request, where it was one.
    pub note: Option<&'a str>,
}

impl From<ConsentMethod> for Leaving<'_> {
    fn from(method: ConsentMethod) -> Self {
        Self { method, page: None, note: None }
    }
}

/// Ends a subscription. Once the caller has committed and
/// answered, no mail to this subscriber starts transmitting (invariant 3), not even in a mailing under way. Answers the
/// subscriber as they were, too.
pub async fn unsubscribe(
    db: &mut PgConnection,
    by: &Actor,
    id: SubscriberId,
    how: impl Into<Leaving<'_>>,
    now: DateTime<Utc>,
) -> sqlx::Result<(Unsubscribed, Option<Subscriber>)> {
    let Leaving { method, page, note } = how.into();
    let Some(subscriber) = locked(db, id).await? else { return Ok((Unsubscribed::Nobody, None)) };
    if has_left(db, &subscriber).await? {
        // Whoever is told "unsubscribed" here stays so: what was offered to the one who came first ends with it.
        sqlx::query!("update subscribers set may_undo = false where id = $1 and may_undo", id.0)
            .execute(&mut *db)
            .await?;
        return Ok((Unsubscribed::Before, Some(subscriber)));
    }
    let was_active = subscriber.state == SubscriberState::Active;
    let event = NewEvent {
        subscriber: Some(id),
        form_page: page,
        source: note,
        ..NewEvent::new(ConsentKind::Withdrawn, method, &subscriber.email, now)
    };
    consent::record_and_tell(db, by, &event, &Event::SubscriberUnsubscribed(id)).await?;
    end_subscription(db, id, was_active, now).await?;
    // Last, because it holds up the worker that is just sending to its neighbours.
    withdrawal::skip_for_subscriber(db, id, now).await?;
    Ok((if was_active { Unsubscribed::Now } else { Unsubscribed::Stopped }, Some(subscriber)))
}

/// Ends mail to a subscriber, locked before, because mail came back (`Bounced`) or was reported as spam (`Complained`).
/// Answers whether that is new: a complaint weighs more than leaving, and leaving more than mail that came back.
pub async fn stop(
    db: &mut PgConnection,
    by: &Actor,
    subscriber: &Subscriber,
    state: SubscriberState,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let (id, is_complaint) = (subscriber.id, state == SubscriberState::Complained);
    let is_new = match subscriber.state {
        SubscriberState::Active => true,
        SubscriberState::Complained => false,
        SubscriberState::Unsubscribed | SubscriberState::Bounced => is_complaint,
    };
    if !is_new {
        return Ok(false);
    }
    sqlx::query!(
        "update subscribers set state = $2, state_changed_at = $3, may_undo = false where id = $1",
        id.0,
        state as SubscriberState,
        now
    )
    .execute(&mut *db)
    .await?;
    let event = if is_complaint { Event::SubscriberComplained(id) } else { Event::SubscriberBounced(id) };
    event::record(db, by, &event, now).await?;
    withdrawal::skip_for_subscriber(db, id, now).await?;
    Ok(true)
}

/// Lets mail go to a subscriber again to whom it had come back: their consent never ended. Not of somebody whose consent is
/// not on record, such as who stood in a list as bounced without a word on when they agreed.
pub async fn reactivate(db: &mut PgConnection, id: SubscriberId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update subscribers s set state = 'active', state_changed_at = $2
         where id = $1 and state = 'bounced' and exists (
             select from consent_events c
             where c.email_normalized = s.email_normalized and (c.kind = 'confirmed' or c.consented_at is not null)
               and not exists (
                   select from consent_events w
                   where w.email_normalized = s.email_normalized and w.kind = 'withdrawn' and w.at >= c.at))",
        id.0,
        now
    )
    .execute(db)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// Whether its owner has left, or had them removed from the list: also where another reason keeps mail away.
pub async fn has_left(db: &mut PgConnection, subscriber: &Subscriber) -> sqlx::Result<bool> {
    match subscriber.state {
        SubscriberState::Active | SubscriberState::Bounced => Ok(false),
        SubscriberState::Unsubscribed => Ok(true),
        SubscriberState::Complained => {
            let normalized = subscriber.email.normalized();
            sqlx::query_scalar!(
                r#"select exists (
                       select from consent_events
                       where email_normalized = $1 and kind = 'withdrawn' and at >= $2) as "has_left!""#,
                normalized.as_str(),
                subscriber.state_changed_at
            )
            .fetch_one(db)
            .await
        }
    }
}

/// The subscription is over, and with it the requests for another address that wait: there is no subscription to move any
/// more. Nobody answered them.
async fn end_subscription(
    db: &mut PgConnection,
    id: SubscriberId,
    may_undo: bool,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // A complaint weighs more than leaving, and stays the reason. Mail that came back weighs less: an address that works
    // again is not mailed again when its owner has left. One statement, as each waits for the database once.
    sqlx::query!(
        "with over as (
             update subscribers set state = 'unsubscribed', state_changed_at = $2, may_undo = $3
             where id = $1 and state <> 'complained'),
         ended as (
             update signups set state = 'lapsed', ended_at = $2 where replaces = $1 and state = 'waiting' and expires_at > $2
             returning id, email, email_normalized)
         insert into consent_events (at, kind, method, email, email_normalized, signup_id, subscriber_id)
         select $2, 'lapsed', 'withdrawal', email, email_normalized, id, $1 from ended",
        id.0,
        now,
        may_undo
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What taking an unsubscribe back came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resubscribed {
    /// The subscriber is active: since now, or still.
    Active,
    /// It cannot be taken back (any more).
    Over,
    /// Nobody has this id (any more).
    Nobody,
}

/// Takes back the unsubscribe that was made at `left_at`, from `page`, which answered it.
///
/// Only the answer to the request that ended the subscription offers this. Once, and not after anybody was told since that
/// the address is unsubscribed: newsletters are forwarded, and whoever else has the link must not bring back who left.
pub async fn undo_unsubscribe(
    db: &mut PgConnection,
    by: &Actor,
    id: SubscriberId,
    left_at: DateTime<Utc>,
    page: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Resubscribed> {
    let Some(subscriber) = locked(db, id).await? else { return Ok(Resubscribed::Nobody) };
    if subscriber.state == SubscriberState::Active {
        return Ok(Resubscribed::Active);
    }
    if !may_undo(db, id, left_at).await? {
        return Ok(Resubscribed::Over);
    }
    activate(db, &subscriber.email, subscriber.locale, now).await?;
    let event = NewEvent {
        subscriber: Some(id),
        form_page: Some(page),
        ..NewEvent::new(ConsentKind::Confirmed, ConsentMethod::Undo, &subscriber.email, now)
    };
    consent::record_and_tell(db, by, &event, &Event::SubscriberResubscribed(id)).await?;
    Ok(Resubscribed::Active)
}

/// Whether the unsubscribe that was made at `left_at` can be taken back.
pub async fn may_undo(db: &mut PgConnection, id: SubscriberId, left_at: DateTime<Utc>) -> sqlx::Result<bool> {
    // To the microsecond, which is what is stored of a moment.
    let left_at = left_at.trunc_subsecs(6);
    sqlx::query_scalar!(
        r#"select exists (
               select from subscribers
               where id = $1 and state = 'unsubscribed' and may_undo and state_changed_at = $2) as "may_undo!""#,
        id.0,
        left_at
    )
    .fetch_one(db)
    .await
}

/// Writes to a subscriber in this language from now on. Answers whether it was another one before.
pub async fn set_locale(db: &mut PgConnection, id: SubscriberId, locale: Locale) -> sqlx::Result<bool> {
    let changed =
        sqlx::query!("update subscribers set locale = $2 where id = $1 and locale <> $2", id.0, locale.tag())
            .execute(db)
            .await?;
    Ok(changed.rows_affected() > 0)
}

/// The subscriber, locked, so that two presses at once come one after the other.
pub async fn locked(db: &mut PgConnection, id: SubscriberId) -> sqlx::Result<Option<Subscriber>> {
    // Whoever had to wait for it gets the row as it is then: Postgres reads the newest version of a locked row.
    sqlx::query_as!(
        Subscriber,
        r#"select id as "id: SubscriberId", email as "email: EmailAddress", locale as "locale: Locale",
             state as "state: SubscriberState", confirmed_at, state_changed_at
           from subscribers where id = $1 for update"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// How many there are who get updates.
pub async fn count_active(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from subscribers where state = 'active'"#)
        .fetch_one(db)
        .await
}

/// How many subscribers there were at the end of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MonthEnd {
    /// The first day of the month, in UTC.
    pub month: NaiveDate,
    /// Active subscribers at its end, or now.
    pub active: i64,
}

/// The last `months` months, oldest first, as far as it is still known: who was erased, or left and came back, counts as
/// if it had always been so.
///
/// Reads all subscribers: a second at a million. Not for every request.
pub async fn growth(db: &mut PgConnection, months: u32, now: DateTime<Utc>) -> sqlx::Result<Vec<MonthEnd>> {
    let changes = sqlx::query!(
        r#"select month as "month!", sum(change)::bigint as "change!" from (
               select date_trunc('month', confirmed_at, 'UTC')::date as month, count(*) as change
               from subscribers group by 1
               union all
               select date_trunc('month', state_changed_at, 'UTC')::date, -count(*)
               from subscribers where state <> 'active' group by 1) c
           group by month order by month"#
    )
    .fetch_all(db)
    .await?;
    let this_month = now.date_naive().with_day(1).unwrap_or_default();
    let ends = (0..months).rev().filter_map(|back| this_month.checked_sub_months(Months::new(back)));
    Ok(ends
        .map(|month| {
            let until = changes.iter().filter(|change| change.month <= month);
            MonthEnd { month, active: until.map(|change| change.change).sum() }
        })
        .collect())
}

/// How many there are, in whatever state.
pub async fn count_all(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from subscribers"#).fetch_one(db).await
}
