//! Preflight: what is wrong with an update, on a page of its own and for the pages that send.
//!
//! | file | looks at |
//! |---|---|
//! | [`crate::mail::preflight`] | the mail itself |
//! | [`links`] | whether links lead anywhere |
//! | [`guard`] | which addresses may be asked at all |
//! | [`dns`] | SPF, DKIM and DMARC of the sender's domain |
//! | [`grounds`] | whether logos and pictures can be seen, light and dark |
//! | [`recipients`] | how many people it goes to |
//! | [`signature`] | whether the relay's signature was seen to cover what one click needs |
//! | [`warnings`] | which warnings somebody has ticked |
//!
//! [`Surveyor::survey`] is all of it together; [`view`] is what `staff/findings.html` shows.

pub mod dns;
mod grounds;
pub mod guard;
pub mod links;
mod recipients;
mod signature;
pub mod warnings;

use axum::{extract::State, response::Response};
use chrono::Utc;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    config::Config,
    domain::{ids::UpdateId, locale::Locale, publication::Publication, update::Update},
    mail::{
        compose::{ComposeError, Composer},
        preflight::{self, Finding, Level, Place},
    },
    web::{AppState, Pages, images::store::Store, off_runtime::off_runtime, problem::Problem},
};

use self::{dns::Dns, links::Links};
use super::{
    access::Member,
    editor,
    page::{Page, id_in},
    problems::StaffProblem,
    updates::Id,
};

/// Looks at updates before they are sent. What it has found out about the world it remembers for some minutes.
pub struct Surveyor {
    links: Links,
    dns: Dns,
    images: Store,
    relay: String,
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The mail cannot be made; tell the operator.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// Too much is being looked at; try again.
    #[error("too much is being looked at just now; try again")]
    Busy(Problem),
}

impl From<SurveyError> for StaffProblem {
    fn from(error: SurveyError) -> Self {
        match error {
            SurveyError::Compose(error) => StaffProblem::Common(Problem::internal(&error)),
            SurveyError::Database(error) => error.into(),
            SurveyError::Busy(problem) => StaffProblem::Common(problem),
        }
    }
}

impl Surveyor {
    /// One that asks the machine's own DNS and network.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            links: Links::new(),
            dns: Dns::new(config.dkim_selector.clone()),
            images: Store::new(&config.image_store),
            relay: config.smtp.authority(),
        }
    }

    /// The relay that is set, as `host:port`.
    #[must_use]
    pub fn relay(&self) -> &str {
        &self.relay
    }

    /// Everything wrong with an update, the worst first. Takes up to fifteen seconds, as long as others take to answer.
    ///
    /// # Errors
    /// [`SurveyError`].
    pub async fn survey(
        &self,
        pool: &PgPool,
        composer: &Composer,
        publication: &Publication,
        update: &Update,
    ) -> Result<Vec<Finding>, SurveyError> {
        let sizes = composer.sizes(&mut *pool.acquire().await?, update).await?;
        let work = (composer.clone(), publication.clone(), update.clone());
        let looked = off_runtime(move || {
            let (composer, publication, update) = work;
            let frozen = composer.update(&publication, &update, &sizes)?;
            Ok::<_, ComposeError>((
                preflight::check(&publication, &update, &frozen),
                preflight::targets(&update),
            ))
        });
        let (mut found, targets) = looked.await.map_err(SurveyError::Busy)??;
        found.extend(recipients::check(&mut *pool.acquire().await?, update.id, Utc::now()).await?);
        let sender = publication.content.sender_address();
        let domain = sender.map(|address| address.parts().1.to_ascii_lowercase());
        if let Some(domain) = &domain {
            found.extend(signature::check(&mut *pool.acquire().await?, domain, &self.relay).await?);
        }
        let dns = async {
            match &domain {
                Some(domain) => self.dns.check(domain).await,
                None => Vec::new(),
            }
        };
        let grounds = grounds::check(&self.images, composer.public_url(), publication, update);
        let (links, dns, grounds) =
            tokio::join!(self.links.check(targets, composer.public_url()), dns, grounds);
        found.extend(links);
        found.extend(grounds);
        found.extend(dns);
        preflight::sort(&mut found);
        Ok(found)
    }
}

/// A finding in words: what is wrong, and how to mend it.
#[must_use]
pub fn words(pages: &Pages, locale: Locale, finding: &Finding) -> (String, String) {
    let table = format!("staff.finding.{}", finding.code.as_str());
    let filled = |key: &str| {
        let mut text = pages.text(locale, &table, key).to_owned();
        for (name, value) in &finding.values {
            let word = match *name {
                "part" | "reason" => pages.text(locale, "staff.preflight_value", value),
                _ => value,
            };
            text = text.replace(&format!("{{{name}}}"), word);
        }
        text
    };
    (filled("text"), filled("fix"))
}

/// Findings as `staff/findings.html` shows them: `errors`, `warnings`, `notes` and whether there are any. Where each is
/// mended: a field of the update's page by its id, or another page.
#[must_use]
pub fn view(page: &Page, update: UpdateId, findings: &[Finding]) -> Value {
    let shown = |level: Level| {
        let of_level = findings.iter().filter(|finding| finding.level == level);
        let shown = of_level.map(|finding| {
            let (text, fix) = words(&page.state.pages, page.locale, finding);
            json!({
                "code": finding.code.as_str(), "text": text, "fix": fix, "line": finding.line,
                "place": finding.place, "href": href(finding.place, update),
            })
        });
        shown.collect::<Vec<_>>()
    };
    let (errors, warnings, notes) = (shown(Level::Error), shown(Level::Warning), shown(Level::Note));
    json!({
        "is_clear": errors.is_empty() && warnings.is_empty(), "has_errors": !errors.is_empty(),
        "errors": errors, "warnings": warnings, "notes": notes,
    })
}

/// The page and the field where something is mended.
fn href(place: Place, update: UpdateId) -> Option<String> {
    let field = match place {
        Place::Title => "title",
        Place::Teaser => "teaser",
        Place::Body => "body",
        Place::Link => "link",
        Place::Image => "image_alt",
        Place::Publication => return Some("/staff/publication".into()),
        Place::Signature => return Some("/staff/signature".into()),
        Place::Templates | Place::Dns | Place::Recipients => return None,
    };
    Some(format!("/staff/updates/{update}#{field}"))
}

/// `GET /staff/updates/{id}/preflight`
pub async fn show(
    State(state): State<AppState>,
    page: Page,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let update = editor::find(&state, id_in(id)?).await?;
    let preflight = match &page.publication {
        Some(publication) => {
            let found = state.surveyor.survey(&state.pool, &state.composer, publication, &update).await?;
            Some(view(&page, update.id, &found))
        }
        None => None,
    };
    let own = json!({ "update": { "id": update.id, "title": update.title }, "preflight": preflight });
    page.show("staff/preflight.html", &own)
}
