//! What came back about mails: taking it in, and what the relay refused at once.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::{
    app::{
        Deed,
        off_runtime::{Busy, off_runtime},
    },
    config::{PublicUrl, SecretKeys},
    domain::{
        actor::{Actor, NotPermitted},
        address::EmailAddress,
        bounce::{
            self, BounceKind, Consequence, ListedBounce, NewBounce, Refused, Returned, Way, unassigned,
        },
        event::Event,
        ids::DeliveryId,
        staff::audit::Action,
        subscriber::{self, SubscriberState},
        suppression,
    },
    mail::{
        incoming::{self, Report},
        message::message_id,
        return_path::{Named, ReturnPaths},
    },
    telemetry::{mask_addresses, mask_recipient},
};

const SERVICE: &Actor = &Actor::Service;

/// Messages that wait for a person because nobody can tell whose mail they are about. Anybody may send such.
const MOST_UNASSIGNED: i64 = 2_000;

/// The same with those that were put aside and whose 90 days are not over.
const MOST_KEPT: i64 = 4_000;

/// Bytes that are kept of a message.
const KEPT: usize = 64 * 1024;

/// How long a refusal waits until it is judged: a run of equal ones is noticed before, see
/// [`refusals`](crate::domain::queue::refusals).
const SETTLED: Duration = Duration::minutes(10);

/// What is needed to tell whom a message is about.
#[derive(Clone)]
pub struct Recognition {
    /// Keys of tokens and suppressions.
    pub keys: SecretKeys,
    /// Nothing where mails have no return path of their own.
    pub return_paths: Option<ReturnPaths>,
    /// Which Message-IDs are ours.
    pub public_url: PublicUrl,
}

/// To whom a message is addressed by its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee {
    /// The return path of this delivery.
    Delivery(DeliveryId),
    /// The bare address, or it is not known: the message itself has to say.
    Anybody,
}

impl Recognition {
    /// Whose return path an address of the envelope is; nothing when it is none of ours.
    #[must_use]
    pub fn addressee(&self, address: &str) -> Option<Addressee> {
        let paths = self.return_paths.as_ref()?;
        let bare = || paths.is_bare(address).then_some(Addressee::Anybody);
        paths.read(address).map(Addressee::Delivery).or_else(bare)
    }
}

/// What a message came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// What it says.
    pub kind: BounceKind,
    /// Whether it is certain which mail it is about. What is about none waits for a person.
    pub is_recognised: bool,
    /// Whether the same message was there before; then nothing changed.
    pub is_known: bool,
    /// What it changed.
    pub consequence: Consequence,
}

impl Taken {
    /// Tells the log what was taken in, by this way.
    pub fn log(self, way: &str) {
        tracing::info!(
            way,
            kind = self.kind.name(),
            is_recognised = self.is_recognised,
            is_known = self.is_known,
            consequence = ?self.consequence,
            "something came back"
        );
    }
}

