//! An update as the mail it would be now, and what the preflight says of it.

use std::{fmt, str::FromStr};

use sqlx::{PgConnection, PgPool};

use crate::{
    app::{
        App,
        off_runtime::off_runtime,
        preflight::{PreflightError, Report},
    },
    domain::{
        ids::{MailingId, UpdateId},
        mailing::{self, FrozenContent},
        publication::{self, Publication},
        update::{self, Update},
    },
    mail::{
        compose::Composer,
        markdown,
        preflight::{Finding, Level},
    },
};

/// An update and the mail it makes.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The update as it was loaded.
    pub update: Update,
    /// The publication as it was loaded; nothing before there is one.
    pub publication: Option<Publication>,
    /// The mail, the same for everybody; nothing without a publication.
    pub content: Option<FrozenContent>,
    /// What the preflight has found, but for how many people it goes to. Nothing is looked at before it is finished.
    pub findings: Vec<Finding>,
}

/// What keeps a text from being sent, whoever it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextObstacle {
    /// There is no publication yet.
    NoPublication,
    /// The publication lacks these fields, by their names in its file.
    Missing(Vec<String>),
    /// The update lacks something, or what stands in it cannot be mailed.
    Unfinished,
    /// The preflight has found an error.
    Found,
}

/// What a mail is made of. What has another version is another mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Of the update.
    pub update: i32,
    /// Of the publication; 0 before there is one.
    pub publication: i32,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.update, self.publication)
    }
}

impl FromStr for Versions {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (update, publication) = text.split_once('.').ok_or(())?;
        Ok(Self {
            update: update.parse().map_err(|_| ())?,
            publication: publication.parse().map_err(|_| ())?,
        })
    }
}

impl Draft {
    /// Loads an update, makes its mail, and looks at it and at where its links lead. Takes up to fifteen seconds where
    /// others are slow to answer, so nothing is locked meanwhile; what was seen of links and DNS is remembered for some
    /// minutes. Nothing when there is no such update.
    ///
    /// # Errors
    /// [`PreflightError`].
    pub async fn of(app: &App, id: UpdateId) -> Result<Option<Self>, PreflightError> {
        let mut db = app.pool.acquire().await?;
        let Some(update) = update::find(&mut db, &id.to_string()).await? else { return Ok(None) };
        let publication = publication::current(&mut db).await?;
        drop(db);
        let report = match &publication {
            None => None,
            Some(publication) if update.writing().unfinished().is_empty() => {
                Some(app.preflight.run(&app.pool, &app.composer, publication, &update).await?)
            }
            Some(publication) => {
                let mut db = app.pool.acquire().await?;
                let content = compose(&app.composer, &mut db, publication, &update).await?;
                Some(Report { content, findings: Vec::new() })
            }
        };
        let (content, findings) =
            report.map_or((None, Vec::new()), |report| (Some(report.content), report.findings));
        Ok(Some(Self { update, publication, content, findings }))
    }

    /// What the mail is made of.
    #[must_use]
    pub fn versions(&self) -> Versions {
        let publication = self.publication.as_ref().map_or(0, |publication| publication.version);
        Versions { update: self.update.version, publication }
    }

    /// Whether update and publication are still those the mail was made of, which takes seconds. `locked` is the update as
    /// it is kept from changing now.
    pub async fn is_current(&self, db: &mut PgConnection, locked: &Update) -> sqlx::Result<bool> {
        let publication = publication::current_version(db).await?.unwrap_or(0);
        Ok(self.versions() == Versions { update: locked.version, publication })
    }

    /// What keeps the text from being sent.
    #[must_use]
    pub fn obstacle(&self) -> Option<TextObstacle> {
        let Some(publication) = &self.publication else { return Some(TextObstacle::NoPublication) };
        let missing = publication.content.missing();
        if !missing.is_empty() {
            return Some(TextObstacle::Missing(missing));
        }
        if !self.update.writing().unfinished().is_empty() || markdown::check(&self.update.body).is_err() {
            return Some(TextObstacle::Unfinished);
        }
        let has_error = self.findings.iter().any(|finding| finding.level == Level::Error);
        has_error.then_some(TextObstacle::Found)
    }
}

/// Makes the mail of an update that was loaded, to look at.
///
/// # Errors
/// [`PreflightError`].
pub async fn mail_of(
    app: &App,
    publication: &Publication,
    update: &Update,
) -> Result<FrozenContent, PreflightError> {
    compose(&app.composer, &mut *app.pool.acquire().await?, publication, update).await
}

/// The mail of a mailing as it was frozen; nothing when there is no such mailing.
pub async fn frozen(pool: &PgPool, id: MailingId) -> sqlx::Result<Option<FrozenContent>> {
    let mut db = pool.acquire().await?;
    if mailing::by_id(&mut db, id).await?.is_none() {
        return Ok(None);
    }
    mailing::content(&mut db, id).await.map(Some)
}

/// Makes the mail of an update, as a mailing would freeze it now.
///
/// # Errors
/// [`PreflightError`].
pub async fn compose(
    composer: &Composer,
    db: &mut PgConnection,
    publication: &Publication,
    update: &Update,
) -> Result<FrozenContent, PreflightError> {
    let hosted = composer.hosted(db, update).await?;
    let (composer, publication, update) = (composer.clone(), publication.clone(), update.clone());
    let made = off_runtime(move || composer.update(&publication, &update, &hosted));
    Ok(made.await??)
}
