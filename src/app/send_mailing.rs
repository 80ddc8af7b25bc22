//! Sending an update to everybody who is subscribed: now, or at a time to come.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::{
        App, Deed,
        draft::{Draft, TextObstacle, Versions},
        preflight::{PreflightError, recipients, warnings},
    },
    domain::{
        actor::{Actor, NotPermitted},
        event::Event,
        ids::{MailingId, UpdateId},
        mailing::{
            self, GRACE, MailingState, NewMailing, Overview,
            start_time::{self, StartTimeError},
        },
        staff::audit::Action,
        update,
    },
    mail::preflight,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// What to send.
    pub update: UpdateId,
    /// What its mail was made of when the person looked at it.
    pub versions: Option<Versions>,
    /// When it begins; nothing for now. From the staff pages that is after [`GRACE`].
    pub at: Option<DateTime<Utc>>,
    /// It goes out once more although it was sent before.
    pub again: bool,
    /// What a page has shown; nothing from a command, which asks in the same moment.
    pub page: Option<FormState>,
}

/// What the page has shown on which somebody pressed the button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormState {
    /// The number of its form. One form makes one mailing.
    pub form: Uuid,
    /// How many people stood on the button.
    pub people: Option<i64>,
    /// The last mailing of this update. When there is another one by now, somebody else was faster, and nothing is sent.
    pub last: Option<MailingId>,
    /// Which warnings were acknowledged: see [`warnings::marks`].
    pub warnings: String,
}

/// What is known of an update that may be sent.
#[derive(Debug, Clone)]
pub struct SendSituation {
    /// The update and its mail; the findings say also what is unusual about how many people it goes to.
    pub draft: Draft,
    /// How many are subscribed.
    pub audience: i64,
    /// Its mailings that were not taken back, newest first.
    pub earlier: Vec<Overview>,
    /// What keeps it from being sent.
    pub obstacle: Option<Obstacle>,
}

/// What keeps an update from being sent, whatever is acknowledged.
#[derive(Debug, Clone)]
pub enum Obstacle {
    /// Its text.
    Text(TextObstacle),
    /// A mailing of it is not over: it waits to begin, is under way, or paused.
    Open(Box<Overview>),
    /// Nobody is subscribed.
    NoAudience,
}

