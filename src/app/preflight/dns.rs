//! What the DNS says about who may send in the name of the sender's domain: SPF (RFC 7208), DMARC (RFC 9989, and 7489
//! before it) and, where it is known under which name the relay's key stands, DKIM (RFC 6376).
//!
//! A DNS that does not answer is no fault of the mail: then there is a note, and nothing more.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hickory_resolver::{TokioResolver, net::NetError, proto::rr::RData};
use tokio::time::{Instant, timeout};

use crate::{
    app::public_address::is_for_examples,
    config::{Config, DkimKey},
    mail::{
        dkim::record::{self, Published},
        preflight::{Code, Finding},
    },
};

/// How long one question may take.
const EACH: Duration = Duration::from_secs(4);

/// How long findings are remembered, and for how many domains.
const REMEMBERED: Duration = Duration::from_mins(5);
const MEMORY: usize = 100;

/// The texts that stand at a name; an error when nobody could say.
pub type Answers = Result<Vec<String>, Unknown>;

/// The DNS did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

type Lookup = dyn Fn(String) -> Pin<Box<dyn Future<Output = Answers> + Send>> + Send + Sync;

/// Asks the DNS, and remembers for a while what it said.
pub struct Dns {
    lookup: Box<Lookup>,
    signers: Signers,
    known: Mutex<HashMap<String, (Instant, Vec<Finding>)>>,
}

/// Who signs our mails, as far as the settings know.
#[derive(Default)]
pub struct Signers {
    /// The selector of the relay.
    pub relay: Option<String>,
    /// The service itself.
    pub own: Vec<DkimKey>,
}

impl Signers {
    /// `DKIM_SELECTOR` and `DKIM_KEYS`.
    #[must_use]
    pub fn of_settings(config: &Config) -> Self {
        Self { relay: config.dkim_selector.clone(), own: config.dkim_keys.clone() }
    }
}

impl Dns {
    /// Asks the servers that the system names.
    #[must_use]
    pub fn new(signers: Signers) -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            builder.options_mut().timeout = EACH / 2;
            builder.options_mut().attempts = 1;
            builder.build()
        });
        let resolver = resolver.inspect_err(|error| tracing::warn!(%error, "the DNS cannot be asked")).ok();
        Self::with(signers, move |name| {
            let resolver = resolver.clone();
            Box::pin(async move {
                let resolver = resolver.ok_or(Unknown)?;
                timeout(EACH, texts(&resolver, &name)).await.map_err(|_| Unknown)?
            })
        })
    }

    /// With answers from elsewhere: for tests. No setting leads here.
    #[must_use]
    pub fn with(
        signers: Signers,
        lookup: impl Fn(String) -> Pin<Box<dyn Future<Output = Answers> + Send>> + Send + Sync + 'static,
    ) -> Self {
        Self { lookup: Box::new(lookup), signers, known: Mutex::default() }
    }

    /// What is wrong with a sender's domain.
    pub async fn check(&self, domain: &str) -> Vec<Finding> {
        // As the DNS writes it: xn--… for what has umlauts.
        let domain = idna::domain_to_ascii(domain.trim_end_matches('.')).unwrap_or_default();
        if domain.is_empty() || is_for_examples(&domain) {
            return vec![Finding::new(Code::DnsUnknown).with("domain", domain)];
        }
        let known = |this: &Self| {
            let known = this.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&domain).filter(|(at, _)| at.elapsed() < REMEMBERED).map(|(_, found)| found.clone())
        };
        if let Some(found) = known(self) {
            return found;
        }
        let (spf, dmarc, dkim) = tokio::join!(self.spf(&domain), self.dmarc(&domain), self.dkim(&domain));
        let is_unknown = [spf.is_err(), dmarc.is_err(), dkim.is_err()].contains(&true);
        let mut found: Vec<Finding> = [spf, dmarc].into_iter().flatten().flatten().collect();
        found.extend(dkim.into_iter().flatten());
        if is_unknown {
            found.push(Finding::new(Code::DnsUnknown).with("domain", domain.as_str()));
            // Perhaps it answers in a moment.
            return found;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MEMORY {
            known.clear();
        }
        known.insert(domain.clone(), (Instant::now(), found.clone()));
        found
    }

    async fn spf(&self, domain: &str) -> Result<Option<Finding>, Unknown> {
        let texts = (self.lookup)(domain.to_owned()).await?;
        let is_spf = |text: &&String| {
            let start: String = text.chars().take(7).collect();
            start.trim_end().eq_ignore_ascii_case("v=spf1")
        };
        let records: Vec<&String> = texts.iter().filter(is_spf).collect();
        let code = match records[..] {
            [] => Some(Code::SpfMissing),
            [record] => {
                let is_open = |term: &str| matches!(term.to_ascii_lowercase().as_str(), "all" | "+all");
                record.split_whitespace().any(is_open).then_some(Code::SpfOpen)
            }
            _ => Some(Code::SpfMany),
        };
        Ok(code.map(|code| Finding::new(code).with("domain", domain)))
    }

    /// The record of the domain itself, or of the nearest domain above it that has one.
    async fn dmarc(&self, domain: &str) -> Result<Option<Finding>, Unknown> {
        let mut at = domain;
        loop {
            let texts = (self.lookup)(format!("_dmarc.{at}")).await?;
            let is_dmarc = |text: &&String| {
                text.split(';')
                    .next()
                    .is_some_and(|tag| tag.replace(' ', "").eq_ignore_ascii_case("v=dmarc1"))
            };
            if let Some(record) = texts.iter().find(is_dmarc) {
                let asks_nothing =
                    record.split(';').any(|tag| tag.replace(' ', "").eq_ignore_ascii_case("p=none"));
                return Ok(asks_nothing.then(|| Finding::new(Code::DmarcNone).with("domain", domain)));
            }
            match at.split_once('.') {
                // A top-level domain is nobody's own.
                Some((_, above)) if above.contains('.') => at = above,
                _ => return Ok(Some(Finding::new(Code::DmarcMissing).with("domain", domain))),
            }
        }
    }

    async fn dkim(&self, domain: &str) -> Result<Vec<Finding>, Unknown> {
        let Signers { relay, own } = &self.signers;
        if relay.is_none() && own.is_empty() {
            return Ok(vec![Finding::new(Code::DkimUnknown).with("domain", domain)]);
        }
        let mut found = Vec::new();
        let mut tell = |code, name| found.push(Finding::new(code).with("name", name));
        if let Some(selector) = relay {
            let name = record::name(selector, domain);
            if !record::has_key(&(self.lookup)(name.clone()).await?) {
                tell(Code::DkimMissing, name);
            }
        }
        for DkimKey { selector, secret } in own {
            let name = record::name(selector, domain);
            match record::compare(&(self.lookup)(name.clone()).await?, secret) {
                Published::Ours => {}
                Published::Other => tell(Code::DkimOther, name),
                Published::None => tell(Code::DkimUnpublished, name),
            }
        }
        Ok(found)
    }
}

