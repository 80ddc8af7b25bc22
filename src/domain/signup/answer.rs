//! What the owner of an address answers behind the link of their confirmation mail.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    config::SecretKeys,
    domain::{
        actor::Actor,
        consent::{self, ConsentKind, ConsentMethod, NewEvent, Shown},
        event::Event,
        ids::{SignupId, SubscriberId},
        publication,
        queue::{
            delivery::{self, DeliveryKind},
            withdrawal,
        },
        subscriber, suppression,
        token::ConfirmTokenHash,
    },
};

use super::{
    address_change, by_token,
    standing::{self, LinkStanding},
    state::{Signup, SignupState},
};

/// "Ja, anmelden": makes the address a subscriber. Pressing again changes nothing. Answers the signup as it was, and what the
/// link is worth now; nothing when no signup has this token.
///
/// `opened_at` is when the page was opened, if the form brought a signed time with it; it goes into the record as
/// an event of its own. Without it nobody knows whether a button was pressed, and the record does not say so.
pub async fn confirm(
    db: &mut PgConnection,
    keys: &SecretKeys,
    by: &Actor,
    token: ConfirmTokenHash,
    opened_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<(Signup, LinkStanding)>> {
    let Some(signup) = locked(db, token).await? else { return Ok(None) };
    let standing = standing::of(db, &signup, now).await?;
    let can_be_answered = signup.state == SignupState::Waiting && now < signup.expires_at;
    if !can_be_answered || !matches!(standing, LinkStanding::Open | LinkStanding::Elsewhere(_)) {
        return Ok(Some((signup, standing)));
    }
    let id = if let Some(id) = signup.replaces {
        let Some(moves) = address_change::active(db, id).await? else {
            return Ok(Some((signup, LinkStanding::Lapsed)));
        };
        end(db, signup.id, SignupState::Confirmed, now).await?;
        address_change::complete(db, by, &signup, &moves, now).await?
    } else {
        end(db, signup.id, SignupState::Confirmed, now).await?;
        supersede_others(db, &signup, now).await?;
        let activated = subscriber::activate(db, &signup.email, signup.locale, now).await?;
        if activated.was_inactive {
            delivery::enqueue_for_subscriber(db, DeliveryKind::Welcome, activated.id, now).await?;
        }
        activated.id
    };
    suppression::lift(db, keys, &signup.email.normalized()).await?;
    let told = if signup.replaces.is_some() {
        Event::SubscriberAddressChanged(signup.id, id)
    } else {
        Event::SignupConfirmed(signup.id, id)
    };
    record_answer(db, by, &signup, (Some(id), ConsentKind::Confirmed, &told), opened_at, now).await?;
    if signup.replaces.is_some() {
        // Last, because it holds up the worker that is just sending to its neighbours.
        withdrawal::readdress_for_subscriber(db, id).await?;
    }
    Ok(Some((signup, LinkStanding::Confirmed(id))))
}

/// "Das war ich nicht": ends the signup. A confirmed one stays confirmed; leaving is what unsubscribe is for. Answers the
/// signup, and what the link is worth now; nothing when no signup has this token.
pub async fn decline(
    db: &mut PgConnection,
    by: &Actor,
    token: ConfirmTokenHash,
    opened_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<(Signup, LinkStanding)>> {
    let Some(mut signup) = locked(db, token).await? else { return Ok(None) };
    let standing = standing::of(db, &signup, now).await?;
    if signup.state != SignupState::Waiting || standing == LinkStanding::Lapsed {
        return Ok(Some((signup, standing)));
    }
    end(db, signup.id, SignupState::Declined, now).await?;
    let told = Event::SignupDeclined(signup.id);
    record_answer(db, by, &signup, (None, ConsentKind::Declined, &told), opened_at, now).await?;
    signup.state = SignupState::Declined;
    let standing = standing::of(db, &signup, now).await?;
    Ok(Some((signup, standing)))
}

/// Ends the other signups of an address that has just been confirmed: their links are not to bring anybody back who
/// leaves. One whose mail has not gone out yet is left alone: it is answered with "you are subscribed already".
async fn supersede_others(db: &mut PgConnection, confirmed: &Signup, now: DateTime<Utc>) -> sqlx::Result<()> {
    let normalized = confirmed.email.normalized();
    sqlx::query!(
        "with ended as (
             update signups s set state = 'superseded', ended_at = $3
             where email_normalized = $1 and id <> $2 and state = 'waiting' and expires_at > $3 and replaces is null
               and not exists (select from deliveries d where d.signup_id = s.id and d.state = 'pending')
             returning id, email, email_normalized)
         insert into consent_events (at, kind, method, email, email_normalized, signup_id)
         select $3, 'superseded', 'other_signup', email, email_normalized, id from ended",
        normalized.as_str(),
        confirmed.id.0,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The signup of a token, locked together with whatever its answer changes, so that two presses at once come one after
/// the other: the subscription it is to move, or all signups of its address. Everybody locks subscriptions first, and
/// signups in the order of their ids.
async fn locked(db: &mut PgConnection, token: ConfirmTokenHash) -> sqlx::Result<Option<Signup>> {
    let Some(signup) = by_token(db, token).await? else { return Ok(None) };
    let normalized = signup.email.normalized();
    sqlx::query!(
        "select id from subscribers where id = $1 or ($1::uuid is null and email_normalized = $2) for update",
        signup.replaces.map(|id| id.0),
        normalized.as_str()
    )
    .fetch_all(&mut *db)
    .await?;
    sqlx::query!(
        "select id from signups
         where id = $1 or ($3 and email_normalized = $2 and state = 'waiting' and replaces is null)
         order by id for update",
        signup.id.0,
        normalized.as_str(),
        signup.replaces.is_none()
    )
    .fetch_all(&mut *db)
    .await?;
    by_token(db, token).await
}

async fn end(
    db: &mut PgConnection,
    id: SignupId,
    state: SignupState,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update signups set state = $2, ended_at = $3 where id = $1",
        id.0,
        state as SignupState,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn record_answer(
    db: &mut PgConnection,
    by: &Actor,
    signup: &Signup,
    (subscriber, kind, told): (Option<SubscriberId>, ConsentKind, &Event),
    opened_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if let Some(opened_at) = opened_at {
        let opened = NewEvent {
            signup: Some(signup.id),
            subscriber,
            ..NewEvent::new(ConsentKind::LinkOpened, ConsentMethod::Link, &signup.email, opened_at)
        };
        consent::record(db, &opened).await?;
    }
    // Beside the form, or on the page that was opened.
    let was_shown = signup.names_text || opened_at.is_some();
    let shown = if was_shown { shown_at(db, signup).await? } else { None };
    let method = if opened_at.is_some() { ConsentMethod::Button } else { ConsentMethod::Link };
    let pressed = NewEvent {
        signup: Some(signup.id),
        subscriber,
        shown,
        form_page: Some(&signup.form_page),
        ..NewEvent::new(kind, method, &signup.email, now)
    };
    consent::record_and_tell(db, by, &pressed, told).await
}

/// The consent text of the signup.
async fn shown_at(db: &mut PgConnection, signup: &Signup) -> sqlx::Result<Option<Shown>> {
    let publication = publication::version(db, signup.publication_version).await?;
    Ok(publication.map(|publication| Shown {
        version: publication.version,
        locale: signup.locale,
        sha256: publication.content.consent_sha256(signup.locale),
    }))
}
