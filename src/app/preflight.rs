//! Preflight: everything wrong with an update before it is sent, in the mail itself and in the world.
//!
//! | file | looks at |
//! |---|---|
//! | [`crate::mail::preflight`] | the mail itself |
//! | [`links`] | whether links lead anywhere |
//! | [`dns`] | SPF, DKIM and DMARC of the sender's domain |
//! | `grounds` | whether logos and pictures can be seen, light and dark |
//! | [`recipients`] | how many people it goes to |
//! | `signature` | whether the relay's signature was seen to cover what one click needs |
//! | `checklist` | what is still open of the update's checklist |
//! | [`warnings`] | which warnings somebody has acknowledged |

mod checklist;
pub mod dns;
mod grounds;
pub mod links;
pub mod recipients;
mod signature;
pub mod warnings;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    app::{
        App,
        images::store::Store,
        off_runtime::{Busy, off_runtime},
        public_web::PublicWeb,
        read_signature::sender_domain,
    },
    config::Config,
    domain::{
        mailing::{self, FrozenContent},
        publication::{self, Publication},
        update::Update,
    },
    mail::{
        compose::{ComposeError, Composer},
        preflight::{self, Finding},
    },
};

use self::{
    dns::{Dns, Signers},
    links::Links,
};

/// Looks at updates before they are sent. What it has found out about the world it remembers for some minutes.
pub struct Preflight {
    links: Links,
    dns: Dns,
    images: Store,
    relay: String,
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The mail cannot be made; tell the operator.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// Too much is being looked at; try again.
    #[error(transparent)]
    Busy(#[from] Busy),
}

impl Preflight {
    /// One that asks the machine's own DNS and network.
    #[must_use]
    pub fn new(config: &Config, web: PublicWeb) -> Self {
        Self {
            links: Links::new(web),
            dns: Dns::new(Signers::of_settings(config)),
            images: Store::new(&config.image_store),
            relay: config.smtp.authority(),
        }
    }

    /// The relay that is set, as `host:port`.
    #[must_use]
    pub fn relay(&self) -> &str {
        &self.relay
    }

    /// The mail of an update, and everything wrong with it but how many people it goes to (see [`recipients`]); the worst
    /// first. Takes up to fifteen seconds, as long as others take to answer.
    ///
    /// # Errors
    /// [`PreflightError`].
    pub async fn run(
        &self,
        pool: &PgPool,
        composer: &Composer,
        publication: &Publication,
        update: &Update,
    ) -> Result<Report, PreflightError> {
        let hosted = composer.hosted(&mut *pool.acquire().await?, update).await?;
        let work = (composer.clone(), publication.clone(), update.clone());
        let looked = off_runtime(move || {
            let (composer, publication, update) = work;
            let content = composer.update(&publication, &update, &hosted)?;
            let findings = preflight::check(&publication, &update, &content);
            Ok::<_, ComposeError>((content, findings, preflight::targets(&update), hosted))
        });
        let (content, mut findings, targets, hosted) = looked.await??;
        findings.extend(checklist::check(&mut *pool.acquire().await?, update.id).await?);
        let domain = sender_domain(Some(publication));
        if let Some(domain) = &domain {
            findings.extend(signature::check(&mut *pool.acquire().await?, domain, &self.relay).await?);
        }
        let dns = async {
            match &domain {
                Some(domain) => self.dns.check(domain).await,
                None => Vec::new(),
            }
        };
        let grounds = grounds::check(&self.images, composer.public_url(), publication, update);
        let (links, dns, grounds) =
            tokio::join!(self.links.check(targets, composer.public_url(), &hosted), dns, grounds);
        findings.extend(links);
        findings.extend(grounds);
        findings.extend(dns);
        preflight::sort(&mut findings);
        Ok(Report { content, findings })
    }
}

/// Everything wrong with an update, finished or not; how many people it goes to is looked at too. Nothing before there is
/// a publication.
///
/// # Errors
/// [`PreflightError`].
pub async fn check(
    app: &App,
    update: &Update,
    now: DateTime<Utc>,
) -> Result<Option<Vec<Finding>>, PreflightError> {
    let publication = publication::current(&mut *app.pool.acquire().await?).await?;
    let Some(publication) = publication else { return Ok(None) };
    let mut found = app.preflight.run(&app.pool, &app.composer, &publication, update).await?.findings;
    let mut db = app.pool.acquire().await?;
    let audience = mailing::audience(&mut db, now).await?;
    found.extend(recipients::check(&mut db, update.id, audience).await?);
    preflight::sort(&mut found);
    Ok(Some(found))
}

/// What a preflight has made and found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The mail.
    pub content: FrozenContent,
    /// What is wrong with it, the worst first.
    pub findings: Vec<Finding>,
}
