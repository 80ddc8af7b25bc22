//! Signups whose confirmation mail did not go out: the relay refused it for good, or nobody knows whether it has it.
//!
//! Their owners were told to look into their mailbox (invariant 9), so staff see them, and why.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    address::{EmailAddress, NormalizedAddress},
    ids::SignupId,
    queue::delivery,
};

/// A signup whose mail did not go out.
#[derive(Debug, Clone)]
pub struct Undelivered {
    id: SignupId,
    /// How many there are in all.
    all: i64,
    /// Its address.
    pub email: EmailAddress,
    /// When it was made.
    pub requested_at: DateTime<Utc>,
    /// The relay's code; nothing when the line broke.
    pub smtp_code: Option<i16>,
    /// The relay's words, or what happened on the line. They may quote the address.
    pub smtp_text: Option<String>,
}

/// The newest signups that still wait and whose last mail did not go out, where nothing else went to the address since.
pub async fn undelivered(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<Undelivered>> {
    sqlx::query_as!(
        Undelivered,
        r#"select g.id as "id: SignupId", g.email as "email: EmailAddress", g.requested_at, d.smtp_code, d.smtp_text,
             count(*) over () as "all!"
           from signups g join deliveries d on d.signup_id = g.id and d.state in ('rejected', 'unknown')
           -- Both, because there is an index for the second.
           where g.state = 'waiting' and g.state <> 'confirmed' and g.expires_at > $1
             and not exists (
                 select from signups other join deliveries later on later.signup_id = other.id
                 where other.email_normalized = g.email_normalized and later.id > d.id
                   and later.state in ('pending', 'accepted', 'rejected', 'unknown'))
             and not exists (
                 select from subscribers s where s.email_normalized = g.email_normalized and s.state = 'active')
           order by d.id desc limit $2"#,
        now,
        limit
    )
    .fetch_all(db)
    .await
}

/// How many there are of [`undelivered`].
pub async fn count(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    Ok(undelivered(db, now, 1).await?.first().map_or(0, |signup| signup.all))
}

/// Queues another mail for the newest signup of an address that waits, however its last mail ended. False when none waits, or
/// a mail of it is still to go.
pub async fn send_again_to(
    db: &mut PgConnection,
    address: &NormalizedAddress,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let waiting = sqlx::query_scalar!(
        r#"select id as "id: SignupId" from signups
           where email_normalized = $1 and state = 'waiting' and expires_at > $2
           order by requested_at desc, id desc limit 1 for update"#,
        address.as_str(),
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(id) = waiting else { return Ok(false) };
    // Two who press at once come one after the other: the question is a statement of its own.
    let has_one = sqlx::query_scalar!(
        r#"select exists (select from deliveries where signup_id = $1 and state = 'pending') as "has_one!""#,
        id.0
    )
    .fetch_one(&mut *db)
    .await?;
    if !has_one {
        delivery::enqueue_confirmation(db, id, now).await?;
    }
    Ok(!has_one)
}

/// Signups that are answered at once, at most.
const MOST: i64 = 1_000;

/// Queues another mail for each signup of [`undelivered`] made until then, the newest first and not more than a thousand.
/// Answers how many.
pub async fn send_again(
    db: &mut PgConnection,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<usize> {
    let mut again = undelivered(&mut *db, now, MOST).await?;
    again.retain(|signup| signup.requested_at <= until);
    let mut queued = 0;
    for signup in &again {
        // Two who press at once come one after the other, and the second one sees what the first one queued: the question
        // is a statement of its own.
        sqlx::query!("select id from signups where id = $1 for update", signup.id.0)
            .fetch_optional(&mut *db)
            .await?;
        let has_one = sqlx::query_scalar!(
            r#"select exists (select from deliveries where signup_id = $1 and state in ('pending', 'accepted')) as "has_one!""#,
            signup.id.0
        )
        .fetch_one(&mut *db)
        .await?;
        if !has_one {
            delivery::enqueue_confirmation(&mut *db, signup.id, now).await?;
            queued += 1;
        }
    }
    Ok(queued)
}