/// What has to be said or looked at before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// There are warnings, and not all were acknowledged; `some` were.
    Warnings {
        /// Others were, so these are new.
        some: bool,
    },
    /// It was sent before, and nobody said that it goes out once more.
    SentBefore,
    /// Update or publication are others than the person has seen.
    Changed,
    /// How many people it goes to is not what the person has seen.
    Audience {
        /// What stood there.
        shown: Option<i64>,
    },
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Ordered {
    /// A mailing, to so many people as of now.
    Now {
        /// The one that was made.
        mailing: MailingId,
        /// How many.
        people: i64,
    },
    /// The form was sent before; this is its mailing.
    Before(MailingId),
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Only staff send.
    #[error("only staff may send a mailing")]
    NotAllowed(#[from] NotPermitted),
    /// There is no such update.
    #[error("there is no such update")]
    Unknown,
    /// It cannot begin at the time that was named.
    #[error(transparent)]
    StartTime(#[from] StartTimeError),
    /// Another mailing of the update was made meanwhile. Look at that one.
    #[error("this update was sent meanwhile, as mailing {0}")]
    SentMeanwhile(MailingId),
    /// Something is in the way, or has to be acknowledged. Look at it, and ask again.
    #[error("this cannot be sent as it stands")]
    Refused(Box<(SendSituation, Vec<Objection>)>),
    /// The mail cannot be made or looked at.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What there is to know before an update is sent. Nothing when there is no such update.
///
/// # Errors
/// [`PreflightError`].
pub async fn situation(
    app: &App,
    id: UpdateId,
    now: DateTime<Utc>,
) -> Result<Option<SendSituation>, PreflightError> {
    let Some(draft) = Draft::of(app, id).await? else { return Ok(None) };
    Ok(Some(SendSituation::of(&mut *app.pool.acquire().await?, draft, now).await?))
}

/// The mailing that a form has made, if it was sent before.
pub async fn sent_by(app: &App, form: Uuid) -> sqlx::Result<Option<MailingId>> {
    mailing::of_form(&mut *app.pool.acquire().await?, form).await
}

/// Sends an update. Whatever is pressed twice or by two people at once makes one mailing.
///
/// # Errors
/// [`SendError`].
pub async fn send_mailing(
    app: &App,
    by: &Actor,
    order: &Order,
    now: DateTime<Utc>,
) -> Result<Ordered, SendError> {
    by.require_staff()?;
    let draft = Draft::of(app, order.update).await?.ok_or(SendError::Unknown)?;
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    let locked = update::lock(&mut deed, order.update).await?.ok_or(SendError::Unknown)?;
    // Before anything else: what was sent by this form was sent, whatever has changed meanwhile.
    if let Some(page) = &order.page
        && let Some(before) = mailing::of_form(&mut deed, page.form).await?
    {
        return Ok(Ordered::Before(before));
    }
    if let Some(at) = order.at {
        start_time::check(at, now)?;
    }
    let situation = SendSituation::of(&mut deed, draft, now).await?;
    let is_as_made = situation.draft.is_current(&mut deed, &locked).await?;
    let objections = situation.objections(order, is_as_made);
    if let (Some(page), Some(last), None) = (&order.page, situation.earlier.first(), &situation.obstacle)
        && page.last != Some(last.id)
    {
        return Err(SendError::SentMeanwhile(last.id));
    }
    let (Some(content), true) =
        (&situation.draft.content, situation.is_clear(order) && objections.is_empty())
    else {
        return Err(SendError::Refused(Box::new((situation, objections))));
    };
    let has_grace = order.page.is_some() && order.at.is_none();
    let new = NewMailing {
        update: order.update,
        content,
        audience: situation.audience,
        scheduled_at: order.at.or_else(|| has_grace.then(|| now + GRACE)),
        has_grace,
        triggered_by: by.member(),
        form: order.page.as_ref().map(|page| page.form),
    };
    let mailing = mailing::create(&mut deed, &new, now).await?;
    let action = if order.at.is_some() { Action::MailingPlanned } else { Action::MailingSent };
    let warnings = warnings::count(&situation.draft.findings);
    let details = json!({ "people": situation.audience, "at": order.at, "warnings": warnings });
    deed.note(action, &content.subject, &details, &Event::MailingOrdered(mailing, order.update)).await?;
    if new.scheduled_at.is_none() {
        deed.tell_each(&[mailing], Event::MailingBegun).await?;
    }
    deed.commit().await?;
    Ok(Ordered::Now { mailing, people: situation.audience })
}

impl SendSituation {
    async fn of(db: &mut PgConnection, mut draft: Draft, now: DateTime<Utc>) -> sqlx::Result<Self> {
        let id = draft.update.id;
        let audience = mailing::audience(&mut *db, now).await?;
        // By command there may be several: of those that are not over, the one under way matters most.
        let mailings = mailing::of_updates(&mut *db, &[id]).await?;
        let open = mailings.iter().filter(|mailing| !mailing.is_over());
        let open = open.min_by_key(|mailing| mailing.is_waiting_to_begin()).cloned();
        if draft.content.is_some() && draft.update.writing().unfinished().is_empty() {
            draft.findings.extend(recipients::check(db, id, audience).await?);
            preflight::sort(&mut draft.findings);
        }
        let obstacle = match draft.obstacle() {
            Some(text @ (TextObstacle::NoPublication | TextObstacle::Missing(_))) => {
                Some(Obstacle::Text(text))
            }
            text => open
                .map(|mailing| Obstacle::Open(Box::new(mailing)))
                .or_else(|| text.clone().filter(|text| *text == TextObstacle::Unfinished).map(Obstacle::Text))
                .or_else(|| (audience == 0).then_some(Obstacle::NoAudience))
                .or_else(|| text.map(Obstacle::Text)),
        };
        Ok(Self { draft, audience, earlier: mailings, obstacle })
    }

    /// The earlier mailing because of which somebody has to say that it goes out once more. A page names a cancelled one
    /// too: some people may have got it.
    #[must_use]
    pub fn sent_before(&self, is_page: bool) -> Option<&Overview> {
        self.earlier.iter().find(|mailing| is_page || mailing.state != MailingState::Cancelled)
    }

    /// Whether nothing is in the way. A command that says so sends beside a mailing that is not over.
    fn is_clear(&self, order: &Order) -> bool {
        match &self.obstacle {
            None => true,
            Some(Obstacle::Open(_)) => order.page.is_none() && order.again && self.is_clear_but_for_open(),
            Some(_) => false,
        }
    }

    fn is_clear_but_for_open(&self) -> bool {
        self.draft.obstacle().is_none() && self.audience > 0
    }

    /// What has to be said or looked at. `is_as_made`: update and publication are still those the mail was made of.
    #[must_use]
    pub fn objections(&self, order: &Order, is_as_made: bool) -> Vec<Objection> {
        let mut objections = Vec::new();
        let is_obstructed = !self.is_clear(order);
        if let Some(page) = order.page.as_ref().filter(|_| !is_obstructed)
            && !warnings::are_ticked(&self.draft.findings, &page.warnings)
        {
            objections.push(Objection::Warnings { some: !page.warnings.is_empty() });
        }
        if !order.again && self.sent_before(order.page.is_some()).is_some() {
            objections.push(Objection::SentBefore);
        }
        if is_obstructed {
            return objections;
        }
        if !is_as_made || order.versions != Some(self.draft.versions()) {
            objections.push(Objection::Changed);
        } else if let Some(page) = &order.page
            && page.people.is_none_or(|shown| !is_close(shown, self.audience))
        {
            objections.push(Objection::Audience { shown: page.people });
        }
        objections
    }
}

/// Whether the number that is sent to is the one that was shown, but for a few who came or left meanwhile: two of them,
/// or one in a hundred.
fn is_close(shown: i64, now: i64) -> bool {
    (shown - now).abs() <= (shown / 100).max(2)
}

#[cfg(test)]
mod tests {
    use super::is_close;

    #[test]
    fn a_few_who_come_or_leave_meanwhile_are_no_reason_to_ask_again() {
        assert!(is_close(5, 7) && is_close(5, 3) && !is_close(5, 8));
        assert!(is_close(10_000, 10_100) && is_close(10_000, 9_900) && !is_close(10_000, 10_101));
    }
}
