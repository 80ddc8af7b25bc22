//! Builds the message of a claimed delivery.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    app::{
        answer_signup::{Answer, AnswerKind, NoAnswer, answer_signup},
        mailed_link::{self, NoLink},
    },
    config::{HookProvider, SecretKeys, SignupLimits},
    delivery::{
        signing::{NoSignature, Signing},
        spans,
    },
    domain::{
        address::EmailAddress,
        ids::MailingId,
        mailing,
        publication::{self, Publication},
        queue::{delivery::DeliveryKind, transmission::Claimed},
        signup::held::HeldFor,
        staff::{link::Mailed, secret::OneTimeToken},
        subscriber,
        token::{ConfirmToken, ConfirmTokenHash},
        update,
    },
    mail::{
        compose::{ComposeError, Composer},
        dkim::Signer,
        hook_mark,
        merge_fields::OwnTokens,
        message::{Frame, Recipient, message_id},
        return_path::ReturnPaths,
        templates::MailKind,
    },
};

/// Builds messages; keeps the encoded frame of each mailing, so that it is made once.
pub struct MessageBuilder {
    pool: PgPool,
    composer: Composer,
    keys: SecretKeys,
    limits: SignupLimits,
    return_paths: Option<ReturnPaths>,
    /// Whose events are to name the mail.
    hooks: Vec<HookProvider>,
    signing: Option<Signing>,
    frames: Mutex<HashMap<MailingId, Arc<Frame>>>,
    /// When the operator was last told of held signups.
    told_of_held: Mutex<Option<Instant>>,
}

/// How often the operator is told that signups are held.
const TELL_AGAIN: Duration = Duration::from_mins(10);

/// A message ready to go.
#[expect(clippy::struct_field_names, reason = "Message-ID is the header's name")]
pub struct Message {
    /// Envelope sender.
    pub from: EmailAddress,
    /// Envelope recipient.
    pub to: EmailAddress,
    /// What goes on the wire, with CRLF.
    pub bytes: Vec<u8>,
    /// Its Message-ID.
    pub message_id: String,
    /// The token a confirmation mail carries; its hash has to be kept before the mail leaves.
    pub confirm_token: Option<ConfirmTokenHash>,
    /// The same of a one-time link for somebody on the staff.
    pub staff_link: Option<Mailed>,
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum NoMessage {
    /// It should not be sent any more. Skip it.
    #[error("{0}")]
    NotWanted(&'static str),
    /// It cannot be made at the moment. Put it off; the operator is told.
    #[error("{0}")]
    NotYet(String),
    /// It waits until staff decide, or until this moment, when it is over by itself.
    #[error("{}", .0.text())]
    Held(HeldFor, DateTime<Utc>),
    /// The database failed. Try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<NoAnswer> for NoMessage {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::NotNeeded(why) => Self::NotWanted(why),
            NoAnswer::Held(reason, until) => Self::Held(reason, until),
            NoAnswer::NoPublication => Self::no_publication(),
            NoAnswer::Database(error) => error.into(),
        }
    }
}

impl From<NoLink> for NoMessage {
    fn from(error: NoLink) -> Self {
        match error {
            NoLink::NotNeeded(why) => Self::NotWanted(why),
            NoLink::NoPublication => Self::no_publication(),
            NoLink::Database(error) => error.into(),
        }
    }
}

impl NoMessage {
    fn no_publication() -> Self {
        Self::NotYet("there is no publication yet; run: rundbrief publication apply".into())
    }
}

impl From<NoSignature> for NoMessage {
    fn from(error: NoSignature) -> Self {
        Self::NotYet(error.to_string())
    }
}

impl From<ComposeError> for NoMessage {
    fn from(error: ComposeError) -> Self {
        Self::NotYet(format!("{error}; the publication is changed with: rundbrief publication apply"))
    }
}

impl MessageBuilder {
    pub fn new(
        pool: PgPool,
        composer: Composer,
        keys: SecretKeys,
        limits: SignupLimits,
        return_paths: Option<ReturnPaths>,
        hooks: Vec<HookProvider>,
        signer: Option<&Signer>,
    ) -> Self {
        let (frames, told_of_held) = (Mutex::default(), Mutex::default());
        let signing = signer.map(Signing::new);
        Self { pool, composer, keys, limits, return_paths, hooks, signing, frames, told_of_held }
    }

