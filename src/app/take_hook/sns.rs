//! Messages of Amazon SNS, which signs what it brings.
//!
//! The certificate is fetched over TLS from SNS in our topic's region, and from nowhere else: that is what makes it
//! Amazon's.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::Method;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use rsa::{PublicKey, pkcs1::EncodeRsaPublicKey, pkcs8::DecodePublicKey};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::timeout};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use url::Url;
use webpki::EndEntityCert;

use crate::{app::public_web::PublicWeb, config::Topic};

use super::request::{HookError, Told};

/// How long a certificate is remembered; each is used for about a year.
const REMEMBERED: Duration = Duration::from_hours(24);
/// Certificates that are remembered. Two are in use when one takes the place of another.
const MOST: usize = 8;
/// Certificates that are fetched at the same time. Anybody may make up names of some.
const FETCHED: usize = 4;
/// How long fetching one may take.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a certificate at most.
const LONGEST: usize = 64 * 1024;

/// What SNS brings.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope {
    #[serde(rename = "Type")]
    kind: Kind,
    message_id: String,
    /// The topic's name.
    pub topic_arn: String,
    subject: Option<String>,
    /// What was sent to the topic.
    pub message: String,
    timestamp: String,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
}

/// What SNS calls it. It is the last of what is signed: whatever else stood there could hold lines that were signed for
/// somebody else's topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::IntoStaticStr)]
enum Kind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

impl Envelope {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is none: SNS signs nothing where "raw message delivery" is on.
    pub fn read(body: &[u8]) -> Result<Self, HookError> {
        let envelope: Self = serde_json::from_slice(body).map_err(|_| {
            HookError::Unreadable("this is no message of Amazon SNS; raw message delivery has to be off")
        })?;
        // Each field is a line of what is signed. Only a message may have several, and what follows it cannot.
        let lines = [&envelope.message_id, &envelope.topic_arn, &envelope.timestamp].into_iter().chain(
            [&envelope.subject, &envelope.token, &envelope.subscribe_url]
                .into_iter()
                .filter_map(Option::as_ref),
        );
        if { lines }.any(|line| line.contains(char::is_control)) {
            return Err(HookError::NotTheirs("Amazon SNS has not signed this"));
        }
        Ok(envelope)
    }

    /// What it is about if it brings no message: a question of SNS itself.
    #[must_use]
    pub fn asks(&self) -> Option<Told> {
        let topic = self.topic_arn.clone();
        match self.kind {
            Kind::SubscriptionConfirmation => {
                Some(Told::Asks { topic, confirm_at: self.subscribe_url.clone().unwrap_or_default() })
            }
            Kind::UnsubscribeConfirmation => Some(Told::Ended { topic }),
            Kind::Notification => None,
        }
    }

    /// What is signed: these fields in this order, each with its name, as far as they are there.
    fn signed(&self) -> String {
        let is_question = self.kind != Kind::Notification;
        let fields = [
            ("Message", Some(self.message.as_str())),
            ("MessageId", Some(&*self.message_id)),
            ("Subject", self.subject.as_deref().filter(|_| !is_question)),
            ("SubscribeURL", self.subscribe_url.as_deref().filter(|_| is_question)),
            ("Timestamp", Some(&*self.timestamp)),
            ("Token", self.token.as_deref().filter(|_| is_question)),
            ("TopicArn", Some(&*self.topic_arn)),
            ("Type", Some(self.kind.into())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value?))).collect()
    }
}

type Fetching = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>;

/// The certificates that sign messages.
pub struct Certificates {
    fetch: Box<dyn Fn(Url) -> Fetching + Send + Sync>,
    /// Those that have signed a message of ours: names that anybody makes up, or old certificates, take no room.
    known: Mutex<HashMap<Url, Known>>,
    places: Semaphore,
}

#[derive(Clone)]
struct Known {
    since: Instant,
    /// The public key (RFC 8017 A.1.1).
    key: Vec<u8>,
}

impl Certificates {
    /// As Amazon hands them out.
    #[must_use]
    pub fn new(web: PublicWeb) -> Self {
        Self::with(move |url| {
            let web = web.clone();
            Box::pin(async move {
                let fetching = async {
                    let place = web.locate(&url).await.ok()?;
                    let answer = web.ask(&url, &place, Method::GET, "Rundbrief", LONGEST).await.ok()?;
                    // A redirect would lead to somebody else.
                    answer.status.is_success().then(|| answer.body.to_vec())
                };
                timeout(WITHIN, fetching).await.ok().flatten()
            })
        })
    }

    /// As they are fetched otherwise: for tests. No setting leads here.
    #[must_use]
    pub fn with(fetch: impl Fn(Url) -> Fetching + Send + Sync + 'static) -> Self {
        Self { fetch: Box::new(fetch), known: Mutex::default(), places: Semaphore::new(FETCHED) }
    }

    /// Whether SNS has signed a message of this topic.
    ///
    /// # Errors
    /// [`HookError`].
    pub(super) async fn verify(&self, envelope: &Envelope, topic: &Topic) -> Result<(), HookError> {
        let url = Url::parse(&envelope.signing_cert_url).ok().filter(|url| is_of(url, topic)).ok_or(
            HookError::NotTheirs(
                "the certificate that signs this is not one of Amazon SNS in the topic's region",
            ),
        )?;
        let algorithm = match envelope.signature_version.as_str() {
            // What a topic has that nobody has changed.
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(HookError::NotTheirs("this is signed in a way that is not known")),
        };
        let known = self.known(&url);
        let key = match known.clone() {
            Some(known) => known,
            None => self.fetched(url.clone()).await.ok_or(HookError::NoCertificate)?,
        };
        let signature = STANDARD.decode(&envelope.signature).unwrap_or_default();
        UnparsedPublicKey::new(algorithm, &key.key)
            .verify(envelope.signed().as_bytes(), &signature)
            .map_err(|_| HookError::NotTheirs("Amazon SNS has not signed this"))?;
        if known.is_none() {
            let mut remembered = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            remembered.retain(|_, known| known.since.elapsed() < REMEMBERED);
            if remembered.len() < MOST {
                remembered.insert(url, key);
            }
        }
        Ok(())
    }

    fn known(&self, url: &Url) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(url).filter(|known| known.since.elapsed() < REMEMBERED).cloned()
    }

    async fn fetched(&self, url: Url) -> Option<Known> {
        let _place = self.places.try_acquire().ok()?;
        let key = public_key(&(self.fetch)(url).await?)?;
        Some(Known { since: Instant::now(), key })
    }
}

/// Whether an address is that of a certificate of SNS in the topic's region.
fn is_of(url: &Url, topic: &Topic) -> bool {
    let name =
        url.path().strip_prefix("/SimpleNotificationService-").and_then(|rest| rest.strip_suffix(".pem"));
    url.scheme() == "https"
        && url.host_str() == Some(topic.host.as_str())
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && name.is_some_and(|name| name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn public_key(pem: &[u8]) -> Option<Vec<u8>> {
    let certificate = CertificateDer::from_pem_slice(pem).ok()?;
    let info = EndEntityCert::try_from(&certificate).ok()?.subject_public_key_info();
    let key = PublicKey::from_public_key_der(&info).ok()?.to_pkcs1_der().ok()?;
    Some(key.as_bytes().to_vec())
}