async fn texts(resolver: &TokioResolver, name: &str) -> Answers {
    // The dot at the end: this name, and not one in the machine's own domain.
    match resolver.txt_lookup(format!("{name}.")).await {
        Ok(answer) => Ok(answer
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => {
                    // Long ones come in pieces that belong together without anything between them.
                    Some(text.txt_data.iter().map(|piece| String::from_utf8_lossy(piece)).collect())
                }
                _ => None,
            })
            .collect()),
        Err(error) if is_nothing(&error) => Ok(Vec::new()),
        Err(error) => {
            tracing::debug!(%error, "the DNS does not say");
            Err(Unknown)
        }
    }
}

fn is_nothing(error: &NetError) -> bool {
    error.is_nx_domain() || error.is_no_records_found()
}

#[cfg(test)]
mod tests {
    use std::{slice, sync::Arc};

    use super::*;
    use crate::{
        config::DkimSecret,
        mail::dkim::key::{KeyKind, generate},
    };

    /// What is found when these texts stand in the DNS; a name that is not among them has none.
    async fn found(selector: Option<&str>, zone: &[(&str, &str)]) -> Vec<Code> {
        found_of(Signers { relay: selector.map(str::to_owned), own: Vec::new() }, zone).await
    }

    async fn found_of(signers: Signers, zone: &[(&str, &str)]) -> Vec<Code> {
        let zone: Vec<(String, String)> =
            zone.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let dns = Dns::with(signers, move |name| {
            let texts = zone.iter().filter(|(at, _)| *at == name).map(|(_, text)| text.clone()).collect();
            Box::pin(async move { Ok(texts) })
        });
        dns.check("news.beispiel.de").await.iter().map(|finding| finding.code).collect()
    }

    const SPF: (&str, &str) = ("news.beispiel.de", "v=spf1 include:relay.example -all");
    const DMARC: (&str, &str) = ("_dmarc.news.beispiel.de", "v=DMARC1; p=quarantine");
    const DKIM: (&str, &str) = ("m1._domainkey.news.beispiel.de", "v=DKIM1; k=ed25519; p=AAAA");

