//! A mailing that has not begun, on the pages around it: when it begins, how many would get it now, with which words. And
//! taking a newer text of its update over into it, which is checked and shown before.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    app::preflight::warnings,
    domain::{
        ids::MailingId,
        mailing::{self, FrozenContent, MailingError, Overview, PauseKind},
        staff::audit::{self, Action},
        update::{self, Update},
    },
    mail::preflight::{Finding, Level, Place},
    web::AppState,
};

use super::{
    access::Member,
    composing::content_of,
    page::{Id, Mistakes, Page, done, id_in},
    preflight,
    problems::StaffProblem,
    progress::Standing,
    sending::{self, Obstacle},
};

/// A mailing that has not begun, as `plan` in `staff/parts.html` shows it. `people` are subscribed now.
pub fn view(page: &Page, mailing: &Overview, people: i64) -> Value {
    json!({
        "id": mailing.id, "subject": mailing.subject, "state": state(page, mailing),
        "is_overdue": mailing.pause_kind == Some(PauseKind::Overdue), "is_starting": Standing::from(mailing).key() == "starting",
        "people": page.text("mailing", "planned_text").replace("{people}", &people_now(page, people)),
        "frozen": frozen(page, mailing),
    })
}

/// The plans among these mailings: those that wait for a time that somebody has chosen, or for a decision.
pub async fn among(page: &Page, db: &mut PgConnection, mailings: &[Overview]) -> sqlx::Result<Vec<Value>> {
    let plans: Vec<&Overview> = mailings
        .iter()
        .filter(|mailing| matches!(Standing::from(*mailing).key(), "scheduled" | "overdue"))
        .collect();
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let people = mailing::audience(db, Utc::now()).await?;
    Ok(plans.into_iter().map(|plan| view(page, plan, people)).collect())
}

/// Where a mailing stands, in words: `Geplant Mo, 30.11., 8:00`.
pub fn state(page: &Page, mailing: &Overview) -> String {
    Standing::from(mailing).words(&page.state.pages, page.locale, page.time_zone())
}

/// So many people as of now; who it will be is decided when it begins.
pub fn people_now(page: &Page, count: i64) -> String {
    let key = if count == 1 { "people_now_one" } else { "people_now_many" };
    page.text("mailings", key).replace("{count}", &page.number(count))
}

/// From when the words are.
pub fn frozen(page: &Page, mailing: &Overview) -> String {
    page.text("mailing", "frozen").replace("{at}", &page.short_time(mailing.frozen_at))
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// The versions of update and publication that the page has shown.
    version: String,
    /// When the words were frozen that the mailing had then, in microseconds.
    frozen: String,
    /// Ticked: the warnings are meant so; see [`warnings::marks`].
    warnings: String,
}

/// What the page knows.
struct Situation {
    mailing: Overview,
    update: Update,
    /// The saved text as a mail; nothing while there is no publication.
    content: Option<FrozenContent>,
    /// The mailing says the same already.
    is_same: bool,
    findings: Vec<Finding>,
    obstacle: Option<Obstacle>,
}

impl Situation {
    async fn find(
        page: &Page,
        db: &mut PgConnection,
        mailing: Overview,
        findings: Vec<Finding>,
    ) -> Result<Self, StaffProblem> {
        let update = update::find(db, &mailing.update_id.to_string()).await?;
        let update = update.ok_or(StaffProblem::NOT_FOUND)?;
        let content = content_of(page, db, &update).await?;
        let is_same = content.as_ref() == Some(&mailing::content(db, mailing.id).await?);
        let has_error = findings.iter().any(|finding| finding.level == Level::Error);
        let obstacle = sending::lacking(page)
            .or_else(|| sending::unfinished(page, &update))
            .or_else(|| has_error.then_some(Obstacle::Found));
        Ok(Self { mailing, update, content, is_same, findings, obstacle })
    }

    fn view(&self, page: &Page, sent: &Sent, errors: &Mistakes) -> Value {
        let sender = page.publication.as_ref().map(|publication| &publication.content.sender.name);
        let are_ticked = !sent.warnings.is_empty() && warnings::are_ticked(&self.findings, &sent.warnings);
        json!({
            "mailing": {
                "id": self.mailing.id, "state": state(page, &self.mailing),
                "frozen_text": frozen(page, &self.mailing),
                "frozen": self.mailing.frozen_at.timestamp_micros().to_string(),
            },
            "update": { "id": self.update.id, "title": self.update.title, "version": self.update.version },
            "saved": page.text("planned", "saved").replace("{at}", &page.short_time(self.update.changed_at)),
            "versions": sending::versions(page, &self.update),
            "mail": self.content.as_ref().map(|content| sending::mail(content, &self.update)),
            "sender": sender.map(|name| json!({ "name": name })),
            "preflight": preflight::view(page, self.update.id, &self.findings),
            "obstacle": self.obstacle.as_ref().map(|obstacle| obstacle.view(page, 0)),
            "is_same": self.is_same, "warnings": warnings::marks(&self.findings), "is_ticked": are_ticked,
            "errors": errors,
        })
    }

