//! A newer text for a mailing that has not begun: the saved one of its update, looked at as before sending.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    app::{
        App, Deed,
        draft::{Draft, TextObstacle, Versions},
        preflight::{PreflightError, warnings},
    },
    domain::{
        actor::Actor,
        event::Event,
        ids::MailingId,
        mailing::{self, MailingError, Overview},
        staff::audit::Action,
        update,
    },
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The mailing.
    pub mailing: MailingId,
    /// When the words were frozen that it had when the person looked at it.
    pub frozen_at: Option<DateTime<Utc>>,
    /// What the new mail was made of then.
    pub versions: Option<Versions>,
    /// Which warnings were acknowledged: see [`warnings::marks`].
    pub warnings: String,
}

/// What is known of a mailing that may get another text.
#[derive(Debug, Clone)]
pub struct ReplaceSituation {
    /// The mailing.
    pub mailing: Overview,
    /// The saved text. How many people it goes to is not looked at: that is decided when the mailing begins.
    pub draft: Draft,
    /// The mailing says the same already.
    pub is_same: bool,
    /// What keeps the text from being sent.
    pub obstacle: Option<TextObstacle>,
}

/// What has to be looked at before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// There are warnings, and not all were acknowledged; `some` were.
    Warnings {
        /// Others were, so these are new.
        some: bool,
    },
    /// Update or publication are others than the person has seen.
    Changed,
    /// The mailing has other words than the person has seen.
    TextChanged,
    /// The form does not say which words the person has seen.
    FormOld,
}

/// Why the text was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// Something is in the way, or has to be acknowledged. Look at it, and ask again.
    #[error("this text cannot be taken as it stands")]
    Refused(Box<(ReplaceSituation, Vec<Objection>)>),
    /// It came too late, or is not for this actor.
    #[error(transparent)]
    Mailing(#[from] MailingError),
    /// The mail cannot be made or looked at.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What there is to know before a text is replaced.
///
/// # Errors
/// [`MailingError::Unknown`]; [`MailingError::WrongState`] when the mailing has begun, or is over.
pub async fn situation(app: &App, id: MailingId) -> Result<ReplaceSituation, ReplaceError> {
    let mailing = waiting(&mut *app.pool.acquire().await?, id).await?;
    let draft = Draft::of(app, mailing.update_id).await?.ok_or(MailingError::Unknown)?;
    Ok(ReplaceSituation::of(&mut *app.pool.acquire().await?, mailing, draft).await?)
}

/// Puts the saved text of the update in the place of the one that a mailing has.
///
/// # Errors
/// [`ReplaceError`].
pub async fn replace_text(
    app: &App,
    by: &Actor,
    order: &Order,
    now: DateTime<Utc>,
) -> Result<(), ReplaceError> {
    by.require_staff().map_err(MailingError::from)?;
    let mailing = waiting(&mut *app.pool.acquire().await?, order.mailing).await?;
    let draft = Draft::of(app, mailing.update_id).await?.ok_or(MailingError::Unknown)?;
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    // The mailing first, as whoever takes it back does: it neither begins nor is moved while this is decided.
    mailing::lock(&mut deed, order.mailing).await?;
    let mailing = waiting(&mut deed, order.mailing).await?;
    let locked = update::lock(&mut deed, mailing.update_id).await?.ok_or(MailingError::Unknown)?;
    let situation = ReplaceSituation::of(&mut deed, mailing, draft).await?;
    // Pressed twice, or by two people: it says so already.
    if situation.is_same {
        return Ok(());
    }
    let is_as_made = situation.draft.is_current(&mut deed, &locked).await?;
    let mut objections = situation.objections(order, is_as_made);
    if let (Some(content), Some(seen), None, true) =
        (&situation.draft.content, order.frozen_at, &situation.obstacle, objections.is_empty())
    {
        match mailing::replace_text(&mut deed, order.mailing, seen, content, now).await {
            Ok(()) => {
                let details = json!({
                    "at": situation.mailing.scheduled_at, "version": situation.draft.update.version,
                    "warnings": warnings::count(&situation.draft.findings),
                });
                let event = Event::MailingTextReplaced(order.mailing);
                deed.note(Action::MailingTextTaken, &content.subject, &details, &event).await?;
                deed.commit().await?;
                return Ok(());
            }
            Err(MailingError::TextChanged) => objections.push(Objection::TextChanged),
            Err(error) => return Err(error.into()),
        }
    } else if order.frozen_at.is_none() {
        objections.push(Objection::FormOld);
    }
    Err(ReplaceError::Refused(Box::new((situation, objections))))
}

/// The mailing, if it has not begun.
async fn waiting(db: &mut PgConnection, id: MailingId) -> Result<Overview, MailingError> {
    let mailing = mailing::overview(db, id).await?.ok_or(MailingError::Unknown)?;
    if mailing.is_waiting_to_begin() {
        return Ok(mailing);
    }
    Err(MailingError::WrongState { state: mailing.state, wanted: "given another text" })
}

impl ReplaceSituation {
    async fn of(db: &mut PgConnection, mailing: Overview, draft: Draft) -> sqlx::Result<Self> {
        let is_same = draft.content.as_ref() == Some(&mailing::content(db, mailing.id).await?);
        let obstacle = draft.obstacle();
        Ok(Self { mailing, draft, is_same, obstacle })
    }

    fn objections(&self, order: &Order, is_as_made: bool) -> Vec<Objection> {
        let mut objections = Vec::new();
        if self.obstacle.is_some() {
            return objections;
        }
        if !warnings::are_ticked(&self.draft.findings, &order.warnings) {
            objections.push(Objection::Warnings { some: !order.warnings.is_empty() });
        }
        if !is_as_made || order.versions != Some(self.draft.versions()) {
            objections.push(Objection::Changed);
        }
        objections
    }
}