    /// The message of a delivery, as of now.
    pub async fn prepare(&self, delivery: &Claimed, now: DateTime<Utc>) -> Result<Message, NoMessage> {
        let mut message = self.of_kind(delivery, now).await?;
        if !self.hooks.is_empty() {
            let head = hook_mark::headers(&self.hooks, &self.keys, delivery.id);
            message.bytes.splice(..0, head.into_bytes());
        }
        if let Some(signing) = &self.signing {
            // Still the address that its From names.
            message.bytes = signing.sign(&message.from, message.bytes).await?;
        }
        if let Some(paths) = &self.return_paths {
            message.from = paths.of(delivery.id);
        }
        Ok(message)
    }

    /// Whether anybody reads what comes back.
    pub fn reads_reports(&self) -> bool {
        self.return_paths.is_some()
    }

    async fn of_kind(&self, delivery: &Claimed, now: DateTime<Utc>) -> Result<Message, NoMessage> {
        match delivery.kind {
            DeliveryKind::Mailing => self.mailing_copy(delivery, now).await,
            DeliveryKind::Confirmation => self.confirmation(delivery, now).await,
            DeliveryKind::Welcome | DeliveryKind::Access | DeliveryKind::AddressNotice => {
                self.to_subscriber(delivery, now).await
            }
            DeliveryKind::Test => self.test(delivery, now).await,
            DeliveryKind::Invitation => self.staff_link(delivery, MailKind::Invitation, now).await,
            DeliveryKind::NewPassword => self.staff_link(delivery, MailKind::NewPassword, now).await,
        }
    }