    /// What has to be mended before the text is taken.
    fn mistakes(&self, page: &Page, sent: &Sent) -> Mistakes {
        let mut mistakes = Mistakes::default();
        if self.obstacle.is_some() {
            return mistakes;
        }
        if !warnings::are_ticked(&self.findings, &sent.warnings) {
            let key = if sent.warnings.is_empty() { "warnings" } else { "warnings_changed" };
            mistakes.add("warnings", page.text("error", key));
        }
        if sent.version != sending::versions(page, &self.update) {
            mistakes.add("form", page.text("error", "text_version"));
        }
        mistakes
    }
}

/// What is wrong with the saved text. Not with how many people it goes to: that is decided when it begins.
async fn survey(page: &Page, mailing: &Overview) -> Result<Vec<Finding>, StaffProblem> {
    let mut findings = sending::survey(page, mailing.update_id).await?;
    findings.retain(|finding| finding.place != Place::Recipients);
    Ok(findings)
}

fn path(id: MailingId) -> String {
    format!("/staff/mailings/{id}")
}

/// `GET /staff/mailings/{id}/text`: the saved text of the update as a mail, what the check says, and the button that takes
/// it over.
pub async fn show(
    State(state): State<AppState>,
    page: Page,
    _: Member,
    id: Id<MailingId>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let found = mailing::overview(&mut *state.pool.acquire().await?, id).await?;
    let mailing = found.ok_or(StaffProblem::NOT_FOUND)?;
    if !mailing.is_waiting_to_begin() {
        return Ok(done(&path(id), "too_late_for_text"));
    }
    let findings = survey(&page, &mailing).await?;
    let situation = Situation::find(&page, &mut *state.pool.acquire().await?, mailing, findings).await?;
    page.show("staff/planned_text.html", &situation.view(&page, &Sent::default(), &Mistakes::default()))
}

/// `POST /staff/mailings/{id}/text`: puts the saved text in the place of the one that was planned.
pub async fn take(
    State(state): State<AppState>,
    page: Page,
    member: Member,
    id: Id<MailingId>,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let (id, now) = (id_in(id)?, Utc::now());
    let found = mailing::overview(&mut *state.pool.acquire().await?, id).await?;
    let findings = survey(&page, &found.ok_or(StaffProblem::NOT_FOUND)?).await?;
    let mut transaction = state.pool.begin().await?;
    // The mailing first, as whoever takes it back does: it neither begins nor is moved while this is decided.
    mailing::lock(&mut transaction, id).await?;
    let mailing = mailing::overview(&mut transaction, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    if !mailing.is_waiting_to_begin() {
        return Ok(done(&path(id), "too_late_for_text"));
    }
    mailing::take_turns(&mut transaction, mailing.update_id).await?;
    let situation = Situation::find(&page, &mut transaction, mailing, findings).await?;
    // Pressed twice, or by two people: it says so already.
    if situation.is_same {
        return Ok(done(&path(id), "text_taken"));
    }
    let mut mistakes = situation.mistakes(&page, &sent);
    let shown = sent.frozen.parse().ok().and_then(DateTime::from_timestamp_micros);
    if let (Some(content), Some(shown), None, true) =
        (&situation.content, shown, &situation.obstacle, mistakes.is_empty())
    {
        match mailing::take_text(&mut transaction, id, shown, content, now).await {
            Ok(()) => {
                let details = json!({
                    "at": situation.mailing.scheduled_at, "version": situation.update.version,
                    "warnings": warnings::count(&situation.findings),
                });
                let (by, subject) = (member.actor(), &content.subject);
                audit::record(&mut transaction, &by, Action::MailingTextTaken, subject, &details, now)
                    .await?;
                transaction.commit().await?;
                return Ok(done(&path(id), "text_taken"));
            }
            Err(MailingError::TextChanged) => mistakes.add("form", page.text("error", "text_changed")),
            Err(MailingError::Database(error)) => return Err(error.into()),
            Err(_) => return Ok(done(&path(id), "too_late_for_text")),
        }
    } else if shown.is_none() {
        mistakes.add("form", page.text("error", "form_old"));
    }
    transaction.rollback().await?;
    let own = situation.view(&page, &sent, &mistakes);
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, "staff/planned_text.html", &own)
}