    #[tokio::test]
    async fn a_domain_that_has_everything_is_fine() {
        assert_eq!(found(Some("m1"), &[SPF, DMARC, DKIM]).await, []);
        assert_eq!(found(None, &[SPF, DMARC]).await, [Code::DkimUnknown]);
    }

    #[tokio::test]
    async fn what_is_missing_is_found() {
        assert_eq!(found(Some("m1"), &[DMARC, DKIM]).await, [Code::SpfMissing]);
        assert_eq!(found(Some("m1"), &[SPF, DKIM]).await, [Code::DmarcMissing]);
        assert_eq!(found(Some("m1"), &[SPF, DMARC]).await, [Code::DkimMissing]);
        let revoked = (DKIM.0, "v=DKIM1; p=");
        assert_eq!(found(Some("m1"), &[SPF, DMARC, revoked]).await, [Code::DkimMissing]);
    }

    #[tokio::test]
    async fn the_key_with_which_the_service_signs_stands_alone_in_the_dns() {
        let key = |selector: &str| {
            let pem = generate(KeyKind::Ed25519).unwrap();
            let secret = Arc::new(DkimSecret::from_pem(pem.as_bytes()).unwrap());
            DkimKey { selector: selector.to_owned(), secret }
        };
        let (ours, other) = (key("m1"), key("m2"));
        let codes = async |own: &[&DkimKey], texts: &[String]| {
            let zone: Vec<(&str, &str)> = texts.iter().map(|text| (DKIM.0, text.as_str())).collect();
            let own = own.iter().map(|key| (*key).clone()).collect();
            found_of(Signers { relay: None, own }, &[&[SPF, DMARC], &*zone].concat()).await
        };
        let (text, another) = (record::text(&ours.secret), record::text(&other.secret));
        assert_eq!(codes(&[&ours], slice::from_ref(&text)).await, []);
        let spaced = text.replace("p=", "t=s; n=our key; p = ").replace('A', "A ");
        assert_eq!(codes(&[&ours], &[spaced]).await, []);
        assert_eq!(codes(&[&ours], &[]).await, [Code::DkimUnpublished]);
        assert_eq!(codes(&[&ours], &["v=DKIM1; p=".to_owned()]).await, [Code::DkimUnpublished]);
        assert_eq!(codes(&[&ours], slice::from_ref(&another)).await, [Code::DkimOther]);
        assert_eq!(codes(&[&ours], &[text.clone(), another]).await, [Code::DkimOther]);
        // Without k= it would be one of RSA.
        assert_eq!(codes(&[&ours], &[text.replace("k=ed25519; ", "")]).await, [Code::DkimOther]);
        // Two keys, of which one is not there yet.
        assert_eq!(codes(&[&ours, &other], &[text]).await, [Code::DkimUnpublished]);
    }

    #[tokio::test]
    async fn the_domain_above_speaks_for_those_below_and_a_top_level_domain_for_nobody() {
        let above = |text| ("_dmarc.beispiel.de", text);
        assert_eq!(found(Some("m1"), &[SPF, DKIM, above("v=DMARC1; p=reject")]).await, []);
        assert_eq!(found(Some("m1"), &[SPF, DKIM, above("v=DMARC1;p=none;")]).await, [Code::DmarcNone]);
        let top = ("_dmarc.de", "v=DMARC1; p=reject");
        assert_eq!(found(Some("m1"), &[SPF, DKIM, top]).await, [Code::DmarcMissing]);
    }

    #[tokio::test]
    async fn an_spf_record_that_says_nothing_or_is_there_twice_is_found() {
        let more = |text| (SPF.0, text);
        assert_eq!(found(Some("m1"), &[more("v=spf1 +all"), DMARC, DKIM]).await, [Code::SpfOpen]);
        assert_eq!(found(Some("m1"), &[SPF, more("v=spf1 -all"), DMARC, DKIM]).await, [Code::SpfMany]);
        assert_eq!(found(Some("m1"), &[SPF, more("google-site-verification=x"), DMARC, DKIM]).await, []);
    }

    #[tokio::test]
    async fn a_dns_that_does_not_answer_is_a_note_and_is_asked_again() {
        let dns = Dns::with(Signers::default(), |_| Box::pin(async { Err(Unknown) }));
        for _ in 0..2 {
            let codes: Vec<Code> =
                dns.check("beispiel.de").await.iter().map(|finding| finding.code).collect();
            assert_eq!(codes, [Code::DkimUnknown, Code::DnsUnknown]);
        }
    }
}