    /// Forgets the frames of mailings that are over.
    pub fn keep_only(&self, at_work: &[MailingId]) {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| at_work.contains(id));
    }

    async fn mailing_copy(&self, delivery: &Claimed, now: DateTime<Utc>) -> Result<Message, NoMessage> {
        let (Some(mailing), Some(subscriber), Some(to)) =
            (delivery.mailing, delivery.subscriber, &delivery.address)
        else {
            return Err(NoMessage::NotWanted("the subscriber was erased"));
        };
        let frame = match self.known_frame(mailing) {
            Some(frame) => frame,
            None => self.mailing_frame(mailing).instrument(spans::mailing(mailing)).await?,
        };
        let tokens = self.composer.own_tokens(subscriber);
        Ok(self.message(delivery, &frame, to, mailing.0, Some(&tokens), now))
    }

    fn known_frame(&self, id: MailingId) -> Option<Arc<Frame>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    async fn mailing_frame(&self, id: MailingId) -> Result<Arc<Frame>, NoMessage> {
        let mut db = self.pool.acquire().await?;
        let content = mailing::content(&mut db, id).await?;
        let publication = publication::version(&mut db, content.publication_version)
            .await?
            .ok_or_else(|| NoMessage::NotYet("the mailing's publication is gone".into()))?;
        let frame = Arc::new(self.composer.mailing_frame(&publication, &content)?);
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&frame));
        Ok(frame)
    }

    async fn confirmation(&self, delivery: &Claimed, now: DateTime<Utc>) -> Result<Message, NoMessage> {
        let about = (delivery.id, delivery.signup);
        let answer = answer_signup(&self.pool, &self.keys, &self.limits, about, now).await;
        let Answer { signup, publication, kind } = answer.inspect_err(|error| {
            if let NoAnswer::Held(reason, _) = error {
                self.tell_of_held(*reason);
            }
        })?;
        let (to, id) = (&signup.email, signup.id.0);
        let token = ConfirmToken::mint();
        let frame = match kind {
            AnswerKind::AlreadySubscribed(subscriber) => {
                let frame = self.composer.already_subscribed(&publication, &signup)?;
                let tokens = self.composer.own_tokens(subscriber);
                return Ok(self.message(delivery, &frame, to, id, Some(&tokens), now));
            }
            AnswerKind::AddressChange => self.composer.address_change(&publication, &signup, &token)?,
            AnswerKind::Confirmation => self.composer.confirmation(&publication, &signup, &token)?,
        };
        let message = self.message(delivery, &frame, to, id, None, now);
        Ok(Message { confirm_token: Some(token.hash()), ..message })
    }

    /// Tells the operator that signups are held; not again for each of them.
    fn tell_of_held(&self, reason: HeldFor) {
        let mut told = self.told_of_held.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() > TELL_AGAIN) {
            *told = Some(Instant::now());
            tracing::error!(
                limit = reason.name(),
                "more signups than a limit allows: their mails wait for you; see: rundbrief signups status"
            );
        }
    }

    async fn to_subscriber(&self, delivery: &Claimed, now: DateTime<Utc>) -> Result<Message, NoMessage> {
        let mut db = self.pool.acquire().await?;
        let gone = || NoMessage::NotWanted("the subscriber was erased");
        let id = delivery.subscriber.ok_or_else(gone)?;
        let subscriber = subscriber::by_id(&mut db, id).await?.ok_or_else(gone)?;
        let publication = current_publication(&mut db).await?;
        let (frame, to) = match delivery.kind {
            DeliveryKind::Access => {
                (self.composer.access(&publication, &subscriber, now)?, &subscriber.email)
            }
            // To the address it is about, also when the subscription has moved by now.
            DeliveryKind::AddressNotice => (
                self.composer.address_notice(&publication, &subscriber)?,
                delivery.address.as_ref().ok_or_else(gone)?,
            ),
            _ => (self.composer.welcome(&publication, &subscriber)?, &subscriber.email),
        };
        let tokens = self.composer.own_tokens(id);
        Ok(self.message(delivery, &frame, to, id.0, Some(&tokens), now))
    }

    async fn staff_link(
        &self,
        delivery: &Claimed,
        kind: MailKind,
        now: DateTime<Utc>,
    ) -> Result<Message, NoMessage> {
        let to = delivery.address.as_ref().ok_or(NoMessage::NotWanted("the address was erased"))?;
        let (member, publication) = mailed_link::recipient(&self.pool, (delivery.id, to), now).await?;
        let token = OneTimeToken::mint();
        let link = Mailed::new(member.id, &token, now);
        let frame = self.composer.staff_link(kind, &publication, &member.name, (&token, link.expires_at))?;
        let message = self.message(delivery, &frame, to, member.id.0, None, now);
        Ok(Message { staff_link: Some(link), ..message })
    }

    async fn test(&self, delivery: &Claimed, now: DateTime<Utc>) -> Result<Message, NoMessage> {
        let mut db = self.pool.acquire().await?;
        let gone = || NoMessage::NotWanted("the update is gone");
        let (id, to) = delivery.update.zip(delivery.address.as_ref()).ok_or_else(gone)?;
        let update = update::find(&mut db, &id.to_string()).await?.ok_or_else(gone)?;
        let hosted = self.composer.hosted(&mut db, &update).await?;
        let frame = self.composer.test_frame(&current_publication(&mut db).await?, &update, &hosted)?;
        let message_id = message_id(delivery.id, id.0, self.composer.public_url());
        let bytes = self.composer.for_nobody(&frame, to, &message_id, now);
        Ok(Message {
            from: frame.sender().clone(),
            to: to.clone(),
            bytes,
            message_id,
            confirm_token: None,
            staff_link: None,
        })
    }

    fn message(
        &self,
        delivery: &Claimed,
        frame: &Frame,
        to: &EmailAddress,
        parent: Uuid,
        tokens: Option<&OwnTokens>,
        date: DateTime<Utc>,
    ) -> Message {
        let message_id = message_id(delivery.id, parent, self.composer.public_url());
        let bytes = frame.for_recipient(&Recipient { to, tokens, message_id: &message_id, date });
        Message {
            from: frame.sender().clone(),
            to: to.clone(),
            bytes,
            message_id,
            confirm_token: None,
            staff_link: None,
        }
    }
}

async fn current_publication(db: &mut PgConnection) -> Result<Publication, NoMessage> {
    publication::current(db).await?.ok_or_else(NoMessage::no_publication)
}
