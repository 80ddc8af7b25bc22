//! Which mail providers may tell of what comes back, over HTTP.

use base64::{Engine, engine::general_purpose::STANDARD};
use strum::VariantArray;

/// Characters of a secret at least: nobody counts how often one is tried.
const SHORTEST: usize = 16;

/// What stands before the 65 bytes of a public key on P-256 in DER (RFC 5480 §2).
const P256_BEFORE: [u8; 26] = *b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

/// A mail provider whose events are understood.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum HookProvider {
    /// Amazon SES, by way of SNS.
    Ses,
    /// Postmark.
    Postmark,
    /// Mailgun, of Sinch.
    Mailgun,
    /// Brevo, once Sendinblue.
    Brevo,
    /// SendGrid, of Twilio.
    Sendgrid,
    /// Mailjet, of Sinch.
    Mailjet,
}

/// One of `BOUNCE_HOOKS`: a provider, and how it is known that an event is its own.
#[derive(Clone)]
pub struct BounceHook {
    /// Whose.
    pub provider: HookProvider,
    /// How.
    pub proof: HookProof,
}

/// How it is known that an event comes from its provider.
#[derive(Clone)]
pub enum HookProof {
    /// It brings along this secret, as password or token of HTTP authentication.
    Secret(String),
    /// It is signed with this secret (HMAC-SHA256).
    Hmac(String),
    /// It is signed with the private key that belongs to this point on P-256 (ECDSA).
    P256(Vec<u8>),
    /// It is signed by SNS, for this topic of ours: anybody can have SNS sign for one of theirs.
    Topic(Topic),
}

/// An SNS topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its whole name: `arn:aws:sns:eu-central-1:123456789012:bounces`.
    pub arn: String,
    /// The host whose certificates sign its messages.
    pub host: String,
}

impl HookProvider {
    /// As it stands in `BOUNCE_HOOKS` and in the path.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl BounceHook {
    /// Reads `BOUNCE_HOOKS`: `provider:SECRET[,provider:SECRET]`. A provider may stand there twice, while its secret is
    /// replaced. No secret stands in an error.
    pub(super) fn parse(text: &str) -> Result<Vec<Self>, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let hooks: Vec<Self> = entries.map(Self::parse_one).collect::<Result<_, _>>()?;
        if hooks.is_empty() {
            Err("names no provider; write it as postmark:SECRET".to_owned())
        } else {
            Ok(hooks)
        }
    }

    /// The providers of these, each once.
    #[must_use]
    pub fn providers(hooks: &[Self]) -> Vec<HookProvider> {
        let is_there = |provider: &&HookProvider| hooks.iter().any(|hook| hook.provider == **provider);
        HookProvider::VARIANTS.iter().filter(is_there).copied().collect()
    }

    fn parse_one(entry: &str) -> Result<Self, String> {
        let (name, secret) = entry.split_once(':').ok_or("must be written as provider:SECRET")?;
        // Not told what stands there: it may be the secret.
        let provider: HookProvider = name.trim().to_ascii_lowercase().parse().map_err(
            |_| "names a provider that is none of ses, postmark, mailgun, brevo, sendgrid and mailjet",
        )?;
        let secret = secret.trim();
        let proof = match provider {
            HookProvider::Ses => HookProof::Topic(Topic::parse(secret).ok_or(
                "must have the ARN of your SNS topic behind ses:, such as arn:aws:sns:eu-central-1:123456789012:bounces",
            )?),
            HookProvider::Sendgrid => HookProof::P256(point(secret).ok_or(
                "must have SendGrid's verification key behind sendgrid:, as the Event Webhook's settings show it",
            )?),
            _ if secret.len() < SHORTEST || secret.chars().any(char::is_control) => {
                return Err(format!("has a secret for {} with less than {SHORTEST} characters", provider.name()));
            }
            HookProvider::Mailgun => HookProof::Hmac(secret.to_owned()),
            HookProvider::Postmark | HookProvider::Brevo | HookProvider::Mailjet => {
                HookProof::Secret(secret.to_owned())
            }
        };
        Ok(Self { provider, proof })
    }
}

impl Topic {
    fn parse(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let (head, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
        let is_word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        let is_region = is_word(region) && !region.contains('.');
        let is_topic = head == "arn"
            && service == "sns"
            && parts.next().is_none()
            && is_region
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && is_word(name);
        let domain = match partition {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            _ => return None,
        };
        is_topic.then(|| Self { arn: arn.to_owned(), host: format!("sns.{region}.{domain}") })
    }
}

/// The point of a public key on P-256, in base64 of its DER.
fn point(text: &str) -> Option<Vec<u8>> {
    let der = STANDARD.decode(text).ok()?;
    let point = der.strip_prefix(&P256_BEFORE)?;
    (point.len() == 65 && point.first() == Some(&4)).then(|| point.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sendgrid() -> String {
        STANDARD.encode([&P256_BEFORE[..], &[4; 65]].concat())
    }

    #[test]
    fn each_provider_has_the_proof_that_it_offers() {
        let text = format!(
            "ses:arn:aws:sns:eu-central-1:123456789012:bounces, postmark:0123456789abcdef,mailgun:key-0123456789ab,\
             Brevo:0123456789abcdef,sendgrid:{},mailjet:0123456789abcdef,mailjet:fedcba9876543210",
            sendgrid()
        );
        let hooks = BounceHook::parse(&text).unwrap();
        let kinds: Vec<&str> = hooks
            .iter()
            .map(|hook| match &hook.proof {
                HookProof::Secret(_) => "secret",
                HookProof::Hmac(_) => "hmac",
                HookProof::P256(point) if point.len() == 65 => "p256",
                HookProof::Topic(topic) if topic.host == "sns.eu-central-1.amazonaws.com" => "topic",
                HookProof::P256(_) | HookProof::Topic(_) => "wrong",
            })
            .collect();
        assert_eq!(kinds, ["topic", "secret", "hmac", "secret", "p256", "secret", "secret"]);
    }

    #[test]
    fn what_proves_nothing_is_refused_and_no_secret_is_told() {
        for (text, word) in [
            (",", "names no provider"),
            ("postmark", "provider:SECRET"),
            ("sparkpost:0123456789abcdef", "none of ses"),
            ("postmark:geheim", "less than 16"),
            ("mailgun:", "less than 16"),
            ("ses:geheim-geheim-geheim", "ARN"),
            ("ses:arn:aws:sns:evil.example/:123456789012:bounces", "ARN"),
            ("ses:arn:aws:sqs:eu-central-1:123456789012:bounces", "ARN"),
            ("sendgrid:geheim-geheim-geheim", "verification key"),
        ] {
            let problem = BounceHook::parse(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert!(problem.contains(word) && !problem.contains("geheim"), "{text}: {problem}");
        }
    }
}
