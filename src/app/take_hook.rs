//! What mail providers tell of our mails over HTTP: whether it is theirs, and what came back.
//!
//! | file | holds |
//! |---|---|
//! | `request` | what a request brings along, and what it comes to |
//! | `proof` | secrets and signatures of providers that have one for each customer |
//! | [`sns`] | messages of Amazon SNS, and the certificates that sign them |

mod proof;
mod request;
pub mod sns;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    app::{
        off_runtime::off_runtime,
        take_bounce::{self, About, CameBack, Recognition, TakeError},
    },
    config::{BounceHook, HookProof, HookProvider, Topic},
    mail::{
        hook_mark,
        incoming::hook::{self, Event},
    },
};

use self::{
    proof::MailgunSignature,
    sns::{Certificates, Envelope},
};

pub use self::request::{Credentials, HookError, Told};

/// Bytes of a body that is read at once: in less than a millisecond.
const SMALL: usize = 64 * 1024;

/// The providers that may tell of something, and how each proves that it is them.
pub struct Hooks {
    known: Vec<BounceHook>,
    recognition: Recognition,
    certificates: Certificates,
}

/// A request that may be read.
pub struct Begun {
    provider: HookProvider,
    /// Whether it is certain already that it is its provider's.
    pub is_proven: bool,
}

impl Hooks {
    /// Those of a configuration.
    #[must_use]
    pub fn new(known: Vec<BounceHook>, recognition: Recognition, certificates: Certificates) -> Self {
        Self { known, recognition, certificates }
    }

    /// Whether a request may be read: its provider is configured, and where a secret in its head is the proof it is the right
    /// one.
    ///
    /// # Errors
    /// [`HookError`].
    pub fn may_begin(&self, provider: &str, credentials: &Credentials<'_>) -> Result<Begun, HookError> {
        let provider: HookProvider = provider.parse().map_err(|_| HookError::Unknown)?;
        let mut own = self.of(provider).peekable();
        own.peek().ok_or(HookError::Unknown)?;
        let is_proven = matches!(own.peek(), Some(HookProof::Secret(_)));
        let is_good = own.any(|proof| match proof {
            HookProof::Secret(secret) => proof::is_secret(secret, credentials.authorization),
            HookProof::P256(_) => credentials.signature.is_some(),
            HookProof::Hmac(_) | HookProof::Topic(_) => true,
        });
        is_good.then_some(Begun { provider, is_proven }).ok_or(HookError::NotTheirs(
            "the password in the address, the token or the signature is not that of this provider in BOUNCE_HOOKS",
        ))
    }

    /// Takes in what a provider tells. Once this has answered, all of it is recorded, and so is what follows from it.
    ///
    /// # Errors
    /// [`HookError`].
    pub async fn take(
        &self,
        pool: &PgPool,
        provider: &str,
        credentials: &Credentials<'_>,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Told, HookError> {
        let Begun { provider, .. } = self.may_begin(provider, credentials)?;
        let events = match provider {
            HookProvider::Ses => {
                let envelope = self.verified_by_sns(body).await?;
                match envelope.asks() {
                    Some(told) => return Ok(told),
                    // Also what SNS sends to see whether it gets through, which is no JSON.
                    None => envelope.message.into_bytes(),
                }
            }
            HookProvider::Mailgun => {
                let Signed { signature } = serde_json::from_slice(body).map_err(|_| {
                    HookError::Unreadable("this is not an event of Mailgun's with a signature")
                })?;
                let is_good = |proof: &HookProof| match proof {
                    HookProof::Hmac(key) => signature.is_made_with(key, now),
                    _ => false,
                };
                self.proven(provider, is_good)?;
                body.to_vec()
            }
            HookProvider::Sendgrid => {
                let is_good = |proof: &HookProof| match proof {
                    HookProof::P256(point) => proof::is_signed(point, credentials, body),
                    _ => false,
                };
                self.proven(provider, is_good)?;
                body.to_vec()
            }
            HookProvider::Postmark | HookProvider::Brevo | HookProvider::Mailjet => body.to_vec(),
        };
        let read =
            move || serde_json::from_slice::<Value>(&events).map(|events| hook::read(provider, &events));
        let events = match if body.len() > SMALL { off_runtime(read).await? } else { read() } {
            Ok(events) => events,
            Err(_) if provider == HookProvider::Ses => Vec::new(),
            Err(_) => return Err(HookError::Unreadable("the body is not JSON")),
        };
        let (mut taken, mut not_taken) = (Vec::new(), None);
        for event in events {
            let came_back = self.came_back(event);
            match take_bounce::take(pool, &self.recognition, came_back, now).await {
                Ok(one) => taken.push(one),
                // The others do not wait for somebody to look at one that is about nobody.
                Err(full @ TakeError::Full) => not_taken = Some(full),
                Err(error) => return Err(error.into()),
            }
        }
        not_taken.map_or(Ok(Told::Events(taken)), |error| Err(error.into()))
    }

    fn of(&self, provider: HookProvider) -> impl Iterator<Item = &HookProof> {
        self.known.iter().filter(move |hook| hook.provider == provider).map(|hook| &hook.proof)
    }

    fn proven(&self, provider: HookProvider, is_good: impl Fn(&HookProof) -> bool) -> Result<(), HookError> {
        self.of(provider).any(is_good).then_some(()).ok_or(HookError::NotTheirs(
            "the signature was not made with the key behind this provider in BOUNCE_HOOKS",
        ))
    }

    async fn verified_by_sns(&self, body: &[u8]) -> Result<Envelope, HookError> {
        let envelope = Envelope::read(body)?;
        let is_ours = |topic: &&Topic| topic.arn == envelope.topic_arn;
        let topics = self.of(HookProvider::Ses).filter_map(|proof| match proof {
            HookProof::Topic(topic) => Some(topic),
            HookProof::Secret(_) | HookProof::Hmac(_) | HookProof::P256(_) => None,
        });
        let topic = { topics }.find(is_ours).ok_or(HookError::NotTheirs(
            "this is of another topic than the one behind ses: in BOUNCE_HOOKS",
        ))?;
        self.certificates.verify(&envelope, topic).await?;
        Ok(envelope)
    }

    fn came_back(&self, event: Event) -> CameBack {
        let keys = &self.recognition.keys;
        let by_mark = event.mark.as_deref().and_then(|mark| hook_mark::read(keys, mark));
        let by_path = || {
            let paths = self.recognition.return_paths.as_ref()?;
            paths.read(event.return_path.as_deref()?)
        };
        let about = match by_mark.or_else(by_path) {
            _ if event.is_for_a_person => About::Nobody,
            Some(id) => About::Delivery(id),
            None => About::ItsMessageId,
        };
        CameBack { report: event.report, about, message: event.message }
    }
}

/// The one part of an event of Mailgun's that is looked at before it is known whose it is.
#[derive(Deserialize)]
struct Signed {
    signature: MailgunSignature,
}