impl TakeError {
    /// Tells the log of [`TakeError::Full`].
    pub fn log_full() {
        tracing::warn!(
            "too many reports wait that are about nobody for certain; somebody has to look at them: nothing more of that kind is taken"
        );
    }
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Too much is being read; bring it again.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Too many wait already that are about nobody for certain; look at them.
    #[error("too many reports wait that are about nobody for certain; somebody has to look at them first")]
    Full,
    /// The database failed; bring it again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Why nobody was made active again.
#[derive(Debug, thiserror::Error)]
pub enum ReactivateError {
    /// Only admins do this.
    #[error(transparent)]
    NotAllowed(#[from] NotPermitted),
    /// Nobody has this address.
    #[error("there is no subscriber with this address")]
    Unknown,
    /// Mail has not come back from there. Who left, or reported mail as spam, comes back only by signing up.
    #[error("mail to this address has not come back: there is nothing to undo")]
    NotBounced,
    /// Whoever has the address reported mail as spam, or was erased.
    #[error("this address is suppressed: whoever has it wants no mail")]
    Suppressed,
    /// That they ever agreed is not on record; they have to sign up themselves.
    #[error("that this person agreed to get mail is not on record: they have to sign up themselves")]
    NoConsent,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Takes in a message that came back. Once this has answered, it is recorded, and so is what follows from it; bringing it
/// again changes nothing (invariant 12).
///
/// # Errors
/// [`TakeError`]; then nothing of it is recorded.
pub async fn take_bounce(
    pool: &PgPool,
    recognition: &Recognition,
    addressee: Addressee,
    message: Vec<u8>,
    now: DateTime<Utc>,
) -> Result<Taken, TakeError> {
    let paths = recognition.return_paths.clone();
    let read = off_runtime(move || {
        let named = match (addressee, paths) {
            (Addressee::Delivery(id), _) => Named::One(id),
            (Addressee::Anybody, Some(paths)) => paths.named_in(&message),
            (Addressee::Anybody, None) => Named::Nobody,
        };
        let about = match named {
            Named::One(id) => About::Delivery(id),
            Named::Several => About::Nobody,
            Named::Nobody => About::ItsMessageId,
        };
        CameBack { report: incoming::read(&message), about, message }
    });
    take(pool, recognition, read.await?, now).await
}

/// A message that came back, read.
pub(in crate::app) struct CameBack {
    pub report: Report,
    pub about: About,
    /// As it is kept, and told from others.
    pub message: Vec<u8>,
}

/// What says which mail a message is about.
pub(in crate::app) enum About {
    /// A token of ours.
    Delivery(DeliveryId),
    /// The Message-ID of a mail that went to the recipient it names, if there is one.
    ItsMessageId,
    /// Nothing: a person has to decide.
    Nobody,
}

/// The same of a message that was read.
pub(in crate::app) async fn take(
    pool: &PgPool,
    recognition: &Recognition,
    CameBack { report, about, message }: CameBack,
    now: DateTime<Utc>,
) -> Result<Taken, TakeError> {
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let delivery = match about {
        About::Delivery(id) => Some(id),
        About::Nobody => None,
        About::ItsMessageId => by_message_id(&mut deed, recognition, &report, now).await?,
    };
    let (returned, reader) = match delivery {
        Some(id) => bounce::returned_and_locked(&mut deed, id).await?,
        None => (None, None),
    };
    if delivery.is_none()
        && (unassigned::count(&mut deed).await? >= MOST_UNASSIGNED
            || unassigned::count_with_ignored(&mut deed).await? >= MOST_KEPT)
    {
        return Err(TakeError::Full);
    }
    // Of one message to two return paths each is told of.
    let about = delivery.map_or([0; 8], |id| id.0.to_be_bytes());
    let digest = Sha256::new().chain_update(&message).chain_update(about).finalize();
    let first = report.recipients.first();
    // Of a mail of ours that was nobody's, or is nobody's any more, no words are kept: no erasure would find them.
    let is_somebodys = delivery.is_none()
        || returned.as_ref().is_some_and(|mail| mail.subscriber.is_some() || mail.signup.is_some());
    let text = |text: &str| text.replace(char::is_control, " ");
    let masked = |text: &str| match &reader {
        Some(reader) => mask_addresses(&mask_recipient(text, reader.email.as_str())),
        None => mask_addresses(text),
    };
    let diagnostic = first.and_then(|recipient| recipient.diagnostic.as_deref());
    let diagnostic = diagnostic.filter(|_| is_somebodys).map(|said| masked(&text(said)));
    let status = first.and_then(|recipient| recipient.status.as_deref()).map(text);
    let remote_mta = report.remote_mta.as_deref().map(|mta| masked(&text(mta)));
    let named: Vec<String> =
        report.recipients.iter().map(|recipient| text(&recipient.address).to_lowercase()).collect();
    // What somebody's program writes in their absence is nothing to keep.
    let is_kept = !matches!(report.kind, BounceKind::AutoReply | BounceKind::Delayed) || delivery.is_none();
    let new = NewBounce {
        kind: report.kind,
        way: Way::Report,
        delivery,
        returned: returned.as_ref(),
        status: status.as_deref(),
        diagnostic: diagnostic.as_deref(),
        remote_mta: remote_mta.as_deref(),
        recipients: if delivery.is_some() { &[] } else { &named },
        report: (is_kept && is_somebodys).then(|| &message[..message.len().min(KEPT)]),
        digest: digest.into(),
    };
    let consequence = book(&mut deed, &recognition.keys, &new, now).await?;
    deed.commit().await?;
    Ok(Taken {
        kind: report.kind,
        is_recognised: delivery.is_some(),
        is_known: consequence.is_none(),
        consequence: consequence.unwrap_or(Consequence::None),
    })
}

/// Records what came back and what follows from it; nothing where it is known.
async fn book(
    deed: &mut Deed<'_>,
    keys: &SecretKeys,
    new: &NewBounce<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Consequence>> {
    if !bounce::record(deed, new, now).await? {
        return Ok(None);
    }
    deed.tell(&Event::BounceRecorded(new.delivery)).await?;
    let Some(returned) = new.returned else { return Ok(Some(Consequence::None)) };
    bounce::apply(deed, keys, SERVICE, (returned, new.kind), now).await.map(Some)
}

/// The mail with the Message-ID that a report brings along, among those to the addresses that it names. Either alone is not
/// certain: anybody may know a Message-ID.
async fn by_message_id(
    deed: &mut Deed<'_>,
    recognition: &Recognition,
    report: &Report,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<DeliveryId>> {
    let Some(named) = &report.message_id else { return Ok(None) };
    let named = format!("<{}>", named.trim_matches(['<', '>']));
    for recipient in report.recipients.iter().take(10) {
        let Ok(address) = EmailAddress::parse(&recipient.address) else { continue };
        let sent = bounce::sent_to(deed, &address, now).await?;
        let found =
            sent.into_iter().find(|(id, parent)| message_id(*id, *parent, &recognition.public_url) == named);
        if let Some((id, _)) = found {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Judges one refusal of the relay, by the same rules as what comes back later. Each in a transaction of its own: like
/// leaving, it holds up whoever sends to their neighbours. Answers whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn judge_refusal(pool: &PgPool, keys: &SecretKeys, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let before = now - SETTLED;
    if !bounce::any_refused(&mut *pool.acquire().await?, before).await? {
        return Ok(false);
    }
    let mut deed = Deed::begin(pool, SERVICE, now).await?;
    let refused = bounce::take_refused(&mut deed, before).await?;
    let any = refused.is_some();
    if let Some(Refused { mail, code, text, .. }) = refused.filter(|refused| refused.stands) {
        let kind = incoming::of_reply(code, &text);
        let Returned { delivery, sent_at, .. } = mail;
        let digest = Sha256::new()
            .chain_update("reply")
            .chain_update(delivery.0.to_be_bytes())
            .chain_update(sent_at.unwrap_or(now).timestamp_micros().to_be_bytes())
            .finalize();
        let said = match code {
            Some(code) => format!("{code} {text}"),
            None => text,
        };
        let new = NewBounce {
            kind,
            way: Way::Reply,
            delivery: Some(delivery),
            returned: Some(&mail),
            status: None,
            diagnostic: Some(&said),
            remote_mta: None,
            recipients: &[],
            report: None,
            digest: digest.into(),
        };
        book(&mut deed, keys, &new, now).await?;
    }
    deed.commit().await?;
    Ok(any)
}

/// The newest of what came back.
///
/// # Errors
/// When the database fails.
pub async fn list(pool: &PgPool, kind: Option<BounceKind>, limit: i64) -> sqlx::Result<Vec<ListedBounce>> {
    bounce::list(&mut *pool.acquire().await?, kind, false, limit).await
}

/// The message of something that came back, as long as it is kept.
///
/// # Errors
/// When the database fails.
pub async fn report(pool: &PgPool, id: i64) -> sqlx::Result<Option<Vec<u8>>> {
    bounce::report(&mut *pool.acquire().await?, id).await
}

/// Lets mail go to an address again from which it had come back.
///
/// # Errors
/// [`ReactivateError`].
pub async fn reactivate(
    pool: &PgPool,
    keys: &SecretKeys,
    by: &Actor,
    address: &EmailAddress,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), ReactivateError> {
    let mut deed = Deed::by_admin(pool, by, now)?.await?;
    let known = subscriber::by_address(&mut deed, &address.normalized()).await?;
    let known = known.ok_or(ReactivateError::Unknown)?;
    if known.state != SubscriberState::Bounced {
        return Err(ReactivateError::NotBounced);
    }
    if suppression::find(&mut deed, keys, &address.normalized()).await?.is_some() {
        return Err(ReactivateError::Suppressed);
    }
    if !subscriber::reactivate(&mut deed, known.id, now).await? {
        return Err(ReactivateError::NoConsent);
    }
    let event = Event::SubscriberReactivated(known.id);
    // The log is kept for years, and whoever is erased must not live on in it.
    let reason = mask_addresses(&mask_recipient(reason, address.as_str()));
    let details = json!({ "reason": reason });
    deed.note(Action::SubscriberReactivated, &known.email.masked(), &details, &event).await?;
    deed.commit().await?;
    Ok(())
}
