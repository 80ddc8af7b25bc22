//! Calling off what waits for an address, because its owner asked staff to.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    actor::Actor,
    address::{EmailAddress, NormalizedAddress},
    consent::{self, ConsentKind, NewEvent},
    event::Event,
    ids::{SignupId, SubscriberId},
    on_request::OnRequest,
};

/// Ends every signup of an address that waits, changes of address too: their links are worth nothing any more, and a mail
/// that has not gone yet does not go. Answers how many there were.
pub async fn discard(
    db: &mut PgConnection,
    by: &Actor,
    address: &NormalizedAddress,
    asked: &OnRequest,
    now: DateTime<Utc>,
) -> sqlx::Result<usize> {
    // Subscriptions first, and signups in the order of their ids, as everywhere.
    sqlx::query!(
        "select id from subscribers
         where email_normalized = $1
            or id in (select replaces from signups where email_normalized = $1 and state = 'waiting')
         order by id for update",
        address.as_str()
    )
    .fetch_all(&mut *db)
    .await?;
    sqlx::query!(
        "select id from signups where email_normalized = $1 and state = 'waiting' and expires_at > $2 order by id for update",
        address.as_str(),
        now
    )
    .fetch_all(&mut *db)
    .await?;
    let ended = sqlx::query!(
        r#"update signups set state = 'cancelled', ended_at = $2
           where email_normalized = $1 and state = 'waiting' and expires_at > $2
           returning id as "id: SignupId", email as "email: EmailAddress", replaces as "replaces: SubscriberId""#,
        address.as_str(),
        now
    )
    .fetch_all(&mut *db)
    .await?;
    for signup in &ended {
        let event = NewEvent {
            signup: Some(signup.id),
            subscriber: signup.replaces,
            source: asked.note.as_deref(),
            ..NewEvent::new(ConsentKind::Cancelled, asked.channel.method(), &signup.email, now)
        };
        consent::record_and_tell(&mut *db, by, &event, &Event::SignupDiscarded(signup.id)).await?;
    }
    let ids: Vec<uuid::Uuid> = ended.iter().map(|signup| signup.id.0).collect();
    skip_mails(db, &ids, now).await?;
    Ok(ended.len())
}

/// Skips the mails of these signups that nobody has claimed. A worker that has one asks whether its signup still waits.
async fn skip_mails(db: &mut PgConnection, signups: &[uuid::Uuid], now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "with waiting as materialized (
             select b.id as batch, d.id from deliveries d join batches b on b.id = d.batch_id
             where d.signup_id = any($1) and d.state = 'pending' and b.claimed_by is null
             order by b.id for update of b, d
         ), skipped as (
             update deliveries d
             set state = 'skipped', finished_at = $2, smtp_text = 'the signup was called off before its mail went'
             from waiting where d.id = waiting.id
         )
         delete from batches b using waiting where b.id = waiting.batch",
        signups,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}
